"""The provisional entries: in order, those that came since, and those that are held out of the fold.

A batch of late entries is put in its place once, when somebody reads. Whatever moves or leaves is
undone in the fold first, with what stands behind it.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from synaptic_crdt.state.folding import Fold
from synaptic_crdt.state.order import OrderKey, compute_order, has_equal_times
from synaptic_crdt.state.outcomes import UNFOLDED, WITHDRAWN, Outcome


class Tail:
    """What no closed epoch includes."""

    def __init__(self, fold: Fold) -> None:
        self._fold: Final = fold
        # In order, of which the first few are folded; and newcomers.
        self.entries: list[Outcome] = []
        self._added: list[Outcome] = []
        # By id, all that is not suspended.
        self._by_id: Final[dict[bytes, Outcome]] = {}
        # By device: up to where its entries are folded if not to their end, and what lies behind.
        self._ends: Final[dict[bytes, int]] = {}
        self._suspended: Final[dict[bytes, list[Outcome]]] = {}

    def add(self, outcome: Outcome) -> None:
        """Take a verified entry, behind those of its feed."""
        entry, ends = outcome.entry, self._ends
        if ends and entry.position > ends.get(entry.device, entry.position):
            self._suspended[entry.device].append(outcome)
        else:
            self._by_id[entry.id] = outcome
            self._added.append(outcome)

    def find(self, entry_id: bytes) -> Outcome | None:
        """Return an entry by its id, unless it is suspended."""
        return self._by_id.get(entry_id)

    def get_suspended(self) -> list[Outcome]:
        """Return the entries that are held and not folded, by device and position."""
        devices = sorted(self._suspended)
        return [outcome for device in devices for outcome in self._suspended[device]]

    def limit(self, device: bytes, end: int | None, cause: bytes) -> None:
        """Fold a device's entries up to ``end`` from now on, or all for None; see ``Machine``."""
        if end == self._ends.get(device):
            return
        suspended = self._suspended.pop(device, [])
        if end is None:
            del self._ends[device]
        else:
            self._ends[device] = end
            # Either the end came down, and finds these in the fold, or it went up, and finds none.
            suspended = self._withdraw(device, end, cause) + suspended
            self._suspended[device] = [o for o in suspended if o.entry.position > end]
            suspended = [o for o in suspended if o.entry.position <= end]
        self._by_id.update((outcome.entry.id, outcome) for outcome in suspended)
        self._added.extend(suspended)

    def forget(self, device: bytes, position: int, cause: bytes) -> None:
        """Let go of a device's entries after ``position``."""
        self._withdraw(device, position, cause)
        if device in self._suspended:
            suspended = self._suspended[device]
            self._suspended[device] = [o for o in suspended if o.entry.position <= position]

    def merge(self) -> None:
        """Put newcomers in their places."""
        added = self._added
        if not added:
            return
        self._added = []
        lowest = min(outcome.entry.time for outcome in added)
        start = bisect_left(self.entries, lowest, key=_get_time)
        self._fold.roll_back(self.entries, start)
        behind = self.entries[start:]
        behind.extend(added)
        behind.sort(key=_get_time)
        if has_equal_times(outcome.entry.time for outcome in behind):
            behind.sort(key=get_order)
        self.entries[start:] = behind

    def split(
        self, frontier: Mapping[bytes, int], settled: Mapping[bytes, int]
    ) -> tuple[list[Outcome], list[Outcome]]:
        """Return what a frontier includes, and what else comes before the last of that, in order.

        ``settled`` is up to where closed epochs include each feed.
        """
        missing = sum(position - settled.get(device, 0) for device, position in frontier.items())
        included: list[Outcome] = []
        skipped: list[Outcome] = []
        # Not the whole tail: opening a store closes one epoch after the other.
        for outcome in self.entries:
            if not missing:
                break
            if outcome.entry.position <= frontier.get(outcome.entry.device, 0):
                included.append(outcome)
                missing -= 1
            else:
                skipped.append(outcome)
        assert not missing, frontier
        return included, skipped

    def settle(self, included: Sequence[Outcome], skipped: Sequence[Outcome]) -> None:
        """Let go of what ``split`` found to be included, once an epoch has closed over it."""
        self.entries[: len(included) + len(skipped)] = skipped
        for outcome in included:
            del self._by_id[outcome.entry.id]

    def drop_void(self, ended: Mapping[bytes, bytes]) -> None:
        """Take what lies beyond the end of feeds out, for ever: by device, the entry to blame."""
        for device in ended:
            self._ends.pop(device, None)
            self._suspended.pop(device, None)
        void = [outcome for outcome in self.entries if outcome.entry.device in ended]
        self.entries = [o for o in self.entries if o.entry.device not in ended]
        self._let_go(void, ended)

    def _withdraw(self, device: bytes, position: int, cause: bytes) -> list[Outcome]:
        """Take a device's entries after ``position`` out, and return them in order."""
        self.merge()
        leaving = {
            index: outcome
            for index, outcome in enumerate(self.entries)
            if outcome.entry.device == device and outcome.entry.position > position
        }
        if not leaving:
            return []
        self._fold.roll_back(self.entries, min(leaving))
        self.entries = [o for index, o in enumerate(self.entries) if index not in leaving]
        self._fold.cause = cause
        self._let_go(leaving.values(), {device: cause})
        for outcome in leaving.values():
            if outcome.verdict != UNFOLDED:
                outcome.verdict = WITHDRAWN
        return list(leaving.values())

    def _let_go(self, leaving: Iterable[Outcome], causes: Mapping[bytes, bytes]) -> None:
        for outcome in leaving:
            entry = outcome.entry
            del self._by_id[entry.id]
            self._fold.reversals.note(entry.id, outcome.verdict, WITHDRAWN, causes[entry.device])


def get_order(outcome: Outcome) -> OrderKey:
    """Return the sort key of an entry among provisional ones."""
    return compute_order(outcome.entry)


def _get_time(outcome: Outcome) -> int:
    return outcome.entry.time
