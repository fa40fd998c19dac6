"""A document's heads: the hash of the last change of each feed, and the versions they name.

Heads name a version exactly: each of them binds its feed's whole history, and the genesis. They
are for people and for other programs that know Automerge; between peers chain ids do the same.
Advanced when asked for, by what came since, so that nothing on a link waits for them.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from synaptic_crdt.state.changes import FeedChanges, encode_root_change, get_change_hash
from synaptic_crdt.state.hashes import compute_hash
from synaptic_crdt.state.held import Feed


class Heads:
    """The heads of one market's document, for any feeds of it."""

    def __init__(self, market: bytes, genesis: bytes) -> None:
        self._market: Final = market
        self._root: Final = get_change_hash(encode_root_change(market, genesis))
        # By device: its changes up to where they were counted, and the feed's chain id there.
        self._known: Final[dict[bytes, tuple[FeedChanges, bytes]]] = {}

    def start_feed(self, device: bytes) -> FeedChanges:
        """Return the changes of a feed, before its first one."""
        return FeedChanges(self._market, self._root, device)

    def compute_heads(self, feeds: Iterable[Feed]) -> tuple[bytes, ...]:
        """Return the heads of the document that consists of these feeds, sorted.

        A closed feed has its head where it ends, whatever more of it is held.
        """
        return tuple(sorted(self._advance(feed) for feed in feeds if feed.end))

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
            changes = self.start_feed(feed.device)
        if changes.position < feed.end:
            entries = feed.entries[changes.position : feed.end]
            changes.pass_over([entry.body for entry in entries])
            self._known[feed.device] = (changes, feed.get_id(feed.end))
        return changes.head


def compute_short_form(heads: Iterable[bytes]) -> bytes:
    """Return the one hash that stands for sorted heads."""
    return compute_hash("heads", *heads)
