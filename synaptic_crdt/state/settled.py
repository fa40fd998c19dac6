"""The entries of closed epochs, in the market's order: those since the start, and those before.

What a saved state covers is read from storage when somebody asks for it; what closed since is in
memory. Nobody who reads can tell one from the other, but for the body of an archived entry.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final, cast, overload

from synaptic_crdt.state.outcomes import Outcome, Place
from synaptic_crdt.state.saved_outcomes import SavedOutcomes


class Settled(Sequence[Outcome]):
    """What counted checkpoints closed, in order."""

    __slots__ = ("_by_id", "_held", "_saved")

    def __init__(self) -> None:
        self._held: Final[list[Outcome]] = []
        self._by_id: Final[dict[bytes, Outcome]] = {}
        self._saved: SavedOutcomes | None = None

    def begin_after(self, saved: SavedOutcomes) -> None:
        """Read these from storage, which are all that were held so far."""
        self._held.clear()
        self._by_id.clear()
        self._saved = saved

    @property
    def held(self) -> Sequence[Outcome]:
        """The outcomes that are in memory."""
        return self._held

    @property
    def saved(self) -> SavedOutcomes | None:
        """The outcomes that are in storage, if there are any."""
        return self._saved

    def extend(self, outcomes: Sequence[Outcome]) -> None:
        """Append the outcomes of the next closed epoch."""
        self._held.extend(outcomes)
        self._by_id.update((outcome.entry.id, outcome) for outcome in outcomes)

    def __len__(self) -> int:
        return self._count_saved() + len(self._held)

    @overload
    def __getitem__(self, index: int) -> Outcome: ...

    @overload
    def __getitem__(self, index: slice) -> list[Outcome]: ...

    def __getitem__(self, index: int | slice) -> Outcome | list[Outcome]:
        if isinstance(index, slice):
            return [self._get(number) for number in range(*index.indices(len(self)))]
        return self._get(range(len(self))[index])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(cast("Sequence[object]", other))

    __hash__ = None  # type: ignore[assignment] - it grows

    def get_places(self, epoch: int) -> Sequence[Place]:
        """Return the places of one closed epoch's entries, in order."""
        if self._saved is not None and epoch <= self._saved.epoch:
            return self._saved.get_places(epoch)
        start = bisect_left(self._held, epoch, key=_get_epoch)
        end = bisect_left(self._held, epoch + 1, key=_get_epoch)
        return [outcome.place for outcome in self._held[start:end]]

    def get_ids(self) -> Iterator[bytes]:
        """Yield the ids of all entries, in order."""
        if self._saved is not None:
            yield from self._saved.get_ids()
        for outcome in self._held:
            yield outcome.entry.id

    def count(self, epoch: int) -> int:
        """Return the number of entries in the epochs up to one."""
        saved = 0 if self._saved is None else self._saved.count(epoch)
        return saved + bisect_left(self._held, epoch + 1, key=_get_epoch)

    def find_held(self, entry_id: bytes) -> Outcome | None:
        """Return the outcome of an entry that is in memory, or None."""
        return self._by_id.get(entry_id)

    def find_place(self, entry_id: bytes) -> Place | None:
        """Return the place of an entry, or None when there is none."""
        held, saved = self._by_id.get(entry_id), self._saved
        if held is not None or saved is None:
            return None if held is None else held.place
        number = saved.find(entry_id)
        return None if number is None else saved.get_place(number)

    def find(self, entry_id: bytes) -> Outcome | None:
        """Return the outcome of an entry, or None when there is none."""
        held, saved = self._by_id.get(entry_id), self._saved
        if held is not None or saved is None:
            return held
        number = saved.find(entry_id)
        return None if number is None else saved.get(number)

    def _get(self, number: int) -> Outcome:
        saved = self._count_saved()
        if number >= saved:
            return self._held[number - saved]
        assert self._saved is not None
        return self._saved.get(number)

    def _count_saved(self) -> int:
        return 0 if self._saved is None else len(self._saved)


def _get_epoch(outcome: Outcome) -> int:
    return outcome.epoch
