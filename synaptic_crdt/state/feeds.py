"""Entries and pieces of feeds: hash chains of one device each, vouched for by seals.

``verify_piece`` is the one way in: what it returns is contiguous, chained, sealed, canonical and
strictly increasing in time. Whether the contract likes an entry is not asked here.

Answers forged, replayed, moved, truncated and reordered entries: market, device, position and
history are bound into every id, and a seal covers all of the feed up to its position.
"""

from collections.abc import Container, Iterator, Sequence

import msgspec

from synaptic_crdt.errors import Forged, ForkSeen, MalformedInput
from synaptic_crdt.state import limits
from synaptic_crdt.state.codec import Value, decode_body, encode
from synaptic_crdt.state.hashes import (
    compute_body_hash,
    compute_chain,
    compute_entry_id,
    compute_hash,
)
from synaptic_crdt.state.keys import DeviceKey, verify_signature


class Entry(msgspec.Struct, frozen=True, gc=False, eq=False):
    """One verified operation at one position of one feed. ``time`` is the logical timestamp.

    ``decoded`` is the operation as it was decoded, until it is let go: whoever holds many entries
    has no use for it twice, and the body says it again.
    """

    device: bytes
    position: int
    id: bytes
    time: int
    body: bytes
    decoded: list[Value] | None

    @property
    def operation(self) -> list[Value]:
        """``[tag, field, ...]``."""
        return decode_body(self.body)[1] if self.decoded is None else self.decoded

    def let_go(self) -> None:
        """Keep the operation in the body alone."""
        msgspec.structs.force_setattr(self, "decoded", None)

    def __eq__(self, other: object) -> bool:
        # The id binds device, position, time and body.
        return isinstance(other, Entry) and self.id == other.id

    def __ne__(self, other: object) -> bool:
        # What it would inherit does not ask the above.
        return not self == other

    __hash__ = None  # type: ignore[assignment] - it is known by its id


class Piece(msgspec.Struct, frozen=True):
    """Consecutive bodies of one feed, within one window, and the seal at their end."""

    device: bytes
    first: int
    predecessor: bytes
    bodies: tuple[bytes, ...]
    signature: bytes

    @property
    def last(self) -> int:
        """The position of the last body, which the seal names."""
        return self.first + len(self.bodies) - 1


class Tip(msgspec.Struct, frozen=True):
    """The end of a feed: all that is needed to verify what continues it.

    ``time`` is the last timestamp (-1 for none). ``bytes`` is the size of the bodies in the
    current window, which closes at every position divisible by 1,024, or earlier once its bodies
    reach 1 MiB; then it is 0. (A body is never empty.)
    """

    device: bytes
    position: int
    head: bytes
    time: int
    bytes: int = 0

    @property
    def is_window_end(self) -> bool:
        """Did the last body close a window (or is the feed empty)?"""
        return self.bytes == 0


class Truncation(msgspec.Struct, frozen=True):
    """A feed that lost its entries after ``position``, where its chain id is now ``head``."""

    device: bytes
    position: int
    head: bytes
    void: Sequence[Entry]


def compute_origin(market: bytes, device: bytes) -> bytes:
    """Return c0, the chain id before a feed's first entry."""
    return compute_hash("feed", market, device)


def encode_body(time: int, operation: Sequence[Value]) -> bytes:
    """Return the canonical body of an operation (a list of plain values) at a timestamp.

    Raises ``MalformedInput`` when it does not pass the first door.
    """
    body = encode([time, tuple(operation)])
    decode_body(body)
    return body


def make_seal_message(market: bytes, position: int, chain_id: bytes) -> bytes:
    """Return what a seal signs: market, position and chain id, 72 bytes."""
    return market + position.to_bytes(8, "big") + chain_id


def seal_bodies(
    market: bytes, key: DeviceKey, tip: Tip, bodies: Sequence[bytes]
) -> tuple[Piece, ...]:
    """Return new bodies of one's own feed as sealed pieces, none of them crossing a window."""
    pieces: list[Piece] = []
    batch: list[bytes] = []
    first, predecessor, chain_id = tip.position + 1, tip.head, tip.head
    size = tip.bytes
    for position, body in enumerate(bodies, first):
        batch.append(body)
        chain_id = compute_entry_id(chain_id, compute_body_hash(body))
        size = grow_window(size, position, len(body))
        if size == 0 or position == tip.position + len(bodies):
            signature = key.sign("seal", make_seal_message(market, position, chain_id))
            pieces.append(Piece(key.public, first, predecessor, tuple(batch), signature))
            batch, first, predecessor = [], position + 1, chain_id
    return tuple(pieces)


def verify_piece(market: bytes, tip: Tip, piece: Piece) -> tuple[list[Entry], Tip]:
    """Return a piece's entries and the feed's new tip, once everything about it holds.

    Raises ``ForkSeen`` when its device sealed another history than the one up to ``tip``,
    ``Forged`` when its seal does not verify, ``MalformedInput`` when it breaks the format.
    """
    name = f"feed {piece.device.hex()[:16]}"
    # 1. It begins where ours ends.
    if piece.device != tip.device or piece.first != tip.position + 1:
        raise MalformedInput(
            f"{name}: piece begins at {piece.first}, expected {tip.position + 1}; ask again"
        )
    # 2. It stays within its limits and its window.
    size = _check_extent(name, tip, piece)
    # 3. The chain over the bodies' hashes ends where the seal says.
    ids = compute_chain(piece.predecessor, [compute_body_hash(body) for body in piece.bodies])
    message = make_seal_message(market, piece.last, ids[-1])
    if not verify_signature(piece.device, "seal", message, piece.signature):
        raise Forged(f"{name}: the seal at position {piece.last} does not verify")
    # 4. It continues our history. (Asked after the seal: a sender's word alone is no fork.)
    if piece.predecessor != tip.head:
        raise ForkSeen(f"{name}: its device sealed two histories up to position {tip.position}")
    # 5. Every body passes the first door, and time strictly increases.
    entries = decode_entries(tip, ids, piece.bodies)
    return entries, Tip(piece.device, piece.last, ids[-1], entries[-1].time, size)


def find_window_ends(bodies: Sequence[bytes]) -> Iterator[int]:
    """Yield the positions at which the windows of a whole feed end, and that of its last body."""
    size = 0
    for position, body in enumerate(bodies, 1):
        size = grow_window(size, position, len(body))
        if size == 0 or position == len(bodies):
            yield position


def split_at_seals(
    tip: Tip, entries: Sequence[Entry], sealed: Container[int]
) -> Iterator[tuple[Sequence[Entry], Tip]]:
    """Yield decoded entries that follow ``tip`` in stretches, each with the tip at its end.

    A stretch ends at every sealed position, at every window's end, and with the last entry.
    """
    start, size = 0, tip.bytes
    for stop, entry in enumerate(entries, 1):
        size = grow_window(size, entry.position, len(entry.body))
        if size == 0 or stop == len(entries) or entry.position in sealed:
            yield entries[start:stop], Tip(tip.device, entry.position, entry.id, entry.time, size)
            start = stop


def decode_entries(tip: Tip, ids: Sequence[bytes], bodies: Sequence[bytes]) -> list[Entry]:
    """Return the entries after ``tip`` of bodies whose chain ids are known to be right.

    Raises ``MalformedInput``.
    """
    entries: list[Entry] = []
    device, position, previous = tip.device, tip.position, tip.time
    for chain_id, body in zip(ids, bodies, strict=True):
        position += 1
        time, operation = decode_body(body)
        if time <= previous:
            raise MalformedInput(
                f"feed {device.hex()[:16]}: timestamp {time} at position {position} does not"
                f" come after {previous}"
            )
        entries.append(Entry(device, position, chain_id, time, body, operation))
        previous = time
    return entries


def grow_window(size: int, position: int, body_size: int) -> int:
    """Return the bytes in the window after one more body; 0 when that body closed it."""
    size += body_size
    return 0 if position % limits.WINDOW_ENTRIES == 0 or size >= limits.WINDOW_BYTES else size


def _check_extent(name: str, tip: Tip, piece: Piece) -> int:
    """Check a piece's limits; return the bytes in the window at its end."""
    if not piece.bodies:
        raise MalformedInput(f"{name}: a piece without bodies")
    if piece.last > limits.POSITION_MAX:
        raise MalformedInput(f"{name}: position {piece.last} is over {limits.POSITION_MAX}")
    size = tip.bytes
    for position, body in enumerate(piece.bodies, piece.first):
        if not 1 <= len(body) <= limits.BODY_BYTES:
            raise MalformedInput(
                f"{name}: body at {position} has {len(body)} bytes, expected 1 to"
                f" {limits.BODY_BYTES}"
            )
        size = grow_window(size, position, len(body))
        if size == 0 and position != piece.last:
            raise MalformedInput(f"{name}: a piece that crosses the window's end at {position}")
    return size
