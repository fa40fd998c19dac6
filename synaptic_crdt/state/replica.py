"""What one peer holds of a market, in memory: feeds, counted checkpoints, and their fold.

Takes only what was verified, and stores nothing: durability is the store's, and whoever writes
does so there first.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final, Protocol

import msgspec

from synaptic_crdt.state.branches import Branches
from synaptic_crdt.state.checkpoints import KEPT, CheckpointChain, Judgement
from synaptic_crdt.state.clock import follows_clock
from synaptic_crdt.state.feeds import Entry, Tip
from synaptic_crdt.state.frontiers import Examination, Frontiers
from synaptic_crdt.state.hashes import compute_hash
from synaptic_crdt.state.held import Feed
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.machine import ContractMaker, Machine
from synaptic_crdt.state.outcomes import Judged, Outcome
from synaptic_crdt.state.saved import ClosedEpoch, SavedState
from synaptic_crdt.state.saved_outcomes import OutcomeReader, encode_outcomes
from synaptic_crdt.state.shelf import Shelf
from synaptic_crdt.state.statements import (
    Checkpoint,
    ForkProof,
    FrontierItem,
    Statement,
    encode_statement,
    sign_checkpoint,
    stands_before_checkpoints,
)


class Divergence(msgspec.Struct, frozen=True):
    """A counted checkpoint whose root is not the one this replica computed."""

    index: int
    claimed: bytes
    computed: bytes


class StateKeeper(OutcomeReader, Protocol):
    """Where the states of closed epochs are kept."""

    @property
    def epoch(self) -> int:
        """The newest epoch that is kept."""
        ...

    def find_state(self, chain: CheckpointChain) -> SavedState | None:
        """Return the newest kept state that a counted checkpoint claims; None when there is none."""
        ...

    def keep(self, epochs: Sequence[ClosedEpoch]) -> None:
        """Keep what consecutive epochs came to, in place of others of their numbers."""
        ...

    def read_roots(self, epoch: int) -> Sequence[bytes]:
        """Return the roots that were computed of the epochs up to one."""
        ...


class Replica:
    """The document of one market and the state folded from it."""

    def __init__(
        self,
        market: bytes,
        *,
        sequencer: bytes | None,
        opened_ms: int,
        make_contract: ContractMaker,
        witnesses: Sequence[bytes] = (),
        recovery: bytes = b"",
    ) -> None:
        self.market: Final = market
        self.chain: Final = CheckpointChain(
            market, sequencer, opened_ms, witnesses=witnesses, recovery=recovery
        )
        self._make_machine: Final = partial(Machine, market, opened_ms, make_contract)
        self._machine = self._make_machine()
        # In order of admission, so that issuers come before those they invited.
        self._feeds: Final[dict[bytes, Feed]] = {}
        self.branches: Final = Branches(market, self._feeds, self.chain, lambda: self._machine)
        self._frontiers: Final = Frontiers(
            self._feeds, self.chain, self.branches, lambda: self._machine
        )
        self._divergences: Final[list[Divergence]] = []
        # The ids of the checkpoints whose epochs the machine closed.
        self._closed: Final[list[bytes]] = []
        # Where states are kept, if they are, and what closed since somebody took it to keep.
        self._keeper: StateKeeper | None = None
        # Where entries can be read again once they are final, if they can.
        self._shelf: Shelf | None = None
        self._to_keep: Final[list[ClosedEpoch]] = []
        # Of feeds that are ahead of the clock: the newest time that is not, and the one after it.
        self._ahead: Final[dict[bytes, tuple[int, int]]] = {}

    # -- what goes in ------------------------------------------------------------------------

    def begin_with(self, keeper: StateKeeper) -> None:
        """Have kept what epochs come to from now on: see ``keep_closed``."""
        self._keeper = keeper

    def begin_at(self, state: SavedState, keeper: StateKeeper) -> None:
        """Begin at a verified state that a counted checkpoint claims, in place of its entries.

        The feeds that it includes come next, with ``hold``, and then ``follow``.
        """
        self._machine.begin_at(state, keeper)
        self._closed.extend(self.chain.get_id(number) for number in range(1, state.epoch + 1))
        self.branches.begin_at(self._closed)
        for number, root in enumerate(keeper.read_roots(state.epoch), 1):
            checkpoint = self.chain.get(number)
            assert checkpoint is not None
            if checkpoint.root != root:
                self._divergences.append(Divergence(number, checkpoint.root, root))

    def hold(self, feed: Feed, entries: Sequence[Entry]) -> None:
        """Take a feed that was loaded, and what of it is to be folded."""
        feed.closed_position = self._machine.get_closed_position(feed.device)
        self._feeds[feed.device] = feed
        if feed.closed_position is None:
            self._machine.add(entries)

    def leave_final(self, shelf: Shelf) -> None:
        """Hold no more what is final and kept, from now on: it is on a shelf, whole and sound."""
        self._shelf = shelf

    def follow(self) -> None:
        """Follow what counts, once all that was stored is held."""
        self._follow_chain()

    def get_feed(self, device: bytes) -> Feed:
        """Return the feed of a device, an empty one that is not held yet if it is new."""
        return self._feeds.get(device) or Feed(self.market, device)

    def extend(
        self, feed: Feed, entries: Sequence[Entry], tip: Tip, signature: bytes | None
    ) -> None:
        """Append to a feed from ``get_feed`` what ``verify_piece`` returned, and its seal."""
        feed.extend(entries, tip, signature)
        self._feeds[feed.device] = feed
        if feed.closed_position is None:
            self._machine.add(entries)
            self.branches.follow_feed(feed.device)
            self._settle()

    def add_statement(self, statement: Statement) -> Judgement:
        """Take a verified statement and say what it is.

        Raises ``Forged`` or ``MalformedInput`` when its signer lied, or is not who may sign it.
        """
        if isinstance(statement, ForkProof):
            return self.branches.add_proof(statement)
        judgement = self.chain.add(statement)
        if judgement in KEPT:
            self._follow_chain()
        return judgement

    def adopt_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Take as counted what counts in another replica of this process, for a replay."""
        self.chain.adopt(checkpoint)
        self._follow_chain()

    # -- what comes out ----------------------------------------------------------------------

    @property
    def machine(self) -> Machine:
        """The fold. Another one after a handover that undid what had counted here: never keep it."""
        return self._machine

    @property
    def feeds(self) -> Mapping[bytes, Feed]:
        """The held feeds by device, in order of admission."""
        return self._feeds

    @property
    def entries(self) -> int:
        """The number of entries held, without those beyond the end of closed feeds."""
        return sum(feed.end for feed in self._feeds.values())

    @property
    def entries_counted(self) -> int:
        """The number of entries held that count: without those that are suspended, too."""
        return sum(self.branches.get_counted_position(device) for device in self._feeds)

    @property
    def root(self) -> bytes:
        """The state root after every entry held."""
        return self.machine.root

    @property
    def divergences(self) -> Sequence[Divergence]:
        """Counted checkpoints whose roots this replica does not agree with."""
        return self._divergences

    @property
    def is_halted(self) -> bool:
        """Did the sequencer sign two checkpoints of one index, between which nothing decides?"""
        return self.chain.is_halted

    @property
    def final_epoch(self) -> int:
        """The newest epoch whose root agrees; 0 when nothing is final.

        A root is that of all that came before: one that agrees settles those that did not.
        """
        diverged = {divergence.index for divergence in self._divergences}
        return next((n for n in range(self.machine.epoch, 0, -1) if n not in diverged), 0)

    def is_final(self, outcome: Judged) -> bool:
        """Is this in a counted checkpoint, whose root or a later one is also ours?"""
        return 1 <= outcome.epoch <= self.final_epoch

    def compute_digest(self) -> bytes:
        """Return a hash over the chain ids held: equal digests mean equal feeds.

        For peers, who compare after every exchange; people are shown the document's heads.
        """
        return compute_hash("digest", *(leaf_id for _, _, leaf_id in self.get_leaves()))

    def get_beside(self) -> Sequence[Statement]:
        """Return the statements held beside the counted checkpoints, in an order to add them."""
        return (*self.chain.get_beside(), *self.branches.forks)

    def get_leaves(self) -> list[tuple[bytes, int, bytes]]:
        """Return (device, position, chain id) of what counts of every feed, sorted by device.

        Of a closed feed it is where it ends, whatever more of it is held here; of a suspended one
        where its fork is; and of one that is not on the fixed branch up to where it is known to be.
        """
        leaves: list[tuple[bytes, int, bytes]] = []
        for device in sorted(self._feeds):
            position = self.branches.get_counted_position(device)
            if position:
                leaves.append((device, position, self._feeds[device].get_id(position)))
        return leaves

    def get_statements(self) -> Iterator[bytes]:
        """Yield every statement held, as stored and sent, each after those it stands on."""
        return map(encode_statement, self.walk_statements())

    def walk_statements(self) -> Iterator[Statement]:
        """Yield every statement held, each after those it stands on."""
        beside = self.get_beside()
        yield from filter(stands_before_checkpoints, beside)
        for index in range(1, self.chain.index + 1):
            checkpoint = self.chain.get(index)
            assert checkpoint is not None
            yield checkpoint
        yield from (each for each in beside if not stands_before_checkpoints(each))

    def get_void(self) -> Iterator[Entry]:
        """Yield the entries that are held and beyond the end of their closed feeds."""
        for feed in self._feeds.values():
            yield from feed.entries[feed.end :]

    def get_newest_time(self, wall_ms: int) -> int:
        """Return the newest held timestamp that is at most 60 s ahead of the wall clock."""
        newest = 0
        for feed in self._feeds.values():
            if follows_clock(feed.tip.time, wall_ms):
                newest = max(newest, feed.tip.time)
                continue
            newest = max(newest, self._find_following(feed, wall_ms))
        return newest

    def _find_following(self, feed: Feed, wall_ms: int) -> int:
        """Return the newest time that follows the clock of a feed whose end does not; 0 for none."""
        time, following = self._ahead.get(feed.device, (0, 0))
        # As it was found before, while the clock is between the two. (After a feed was cut the time
        # may be one that is gone, which is as good.)
        if following and follows_clock(time, wall_ms) and not follows_clock(following, wall_ms):
            return time
        # Time increases within a feed: those that follow the clock come first.
        count = bisect_left(
            feed.entries, True, key=lambda entry: not follows_clock(entry.time, wall_ms)
        )
        time = feed.entries[count - 1].time if count else 0
        self._ahead[feed.device] = time, feed.entries[count].time
        return time

    def keep_closed(self) -> None:
        """Hand what closed since the last call to whoever keeps states, if anybody does.

        For whoever has made durable what closed it.
        """
        keeper = self._keeper
        if keeper is None or not self._to_keep:
            return
        keeper.keep(tuple(self._to_keep))
        self._to_keep.clear()
        # What could not be kept, nobody else has.
        if self._shelf is not None and keeper.epoch == self._machine.epoch:
            for device in self._machine.leave_settled(keeper):
                position = self._machine.get_settled_position(device)
                self._feeds[device].leave(self._shelf, position)

    # -- checkpoints -------------------------------------------------------------------------

    def make_checkpoint(
        self, key: DeviceKey, time_ms: int, is_ready: Callable[[Outcome], bool]
    ) -> Checkpoint:
        """Return the next checkpoint, signed; nothing is taken yet, ``add_statement`` does that.

        ``is_ready`` says whether a provisional entry may be included; one that may not waits,
        with what follows in its feed. So does what is new of a device that it would end, save for
        its joining. The time is ``time_ms``, or the last one's if later.
        """
        assert key.public == self.chain.sequencer
        assert self.chain.awaited is None
        assert not self.is_halted
        time_ms = max(time_ms, self.chain.time_ms)
        frontier, root = self.compute_epoch(time_ms, is_ready)
        return sign_checkpoint(
            self.market,
            key,
            view=self.chain.view.number,
            index=self.chain.index + 1,
            previous=self.chain.head,
            time=time_ms,
            frontier=frontier,
            root=root,
        )

    def compute_epoch(
        self, time_ms: int, is_ready: Callable[[Outcome], bool]
    ) -> tuple[list[FrontierItem], bytes]:
        """Return the furthest frontier of a checkpoint at ``time_ms``, and its root."""
        return self._frontiers.compute_epoch(time_ms, is_ready)

    def examine(self, checkpoint: Checkpoint) -> Examination | None:
        """Return what comes out if this checkpoint counts next; see ``Frontiers``."""
        return self._frontiers.examine(checkpoint)

    def _follow_chain(self) -> None:
        """Follow what counts now: epochs close, branches are fixed, or all begins anew."""
        closed = self.chain.get(len(self._closed))
        if self._closed and (closed is None or closed.id != self._closed[-1]):
            self._start_over()
        else:
            self.branches.follow_chain(len(self._closed))
            self._settle()

    def _settle(self) -> None:
        """Let counted checkpoints take effect, in order, once all they name is held."""
        while (checkpoint := self.chain.get(self._machine.epoch + 1)) is not None:
            if not all(self.branches.holds(item) for item in checkpoint.frontier):
                return
            frontier = {item.device: item.position for item in checkpoint.frontier}
            computed = self._machine.stage_epoch(frontier, checkpoint.time)
            if self._keeper is not None:
                self._to_keep.append(self._describe_staged(checkpoint, computed))
            for device in self._machine.commit_epoch():
                self._feeds[device].closed_position = self._machine.get_closed_position(device)
            self.branches.settle(checkpoint)
            self._closed.append(checkpoint.id)
            if computed != checkpoint.root:
                self._divergences.append(Divergence(checkpoint.index, checkpoint.root, computed))

    def _describe_staged(self, checkpoint: Checkpoint, root: bytes) -> ClosedEpoch:
        """Return what is to be kept of the epoch that is staged and about to close."""
        machine, feeds = self._machine, self._feeds
        places = [outcome.place for outcome in machine.get_staged()]
        predecessors = [feeds[each.device].get_id(each.position - 1) for each in places]
        ends = {place.device: place.position for place in places}
        windows = [
            (device, end, feeds[device].get_id(end))
            for device, last in ends.items()
            for end in feeds[device].get_window_ends(machine.get_settled_position(device), last)
        ]
        return ClosedEpoch(
            number=machine.epoch + 1,
            checkpoint=checkpoint.id,
            root=root,
            outcomes=encode_outcomes(places, predecessors),
            changes=machine.get_staged_changes(),
            windows=windows,
        )

    def _start_over(self) -> None:
        """Fold anew what a handover undid, from the newest state that still counts.

        An epoch is closed for ever but for this: its journal is gone.
        """
        before = self._machine
        before.fold()
        state = None if self._keeper is None else self._keeper.find_state(self.chain)
        self._machine = self._make_machine()
        self._divergences.clear()
        self._closed.clear()
        self._to_keep.clear()
        if state is not None:
            assert self._keeper is not None
            self.begin_at(state, self._keeper)
        for feed in self._feeds.values():
            feed.closed_position = self._machine.get_closed_position(feed.device)
        self.branches.start_over(self._closed)
        for feed in self._feeds.values():
            if feed.closed_position is None:
                self._machine.add(feed.entries[self._machine.get_settled_position(feed.device) :])
        self._follow_chain()
        epoch = 0 if state is None else state.epoch
        self._machine.note_reversals(before, epoch, self.chain.view.proposal or b"")
