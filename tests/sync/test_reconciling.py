"""Finding what differs among many feeds: cheap, complete, and deaf to made-up differences."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synaptic_crdt.errors import MalformedInput, ProtocolViolation
from synaptic_crdt.state import limits
from synaptic_crdt.state.hashes import compute_hash
from synaptic_crdt.state.held import Feed
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.replica import Replica
from synaptic_crdt.sync.events import Reconciled
from synaptic_crdt.sync.leaf_tree import WHOLE, LeafTree, compute_place
from synaptic_crdt.sync.messages import (
    Done,
    Hello,
    Leaf,
    Leaves,
    Message,
    Node,
    Nodes,
    Statements,
    encode_frame,
    make_preface,
)
from synaptic_crdt.sync.parts.reconciling import Reconciling
from synaptic_crdt.sync.parts.statements import compute_ids_digest
from tests.sync.conftest import CLOCK_MS, MARKET, NONCE, End, Peer, make_key

KEY = compute_hash("leaf key", NONCE, NONCE)
FEEDS = 1000


def make_peer(numbers: Sequence[int]) -> Peer:
    peer = Peer()
    for number in numbers:
        peer.note(make_key(number))
    return peer


def exchange(first: Peer, second: Peer) -> tuple[int, int]:
    """Sync; return the exchanges it took, each of both sides at once, and the bytes both sent."""
    ends = End(first, nonce=bytes([1] * 16)), End(second, nonce=bytes([2] * 16))
    exchanges = 0
    while not all(end.session.is_finished for end in ends):
        said = [b"".join(iter(end.take_output, b"")) for end in ends]
        assert any(said)
        exchanges += 1
        ends[0].receive(said[1])
        ends[1].receive(said[0])
    for end in ends:
        end.peer.gate.news.unsubscribe(end.session.note_news)
        [reconciled] = end.get_events(Reconciled)
        assert isinstance(reconciled, Reconciled)
        assert reconciled.equal
    assert first.replica.get_leaves() == second.replica.get_leaves()
    return exchanges, sum(end.session.counts.bytes_sent for end in ends)


@pytest.fixture(scope="module")
def twins() -> tuple[Peer, Peer]:
    """Two peers who hold the same thousand feeds."""
    first, second = make_peer(range(1, FEEDS + 1)), Peer()
    second.copy_from(first)
    return first, second


def test_one_new_entry_among_1000_feeds_takes_3_round_trips_and_few_bytes(
    twins: tuple[Peer, Peer],
) -> None:
    twins[0].note(make_key(17))
    exchanges, size = exchange(*twins)
    # Two exchanges, there and back, are a round trip.
    assert exchanges <= 6
    assert size < 6_000


def test_bytes_grow_with_the_difference(twins: tuple[Peer, Peer]) -> None:
    sizes: list[int] = []
    for count in (0, 1, 10, 100):
        for number in range(count):
            twins[number % 2].note(make_key(1 + 7 * number))
        sizes.append(exchange(*twins)[1])
    assert sizes == sorted(sizes)
    assert sizes[2] < 20_000
    assert sizes[3] < 130_000


def test_feeds_that_only_one_side_knows_are_found(twins: tuple[Peer, Peer]) -> None:
    twins[0].note(make_key(2001))
    twins[1].note(make_key(2002))
    exchanges, _ = exchange(*twins)
    assert exchanges <= 6


def test_spans_with_many_feeds_are_taken_apart_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SPAN_LEAVES", 1)
    monkeypatch.setattr(limits, "VECTOR_LEAVES", 1)
    monkeypatch.setattr(limits, "PAGE_NODES", 50)
    first, second = make_peer(range(1, 301)), make_peer(range(1, 301))
    for number in range(5, 60):
        first.note(make_key(number))
    exchanges, _ = exchange(first, second)
    assert exchanges > 6


@settings(max_examples=30)
@given(
    st.sets(st.integers(1, 60)),
    st.sets(st.integers(1, 60)),
    st.sets(st.integers(1, 60)),
    st.integers(0, 3),
    st.integers(0, 8),
)
def test_any_two_sets_of_feeds_come_to_be_equal(
    ours: set[int], theirs: set[int], longer: set[int], vector: int, span: int
) -> None:
    first, second = make_peer(sorted(ours)), make_peer(sorted(theirs))
    for number in sorted(longer & ours):
        first.note(make_key(number))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "VECTOR_LEAVES", vector)
        patch.setattr(limits, "SPAN_LEAVES", span)
        exchange(first, second)


def test_a_key_moves_every_place_and_node() -> None:
    leaves = [Leaf(make_key(n).public, 1, bytes(32), 0, None) for n in range(1, 50)]
    trees = [
        LeafTree(bytes([key] * 32), leaves, [leaf.device for leaf in leaves]) for key in (1, 2)
    ]
    orders = [[leaf.device for leaf in tree.get_leaves(WHOLE)] for tree in trees]
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1])
    assert trees[0].get_node(WHOLE).digest != trees[1].get_node(WHOLE).digest


# -- lies ------------------------------------------------------------------------------------

CHILDREN = 64
NO_STATEMENTS = Statements(statements=(), index=0, last=True)
DONE = Done(root=bytes(32), digest=bytes(32), index=0, entries=0)
A_LIE = Node(1000, bytes(8))


@pytest.fixture(scope="module")
def honest() -> Peer:
    return make_peer(range(1, 301))


def make_hello(feeds: int) -> Hello:
    return Hello(
        view=0,
        index=0,
        checkpoint=MARKET,
        beside=compute_ids_digest(Peer().replica),
        leaves=bytes(32),
        feeds=feeds,
        nonce=NONCE,
        clock_ms=CLOCK_MS,
        live=False,
        role="member",
        device=bytes(32),
    )


def tell(end: End, *messages: Message) -> int:
    """Say these to an end, which says meanwhile what it has to; return the bytes that it said."""
    end.receive(make_preface(MARKET))
    said = 0
    for message in messages:
        said += len(b"".join(iter(end.take_output, b"")))
        end.receive(encode_frame(message))
    return said + len(b"".join(iter(end.take_output, b"")))


def make_nodes(replica: Replica, *, but: int) -> tuple[Node, ...]:
    """The nodes of whoever holds the same, save that of one child of the whole span."""
    tree = make_tree(replica)
    nodes = [tree.get_node(span) for span in WHOLE.get_children(300)]
    nodes[but] = Node(1, bytes(8))
    return tuple(nodes)


def make_tree(replica: Replica) -> LeafTree:
    feeds = list(replica.feeds.values())
    leaves = [make_leaf(feed, rank) for rank, feed in enumerate(feeds)]
    codes = [leaf.device + leaf.position.to_bytes(8, "big") + leaf.id + bytes(1) for leaf in leaves]
    return LeafTree(KEY, leaves, codes)


def make_leaf(feed: Feed, rank: int = 0) -> Leaf:
    return Leaf(feed.device, feed.position, feed.head, rank, None)


def get_child(device: bytes) -> int:
    return compute_place(KEY, device) >> 54


def find_keys(child: int) -> list[DeviceKey]:
    """Keys of nobody whose leaves lie in one child of the whole span, by place."""
    keys = [key for n in range(5_000, 8_000) if get_child((key := make_key(n)).public) == child]
    return sorted(keys, key=lambda key: compute_place(KEY, key.public))


def test_an_end_that_is_told_the_truth_asks_for_what_it_lacks(honest: Peer) -> None:
    [one, *_] = find_keys(3)
    leaf = Leaf(one.public, 1, bytes(32), 0, None)
    end = End(honest)
    nodes = Nodes(nodes=make_nodes(honest.replica, but=3))
    tell(end, make_hello(301), NO_STATEMENTS, nodes, Leaves(leaves=(leaf,), last=True))
    assert not end.session.is_finished
    assert end.session.counts.entries_held == 0
    assert end.session._wants._asked.keys() == {one.public}


@pytest.mark.parametrize("step", [1, 2048])
def test_differences_that_are_made_up_end_soon(
    honest: Peer, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whatever it says, the honest end says less than twice what its leaves take.
    monkeypatch.setattr(limits, "SPAN_LEAVES", 2)
    end = End(honest)
    reconciling = end.session._urgent[0]
    assert isinstance(reconciling, Reconciling)
    end.receive(make_preface(MARKET) + encode_frame(make_hello(2**40)))
    said = 0
    rounds = 0
    while reconciling._spans:
        said += len(b"".join(iter(end.take_output, b"")))
        end.receive(encode_frame(Nodes(nodes=(A_LIE,) * min(step, len(reconciling._spans)))))
        rounds += 1
    said += len(b"".join(iter(end.take_output, b"")))
    assert said < 2 * 80 * 300
    assert rounds < 1000


def test_leaves_are_refused_where_both_agree(honest: Peer) -> None:
    nodes = Nodes(nodes=make_nodes(honest.replica, but=3))
    for child in (2, 4):
        leaf = Leaf(find_keys(child)[0].public, 1, bytes(32), 0, None)
        with pytest.raises(ProtocolViolation, match="where both sides agree"):
            tell(End(honest), make_hello(301), nodes, Leaves(leaves=(leaf,), last=True))


def test_leaves_are_refused_before_it_is_known_where_both_differ(honest: Peer) -> None:
    leaf = Leaf(find_keys(3)[0].public, 1, bytes(32), 0, None)
    for before in ((), (Nodes(nodes=make_nodes(honest.replica, but=3)[:63]),)):
        with pytest.raises(ProtocolViolation, match="before it is known"):
            tell(End(honest), make_hello(301), *before, Leaves(leaves=(leaf,), last=True))


def test_leaves_ascend_by_place(honest: Peer) -> None:
    nodes = Nodes(nodes=make_nodes(honest.replica, but=3))
    leaves = tuple(Leaf(key.public, 1, bytes(32), 0, None) for key in find_keys(3)[:2])
    with pytest.raises(MalformedInput, match="ascending"):
        tell(End(honest), make_hello(302), nodes, Leaves(leaves=leaves[::-1], last=True))


@pytest.mark.parametrize(
    "messages",
    [
        # To whoever has few feeds, leaves are told at once.
        (make_hello(2), Nodes(nodes=(A_LIE,))),
        (make_hello(1000), Nodes(nodes=(A_LIE,) * (CHILDREN + 1))),
        (make_hello(2), Leaves(leaves=(), last=True), Nodes(nodes=(A_LIE,))),
    ],
)
def test_nodes_that_nobody_waits_for_are_refused(honest: Peer, messages: Sequence[Message]) -> None:
    with pytest.raises(ProtocolViolation, match="more nodes than there are"):
        tell(End(honest), *messages)


def test_nodes_to_whoever_holds_the_same_are_refused(honest: Peer) -> None:
    end, other = End(honest), End(honest)
    end.receive(other.take_output())
    with pytest.raises(ProtocolViolation, match="more nodes"):
        end.receive(encode_frame(Nodes(nodes=(A_LIE,))))


def test_done_before_the_leaves_is_too_early(honest: Peer) -> None:
    nodes = Nodes(nodes=make_nodes(honest.replica, but=3))
    with pytest.raises(ProtocolViolation, match="too early"):
        tell(End(honest), make_hello(301), NO_STATEMENTS, nodes, DONE)


def say_nodes(count: int, digest: bytes) -> Nodes:
    return Nodes(nodes=(Node(count, digest),) * 4)


def say_leaf(number: int, *, last: bool) -> Leaves:
    leaf = Leaf(make_key(number).public, 1, bytes(32), 0, None)
    return Leaves(leaves=(leaf,), last=last)


MESSAGES = st.one_of(
    st.builds(say_nodes, st.integers(0, 99), st.binary(min_size=8, max_size=8)),
    st.builds(say_leaf, st.integers(1, 20), last=st.booleans()),
    st.just(NO_STATEMENTS),
    st.just(DONE),
)


@settings(max_examples=50)
@given(st.lists(MESSAGES, max_size=8), st.integers(0, 1000))
def test_any_messages_end_in_a_typed_error_or_in_patience(
    messages: Sequence[Message], feeds: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "VECTOR_LEAVES", 2)
        patch.setattr(limits, "SPAN_LEAVES", 1)
        end = End(make_peer(range(1, 20)))
        try:
            said = tell(end, make_hello(feeds), *messages)
        except (MalformedInput, ProtocolViolation):
            return
        assert said < 200_000
        assert end.peer.replica.entries == 19
