"""What the next checkpoint may include: the furthest frontier, and what comes of one.

A frontier is closed under references: what waits for its cause is left out, with what follows in its
feed, and so is what is new of a device that it would end. Whatever is folded to find out is undone.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from synaptic_crdt.state import limits
from synaptic_crdt.state.branches import Branches
from synaptic_crdt.state.checkpoints import CheckpointChain
from synaptic_crdt.state.feeds import Entry
from synaptic_crdt.state.held import Feed
from synaptic_crdt.state.machine import Machine
from synaptic_crdt.state.outcomes import Outcome
from synaptic_crdt.state.statements import Checkpoint, FrontierItem


class Examination(msgspec.Struct, frozen=True):
    """What a checkpoint leads to: the state's root, the entries it includes, in order, and the
    devices whose feeds it ends.
    """

    root: bytes
    included: tuple[Entry, ...]
    ended: tuple[bytes, ...]


class Frontiers:
    """The frontiers of one replica, which shares its feeds."""

    def __init__(
        self,
        feeds: Mapping[bytes, Feed],
        chain: CheckpointChain,
        branches: Branches,
        get_machine: Callable[[], Machine],
    ) -> None:
        self._feeds: Final = feeds
        self._chain: Final = chain
        self._branches: Final = branches
        self._get_machine: Final = get_machine

    def compute_epoch(
        self, time_ms: int, is_ready: Callable[[Outcome], bool]
    ) -> tuple[list[FrontierItem], bytes]:
        """Return the furthest frontier of a checkpoint at ``time_ms``, and its root."""
        machine = self._get_machine()
        # Of a forked feed the branch that came here first goes on: the one that is held.
        with self._branches.held_branches():
            frontier = self._collect_frontier(is_ready)
            positions = {item.device: item.position for item in frontier}
            root = machine.stage_epoch(positions, time_ms)
            while (shorter := self._hold_back(frontier, is_ready)) != frontier:
                frontier = shorter
                machine.abort_epoch()
                positions = {item.device: item.position for item in frontier}
                root = machine.stage_epoch(positions, time_ms)
            machine.abort_epoch()
        return frontier, root

    def examine(self, checkpoint: Checkpoint) -> Examination | None:
        """Return what comes out if this checkpoint counts next; None while that cannot be known.

        Not while entries are missing that it, or one that counts, includes. Nothing is taken.
        """
        machine = self._get_machine()
        is_ready = machine.epoch == self._chain.index == checkpoint.index - 1
        if not is_ready or not all(self._branches.holds(item) for item in checkpoint.frontier):
            return None
        frontier = {item.device: item.position for item in checkpoint.frontier}
        with self._branches.held_branches():
            root = machine.stage_epoch(frontier, checkpoint.time)
            included = tuple(outcome.entry for outcome in machine.get_staged())
            ended = tuple(machine.get_staged_ends())
            machine.abort_epoch()
        return Examination(root, included, ended)

    def _collect_frontier(self, is_ready: Callable[[Outcome], bool]) -> list[FrontierItem]:
        held_back = _get_first_unready(self._get_machine().get_tail(), is_ready)
        frontier: list[FrontierItem] = []
        for device, feed in self._feeds.items():
            position = min(feed.end, held_back.get(device, feed.position + 1) - 1)
            if position > self._chain.get_fixed_position(device):
                frontier.append(FrontierItem(device, position, feed.get_id(position)))
        return frontier[: limits.FRONTIER_ITEMS]

    def _hold_back(
        self, frontier: Sequence[FrontierItem], is_ready: Callable[[Outcome], bool]
    ) -> list[FrontierItem]:
        """Shorten a frontier by what may not be included, seen once it is folded as an epoch."""
        held_back = _get_first_unready(self._get_machine().get_staged(), is_ready)
        for device in self._get_machine().get_staged_ends():
            # Its joining must come in, though: the revocation is nothing without.
            kept = max(self._chain.get_fixed_position(device), 1)
            held_back[device] = min(kept + 1, held_back.get(device, kept + 1))
        shorter: list[FrontierItem] = []
        for item in frontier:
            position = min(item.position, held_back.get(item.device, item.position + 1) - 1)
            if position > self._chain.get_fixed_position(item.device):
                chain_id = self._feeds[item.device].get_id(position)
                shorter.append(FrontierItem(item.device, position, chain_id))
        return shorter


def _get_first_unready(
    outcomes: Sequence[Outcome], is_ready: Callable[[Outcome], bool]
) -> dict[bytes, int]:
    """Return the least position by device that may not be included."""
    first: dict[bytes, int] = {}
    for outcome in outcomes:
        entry = outcome.entry
        if not is_ready(outcome):
            first[entry.device] = min(entry.position, first.get(entry.device, entry.position))
    return first
