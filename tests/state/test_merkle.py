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
    compute_tree_hash,
    compute_verdict_leaf,
    compute_verdicts_root,
    compute_verdicts_root_from,
    find_first_difference,
    find_place,
    find_verdict,
    get_bit,
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


@given(st.dictionaries(keys, leaves, max_size=12), st.dictionaries(keys, leaves, max_size=12))
def test_the_first_difference_of_two_trees(
    one: dict[bytes, bytes], other: dict[bytes, bytes]
) -> None:
    differing = {key for key, _ in one.items() ^ other.items()}
    # As a row's own hash does, each leaf binds the place where it stands.
    trees = [
        update_tree(None, {key: key[:1] + key[-1:] + leaf[2:] for key, leaf in rows.items()})
        for rows in (one, other)
    ]
    assert find_first_difference(*trees) == min(differing, default=None)


@pytest.mark.untraced
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
    leaves = [bytes([n]) * 32 for n in range(count)]
    assert compute_verdicts_root(leaves) == hash_verdicts_naively(leaves)


def test_a_verdict_leaf_binds_author_position_entry_and_verdict() -> None:
    device, entry = bytes([1]) * 32, bytes([2]) * 32
    leaf = compute_verdict_leaf(device, 3, entry, 4)
    parts = device + bytes([0, 0, 0, 0, 0, 0, 0, 3]) + entry + bytes([0, 0, 0, 4])
    assert leaf == compute_hash("verdict leaf", parts)


def test_the_verdicts_root_binds_order_and_leaves() -> None:
    a, b, c = bytes(32), bytes([1]) * 32, bytes([2]) * 32
    roots = {compute_verdicts_root(v) for v in ([a, b], [b, a], [a], [c, b], [a, b, a])}
    assert len(roots) == 5


@pytest.mark.parametrize("count", [1, 2, 3, 5, 7, 8, 100])
def test_a_verdicts_path_leads_to_the_root_from_its_own_place_alone(count: int) -> None:
    leaves = [bytes([n]) * 32 for n in range(count)]
    root = compute_verdicts_root(leaves)
    for index, leaf in enumerate(leaves):
        path = find_verdict(leaves, index)
        assert len(path) <= (count - 1).bit_length()
        assert compute_verdicts_root_from(leaf, index, count, path) == root
        others = set(range(count)) - {index}
        assert all(compute_verdicts_root_from(leaf, n, count, path) != root for n in others)
        assert compute_verdicts_root_from(leaf, index, count, [*path, leaf]) is None
        assert not path or compute_verdicts_root_from(leaf, index, count, path[:-1]) is None


@given(batches, keys)
def test_a_path_ends_where_the_row_is_or_would_be(
    history: list[dict[bytes, bytes | None]], place: bytes
) -> None:
    tree: Node = None
    for batch in history:
        tree = update_tree(tree, batch)
    siblings, end = find_place(tree, place)
    assert compute_tree_hash(place, get_hash(end), siblings) == get_hash(tree)
    content = {key: leaf for batch in history for key, leaf in batch.items() if leaf is not None}
    if end is not None:
        assert all(get_bit(end[1], n) == get_bit(place, n) for n in range(len(siblings)))
        assert end[1] in content
