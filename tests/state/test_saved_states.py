"""A replica that began at a saved state and one that folded everything cannot be told apart.

And what is saved is used only as far as it verifies: whatever is altered is found, and set aside.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synaptic_crdt.errors import BodyArchived, StoreDamaged
from synaptic_crdt.state import limits
from synaptic_crdt.state.codec import Value, encode
from synaptic_crdt.state.feeds import Piece, verify_piece
from synaptic_crdt.state.hashes import compute_body_hash
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.loading import load_replica, replay_store
from synaptic_crdt.state.outcomes import compute_verdict_leaves
from synaptic_crdt.state.proving import compute_version_root
from synaptic_crdt.state.replica import Replica
from synaptic_crdt.state.saved import SavedRow, StateAssembly, encode_chunks
from synaptic_crdt.state.statements import Checkpoint, Statement, encode_statement, sign_checkpoint
from synaptic_crdt.state.store import Store
from tests.state.conftest import MARKET, OPENED_MS, ToyContract, Writer, dump_machine
from tests.state.witnessing import RECOVERY, hand_over

GENESIS: Final = b"genesis"
SEQUENCER: Final = DeviceKey(bytes([9]) * 32)
SECOND: Final = DeviceKey(bytes([10]) * 32)


class Home:
    """A store and its replica, kept up to date as a node does."""

    def __init__(self, path: Path) -> None:
        self.path: Final = path
        self.store = Store.create(path, GENESIS)
        self.writers: Final = [Writer(seed) for seed in (1, 2, 3)]
        self.replica = make_market()
        self.damages = load_replica(self.store, self.replica)

    def write(self, number: int, *operations: tuple[int, Sequence[Value]]) -> None:
        for piece in self.writers[number].write(*operations):
            self.admit(piece)

    def admit(self, piece: Piece) -> None:
        feed = self.replica.get_feed(piece.device)
        entries, tip = verify_piece(MARKET, feed.tip, piece)
        passing = feed.get_passing_seal()
        replaced = [] if passing is None else [(feed.device, passing)]
        self.store.write(pieces=[piece], replaced_seals=replaced)
        self.replica.extend(feed, entries, tip, piece.signature)
        self.keep()

    def add(self, *statements: Statement) -> None:
        for statement in statements:
            self.store.write(statements=[(statement.id, encode_statement(statement))])
            self.replica.add_statement(statement)
        self.store.write(truncations=self.replica.branches.take_truncations())
        self.keep()

    def close_epoch(self, later: int = 10, key: DeviceKey = SEQUENCER) -> Checkpoint:
        time_ms = self.replica.chain.time_ms + later
        checkpoint = self.replica.make_checkpoint(key, time_ms, lambda _: True)
        self.add(checkpoint)
        return checkpoint

    def keep(self) -> None:
        self.replica.keep_closed()

    def reopen(self) -> Replica:
        self.store.close()
        self.store = Store.open(self.path)
        self.replica = make_market()
        self.damages = load_replica(self.store, self.replica)
        return self.replica

    def replay(self) -> Replica:
        replica = make_market()
        assert replay_store(self.store, replica, {}) == ()
        return replica

    def edit(self, query: str, *arguments: object) -> None:
        self.store.close()
        connection = sqlite3.connect(self.path)
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute(query, arguments)
        connection.commit()
        connection.close()
        self.store = Store.open(self.path)


def make_market() -> Replica:
    return Replica(
        MARKET,
        sequencer=SEQUENCER.public,
        opened_ms=OPENED_MS,
        make_contract=ToyContract,
        recovery=RECOVERY.public,
    )


def describe(replica: Replica) -> object:
    """Return all that can be seen of a replica, but for what it showed before."""
    machine = replica.machine
    return (
        dump_machine(machine)[:-1],  # type: ignore[index]
        replica.get_leaves(),
        replica.compute_digest(),
        [(item.index, item.claimed, item.computed) for item in replica.divergences],
        replica.final_epoch,
        {device: (feed.tip, feed.closed_position) for device, feed in replica.feeds.items()},
        {device: list(feed.entries) for device, feed in replica.feeds.items()},
        {device: list(get_pieces(replica, device)) for device in replica.feeds},
        [machine.get_epoch(epoch) for epoch in range(1, machine.epoch + 1)],
        [compute_verdict_leaves(machine.get_epoch(n)) for n in range(1, machine.epoch + 1)],
        list(machine.get_settled().get_ids()),
        machine.epoch and compute_version_root(MARKET, machine.get_closed()),
        replica.get_newest_time(2**40),
    )


def get_pieces(replica: Replica, device: bytes) -> Iterator[Piece]:
    feed, position = replica.get_feed(device), 0
    while (piece := feed.get_piece(position + 1)) is not None:
        yield piece
        position = piece.last


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "market.db")
    for number in range(3):
        time_ms = OPENED_MS + 10 * number
        home.write(0, (time_ms, ["mint", 50]), (time_ms + 1, ["pay", home.writers[1].device, 7]))
        home.write(1, (time_ms + 2, ["mint", 5]), (time_ms + 3, ["lock", bytes(32), 2, 15]))
        home.close_epoch()
    home.write(2, (OPENED_MS + 50, ["mint", 1]))
    yield home
    home.store.close()


STEPS: Final = st.lists(
    st.tuples(
        st.sampled_from(["write", "write", "write", "close", "reopen", "wrong", "back", "end"]),
        st.integers(0, 2),
        st.integers(0, 40),
    ),
    min_size=3,
    max_size=30,
)


@pytest.mark.untraced
@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_nobody_can_tell_where_a_replica_began(
    tmp_path_factory: pytest.TempPathFactory, steps: Sequence[tuple[str, int, int]]
) -> None:
    home = Home(tmp_path_factory.mktemp("home") / "market.db")
    try:
        for kind, number, amount in steps:
            chain = home.replica.chain
            key = SEQUENCER if chain.sequencer == SEQUENCER.public else SECOND
            if kind == "write":
                late_ms = chain.time_ms + amount - 20
                to = home.writers[amount % 3].device
                operations: list[list[Value]] = [
                    ["mint", amount],
                    ["pay", to, 3],
                    ["lock", to, 1, amount],
                ]
                home.write(number, *((late_ms, operation) for operation in operations))
            elif kind == "close":
                home.close_epoch(amount, key)
            elif kind == "reopen":
                home.reopen()
                assert home.damages == ()
            elif kind == "end" and home.writers[amount % 3].device in home.replica.feeds:
                home.write(number, (chain.time_ms, ["end", home.writers[amount % 3].device]))
            elif kind == "wrong":
                honest = home.replica.make_checkpoint(key, chain.time_ms, lambda _: True)
                home.add(sign_wrong(key, honest))
            elif kind == "back" and chain.index:
                # A handover that goes on from an older checkpoint undoes what came after.
                origin = chain.get(max(chain.view.index, 1, chain.index - amount % 3))
                other = SECOND if key is SEQUENCER else SEQUENCER
                view = chain.view.number + 1
                home.add(hand_over(origin, RECOVERY, view=view, sequencer=other))
        expected = describe(home.replay())
        assert describe(home.replica) == expected
        assert describe(home.reopen()) == expected
        assert home.damages == ()
        home.write(0, (home.replica.chain.time_ms, ["mint", 1]))
        is_first = home.replica.chain.sequencer == SEQUENCER.public
        home.close_epoch(key=SEQUENCER if is_first else SECOND)
        assert describe(home.replica) == describe(home.replay())
    finally:
        home.store.close()


def sign_wrong(key: DeviceKey, honest: Checkpoint) -> Checkpoint:
    return sign_checkpoint(
        MARKET,
        key,
        view=honest.view,
        index=honest.index,
        previous=honest.previous,
        time=honest.time,
        frontier=honest.frontier,
        root=bytes(32),
    )


def test_what_is_final_is_not_in_memory_and_all_there(home: Home) -> None:
    expected = describe(home.replica)
    replica = home.reopen()
    assert home.damages == ()
    assert not any(feed.entries._rest for feed in list(replica.feeds.values())[:2])
    assert replica.machine.get_settled().held == []
    assert [outcome.entry.id for outcome in replica.machine.get_tail()] == [
        home.writers[2].feed.head
    ]
    assert describe(replica) == expected
    for writer in home.writers:
        for entry in writer.feed.entries:
            outcome = replica.machine.get_outcome(entry.id)
            place = replica.machine.get_place(entry.id)
            assert outcome is not None
            assert outcome.entry == entry
            assert outcome.place == place
    assert replica.machine.get_outcome(bytes(32)) is None
    assert replica.machine.get_place(bytes(32)) is None


def test_a_store_of_before_is_folded_once(home: Home) -> None:
    """A store without saved states is one that an older program wrote."""
    expected = describe(home.replica)
    home.store.saved.clear()
    assert describe(home.reopen()) == expected
    assert (home.damages, home.store.saved.epoch) == ((), 3)
    assert describe(home.reopen()) == expected
    assert home.replica.machine.get_settled()._saved is not None


def test_only_the_newest_states_can_be_gone_back_to(home: Home) -> None:
    for _ in range(limits.SAVED_STATES + 3):
        home.write(0, (home.replica.chain.time_ms, ["mint", 1]))
        home.close_epoch()
    newest = home.store.saved.epoch
    assert newest == limits.SAVED_STATES + 6
    oldest = newest - limits.SAVED_STATES
    for origin, begins in ((oldest, True), (oldest - 1, False)):
        replica = make_market()
        for index in range(1, origin + 1):
            checkpoint = home.replica.chain.get(index)
            assert checkpoint is not None
            replica.add_statement(checkpoint)
        state = home.store.saved.find_state(replica.chain)
        assert (None if state is None else state.epoch) == (origin if begins else None)
    # Further back everything is folded, and kept anew.
    home.add(hand_over(home.replica.chain.get(oldest - 1), RECOVERY, sequencer=SECOND))
    home.close_epoch(key=SECOND)
    assert home.store.saved.epoch == oldest
    assert describe(home.reopen()) == describe(home.replay())


def test_a_state_is_taken_only_where_the_root_agrees(home: Home) -> None:
    honest = home.replica.make_checkpoint(SEQUENCER, OPENED_MS + 100, lambda _: True)
    home.add(sign_wrong(SEQUENCER, honest))
    expected = describe(home.replica)
    state = home.store.saved.find_state(home.replica.chain)
    assert state is not None
    assert state.epoch == 3
    assert describe(home.reopen()) == expected
    assert [item.index for item in home.replica.divergences] == [4]
    home.write(0, (OPENED_MS + 100, ["mint", 1]))
    home.close_epoch()
    assert describe(home.reopen()) == describe(home.replay())
    assert home.replica.divergences[0].index == 4


def test_what_the_disk_refuses_to_keep_is_kept_after_the_next_opening(home: Home) -> None:
    kept = home.store.saved
    home.write(0, (OPENED_MS + 60, ["mint", 1]))
    honest = home.replica.make_checkpoint(SEQUENCER, OPENED_MS + 61, lambda _: True)
    home.store.write(statements=[(honest.id, encode_statement(honest))])
    home.replica.add_statement(honest)
    home.store._connection.execute("PRAGMA query_only = 1")
    home.keep()
    assert (home.replica.machine.epoch, kept.epoch) == (4, 3)
    home.store._connection.execute("PRAGMA query_only = 0")
    # What came after one that is not kept cannot be kept either.
    home.write(0, (OPENED_MS + 70, ["mint", 1]))
    home.close_epoch()
    assert (home.replica.machine.epoch, kept.epoch) == (5, 3)
    # And stays in memory.
    assert len(home.replica.machine.get_settled().held) == 3
    expected = describe(home.replica)
    assert describe(home.reopen()) == expected
    assert (home.damages, home.store.saved.epoch) == ((), 5)


def test_states_that_a_handover_undid_are_nobody_s_claim(home: Home) -> None:
    first = home.replica.chain.get(1)
    home.replica.add_statement(hand_over(first, RECOVERY, sequencer=SECOND))
    other = home.replica.make_checkpoint(SECOND, OPENED_MS + 60, lambda _: True)
    home.replica.add_statement(other)
    # Of epochs 2 and 3 is kept what they came to before.
    assert (home.replica.chain.get(2), home.store.saved.epoch) == (other, 3)
    home.store.saved.check_states(home.replica.chain)
    state = home.store.saved.find_state(home.replica.chain)
    assert state is not None
    assert state.epoch == 1


def test_a_feed_that_ended_before_a_handover_stays_ended(home: Home) -> None:
    ended = home.writers[0].device
    home.write(1, (OPENED_MS + 60, ["end", ended]))
    home.close_epoch()
    home.write(0, (OPENED_MS + 70, ["mint", 1]))
    home.write(1, (OPENED_MS + 71, ["mint", 1]))
    home.close_epoch()
    home.add(hand_over(home.replica.chain.get(4), RECOVERY, sequencer=SECOND))
    assert home.replica.get_feed(ended).closed_position == 6
    assert home.replica.machine.epoch == 4
    assert [o.entry.device for o in home.replica.machine.get_tail()] == [home.writers[1].device]
    assert describe(home.replica) == describe(home.replay())


def test_what_is_read_of_what_lies_behind_is_not_all_in_memory(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = describe(home.replica)
    monkeypatch.setattr(limits, "READ_AHEAD_ENTRIES", 3)
    replica = home.reopen()
    assert describe(replica) == expected
    saved = replica.machine.get_settled()._saved
    assert saved is not None
    # One stretch or epoch is read whole, however long it is.
    assert [len(each.places) for each in saved._loaded.values()] == [4]
    shelf = replica.get_feed(home.writers[0].device).entries._front._shelf  # type: ignore[union-attr]
    assert [len(each.ids) for each in shelf._read.values()] == [6]


def list_places(home: Home) -> list[tuple[str, str, int]]:
    """Return table, column and row of everything that is saved."""
    home.store.close()
    connection = sqlite3.connect(home.path)
    places: list[tuple[str, str, int]] = []
    for table, columns in {
        "saved_epochs": ("checkpoint", "root", "outcomes", "checksum"),
        "saved_rows": ("name", "key", "value"),
        "saved_changes": ("name", "key", "before"),
        "saved_windows": ("id", "position"),
    }.items():
        (count,) = connection.execute(
            f"SELECT count(*) FROM {table}"  # noqa: S608 - our own names
        ).fetchone()
        places += [(table, column, row) for column in columns for row in range(count)]
    connection.close()
    home.store = Store.open(home.path)
    return places


def test_whatever_is_altered_is_never_folded_upon(home: Home) -> None:
    expected = describe(home.replica)
    home.store.close()
    whole = home.path.read_bytes()
    home.store = Store.open(home.path)
    places = list_places(home)
    assert len(places) > 100
    found = 0
    for table, column, row in places[::2]:
        home.store.close()
        for leftover in home.path.parent.glob(home.path.name + "*"):
            leftover.unlink()
        home.path.write_bytes(whole)
        home.store = Store.open(home.path)
        flip(home, table, column, row)
        replica = home.reopen()
        found += bool(home.damages)
        assert all(damage.kind == "saved" for damage in home.damages)
        # What is kept to go back is looked at when somebody goes back.
        assert home.damages or table == "saved_changes", (table, column, row)
        assert describe(replica) == expected
        assert describe(home.reopen()) == expected
        assert home.damages == ()
    assert found > 25


def flip(home: Home, table: str, column: str, row: int) -> None:
    home.store.close()
    connection = sqlite3.connect(home.path)
    key = {
        "saved_epochs": ("epoch",),
        "saved_rows": ("name", "key"),
        "saved_changes": ("epoch", "name", "key"),
        "saved_windows": ("feed", "position"),
    }[table]
    names = ", ".join(key)
    *where, value = connection.execute(
        f"SELECT {names}, {column} FROM {table} LIMIT 1 OFFSET ?",  # noqa: S608
        (row,),
    ).fetchone()
    if isinstance(value, bytes) and value:
        value = value[:-1] + bytes([value[-1] ^ 1])
    elif isinstance(value, str):
        value = value[:-1] + chr(ord(value[-1]) ^ 1)
    elif isinstance(value, int):
        value += 1_000
    conditions = " AND ".join(f"{name} = ?" for name in key)
    connection.execute(
        f"UPDATE OR REPLACE {table} SET {column} = ? WHERE {conditions}",  # noqa: S608
        (value, *where),
    )
    connection.commit()
    connection.close()
    home.store = Store.open(home.path)


def test_a_change_that_was_altered_shows_when_somebody_goes_back(home: Home) -> None:
    home.edit("UPDATE saved_changes SET before = x'820000' WHERE epoch = 3 AND name = 'accounts'")
    home.reopen()
    assert home.damages == ()
    with pytest.raises(StoreDamaged, match="the state at checkpoint 2 has root"):
        home.store.saved.check_states(home.replica.chain)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        (
            "UPDATE entries SET body = x'00' WHERE place = (1 << 40) + 1",
            "the body or its hash is altered",
        ),
        ("UPDATE entries SET body_hash = x'00' WHERE place = (1 << 40) + 1", "its hash is altered"),
        ("DELETE FROM entries WHERE place = (1 << 40) + 1", "the entry is missing"),
        (
            """UPDATE entries SET (body, body_hash) = (SELECT body, body_hash FROM entries
            WHERE place = (1 << 40) + 3) WHERE place = (1 << 40) + 1""",
            "the entries up to here are altered",
        ),
    ],
)
def test_what_was_altered_behind_the_state_shows_when_it_is_read(
    home: Home, query: str, says: str
) -> None:
    device = home.writers[0].device
    first = home.writers[0].feed.entries[0]
    home.edit(query)
    replica = home.reopen()
    assert home.damages == ()
    with pytest.raises(StoreDamaged, match=says):
        replica.get_feed(device).get_id(1)
    if not says.startswith("its hash"):
        with pytest.raises(StoreDamaged, match="position 1: the body is altered or missing"):
            replica.machine.get_outcome(first.id)
    # From then on nothing of it is used, and the next opening says all.
    replica = home.reopen()
    assert home.damages[-1].kind == "saved"
    assert (home.damages[0].device, home.damages[0].position) == (device, 1)
    assert replica.machine.epoch == (3 if says.startswith("its hash") else 0)


@pytest.mark.parametrize(
    "query",
    [
        "UPDATE saved_epochs SET outcomes = substr(outcomes, 1, length(outcomes) - 80)",
        "UPDATE saved_epochs SET outcomes = substr(outcomes, 1, length(outcomes) - 1)",
        "UPDATE saved_epochs SET outcomes = x'00'",
        "DELETE FROM saved_epochs",
    ],
)
def test_outcomes_that_are_damaged_after_the_opening_show_when_they_are_read(
    home: Home, query: str
) -> None:
    expected = describe(home.replica)
    settled = home.reopen().machine.get_settled()
    home.store._connection.execute(query)
    with pytest.raises(StoreDamaged, match="the outcomes of epoch 1 are damaged"):
        list(settled.get_ids())
    with pytest.raises(StoreDamaged, match="the outcomes of epoch 2 are damaged"):
        settled.get_places(2)
    assert describe(home.reopen()) == expected
    assert [damage.kind for damage in home.damages] == ["saved"]


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("DELETE FROM saved_epochs WHERE epoch = 1", "what epoch 1 came to is missing"),
        (
            "INSERT INTO saved_windows VALUES (1, 1024, x'01', 9)",
            "windows are named of epochs that are not kept",
        ),
        ("DELETE FROM feeds WHERE feed = 1", "it includes a feed that the store has lost"),
    ],
)
def test_what_is_gone_from_what_is_saved_is_folded_anew(
    home: Home, query: str, reason: str
) -> None:
    home.edit(query)
    home.reopen()
    (damage,) = [each for each in home.damages if each.kind == "saved"]
    assert reason in damage.reason
    assert str(damage) == f"saved state: {damage.reason}; everything was verified and folded anew"


def test_a_last_entry_that_is_no_entry_is_no_place_to_begin(home: Home) -> None:
    device = home.writers[0].device
    garbage = b"\x00"
    home.edit(
        "UPDATE entries SET body = ?, body_hash = ? WHERE place = (1 << 40) + 6",
        garbage,
        compute_body_hash(garbage),
    )
    replica = home.reopen()
    assert [damage.kind for damage in home.damages] == ["entry", "saved"]
    assert f"feed {device.hex()} position 6: a body is" in home.damages[1].reason
    # The seal over all six is lost with it, so none of them is usable.
    assert replica.get_feed(device).position == 0
    assert replica.machine.epoch == 0


# -- feeds of several windows ----------------------------------------------------------------


def test_a_feed_that_ends_with_its_window_goes_on(tmp_path: Path) -> None:
    home = Home(tmp_path / "market.db")
    home.write(0, *((OPENED_MS + number, ["mint", 1]) for number in range(limits.WINDOW_ENTRIES)))
    home.close_epoch()
    expected = describe(home.replica)
    assert describe(home.reopen()) == expected
    assert home.replica.get_feed(home.writers[0].device).tip == home.writers[0].feed.tip
    home.write(0, (OPENED_MS + 5000, ["mint", 1]), (OPENED_MS + 5001, ["mint", 1]))
    assert describe(home.replica) == describe(home.replay())
    home.store.close()


@pytest.mark.parametrize("position", [0, 1, 1023, 1024, 1025, 2048, 2500, 2501])
def test_a_feed_is_cut_behind_the_state_as_any_other(long_home: Home, position: int) -> None:
    home = long_home
    device = home.writers[0].device
    whole = home.replay().get_feed(device)
    feed = home.reopen().get_feed(device)
    assert not feed.entries._rest
    assert feed.truncate(position) == whole.truncate(position)
    assert (feed.tip, feed.seals, feed.sealed_position) == (
        whole.tip,
        whole.seals,
        whole.sealed_position,
    )
    assert list(feed.entries) == list(whole.entries)
    assert [feed.get_id(number) for number in range(0, position + 1, 50)] == [
        whole.get_id(number) for number in range(0, position + 1, 50)
    ]
    assert feed.get_piece(1) == whole.get_piece(1)


def test_a_large_state_is_passed_on_in_chunks() -> None:
    rows: list[SavedRow] = [
        ("accounts", encode(number.to_bytes(4, "big")), encode(bytes(number % 2000)))
        for number in range(1000)
    ]
    chunks = list(encode_chunks(rows))
    assert len(chunks) > 2
    assert max(map(len, chunks)) <= limits.STATE_CHUNK_BYTES
    assembly = StateAssembly()
    for chunk in chunks:
        assembly.add(chunk)
    assert assembly.rows == rows


# -- archived bodies -----------------------------------------------------------------------------


def archive(home: Home, position: int) -> None:
    assert home.store.archive({home.writers[0].device: position}) == position


@pytest.fixture
def long_home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "market.db")
    home.write(0, *((OPENED_MS + number, ["mint", 1]) for number in range(2500)))
    home.close_epoch()
    home.write(0, (OPENED_MS + 5000, ["mint", 1]))
    home.close_epoch()
    yield home
    home.store.close()


def test_archived_bodies_are_done_without(long_home: Home) -> None:
    home = long_home
    device, feed = home.writers[0].device, home.writers[0].feed
    root = home.replica.root
    archive(home, 2048)
    replica = home.reopen()
    assert (home.damages, home.store.is_archived, home.store.count_archived()) == ((), True, 2048)
    held = replica.get_feed(device)
    assert replica.root == root
    assert [held.get_id(n) for n in (1, 1024, 2048, 2501)] == [
        feed.get_id(n) for n in (1, 1024, 2048, 2501)
    ]
    assert held.get_piece(1) is None
    assert held.get_piece(2049) == feed.get_piece(2049)
    with pytest.raises(BodyArchived, match="position 1: its body was moved to an archive"):
        held.entries[0]
    with pytest.raises(BodyArchived, match="position 1:"):
        replica.machine.get_outcome(feed.get_id(1))
    place = replica.machine.get_place(feed.get_id(1))
    assert place is not None
    assert (place.position, place.epoch) == (1, 1)
    with pytest.raises(BodyArchived, match="name each with --archive"):
        replay_store(home.store, make_market(), {})
    archived = {(device, entry.position): entry.body for entry in feed.entries[:2048]}
    replayed = make_market()
    assert replay_store(home.store, replayed, archived) == ()
    assert replayed.root == root


def test_an_archive_is_taken_back_only_as_it_was(long_home: Home) -> None:
    home = long_home
    feed = home.writers[0].feed
    expected = describe(home.replica)
    archive(home, 2048)
    piece = feed.get_piece(1)
    assert piece is not None
    other = Piece(piece.device, 1, piece.predecessor, (b"\x00",) * 1024, piece.signature)
    stranger = Piece(bytes(32), 1, piece.predecessor, piece.bodies, piece.signature)
    assert [home.store.restore(each) for each in (other, stranger, piece)] == [0, 0, 1024]
    assert home.store.count_archived() == 1024
    second = feed.get_piece(1025)
    assert second is not None
    assert home.store.restore(second) == 1024
    home.store.end_archive()
    assert not home.store.is_archived
    assert home.store.count_archived() == 0
    assert describe(home.reopen()) == expected


def test_without_a_state_archived_bodies_are_needed(long_home: Home) -> None:
    home = long_home
    archive(home, 1024)
    home.edit("DELETE FROM saved_rows WHERE name = 'seen'")
    with pytest.raises(StoreDamaged, match=r"has root .* read them back with"):
        home.reopen()


def test_a_handover_goes_back_without_archived_bodies(long_home: Home) -> None:
    home = long_home
    archive(home, 2048)
    home.reopen()
    home.add(hand_over(home.replica.chain.get(1), RECOVERY, sequencer=SECOND))
    assert home.replica.machine.epoch == 1
    assert len(home.replica.machine.get_tail()) == 1


def test_a_handover_beyond_what_is_kept_needs_archived_bodies(long_home: Home) -> None:
    home = long_home
    archive(home, 2048)
    home.reopen()
    home.store.saved.clear()
    with pytest.raises(BodyArchived, match="read that back"):
        home.add(hand_over(home.replica.chain.get(1), RECOVERY, sequencer=SECOND))


def test_what_is_final_and_kept_is_held_no_more(home: Home) -> None:
    assert [len(feed.entries.held) for feed in home.replica.feeds.values()] == [0, 0, 1]
    assert home.replica.machine.get_settled().held == []
    final = next(home.replica.machine.get_settled().get_ids())
    outcome = home.replica.machine.get_outcome(final)
    assert outcome is not None
    assert outcome.entry.operation == ["mint", 50]
    assert describe(home.replica) == describe(home.replay())


def test_what_was_left_before_a_handover_is_left_when_it_is_final_again(home: Home) -> None:
    device = home.writers[0].device
    front = home.replica.feeds[device].entries.front
    assert front is not None
    end = front.end
    home.add(hand_over(home.replica.chain.get(1), RECOVERY, sequencer=SECOND))
    assert home.replica.machine.epoch == 1
    assert home.replica.machine.get_settled_position(device) < end
    home.close_epoch(key=SECOND)
    after = home.replica.feeds[device].entries
    assert after.front is not None
    assert (after.front.end, after.held) == (end, [])
    assert describe(home.replica) == describe(home.replay())


@pytest.mark.untraced
def test_whole_windows_are_left_to_storage_as_such(tmp_path: Path) -> None:
    home = Home(tmp_path / "market.db")
    time_ms = OPENED_MS
    for _ in range(9):
        time_ms += 300
        home.write(0, *[(time_ms + n, ["mint", n]) for n in range(300)])
        home.close_epoch(later=300)
        seen = home.replay()
        feed, same = home.replica.feeds[home.writers[0].device], seen.feeds[home.writers[0].device]
        assert feed.entries.held == []
        assert list(feed.entries) == list(same.entries)
        assert [feed.get_id(n) for n in range(len(feed.entries))] == [
            same.get_id(n) for n in range(len(same.entries))
        ]
        assert list(get_pieces(home.replica, feed.device)) == list(get_pieces(seen, feed.device))
    assert describe(home.replica) == describe(home.replay())
    home.store.close()


def test_what_is_damaged_in_storage_stays_in_memory(home: Home) -> None:
    home.edit(
        "UPDATE entries SET body_hash = zeroblob(32) WHERE place = (SELECT min(place) FROM entries)"
    )
    home.edit("DELETE FROM saved_epochs")
    home.edit("DELETE FROM saved_rows")
    home.reopen()
    assert home.damages
    home.close_epoch()
    assert (
        sum(len(feed.entries.held) for feed in home.replica.feeds.values()) == home.replica.entries
    )
