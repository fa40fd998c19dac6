"""What leaves as an Automerge document comes back whole; what others put into one does not."""

import io
import random
import resource
import signal
import sys
from collections.abc import Callable, Sequence

import pytest
from automerge import core
from hypothesis import given, settings
from hypothesis import strategies as st

from synaptic_crdt.errors import MalformedInput, WrongMarket
from synaptic_crdt.state import limits
from synaptic_crdt.state.changes import (
    FeedChanges,
    StatementChanges,
    encode_root_change,
    get_change_hash,
)
from synaptic_crdt.state.codec import encode_trusted
from synaptic_crdt.state.document import confine, join_changes, main, read_changes, take_apart
from synaptic_crdt.state.feeds import Piece, encode_body
from synaptic_crdt.state.hashes import compute_hash
from synaptic_crdt.state.heads import Heads
from synaptic_crdt.state.held import Feed
from synaptic_crdt.state.interchange import SortedDocument, sort_out, write_changes
from tests.state.conftest import Writer

GENESIS = b"a genesis"
MARKET = compute_hash("market", GENESIS)
ROOT_CHANGE = encode_root_change(MARKET, GENESIS)
ROOT = get_change_hash(ROOT_CHANGE)
EXPORTER = bytes([9]) * 32
STATEMENTS = (b"one", encode_trusted(["checkpoint", 1]))
NO_LIMIT = 1 << 40


def make_feed(seed: int, count: int, size: int = 0) -> Feed:
    """Return a feed sealed at its windows' ends and at its end; the later the seed, the later."""
    writer = Writer(seed, MARKET)
    start = seed * 1_000_000
    writer.append([encode_body(start + number, ["note", bytes(size)]) for number in range(count)])
    return writer.feed


def write(feeds: Sequence[Feed], exporter: bytes = EXPORTER) -> list[bytes]:
    return list(write_changes(MARKET, GENESIS, feeds, STATEMENTS, exporter))


def open_file(data: bytes, market: bytes | None = MARKET) -> SortedDocument:
    """Read a file as a node does, without a process of its own."""
    told = io.BytesIO()
    take_apart(io.BytesIO(data), told)
    told.seek(0)
    return sort_out(read_changes(told, NO_LIMIT), market)


def get_pieces(feed: Feed) -> tuple[Piece, ...]:
    pieces: list[Piece] = []
    while (piece := feed.get_piece(sum(len(p.bodies) for p in pieces) + 1)) is not None:
        pieces.append(piece)
    return tuple(pieces)


def load(changes: Sequence[bytes]) -> core.Document:
    return core.Document.load(b"".join(changes))


@given(st.lists(st.integers(1, 40), max_size=4), st.randoms(use_true_random=False))
@settings(max_examples=30)
def test_what_was_written_is_read_whatever_the_order(
    counts: list[int], chance: random.Random
) -> None:
    feeds = [make_feed(seed, count) for seed, count in enumerate(counts, 1)]
    shuffled = list(feeds)
    chance.shuffle(shuffled)
    document = open_file(join_changes(write(shuffled)))
    assert (document.market, document.genesis, document.strays) == (MARKET, GENESIS, 0)
    assert [feed.device for feed in document.feeds] == [feed.device for feed in feeds]
    assert [feed.pieces for feed in document.feeds] == [get_pieces(feed) for feed in feeds]
    assert not any(feed.unsealed for feed in document.feeds)
    assert document.statements == STATEMENTS


@pytest.mark.parametrize(("count", "size"), [(1_024, 0), (2_500, 0), (40, 50_000)])
def test_windows_come_back_as_pieces(count: int, size: int) -> None:
    feed = make_feed(1, count, size)
    document = open_file(join_changes(write([feed])))
    assert document.feeds[0].pieces == get_pieces(feed)


def test_the_heads_are_those_of_the_library_whoever_merged_what_and_when() -> None:
    feeds = [make_feed(seed, 5) for seed in (1, 2, 3)]
    ours = Heads(MARKET, GENESIS).compute_heads(feeds)
    for order in ((0, 1, 2), (2, 0, 1)):
        merged = load([ROOT_CHANGE])
        for place in order:
            root_and_feed = [
                ROOT_CHANGE,
                *FeedChanges(MARKET, ROOT, feeds[place].device).write(
                    [entry.body for entry in feeds[place].entries]
                ),
            ]
            merged.merge(load(root_and_feed))
        assert tuple(sorted(merged.get_heads())) == ours
        assert core.extract(merged) == {
            # This binding shows bytes as lists of numbers.
            "genesis": list(GENESIS),
            "feeds": {
                feed.device.hex(): [list(entry.body) for entry in feed.entries] for feed in feeds
            },
            "statements": {},
        }


def test_two_exports_merged_by_the_library_hold_both() -> None:
    first, second = make_feed(1, 5), make_feed(2, 5)
    merged = load(write([first]))
    merged.merge(load(write([second], exporter=bytes([8]) * 32)))
    document = open_file(merged.save())
    assert [feed.pieces for feed in document.feeds] == [get_pieces(first), get_pieces(second)]
    # The same statement of two exporters is one statement.
    assert sorted(document.statements) == sorted(STATEMENTS)
    assert document.strays == 0


# -- what others can put into a file -----------------------------------------------------------


def edit(data: bytes, actor: bytes) -> tuple[core.Document, bytes, bytes]:
    """Return a document for somebody else to write to, its map of feeds and of statements."""
    document = core.Document.load(data)
    document.set_actor(actor)
    feeds, statements = document.get(core.ROOT, "feeds"), document.get(core.ROOT, "statements")
    assert feeds is not None
    assert statements is not None
    return document, feeds[1], statements[1]


@pytest.fixture
def feed() -> Feed:
    return make_feed(1, 5)


@pytest.fixture
def honest(feed: Feed) -> bytes:
    return join_changes(write([feed]))


def assert_unharmed(data: bytes, feed: Feed, strays: int) -> None:
    document = open_file(data)
    assert [found.pieces for found in document.feeds] == [get_pieces(feed)]
    assert document.statements == STATEMENTS
    assert document.strays == strays


@pytest.mark.parametrize("actor", [bytes(32), b"short", bytes(40)], ids=len)
def test_deletions_and_overwrites_change_nothing(feed: Feed, honest: bytes, actor: bytes) -> None:
    document, feeds, statements = edit(honest, actor)
    found = document.get(feeds, feed.device.hex())
    assert found is not None
    with document.transaction() as writing:
        writing.delete(found[1], 0)
        writing.put(found[1], 1, core.ScalarType.Bytes, b"other")
    with document.transaction() as writing:
        writing.delete(feeds, feed.device.hex())
        for name in writing.keys(statements):
            writing.delete(statements, name)
        writing.put(core.ROOT, "genesis", core.ScalarType.Str, "other")
    with document.transaction() as writing:
        writing.delete(core.ROOT, "feeds")
    assert_unharmed(document.save(), feed, strays=3)


def test_a_concurrent_list_changes_nothing(feed: Feed) -> None:
    other = load([ROOT_CHANGE])
    other.set_actor(bytes(32))
    feeds = other.get(core.ROOT, "feeds")
    assert feeds is not None
    with other.transaction() as writing:
        entries = writing.put_object(feeds[1], feed.device.hex(), core.ObjType.List)
        writing.insert(entries, 0, core.ScalarType.Bytes, b"other")
    other.merge(load(write([feed])))
    assert_unharmed(other.save(), feed, strays=1)


def test_values_of_other_kinds_are_strays(feed: Feed, honest: bytes) -> None:
    document, feeds, statements = edit(honest, bytes(32))
    additions: list[Callable[[core.Transaction], object]] = [
        lambda tx: tx.put(feeds, "x", core.ScalarType.Str, "text"),
        lambda tx: tx.put(feeds, "y", core.ScalarType.Uint, 7),
        lambda tx: tx.put_object(statements, "z", core.ObjType.Text),
        lambda tx: tx.put(statements, "w", core.ScalarType.Bytes, b"misnamed"),
        lambda tx: tx.put(core.ROOT, "big", core.ScalarType.Bytes, bytes(limits.CHANGE_BYTES)),
    ]
    for add in additions:
        with document.transaction() as writing:
            add(writing)
    assert_unharmed(document.save(), feed, strays=5)


def test_a_squatted_actor_costs_its_own_feed_alone(feed: Feed) -> None:
    victim = make_feed(2, 5)
    squatted = load([ROOT_CHANGE])
    squatted.set_actor(victim.device)
    feeds = squatted.get(core.ROOT, "feeds")
    assert feeds is not None
    for body in (b"garbage", b"more"):
        with squatted.transaction() as writing:
            writing.put(feeds[1], "place", core.ScalarType.Bytes, body)
    squatted.merge(load(write([feed])))
    assert_unharmed(squatted.save(), feed, strays=2)


def test_a_squatter_in_the_right_shape_has_no_seal(feed: Feed) -> None:
    victim = make_feed(2, 5)
    changes = FeedChanges(MARKET, ROOT, victim.device).write([b"a", b"b"])
    document = open_file(join_changes([*write([feed]), *changes]))
    assert [(found.pieces, found.unsealed) for found in document.feeds] == [
        (get_pieces(feed), 0),
        ((), 2),
    ]


def test_garbage_after_a_feed_s_own_changes_ends_it_there(feed: Feed, honest: bytes) -> None:
    document, feeds, _ = edit(honest, feed.device)
    with document.transaction() as writing:
        writing.put(feeds, "x", core.ScalarType.Str, "text")
    found = document.get(feeds, feed.device.hex())
    assert found is not None
    with document.transaction() as writing:
        writing.insert(found[1], 5, core.ScalarType.Bytes, b"after")
    assert_unharmed(document.save(), feed, strays=2)


def test_entries_are_read_as_far_as_seals_reach() -> None:
    feed = make_feed(1, 2_500)
    for kept, expected in (([1_024, 2_048], 2_048), ([1_024, 2_500], 1_024), ([2_048], 0)):
        seals = [make_seal(feed, position) for position in kept]
        document = open_file(write_without_seals(feed, seals))
        (found,) = document.feeds
        assert sum(len(piece.bodies) for piece in found.pieces) == expected
        assert found.unsealed == 2_500 - expected
        assert found.pieces == get_pieces(feed)[: len(found.pieces)]


def test_forged_seals_beside_the_true_one_change_nothing(feed: Feed) -> None:
    true = make_seal(feed, 5)
    forged = encode_trusted(["seal", 5, feed.head, feed.device, bytes(64)])
    short = encode_trusted(["seal", 5, feed.head, feed.device, b""])
    odd = encode_trusted(["seal", b"5", feed.head, feed.device, b""])
    document = open_file(write_without_seals(feed, [forged, short, odd, true]))
    assert document.feeds[0].pieces == get_pieces(feed)
    assert document.statements == (odd,)
    unsealed = open_file(write_without_seals(feed, [forged]))
    assert (unsealed.feeds[0].pieces, unsealed.feeds[0].unsealed) == ((), 5)


def test_a_seal_in_mid_window_is_enough() -> None:
    whole = make_feed(1, 5)
    writer = Writer(1, MARKET)
    writer.append([entry.body for entry in whole.entries[:3]])
    document = open_file(write_without_seals(whole, [make_seal(writer.feed, 3)]))
    assert document.feeds[0].pieces == get_pieces(writer.feed)
    assert document.feeds[0].unsealed == 2


def test_feeds_that_do_not_decode_come_last(feed: Feed) -> None:
    early = Writer(2, MARKET)
    changes = FeedChanges(MARKET, ROOT, early.device).write([b"\xff"])
    document = open_file(join_changes([*write([]), *changes, *write([feed])[1:6]]))
    assert [found.device for found in document.feeds] == [feed.device, early.device]


def write_without_seals(feed: Feed, seals: Sequence[bytes]) -> bytes:
    bodies = [entry.body for entry in feed.entries]
    statements = StatementChanges(MARKET, ROOT, EXPORTER)
    return join_changes(
        [
            ROOT_CHANGE,
            *FeedChanges(MARKET, ROOT, feed.device).write(bodies),
            *(statements.write(seal) for seal in seals),
        ]
    )


def make_seal(feed: Feed, position: int) -> bytes:
    return encode_trusted(
        ["seal", position, feed.get_id(position), feed.device, feed.seals[position]]
    )


# -- whose document it is ----------------------------------------------------------------------


def test_a_document_of_no_market_is_refused() -> None:
    document = core.Document(bytes(32))
    with document.transaction() as writing:
        writing.put(core.ROOT, "title", core.ScalarType.Str, "shopping")
    for market in (None, MARKET):
        with pytest.raises(MalformedInput, match="no market"):
            open_file(document.save(), market)


def test_a_document_of_another_market_is_refused(honest: bytes) -> None:
    with pytest.raises(WrongMarket, match=MARKET.hex()[:16]):
        open_file(honest, bytes(32))
    assert open_file(honest, None).market == MARKET


def test_a_document_of_two_markets_is_read_as_the_one_that_was_asked_for(
    feed: Feed, honest: bytes
) -> None:
    other = encode_root_change(compute_hash("market", b"other"), b"other")
    mixed = core.Document.load(honest)
    mixed.merge(load([other]))
    assert_unharmed(mixed.save(), feed, strays=1)
    with pytest.raises(MalformedInput, match="2 markets"):
        open_file(mixed.save(), None)


# -- the process that opens files --------------------------------------------------------------


def test_changes_that_are_cut_short_end_the_reading(honest: bytes) -> None:
    told = io.BytesIO()
    take_apart(io.BytesIO(honest), told)
    whole = list(read_changes(io.BytesIO(told.getvalue()), NO_LIMIT))
    assert len(whole) == 1 + 5 + 1 + len(STATEMENTS)
    for cut in range(1, 40):
        assert list(read_changes(io.BytesIO(told.getvalue()[:-cut]), NO_LIMIT)) == whole[:-1]
    assert list(read_changes(io.BytesIO(told.getvalue()), 1)) == whole[:1]


def test_a_change_over_its_limit_ends_the_reading() -> None:
    size = limits.CHANGE_BYTES + 1
    told = bytes(32) + size.to_bytes(4, "big") + bytes(size)
    assert list(read_changes(io.BytesIO(told), NO_LIMIT)) == []


def test_a_flipped_byte_anywhere_is_found(honest: bytes) -> None:
    for place in range(len(honest)):
        damaged = honest[:place] + bytes([honest[place] ^ 1]) + honest[place + 1 :]
        with pytest.raises(Exception, match=r"\w"):
            open_file(damaged)


ALARM = -1


@pytest.fixture
def limits_set(monkeypatch: pytest.MonkeyPatch) -> dict[int, int]:
    """What would have been limited; for real it would hit this process, and its own output.

    That the limits hold is shown with a process of its own, where the node opens files.
    """
    told: dict[int, int] = {}

    def take(what: int, limit: tuple[int, int]) -> None:
        told[what] = limit[0]

    def take_alarm(seconds: int) -> None:
        told[ALARM] = seconds

    monkeypatch.setattr(resource, "setrlimit", take)
    monkeypatch.setattr(signal, "alarm", take_alarm)
    return told


def test_a_confined_process_has_so_much_and_no_more(limits_set: dict[int, int]) -> None:
    confine(1 << 46, 1 << 20, 1_000)
    assert 0 < limits_set[resource.RLIMIT_AS] <= 1 << 46
    assert 0 < limits_set[resource.RLIMIT_CPU] <= 1 << 20
    assert limits_set[resource.RLIMIT_FSIZE] == limits_set[resource.RLIMIT_CORE] == 0
    assert limits_set[ALARM] == 1_000


@pytest.mark.usefixtures("limits_set")
def test_the_process_takes_apart_what_it_is_given(
    honest: bytes, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(honest)))
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out))
    monkeypatch.setattr(sys, "argv", ["-c", str(1 << 46), str(1 << 20), "1000"])
    main()
    document = sort_out(read_changes(io.BytesIO(out.getvalue()), NO_LIMIT), MARKET)
    assert document.feeds[0].pieces == get_pieces(feed)
