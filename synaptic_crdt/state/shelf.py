"""The entries of a feed behind a kept state: left in storage, and verified when they are read.

They are read in stretches, one window or less at a time. The chain id at the end of each stretch
is known, and is sealed by the feed's device or bound by the root of the saved state, or was seen by
this process; the hashes of the bodies have to chain up to it. So what was altered since is found before anybody sees it.

A body may have been moved to an archive. Its hash is kept, and with it every chain id.
"""

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Final, Protocol, cast, overload

import msgspec

from synaptic_crdt.errors import BodyArchived, StoreDamaged
from synaptic_crdt.state import limits
from synaptic_crdt.state.feeds import (
    Entry,
    Tip,
    compute_origin,
    decode_entries,
    make_seal_message,
)
from synaptic_crdt.state.hashes import compute_body_hash, compute_chain
from synaptic_crdt.state.keys import verify_signature

# Position and chain id.
Mark = tuple[int, bytes]


class StretchReader(Protocol):
    """Where entries are kept."""

    def read_stretch(self, device: bytes, first: int, last: int) -> list[tuple[bytes, bytes]]:
        """Return (body hash, body) of consecutive entries, as far as they are there.

        An archived body is empty.
        """
        ...

    def report(self, reason: str) -> StoreDamaged:
        """Take note that what was kept is damaged; return what to raise."""
        ...


class Stretch(msgspec.Struct, frozen=True):
    """Consecutive entries whose chain ids are right; archived bodies are empty."""

    first: int
    predecessor: bytes
    ids: Sequence[bytes]
    bodies: Sequence[bytes]


class Shelf:
    """The stored feeds of one market, of which what was read last stays in memory."""

    def __init__(self, market: bytes, reader: StretchReader) -> None:
        self.market: Final = market
        self.reader: Final = reader
        self._read: Final[OrderedDict[tuple[bytes, int], Stretch]] = OrderedDict()
        self._entries = 0

    def get(self, device: bytes, first: Mark, last: Mark, seal: bytes | None) -> Stretch:
        """Return the stretch after one mark up to another, which ``seal`` vouches for if there is.

        Raises ``StoreDamaged``.
        """
        stretch = self._read.get((device, last[0]))
        # Another branch may have been there when it was read, or it began somewhere else.
        if stretch is None or (stretch.first - 1, stretch.predecessor, stretch.ids[-1]) != (
            *first,
            last[1],
        ):
            replaced = self._read.pop((device, last[0]), None)
            self._entries -= 0 if replaced is None else len(replaced.ids)
            stretch = self._load(device, first, last, seal)
            self._read[device, last[0]] = stretch
            self._entries += len(stretch.ids)
            while self._entries > limits.READ_AHEAD_ENTRIES and len(self._read) > 1:
                _, oldest = self._read.popitem(last=False)
                self._entries -= len(oldest.ids)
        return stretch

    def _load(self, device: bytes, first: Mark, last: Mark, seal: bytes | None) -> Stretch:
        position, predecessor = first
        rows = self.reader.read_stretch(device, position + 1, last[0])
        name = f"feed {device.hex()} position"
        if len(rows) < last[0] - position:
            raise self.reader.report(f"{name} {position + len(rows) + 1}: the entry is missing")
        hashes = [compute_body_hash(body) if body else kept for kept, body in rows]
        for number, (found, (kept, _)) in enumerate(zip(hashes, rows, strict=True), position + 1):
            if found != kept:
                raise self.reader.report(f"{name} {number}: the body or its hash is altered")
        ids = compute_chain(predecessor, hashes)
        is_sealed = seal is None or verify_signature(
            device, "seal", make_seal_message(self.market, last[0], ids[-1]), seal
        )
        if ids[-1] != last[1] or not is_sealed:
            raise self.reader.report(f"{name} {last[0]}: the entries up to here are altered")
        return Stretch(position + 1, predecessor, ids, [body for _, body in rows])


class Front:
    """The entries of one feed up to a saved state's. ``marks`` ascend; the last is its end."""

    __slots__ = ("_device", "_marks", "_seals", "_shelf")

    def __init__(
        self, shelf: Shelf, device: bytes, marks: Sequence[Mark], seals: dict[int, bytes]
    ) -> None:
        self._shelf: Final = shelf
        self._device: Final = device
        self._marks: Final = [(0, compute_origin(shelf.market, device)), *marks]
        self._seals: Final = seals

    @property
    def end(self) -> int:
        """The position of the last entry."""
        return self._marks[-1][0]

    def extend(self, marks: Sequence[Mark], kept: int) -> None:
        """Go on up to other marks, in place of those behind the position ``kept``."""
        del self._marks[bisect_left(self._marks, kept + 1, key=_get_position) :]
        self._marks.extend(marks)

    def get_id(self, position: int) -> bytes:
        """Return the chain id at a position from 1 to the end."""
        if position == self.end:
            return self._marks[-1][1]
        stretch = self._find(position)
        return stretch.ids[position - stretch.first]

    def read(self, start: int, stop: int) -> list[Entry]:
        """Return the entries after position ``start`` up to ``stop``. Raises ``BodyArchived``."""
        entries: list[Entry] = []
        while start < stop:
            stretch = self._find(start + 1)
            low = start + 1 - stretch.first
            high = min(stop + 1 - stretch.first, len(stretch.ids))
            bodies = stretch.bodies[low:high]
            self._check_here(start, bodies)
            before = stretch.ids[low - 1] if low else stretch.predecessor
            # That time ascends was seen when they were admitted.
            tip = Tip(self._device, start, before, -1)
            entries += decode_entries(tip, stretch.ids[low:high], bodies)
            start += high - low
        return entries

    def has_bodies(self, start: int, stop: int) -> bool:
        """Are the bodies after position ``start`` up to ``stop`` here, and not archived?"""
        while start < stop:
            stretch = self._find(start + 1)
            low = start + 1 - stretch.first
            found = stretch.bodies[low : stop + 1 - stretch.first]
            if not all(found):
                return False
            start += len(found)
        return True

    def read_bodies(self, start: int, stop: int) -> list[bytes]:
        """Return the bodies after position ``start`` up to ``stop``. Raises ``BodyArchived``."""
        bodies: list[bytes] = []
        while start < stop:
            stretch = self._find(start + 1)
            low = start + 1 - stretch.first
            found = stretch.bodies[low : stop + 1 - stretch.first]
            self._check_here(start, found)
            bodies += found
            start += len(found)
        return bodies

    def get_mark_before(self, position: int) -> int:
        """Return the highest position up to ``position`` at which the front can be cut off."""
        index = bisect_left(self._marks, position + 1, key=_get_position)
        return self._marks[index - 1][0]

    def cut(self, position: int) -> "Front | None":
        """Return the front up to a position at which it can be cut off; None at 0."""
        marks = [mark for mark in self._marks[1:] if mark[0] <= position]
        return Front(self._shelf, self._device, marks, self._seals) if marks else None

    def _check_here(self, start: int, bodies: Sequence[bytes]) -> None:
        if not all(bodies):
            raise BodyArchived(
                f"feed {self._device.hex()} position {start + bodies.index(b'') + 1}: its body was"
                " moved to an archive; read that back with `synaptic-crdt archive restore FILE`"
            )

    def _find(self, position: int) -> Stretch:
        index = bisect_left(self._marks, position, key=_get_position)
        last = self._marks[index]
        seal = self._seals.get(last[0])
        return self._shelf.get(self._device, self._marks[index - 1], last, seal)


class HeldEntries(Sequence[Entry]):
    """The entries of one feed: those behind a saved state in storage, the rest in memory."""

    __slots__ = ("_base", "_front", "_rest")

    def __init__(self) -> None:
        self._front: Front | None = None
        self._base = 0
        self._rest: Final[list[Entry]] = []

    @property
    def front(self) -> Front | None:
        """What is in storage alone, if anything is."""
        return self._front

    @property
    def held(self) -> Sequence[Entry]:
        """The entries that are in memory."""
        return self._rest

    def begin_after(self, front: Front) -> None:
        """Read from storage what a front has, and hold the rest."""
        del self._rest[: front.end - self._base]
        self._front, self._base = front, front.end

    def extend(self, entries: Sequence[Entry]) -> None:
        """Append the next entries."""
        self._rest.extend(entries)

    def cut(self, position: int) -> list[Entry]:
        """Take away and return the entries after ``position``."""
        if self._front is not None and position < self._base:
            self._pull(self._front, self._front.get_mark_before(position))
        start = position - self._base
        taken = self._rest[start:]
        del self._rest[start:]
        return taken

    def get_id(self, position: int) -> bytes:
        """Return the chain id at a position from 1 to the end."""
        if self._front is not None and position <= self._base:
            return self._front.get_id(position)
        return self._rest[position - self._base - 1].id

    def has_bodies(self, start: int, stop: int) -> bool:
        """Are the bodies after position ``start`` up to ``stop`` here, and not archived?"""
        return self._front is None or self._front.has_bodies(start, min(stop, self._base))

    def get_bodies(self, start: int, stop: int) -> list[bytes]:
        """Return the bodies after position ``start`` up to ``stop``. Raises ``BodyArchived``."""
        bodies: list[bytes] = []
        if self._front is not None and start < self._base:
            bodies = self._front.read_bodies(start, min(stop, self._base))
        low, high = max(start - self._base, 0), max(stop - self._base, 0)
        return bodies + [entry.body for entry in self._rest[low:high]]

    def __len__(self) -> int:
        return self._base + len(self._rest)

    @overload
    def __getitem__(self, index: int) -> Entry: ...

    @overload
    def __getitem__(self, index: slice) -> list[Entry]: ...

    def __getitem__(self, index: int | slice) -> Entry | list[Entry]:
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            assert step == 1
            return self._read(start, stop)
        number = range(len(self))[index]
        return self._read(number, number + 1)[0]

    def __iter__(self) -> Iterator[Entry]:
        for start in range(0, self._base, limits.WINDOW_ENTRIES):
            yield from self._read(start, min(start + limits.WINDOW_ENTRIES, self._base))
        yield from self._rest

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(cast("Sequence[object]", other))

    __hash__ = None  # type: ignore[assignment] - it grows

    def _read(self, start: int, stop: int) -> list[Entry]:
        front: list[Entry] = []
        if self._front is not None and start < self._base:
            front = self._front.read(start, min(stop, self._base))
        low, high = max(start - self._base, 0), max(stop - self._base, 0)
        return front + self._rest[low:high] if front else self._rest[low:high]

    def _pull(self, front: Front, position: int) -> None:
        """Bring the entries after ``position`` into memory."""
        self._rest[:0] = front.read(position, self._base)
        self._front, self._base = front.cut(position), position


def _get_position(mark: Mark) -> int:
    return mark[0]
