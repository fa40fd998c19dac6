"""The part of a session that finds out which feeds differ, and so what to ask for.

Answers vectors of leaves that do not ascend, or name more feeds than a link remembers.
"""

from collections.abc import Iterator, Sequence
from typing import ClassVar, Final

from synaptic_crdt.errors import MalformedInput, ProtocolViolation
from synaptic_crdt.state import limits
from synaptic_crdt.state.replica import Replica
from synaptic_crdt.sync.leaves import compute_digest, make_leaves
from synaptic_crdt.sync.messages import Hello, Leaf, Leaves, Message
from synaptic_crdt.sync.pages import cut_pages
from synaptic_crdt.sync.parts.forks import Forks
from synaptic_crdt.sync.parts.part import Kinds, Part, Phase
from synaptic_crdt.sync.wants import Wants


class Reconciling(Part):
    """Compares the leaves of both sides as they were when the session began."""

    kinds: ClassVar[Kinds] = (Leaves,)

    def __init__(self, replica: Replica, wants: Wants, forks: Forks) -> None:
        self._replica: Final = replica
        self._wants: Final = wants
        self._forks: Final = forks
        self._leaves: Final = make_leaves(replica)
        self.digest: Final = compute_digest(replica, self._leaves)
        self._to_say: Iterator[Leaves] = iter(())
        # What the other side says.
        self._is_owed = True
        self._last_device = b""
        self._their_feeds: Final[list[tuple[int, bytes]]] = []

    @property
    def is_settled(self) -> bool:
        """Is all known that differs? (What we say of it goes before everything else.)"""
        return not self._is_owed

    @property
    def is_owed(self) -> bool:
        """Has the other side leaves to send?"""
        return self._is_owed

    def get_expected(self, phase: Phase) -> Kinds:
        """Return what may come now."""
        return (Leaves,) if phase is Phase.EXCHANGE else ()

    def begin(self, hello: Hello, *, is_equal: bool) -> None:
        """Begin to tell our leaves, unless the other side has the same."""
        del hello
        if is_equal:
            self._is_owed = False
            for leaf in self._leaves:
                self._wants.note_theirs(leaf.device, leaf.end)
        else:
            for leaf in self._leaves:
                self._wants.announce(leaf.device, leaf.end)
            self._to_say = self._make_pages()

    def take(self, message: Message) -> None:
        """Take a page of leaves; after the last one it is known what to ask for."""
        assert isinstance(message, Leaves)
        if not self._is_owed or not (message.leaves or message.last):
            raise ProtocolViolation("leaves after the last ones, or none")
        for leaf in message.leaves:
            if leaf.device <= self._last_device:
                raise MalformedInput("the vector of leaves is not strictly ascending")
            self._last_device = leaf.device
            self._wants.check_room(leaf.device)
            self._take_leaf(leaf)
        if message.last:
            self._is_owed = False
            for _, device in sorted(self._their_feeds):
                self._wants.add(device)
            self._their_feeds.clear()

    def make_next(self, *, is_live: bool) -> Sequence[Message]:
        """Return the next page of our leaves."""
        del is_live
        page = next(self._to_say, None)
        return [] if page is None else [page]

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

    def _make_pages(self) -> Iterator[Leaves]:
        leaves = self._leaves
        for start, last in cut_pages(len(leaves), limits.PAGE_LEAVES):
            yield Leaves(leaves=tuple(leaves[start : start + limits.PAGE_LEAVES]), last=last)
