"""The fold: from a set of entries and counted checkpoints to tables, verdicts and a root.

The result depends on the set alone. An entry that sorts before the end of the fold rolls back to
its place and folds forward again; a batch of late entries is folded once, because folding waits
until somebody reads. What a counted checkpoint closed is never folded again, and its journal is
gone.

Answers back-dated, post-dated and hoarded entries: they cost the provisional entries behind them,
never more.
"""

from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from typing import Final

import msgspec

from synaptic_crdt.state import limits, merkle
from synaptic_crdt.state.clock import get_ms
from synaptic_crdt.state.feeds import Entry
from synaptic_crdt.state.folding import ContractMaker, Fold
from synaptic_crdt.state.order import compute_effective_ms, compute_tie
from synaptic_crdt.state.outcomes import (
    WITHDRAWN,
    EpochRow,
    Outcome,
    Place,
    compute_verdict_leaves,
    make_epoch_key,
)
from synaptic_crdt.state.saved import RowChange, SavedState, encode_changes
from synaptic_crdt.state.saved_outcomes import OutcomeReader, SavedOutcomes
from synaptic_crdt.state.settled import Settled
from synaptic_crdt.state.tables import Table, Tables
from synaptic_crdt.state.tail import Tail, get_order

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

    included: list[Outcome]
    skipped: list[Outcome]
    folded: int
    verdicts: list[int]
    mark: int
    before: int
    closed_ms: int
    ended: Mapping[bytes, bytes]


class Machine:
    """Folds entries with a contract. Whatever reads the state folds what is new first."""

    def __init__(self, market: bytes, opened_ms: int, make_contract: ContractMaker) -> None:
        self._fold: Final = Fold(market, opened_ms, make_contract)
        self._tail: Final = Tail(self._fold)
        # What counted checkpoints closed, in order.
        self._settled: Final = Settled()
        self._settled_positions: Final[dict[bytes, int]] = {}
        # The devices whose feeds an epoch closed: nothing beyond it is ever folded.
        self._closed: Final[set[bytes]] = set()
        self._epoch = 0
        self._opened_ms: Final = opened_ms
        self._closed_tree: merkle.Node = None
        self._staged: _Staged | None = None

    # -- what goes in ------------------------------------------------------------------------

    def begin_at(self, state: SavedState, reader: OutcomeReader) -> None:
        """Take a verified state for what the entries behind it come to; before anything else.

        What became of those is ``reader``'s to say.
        """
        assert not self._epoch
        for device, row in self._fold.begin_at(state):
            self._settled_positions[device] = row.position
            if row.closed:
                self._closed.add(device)
        self._epoch = state.epoch
        self._closed_tree = state.tree
        self.leave_settled(reader)

    def add(self, entries: Sequence[Entry]) -> None:
        """Take verified entries, each feed's in order; they are folded when somebody reads."""
        read, add = self._fold.contract.read, self._tail.add
        for entry in entries:
            add(Outcome(entry, read(entry.operation)))
            entry.let_go()

    def limit(self, device: bytes, end: int | None, cause: bytes) -> None:
        """Fold a device's entries up to position ``end`` from now on, or all of them for None.

        What lies behind is suspended: out of the fold, and kept. ``cause`` is the id of the
        statement that does it. No entry of a closed epoch may lie behind.
        """
        if device in self._closed:
            return
        assert self._staged is None
        assert end is None or end >= self.get_settled_position(device)
        self._tail.limit(device, end, cause)

    def forget(self, device: bytes, position: int, cause: bytes) -> None:
        """Let go of a device's entries after ``position``, which its feed no longer has."""
        assert self._staged is None
        assert position >= self.get_settled_position(device)
        self._tail.forget(device, position, cause)

    def leave_settled(self, reader: OutcomeReader) -> Collection[bytes]:
        """Hold no more what closed epochs include: ``reader`` keeps it, and is asked for it.

        Return the devices that wrote what was held.
        """
        devices = dict.fromkeys(outcome.entry.device for outcome in self._settled.held)
        saved = self._settled.saved or SavedOutcomes(reader, self._opened_ms, ())
        rows = (
            self._fold.epochs.get(make_epoch_key(n))
            for n in range(saved.epoch + 1, self._epoch + 1)
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
        fold, tail = self._fold, self._tail
        assert closed_ms >= fold.epoch_ms
        frontier = {
            device: position for device, position in frontier.items() if device not in self._closed
        }
        tail.merge()
        included, skipped = tail.split(frontier, self._settled_positions)
        fold.roll_back(tail.entries, _count_unmoved(tail.entries, included, closed_ms))
        folded = fold.count
        before_staging = [outcome.verdict for outcome in included[folded:]]
        fold.reversals.stage()
        fold.go_on(included, closed_ms)
        mark, before = fold.tables.mark(), fold.now
        fold.fire_deadlines(closed_ms)
        fold.now = closed_ms
        epoch = self._epoch + 1
        ended = fold.contract.close_epoch(closed_ms, epoch)
        for device in ended:
            fold.close_feed(device)
        places = [outcome.place for outcome in included]
        verdicts = merkle.compute_verdicts_root(compute_verdict_leaves(places))
        fold.epochs.set(make_epoch_key(epoch), EpochRow(closed_ms, len(included), verdicts))
        self._staged = _Staged(
            included, skipped, folded, before_staging, mark, before, closed_ms, ended
        )
        return fold.compute_root(epoch)

    def commit_epoch(self) -> Sequence[bytes]:
        """Make the staged epoch permanent; return the devices whose feeds it closed.

        What lies beyond in these feeds is void: it leaves the tail, and nobody is asked about it.
        """
        staged = self._staged
        assert staged is not None
        self._staged = None
        self._fold.reversals.commit()
        self._epoch += 1
        for outcome in staged.included:
            outcome.epoch = self._epoch
            outcome.operation = None
            self._settled_positions[outcome.entry.device] = outcome.entry.position
        self._tail.settle(staged.included, staged.skipped)
        self._settled.extend(staged.included)
        self._fold.settle(staged.closed_ms)
        self._closed_tree = self._fold.compute_tree()
        if staged.ended:
            self._closed.update(staged.ended)
            self._tail.drop_void(staged.ended)
        return tuple(staged.ended)

    def abort_epoch(self) -> None:
        """Undo the staged epoch: what it included is provisional again."""
        staged, fold = self._staged, self._fold
        assert staged is not None
        self._staged = None
        if staged.folded < len(staged.included):
            fold.roll_back(staged.included, staged.folded)
        else:
            fold.tables.undo_to(staged.mark)
            fold.now = staged.before
        for outcome, verdict in zip(staged.included[staged.folded :], staged.verdicts, strict=True):
            outcome.verdict = verdict
        fold.reversals.abort()

    # -- what comes out ----------------------------------------------------------------------

    @property
    def root(self) -> bytes:
        """The state root after every entry held, 32 bytes."""
        self.fold()
        return self._fold.compute_root(self._epoch)

    @property
    def now(self) -> int:
        """Market time in ms: the effective time of the newest entry or checkpoint."""
        self.fold()
        return self._fold.now

    @property
    def epoch(self) -> int:
        """The number of closed epochs."""
        return self._epoch

    @property
    def epoch_ms(self) -> int:
        """The time of the newest checkpoint folded, in ms; before any, that of the genesis."""
        return self._fold.epoch_ms

    @property
    def tables(self) -> Tables:
        """The tables after every entry held; to be read, never written."""
        self.fold()
        return self._fold.tables

    @property
    def epochs(self) -> Table[EpochRow]:
        """The closed epochs, by their number in 8 bytes; to be read, never written."""
        return self._fold.epochs

    def get_current(self) -> Version:
        """Return the state after every entry held."""
        self.fold()
        return Version(self._epoch, self._fold.now, self._fold.compute_tree(), is_closed=False)

    def get_closed(self) -> Version:
        """Return the state at the end of the last closed epoch, whose root a checkpoint claims."""
        assert self._epoch, "no epoch is closed"
        return Version(self._epoch, self._fold.epoch_ms, self._closed_tree, is_closed=True)

    def get_epoch(self, epoch: int) -> Sequence[Place]:
        """Return the places of one closed epoch's entries, in order."""
        return self._settled.get_places(epoch)

    def get_settled(self) -> Settled:
        """Return the entries of closed epochs, in order."""
        return self._settled

    def get_tail(self) -> Sequence[Outcome]:
        """Return the provisional entries, in order."""
        self.fold()
        return self._tail.entries

    def get_suspended(self) -> Sequence[Outcome]:
        """Return the entries that are held and not folded, by device and position."""
        return self._tail.get_suspended()

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
        changes = self._fold.tables.get_changes(is_first=not self._epoch)
        return encode_changes(changes)

    def get_closed_position(self, device: bytes) -> int | None:
        """Return where a closed feed ends; None when it can go on."""
        return self._settled_positions[device] if device in self._closed else None

    def get_outcome(self, entry_id: bytes) -> Outcome | None:
        """Return what became of an entry, or None when it is not held.

        Raises ``BodyArchived`` or ``StoreDamaged`` when it is final and cannot be read.
        """
        self.fold()
        return self._tail.find(entry_id) or self._settled.find(entry_id)

    def get_place(self, entry_id: bytes) -> Place | None:
        """Return where an entry stands, or None when it is not known; its body is not needed."""
        self.fold()
        outcome = self._tail.find(entry_id)
        return self._settled.find_place(entry_id) if outcome is None else outcome.place

    def get_reversals(self) -> Mapping[bytes, bytes]:
        """Return, for each entry that was applied here and no longer is, the entry that did it."""
        self.fold()
        return self._fold.reversals.get_all()

    def note_reversals(self, before: "Machine", epoch: int, cause: bytes) -> None:
        """Keep in mind what was applied in another fold, both to their ends, and is not here.

        Up to the end of ``epoch`` both are the same.
        """
        self.fold()
        reversals = self._fold.reversals
        reversals.take_over(before.get_reversals())
        settled = (before.get_epoch(number) for number in range(epoch + 1, before.epoch + 1))
        tail = [outcome.place for outcome in before.get_tail()]
        for place in chain(*settled, tail):
            now = self._tail.find(place.id) or self._settled.find_held(place.id)
            verdict = WITHDRAWN if now is None else now.verdict
            reversals.note(place.id, place.verdict, verdict, cause)

    def get_next_deadline(self) -> int | None:
        """Return when the next deadline is due, in ms of market time, or None."""
        self.fold()
        due = self._fold.timers.next_due()
        return None if due is None else due[0]

    def preview(self, time: int, device: bytes, position: int, operation: object) -> int:
        """Return the verdict an operation would get in its place; change nothing.

        ``time`` is its logical timestamp, ``operation`` what the contract's ``read`` returned.
        """
        self.fold()
        fold, entries = self._fold, self._tail.entries
        # An entry stamped later comes after it, and whoever reads next folds that one again: or
        # one clock that is ahead could stop, or seem to feed, everybody.
        place = (time, compute_tie(time, device), b"")
        fold.roll_back(entries, bisect_left(entries, place, key=get_order))
        mark, before = fold.tables.mark(), fold.now
        now = compute_effective_ms(time, fold.epoch_ms, None)
        fold.fire_deadlines(now)
        try:
            now = max(now, before)
            return fold.contract.apply(now, device, position, PREVIEW_ID, operation)
        finally:
            fold.tables.undo_to(mark)
            fold.now = before

    def fold(self) -> None:
        """Bring the tables up to the newest entry held."""
        assert self._staged is None
        self._tail.merge()
        self._fold.go_on(self._tail.entries, None)
        self._fold.cause = b""


def _count_unmoved(tail: list[Outcome], included: list[Outcome], closed_ms: int) -> int:
    """Count the tail's first entries that an epoch leaves in their place, at their time."""
    count = 0
    for outcome, staying in zip(tail, included, strict=False):
        if outcome is not staying or get_ms(outcome.entry.time) > closed_ms:
            break
        count += 1
    return count
