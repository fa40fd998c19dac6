"""The outcomes of closed epochs as they are kept beside the entries, and read again when asked for.

What is read agrees with the state root: an epoch's row in the state binds who wrote each entry,
where, and its verdict; an entry's id binds its body and all before it in its feed. What does not
agree is never returned.
"""

import struct
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Final, Protocol

import msgspec

from synaptic_crdt.errors import BodyArchived, StoreDamaged
from synaptic_crdt.state import limits, merkle
from synaptic_crdt.state.codec import decode_body
from synaptic_crdt.state.feeds import Entry
from synaptic_crdt.state.hashes import compute_body_hash, compute_entry_id
from synaptic_crdt.state.numbering import Numbering
from synaptic_crdt.state.order import compute_effective_ms
from synaptic_crdt.state.outcomes import EpochRow, Outcome, Place, compute_verdict_leaves

# An epoch's devices stand once at the beginning; then by entry, in order: the number of its device
# among them, position, id, the chain id before it, verdict.
_COUNT: Final = struct.Struct(">I")
_ROW: Final = struct.Struct(">IQ32s32sI")


class OutcomeReader(Protocol):
    """Where outcomes and bodies are kept."""

    def read_outcomes(self, epoch: int) -> bytes:
        """Return what ``encode_outcomes`` made of a closed epoch; empty when it is gone."""
        ...

    def read_body(self, device: bytes, position: int) -> bytes | None:
        """Return a body, empty when it is archived, None when it is gone."""
        ...

    def report(self, reason: str) -> StoreDamaged:
        """Take note that what was kept is damaged; return what to raise."""
        ...


class _Epoch(msgspec.Struct, frozen=True):
    places: list[Place]
    predecessors: list[bytes]


def encode_outcomes(places: Sequence[Place], predecessors: Sequence[bytes]) -> bytes:
    """Return the bytes of an epoch's outcomes, in order, each with the chain id before it."""
    numbers: dict[bytes, int] = {}
    rows = [
        _ROW.pack(
            numbers.setdefault(place.device, len(numbers)),
            place.position,
            place.id,
            predecessor,
            place.verdict,
        )
        for place, predecessor in zip(places, predecessors, strict=True)
    ]
    return b"".join([_COUNT.pack(len(numbers)), *numbers, *rows])


class SavedOutcomes:
    """The outcomes of the epochs behind a saved state, by their number in the market's order."""

    def __init__(self, reader: OutcomeReader, opened_ms: int, epochs: Sequence[EpochRow]) -> None:
        self._reader: Final = reader
        self._epochs: Final[list[EpochRow]] = []
        self._times: Final = [opened_ms]
        # The number of entries in the epochs up to each.
        self._ends: Final = [0]
        self._loaded: Final[OrderedDict[int, _Epoch]] = OrderedDict()
        self._numbering: Numbering | None = None
        self.extend(epochs)

    def __len__(self) -> int:
        return self._ends[-1]

    @property
    def epoch(self) -> int:
        """The newest epoch behind the saved state."""
        return len(self._epochs)

    def extend(self, epochs: Sequence[EpochRow]) -> None:
        """Go on with the next epochs, once their outcomes are kept."""
        for row in epochs:
            self._epochs.append(row)
            self._times.append(row.time)
            self._ends.append(self._ends[-1] + row.entries)
            if self._numbering is not None:
                self._numbering.extend(self._read_ids(self.epoch))

    def count(self, epoch: int) -> int:
        """Return the number of entries in the epochs up to one."""
        return self._ends[min(epoch, self.epoch)]

    def get_places(self, epoch: int) -> Sequence[Place]:
        """Return the places of an epoch's entries, in order. Raises ``StoreDamaged``."""
        return self._load(epoch).places

    def get_place(self, number: int) -> Place:
        """Return the place of the entry at ``number`` in the market's order, from 0."""
        epoch = bisect_right(self._ends, number)
        return self._load(epoch).places[number - self._ends[epoch - 1]]

    def find(self, entry_id: bytes) -> int | None:
        """Return the number of an entry in the market's order, or None when there is none."""
        if self._numbering is None:
            self._numbering = Numbering()
            self._numbering.extend(self.get_ids())
        found = self._numbering.find(entry_id)
        return next((number for number in found if self.get_place(number).id == entry_id), None)

    def get_ids(self) -> Iterator[bytes]:
        """Yield the ids of all entries, in order. Raises ``StoreDamaged``."""
        for epoch in range(1, self.epoch + 1):
            yield from self._read_ids(epoch)

    def get(self, number: int) -> Outcome:
        """Return the outcome at ``number``. Raises ``BodyArchived`` or ``StoreDamaged``."""
        epoch = bisect_right(self._ends, number)
        loaded = self._load(epoch)
        index = number - self._ends[epoch - 1]
        return self._make_outcome(loaded.places[index], loaded.predecessors[index])

    def _make_outcome(self, place: Place, predecessor: bytes) -> Outcome:
        body = self._reader.read_body(place.device, place.position)
        name = f"feed {place.device.hex()} position {place.position}"
        if body == b"":
            raise BodyArchived(
                f"{name}: its body was moved to an archive; read that back with"
                " `synaptic-crdt archive restore FILE`"
            )
        if body is None or compute_entry_id(predecessor, compute_body_hash(body)) != place.id:
            raise self._reader.report(f"{name}: the body is altered or missing")
        time, operation = decode_body(body)
        entry = Entry(place.device, place.position, place.id, time, body, operation)
        now = compute_effective_ms(time, self._times[place.epoch - 1], self._times[place.epoch])
        return Outcome(entry, None, place.verdict, place.epoch, now)

    def _load(self, epoch: int) -> _Epoch:
        """Return an epoch's places, once they agree with its row in the state."""
        loaded = self._loaded.get(epoch)
        if loaded is None:
            devices, rows = self._read(epoch)
            places = [
                Place(devices[number], position, entry_id, verdict, epoch)
                for number, position, entry_id, _, verdict in rows
                if number < len(devices)
            ]
            row = self._epochs[epoch - 1]
            root = merkle.compute_verdicts_root(compute_verdict_leaves(places))
            if len(places) != row.entries or root != row.verdicts:
                raise self._reader.report(f"the outcomes of epoch {epoch} are damaged")
            loaded = _Epoch(places, [each[3] for each in rows])
            self._keep(epoch, loaded)
        return loaded

    def _keep(self, epoch: int, loaded: _Epoch) -> None:
        self._loaded[epoch] = loaded
        while sum(len(each.places) for each in self._loaded.values()) > limits.READ_AHEAD_ENTRIES:
            if len(self._loaded) == 1:
                return
            self._loaded.popitem(last=False)

    def _read_ids(self, epoch: int) -> list[bytes]:
        _, rows = self._read(epoch)
        if len(rows) != self._epochs[epoch - 1].entries:
            raise self._reader.report(f"the outcomes of epoch {epoch} are damaged")
        return [each[2] for each in rows]

    def _read(self, epoch: int) -> tuple[list[bytes], list[tuple[int, int, bytes, bytes, int]]]:
        data = self._reader.read_outcomes(epoch)
        try:
            (count,) = _COUNT.unpack_from(data)
            end = _COUNT.size + count * limits.HASH_BYTES
            devices = [
                data[start : start + limits.HASH_BYTES]
                for start in range(_COUNT.size, min(end, len(data)), limits.HASH_BYTES)
            ]
            return devices, list(_ROW.iter_unpack(data[end:]))
        except struct.error as error:
            raise self._reader.report(f"the outcomes of epoch {epoch} are damaged") from error
