"""The tree's hash depends on its content alone, and is what the definition says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synaptic_crdt.state.codec import encode_trusted
from synaptic_crdt.state.hashes import compute_hash
from synaptic_crdt.state.merkle import (
    EMPTY_HASH,
    Node,
    compute_leaf,
    compute_row_key,
    compute_state_root,
    compute_verdicts_root,
    get_hash,
    update_tree,
)
from synaptic_crdt.state.tables import Record


def hash_naively(leaves: dict[bytes, bytes], depth: int = 0) -> bytes:
    """The definition, word by word: an empty subtree, a lone leaf, anything else."""
    if not leaves:
        return EMPTY_HASH
    if len(leaves) == 1:
        return next(iter(leaves.values()))
    sides: list[dict[bytes, bytes]] = [{}, {}]
    for key, leaf in leaves.items():
        sides[key[depth // 8] >> (7 - depth % 8) & 1][key] = leaf
    return compute_hash(
        "node", hash_naively(sides[0], depth + 1), hash_naively(sides[1], depth + 1)
    )


# Few different first bytes, so that paths are shared, down to the last bits of a key.
keys = st.sampled_from(
    [bytes([first, *bytes(30), n]) for first in (0, 1, 127, 128, 255) for n in range(256)]
)
leaves = st.sampled_from([bytes([n]) * 32 for n in range(1, 6)])
batches = st.lists(st.dictionaries(keys, st.none() | leaves, max_size=12), max_size=8)


@given(batches)
def test_the_hash_depends_on_the_content_alone(
    history: list[dict[bytes, bytes | None]],
) -> None:
    tree: Node = None
    content: dict[bytes, bytes] = {}
    for batch in history:
        tree = update_tree(tree, batch)
        for key, leaf in batch.items():
            if leaf is None:
                content.pop(key, None)
            else:
                content[key] = leaf
        assert get_hash(tree) == hash_naively(content)
    assert update_tree(None, dict(content)) == tree


@given(batches)
def test_old_versions_of_a_tree_stay_as_they_were(
    history: list[dict[bytes, bytes | None]],
) -> None:
    versions: list[tuple[Node, bytes]] = [(None, EMPTY_HASH)]
    for batch in history:
        tree = update_tree(versions[-1][0], batch)
        versions.append((tree, get_hash(tree)))
    assert all(get_hash(tree) == known for tree, known in versions)


def test_a_change_that_changes_nothing_keeps_the_hash() -> None:
    tree = update_tree(None, {bytes([n]) * 32: bytes([n]) * 32 for n in range(9)})
    again = update_tree(tree, {bytes([3]) * 32: bytes([3]) * 32, bytes([77]) * 32: None})
    assert get_hash(again) == get_hash(tree)


def test_a_large_tree_agrees_with_the_definition() -> None:
    content = {
        compute_hash("leaf", n.to_bytes(4, "big")): bytes([n % 251]) * 32 for n in range(999)
    }
    assert get_hash(update_tree(None, dict(content))) == hash_naively(content)


class Inner(Record, frozen=True):
    number: int


class Row(Record, frozen=True):
    name: str
    parts: tuple[int, ...]
    inner: Inner
    more: tuple[Inner, ...]
    missing: None = None


def test_a_leaf_is_the_array_of_the_rows_fields() -> None:
    row = Row("a", (1, 2), Inner(3), (Inner(4), Inner(5)))
    key = compute_row_key("rows", (b"k", 1))
    assert key == compute_hash("row key", encode_trusted(["rows", [b"k", 1]]))
    plain = ["a", [1, 2], [3], [[4], [5]], None]
    assert compute_leaf(key, row) == compute_hash("leaf", key, encode_trusted(plain))


def test_equal_rows_at_two_places_have_two_leaves() -> None:
    places = {compute_row_key("a", b"k"), compute_row_key("a", b"l"), compute_row_key("b", b"k")}
    assert len({compute_leaf(place, Inner(1)) for place in places}) == 3


def test_the_state_root_binds_market_epoch_time_and_tree() -> None:
    tree = update_tree(None, {bytes(32): bytes(32)})
    roots = {
        compute_state_root(bytes(32), 1, 2, None),
        compute_state_root(bytes([1]) * 32, 1, 2, None),
        compute_state_root(bytes(32), 2, 2, None),
        compute_state_root(bytes(32), 1, 3, None),
        compute_state_root(bytes(32), 1, 2, update_tree(tree, {bytes([1]) * 32: bytes(32)})),
    }
    assert len(roots) == 5


def hash_verdicts_naively(level: list[bytes]) -> bytes:
    if not level:
        return EMPTY_HASH
    if len(level) == 1:
        return level[0]
    above = [
        compute_hash("verdict node", level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)
    ]
    return hash_verdicts_naively(above + level[-1:] if len(level) % 2 else above)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 7, 8, 9, 100])
def test_the_verdicts_root_is_what_the_definition_says(count: int) -> None:
    verdicts = [(bytes([n]) * 32, n * 7) for n in range(count)]
    level = [
        compute_hash("verdict leaf", entry, verdict.to_bytes(4, "big"))
        for entry, verdict in verdicts
    ]
    assert compute_verdicts_root(verdicts) == hash_verdicts_naively(level)


def test_the_verdicts_root_binds_order_and_verdicts() -> None:
    a, b = (bytes(32), 0), (bytes([1]) * 32, 1)
    roots = {compute_verdicts_root(v) for v in ([a, b], [b, a], [a], [(a[0], 1), b], [a, b, a])}
    assert len(roots) == 5
