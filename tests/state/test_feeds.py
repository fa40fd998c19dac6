"""What ``verify_piece`` lets through is contiguous, chained, sealed, canonical, in time order."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synaptic_crdt.errors import Forged, ForkSeen, MalformedInput
from synaptic_crdt.state import limits
from synaptic_crdt.state.codec import encode_trusted
from synaptic_crdt.state.feeds import (
    Piece,
    Tip,
    encode_body,
    make_seal_message,
    seal_bodies,
    split_at_seals,
    verify_piece,
)
from synaptic_crdt.state.hashes import compute_body_hash, compute_chain
from synaptic_crdt.state.held import Feed
from tests.state.conftest import MARKET, Writer


def make_bodies(count: int, size: int = 0, first_time: int = 1) -> list[bytes]:
    return [encode_body(first_time + n, ["tag", bytes(size)]) for n in range(count)]


def take(feed: Feed, piece: Piece) -> None:
    entries, tip = verify_piece(MARKET, feed.tip, piece)
    feed.extend(entries, tip, piece.signature)


def seal(writer: Writer, tip: Tip, bodies: list[bytes]) -> Piece:
    """Seal anything as one piece, as a device that keeps no rule could."""
    ids = compute_chain(tip.head, [compute_body_hash(body) for body in bodies])
    last = tip.position + len(bodies)
    message = make_seal_message(MARKET, last, ids[-1] if ids else tip.head)
    signature = writer.key.sign("seal", message)
    return Piece(writer.device, tip.position + 1, tip.head, tuple(bodies), signature)


@pytest.fixture
def writer() -> Writer:
    return Writer(1)


@pytest.fixture
def other() -> Writer:
    return Writer(2)


@pytest.fixture
def piece(writer: Writer) -> Piece:
    """A valid piece that continues a feed of two entries."""
    writer.append(make_bodies(2))
    (piece,) = seal_bodies(
        MARKET, writer.key, writer.feed.tip, make_bodies(3, size=3, first_time=10)
    )
    return piece


def test_a_valid_piece_gives_its_entries(writer: Writer, piece: Piece) -> None:
    entries, tip = verify_piece(MARKET, writer.feed.tip, piece)
    assert [entry.position for entry in entries] == [3, 4, 5]
    assert [entry.body for entry in entries] == list(piece.bodies)
    assert [entry.time for entry in entries] == [10, 11, 12]
    assert entries[0].operation == ["tag", bytes(3)]
    assert tip.head == entries[-1].id
    assert (tip.position, tip.time) == (5, 12)


def flip(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_every_changed_bit_is_found(writer: Writer, piece: Piece) -> None:
    tip = writer.feed.tip
    for field in ("predecessor", "signature", "device"):
        value: bytes = getattr(piece, field)
        for bit in range(len(value) * 8):
            changed = msgspec.structs.replace(piece, **{field: flip(value, bit)})
            with pytest.raises((Forged, MalformedInput)):
                verify_piece(MARKET, tip, changed)
    for index, body in enumerate(piece.bodies):
        for bit in range(len(body) * 8):
            bodies = list(piece.bodies)
            bodies[index] = flip(body, bit)
            with pytest.raises(Forged):
                verify_piece(MARKET, tip, msgspec.structs.replace(piece, bodies=tuple(bodies)))


@pytest.mark.parametrize("first", [-1, 0, 1, 2, 4, 5, 2**40, 2**63])
def test_a_gap_or_a_repetition_is_refused(writer: Writer, piece: Piece, first: int) -> None:
    with pytest.raises(MalformedInput, match="expected 3"):
        verify_piece(MARKET, writer.feed.tip, msgspec.structs.replace(piece, first=first))


def test_bodies_left_out_added_or_swapped_are_found(writer: Writer, piece: Piece) -> None:
    a, b, c = piece.bodies
    for bodies in ((a, b), (b, c), (a, c), (a, c, b), (a, b, c, c)):
        with pytest.raises(Forged):
            verify_piece(MARKET, writer.feed.tip, msgspec.structs.replace(piece, bodies=bodies))


def test_a_piece_of_another_market_is_forged(writer: Writer, piece: Piece) -> None:
    with pytest.raises(Forged):
        verify_piece(bytes(32), writer.feed.tip, piece)
    elsewhere = Writer(1, market=bytes(32))
    (moved,) = elsewhere.append(make_bodies(2))
    with pytest.raises(Forged):
        verify_piece(MARKET, Feed(MARKET, writer.device).tip, moved)


def test_a_piece_of_another_device_is_refused(other: Writer, piece: Piece) -> None:
    other.append(make_bodies(2))
    with pytest.raises(MalformedInput):
        verify_piece(MARKET, other.feed.tip, piece)
    renamed = msgspec.structs.replace(piece, device=other.device, predecessor=other.feed.tip.head)
    with pytest.raises(Forged):
        verify_piece(MARKET, other.feed.tip, renamed)


def test_a_piece_at_another_position_is_forged(writer: Writer, piece: Piece) -> None:
    tip = msgspec.structs.replace(writer.feed.tip, position=7)
    with pytest.raises(Forged):
        verify_piece(MARKET, tip, msgspec.structs.replace(piece, first=8))


def test_a_sealed_other_history_is_a_fork(piece: Piece) -> None:
    branch = Writer(1)
    branch.append(make_bodies(2, size=1))
    with pytest.raises(ForkSeen, match="up to position 2"):
        verify_piece(MARKET, branch.feed.tip, piece)


def test_a_fork_is_seen_only_where_the_device_sealed_one(writer: Writer, piece: Piece) -> None:
    claimed = msgspec.structs.replace(piece, predecessor=bytes(32))
    with pytest.raises(Forged):
        verify_piece(MARKET, writer.feed.tip, claimed)


@pytest.mark.parametrize("time", [0, 1, 2])
def test_time_must_increase_over_pieces(writer: Writer, time: int) -> None:
    writer.append(make_bodies(2))
    piece = seal(writer, writer.feed.tip, [encode_body(time, ["tag"])])
    with pytest.raises(MalformedInput, match="position 3 does not come after 2"):
        verify_piece(MARKET, writer.feed.tip, piece)


@pytest.mark.parametrize("time", [4, 5])
def test_time_must_increase_within_a_piece(writer: Writer, time: int) -> None:
    bodies = [encode_body(5, ["tag"]), encode_body(time, ["tag"])]
    with pytest.raises(MalformedInput, match="position 2 does not come after 5"):
        verify_piece(MARKET, writer.feed.tip, seal(writer, writer.feed.tip, bodies))


def test_time_zero_may_be_the_first(writer: Writer) -> None:
    take(Feed(MARKET, writer.device), seal(writer, writer.feed.tip, [encode_body(0, ["tag"])]))


@pytest.mark.parametrize(
    "body",
    [b"", b"\x00", encode_trusted([1, ["tag"]]) + b"\x00", encode_trusted([1, ["tag", 0.5]])],
    ids=["empty", "no body", "trailing byte", "float"],
)
def test_a_sealed_malformed_body_is_refused(writer: Writer, body: bytes) -> None:
    with pytest.raises(MalformedInput):
        verify_piece(MARKET, writer.feed.tip, seal(writer, writer.feed.tip, [body]))


def test_an_oversize_body_is_refused(writer: Writer) -> None:
    body = encode_trusted([1, ["tag", bytes(limits.BODY_BYTES)]])
    with pytest.raises(MalformedInput, match="expected 1 to 65536"):
        verify_piece(MARKET, writer.feed.tip, seal(writer, writer.feed.tip, [body]))


def test_a_piece_without_bodies_is_refused(writer: Writer) -> None:
    with pytest.raises(MalformedInput, match="without bodies"):
        verify_piece(MARKET, writer.feed.tip, seal(writer, writer.feed.tip, []))


def test_a_feed_has_a_last_position(writer: Writer) -> None:
    tip = msgspec.structs.replace(writer.feed.tip, position=limits.POSITION_MAX)
    with pytest.raises(MalformedInput, match="position 1099511627776 is over"):
        verify_piece(MARKET, tip, seal(writer, tip, [encode_body(1, ["tag"])]))


def test_a_piece_may_not_cross_the_end_of_a_window(writer: Writer) -> None:
    bodies = make_bodies(limits.WINDOW_ENTRIES + 1)
    with pytest.raises(MalformedInput, match="window's end at 1024"):
        verify_piece(MARKET, writer.feed.tip, seal(writer, writer.feed.tip, bodies))
    large = make_bodies(18, size=limits.BODY_BYTES - 100)
    with pytest.raises(MalformedInput, match="window's end at 17"):
        verify_piece(MARKET, writer.feed.tip, seal(writer, writer.feed.tip, large))


def test_windows_end_at_1024_entries(writer: Writer) -> None:
    pieces = writer.append(make_bodies(1000))
    assert [(piece.first, piece.last) for piece in pieces] == [(1, 1000)]
    assert not writer.feed.tip.is_window_end
    pieces = writer.append(make_bodies(1100, first_time=5000))
    assert [(piece.first, piece.last) for piece in pieces] == [
        (1001, 1024),
        (1025, 2048),
        (2049, 2100),
    ]
    # Seals that only served on the way are gone.
    assert sorted(writer.feed.seals) == [1024, 2048, 2100]
    writer.append(make_bodies(1, first_time=9000))
    assert sorted(writer.feed.seals) == [1024, 2048, 2101]


def test_windows_end_at_a_mebibyte(writer: Writer) -> None:
    size = 60_000
    pieces = writer.append(make_bodies(40, size=size))
    ends = [piece.last for piece in pieces]
    assert ends == [18, 36, 40]  # the 18th body brings a window to 1 MiB
    assert all(sum(map(len, piece.bodies)) <= limits.PIECE_BYTES for piece in pieces)
    assert sorted(writer.feed.seals) == [18, 36, 40]


def test_a_window_of_exactly_a_mebibyte_is_closed(writer: Writer) -> None:
    bodies = make_bodies(17, size=limits.BODY_BYTES - 100)
    room = limits.WINDOW_BYTES - sum(map(len, bodies[:16]))
    filler = next(
        body for size in range(room) if len(body := encode_body(100, ["tag", bytes(size)])) == room
    )
    (piece,) = writer.append([*bodies[:16], filler])
    assert writer.feed.tip.is_window_end
    assert sum(map(len, piece.bodies)) == limits.WINDOW_BYTES


@pytest.mark.untraced
@given(data=st.data())
def test_any_cut_of_a_feed_verifies_and_ends_equal(data: st.DataObject) -> None:
    monkey = Writer(1)
    for _ in range(data.draw(st.integers(1, 3))):
        count = data.draw(st.integers(1, 1100))
        monkey.append(make_bodies(count, first_time=monkey.feed.tip.time + 1))
    copy = Feed(MARKET, monkey.device)
    while (piece := monkey.feed.get_piece(copy.position + 1)) is not None:
        # Sometimes only a part of what is offered was sealed when it was sent.
        take(copy, piece)
    assert copy.tip == monkey.feed.tip
    assert copy.entries == monkey.feed.entries
    assert copy.get_piece(copy.position) == monkey.feed.get_piece(copy.position)


def test_a_piece_from_any_start_verifies(writer: Writer) -> None:
    writer.append(make_bodies(1030))
    feed = writer.feed
    for first in (1, 2, 500, 1023, 1024, 1025, 1029, 1030):
        piece = feed.get_piece(first)
        assert piece is not None
        front = feed.entries[: first - 1]
        *_, (_, tip) = [
            ((), Feed(MARKET, writer.device).tip),
            *split_at_seals(Feed(MARKET, writer.device).tip, front, ()),
        ]
        entries, _ = verify_piece(MARKET, tip, piece)
        assert entries == feed.entries[first - 1 : piece.last]


@pytest.mark.parametrize("first", [-1, 0, 4, 1000])
def test_nothing_is_offered_beyond_a_feed(writer: Writer, first: int) -> None:
    writer.append(make_bodies(3))
    assert writer.feed.get_piece(first) is None


def test_entries_without_a_seal_are_held_and_not_offered(writer: Writer) -> None:
    writer.append(make_bodies(1030))
    damaged = Feed(MARKET, writer.device)
    for stretch, tip in split_at_seals(damaged.tip, writer.feed.entries[:1027], {1025}):
        signature = b"\x00" * 64 if tip.position == 1025 else None
        damaged.extend(stretch, tip, signature)
    assert damaged.position == 1027
    assert damaged.sealed_position == 1025
    # The first window's seal is lost, so no piece of it can be had; the next one's is held.
    assert damaged.get_piece(1) is None
    assert damaged.get_piece(1024) is None
    assert damaged.get_piece(1026) is None
    piece = damaged.get_piece(1025)
    assert piece is not None
    assert piece.last == 1025
    repair = writer.feed.get_piece(1028)
    assert repair is not None
    take(damaged, repair)
    assert damaged.tip == writer.feed.tip
    assert damaged.get_piece(1025) == writer.feed.get_piece(1025)
    assert sorted(damaged.seals) == [1030]


def test_the_head_of_an_empty_feed_binds_market_and_device(writer: Writer, other: Writer) -> None:
    origins = {
        Feed(MARKET, writer.device).head,
        Feed(MARKET, other.device).head,
        Feed(bytes(32), writer.device).head,
    }
    assert len(origins) == 3


@given(
    device=st.binary(max_size=40),
    predecessor=st.binary(max_size=40),
    bodies=st.lists(st.binary(max_size=40), max_size=3),
    signature=st.binary(max_size=70),
    first=st.integers(-1, 3),
)
def test_random_pieces_raise_nothing_else(
    device: bytes, predecessor: bytes, bodies: list[bytes], signature: bytes, first: int
) -> None:
    piece = Piece(device, first, predecessor, tuple(bodies), signature)
    with pytest.raises((MalformedInput, Forged)):
        verify_piece(MARKET, Feed(MARKET, device).tip, piece)


def test_an_entry_is_the_same_before_and_after_its_operation_was_let_go() -> None:
    writer = Writer(1)
    piece = writer.write((1, ["mint", 1]), (2, ["mint", 1]))[0]
    entries, _ = verify_piece(MARKET, Feed(MARKET, writer.device).tip, piece)
    held = writer.feed.entries[0]
    assert entries[0].decoded == entries[0].operation == ["mint", 1]
    entries[0].let_go()
    assert entries[0].decoded is None
    assert entries[0].operation == ["mint", 1]
    assert entries[0] == held
    assert (entries[0] != held) is False
    assert entries[0] != entries[1]
    assert entries[0] != entries[0].id
