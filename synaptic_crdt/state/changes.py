"""The bytes of a market's Automerge changes, written without the library.

Every change of a market's document has one of four fixed shapes, so what the library would write
is a matter of joining bytes: the tests hold each shape against the library. It gives the change
hashes, which are the document's *heads*, at a few microseconds an entry, and it reads a change by
writing it again: whatever is not byte for byte what we would have written is no change of ours.

* The *root change*, by an actor named like the market: ``genesis``, ``feeds``, ``statements``.
* A feed's first change, by the actor named like its device, on the root change: the list under
  ``feeds`` and the first body in it.
* Each further change of that feed, on the one before: one more body at the list's end.
* A change of an exporter's own actor, first on the root change, then on its last one: a statement.

Nothing here depends on the order in which feeds were merged, and no change has a time. A change
binds its history by SHA-256, but vouches for nobody: that is what seals are for.

Answers squatted actors, concurrent lists, overwrites and deletions (they have other shapes).
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from synaptic_crdt.state import limits
from synaptic_crdt.state.chunks import CHECKSUM_BYTES, MAGIC
from synaptic_crdt.state.hashes import compute_hash

# Of the container: magic and checksum, then what is hashed: the type, the length, the content.
_ENVELOPE_BYTES: Final = len(MAGIC) + CHECKSUM_BYTES
_CHANGE: Final = b"\x01"

# Columns of a change's operations, by their specification; those not written are empty.
_OBJECT_ACTOR, _OBJECT_COUNTER = 0x01, 0x02
_KEY_ACTOR, _KEY_COUNTER, _KEY_TEXT = 0x11, 0x13, 0x15
_INSERT, _ACTION = 0x34, 0x42
_VALUE_KIND, _VALUE = 0x56, 0x57
_PREDECESSORS: Final = 0x70

_TAIL_BYTES: Final = 2  # after the value, in each of the shapes: no operation has predecessors
_LENGTHS_GROWTH_MAX: Final = 12  # of three lengths, at most five bytes each

_BYTES_KIND: Final = 7  # of a value, in the low four bits; its length is above them
# The root change has operations 1 to 3: the genesis, and the two maps.
_FEEDS, _STATEMENTS = 2, 3
_ROOT_OPERATIONS: Final = 3
_LIST: Final = _ROOT_OPERATIONS + 1  # the operation of every feed's first change that makes it
# An actor of 32 bytes, after its length; no time, no message, no other actors follow the numbers.
_ACTOR_LENGTH: Final = b"\x20"
_NO_TIME_NO_MESSAGE: Final = b"\x00\x00"


class FeedChanges:
    """The changes of one feed, one after the other: written, read, or only counted.

    ``position`` and ``head`` are those of the last change: the feed's, and the change's hash. The
    first change depends on the root change of hash ``root``.
    """

    __slots__ = ("_actor", "_market", "device", "head", "position")

    def __init__(self, market: bytes, root: bytes, device: bytes) -> None:
        self.device: Final = device
        self.head = root
        self.position = 0
        self._actor: Final = _ACTOR_LENGTH + device
        self._market: Final = market

    def resume(self, position: int, head: bytes) -> None:
        """Go on after the change of hash ``head``, which was counted before."""
        self.position, self.head = position, head

    def write(self, bodies: Sequence[bytes]) -> list[bytes]:
        """Return the changes of the next bodies."""
        return [self._finish(self._start(body)) for body in bodies]

    def pass_over(self, bodies: Sequence[bytes]) -> None:
        """Take the next bodies without keeping their changes."""
        for body in bodies:
            self.head = sha256(self._start(body)).digest()
            self.position += 1

    def read(self, change: bytes) -> bytes | None:
        """Return the body of what is the next change to the byte; None for anything else."""
        body = _cut_value(change, self._start(b""))
        if body is None:
            return None
        started = self._start(body)
        if not _is_change(change, started):
            return None
        self._finish(started)
        return body

    def _finish(self, started: bytes) -> bytes:
        self.head = sha256(started).digest()
        self.position += 1
        return MAGIC + self.head[:CHECKSUM_BYTES] + started

    def _start(self, body: bytes) -> bytes:
        """Return what is hashed of the next change: all but magic and checksum."""
        position = self.position + 1
        return self._start_first(body) if position == 1 else self._start_next(position, body)

    def _start_first(self, body: bytes) -> bytes:
        # Two operations: a list in the map of feeds, which is the root's; a body at its start.
        return _frame(
            self.head,
            self._actor,
            _uint(1) + _uint(_LIST),
            (self._market,),
            (
                (_OBJECT_ACTOR, b"\x7e\x01\x00"),
                (_OBJECT_COUNTER, b"\x7e" + _uint(_FEEDS) + _uint(_LIST)),
                (_KEY_COUNTER, b"\x00\x01\x7f\x00"),
                (_KEY_TEXT, _text(self.device.hex()) + b"\x00\x01"),
                (_INSERT, b"\x01\x01"),
                (_ACTION, b"\x7e\x02\x01"),
                (_VALUE_KIND, b"\x7e\x00" + _value_kind(body)),
                (_VALUE, body),
                (_PREDECESSORS, b"\x02\x00"),
            ),
        )

    def _start_next(self, position: int, body: bytes) -> bytes:
        # The same as ``_frame`` would give, spelled out because every entry passes here: one
        # operation, a body in the list of this feed, after the operation of the previous entry.
        operation = position + _LIST
        after = _int(operation - 1)
        kind = _value_kind(body)
        content = b"".join(
            (
                b"\x01",
                self.head,
                self._actor,
                _uint(position),
                _uint(operation),
                b"\x00\x00\x00\x09\x01\x02\x02\x02\x11\x02\x13",
                (len(after) + 1).to_bytes(1, "big"),
                b"\x34\x02\x42\x02\x56",
                (len(kind) + 1).to_bytes(1, "big"),
                b"\x57",
                _uint(len(body)),
                b"\x70\x02\x7f\x00\x7f\x04\x7f\x00\x7f",
                after,
                b"\x00\x01\x7f\x01\x7f",
                kind,
                body,
                b"\x7f\x00",
            )
        )
        return b"".join((_CHANGE, _uint(len(content)), content))


class StatementChanges:
    """The changes in which one exporter's actor writes statements, one after the other."""

    __slots__ = ("_actor", "_head", "_market", "_written")

    def __init__(self, market: bytes, root: bytes, actor: bytes) -> None:
        self._market: Final = market
        self._actor: Final = _ACTOR_LENGTH + actor
        self._head = root
        self._written = 0

    def write(self, statement: bytes) -> bytes:
        """Return the change that writes one more statement."""
        return self._finish(self._start(statement))

    def read(self, change: bytes) -> bytes | None:
        """Return the statement of what is the next change to the byte; None for anything else."""
        statement = _cut_value(change, self._start(b""))
        if statement is None:
            return None
        started = self._start(statement)
        if not _is_change(change, started):
            return None
        self._finish(started)
        return statement

    def _finish(self, started: bytes) -> bytes:
        self._head = sha256(started).digest()
        self._written += 1
        return MAGIC + self._head[:CHECKSUM_BYTES] + started

    def _start(self, statement: bytes) -> bytes:
        number = self._written + 1
        return _frame(
            self._head,
            self._actor,
            _uint(number) + _uint(number + _ROOT_OPERATIONS),
            (self._market,),
            (
                (_OBJECT_ACTOR, b"\x7f\x01"),
                (_OBJECT_COUNTER, b"\x7f" + _uint(_STATEMENTS)),
                (_KEY_TEXT, _text(compute_hash("statement", statement).hex())),
                (_INSERT, b"\x01"),
                (_ACTION, b"\x7f\x01"),
                (_VALUE_KIND, b"\x7f" + _value_kind(statement)),
                (_VALUE, statement),
                (_PREDECESSORS, b"\x7f\x00"),
            ),
        )


def encode_root_change(market: bytes, genesis: bytes) -> bytes:
    """Return the change on which every feed of a market stands."""
    started = _start_root(market, genesis)
    return MAGIC + sha256(started).digest()[:CHECKSUM_BYTES] + started


def read_root_change(change: bytes) -> tuple[bytes, bytes] | None:
    """Return market id and genesis of what is a root change to the byte; None for others."""
    genesis = _cut_value(change, _start_root(bytes(32), b""))
    if genesis is None or len(genesis) > limits.GENESIS_BYTES:
        return None
    market = compute_hash("market", genesis)
    return (market, genesis) if _is_change(change, _start_root(market, genesis)) else None


def get_change_hash(change: bytes) -> bytes:
    """Return the hash of a change, by which others depend on it."""
    return sha256(change[_ENVELOPE_BYTES:]).digest()


def _start_root(market: bytes, genesis: bytes) -> bytes:
    return _frame(
        None,
        _ACTOR_LENGTH + market,
        _uint(1) + _uint(1),
        (),
        (
            (_KEY_TEXT, b"\x7d\x07genesis\x05feeds\x0astatements"),
            (_INSERT, b"\x03"),
            (_ACTION, b"\x7f\x01\x02\x00"),
            (_VALUE_KIND, b"\x7f" + _value_kind(genesis) + b"\x02\x00"),
            (_VALUE, genesis),
            (_PREDECESSORS, b"\x03\x00"),
        ),
    )


def _frame(
    dependency: bytes | None,
    actor: bytes,
    numbers: bytes,
    others: Sequence[bytes],
    columns: Sequence[tuple[int, bytes]],
) -> bytes:
    """Return what is hashed of a change: type, length, content.

    ``numbers`` are the change's number among its actor's and its first operation's.
    """
    parts = [b"\x00" if dependency is None else b"\x01" + dependency, actor, numbers]
    parts += [_NO_TIME_NO_MESSAGE, _uint(len(others))]
    parts += [_ACTOR_LENGTH + other for other in others]
    parts.append(_uint(len(columns)))
    parts += [bytes((column,)) + _uint(len(data)) for column, data in columns]
    parts += [data for _, data in columns]
    content = b"".join(parts)
    return _CHANGE + _uint(len(content)) + content


def _cut_value(change: bytes, empty: bytes) -> bytes | None:
    """Return the only value, never an empty one, that a change as long as this one can hold.

    ``empty`` is what is hashed of the change when the value has no bytes.
    """
    grown = len(change) - _ENVELOPE_BYTES - len(empty)
    content = _get_content_size(len(empty))
    # Three lengths in a change grow with its value, each by a few bytes at most.
    for lengths in range(_LENGTHS_GROWTH_MAX):
        size = grown - lengths
        if size > 0 and _get_lengths_growth(size, content) == lengths:
            end = len(change) - _TAIL_BYTES
            return change[end - size : end]
    return None


def _get_lengths_growth(size: int, content: int) -> int:
    """Return by how many bytes the lengths of a change grow with a value of ``size`` bytes."""
    inside = _get_width(size << 4 | _BYTES_KIND) + _get_width(size) - 2
    return inside + _get_width(content + size + inside) - _get_width(content)


def _get_content_size(started: int) -> int:
    """Return the size of the content that ``started`` bytes of type, length and content hold."""
    size = started - 2
    while 1 + _get_width(size) + size > started:
        size -= 1
    return size


def _is_change(change: bytes, started: bytes) -> bool:
    return change == MAGIC + sha256(started).digest()[:CHECKSUM_BYTES] + started


def _value_kind(value: bytes) -> bytes:
    """Return the metadata of a value that is bytes: length and kind."""
    return _uint(len(value) << 4 | _BYTES_KIND)


def _text(value: str) -> bytes:
    """Return a column with one ASCII text."""
    return b"\x7f" + _uint(len(value)) + value.encode()


def _uint(number: int) -> bytes:
    """Return a number that is not negative as ULEB128: seven bits a byte, the low ones first."""
    return _ONE_BYTE[number] if number < _SEVEN_BITS else _leb(number, _SEVEN_BITS)


def _int(number: int) -> bytes:
    """Return a positive number as SLEB128: the last byte has six bits, and one for the sign."""
    return _ONE_BYTE[number] if number < _SIX_BITS else _leb(number, _SIX_BITS)


def _leb(number: int, last: int) -> bytes:
    """Return seven bits a byte, until what is left is under ``last``."""
    parts = bytearray()
    while number >= last:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def _get_width(number: int) -> int:
    """Return the size of a number as ULEB128."""
    return max(1, (number.bit_length() + 6) // 7)


_SEVEN_BITS: Final = 1 << 7
_SIX_BITS: Final = 1 << 6
_ONE_BYTE: Final = tuple(bytes((number,)) for number in range(_SEVEN_BITS))
