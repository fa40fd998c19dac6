"""What two peers say to each other: a clear preface, then frames of one message each.

A frame is a 4-byte big-endian length and the canonical CBOR array of a message, whose first item
names its kind. The length is checked before anything is kept for it. A message that passes
``decode_message`` has exactly the shape and the bounds declared here; its meaning is the
session's to judge.
"""

from collections.abc import Mapping
from typing import Annotated, Final, cast

import msgspec
from msgspec import Meta

from synaptic_crdt.errors import MalformedInput, ProtocolViolation, VersionMismatch, WrongMarket
from synaptic_crdt.state import limits
from synaptic_crdt.state.codec import Value, decode, encode_trusted

PROTOCOL_VERSION: Final = 2
LENGTH_BYTES: Final = 4

_MAGIC: Final = b"synaptic"
_VERSION_BYTES: Final = 2
_MARKET_BYTES: Final = 8
PREFACE_BYTES: Final = len(_MAGIC) + _VERSION_BYTES + _MARKET_BYTES

Hash = Annotated[bytes, Meta(min_length=limits.HASH_BYTES, max_length=limits.HASH_BYTES)]
Nonce = Annotated[bytes, Meta(min_length=limits.NONCE_BYTES, max_length=limits.NONCE_BYTES)]
Digest = Annotated[bytes, Meta(min_length=limits.NODE_BYTES, max_length=limits.NODE_BYTES)]
Signature = Annotated[
    bytes, Meta(min_length=limits.SIGNATURE_BYTES, max_length=limits.SIGNATURE_BYTES)
]
Position = Annotated[int, Meta(ge=1, le=limits.POSITION_MAX)]
Count = Annotated[int, Meta(ge=0, le=limits.INTEGER_MAX)]
Clock = Annotated[int, Meta(ge=0, le=limits.TIMESTAMP_MAX >> 16)]
Windows = Annotated[int, Meta(ge=1, le=4)]
PieceCount = Annotated[int, Meta(ge=1, le=limits.WINDOW_ENTRIES)]
PieceSize = Annotated[int, Meta(ge=1, le=limits.PIECE_BYTES)]


class Row(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A row of a message's list."""


class Message(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    array_like=True,
    forbid_unknown_fields=True,
    tag_field="kind",
):
    """One frame's content."""


class Hello(Message, frozen=True, tag="hello"):
    """What the sender holds, in short: equal short forms leave nothing to do.

    ``checkpoint`` is the id of the newest counted one (the market id for none), at ``index``;
    ``device`` is whose end this is, by its own word (zeros for nobody's, as an auditor's);
    ``beside`` is the digest of the ids of the statements held beside the counted checkpoints,
    ``leaves`` that of the vector of leaves, of which there are ``feeds``; ``nonce`` is new in every
    session; ``clock_ms`` is shown to people and decides nothing.
    """

    view: Count
    index: Count
    checkpoint: Hash
    beside: Hash
    leaves: Hash
    feeds: Count
    nonce: Nonce
    clock_ms: Clock
    live: bool
    role: Annotated[str, Meta(pattern="^(member|auditor)$")]
    device: Hash


class Ids(Message, frozen=True, tag="ids"):
    """A page of the ids of what the sender holds beside the counted checkpoints."""

    ids: Annotated[tuple[Hash, ...], Meta(max_length=limits.PAGE_IDS)]
    last: bool


class Node(Row, frozen=True):
    """Of a span of places: how many leaves lie in it, and the beginning of a hash over them."""

    count: Count
    digest: Digest


class Nodes(Message, frozen=True, tag="nodes"):
    """The nodes of spans that both sides know to be next, in order."""

    nodes: Annotated[tuple[Node, ...], Meta(min_length=1, max_length=limits.PAGE_NODES)]


class Leaf(Row, frozen=True):
    """One feed that the sender has: its sealed end, never a position without its id.

    Of a feed that does not count to its end, for a fork or since another branch of it is fixed, it
    is the end of what counts, and ``beyond`` the number of entries held behind it, of whichever
    branch; null where all counts.
    ``rank`` is its place in the sender's order of admission: a hint, so that issuers are asked
    for before those they invited.
    """

    device: Hash
    position: Count
    id: Hash
    rank: Count
    beyond: Count | None

    @property
    def end(self) -> int:
        """Up to where the sender can serve the feed."""
        return self.position + (self.beyond or 0)


class Leaves(Message, frozen=True, tag="leaves"):
    """A page of leaves, which ascend strictly by place across pages."""

    leaves: Annotated[tuple[Leaf, ...], Meta(max_length=limits.PAGE_LEAVES)]
    last: bool


class Wanted(Row, frozen=True):
    """A feed's continuation: exactly ``pieces`` pieces from position ``first`` on."""

    device: Hash
    first: Position
    pieces: Windows


class Want(Message, frozen=True, tag="want"):
    """What the sender lacks of what the other side announced; answered in this order."""

    feeds: Annotated[tuple[Wanted, ...], Meta(min_length=1, max_length=limits.PAGE_LEAVES)]


class Header(Message, frozen=True, tag="piece"):
    """Announces a piece, so that it can be refused before any of its bodies is taken."""

    device: Hash
    first: Position
    predecessor: Hash
    count: PieceCount
    size: PieceSize
    signature: Signature


class Gone(Message, frozen=True, tag="gone"):
    """Nothing more comes of what was asked of a feed: its end was cut since it was announced."""

    device: Hash


class Bodies(Message, frozen=True, tag="bodies"):
    """Some of the announced piece's bodies, in order."""

    bodies: Annotated[tuple[bytes, ...], Meta(min_length=1, max_length=limits.WINDOW_ENTRIES)]


class Probe(Message, frozen=True, tag="probe"):
    """Asks for the ids of a feed at ascending positions, to find where two histories part."""

    device: Hash
    positions: Annotated[
        tuple[Position, ...], Meta(min_length=1, max_length=limits.PROBE_POSITIONS + 1)
    ]


class Marks(Message, frozen=True, tag="marks"):
    """Answers a probe: the ids at its first positions, as far as the feed is held."""

    device: Hash
    ids: Annotated[tuple[Hash, ...], Meta(max_length=limits.PROBE_POSITIONS + 1)]


class Trace(Message, frozen=True, tag="trace"):
    """Asks for a feed's branch from the position on at which two histories part."""

    device: Hash
    position: Position


class Traced(Message, frozen=True, tag="traced"):
    """Answers a trace: the body hashes up to the next seal, joined, and that seal."""

    device: Hash
    position: Position
    hashes: Annotated[bytes, Meta(max_length=limits.WINDOW_ENTRIES * limits.HASH_BYTES)]
    signature: Signature


class Statements(Message, frozen=True, tag="statements"):
    """Counted checkpoints in order, and what the sender holds beside them.

    ``index`` is that of the newest counted checkpoint which the sender now has in common with
    the receiver. ``last`` ends what the sender had when it said hello.
    """

    statements: Annotated[tuple[bytes, ...], Meta(max_length=limits.PAGE_LEAVES)]
    index: Count
    last: bool


class Done(Message, frozen=True, tag="done"):
    """The sender lacks nothing that was announced, or cannot get it; and what it now holds."""

    root: Hash
    digest: Hash
    index: Count
    entries: Count


def make_preface(market: bytes) -> bytes:
    """Return what both sides send first, in the clear."""
    version = PROTOCOL_VERSION.to_bytes(_VERSION_BYTES, "big")
    return _MAGIC + version + market[:_MARKET_BYTES]


def check_preface(market: bytes, preface: bytes) -> None:
    """Compare the other side's preface with ours.

    Raises ``ProtocolViolation``, ``VersionMismatch`` or ``WrongMarket``.
    """
    magic, rest = preface[: len(_MAGIC)], preface[len(_MAGIC) :]
    if magic != _MAGIC:
        raise ProtocolViolation(
            f"the other end speaks another protocol: it began with {preface.hex()}"
        )
    version = int.from_bytes(rest[:_VERSION_BYTES], "big")
    if version != PROTOCOL_VERSION:
        raise VersionMismatch(
            f"the other end speaks protocol {version}, this program {PROTOCOL_VERSION};"
            " upgrade the older one"
        )
    theirs = rest[_VERSION_BYTES:]
    if theirs != market[:_MARKET_BYTES]:
        raise WrongMarket(
            f"the other end is in market {theirs.hex()}, this one is {market.hex()[:16]};"
            " join that market in a home of its own"
        )


def encode_frame(message: Message) -> bytes:
    """Return a message as it travels: length, then canonical CBOR."""
    payload = encode_payload(message)
    assert len(payload) <= limits.FRAME_BYTES
    return len(payload).to_bytes(LENGTH_BYTES, "big") + payload


def encode_payload(message: Message) -> bytes:
    """Return the canonical CBOR of a message."""
    return encode_trusted(msgspec.to_builtins(message, builtin_types=(bytes,)))


def get_tag(kind: type[Message]) -> str:
    """Return the word with which messages of a kind begin."""
    return str(kind.__struct_config__.tag)


def decode_message(payload: bytes, kinds: Mapping[str, type[Message]]) -> Message:
    """Return the message of one frame, which is one of these kinds, by their tags.

    Raises ``MalformedInput``.
    """
    value = decode(payload, limits.FRAME_BYTES)
    tag = value[0] if isinstance(value, list) and value else None
    kind = kinds.get(tag) if isinstance(tag, str) else None
    if kind is None:
        raise MalformedInput(f"not a message of this protocol: it begins with {tag!a:.80}")
    return _convert(value, kind)


def decode_one_of(kinds: object, payload: bytes) -> Message:
    """Return the message of one frame, which is one of a union of kinds.

    Raises ``MalformedInput``.
    """
    return _convert(decode(payload, limits.FRAME_BYTES), kinds)


def _convert(value: Value, kinds: object) -> Message:
    try:
        return cast("Message", msgspec.convert(value, kinds, builtin_types=(bytes,)))
    except msgspec.ValidationError as error:
        raise MalformedInput(f"not a message of this protocol: {error}") from error


class FrameReader:
    """Cuts a stream of bytes into the preface and then into frames' payloads."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer: Final = bytearray()

    @property
    def buffered(self) -> int:
        """The number of bytes that wait for the rest of their frame."""
        return len(self._buffer)

    def feed(self, data: bytes) -> None:
        """Take bytes as they come."""
        self._buffer.extend(data)

    def take_preface(self) -> bytes | None:
        """Return the preface once it is complete."""
        return self._take(0, PREFACE_BYTES)

    def take_payload(self) -> bytes | None:
        """Return the next frame's payload once it is complete.

        Raises ``MalformedInput`` as soon as a length is known to be out of bounds.
        """
        if len(self._buffer) < LENGTH_BYTES:
            return None
        size = int.from_bytes(self._buffer[:LENGTH_BYTES], "big")
        if not 1 <= size <= limits.FRAME_BYTES:
            raise MalformedInput(f"a frame of {size} bytes, expected 1 to {limits.FRAME_BYTES}")
        return self._take(LENGTH_BYTES, size)

    def _take(self, start: int, size: int) -> bytes | None:
        if len(self._buffer) < start + size:
            return None
        taken = bytes(self._buffer[start : start + size])
        del self._buffer[: start + size]
        return taken
