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

    Of a forked feed they say whether a branch is held, not which one: none is needed before one of
    them is fixed, save by whoever has none, or not the one that is, or waits to be, fixed. Of one
    that is not on the fixed branch, while no fork is proved, they say all that is held.
    """
    return [_encode_leaf(replica, leaf) for leaf in leaves]


def _make_leaf(replica: Replica, feed: Feed, rank: int) -> Leaf:
    limit = replica.branches.get_limit(feed.device)
    if limit is None:
        end = min(feed.sealed_position, feed.end)
        return Leaf(feed.device, end, feed.get_id(end), rank, None)
    counted = min(limit, feed.sealed_position)
    beyond = feed.sealed_position - counted
    return Leaf(feed.device, counted, feed.get_id(counted), rank, beyond)


def _encode_leaf(replica: Replica, leaf: Leaf) -> bytes:
    code = leaf.device + leaf.position.to_bytes(8, "big") + leaf.id
    if leaf.beyond is None:
        return code + b"\0"
    if leaf.beyond == 0:
        return code + b"\1"
    if replica.branches.has_branch(leaf.device):
        return code + (b"\3" if replica.branches.is_awaiting(leaf.device) else b"\2")
    feed = replica.get_feed(leaf.device)
    return code + b"\4" + feed.get_id(leaf.end)
