"""The part of a session that finds out which feeds differ, and so what to ask for.

Where either side has few feeds in a span of places, both send their leaves in it; where both have
more, both send the nodes of its children, and go on with those that differ. Both sides know
what both have said, so nobody has to ask, and bytes grow with the difference, not with the market.

Whatever the other side says of its nodes, we say no more than a few bytes for each feed we have:
only spans are taken apart in which we have many leaves ourselves. Answers nodes and leaves that
nobody waits for, leaves that do not ascend, lie elsewhere, or name more feeds than a link
remembers, and differences made up to keep us talking.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import ClassVar, Final

from synaptic_crdt.errors import MalformedInput, ProtocolViolation
from synaptic_crdt.state import limits
from synaptic_crdt.state.hashes import compute_hash
from synaptic_crdt.state.replica import Replica
from synaptic_crdt.sync.leaf_tree import WHOLE, LeafTree, Span, compute_place
from synaptic_crdt.sync.leaves import encode_leaves, make_leaves
from synaptic_crdt.sync.messages import Hello, Leaf, Leaves, Message, Node, Nodes
from synaptic_crdt.sync.pages import cut_pages
from synaptic_crdt.sync.parts.forks import Forks
from synaptic_crdt.sync.parts.part import Kinds, Part, Phase
from synaptic_crdt.sync.wants import Wants


class Reconciling(Part):
    """Compares the leaves of both sides as they were when the session began."""

    kinds: ClassVar[Kinds] = (Nodes, Leaves)

    def __init__(self, replica: Replica, wants: Wants, forks: Forks, nonce: bytes) -> None:
        self._replica: Final = replica
        self._wants: Final = wants
        self._forks: Final = forks
        self._nonce: Final = nonce
        self._leaves: Final = make_leaves(replica)
        self._codes: Final = encode_leaves(replica, self._leaves)
        self._key = b""
        self._tree: LeafTree | None = None
        self._to_say: Iterator[Message] = iter(())
        # What the other side has still to say: the nodes of these spans, of which those came,
        # and then, once it is known where, leaves.
        self._spans: list[Span] = []
        self._ours: list[Node] = []
        self._theirs: list[Node] = []
        self._parted: Final[list[Span]] = []
        self._owes_leaves = True
        self._last = (-1, b"")
        self._their_feeds: Final[list[tuple[int, bytes]]] = []

    @property
    def digest(self) -> bytes:
        """The short form of our leaves."""
        return compute_hash("leaves", *self._codes)

    @property
    def feeds(self) -> int:
        """The number of our leaves."""
        return len(self._leaves)

    @property
    def is_settled(self) -> bool:
        """Is all known that differs? (What we say of it goes before everything else.)"""
        return not self._owes_leaves

    @property
    def is_owed(self) -> bool:
        """Has the other side leaves to send?"""
        return self._owes_leaves

    def get_expected(self, phase: Phase) -> Kinds:
        """Return what may come now."""
        return (Nodes, Leaves) if phase is Phase.EXCHANGE else ()

    def begin(self, hello: Hello, *, is_equal: bool) -> None:
        """Begin to compare, unless the other side has the same."""
        if is_equal:
            self._owes_leaves = False
            self._note_equal(self._leaves)
            return
        for leaf in self._leaves:
            self._wants.announce(leaf.device, leaf.end)
        self._key = compute_hash("leaf key", *sorted((self._nonce, hello.nonce)))
        self._tree = LeafTree(self._key, self._leaves, self._codes)
        self._go_on([(WHOLE, min(self.feeds, hello.feeds))], limits.VECTOR_LEAVES)

    def take(self, message: Message) -> None:
        """Take nodes or leaves; after the last ones it is known what to ask for."""
        if isinstance(message, Nodes):
            self._take_nodes(message.nodes)
        else:
            assert isinstance(message, Leaves)
            self._take_leaves(message)

    def make_next(self, *, is_live: bool) -> Sequence[Message]:
        """Return the next page of our nodes or leaves."""
        del is_live
        page = next(self._to_say, None)
        return [] if page is None else [page]

    # -- where both differ -------------------------------------------------------------------

    def _go_on(self, differing: Sequence[tuple[Span, int]], most: int) -> None:
        """Go on with spans that differ, where the side with less has so many leaves."""
        assert self._tree is not None
        self._spans = []
        for span, least in differing:
            if least <= most or span.is_single:
                self._parted.append(span)
            else:
                self._spans.extend(span.get_children(least))
        self._ours = [self._tree.get_node(span) for span in self._spans]
        self._theirs = []
        if self._spans:
            pages = _make_node_pages(self._ours)
        else:
            self._parted.sort()
            pages = self._make_leaf_pages()
        self._to_say = chain(self._to_say, pages)

    def _take_nodes(self, nodes: Sequence[Node]) -> None:
        if len(self._theirs) + len(nodes) > len(self._spans):
            raise ProtocolViolation("more nodes than there are spans that differ")
        self._theirs.extend(nodes)
        if len(self._theirs) < len(self._spans):
            return
        assert self._tree is not None
        differing: list[tuple[Span, int]] = []
        for span, ours, theirs in zip(self._spans, self._ours, self._theirs, strict=True):
            if ours == theirs:
                self._note_equal(self._tree.get_leaves(span))
            else:
                differing.append((span, min(ours.count, theirs.count)))
        self._go_on(differing, limits.SPAN_LEAVES)

    def _note_equal(self, leaves: Sequence[Leaf]) -> None:
        for leaf in leaves:
            self._wants.note_theirs(leaf.device, leaf.end)

    def _make_leaf_pages(self) -> Iterator[Leaves]:
        assert self._tree is not None
        leaves = [leaf for span in self._parted for leaf in self._tree.get_leaves(span)]
        for start, last in cut_pages(len(leaves), limits.PAGE_LEAVES):
            yield Leaves(leaves=tuple(leaves[start : start + limits.PAGE_LEAVES]), last=last)

    # -- leaves ------------------------------------------------------------------------------

    def _take_leaves(self, message: Leaves) -> None:
        if self._spans:
            raise ProtocolViolation("leaves before it is known where both sides differ")
        if not self._owes_leaves or not (message.leaves or message.last):
            raise ProtocolViolation("leaves after the last ones, or none")
        for leaf in message.leaves:
            self._check_place(leaf.device)
            self._wants.check_room(leaf.device)
            self._take_leaf(leaf)
        if message.last:
            self._owes_leaves = False
            for _, device in sorted(self._their_feeds):
                self._wants.add(device)
            self._their_feeds.clear()

    def _check_place(self, device: bytes) -> None:
        """Check that a leaf follows the last one, and lies where both sides differ."""
        place = compute_place(self._key, device)
        if (place, device) <= self._last:
            raise MalformedInput("the leaves are not strictly ascending by place")
        self._last = place, device
        number = bisect_right(self._parted, place, key=_get_low)
        if not number or place >= self._parted[number - 1].end:
            raise ProtocolViolation(f"feed {device.hex()[:16]}: a leaf where both sides agree")

    def _take_leaf(self, leaf: Leaf) -> None:
        if not 1 <= leaf.end <= limits.POSITION_MAX:
            raise MalformedInput(f"feed {leaf.device.hex()[:16]}: a leaf up to {leaf.end}")
        self._wants.note_theirs(leaf.device, leaf.end)
        self._their_feeds.append((leaf.rank, leaf.device))
        feed = self._replica.get_feed(leaf.device)
        if leaf.position <= feed.end and feed.get_id(leaf.position) != leaf.id:
            if leaf.position == 0:
                raise MalformedInput(f"feed {leaf.device.hex()[:16]}: it begins elsewhere")
            self._forks.search(leaf.device, leaf.position)
        elif leaf.beyond:
            self._forks.compare(leaf.device, leaf.end)
        self._forks.look(leaf.device)


def _make_node_pages(nodes: Sequence[Node]) -> Iterator[Nodes]:
    for start, _ in cut_pages(len(nodes), limits.PAGE_NODES):
        yield Nodes(nodes=tuple(nodes[start : start + limits.PAGE_NODES]))


def _get_low(span: Span) -> int:
    return span.low
