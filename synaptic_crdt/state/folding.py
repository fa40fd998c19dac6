"""Tables, timers and a contract, folded along a list of entries as far as somebody asked.

Which entries those are, in which order and in which epoch, is the machine's to say. Every entry
can be undone, back to the last closed epoch; what that one closed is undone never.
"""

from array import array
from collections.abc import Callable, Sequence
from typing import Final

from synaptic_crdt.state import merkle
from synaptic_crdt.state.contract import APPLIED, Contract, Timers
from synaptic_crdt.state.order import compute_effective_ms
from synaptic_crdt.state.outcomes import UNFOLDED, EpochRow, FeedRow, Outcome
from synaptic_crdt.state.reversals import Reversals
from synaptic_crdt.state.saved import SavedState
from synaptic_crdt.state.tables import Table, Tables

ContractMaker = Callable[[Tables, Timers], Contract]


class Fold:
    """A state, and where its journal stood before each of the provisional entries behind it."""

    def __init__(self, market: bytes, opened_ms: int, make_contract: ContractMaker) -> None:
        self._market: Final = market
        self.tables: Final = Tables()
        self.timers: Final = Timers(self.tables)
        self.feeds: Final[Table[FeedRow]] = self.tables.declare("feeds", FeedRow)
        self.epochs: Final[Table[EpochRow]] = self.tables.declare("epochs", EpochRow)
        self.contract: Final = make_contract(self.tables, self.timers)
        self.tables.forget_journal()
        self.reversals: Final = Reversals()
        # What last took entries out of the fold: it is to blame for what that changes.
        self.cause = b""
        # Market time, now and at the end of the last closed epoch, in ms.
        self.now = opened_ms
        self.epoch_ms = opened_ms
        self._tree: merkle.Node = None
        # Numbers, not objects: there is one for each provisional entry.
        self._marks: Final = array("q")

    @property
    def count(self) -> int:
        """How many of the first entries are folded."""
        return len(self._marks)

    def begin_at(self, state: SavedState) -> Sequence[tuple[bytes, FeedRow]]:
        """Take the rows of a verified state; return how far each device's feed is in it."""
        feeds = self.tables.load(state.rows, self.feeds)
        self.epoch_ms = self.now = state.time_ms
        self._tree = state.tree
        return feeds

    def go_on(self, entries: Sequence[Outcome], closed_ms: int | None) -> None:
        """Fold the entries behind those that are folded.

        ``closed_ms`` is the time of the checkpoint that ends their epoch, if one does.
        """
        start = self.count
        if start == len(entries):
            return
        tables, feeds, marks = self.tables, self.feeds, self._marks
        apply, note = self.contract.apply, self.reversals.note
        opened_ms, cause = self.epoch_ms, self.cause
        for index in range(start, len(entries)):
            outcome = entries[index]
            entry = outcome.entry
            marks.append(tables.mark())
            now = compute_effective_ms(entry.time, opened_ms, closed_ms)
            self.fire_deadlines(now)
            self.now = outcome.now = now
            changes = tables.mark()
            verdict = apply(now, entry.device, entry.position, entry.id, outcome.operation)
            assert verdict == APPLIED or tables.mark() == changes, (verdict, entry.id)
            feeds.set(entry.device, FeedRow(entry.position, entry.id, closed=False))
            previous = outcome.verdict
            if verdict != previous:
                if verdict == APPLIED:
                    cause = entry.id
                if previous != UNFOLDED:
                    note(entry.id, previous, verdict, cause)
                outcome.verdict = verdict

    def roll_back(self, entries: Sequence[Outcome], start: int) -> None:
        """Undo what the entries from index ``start`` on did."""
        marks = self._marks
        if start < len(marks):
            self.tables.undo_to(marks[start])
            self.now = entries[start - 1].now if start else self.epoch_ms
            del marks[start:]

    def settle(self, epoch_ms: int) -> None:
        """Make everything up to now permanent, as the end of an epoch."""
        self.tables.forget_journal()
        self.epoch_ms = epoch_ms
        del self._marks[:]

    def close_feed(self, device: bytes) -> None:
        """Let a device's feed end where it is folded to."""
        row = self.feeds.get(device)
        # Only a device that wrote can be ended.
        assert row is not None, device
        self.feeds.set(device, FeedRow(row.position, row.id, closed=True))

    def fire_deadlines(self, up_to_ms: int) -> None:
        """Fire what is due, in order of (deadline, subject), each at its own time."""
        timers = self.timers
        while (due := timers.next_due()) is not None and due[0] <= up_to_ms:
            deadline, subject = due
            timers.clear(subject)
            # A deadline set for the past fires at the market time that it met.
            self.now = max(self.now, deadline)
            self.contract.fire(self.now, subject)

    def compute_root(self, epoch: int) -> bytes:
        """Return the state root as the tables are now, after so many closed epochs."""
        return merkle.compute_state_root(self._market, epoch, self.now, self.compute_tree())

    def compute_tree(self) -> merkle.Node:
        """Return the tree of all rows as they are now."""
        changes: dict[bytes, bytes | None] = {}
        for table in self.tables.get_tables():
            for key in table.take_changed():
                row_key = merkle.compute_row_key(table.name, key)
                row = table.get(key)
                changes[row_key] = None if row is None else merkle.compute_leaf(row_key, row)
        self._tree = merkle.update_tree(self._tree, changes)
        return self._tree
