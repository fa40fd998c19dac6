"""The state root: a binary Merkle tree whose shape depends on its content alone.

A leaf's place is the hash of its key, bit by bit from the root. A subtree with one leaf is that
leaf; an empty one is 32 zero bytes; any other is ``H("node", left, right)``. So equal contents
have equal roots whatever the history of changes, a change costs the depth of the tree (about
log2 of the number of rows), and proofs about a row are as short.

Nodes are immutable tuples, shared between versions of the tree.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, cast

import msgspec

from synaptic_crdt.state.codec import encode_trusted
from synaptic_crdt.state.hashes import compute_hash, compute_node
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
    return compute_hash("leaf", row_key, encode_row(row))


def compute_plain_leaf(row_key: bytes, row: object) -> bytes:
    """Return the hash of a row that is given as the array of its fields."""
    return compute_hash("leaf", row_key, encode_trusted(row))


def encode_row(row: Record) -> bytes:
    """Return the bytes of a row that its leaf hashes: the array of its fields."""
    return encode_trusted(msgspec.to_builtins(row, builtin_types=(bytes,)))


def to_plain(value: object) -> object:
    """Turn a record into the array of its fields, and whatever has fields inside it too."""
    if isinstance(value, msgspec.Struct):
        return [to_plain(getattr(value, field)) for field in value.__struct_fields__]
    if isinstance(value, tuple):
        return [to_plain(item) for item in cast("tuple[object, ...]", value)]
    return value


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


def find_place(tree: Node, place: bytes) -> tuple[list[bytes], Leaf | None]:
    """Return what a proof about a row's place needs: the siblings from the root down, and the end.

    The end is the leaf that stands alone where the path ends, this row's or another's, or None
    where nothing does. The sibling that is an empty subtree is ``EMPTY_HASH``.
    """
    siblings: list[bytes] = []
    node = tree
    while node is not None and len(node) != _LEAF_FIELDS:
        _, left, right = node
        node, sibling = (right, left) if get_bit(place, len(siblings)) else (left, right)
        siblings.append(get_hash(sibling))
    return siblings, node


def find_first_difference(one: Node, other: Node) -> bytes | None:
    """Return the least place of a row that only one of two trees has as it is; None for none."""
    while get_hash(one) != get_hash(other):
        if one is None or other is None or len(one) == _LEAF_FIELDS or len(other) == _LEAF_FIELDS:
            return min(dict(_collect_leaves(one)).items() ^ dict(_collect_leaves(other)).items())[0]
        is_left = get_hash(one[1]) != get_hash(other[1])
        one, other = (one[1], other[1]) if is_left else (one[2], other[2])
    return None


def compute_tree_hash(place: bytes, end: bytes, siblings: Sequence[bytes]) -> bytes:
    """Return the hash of a tree from the hash at the end of a path and its siblings."""
    current = end
    for depth in range(len(siblings) - 1, -1, -1):
        sibling = siblings[depth]
        pair = (sibling, current) if get_bit(place, depth) else (current, sibling)
        current = compute_node(*pair)
    return current


def get_bit(place: bytes, depth: int) -> int:
    """Return which way a row's path turns at a depth: 0 is left."""
    return place[depth >> 3] >> (7 - (depth & 7)) & 1


def compute_verdict_leaf(device: bytes, position: int, entry_id: bytes, verdict: int) -> bytes:
    """Return the leaf that says who wrote an entry, where in the feed, and what became of it."""
    return compute_hash(
        "verdict leaf", device, position.to_bytes(8, "big"), entry_id, verdict.to_bytes(4, "big")
    )


def compute_verdicts_root(leaves: Sequence[bytes]) -> bytes:
    """Return the root over verdict leaves in order; an odd node moves up unchanged."""
    level = leaves
    while len(level) > 1:
        level = _join_neighbours(level)
    return level[0] if level else EMPTY_HASH


def find_verdict(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the siblings of one verdict leaf from the bottom up, where there are any."""
    siblings: list[bytes] = []
    level = leaves
    while len(level) > 1:
        if index ^ 1 < len(level):
            siblings.append(level[index ^ 1])
        level = _join_neighbours(level)
        index >>= 1
    return siblings


def compute_verdicts_root_from(
    leaf: bytes, index: int, count: int, siblings: Sequence[bytes]
) -> bytes | None:
    """Return the root over ``count`` leaves from one of them, its index and its siblings.

    None when there are more or fewer siblings than a leaf at this index has.
    """
    remaining = iter(siblings)
    while count > 1:
        if index ^ 1 < count:
            sibling = next(remaining, None)
            if sibling is None:
                return None
            pair = (sibling, leaf) if index & 1 else (leaf, sibling)
            leaf = compute_hash("verdict node", *pair)
        index, count = index >> 1, (count + 1) >> 1
    return leaf if next(remaining, None) is None else None


def _collect_leaves(node: Node) -> Iterator[tuple[bytes, bytes]]:
    """Yield place and hash of every row of a subtree."""
    if node is None:
        return
    if len(node) == _LEAF_FIELDS:
        yield node[1], node[0]
        return
    yield from _collect_leaves(node[1])
    yield from _collect_leaves(node[2])


def _join_neighbours(level: Sequence[bytes]) -> Sequence[bytes]:
    pairs = [
        compute_hash("verdict node", level[index], level[index + 1])
        for index in range(0, len(level) - 1, 2)
    ]
    return [*pairs, *level[len(pairs) * 2 :]]


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
    """Build the subtree of leaves, which ascend by key."""
    if len(leaves) <= 1:
        return leaves[0] if leaves else None
    byte, bit = depth >> 3, 7 - (depth & 7)
    split = bisect_left(leaves, 1, key=lambda leaf: leaf[1][byte] >> bit & 1)
    return _join(_build(leaves[:split], depth + 1), _build(leaves[split:], depth + 1))


def _join(left: Node, right: Node) -> Node:
    # A lone leaf moves up to where its subtree begins; two subtrees, or one deeper one, stay.
    if left is None and (right is None or len(right) == _LEAF_FIELDS):
        return right
    if right is None and left is not None and len(left) == _LEAF_FIELDS:
        return left
    return (compute_node(get_hash(left), get_hash(right)), left, right)


def _find_split(changes: list[tuple[bytes, bytes | None]], depth: int) -> int:
    byte, bit = depth >> 3, 7 - (depth & 7)
    return bisect_left(changes, 1, key=lambda change: change[0][byte] >> bit & 1)
