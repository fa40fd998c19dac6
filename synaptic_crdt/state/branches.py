"""Which branch of a feed counts: what forks suspend, what checkpoints fix, and what gives way.

A fork at or below a feed's fixed head changes nothing. Above it, the device's entries from there
on are suspended: held and not folded, until a checkpoint fixes one of the branches. A replica on
another one lets its entries go, to be kept apart, and takes the fixed branch up to the fixed id.
What is folded is then a matter of the entries and statements held, not of the order in which they
came.

Answers devices that sign two histories: they delay their own provisional entries and nobody
else's, and what is final never moves.
"""

from bisect import bisect_left
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Final

from synaptic_crdt.state.checkpoints import CheckpointChain, Judgement
from synaptic_crdt.state.feeds import Entry, Piece, Truncation
from synaptic_crdt.state.forks import ForkBook
from synaptic_crdt.state.hashes import compute_body_hash, compute_chain
from synaptic_crdt.state.held import Feed
from synaptic_crdt.state.machine import Machine
from synaptic_crdt.state.statements import Checkpoint, ForkProof, FrontierItem


class Branches:
    """The branches of one replica's feeds. Its feeds are shared with the replica."""

    def __init__(
        self,
        market: bytes,
        feeds: dict[bytes, Feed],
        chain: CheckpointChain,
        get_machine: Callable[[], Machine],
    ) -> None:
        self.forks: Final = ForkBook(chain.get_fixed_position)
        self._market: Final = market
        self._feeds: Final = feeds
        self._chain: Final = chain
        self._get_machine: Final = get_machine
        # The counted checkpoints that were followed, by id; and by device, ascending, what those
        # among them name of it that did not take effect yet.
        self._followed: Final[list[bytes]] = []
        self._awaited: Final[dict[bytes, list[FrontierItem]]] = {}
        # What the one candidate for the next checkpoint names of suspended devices.
        self._proposed: Final[dict[bytes, FrontierItem]] = {}
        self._truncations: Final[list[Truncation]] = []

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

    def settle(self, checkpoint: Checkpoint) -> None:
        """Follow a counted checkpoint that takes effect: nothing of it is awaited any more."""
        for item in checkpoint.frontier:
            self._awaited[item.device].remove(item)

    def begin_at(self, closed: Sequence[bytes]) -> None:
        """Begin with a machine in which the checkpoints of these ids are in effect already."""
        self._followed[:] = closed

    def start_over(self, closed: Sequence[bytes]) -> None:
        """Begin with a new machine, in which only these checkpoints are in effect yet."""
        self._followed[:] = closed
        self._reopen()

    def give_way(self, device: bytes, position: int) -> bool:
        """Let go of a feed from ``position`` on if another branch of it is awaited; was it so?

        For whoever has seen that the awaited branch parts from what is held there. Nothing that a
        checkpoint in effect fixed is let go; what is let go waits in ``take_truncations``.
        """
        feed = self._get_feed(device)
        if not self.is_awaiting(device) or not self._get_agreed(feed) < position <= feed.position:
            return False
        self._truncate(feed, position - 1, self._chain.head)
        return True

    def take_truncations(self) -> list[Truncation]:
        """Return what feeds lost since the last call; whoever stores them must follow."""
        taken = list(self._truncations)
        self._truncations.clear()
        return taken

    @contextmanager
    def held_branches(self) -> Generator[None]:
        """Fold the held branch of every suspended feed as if nothing else were known."""
        machine = self._get_machine()
        suspended = [device for device in self._feeds if self.get_suspended_from(device)]
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

    def get_counted_position(self, device: bytes) -> int:
        """Return up to where a device's feed is folded: to its end, or to before its fork."""
        position = self._get_feed(device).end
        suspended_from = self.get_suspended_from(device)
        return min(position, suspended_from - 1) if suspended_from else position

    def get_awaited(self, device: bytes) -> FrontierItem | None:
        """Return the end of the branch that is awaited: fixed or, while suspended, proposed."""
        awaited = self._get_awaited(device)
        return awaited[-1] if awaited else None

    def is_awaiting(self, device: bytes) -> bool:
        """Is there more of a feed, or another branch, that checkpoints name and that is missing?"""
        awaited = self.get_awaited(device)
        return awaited is not None and not self.holds(awaited)

    def is_awaited(self, piece: Piece) -> bool:
        """Does a piece reach an id that is awaited? Its seal is not looked at."""
        items = _find_between(self._get_awaited(piece.device), piece.first, piece.last)
        if not items:
            return False
        bodies = piece.bodies[: items[-1].position - piece.first + 1]
        ids = compute_chain(piece.predecessor, [compute_body_hash(body) for body in bodies])
        return ids[-1] == items[-1].id

    def is_void(self, entries: Sequence[Entry]) -> bool:
        """Do consecutive entries of a feed contradict what is awaited of it?"""
        first = entries[0].position
        awaited = self._get_awaited(entries[0].device)
        items = _find_between(awaited, first, entries[-1].position)
        return any(entries[item.position - first].id != item.id for item in items)

    def holds(self, item: FrontierItem) -> bool:
        """Is a feed held up to what an item names, on the same branch?"""
        feed = self._feeds.get(item.device)
        if feed is None:
            return False
        # No more of a closed feed can be expected; the epoch leaves it out.
        if feed.closed_position is not None:
            return True
        return feed.position >= item.position and feed.get_id(item.position) == item.id

    # -- fixing and giving way ---------------------------------------------------------------

    def _reopen(self) -> None:
        """Judge every fork anew: what was fixed is so no more, and nothing of it is awaited."""
        self._awaited.clear()
        for device in self.forks.get_devices():
            self.forks.prune(device)
            self._limit(device)

    def _fix(self, checkpoint: Checkpoint) -> None:
        """Follow a checkpoint that now counts: it settles forks, and makes a branch void."""
        for item in checkpoint.frontier:
            self._let_go_of_other(item, checkpoint.id)
            self._awaited.setdefault(item.device, []).append(item)
            self.forks.prune(item.device)
            self._limit(item.device)

    def _follow_candidate(self) -> None:
        """Make room for the branch of a suspended feed that waits to be fixed.

        A witness can only cosign what it holds. Whatever branch is held is not folded anyway.
        """
        self._proposed.clear()
        candidates = self._chain.get_candidates()
        if len(candidates) != 1:
            return
        for item in candidates[0].frontier:
            if 0 < self.get_suspended_from(item.device) <= item.position:
                self._let_go_of_other(item, candidates[0].id)
                self._proposed[item.device] = item

    def _let_go_of_other(self, item: FrontierItem, cause: bytes) -> None:
        feed = self._get_feed(item.device)
        if feed.position >= item.position and not self.holds(item):
            self._truncate(feed, self._find_parting(feed, item), cause)

    def _find_parting(self, feed: Feed, item: FrontierItem) -> int:
        """Return up to where a feed may agree with a branch that it is not on.

        Where a fork is proved there may be others below it, but none that anybody showed. Where
        none is proved, only what was fixed before is known to agree.
        """
        agreed = self._get_agreed(feed)
        for proof in self.forks.get_proofs(feed.device):
            before = proof.position - 1
            is_between = agreed <= before < item.position
            if is_between and feed.get_id(before) == proof.predecessor:
                return before
        return agreed

    def _get_agreed(self, feed: Feed) -> int:
        """Return the highest fixed position whose id is that of the feed as it is held."""
        agreed = self._get_machine().get_settled_position(feed.device)
        for item in self._awaited.get(feed.device, ()):
            if self.holds(item):
                agreed = item.position
        return agreed

    def _truncate(self, feed: Feed, position: int, cause: bytes) -> None:
        void = feed.truncate(position)
        self._truncations.append(Truncation(feed.device, position, feed.head, void))
        self._get_machine().forget(feed.device, position, cause)
        if position == 0:
            del self._feeds[feed.device]

    def _limit(self, device: bytes) -> None:
        proof = self.forks.get_open(device)
        if proof is None:
            self._get_machine().limit(device, None, b"")
        else:
            self._get_machine().limit(device, proof.position - 1, proof.id)

    def _get_awaited(self, device: bytes) -> Sequence[FrontierItem]:
        awaited = self._awaited.get(device, ())
        proposed = self._proposed.get(device)
        return awaited if proposed is None else (*awaited, proposed)

    def _get_feed(self, device: bytes) -> Feed:
        return self._feeds.get(device) or Feed(self._market, device)

    def _is_counted(self, index: int) -> bool:
        checkpoint = self._chain.get(index)
        return checkpoint is not None and checkpoint.id == self._followed[index - 1]


def _find_between(items: Sequence[FrontierItem], first: int, last: int) -> Sequence[FrontierItem]:
    """Return the items, which ascend, at positions from ``first`` to ``last``."""
    start = bisect_left(items, first, key=_get_position)
    return items[start : bisect_left(items, last + 1, key=_get_position)]


def _get_position(item: FrontierItem) -> int:
    return item.position
