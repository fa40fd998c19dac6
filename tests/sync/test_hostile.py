"""Peers that lie: every lie is a typed error, nothing of it is admitted, memory stays bounded."""

from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synaptic_crdt.errors import (
    Forged,
    LinkFailed,
    MalformedInput,
    ProtocolViolation,
    SynapticError,
    VersionMismatch,
    WrongMarket,
)
from synaptic_crdt.state import limits
from synaptic_crdt.state.codec import encode_trusted
from synaptic_crdt.state.feeds import Piece
from synaptic_crdt.state.hashes import compute_hash
from synaptic_crdt.state.statements import encode_statement
from synaptic_crdt.sync.assembly import take_apart
from synaptic_crdt.sync.events import Offered
from synaptic_crdt.sync.leaf_tree import compute_place
from synaptic_crdt.sync.messages import (
    Bodies,
    Done,
    Header,
    Hello,
    Ids,
    Leaf,
    Leaves,
    Message,
    Statements,
    Want,
    Wanted,
    encode_frame,
    make_preface,
)
from synaptic_crdt.sync.parts.statements import compute_ids_digest
from tests.sync.conftest import (
    CLOCK_MS,
    MARKET,
    NONCE,
    CountingWriter,
    End,
    Peer,
    make_key,
    make_pieces,
    sync,
)

FOUNDER = make_key(1)
KEY = compute_hash("leaf key", NONCE, NONCE)


def make_hello(**changes: object) -> Hello:
    fields: dict[str, object] = {
        "view": 0,
        "index": 0,
        "checkpoint": MARKET,
        "beside": compute_ids_digest(Peer().replica),
        "leaves": bytes(32),
        "feeds": 2,
        "nonce": NONCE,
        "clock_ms": CLOCK_MS,
        "live": False,
        "role": "member",
        "device": bytes(32),
    }
    return Hello(**{**fields, **changes})  # type: ignore[arg-type]


def make_source() -> Peer:
    """What the liar knows: a feed of three entries, and one of 1,500."""
    peer = Peer(FOUNDER)
    peer.note(FOUNDER, 3)
    peer.note(make_key(2), 1500)
    return peer


SOURCE = make_source()
FEED = SOURCE.replica.get_feed(FOUNDER.public)
LONG = SOURCE.replica.get_feed(make_key(2).public)
[SHORT_LEAF, LONG_LEAF] = [
    Leaf(feed.device, feed.position, feed.head, 0, None) for feed in (FEED, LONG)
]
NO_STATEMENTS = Statements(statements=(), index=0, last=True)
NO_LEAVES = Leaves(leaves=(), last=True)
DONE = Done(root=bytes(32), digest=bytes(32), index=0, entries=0)


def join(*messages: Message) -> bytes:
    """Messages that come at once, before any answer."""
    return b"".join(encode_frame(message) for message in messages)


def frame(*values: object) -> bytes:
    payload = encode_trusted(values)
    return len(payload).to_bytes(4, "big") + payload


def get_piece(first: int = 1) -> Piece:
    piece = FEED.get_piece(first)
    assert piece is not None
    return piece


def change(piece: Piece, **changes: object) -> Piece:
    fields: dict[str, object] = {name: getattr(piece, name) for name in piece.__struct_fields__}
    return Piece(**{**fields, **changes})  # type: ignore[arg-type]


def change_header(**changes: object) -> Header:
    header = take_apart(get_piece())[0]
    fields: dict[str, object] = {name: getattr(header, name) for name in header.__struct_fields__}
    return Header(**{**fields, **changes})  # type: ignore[arg-type]


def take_moved_piece() -> Piece:
    """The same entries, written for another market."""
    other = Peer(FOUNDER, market=compute_hash("market", b"another market"))
    other.note(FOUNDER, 3)
    piece = other.replica.get_feed(FOUNDER.public).get_piece(1)
    assert piece is not None
    return piece


GOOD = get_piece()
HEADER, BODIES = take_apart(GOOD)
assert isinstance(BODIES, Bodies)
ANNOUNCED: Sequence[Message] = (
    make_hello(),
    NO_STATEMENTS,
    Leaves(leaves=(SHORT_LEAF,), last=True),
)
SWAPPED = change(GOOD, bodies=(GOOD.bodies[1], GOOD.bodies[0], GOOD.bodies[2]))

LIES: dict[str, tuple[Sequence[Message | bytes], type[SynapticError], str]] = {
    # Before hello, and hello itself.
    "no hello": ((NO_LEAVES,), ProtocolViolation, "Leaves came where Hello"),
    "hello twice": ((make_hello(), make_hello()), ProtocolViolation, "Hello came where"),
    "a checkpoint before the first": (
        (make_hello(checkpoint=bytes(32)),), ProtocolViolation, "before the first"
    ),
    "an unknown role": ((make_hello(role="king"),), MalformedInput, "not a message"),
    "a clock out of bounds": ((make_hello(clock_ms=2**48),), MalformedInput, "not a message"),
    # Ids of statements.
    "ids that nobody needs": ((make_hello(), Ids(ids=(), last=True)), ProtocolViolation, "ids after"),
    "ids without any": (
        (make_hello(beside=bytes(32)), Ids(ids=(), last=False)), ProtocolViolation, "or none"
    ),
    "ids after the last": (
        (make_hello(beside=bytes(32)), *[Ids(ids=(bytes(32),), last=True)] * 2),
        ProtocolViolation, "ids after the last ones",
    ),
    "too many ids": (
        (make_hello(beside=bytes(32)), *(
            Ids(ids=tuple((page * 4096 + n).to_bytes(32, "big") for n in range(4096)), last=False)
            for page in range(17)
        )),
        ProtocolViolation, "more than 65536 statements",
    ),
    "done before the ids": (
        (make_hello(beside=bytes(32)), NO_STATEMENTS, NO_LEAVES, DONE),
        ProtocolViolation, "done too early",
    ),
    # Frames.
    "an empty frame": ((bytes(4),), MalformedInput, "frame of 0 bytes"),
    "an oversize frame": ((b"\xff\xff\xff\xff",), MalformedInput, "4294967295 bytes"),
    "a frame just over": (
        ((limits.FRAME_BYTES + 1).to_bytes(4, "big"),), MalformedInput, "frame of"
    ),
    "not canonical": ((b"\0\0\0\x03\x81\x18\x01",), MalformedInput, ""),
    "a map": ((b"\0\0\0\x01\xa0",), MalformedInput, ""),
    "a number": ((b"\0\0\0\x01\x01",), MalformedInput, "not a message"),
    "an unknown kind": ((b"\0\0\0\x06\x81\x64nope",), MalformedInput, "not a message"),
    "a field too many": (
        (frame("leaves", (), True, 1),),
        MalformedInput,
        "not a message",
    ),
    "a bool for a number": (
        (frame("done", bytes(32), bytes(32), True, 0),),
        MalformedInput,
        "not a message",
    ),
    # Leaves and statements.
    "leaves not ascending": (
        (make_hello(), Leaves(leaves=(SHORT_LEAF, SHORT_LEAF), last=True)),
        MalformedInput,
        "ascending",
    ),
    "leaves not ascending across pages": (
        (make_hello(), *[Leaves(leaves=(SHORT_LEAF,), last=False)] * 2),
        MalformedInput,
        "ascending",
    ),
    "a page of nothing": (
        (make_hello(), Leaves(leaves=(), last=False)), ProtocolViolation, "or none"
    ),
    "leaves after the last": (
        (make_hello(), NO_LEAVES, NO_LEAVES), ProtocolViolation, "after the last"
    ),
    "no statements": (
        (make_hello(), Statements(statements=(), index=0, last=False)),
        ProtocolViolation,
        "without any",
    ),
    "the last statements twice": (
        (make_hello(), NO_STATEMENTS, NO_STATEMENTS), ProtocolViolation, "without any"
    ),
    "a statement that is none": (
        (make_hello(), Statements(statements=(b"x",), index=1, last=True)), MalformedInput, ""
    ),
    # Wants and done.
    "a want for what nobody has": (
        (make_hello(), Want(feeds=(Wanted(bytes(32), 1, 1),))), ProtocolViolation, "announced"
    ),
    "a want beyond the end": (
        (make_hello(), Want(feeds=(Wanted(make_key(9).public, 3, 1),))),
        ProtocolViolation,
        "announced",
    ),
    "too many wants": (
        (make_hello(), join(*[Want(feeds=(Wanted(make_key(9).public, 1, 1),) * 512)] * 9)),
        ProtocolViolation,
        "more than 4096 wants",
    ),
    "an empty want": ((make_hello(), Want(feeds=())), MalformedInput, "not a message"),
    "done before the leaves": ((make_hello(), NO_STATEMENTS, DONE), ProtocolViolation, "too early"),
    "done before the statements": (
        (make_hello(), NO_LEAVES, DONE), ProtocolViolation, "too early"
    ),
    "done while it waits": (
        (
            make_hello(),
            NO_STATEMENTS,
            NO_LEAVES,
            join(Want(feeds=(Wanted(make_key(9).public, 1, 1),)), DONE),
        ),
        ProtocolViolation,
        "too early",
    ),
    "done twice": (
        (make_hello(), NO_STATEMENTS, NO_LEAVES, DONE, DONE), ProtocolViolation, "Done came where"
    ),
    "a want after done": (
        (make_hello(), NO_STATEMENTS, NO_LEAVES, DONE, Want(feeds=(Wanted(bytes(32), 1, 1),))),
        ProtocolViolation,
        "Want came where",
    ),
    # Pieces.
    "a piece nobody asked for": ((make_hello(), HEADER), ProtocolViolation, "nobody asked"),
    "a piece from elsewhere in the feed": (
        (*ANNOUNCED, change_header(first=2, count=2)), ProtocolViolation, "nobody asked"
    ),
    "bodies without a header": ((make_hello(), BODIES), ProtocolViolation, "Bodies came where"),
    "something between header and bodies": (
        (*ANNOUNCED, HEADER, DONE), ProtocolViolation, "Done came where Bodies"
    ),
    "no bodies": ((*ANNOUNCED, HEADER, Bodies(bodies=())), MalformedInput, "not a message"),
    "a huge announcement": (
        (*ANNOUNCED, change_header(size=limits.PIECE_BYTES + 1)), MalformedInput, "not a message"
    ),
    "too many bodies announced": (
        (*ANNOUNCED, change_header(count=limits.WINDOW_ENTRIES + 1)),
        MalformedInput,
        "not a message",
    ),
    "more bodies than announced": (
        (*ANNOUNCED, change_header(count=2), BODIES), MalformedInput, "3 bodies"
    ),
    "more bytes than announced": (
        (*ANNOUNCED, change_header(size=GOOD.bodies[0].__len__()), BODIES),
        MalformedInput,
        "announced",
    ),
    "fewer bytes than announced": (
        (*ANNOUNCED, change_header(size=5000), BODIES), MalformedInput, "5000 bytes were announced"
    ),
    "a body that is empty": (
        (*ANNOUNCED, *take_apart(change(GOOD, bodies=(*GOOD.bodies, b"")))), MalformedInput, ""
    ),
    "a body that is too large": (
        (*ANNOUNCED, *take_apart(change(GOOD, bodies=(bytes(limits.BODY_BYTES + 1),)))),
        MalformedInput,
        "",
    ),
    "a bad seal": (
        (*ANNOUNCED, *take_apart(change(GOOD, signature=bytes(64)))), Forged, "does not verify"
    ),
    "a changed body": (
        (*ANNOUNCED, *take_apart(change(GOOD, bodies=(*GOOD.bodies[:2], b"x")))),
        Forged,
        "does not verify",
    ),
    "bodies reordered": ((*ANNOUNCED, *take_apart(SWAPPED)), Forged, "does not verify"),
    "bodies left out": (
        (*ANNOUNCED, *take_apart(change(GOOD, bodies=GOOD.bodies[:2]))), Forged, "does not verify"
    ),
    "another market replayed": (
        (*ANNOUNCED, *take_apart(take_moved_piece())), Forged, "does not verify"
    ),
    "another predecessor": (
        (*ANNOUNCED, *take_apart(change(GOOD, predecessor=bytes(32)))), Forged, "does not verify"
    ),
}  # fmt: skip


def run(end: End, messages: Sequence[Message | bytes]) -> None:
    end.receive(make_preface(MARKET))
    for message in messages:
        # What it has to say meanwhile, it says.
        while end.take_output():
            pass
        end.receive(message if isinstance(message, bytes) else encode_frame(message))


@pytest.mark.parametrize("name", LIES)
def test_a_lie_ends_the_link_and_admits_nothing(name: str) -> None:
    messages, error, words = LIES[name]
    writer = CountingWriter()
    peer = Peer(FOUNDER, writer=writer)
    peer.note(make_key(9), 2)
    before = writer.transactions
    end = End(peer)
    with pytest.raises(error) as raised:
        run(end, messages)
    assert words in str(raised.value)
    assert writer.transactions == before
    assert peer.replica.entries == 2
    assert end.session.buffered <= limits.FRAME_BYTES


def test_the_messages_around_the_lies_are_sound() -> None:
    peer = Peer(FOUNDER)
    end = End(peer)
    run(end, (*ANNOUNCED, HEADER, BODIES, DONE))
    end.take_output()
    assert peer.replica.entries == 3
    assert end.session.is_finished


@pytest.mark.parametrize(
    ("preface", "error"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", ProtocolViolation),
        (b"synaptic\0\x01" + MARKET[:8], VersionMismatch),
        (make_preface(bytes(32)), WrongMarket),
    ],
)
def test_a_wrong_preface_is_told_apart(preface: bytes, error: type[SynapticError]) -> None:
    end = End(Peer(FOUNDER))
    end.receive(preface[:7])
    end.receive(preface[7:17])
    with pytest.raises(error):
        end.receive(preface[17:])


def test_too_many_feeds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LINK_FEEDS", 3)
    leaves = [Leaf(number.to_bytes(32, "big"), 1, bytes(32), 0, None) for number in range(1, 5)]
    with pytest.raises(ProtocolViolation, match="more than 3 feeds"):
        run(End(Peer()), (make_hello(), Leaves(leaves=tuple(leaves), last=False)))


def announce_unknown(peer: Peer, count: int) -> End:
    """Return an end to which so many feeds are announced that nobody here has heard of."""
    end = End(peer)
    leaves = [Leaf(number.to_bytes(32, "big"), 1, bytes(32), 0, None) for number in range(count)]
    leaves.sort(key=lambda leaf: compute_place(KEY, leaf.device))
    run(end, (make_hello(beside=bytes(32)), Leaves(leaves=tuple(leaves), last=False)))
    return end


def test_all_links_together_remember_no_more_of_what_nobody_knows_than_they_share(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "LINK_NAMES", 2)
    monkeypatch.setattr(limits, "SHARED_NAMES", 5)
    peer = Peer(FOUNDER)
    first, second = announce_unknown(peer, 6), announce_unknown(peer, 3)
    assert peer.gate.budget.names_shared == 5
    with pytest.raises(LinkFailed, match="too much at a time"):
        announce_unknown(peer, 3)
    # Whoever announces little is served all the same.
    third = announce_unknown(peer, 2)
    with pytest.raises(LinkFailed):
        third.receive(encode_frame(Ids(ids=(bytes(32),), last=True)))
    for end in (first, second, third):
        end.session.close()
    assert peer.gate.budget.names_shared == 0
    announce_unknown(peer, 7)


def test_feeds_that_are_held_here_may_be_announced_by_everybody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "LINK_NAMES", 0)
    monkeypatch.setattr(limits, "SHARED_NAMES", 1)
    one, other = Peer(), Peer()
    for number in range(3):
        one.note(make_key(number))
    other.copy_from(one)
    one.note(make_key(0))
    sync(one, other)
    assert one.gate.budget.names_shared == other.gate.budget.names_shared == 0
    assert one.replica.get_leaves() == other.replica.get_leaves()


def test_pushes_of_too_many_feeds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LINK_FEEDS", 3)
    end = End(Peer(), live=True)
    run(end, (make_hello(live=True), NO_STATEMENTS, NO_LEAVES, DONE))
    end.take_output()
    invited = ["open", make_key(99).public]
    pushes = [make_pieces(end.peer.replica, make_key(number), invited)[0] for number in range(1, 5)]
    for piece in pushes[:3]:
        end.receive(join(*take_apart(piece)))
    assert end.session.counts.entries_held == 3
    with pytest.raises(ProtocolViolation, match="more than 3 feeds"):
        end.receive(join(*take_apart(pushes[3])))


def test_what_came_before_a_lie_in_the_same_bytes_is_admitted_or_asked_again() -> None:
    peer = Peer(FOUNDER)
    end = End(peer)
    long_piece = LONG.get_piece(1)
    assert long_piece is not None
    forged = change(GOOD, signature=bytes(64))
    leaves = sorted((SHORT_LEAF, LONG_LEAF), key=lambda leaf: compute_place(KEY, leaf.device))
    run(end, (make_hello(), NO_STATEMENTS, Leaves(leaves=tuple(leaves), last=True)))
    end.take_output()
    data = b"".join(
        encode_frame(part) for piece in (long_piece, forged) for part in take_apart(piece)
    )
    with pytest.raises(Forged):
        end.receive(data)
    assert peer.replica.entries == 1024


def open_live(peer: Peer) -> End:
    """An end of a live link whose other end is done, and says what it likes."""
    end = End(peer, live=True)
    run(end, (make_hello(live=True), NO_STATEMENTS, NO_LEAVES, DONE))
    while end.take_output():
        pass
    return end


def test_entries_that_are_held_may_come_again_and_not_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "USELESS_ENTRIES", 10)
    peer = Peer(FOUNDER)
    end = open_live(peer)
    # Three new ones, six that are known, and what the limit allows on top.
    for _ in range(6):
        end.receive(join(HEADER, BODIES))
    assert end.session.counts.entries_received == 3
    with pytest.raises(ProtocolViolation, match="again and again"):
        end.receive(join(HEADER, BODIES))
    assert peer.replica.entries == 3


def test_entries_may_be_asked_for_again_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "USELESS_ENTRIES", 10)
    peer = Peer(FOUNDER)
    peer.note(FOUNDER, 4)
    end = open_live(peer)
    want = join(Want(feeds=(Wanted(FOUNDER.public, 1, 1),)))
    # Once for nothing, and then twice what is held and ten entries more.
    for _ in range(1 + (2 * 4 + 10) // 4):
        end.receive(want)
        assert end.take_output()
    end.receive(want)
    with pytest.raises(ProtocolViolation, match="asked for the same entries again"):
        end.take_output()


def test_of_much_that_is_small_a_few_things_are_sent_at_a_time() -> None:
    peer = Peer(FOUNDER)
    numbers = range(10, 110)
    for number in numbers:
        peer.note(make_key(number))
    end = open_live(peer)
    rows = tuple(Wanted(make_key(number).public, 1, 1) for number in numbers)
    end.receive(join(Want(feeds=rows)))
    sizes: list[int] = []
    while data := end.session.data_to_send():
        sizes.append(len(data))
    # A header and bodies for each, some hundred bytes in all.
    assert max(sizes) < 16 * 200
    assert len(sizes) >= 2 * len(numbers) // 16


def test_entries_that_cannot_be_placed_may_not_come_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "USELESS_ENTRIES", 1024)
    peer = Peer(FOUNDER)
    end = open_live(peer)
    behind = LONG.get_piece(1025)
    assert behind is not None
    data = join(*take_apart(behind))
    end.receive(data)
    end.receive(data)
    with pytest.raises(ProtocolViolation, match="again and again"):
        end.receive(data)
    assert peer.replica.entries == 0


def test_statements_that_are_held_may_not_come_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LINK_IDS", 3)
    # So that one that came before the last one is not known to have come.
    monkeypatch.setattr(limits, "REMEMBERED_STATEMENTS", 1)
    writer = Peer(FOUNDER)
    first, second = (encode_statement(writer.close_epoch()) for _ in range(2))
    peer = Peer(FOUNDER)
    end = open_live(peer)
    message = Statements(statements=(first, second), index=2, last=False)
    for _ in range(3):
        end.receive(join(message))
    with pytest.raises(ProtocolViolation, match="that change nothing"):
        end.receive(join(message))
    assert peer.replica.chain.index == 2


def test_a_statement_that_comes_again_is_not_judged_again_and_may_not_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "REPEATED_STATEMENTS", 3)
    peer = Peer(FOUNDER)
    end = open_live(peer)
    statement = encode_statement(Peer(FOUNDER).close_epoch())
    message = Statements(statements=(statement,), index=1, last=False)
    for _ in range(4):
        end.receive(join(message))
    offered = [event for event in end.events if isinstance(event, Offered)]
    assert sum(len(event.statements) for event in offered) == 1
    with pytest.raises(ProtocolViolation, match="the same statements again and again"):
        end.receive(join(message))
    assert peer.replica.chain.index == 1


def test_a_checkpoint_of_somebody_else_is_a_lie() -> None:
    liar = Peer(make_key(2))
    liar.note(make_key(2))
    statement = encode_statement(liar.close_epoch())
    end = End(Peer(FOUNDER))
    message = Statements(statements=(statement,), index=1, last=False)
    with pytest.raises(Forged, match="sequencer"):
        run(end, (make_hello(index=1, checkpoint=bytes(32)), message))


def test_whoever_asks_for_more_pieces_than_there_are_gets_those_there_are() -> None:
    peer = Peer()
    peer.note(FOUNDER, 3)
    end = End(peer)
    run(end, (make_hello(), NO_STATEMENTS, Want(feeds=(Wanted(FOUNDER.public, 1, 4),))))
    while end.take_output():
        pass
    assert end.session.counts.entries_sent == 3


@settings(max_examples=200)
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_end_in_a_typed_error_or_in_nothing(data: bytes, greeted: bool) -> None:
    peer = Peer(FOUNDER)
    end = End(peer)
    end.receive(make_preface(MARKET) + (encode_frame(make_hello()) if greeted else b""))
    with suppress(MalformedInput, ProtocolViolation):
        end.receive(data)
    assert peer.replica.entries == 0


WHOLE = join(*ANNOUNCED, HEADER, BODIES, DONE)


@settings(max_examples=300)
@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_any_changed_byte_ends_in_a_typed_error_or_changes_no_entry(
    place: int, difference: int
) -> None:
    peer = Peer(FOUNDER)
    end = End(peer)
    changed = WHOLE[:place] + bytes([WHOLE[place] ^ difference]) + WHOLE[place + 1 :]
    with suppress(SynapticError):
        run(end, cut_frames(changed))
    held = [entry.body for entry in peer.replica.get_feed(FOUNDER.public).entries]
    assert held in ([], list(GOOD.bodies))


def cut_frames(data: bytes) -> Sequence[bytes]:
    """Cut where the unchanged frames end."""
    frames: list[bytes] = []
    start = 0
    for message in (*ANNOUNCED, HEADER, BODIES, DONE):
        stop = start + len(encode_frame(message))
        frames.append(data[start:stop])
        start = stop
    return frames
