"""What comes over a link: frames, whole sessions, and the secure channel around them."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, Final, cast

import pytest

from synaptic_crdt.errors import (
    Forged,
    LinkFailed,
    MalformedInput,
    ProtocolViolation,
    VersionMismatch,
    WrongMarket,
)
from synaptic_crdt.state import limits
from synaptic_crdt.state.codec import Value, decode, encode_trusted
from synaptic_crdt.state.feeds import make_seal_message
from synaptic_crdt.state.hashes import compute_body_hash, compute_chain
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.outline import name_content
from synaptic_crdt.state.statements import encode_statement
from synaptic_crdt.sync.blobs import WantedBlob
from synaptic_crdt.sync.messages import (
    LENGTH_BYTES,
    PREFACE_BYTES,
    Message,
    decode_message,
    encode_frame,
    encode_payload,
    get_tag,
)
from synaptic_crdt.sync.parts.blob_messages import BlobAsk
from synaptic_crdt.sync.parts.state_messages import StateOffer
from synaptic_crdt.sync.state_fetch import StateFetch
from tests.forking import sign_fork
from tests.fuzzing.changes import change_value, make_frames_change, split_frames
from tests.fuzzing.target import Target
from tests.fuzzing.targets.format import sign_again
from tests.sync.blob_shelf import Shelf, make_content
from tests.sync.conftest import MARKET, CountingWriter, End, Peer, make_key, pump

# What the other end of a link may be blamed for, by a session or by the gate behind it.
_BLAMED: Final = (Forged, MalformedInput, ProtocolViolation, VersionMismatch, WrongMarket)
_SEQUENCER: Final = make_key(1)
_KEYS: Final = {key.public: key for key in map(make_key, range(1, 12))}
# The first byte of an input: in which state its session begins, and how its bytes arrive.
_HEAD_BYTES: Final = 1 + PREFACE_BYTES
_STATES: Final = 4
_LIVE: Final = 4
_WHOLE: Final = 8
_BEHIND: Final = 16
_TREE: Final = 32
_BLOBS: Final = 64
# One that the session wants and others have; and one that it has, of two pieces.
_WANTED: Final = make_content(600)
_HELD: Final = make_content(70_000)


def run_session(data: bytes) -> None:
    """Feed a peer; it blames whoever lies, keeps nothing unverified, and goes on to serve others.

    Afterwards it holds what its writer was given, what it holds folds to one root whoever folds it,
    and an honest peer that meets it ends up with the same.
    """
    if not data:
        return
    writer = CountingWriter()
    peer = make_peer(data[0] % _STATES, writer)
    before = writer.transactions
    shelf = Shelf(_HELD).want(_WANTED) if data[0] & _BLOBS else Shelf()
    with bound_vector(is_small=bool(data[0] & _TREE)):
        listen(peer, shelf, data)
    assert peer.gate.budget.used == 0
    assert shelf.whole.keys() <= {name_content(_HELD), name_content(_WANTED)}
    # What it holds is what its writer was given.
    if writer.transactions > before:
        check_peer(peer)


def listen(peer: Peer, shelf: Shelf, data: bytes) -> None:
    """Run one session of a peer, whose other end sends the bytes after the first one."""
    end = End(peer, live=bool(data[0] & _LIVE), blobs=shelf)
    try:
        for chunk in cut(data[1:], is_whole=bool(data[0] & _WHOLE)):
            end.receive(chunk)
            assert end.session.buffered <= len(data)
            while end.take_output():
                pass
            if data[0] & _BEHIND and chunk:
                peer.note(make_key(10))
        end.session.receive_end()
    except (*_BLAMED, LinkFailed):
        pass
    end.session.close()
    peer.gate.news.unsubscribe(end.session.note_news)


@contextmanager
def bound_vector(*, is_small: bool) -> Generator[None]:
    """Let sessions compare by trees from the second feed on, as they do when there are many."""
    if not is_small:
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "VECTOR_LEAVES", 1)
        patch.setattr(limits, "SPAN_LEAVES", 1)
        yield


def check_peer(peer: Peer) -> None:
    """Whoever hears all that a peer holds comes to the same state."""
    other = Peer(_SEQUENCER).let_in_all()
    ends = End(peer), End(other)
    pump(*ends)
    for end in ends:
        end.session.close()
        end.peer.gate.news.unsubscribe(end.session.note_news)
        assert end.session.is_finished
    assert peer.replica.is_halted == other.replica.is_halted
    # What gave way to a history that the sequencer fixed, and that nobody has, may leave entries
    # behind that no kept seal covers: they are offered to nobody.
    is_sealed = all(feed.sealed_position >= feed.end for feed in peer.replica.feeds.values())
    if is_sealed and not peer.replica.is_halted:
        assert peer.replica.root == other.replica.root
        assert peer.replica.entries_counted == other.replica.entries_counted


def cut(data: bytes, *, is_whole: bool) -> Sequence[bytes]:
    """Cut a stream where its frames end, as far as it has any; or leave it whole."""
    if is_whole:
        return [data]
    chunks = [data[:PREFACE_BYTES]]
    start = PREFACE_BYTES
    while start < len(data):
        size = int.from_bytes(data[start : start + LENGTH_BYTES], "big")
        chunks.append(data[start : start + LENGTH_BYTES + size])
        start += len(chunks[-1])
    return chunks


def make_peer(state: int, writer: CountingWriter | None = None) -> Peer:
    """Return a peer that holds nothing, some of a market, all of it, or another history."""
    peer = Peer(_SEQUENCER, writer=writer)
    if state:
        copy(make_market(), peer, 1 if state == 1 else limits.POSITION_MAX)
    if state == 1:
        peer.write(make_key(4), ["note", b"other"])
    elif state == 3:
        peer.gate.admit_statement(encode_statement(sign_fork(MARKET, make_key(2))))
    return peer


@cache
def make_market() -> Peer:
    """Return a peer with a few feeds, two of them issued by others, and two checkpoints."""
    peer = Peer(_SEQUENCER)
    peer.note(_SEQUENCER, 2)
    peer.write(make_key(2), ["open", _SEQUENCER.public], ["note", b"x"])
    peer.close_epoch()
    peer.write(make_key(3), ["open", make_key(2).public])
    peer.note(make_key(2), 2)
    peer.close_epoch()
    peer.write(make_key(4), ["note", b"y"], ["note", b"z"])
    return peer


def copy(source: Peer, target: Peer, most: int) -> None:
    """Bring a piece at most of each feed, and checkpoints when it is everything."""
    for feed in list(source.replica.feeds.values()):
        piece = feed.get_piece(1)
        assert piece is not None
        if piece.first <= most:
            target.gate.admit_piece(piece)
    if most == limits.POSITION_MAX:
        target.copy_from(source)


@cache
def make_streams() -> Sequence[bytes]:
    """Return what honest peers send to one in each state: once, or on a live link."""
    streams: list[bytes] = []
    for state in range(_STATES):
        for flags in (0, _LIVE, _TREE | _LIVE | _BLOBS):
            with bound_vector(is_small=bool(flags & _TREE)):
                stream = record(state, is_live=bool(flags & _LIVE))
            streams.append(bytes([state | flags]) + stream)
    return streams


def record(state: int, *, is_live: bool) -> bytes:
    """Return what an honest end sends to a peer, before and after both are done."""
    source = make_source()
    shelves = Shelf(_WANTED), Shelf(_HELD).want(_WANTED)
    ends = (
        End(source, live=is_live, blobs=shelves[0]),
        End(make_peer(state), live=is_live, blobs=shelves[1]),
    )
    pump(*ends)
    source.note(make_key(5), 2)
    source.close_epoch()
    pump(*ends)
    return b"".join(ends[0].sent)


def make_source() -> Peer:
    source = Peer(_SEQUENCER)
    source.copy_from(make_market())
    source.note(make_key(3), 1)
    return source


def repair_frames(payloads: list[bytes]) -> None:
    """Count and seal again what pieces hold, and sign statements again."""
    for place, payload in enumerate(payloads):
        try:
            value = decode(payload, limits.FRAME_BYTES)
        except MalformedInput:
            continue
        match value:
            case ["piece", bytes(device), int(first), bytes(before), *_] if place + 1 < len(
                payloads
            ):
                header = _seal_again(_KEYS.get(device), first, before, payloads[place + 1])
                payloads[place] = header or payload
            case ["statements", [*statements], *rest]:
                again: list[Value] = [_sign_statement(each) for each in statements]
                payloads[place] = encode_trusted(["statements", again, *rest])
            case _:
                pass


def _seal_again(key: DeviceKey | None, first: int, before: bytes, payload: bytes) -> bytes | None:
    try:
        value = decode(payload, limits.FRAME_BYTES)
    except MalformedInput:
        return None
    match value:
        case ["bodies", [*items]] if key is not None and 0 <= first < limits.POSITION_MAX:
            bodies = [body for body in items if isinstance(body, bytes)]
            if not bodies:
                return None
            head = compute_chain(before, list(map(compute_body_hash, bodies)))[-1]
            last = first + len(bodies) - 1
            seal = key.sign("seal", make_seal_message(MARKET, last, head))
            size = sum(map(len, bodies))
            return encode_trusted(["piece", key.public, first, before, len(bodies), size, seal])
        case _:
            return None


def _sign_statement(statement: Value) -> Value:
    try:
        fields = decode(cast("bytes", statement), limits.STATEMENT_BYTES)
    except (MalformedInput, TypeError):
        return statement
    if isinstance(fields, list):
        sign_again(fields)
    return encode_trusted(fields)


def run_fetch(data: bytes) -> None:
    """A newcomer fetches a state from whoever offers one: what is kept has the names it asked for."""
    if not data:
        return
    shelf = Shelf()

    def take(offer: StateOffer) -> Shelf:
        shelf.wanted.extend(WantedBlob(section.blob, section.size) for section in offer.sections)
        return shelf

    fetch = StateFetch(MARKET, take)
    try:
        for chunk in cut(data[1:], is_whole=bool(data[0] & _WHOLE)):
            fetch.data_to_send()
            fetch.receive(chunk)
    except (*_BLAMED, LinkFailed):
        pass
    fetch.close()
    assert not shelf.under_way
    assert all(name_content(content) == name for name, content in shelf.whole.items())


@cache
def make_states() -> Sequence[bytes]:
    """Return what an honest end sends to a newcomer, and to one who asks in vain."""
    states: list[bytes] = []
    for sections in ((_WANTED,), ()):
        shelf = Shelf(*sections)
        shelf.offered = list(sections)
        end, here = End(make_source(), blobs=shelf), Shelf().want(*sections)
        fetch = StateFetch(MARKET, lambda _, here=here: here)
        with suppress(LinkFailed):
            while not fetch.is_finished:
                end.receive(fetch.data_to_send())
                fetch.receive(end.take_output())
        states.append(b"\0" + b"".join(end.sent))
    return states


def make_asks() -> Sequence[bytes]:
    """Return what newcomers say to a session."""
    ask = StateFetch(MARKET, lambda _: Shelf()).data_to_send()
    wants = [
        BlobAsk(blob=name_content(_HELD), first=first, count=count)
        for first, count in ((0, 0), (1, 1))
    ]
    return [bytes([_BLOBS | state]) + ask + b"".join(map(encode_frame, wants)) for state in (0, 2)]


def make_session_seeds() -> Sequence[bytes]:
    return [*make_streams(), *make_asks()]


def run_message(data: bytes) -> None:
    """Every kind of message there is, one frame each."""
    try:
        message = decode_message(data, get_kinds())
    except MalformedInput:
        return
    assert encode_payload(message) == data


@cache
def get_kinds() -> dict[str, type[Message]]:
    session = End(Peer()).session
    return {get_tag(kind): kind for kind in cast("Any", session)._kinds.values()}


def make_messages() -> Sequence[bytes]:
    """Return one message of each kind that honest peers send."""
    found: dict[bytes, bytes] = {}
    for stream in make_streams():
        for payload in split_frames(stream[_HEAD_BYTES:]):
            found.setdefault(payload[:6], payload)
    return list(found.values())


LINK_TARGETS: Final = (
    Target("message", run_message, make_messages, change_value),
    Target(
        "session",
        run_session,
        make_session_seeds,
        make_frames_change(_HEAD_BYTES, make_session_seeds, repair_frames),
        weight=20,
    ),
    Target("fetch", run_fetch, make_states, make_frames_change(_HEAD_BYTES, make_states, len)),
)
