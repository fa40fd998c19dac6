"""Damage is found at open, named by feed and position; what is sound stays usable."""

import random
import shutil
import sqlite3
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import pytest

from synaptic_crdt.errors import StoreDamaged
from synaptic_crdt.state.database import failures_named
from synaptic_crdt.state.feeds import Piece, make_seal_message, verify_piece
from synaptic_crdt.state.hashes import compute_body_hash, compute_chain
from synaptic_crdt.state.loading import Damage, load_replica
from synaptic_crdt.state.replica import Replica
from synaptic_crdt.state.statements import Statement, encode_statement
from synaptic_crdt.state.store import Store
from tests.state import witnessing
from tests.state.conftest import MARKET, OPENED_MS, ToyContract, Writer, admit, make_replica

SEQUENCER = Writer(9)
LENGTH = 2100  # two windows and 52 entries more
SHORTHANDS = {
    "PLACE": "(SELECT feed << 40 FROM feeds WHERE device = ?)",
    "FEED": "(SELECT feed FROM feeds WHERE device = ?)",
}


class Home:
    """A store of two feeds and three checkpoints, and the replica it was written from."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "market.db"
        self.replica = make_replica(SEQUENCER.device)
        self.feed, self.other = Writer(1), Writer(2)
        store = Store.create(self.path, b"genesis")
        for count, writer in ((700, self.feed), (5, self.other), (1400, self.feed)):
            last = writer.feed.position
            pieces = writer.write(*[(OPENED_MS + last + n, ["mint", 1]) for n in range(count)])
            replaced = self.replica.get_feed(writer.device).get_passing_seal()
            store.write(
                pieces=pieces,
                replaced_seals=[] if replaced is None else [(writer.device, replaced)],
            )
            admit(self.replica, pieces)
            checkpoint = self.replica.make_checkpoint(
                SEQUENCER.key, OPENED_MS + writer.feed.position, bool
            )
            self.replica.add_statement(checkpoint)
            store.write(statements=[(checkpoint.id, encode_statement(checkpoint))])
        store.close()

    def load(self) -> tuple[Replica, tuple[Damage, ...]]:
        with self.opened() as loaded:
            return loaded

    @contextmanager
    def opened(self) -> Generator[tuple[Replica, tuple[Damage, ...]]]:
        """Load, and leave the store open: what is final is read from there."""
        store = Store.open(self.path)
        replica = make_replica(SEQUENCER.device)
        yield replica, load_replica(store, replica)
        store.close()

    def edit(self, *statements: str) -> None:
        """Run SQL against the closed store; ``?`` is the device of the first feed."""
        connection = sqlite3.connect(self.path)
        connection.execute("PRAGMA journal_mode = DELETE")
        for statement in statements:
            for name, query in SHORTHANDS.items():
                statement = statement.replace(name, query)  # noqa: PLW2901
            connection.execute(statement, [self.feed.device] * statement.count("?"))
        connection.commit()
        connection.close()

    def repair(self) -> None:
        """Admit what is missing from the undamaged copy, as a sync with a peer would."""
        store = Store.open(self.path)
        replica = make_replica(SEQUENCER.device)
        load_replica(store, replica)
        for writer in (self.feed, self.other):
            feed = replica.get_feed(writer.device)
            while (piece := writer.feed.get_piece(feed.position + 1)) is not None:
                entries, tip = verify_piece(MARKET, feed.tip, piece)
                replaced = feed.get_passing_seal()
                store.write(
                    pieces=[piece],
                    replaced_seals=[] if replaced is None else [(feed.device, replaced)],
                )
                replica.extend(feed, entries, tip, piece.signature)
        for index in range(1, 4):
            checkpoint = self.replica.chain.get(index)
            assert checkpoint is not None
            if replica.add_statement(checkpoint) == "counts":
                store.write(statements=[(checkpoint.id, encode_statement(checkpoint))])
        store.close()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("home"))


@pytest.fixture
def home(made: Home, tmp_path: Path) -> Home:
    """The same home in a folder of its own, to be damaged."""
    copied = object.__new__(Home)
    copied.__dict__.update(made.__dict__)
    copied.path = tmp_path / "market.db"
    shutil.copy(made.path, copied.path)
    return copied


def test_an_undamaged_store_gives_the_same_replica(home: Home) -> None:
    with home.opened() as (replica, damages):
        assert damages == ()
        assert replica.root == home.replica.root
        assert replica.final_epoch == 3
        assert replica.compute_digest() == home.replica.compute_digest()
        assert list(replica.feeds) == list(home.replica.feeds)
        for writer in (home.feed, home.other):
            loaded = replica.get_feed(writer.device)
            assert loaded.tip == writer.feed.tip
            assert loaded.seals == writer.feed.seals
            assert loaded.get_piece(1) == writer.feed.get_piece(1)
            assert loaded.get_piece(LENGTH - 1) == writer.feed.get_piece(LENGTH - 1)


# SQL, then the position named, the number of sound entries, and a word of the reason.
ALTER_BODY = (
    "UPDATE entries SET body = CAST(x'00' || substr(body, 2) AS BLOB) WHERE place = PLACE + {}"
)
ALTER_HASH = "UPDATE entries SET body_hash = randomblob(32) WHERE place = PLACE + {}"
DROP_ENTRY = "DELETE FROM entries WHERE place = PLACE + {}"
DROP_SEAL = "DELETE FROM seals WHERE feed = FEED AND position = {}"
ALTER_SEAL = "UPDATE seals SET signature = randomblob(64) WHERE feed = FEED AND position = {}"
MOVE = "UPDATE entries SET place = PLACE + {} WHERE place = PLACE + {}"
SWAP = [MOVE.format(9999, 1500), MOVE.format(1500, 1600), MOVE.format(1600, 9999)]

DAMAGED: dict[str, tuple[list[str], int, int, str]] = {
    "first body": ([ALTER_BODY.format(1)], 1, 0, "body is altered"),
    "a body": ([ALTER_BODY.format(700)], 700, 699, "body is altered"),
    "a body at a window's end": ([ALTER_BODY.format(1024)], 1024, 1023, "body is altered"),
    "last body": ([ALTER_BODY.format(2100)], 2100, 2099, "body is altered"),
    "two bodies": (
        [ALTER_BODY.format(1500), ALTER_BODY.format(1200)],
        1200,
        1199,
        "body is altered",
    ),
    "a body and its hash": (
        [ALTER_BODY.format(1500), ALTER_HASH.format(1500)],
        1025,
        1024,
        "no valid seal up to position 1500, where the body or its stored hash is altered",
    ),
    "an empty body": (
        [
            "PRAGMA ignore_check_constraints = 1",
            "UPDATE entries SET body = x'' WHERE place = PLACE + 9",
        ],
        9,
        8,
        "body is altered",
    ),
    "a body and the newest seal": (
        [ALTER_BODY.format(1500), ALTER_SEAL.format(2100)],
        1025,
        1024,
        "no valid seal up to position 1500",
    ),
    "a body behind the newest seal's place": (
        [ALTER_BODY.format(2090), DROP_SEAL.format(2100)],
        2049,
        2048,
        "no valid seal up to position 2090",
    ),
    "a missing first entry": ([DROP_ENTRY.format(1)], 1, 0, "missing"),
    "a missing entry": ([DROP_ENTRY.format(1500)], 1025, 1024, "position 1500, where the entry"),
    "a missing entry behind a seal": ([DROP_ENTRY.format(1025)], 1025, 1024, "entry is missing"),
    "a missing tail": (
        ["DELETE FROM entries WHERE place BETWEEN PLACE + 2061 AND PLACE + 9999"],
        2049,
        2048,
        "position 2061, where the entry is missing",
    ),
    "a tail missing to a seal": (
        ["DELETE FROM entries WHERE place BETWEEN PLACE + 2049 AND PLACE + 9999"],
        2049,
        2048,
        "entry is missing",
    ),
    "all entries": (
        ["DELETE FROM entries WHERE place BETWEEN PLACE AND PLACE + 9999"],
        1,
        0,
        "missing",
    ),
    "two entries swapped": (SWAP, 1025, 1024, "no valid seal"),
    "the newest seal": ([ALTER_SEAL.format(2100)], 2049, 2048, "no valid seal"),
    "the newest seal missing": ([DROP_SEAL.format(2100)], 2049, 2048, "no valid seal"),
    "all seals": (["UPDATE seals SET signature = zeroblob(64) WHERE feed = FEED"], 1, 0, "seal"),
    "no seals": (["DELETE FROM seals WHERE feed = FEED"], 1, 0, "no valid seal"),
    "a seal moved": (
        ["UPDATE seals SET position = 2099 WHERE feed = FEED AND position = 2100"],
        2049,
        2048,
        "no valid seal",
    ),
    "a seal at no position": (
        ["UPDATE seals SET position = -1 WHERE feed = FEED AND position = 2100"],
        2049,
        2048,
        "no valid seal",
    ),
}


@pytest.mark.parametrize(
    ("statements", "position", "sound", "reason"), DAMAGED.values(), ids=DAMAGED.keys()
)
def test_damage_is_named_and_the_sound_front_stays_usable(
    home: Home, statements: list[str], position: int, sound: int, reason: str
) -> None:
    home.edit(*statements)
    replica, damages = home.load()
    (damage,) = damages
    assert (damage.kind, damage.device, damage.position) == ("entry", home.feed.device, position)
    assert reason in damage.reason
    assert str(damage).startswith(f"feed {home.feed.device.hex()} position {position}: ")
    assert damage.forbids_writing(home.feed.device)
    feed = replica.get_feed(home.feed.device)
    assert feed.entries == home.feed.feed.entries[:sound]
    # Another feed is untouched; so is what can be folded of this one.
    assert replica.get_feed(home.other.device).tip == home.other.feed.tip
    assert len(replica.root) == 32
    # What is offered verifies, and is all that a seal covers.
    elsewhere = make_replica()
    while (piece := feed.get_piece(elsewhere.get_feed(feed.device).position + 1)) is not None:
        admit(elsewhere, [piece])
    assert elsewhere.get_feed(feed.device).position == feed.sealed_position
    # A peer repairs it, for good.
    home.repair()
    repaired, damages = home.load()
    assert damages == ()
    assert repaired.root == home.replica.root
    assert repaired.final_epoch == 3


@pytest.mark.parametrize("position", [1, 1024, 1500, 2100])
def test_an_altered_hash_beside_a_sealed_body_is_named(home: Home, position: int) -> None:
    home.edit(ALTER_HASH.format(position))
    replica, (damage,) = home.load()
    assert (damage.kind, damage.position) == ("hash", position)
    assert not damage.forbids_writing(home.feed.device)
    assert replica.root == home.replica.root


@pytest.mark.parametrize("statement", [DROP_SEAL, ALTER_SEAL])
def test_a_windows_damaged_seal_keeps_it_from_being_passed_on(home: Home, statement: str) -> None:
    home.edit(statement.format(1024))
    replica, (damage,) = home.load()
    assert (damage.kind, damage.device, damage.position) == ("seal", home.feed.device, 1024)
    assert not damage.forbids_writing(home.feed.device)
    assert replica.root == home.replica.root
    feed = replica.get_feed(home.feed.device)
    assert feed.get_piece(1) is None
    assert feed.get_piece(1024) is None
    assert feed.get_piece(1025) == home.feed.feed.get_piece(1025)


def test_a_feed_without_its_device_is_named(home: Home) -> None:
    home.edit("DELETE FROM feeds WHERE device = ?")
    replica, (damage,) = home.load()
    assert (damage.kind, str(damage)[:7]) == ("feed", "feed 1:")
    assert damage.forbids_writing(home.feed.device)
    assert damage.forbids_writing(home.other.device)
    assert list(replica.feeds) == [home.other.device]
    # The feed comes again under another number; the nameless one stays named.
    home.repair()
    repaired, damages = home.load()
    assert damages == (damage,)
    assert repaired.root == home.replica.root


def test_a_feed_under_another_name_is_named(home: Home) -> None:
    home.edit("UPDATE feeds SET device = zeroblob(32) WHERE device = ?")
    replica, (damage,) = home.load()
    assert (damage.device, damage.position) == (bytes(32), 1)
    # Whose it was cannot be known, so nobody here writes before a repair.
    assert damage.forbids_writing(home.feed.device)
    assert list(replica.feeds) == [home.other.device]


def test_two_feeds_with_swapped_names_are_named(home: Home) -> None:
    home.edit(
        "UPDATE feeds SET device = zeroblob(32) WHERE device = ?",
        "UPDATE feeds SET device = ? WHERE device != zeroblob(32)",
    )
    _, damages = home.load()
    assert [(damage.kind, damage.position) for damage in damages] == [("entry", 1), ("entry", 1)]


def test_a_feed_row_without_anything_is_named(home: Home) -> None:
    home.edit(
        "DELETE FROM entries WHERE place BETWEEN PLACE AND PLACE + 9999",
        "DELETE FROM seals WHERE feed = FEED",
    )
    _, (damage,) = home.load()
    assert (damage.device, damage.position) == (home.feed.device, 1)


ALTER_SIGNATURE = (
    "UPDATE statements SET statement ="
    " CAST(substr(statement, 1, length(statement) - 1) || x'77' AS BLOB) WHERE number = 2"
)
STATEMENTS: dict[str, tuple[str, int]] = {
    "altered": ("UPDATE statements SET statement = zeroblob(9) WHERE number = 2", 2),
    "signature altered": (ALTER_SIGNATURE, 2),
    "missing": ("DELETE FROM statements WHERE number = 2", 3),
    "first missing": ("DELETE FROM statements WHERE number = 1", 2),
}


@pytest.mark.parametrize(("statement", "number"), STATEMENTS.values(), ids=STATEMENTS.keys())
def test_a_damaged_statement_is_named(home: Home, statement: str, number: int) -> None:
    home.edit(statement)
    replica, damages = home.load()
    assert [damage.kind for damage in damages] == ["statement"] * len(damages)
    assert damages[0].position == number
    assert str(damages[0]).startswith(f"statement {number}: ")
    assert not damages[0].forbids_writing(home.feed.device)
    assert replica.final_epoch == (0 if "first" in statement or "= 1" in statement else 1)
    assert replica.entries == LENGTH + 5
    home.repair()
    repaired, damages = home.load()
    assert damages == ()
    assert repaired.final_epoch == 3
    assert repaired.root == home.replica.root


def test_statements_about_witnesses_wait_for_what_they_stand_on(tmp_path: Path) -> None:
    """The second handover without the first, and the cosignature of a view that nobody began."""
    first = witnessing.hand_over(None)
    second = witnessing.hand_over(None, view=2)
    store = Store.create(tmp_path / "market.db", b"genesis")
    checkpoint = witnessing.follow(view=2)
    late = witnessing.cosign(checkpoint, witnessing.A)
    store.write(statements=[(each.id, encode_statement(each)) for each in (late, second)])
    replica = make_handed_over()
    [damage] = load_replica(store, replica)
    assert (damage.kind, damage.position) == ("statement", 2)
    assert damage.reason == "what it stands on is missing or damaged"
    assert replica.chain.view.number == 0
    # Behind its successor, as a repair puts it.
    store.write(statements=[(first.id, encode_statement(first))])
    replica = make_handed_over()
    assert load_replica(store, replica) == ()
    assert replica.chain.view.number == 2
    store.close()


def test_what_a_view_signed_whose_origin_never_came_is_no_damage(tmp_path: Path) -> None:
    """Another handover made the origin void after it had counted here."""
    _, origin = witnessing.follow_all(2)
    word = witnessing.hand_over(origin)
    following = witnessing.follow(origin, view=1, key=witnessing.NEXT)
    store = Store.create(tmp_path / "market.db", b"genesis")
    store.write(statements=[(each.id, encode_statement(each)) for each in (word, following)])
    replica = make_handed_over()
    assert load_replica(store, replica) == ()
    awaited = replica.chain.awaited
    assert awaited is not None
    assert awaited.origin == origin.id
    # What is missing before the view began is named all the same.
    late = witnessing.follow(witnessing.follow(root=7), root=7)
    store.write(statements=[(late.id, encode_statement(late))])
    [damage] = load_replica(store, make_handed_over())
    assert (damage.kind, damage.position) == ("statement", 3)
    store.close()


def read_nothing(*_: object) -> Iterator[tuple[int, bytes, bytes]]:
    raise StoreDamaged("a page is none")
    yield


def test_a_feed_that_cannot_be_read_is_named_alone(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Store, "read_bodies", read_nothing)
    with closing(Store.open(home.path)) as store:
        store.saved.clear()
        damages = load_replica(store, make_replica(SEQUENCER.device))
    assert damages
    assert {(damage.kind, damage.reason) for damage in damages} >= {("entry", "a page is none")}


@pytest.mark.parametrize(
    "error", [OverflowError("2**70"), UnicodeDecodeError("utf-8", b"", 0, 1, "")]
)
def test_whatever_a_damaged_file_makes_of_numbers_and_texts_is_damage(error: Exception) -> None:
    with pytest.raises(StoreDamaged, match="keep the file"), failures_named(Path("market.db")):
        raise error


def test_what_was_cosigned_beside_what_counts_is_evidence_after_opening(tmp_path: Path) -> None:
    """The proof of signing twice is taken last, and says what of this matters."""
    winner, loser = witnessing.follow(root=1), witnessing.follow(root=2)
    following = witnessing.follow(winner)
    statements: list[Statement] = [
        *(winner, loser, witnessing.cosign(loser, witnessing.C)),
        *witnessing.cosign_all(winner, witnessing.A, witnessing.B),
        *(following, *witnessing.cosign_all(following, witnessing.A, witnessing.B)),
    ]
    with closing(Store.create(tmp_path / "market.db", b"genesis")) as store:
        before, after = make_witnessed(), make_witnessed()
        for statement in statements:
            before.add_statement(statement)
            store.write(statements=[(statement.id, encode_statement(statement))])
        assert before.chain.index == 2
        assert load_replica(store, after) == ()
    assert sorted(after.get_statements()) == sorted(before.get_statements())


def make_witnessed() -> Replica:
    return Replica(
        MARKET,
        sequencer=witnessing.SEQUENCER.public,
        opened_ms=OPENED_MS,
        make_contract=ToyContract,
        witnesses=[key.public for key in witnessing.WITNESSES],
    )


def make_handed_over() -> Replica:
    return Replica(
        MARKET,
        sequencer=witnessing.SEQUENCER.public,
        opened_ms=OPENED_MS,
        make_contract=ToyContract,
        recovery=witnessing.RECOVERY.public,
    )


def test_a_halted_market_is_halted_after_opening(home: Home) -> None:
    one = home.replica.chain.get(1)
    assert one is not None
    store = Store.open(home.path)
    twin = make_replica(SEQUENCER.device).make_checkpoint(SEQUENCER.key, OPENED_MS, bool)
    store.write(statements=[(twin.id, encode_statement(twin))])
    store.close()
    replica, damages = home.load()
    assert damages == ()
    assert replica.is_halted
    assert replica.final_epoch == 3


def test_a_sealed_body_that_no_program_would_admit_is_named(tmp_path: Path) -> None:
    writer = Writer(1)
    bodies = (b"\x00",)
    ids = compute_chain(writer.feed.head, [compute_body_hash(body) for body in bodies])
    signature = writer.key.sign("seal", make_seal_message(MARKET, 1, ids[-1]))
    store = Store.create(tmp_path / "market.db", b"genesis")
    store.write(pieces=[Piece(writer.device, 1, writer.feed.head, bodies, signature)])
    replica = make_replica()
    (damage,) = load_replica(store, replica)
    assert (damage.device, damage.position) == (writer.device, 1)
    assert replica.entries == 0


def test_a_truncated_file_never_crashes(home: Home, tmp_path: Path) -> None:
    whole = home.path.read_bytes()
    cut_path = tmp_path / "cut.db"
    for size in [*range(0, len(whole), len(whole) // 23), len(whole) - 1]:
        cut_path.write_bytes(whole[:size])
        for remains in tmp_path.glob("cut.db-*"):
            remains.unlink()
        check_is_survivable(home, cut_path)


@pytest.mark.untraced
def test_flipped_bytes_of_the_file_never_crash(home: Home, tmp_path: Path) -> None:
    chance = random.Random(3)
    whole = home.path.read_bytes()
    flipped_path = tmp_path / "flipped.db"
    named = 0
    for _ in range(60):
        changed = bytearray(whole)
        for _ in range(chance.choice([1, 1, 40])):
            changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
        flipped_path.write_bytes(changed)
        for remains in tmp_path.glob("flipped.db-*"):
            remains.unlink()
        named += check_is_survivable(home, flipped_path)
    assert named > 10


def check_is_survivable(home: Home, path: Path) -> bool:
    """Open whatever is there: what comes out is named damage, and nothing but true entries."""
    try:
        store = Store.open(path)
    except StoreDamaged:
        return True
    try:
        replica = make_replica(SEQUENCER.device)
        damages = load_replica(store, replica)
        # What is final and sound is read from the store now.
        for writer in (home.feed, home.other):
            entries = replica.get_feed(writer.device).entries
            assert entries == writer.feed.entries[: len(entries)]
    except StoreDamaged:
        return True
    finally:
        store.close()
    if replica.entries < LENGTH + 5:
        assert damages
    else:
        assert replica.final_epoch == 3 or damages
    return bool(damages)


def test_damage_of_one_feed_forbids_nothing_to_others() -> None:
    damage = Damage("entry", bytes([1]) * 32, 5, "reason")
    assert damage.forbids_writing(bytes([1]) * 32)
    assert not damage.forbids_writing(bytes([2]) * 32)
    assert msgspec.structs.replace(damage, position=1).forbids_writing(bytes([2]) * 32)
