"""A document's heads: the hash of the last change of each feed, and the versions they name.

Heads name a version exactly: each of them binds its feed's whole history, and the genesis. They
are for people and for other programs that know Automerge; between peers chain ids do the same.
Advanced when asked for, by what came since, so that nothing on a link waits for them.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

import msgspec

from synaptic_crdt.state.changes import FeedChanges, encode_root_change, get_change_hash
from synaptic_crdt.state.hashes import compute_hash
from synaptic_crdt.state.held import Feed


class KeptHead(msgspec.Struct, frozen=True):
    """The hash of the change of a feed's entry at ``position``, whose chain id is ``id``."""

    device: bytes
    position: int
    id: bytes
    head: bytes


class Heads:
    """The heads of one market's document, for any feeds of it."""

    def __init__(self, market: bytes, genesis: bytes) -> None:
        self._market: Final = market
        self._root: Final = get_change_hash(encode_root_change(market, genesis))
        # By device: its changes up to where they were counted, and the feed's chain id there.
        self._known: Final[dict[bytes, tuple[FeedChanges, bytes]]] = {}
        # Those of before, which are never taken back.
        self._kept: Final[dict[bytes, KeptHead]] = {}

    def start_feed(self, device: bytes) -> FeedChanges:
        """Return the changes of a feed, before its first one."""
        return FeedChanges(self._market, self._root, device)

    def compute_heads(self, feeds: Iterable[Feed]) -> tuple[bytes, ...]:
        """Return the heads of the document that consists of these feeds, sorted.

        A closed feed has its head where it ends, whatever more of it is held.
        """
        return tuple(sorted(self._advance(feed) for feed in feeds if feed.end))

    def resume(self, kept: Iterable[KeptHead]) -> None:
        """Count on from what was counted before."""
        self._kept.update((each.device, each) for each in kept)

    def keep(self, feed: Feed, position: int) -> KeptHead:
        """Return what a later ``resume`` needs to count on from ``position``."""
        changes = self._start_after(feed, position)
        changes.pass_over(feed.entries.get_bodies(changes.position, position))
        kept = KeptHead(feed.device, position, feed.get_id(position), changes.head)
        self._kept[feed.device] = kept
        return kept

    def get_counted(self, get_settled: Callable[[bytes], int]) -> list[KeptHead]:
        """Return what was counted and not kept yet, of feeds that are settled as far."""
        found: list[KeptHead] = []
        for device, (changes, chain_id) in self._known.items():
            kept = self._kept.get(device)
            is_new = kept is None or kept.position < changes.position
            if is_new and changes.position <= get_settled(device):
                found.append(KeptHead(device, changes.position, chain_id, changes.head))
        return found

    def find(
        self, feeds: Iterable[Feed], heads: Collection[bytes]
    ) -> Mapping[bytes, tuple[bytes, int]]:
        """Return device and position of each of ``heads`` that is the hash of an entry's change."""
        found: dict[bytes, tuple[bytes, int]] = {}
        for feed in feeds:
            changes = self.start_feed(feed.device)
            for entry in feed.entries:
                changes.pass_over((entry.body,))
                if changes.head in heads:
                    found[changes.head] = (entry.device, entry.position)
        return found

    def _advance(self, feed: Feed) -> bytes:
        changes, chain_id = self._known.get(feed.device) or (None, b"")
        # A feed may have gone on along another branch than the one that was counted.
        if (
            changes is None
            or changes.position > feed.end
            or feed.get_id(changes.position) != chain_id
        ):
            changes = self._start_after(feed, feed.end)
        if changes.position < feed.end:
            changes.pass_over(feed.entries.get_bodies(changes.position, feed.end))
        self._known[feed.device] = (changes, feed.get_id(feed.end))
        return changes.head

    def _start_after(self, feed: Feed, end: int) -> FeedChanges:
        """Return the changes of a feed as far as they were counted before, up to ``end``."""
        changes = self.start_feed(feed.device)
        kept = self._kept.get(feed.device)
        if kept is not None and kept.position <= end and feed.get_id(kept.position) == kept.id:
            changes.resume(kept.position, kept.head)
        return changes


def compute_short_form(heads: Iterable[bytes]) -> bytes:
    """Return the one hash that stands for sorted heads."""
    return compute_hash("heads", *heads)
