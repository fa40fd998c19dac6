"""Entries, feeds and pieces: hash chains of one device each, vouched for by seals.

``verify_piece`` is the one way in: what it returns is contiguous, chained, sealed, canonical and
strictly increasing in time. Whether the contract likes an entry is not asked here.

Answers forged, replayed, moved, truncated and reordered entries: market, device, position and
history are bound into every id, and a seal covers all of the feed up to its position.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from synaptic_crdt.errors import Forged, ForkSeen, MalformedInput
from synaptic_crdt.state import limits
from synaptic_crdt.state.codec import Value, decode_body, encode_trusted
from synaptic_crdt.state.hashes import compute_body_hash, compute_entry_id, compute_hash
from synaptic_crdt.state.keys import DeviceKey, verify_signature


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One verified operation at one position of one feed.

    ``time`` is the logical timestamp, ``operation`` is ``[tag, field, ...]`` as decoded.
    """

    device: bytes
    position: int
    id: bytes
    time: int
    body: bytes
    operation: list[Value]


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


class Window(msgspec.Struct, frozen=True):
    """How full a feed's current window is: closed at 1,024 entries or 1 MiB of bodies."""

    entries: int = 0
    bytes: int = 0

    def add(self, position: int, size: int) -> "Window":
        """Return the window after one more body; a fresh one when that body closed it."""
        grown = Window(self.entries + 1, self.bytes + size)
        if position % limits.WINDOW_ENTRIES == 0 or grown.bytes >= limits.WINDOW_BYTES:
            return Window()
        return grown

    @property
    def is_fresh(self) -> bool:
        """Did the last body close a window (or is the feed empty)?"""
        return self.entries == 0


class Feed:
    """The verified entries of one device, its newest seal and the seals of its windows' ends."""

    __slots__ = ("device", "entries", "origin", "sealed_position", "seals", "window", "window_ends")

    def __init__(self, market: bytes, device: bytes) -> None:
        self.device: Final = device
        self.origin: Final = compute_origin(market, device)
        self.entries: Final[list[Entry]] = []
        self.seals: Final[dict[int, bytes]] = {}
        self.sealed_position = 0
        self.window = Window()
        self.window_ends: Final[list[int]] = []

    @property
    def position(self) -> int:
        """The position of the newest entry; 0 when there is none."""
        return len(self.entries)

    @property
    def head(self) -> bytes:
        """The chain id up to and including the newest entry."""
        return self.entries[-1].id if self.entries else self.origin

    def get_id(self, position: int) -> bytes:
        """Return the chain id at a held position; position 0 is the feed's origin."""
        return self.entries[position - 1].id if position else self.origin

    def extend(self, entries: Sequence[Entry], signature: bytes) -> None:
        """Append verified entries, the last of them sealed by ``signature``."""
        assert entries[0].position == self.position + 1
        for entry in entries:
            self.entries.append(entry)
            self.window = self.window.add(entry.position, len(entry.body))
        replaced = self.sealed_position
        if replaced and (not self.window_ends or self.window_ends[-1] != replaced):
            del self.seals[replaced]
        self.sealed_position = self.position
        self.seals[self.sealed_position] = signature
        if self.window.is_fresh:
            self.window_ends.append(self.position)

    def get_piece(self, first: int) -> Piece | None:
        """Return the longest piece that begins at ``first``, or None when nothing follows."""
        last = self._get_piece_end(first)
        if not 1 <= first <= last:
            return None
        return Piece(
            device=self.device,
            first=first,
            predecessor=self.get_id(first - 1),
            bodies=tuple(entry.body for entry in self.entries[first - 1 : last]),
            signature=self.seals[last],
        )

    def _get_piece_end(self, first: int) -> int:
        for end in self.window_ends:
            if end >= first:
                return end
        return self.sealed_position


def compute_origin(market: bytes, device: bytes) -> bytes:
    """Return c0, the chain id before a feed's first entry."""
    return compute_hash("feed", market, device)


def encode_body(time: int, operation: Sequence[Value]) -> bytes:
    """Return the canonical body of an operation (a list of plain values) at a timestamp.

    Raises ``MalformedInput`` when it does not pass the first door.
    """
    body = encode_trusted([time, list(operation)])
    decode_body(body)
    return body


def make_seal_message(market: bytes, position: int, chain_id: bytes) -> bytes:
    """Return what a seal signs: market, position and chain id, 72 bytes."""
    return market + position.to_bytes(8, "big") + chain_id


def seal_bodies(
    market: bytes, key: DeviceKey, feed: Feed, bodies: Sequence[bytes]
) -> tuple[Piece, ...]:
    """Return new bodies of one's own feed as sealed pieces, none of them crossing a window."""
    pieces: list[Piece] = []
    window, position, predecessor = feed.window, feed.position, feed.head
    batch: list[bytes] = []
    chain_id = predecessor
    for body in bodies:
        batch.append(body)
        position += 1
        chain_id = compute_entry_id(chain_id, compute_body_hash(body))
        window = window.add(position, len(body))
        if window.is_fresh or position == feed.position + len(bodies):
            signature = key.sign("seal", make_seal_message(market, position, chain_id))
            first = position - len(batch) + 1
            pieces.append(Piece(key.public, first, predecessor, tuple(batch), signature))
            batch, predecessor = [], chain_id
    return tuple(pieces)


def verify_piece(market: bytes, feed: Feed, piece: Piece) -> list[Entry]:
    """Return the entries of a piece that continues ``feed``; cheap checks come first.

    Raises ``ForkSeen`` when the piece continues another branch of the feed, ``Forged`` when
    its seal does not verify, ``MalformedInput`` when it breaks the frozen format.
    """
    name = f"feed {piece.device.hex()[:16]}"
    # 1. It begins where ours ends, and on the same history.
    if piece.first != feed.position + 1:
        raise MalformedInput(
            f"{name}: piece begins at {piece.first}, expected {feed.position + 1}; ask again"
        )
    if piece.predecessor != feed.head:
        raise ForkSeen(f"{name}: two histories at or before position {feed.position}")
    # 2. It stays within its limits and its window.
    _check_extent(name, feed, piece)
    # 3. The chain over the bodies' hashes ends where the seal says.
    ids: list[bytes] = []
    chain_id = piece.predecessor
    for body in piece.bodies:
        chain_id = compute_entry_id(chain_id, compute_body_hash(body))
        ids.append(chain_id)
    message = make_seal_message(market, piece.last, chain_id)
    if not verify_signature(piece.device, "seal", message, piece.signature):
        raise Forged(f"{name}: the seal at position {piece.last} does not verify")
    # 4. Every body passes the first door, and time strictly increases.
    previous = feed.entries[-1].time if feed.entries else -1
    return decode_entries(piece.device, piece.first, ids, piece.bodies, previous)


def decode_entries(
    device: bytes, first: int, ids: Sequence[bytes], bodies: Sequence[bytes], previous: int
) -> list[Entry]:
    """Return the entries of bodies whose chain ids are known to be right.

    ``previous`` is the timestamp before ``first`` (-1 for none). Raises ``MalformedInput``.
    """
    entries: list[Entry] = []
    position = first
    for chain_id, body in zip(ids, bodies, strict=True):
        time, operation = decode_body(body)
        if time <= previous:
            raise MalformedInput(
                f"feed {device.hex()[:16]}: timestamp {time} at position {position} does not"
                f" come after {previous}"
            )
        entries.append(Entry(device, position, chain_id, time, body, operation))
        previous = time
        position += 1
    return entries


def _check_extent(name: str, feed: Feed, piece: Piece) -> None:
    if not piece.bodies:
        raise MalformedInput(f"{name}: a piece without bodies")
    if piece.last > limits.POSITION_MAX:
        raise MalformedInput(f"{name}: position {piece.last} is over {limits.POSITION_MAX}")
    window = feed.window
    for position, body in enumerate(piece.bodies, piece.first):
        if len(body) > limits.BODY_BYTES:
            raise MalformedInput(
                f"{name}: body at {position} has {len(body)} bytes, limit {limits.BODY_BYTES}"
            )
        window = window.add(position, len(body))
        if window.is_fresh and position != piece.last:
            raise MalformedInput(f"{name}: a piece that crosses the window's end at {position}")
