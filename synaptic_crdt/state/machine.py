"""The fold: from a set of entries and counted checkpoints to tables, verdicts and a root.

The result depends on the set alone. An entry that sorts before the end of the fold rolls back to
its place and folds forward again; a batch of late entries is folded once, because folding waits
until somebody reads. What a counted checkpoint closed is never folded again, and its journal is
gone.

Answers back-dated, post-dated and hoarded entries: they cost the provisional entries behind them,
never more.
"""

from bisect import bisect_left
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import chain
from typing import Final

import msgspec

from synaptic_crdt.state import limits, merkle
from synaptic_crdt.state.clock import get_ms
from synaptic_crdt.state.contract import APPLIED, Contract, Timers
from synaptic_crdt.state.feeds import Entry
from synaptic_crdt.state.order import (
    OrderKey,
    compute_effective_ms,
    compute_order,
    compute_tie,
    has_equal_times,
)
from synaptic_crdt.state.outcomes import (
    UNFOLDED,
    WITHDRAWN,
    EpochRow,
    FeedRow,
    Outcome,
    Place,
    compute_verdict_leaves,
    make_epoch_key,
)
from synaptic_crdt.state.reversals import Reversals
from synaptic_crdt.state.saved import RowChange, SavedState, encode_changes
from synaptic_crdt.state.saved_outcomes import OutcomeReader, SavedOutcomes
from synaptic_crdt.state.settled import Settled
from synaptic_crdt.state.tables import Table, Tables

ContractMaker = Callable[[Tables, Timers], Contract]

# Stands for the id of an entry that is only asked about.
PREVIEW_ID: Final = bytes(limits.HASH_BYTES)


class Version(msgspec.Struct, frozen=True):
    """A state's tree and what its root binds besides: where proofs are made from."""

    epoch: int
    time_ms: int
    tree: merkle.Node
    is_closed: bool


class _Staged(msgspec.Struct, frozen=True):
    """An epoch that was folded and not yet kept, and what it takes to forget it."""

    tail: list[Outcome]
    included: list[Outcome]
    rest: list[Outcome]
    folded: int
    verdicts: list[int]
    mark: int
    before: int
    closed_ms: int
    ended: Mapping[bytes, bytes]


class Machine:
    """Folds entries with a contract. Whatever reads the state folds what is new first."""

    def __init__(self, market: bytes, opened_ms: int, make_contract: ContractMaker) -> None:
        self._market: Final = market
        self._tables: Final = Tables()
        self._timers: Final = Timers(self._tables)
        self._feeds: Final[Table[FeedRow]] = self._tables.declare("feeds", FeedRow)
        self._epochs: Final[Table[EpochRow]] = self._tables.declare("epochs", EpochRow)
        self._contract: Final = make_contract(self._tables, self._timers)
        self._tables.forget_journal()
        # What counted checkpoints closed, in order.
        self._settled: Final = Settled()
        self._settled_positions: Final[dict[bytes, int]] = {}
        # The devices whose feeds an epoch closed: nothing beyond it is ever folded.
        self._closed: Final[set[bytes]] = set()
        self._epoch = 0
        self._opened_ms: Final = opened_ms
        self._epoch_ms = opened_ms
        # The provisional tail in order, of which the first `_folded` are folded; and newcomers.
        self._tail: list[Outcome] = []
        self._folded = 0
        self._added: list[Outcome] = []
        # By device: up to where its entries are folded if not to their end, and what lies behind.
        self._ends: Final[dict[bytes, int]] = {}
        self._suspended: Final[dict[bytes, list[Outcome]]] = {}
        # What last took entries out of the tail: it is to blame for what that changes.
        self._cause = b""
        self._now = opened_ms
        self._outcomes: Final[dict[bytes, Outcome]] = {}
        self._reversals: Final = Reversals()
        self._tree: merkle.Node = None
        self._closed_tree: merkle.Node = None
        self._staged: _Staged | None = None

    # -- what goes in ------------------------------------------------------------------------

    def begin_at(self, state: SavedState, reader: OutcomeReader) -> None:
        """Take a verified state for what the entries behind it come to; before anything else.

        What became of those is ``reader``'s to say.
        """
        assert not self._epoch
        assert not self._added
        for device, row in self._tables.load(state.rows, self._feeds):
            self._settled_positions[device] = row.position
            if row.closed:
                self._closed.add(device)
        self._epoch = state.epoch
        self._epoch_ms = self._now = state.time_ms
        self._tree = self._closed_tree = state.tree
        self.leave_settled(reader)

    def add(self, entries: Sequence[Entry]) -> None:
        """Take verified entries, each feed's in order; they are folded when somebody reads."""
        read, outcomes, ends = self._contract.read, self._outcomes, self._ends
        for entry in entries:
            outcome = Outcome(entry, read(entry.operation))
            entry.let_go()
            if ends and entry.position > ends.get(entry.device, entry.position):
                self._suspended[entry.device].append(outcome)
            else:
                outcomes[entry.id] = outcome
                self._added.append(outcome)

    def limit(self, device: bytes, end: int | None, cause: bytes) -> None:
        """Fold a device's entries up to position ``end`` from now on, or all of them for None.

        What lies behind is suspended: out of the fold, and kept. ``cause`` is the id of the
        statement that does it. No entry of a closed epoch may lie behind.
        """
        if end == self._ends.get(device) or device in self._closed:
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
        self._outcomes.update((outcome.entry.id, outcome) for outcome in suspended)
        self._added.extend(suspended)

    def forget(self, device: bytes, position: int, cause: bytes) -> None:
        """Let go of a device's entries after ``position``, which its feed no longer has."""
        self._withdraw(device, position, cause)
        if device in self._suspended:
            suspended = self._suspended[device]
            self._suspended[device] = [o for o in suspended if o.entry.position <= position]

    def leave_settled(self, reader: OutcomeReader) -> Collection[bytes]:
        """Hold no more what closed epochs include: ``reader`` keeps it, and is asked for it.

        Return the devices that wrote what was held.
        """
        devices: dict[bytes, None] = {}
        for outcome in self._settled.held:
            del self._outcomes[outcome.entry.id]
            devices[outcome.entry.device] = None
        saved = self._settled.saved or SavedOutcomes(reader, self._opened_ms, ())
        rows = (
            self._epochs.get(make_epoch_key(n)) for n in range(saved.epoch + 1, self._epoch + 1)
        )
        saved.extend([row for row in rows if row is not None])
        self._settled.begin_after(saved)
        return devices

    def stage_epoch(self, frontier: Mapping[bytes, int], closed_ms: int) -> bytes:
        """Fold as if a checkpoint with this frontier counted; return the state root.

        ``frontier`` is the included position by device, all of it held; ``closed_ms`` is the
        checkpoint's time. ``commit_epoch`` keeps what was folded, ``abort_epoch`` undoes it.
        Feeds that are closed do not move, whatever the frontier says.
        """
        assert self._staged is None
        assert closed_ms >= self._epoch_ms
        frontier = {
            device: position for device, position in frontier.items() if device not in self._closed
        }
        self._merge_added()
        tail = self._tail
        included, rest = self._split_tail(frontier)
        self._roll_back(_count_unmoved(tail, included, closed_ms))
        folded = self._folded
        before_staging = [outcome.verdict for outcome in included[folded:]]
        self._reversals.stage()
        self._tail = included
        self._fold_tail(closed_ms)
        mark, before = self._tables.mark(), self._now
        self._fire_deadlines(closed_ms)
        self._now = closed_ms
        epoch = self._epoch + 1
        ended = self._contract.close_epoch(closed_ms, epoch)
        for device in ended:
            self._close_feed(device)
        places = [outcome.place for outcome in included]
        verdicts = merkle.compute_verdicts_root(compute_verdict_leaves(places))
        self._epochs.set(make_epoch_key(epoch), EpochRow(closed_ms, len(included), verdicts))
        self._staged = _Staged(
            tail, included, rest, folded, before_staging, mark, before, closed_ms, ended
        )
        return self._compute_root(epoch)

    def commit_epoch(self) -> Sequence[bytes]:
        """Make the staged epoch permanent; return the devices whose feeds it closed.

        What lies beyond in these feeds is void: it leaves the tail, and nobody is asked about it.
        """
        staged = self._staged
        assert staged is not None
        self._staged = None
        self._reversals.commit()
        self._epoch += 1
        self._epoch_ms = staged.closed_ms
        for outcome in staged.included:
            outcome.epoch = self._epoch
            outcome.operation = None
            self._settled_positions[outcome.entry.device] = outcome.entry.position
        self._settled.extend(staged.included)
        self._tables.forget_journal()
        self._closed_tree = self._tree
        self._tail = staged.rest
        self._folded = 0
        if staged.ended:
            self._drop_void(staged.ended)
        return tuple(staged.ended)

    def abort_epoch(self) -> None:
        """Undo the staged epoch: what it included is provisional again."""
        staged = self._staged
        assert staged is not None
        self._staged = None
        if staged.folded < len(staged.included):
            self._roll_back(staged.folded)
        else:
            self._tables.undo_to(staged.mark)
            self._now = staged.before
        for outcome, verdict in zip(staged.included[staged.folded :], staged.verdicts, strict=True):
            outcome.verdict = verdict
        self._reversals.abort()
        self._tail = staged.tail
        self._folded = staged.folded

    # -- what comes out ----------------------------------------------------------------------

    @property
    def root(self) -> bytes:
        """The state root after every entry held, 32 bytes."""
        self.fold()
        return self._compute_root(self._epoch)

    @property
    def now(self) -> int:
        """Market time in ms: the effective time of the newest entry or checkpoint."""
        self.fold()
        return self._now

    @property
    def epoch(self) -> int:
        """The number of closed epochs."""
        return self._epoch

    @property
    def epoch_ms(self) -> int:
        """The time of the newest checkpoint folded, in ms; before any, that of the genesis."""
        return self._epoch_ms

    @property
    def tables(self) -> Tables:
        """The tables after every entry held; to be read, never written."""
        self.fold()
        return self._tables

    @property
    def epochs(self) -> Table[EpochRow]:
        """The closed epochs, by their number in 8 bytes; to be read, never written."""
        return self._epochs

    def get_current(self) -> Version:
        """Return the state after every entry held."""
        self.fold()
        self._update_tree()
        return Version(self._epoch, self._now, self._tree, is_closed=False)

    def get_closed(self) -> Version:
        """Return the state at the end of the last closed epoch, whose root a checkpoint claims."""
        assert self._epoch, "no epoch is closed"
        return Version(self._epoch, self._epoch_ms, self._closed_tree, is_closed=True)

    def get_epoch(self, epoch: int) -> Sequence[Place]:
        """Return the places of one closed epoch's entries, in order."""
        return self._settled.get_places(epoch)

    def get_settled(self) -> Settled:
        """Return the entries of closed epochs, in order."""
        return self._settled

    def get_tail(self) -> Sequence[Outcome]:
        """Return the provisional entries, in order."""
        self.fold()
        return self._tail

    def get_suspended(self) -> Sequence[Outcome]:
        """Return the entries that are held and not folded, by device and position."""
        devices = sorted(self._suspended)
        return [outcome for device in devices for outcome in self._suspended[device]]

    def get_settled_position(self, device: bytes) -> int:
        """Return up to where closed epochs include a device's feed; 0 when they do not."""
        return self._settled_positions.get(device, 0)

    def get_staged(self) -> Sequence[Outcome]:
        """Return the entries of the staged epoch, in order, as they were folded in it."""
        assert self._staged is not None
        return self._staged.included

    def get_staged_ends(self) -> Collection[bytes]:
        """Return the devices whose feeds the staged epoch closes."""
        assert self._staged is not None
        return self._staged.ended.keys()

    def get_staged_changes(self) -> Sequence[RowChange]:
        """Return what the staged epoch changes in the tables; of the first one, all there is."""
        assert self._staged is not None
        changes = self._tables.get_changes(is_first=not self._epoch)
        return encode_changes(changes)

    def get_closed_position(self, device: bytes) -> int | None:
        """Return where a closed feed ends; None when it can go on."""
        return self._settled_positions[device] if device in self._closed else None

    def get_outcome(self, entry_id: bytes) -> Outcome | None:
        """Return what became of an entry, or None when it is not held.

        Raises ``BodyArchived`` or ``StoreDamaged`` when it is final and cannot be read.
        """
        self.fold()
        return self._outcomes.get(entry_id) or self._settled.find(entry_id)

    def get_place(self, entry_id: bytes) -> Place | None:
        """Return where an entry stands, or None when it is not known; its body is not needed."""
        self.fold()
        outcome = self._outcomes.get(entry_id)
        return self._settled.find_place(entry_id) if outcome is None else outcome.place

    def get_reversals(self) -> Mapping[bytes, bytes]:
        """Return, for each entry that was applied here and no longer is, the entry that did it."""
        self.fold()
        return self._reversals.get_all()

    def note_reversals(self, before: "Machine", epoch: int, cause: bytes) -> None:
        """Keep in mind what was applied in another fold, both to their ends, and is not here.

        Up to the end of ``epoch`` both are the same.
        """
        self.fold()
        self._reversals.take_over(before.get_reversals())
        settled = (before.get_epoch(number) for number in range(epoch + 1, before.epoch + 1))
        tail = [outcome.place for outcome in before.get_tail()]
        for place in chain(*settled, tail):
            now = self._outcomes.get(place.id)
            verdict = WITHDRAWN if now is None else now.verdict
            self._reversals.note(place.id, place.verdict, verdict, cause)

    def get_next_deadline(self) -> int | None:
        """Return when the next deadline is due, in ms of market time, or None."""
        self.fold()
        due = self._timers.next_due()
        return None if due is None else due[0]

    def preview(self, time: int, device: bytes, position: int, operation: object) -> int:
        """Return the verdict an operation would get in its place; change nothing.

        ``time`` is its logical timestamp, ``operation`` what the contract's ``read`` returned.
        """
        self.fold()
        # An entry stamped later comes after it, and whoever reads next folds that one again: or
        # one clock that is ahead could stop, or seem to feed, everybody.
        place = (time, compute_tie(time, device), b"")
        self._roll_back(bisect_left(self._tail, place, key=_get_order))
        mark, before = self._tables.mark(), self._now
        now = compute_effective_ms(time, self._epoch_ms, None)
        self._fire_deadlines(now)
        try:
            now = max(now, before)
            return self._contract.apply(now, device, position, PREVIEW_ID, operation)
        finally:
            self._tables.undo_to(mark)
            self._now = before

    def fold(self) -> None:
        """Bring the tables up to the newest entry held."""
        assert self._staged is None
        self._merge_added()
        self._fold_tail(None)
        self._cause = b""

    # -- the fold itself ---------------------------------------------------------------------

    def _merge_added(self) -> None:
        added = self._added
        if not added:
            return
        self._added = []
        lowest = min(outcome.entry.time for outcome in added)
        start = bisect_left(self._tail, lowest, key=_get_time)
        self._roll_back(start)
        behind = self._tail[start:]
        behind.extend(added)
        behind.sort(key=_get_time)
        if has_equal_times(outcome.entry.time for outcome in behind):
            behind.sort(key=_get_order)
        self._tail[start:] = behind

    def _withdraw(self, device: bytes, position: int, cause: bytes) -> list[Outcome]:
        """Take a device's entries after ``position`` out of the tail, and return them in order."""
        assert self._staged is None
        assert position >= self._settled_positions.get(device, 0)
        self._merge_added()
        tail = self._tail
        leaving = {
            index: outcome
            for index, outcome in enumerate(tail)
            if outcome.entry.device == device and outcome.entry.position > position
        }
        if not leaving:
            return []
        self._roll_back(min(leaving))
        self._tail = [outcome for index, outcome in enumerate(tail) if index not in leaving]
        self._cause = cause
        for outcome in leaving.values():
            del self._outcomes[outcome.entry.id]
            self._reversals.note(outcome.entry.id, outcome.verdict, WITHDRAWN, cause)
            if outcome.verdict != UNFOLDED:
                outcome.verdict = WITHDRAWN
        return list(leaving.values())

    def _split_tail(self, frontier: Mapping[bytes, int]) -> tuple[list[Outcome], list[Outcome]]:
        """Return the tail's entries that a frontier includes, and the others, each in order."""
        settled = self._settled_positions
        missing = sum(position - settled.get(device, 0) for device, position in frontier.items())
        included: list[Outcome] = []
        rest: list[Outcome] = []
        tail = self._tail
        index = 0
        # Not the whole tail: opening a store closes one epoch after the other.
        while missing:
            outcome = tail[index]
            index += 1
            if outcome.entry.position <= frontier.get(outcome.entry.device, 0):
                included.append(outcome)
                missing -= 1
            else:
                rest.append(outcome)
        rest.extend(tail[index:])
        return included, rest

    def _roll_back(self, start: int) -> None:
        """Undo what the tail's entries from index ``start`` on did."""
        if start < self._folded:
            first = self._tail[start]
            self._tables.undo_to(first.mark)
            self._now = first.before
            self._folded = start

    def _fold_tail(self, closed_ms: int | None) -> None:
        tail = self._tail
        if self._folded == len(tail):
            return
        tables, feeds, apply = self._tables, self._feeds, self._contract.apply
        opened_ms = self._epoch_ms
        cause, reversals = self._cause, self._reversals
        for index in range(self._folded, len(tail)):
            outcome = tail[index]
            entry = outcome.entry
            outcome.mark = mark = tables.mark()
            outcome.before = self._now
            now = compute_effective_ms(entry.time, opened_ms, closed_ms)
            self._fire_deadlines(now)
            self._now = outcome.now = now
            changes = tables.mark()
            verdict = apply(now, entry.device, entry.position, entry.id, outcome.operation)
            assert verdict == APPLIED or tables.mark() == changes, (verdict, mark)
            feeds.set(entry.device, FeedRow(entry.position, entry.id, closed=False))
            previous = outcome.verdict
            if verdict != previous:
                if verdict == APPLIED:
                    cause = entry.id
                if previous != UNFOLDED:
                    reversals.note(entry.id, previous, verdict, cause)
                outcome.verdict = verdict
        self._folded = len(tail)

    def _close_feed(self, device: bytes) -> None:
        row = self._feeds.get(device)
        # Only a device that wrote can be ended.
        assert row is not None, device
        self._feeds.set(device, FeedRow(row.position, row.id, closed=True))

    def _drop_void(self, ended: Mapping[bytes, bytes]) -> None:
        """Take what lies beyond the end of feeds out of the tail; it takes no place ever."""
        self._closed.update(ended)
        for device in ended:
            self._ends.pop(device, None)
            self._suspended.pop(device, None)
        tail: list[Outcome] = []
        for outcome in self._tail:
            cause = ended.get(outcome.entry.device)
            if cause is None:
                tail.append(outcome)
                continue
            del self._outcomes[outcome.entry.id]
            self._reversals.note(outcome.entry.id, outcome.verdict, WITHDRAWN, cause)
        self._tail = tail

    def _fire_deadlines(self, up_to_ms: int) -> None:
        """Fire what is due, in order of (deadline, subject), each at its own time."""
        timers = self._timers
        while (due := timers.next_due()) is not None and due[0] <= up_to_ms:
            deadline, subject = due
            timers.clear(subject)
            # A deadline set for the past fires at the market time that it met.
            self._now = max(self._now, deadline)
            self._contract.fire(self._now, subject)

    def _compute_root(self, epoch: int) -> bytes:
        self._update_tree()
        return merkle.compute_state_root(self._market, epoch, self._now, self._tree)

    def _update_tree(self) -> None:
        changes: dict[bytes, bytes | None] = {}
        for table in self._tables.get_tables():
            for key in table.take_changed():
                row_key = merkle.compute_row_key(table.name, key)
                row = table.get(key)
                changes[row_key] = None if row is None else merkle.compute_leaf(row_key, row)
        self._tree = merkle.update_tree(self._tree, changes)


def _get_time(outcome: Outcome) -> int:
    return outcome.entry.time


def _get_order(outcome: Outcome) -> OrderKey:
    return compute_order(outcome.entry)


def _count_unmoved(tail: list[Outcome], included: list[Outcome], closed_ms: int) -> int:
    """Count the tail's first entries that an epoch leaves in their place, at their time."""
    count = 0
    for outcome, staying in zip(tail, included, strict=False):
        if outcome is not staying or get_ms(outcome.entry.time) > closed_ms:
            break
        count += 1
    return count
