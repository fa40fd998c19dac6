"""The leaves of one side as a tree of hashes, so that comparing costs what differs.

A leaf has a *place*: 60 bits of a hash of its device under the session's key. A *span* is a range
of places; it can be taken apart into children of the same size, and has a *node*: how many leaves
lie in it, and eight bytes of a hash over them under the same key. Both sides add to the key as they
say hello, so nobody can write feeds beforehand that crowd one span, or whose nodes look equal and
are not.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from synaptic_crdt.state import limits
from synaptic_crdt.state.hashes import compute_hash
from synaptic_crdt.sync.messages import Leaf, Node

# For so many leaves a child of their own, up to 2^7 children. Of a thousand feeds a child has
# eight, so that one difference costs as much in nodes as in leaves, and ten a few times that.
_CHILD_LEAVES: Final = 8
_CHILD_BITS: Final = 7
_PLACE_BITS: Final = 60
_PLACE_BYTES: Final = 8


class Span(NamedTuple):
    """The places from ``low`` to before ``low + 2 ** bits``."""

    low: int
    bits: int

    @property
    def end(self) -> int:
        """The first place behind it."""
        return self.low + (1 << self.bits)

    @property
    def is_single(self) -> bool:
        """Is it one place, which has no children?"""
        return self.bits == 0

    def get_children(self, leaves: int) -> Iterator["Span"]:
        """Yield the spans that it is made of, in order, when the side with less has ``leaves``."""
        split = min(max((leaves // _CHILD_LEAVES).bit_length(), 1), _CHILD_BITS, self.bits)
        bits = self.bits - split
        for number in range(1 << split):
            yield Span(self.low + (number << bits), bits)


WHOLE: Final = Span(0, _PLACE_BITS)


class LeafTree:
    """Leaves by place, and nodes over any span of them."""

    def __init__(self, key: bytes, leaves: Sequence[Leaf], codes: Sequence[bytes]) -> None:
        """``codes``: of each leaf the bytes that are equal on both sides if the feed is."""
        self._key: Final = key
        rows = sorted(
            (compute_place(key, leaf.device), leaf.device, number)
            for number, leaf in enumerate(leaves)
        )
        self._places: Final = [place for place, _, _ in rows]
        self._leaves: Final = [leaves[number] for _, _, number in rows]
        self._codes: Final = [codes[number] for _, _, number in rows]

    def get_leaves(self, span: Span) -> Sequence[Leaf]:
        """Return the leaves in a span, by place."""
        start, stop = self._find(span)
        return self._leaves[start:stop]

    def get_node(self, span: Span) -> Node:
        """Return what a span comes to."""
        start, stop = self._find(span)
        digest = compute_hash("leaf node", self._key, *self._codes[start:stop])
        return Node(stop - start, digest[: limits.NODE_BYTES])

    def _find(self, span: Span) -> tuple[int, int]:
        start = bisect_left(self._places, span.low)
        return start, bisect_left(self._places, span.end, start)


def compute_place(key: bytes, device: bytes) -> int:
    """Return where a device's leaf stands under a session's key."""
    place = int.from_bytes(compute_hash("leaf place", key, device)[:_PLACE_BYTES], "big")
    return place >> (8 * _PLACE_BYTES - _PLACE_BITS)
