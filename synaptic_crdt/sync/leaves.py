"""The vector of leaves: in one row each, what is held of every feed."""

from collections.abc import Sequence

from synaptic_crdt.state.held import Feed
from synaptic_crdt.state.replica import Replica
from synaptic_crdt.sync.messages import Leaf


def make_leaves(replica: Replica) -> list[Leaf]:
    """Return the vector of leaves: what is sealed of every feed held, sorted by device.

    A closed feed counts up to its end, so that all who hold that much say the same.
    """
    leaves = [
        _make_leaf(replica, feed, rank)
        for rank, feed in enumerate(replica.feeds.values())
        if min(feed.sealed_position, feed.end)
    ]
    leaves.sort(key=lambda leaf: leaf.device)
    return leaves


def encode_leaves(replica: Replica, leaves: Sequence[Leaf]) -> list[bytes]:
    """Return of each leaf the bytes that two sides compare.

    Of a suspended feed they say whether a branch is held, not which one: none is needed before
    one of them is fixed, save by whoever has none, or not the one that waits to be fixed.
    """
    return [_encode_leaf(replica, leaf) for leaf in leaves]


def _make_leaf(replica: Replica, feed: Feed, rank: int) -> Leaf:
    suspended_from = replica.branches.get_suspended_from(feed.device)
    if not suspended_from:
        end = min(feed.sealed_position, feed.end)
        return Leaf(feed.device, end, feed.get_id(end), rank, None)
    counted = min(suspended_from - 1, feed.sealed_position)
    beyond = feed.sealed_position - counted
    return Leaf(feed.device, counted, feed.get_id(counted), rank, beyond)


def _encode_leaf(replica: Replica, leaf: Leaf) -> bytes:
    standing = 0
    if leaf.beyond is not None:
        is_enough = leaf.beyond > 0 and not replica.branches.is_awaiting(leaf.device)
        standing = 1 + is_enough
    return leaf.device + leaf.position.to_bytes(8, "big") + leaf.id + bytes([standing])
