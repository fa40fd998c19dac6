"""Which branch of a feed counts: what forks suspend, what checkpoints fix, and what gives way.

A fork at or below a feed's fixed head changes nothing. Above it, the device's entries from there
on are suspended: held and not folded, until a checkpoint fixes one of the branches. What is folded
is then a matter of the entries and statements held, not of the order in which they came.

A replica on another branch than a checkpoint fixed folds that feed only up to where the two are
known to agree, and goes on to hold its own until it is offered the other one: no checkpoint takes
away what a device has sealed, and of every entry that is held there is a seal that vouches for it,
so it can be passed on. Only then is one branch replaced by the other, at once.

Answers devices that sign two histories: they delay their own provisional entries and nobody
else's, and what is final never moves. Answers sequencers that fix what nobody was shown, or what
nobody wrote: honest peers fold the same without it, and have all of it if it comes out.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Final

import msgspec

from synaptic_crdt.state.awaited import Awaited, Named, is_held
from synaptic_crdt.state.checkpoints import CheckpointChain, Judgement
from synaptic_crdt.state.feeds import Piece, Truncation
from synaptic_crdt.state.forks import ForkBook
from synaptic_crdt.state.hashes import compute_body_hash, compute_chain
from synaptic_crdt.state.held import Feed
from synaptic_crdt.state.machine import Machine
from synaptic_crdt.state.statements import Checkpoint, ForkProof, FrontierItem


class Cut(msgspec.Struct, frozen=True):
    """How often a feed was cut, and the lowest position that it was cut to."""

    count: int
    position: int


class Branches:
    """The branches of one replica's feeds. Its feeds are shared with the replica."""

    def __init__(
        self,
        market: bytes,
        feeds: dict[bytes, Feed],
        chain: CheckpointChain,
        get_machine: Callable[[], Machine],
    ) -> None:
        self.forks: Final = ForkBook(
            chain.get_fixed_position, lambda device: get_machine().get_settled_position(device)
        )
        self._market: Final = market
        self._feeds: Final = feeds
        self._chain: Final = chain
        self._get_machine: Final = get_machine
        # The counted checkpoints that were followed, by id; and by device what those among them
        # name of it that did not take effect yet.
        self._followed: Final[list[bytes]] = []
        self._awaited: Final[dict[bytes, Awaited]] = {}
        # What the one candidate for the next checkpoint names of suspended devices.
        self._proposed: Final[dict[bytes, FrontierItem]] = {}
        # By device: from where on what is held is given up as soon as another branch is offered.
        self._yielding: Final[dict[bytes, int]] = {}
        self._truncations: Final[list[Truncation]] = []
        # By device: how its feed was cut in this process.
        self.cuts: Final[dict[bytes, Cut]] = {}

    # -- what goes in ------------------------------------------------------------------------

    def add_proof(self, proof: ForkProof) -> Judgement:
        """Take a verified proof and say what it is. One above the fixed head suspends."""
        if not self.forks.is_news(proof):
            return "known"
        self.forks.add(proof)
        self._limit(proof.device)
        self._follow_candidate()
        return "kept"

    def follow_chain(self, closed: int) -> None:
        """Follow what counts now, of which the first ``closed`` checkpoints are in effect."""
        if self._followed and not self._is_counted(len(self._followed)):
            # A handover undid what had counted; what was fixed by it is so no more.
            del self._followed[closed:]
            self._reopen()
        while (checkpoint := self._chain.get(len(self._followed) + 1)) is not None:
            self._followed.append(checkpoint.id)
            self._fix(checkpoint)
        self._follow_candidate()

    def follow_feed(self, device: bytes) -> None:
        """Follow a feed that has grown."""
        if device in self._awaited:
            self._limit(device)

    def settle(self, checkpoint: Checkpoint) -> None:
        """Follow a counted checkpoint that took effect: nothing of it is awaited any more."""
        for item in checkpoint.frontier:
            self._awaited[item.device].settle()
            self._yielding.pop(item.device, None)
            self.forks.prune(item.device)
            self._limit(item.device)

    def begin_at(self, closed: Sequence[bytes]) -> None:
        """Begin with a machine in which the checkpoints of these ids are in effect already."""
        self._followed[:] = closed

    def start_over(self, closed: Sequence[bytes]) -> None:
        """Begin with a new machine, in which only these checkpoints are in effect yet."""
        self._followed[:] = closed
        self._reopen()

    def yield_from(self, device: bytes, position: int) -> bool:
        """Give a feed up from ``position`` on once another branch of it is offered; may that be?

        For whoever was told that the branch that is awaited parts there from what is held.
        """
        may_yield = self._may_yield(device, position)
        if may_yield:
            self._yielding[device] = position
        return may_yield

    def is_to_yield(self, piece: Piece, position: int) -> bool:
        """Is what is held to give way to a piece that parts from it at ``position``?

        So it is for a piece that reaches the id that is awaited, and for what ``yield_from`` said.
        """
        if not self._may_yield(piece.device, position):
            return False
        yields_from = self._yielding.get(piece.device)
        return self._is_awaited(piece) or (yields_from is not None and position >= yields_from)

    def give_way(self, device: bytes, position: int) -> None:
        """Let go of a feed from ``position`` on, for a verified piece of another branch.

        The piece comes next: until then no seal vouches for the end of what is left. What is let
        go waits in ``take_truncations``.
        """
        feed = self._get_feed(device)
        assert self._may_yield(device, position)
        void = feed.truncate(position - 1)
        before = self.cuts.get(device, Cut(0, position - 1))
        self.cuts[device] = Cut(before.count + 1, min(before.position, position - 1))
        self._truncations.append(Truncation(device, position - 1, feed.head, void))
        self._get_machine().forget(device, position - 1, self._chain.head)
        # It was told of what has gone now; whoever leads on says so again.
        self._yielding.pop(device, None)
        if device in self._awaited:
            self._awaited[device].note_cut()
        if position == 1:
            del self._feeds[device]

    def take_truncations(self) -> list[Truncation]:
        """Return what feeds lost since the last call; whoever stores them must follow."""
        taken = list(self._truncations)
        self._truncations.clear()
        return taken

    @contextmanager
    def held_branches(self) -> Generator[None]:
        """Fold the held branch of every suspended feed as if nothing else were known."""
        machine = self._get_machine()
        suspended = [
            device
            for device in self._feeds
            if self.get_suspended_from(device) and self._find_contest(device) is None
        ]
        for device in suspended:
            machine.limit(device, None, b"")
        try:
            yield
        finally:
            for device in suspended:
                self._limit(device)

    # -- what comes out ----------------------------------------------------------------------

    def get_suspended_from(self, device: bytes) -> int:
        """Return the position of the fork that suspends a device; 0 for none."""
        proof = self.forks.get_open(device)
        # A feed that has ended cannot be suspended as well.
        if proof is None or self._get_feed(device).closed_position is not None:
            return 0
        return proof.position

    def get_limit(self, device: bytes) -> int | None:
        """Return up to where a device's feed is folded at most; None when it may be to its end."""
        found = self._find_limit(device)
        return None if found is None else found[0]

    def get_counted_position(self, device: bytes) -> int:
        """Return up to where a device's feed is folded: to its end, or to where it is limited."""
        position = self._get_feed(device).end
        limit = self.get_limit(device)
        return position if limit is None else min(position, limit)

    def has_branch(self, device: bytes) -> bool:
        """Is it proved that a feed has two branches where it is limited, and is one held?"""
        limit = self.get_limit(device)
        return (
            limit is not None
            and self._get_feed(device).position > limit
            and any(proof.position > limit for proof in self.forks.get_proofs(device))
        )

    def get_awaited(self, device: bytes) -> FrontierItem | None:
        """Return the next end of a feed that is fixed, or proposed, and not held; None for none."""
        feed = self._get_feed(device)
        named = self._find_missing(feed)
        if named is not None:
            return named.item
        proposed = self._proposed.get(device)
        return None if proposed is None or is_held(feed, proposed) else proposed

    def is_awaiting(self, device: bytes) -> bool:
        """Is there more of a feed, or another branch, that checkpoints name and that is missing?"""
        return self.get_awaited(device) is not None

    def holds(self, item: FrontierItem) -> bool:
        """Is a feed held up to what an item names, on the same branch?"""
        feed = self._feeds.get(item.device)
        return feed is not None and is_held(feed, item)

    # -- fixing and giving way ---------------------------------------------------------------

    def _reopen(self) -> None:
        """Judge every fork anew: what was fixed is so no more, and nothing of it is awaited."""
        devices = dict.fromkeys((*self.forks.get_devices(), *self._awaited))
        self._awaited.clear()
        self._yielding.clear()
        for device in devices:
            self.forks.prune(device)
            self._limit(device)

    def _fix(self, checkpoint: Checkpoint) -> None:
        """Follow a checkpoint that now counts: it settles forks, and makes a branch void."""
        for item in checkpoint.frontier:
            self._awaited.setdefault(item.device, Awaited()).add(item, checkpoint.id)
            self.forks.prune(item.device)
            self._limit(item.device)

    def _follow_candidate(self) -> None:
        """Ask for the branch of a suspended feed that waits to be fixed.

        A witness can only cosign what it holds. Whatever branch is held is not folded anyway.
        """
        self._proposed.clear()
        candidates = self._chain.get_candidates()
        if len(candidates) != 1:
            return
        for item in candidates[0].frontier:
            if 0 < self.get_suspended_from(item.device) <= item.position:
                self._proposed[item.device] = item

    def _find_limit(self, device: bytes) -> tuple[int, bytes] | None:
        """Return up to where a feed is folded at most, and the statement that does it."""
        if self._get_feed(device).closed_position is not None:
            return None
        # What is fixed lies below every fork that is open.
        contest = self._find_contest(device)
        proof = self.forks.get_open(device)
        if contest is not None or proof is None:
            return contest
        return proof.position - 1, proof.id

    def _find_contest(self, device: bytes) -> tuple[int, bytes] | None:
        """Return what limits a feed that is, or may be, on another branch than is fixed.

        It may be where it goes on up to what is fixed, and where a fork is known before that.
        """
        feed = self._get_feed(device)
        named = self._find_missing(feed)
        if named is None:
            return None
        agreed, fixed = self._get_agreed(feed), named.item.position
        proofs = self.forks.get_proofs(device)
        if feed.position >= fixed or any(agreed < each.position <= fixed for each in proofs):
            return agreed, named.checkpoint
        return None

    def _get_agreed(self, feed: Feed) -> int:
        """Return the highest fixed position up to which a feed is known to be the fixed one."""
        awaited = self._awaited.get(feed.device)
        agreed = 0 if awaited is None else awaited.get_agreed(feed)
        return max(agreed, self._get_machine().get_settled_position(feed.device))

    def _find_missing(self, feed: Feed) -> Named | None:
        awaited = self._awaited.get(feed.device)
        return None if awaited is None else awaited.find_missing(feed)

    def _may_yield(self, device: bytes, position: int) -> bool:
        """May what is held from ``position`` on give way? Nothing that is fixed and held may."""
        feed = self._get_feed(device)
        return self.is_awaiting(device) and self._get_agreed(feed) < position <= feed.position

    def _is_awaited(self, piece: Piece) -> bool:
        """Does a piece reach the id that is awaited? Its seal is not looked at."""
        item = self.get_awaited(piece.device)
        if item is None or not piece.first <= item.position <= piece.last:
            return False
        bodies = piece.bodies[: item.position - piece.first + 1]
        ids = compute_chain(piece.predecessor, [compute_body_hash(body) for body in bodies])
        return ids[-1] == item.id

    def _limit(self, device: bytes) -> None:
        end, cause = self._find_limit(device) or (None, b"")
        self._get_machine().limit(device, end, cause)

    def _get_feed(self, device: bytes) -> Feed:
        return self._feeds.get(device) or Feed(self._market, device)

    def _is_counted(self, index: int) -> bool:
        checkpoint = self._chain.get(index)
        return checkpoint is not None and checkpoint.id == self._followed[index - 1]
