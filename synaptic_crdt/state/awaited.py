"""What counted checkpoints name of one feed and what did not take effect yet, in order.

A sequencer may lie: what it names need not lie on one branch, nor be anything that was ever
written. So what is asked for is the first of it that is not held, and what follows comes later.
"""

from typing import Final

import msgspec

from synaptic_crdt.state.held import Feed
from synaptic_crdt.state.statements import FrontierItem


class Named(msgspec.Struct, frozen=True):
    """What a checkpoint names of a feed."""

    item: FrontierItem
    checkpoint: bytes


class Awaited:
    """The named positions of one feed, ascending."""

    __slots__ = ("_held", "_named")

    def __init__(self) -> None:
        self._named: Final[list[Named]] = []
        # How many of the first ones are held, as far as it is known.
        self._held = 0

    def add(self, item: FrontierItem, checkpoint: bytes) -> None:
        """Take what the next checkpoint names."""
        self._named.append(Named(item, checkpoint))

    def settle(self) -> None:
        """Let go of the first: its checkpoint took effect."""
        del self._named[0]
        self._held = max(self._held - 1, 0)

    def note_cut(self) -> None:
        """Take note that the feed lost entries."""
        self._held = 0

    def find_missing(self, feed: Feed) -> Named | None:
        """Return the first that is not held; None when all are."""
        named = self._named
        while self._held < len(named) and is_held(feed, named[self._held].item):
            self._held += 1
        return named[self._held] if self._held < len(named) else None

    def get_agreed(self, feed: Feed) -> int:
        """Return up to where a feed is what is named, without a gap; 0 when it is not."""
        self.find_missing(feed)
        return self._named[self._held - 1].item.position if self._held else 0


def is_held(feed: Feed, item: FrontierItem) -> bool:
    """Is a feed held up to what an item names, on the same branch?"""
    # No more of a closed feed can be expected; the epoch leaves it out.
    if feed.closed_position is not None:
        return True
    return feed.position >= item.position and feed.get_id(item.position) == item.id
