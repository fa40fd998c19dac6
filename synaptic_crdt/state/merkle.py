"""The state root: a binary Merkle tree whose shape depends on its content alone.

A leaf's place is the hash of its key, bit by bit from the root. A subtree with one leaf is that
leaf; an empty one is 32 zero bytes; any other is ``H("node", left, right)``. So equal contents
have equal roots whatever the history of changes, a change costs the depth of the tree (about
log2 of the number of rows), and inclusion proofs are as short.

Nodes are immutable tuples, shared between versions of the tree.
"""

from collections.abc import Mapping, Sequence
from typing import Final, cast

from synaptic_crdt.state.codec import encode_trusted
from synaptic_crdt.state.hashes import compute_hash
from synaptic_crdt.state.tables import Key, Record

EMPTY_HASH: Final = bytes(32)

# (hash, key) of a leaf, (hash, left, right) of a branch, None when empty.
Leaf = tuple[bytes, bytes]
Node = tuple[bytes, "Node", "Node"] | Leaf | None
_LEAF_FIELDS: Final = 2


def compute_row_key(table: str, key: Key) -> bytes:
    """Return the 32-byte place of a row in the tree."""
    return compute_hash("row key", encode_trusted([table, key]))


def compute_leaf(row_key: bytes, row: Record) -> bytes:
    """Return the hash of a row at its place."""
    return compute_hash("leaf", row_key, encode_trusted(_to_plain(row)))


def update_tree(node: Node, changes: Mapping[bytes, bytes | None]) -> Node:
    """Return the tree after ``changes``: leaf hash by row key, None for a row that is gone."""
    return _update(node, sorted(changes.items()), 0)


def get_hash(node: Node) -> bytes:
    """Return a tree's 32-byte hash."""
    return EMPTY_HASH if node is None else node[0]


def compute_state_root(market: bytes, epoch: int, time_ms: int, tree: Node) -> bytes:
    """Return the root of a whole market state: its tables, timers, epoch and time."""
    return compute_hash(
        "root", market, epoch.to_bytes(8, "big"), time_ms.to_bytes(8, "big"), get_hash(tree)
    )


def compute_verdicts_root(verdicts: Sequence[tuple[bytes, int]]) -> bytes:
    """Return the root over (entry id, verdict) in order; an odd node moves up unchanged."""
    level = [
        compute_hash("verdict leaf", entry_id, verdict.to_bytes(4, "big"))
        for entry_id, verdict in verdicts
    ]
    while len(level) > 1:
        pairs = [
            compute_hash("verdict node", level[index], level[index + 1])
            for index in range(0, len(level) - 1, 2)
        ]
        level = pairs + level[len(pairs) * 2 :]
    return level[0] if level else EMPTY_HASH


def _update(node: Node, changes: list[tuple[bytes, bytes | None]], depth: int) -> Node:
    if not changes:
        return node
    if node is None or len(node) == _LEAF_FIELDS:
        return _grow(node, changes, depth)
    split = _find_split(changes, depth)
    return _join(
        _update(node[1], changes[:split], depth + 1),
        _update(node[2], changes[split:], depth + 1),
    )


def _grow(leaf: Leaf | None, changes: list[tuple[bytes, bytes | None]], depth: int) -> Node:
    """Build the subtree of one old leaf at most and its changes."""
    leaves = {row_key: leaf_hash for row_key, leaf_hash in changes if leaf_hash is not None}
    if leaf is not None and not any(row_key == leaf[1] for row_key, _ in changes):
        leaves[leaf[1]] = leaf[0]
    return _build([(leaf_hash, row_key) for row_key, leaf_hash in sorted(leaves.items())], depth)


def _build(leaves: list[Leaf], depth: int) -> Node:
    if not leaves:
        return None
    if len(leaves) == 1:
        return leaves[0]
    byte, bit = depth >> 3, 7 - (depth & 7)
    split = 0
    while split < len(leaves) and not leaves[split][1][byte] >> bit & 1:
        split += 1
    return _join(_build(leaves[:split], depth + 1), _build(leaves[split:], depth + 1))


def _join(left: Node, right: Node) -> Node:
    # A lone leaf moves up to where its subtree begins; two subtrees, or one deeper one, stay.
    if left is None and (right is None or len(right) == _LEAF_FIELDS):
        return right
    if right is None and left is not None and len(left) == _LEAF_FIELDS:
        return left
    return (compute_hash("node", get_hash(left), get_hash(right)), left, right)


def _find_split(changes: list[tuple[bytes, bytes | None]], depth: int) -> int:
    byte, bit = depth >> 3, 7 - (depth & 7)
    low, high = 0, len(changes)
    while low < high:
        middle = (low + high) // 2
        if changes[middle][0][byte] >> bit & 1:
            high = middle
        else:
            low = middle + 1
    return low


def _to_plain(value: object) -> object:
    """Turn a record into the array of its fields, records inside it too."""
    if isinstance(value, Record):
        return [_to_plain(getattr(value, field)) for field in value.__struct_fields__]
    if isinstance(value, tuple):
        return [_to_plain(item) for item in cast("tuple[object, ...]", value)]
    return value
