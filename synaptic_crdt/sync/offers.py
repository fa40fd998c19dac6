"""What one side of a link has for the other: made one step at a time, as it can be sent.

Remembers what the other side is known to have, so that nothing is sent to where it came from.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final

from synaptic_crdt.errors import ProtocolViolation
from synaptic_crdt.state import limits
from synaptic_crdt.state.feeds import Piece
from synaptic_crdt.state.hashes import compute_hash
from synaptic_crdt.state.held import Feed
from synaptic_crdt.state.replica import Replica
from synaptic_crdt.state.statements import (
    Checkpoint,
    Statement,
    encode_statement,
    stands_before_checkpoints,
)
from synaptic_crdt.sync.assembly import take_apart
from synaptic_crdt.sync.messages import (
    AnyMessage,
    Gone,
    Hello,
    Ids,
    Leaf,
    Leaves,
    Statements,
    Wanted,
)
from synaptic_crdt.sync.wants import Wants

_REMEMBERED: Final = 1024


class Offers:
    """Statements, leaves and pieces for one link, in the order they are to be sent."""

    def __init__(self, replica: Replica, wants: Wants) -> None:
        self._replica: Final = replica
        self._wants: Final = wants
        self._asked: Final[deque[Wanted]] = deque()
        self._moved: Final[dict[bytes, None]] = {}
        self._announced: Final[dict[bytes, int]] = {}
        # Counted checkpoints to send before those that follow what they have.
        self._before: Iterator[Checkpoint | None] = iter(())
        self._their_index = 0
        # Did they count another checkpoint than we where theirs end? Then we have none in common.
        self._is_apart = False
        # Beside the counted checkpoints: what they have by id, and what they sent by its bytes.
        self._their_ids: Final[set[bytes]] = set()
        self._received: Final[dict[bytes, None]] = {}
        self._put_back: bytes | None = None
        self.entries_sent = 0
        self.statements_sent = 0

    @property
    def is_asked(self) -> bool:
        """Does the other side wait for pieces it asked for?"""
        return bool(self._asked)

    def note_index(self, index: int) -> None:
        """Remember that the other side has the counted checkpoints up to ``index``."""
        self._their_index = max(self._their_index, index)

    def note_moved(self, devices: Sequence[bytes]) -> None:
        """Push what is new in these feeds."""
        self._moved.update(dict.fromkeys(devices))

    def take_want(self, rows: Sequence[Wanted]) -> None:
        """Serve what the other side asks for, in its order.

        Raises ``ProtocolViolation`` when that was never announced, or is too much at a time.
        """
        if len(self._asked) + len(rows) > limits.WANTS:
            raise ProtocolViolation(f"more than {limits.WANTS} wants at a time")
        for row in rows:
            held = self._replica.get_feed(row.device).sealed_position
            if row.first > max(held, self._announced.get(row.device, 0)):
                raise ProtocolViolation(
                    f"feed {row.device.hex()[:16]}: asked from position {row.first} on, which"
                    " nobody announced"
                )
        self._asked.extend(rows)

    def note_equal_beside(self) -> None:
        """Remember that the other side has all that we have beside the counted checkpoints."""
        self._their_ids.update(statement.id for statement in self._replica.get_beside())

    def note_ids(self, ids: Sequence[bytes]) -> None:
        """Remember what the other side has beside the counted checkpoints.

        Raises ``ProtocolViolation`` when it names too many.
        """
        self._their_ids.update(ids)
        if len(self._their_ids) > limits.LINK_IDS:
            raise ProtocolViolation(f"more than {limits.LINK_IDS} statements")

    def note_received(self, statements: Sequence[bytes]) -> None:
        """Remember statements that the other side sent, so that they are not sent back."""
        for data in statements:
            self._received[_digest(data)] = None
            if len(self._received) > _REMEMBERED:
                del self._received[next(iter(self._received))]

    def note_hello(self, hello: Hello) -> None:
        """Learn from a hello that differs from ours which checkpoints the other side lacks."""
        chain = self._replica.chain
        self.note_index(hello.index)
        if hello.index <= chain.index and chain.get_id(hello.index) == hello.checkpoint:
            return
        if hello.index > chain.index and hello.view == chain.view.number:
            return
        self._is_apart = True
        next_view = chain.views.get(hello.view + 1)
        if hello.view < chain.view.number and next_view is not None:
            # They counted what a handover undoes. From where that goes on, each checkpoint tells
            # which one before it they lack, and no other can be put in between.
            self._their_index = next_view.index
            self._before = self._get_before(next_view.index)
        elif hello.view == chain.view.number:
            # The sequencer signed twice, and what follows cannot continue theirs. Ours beside
            # theirs is the proof, and they answer with theirs.
            self._before = iter([chain.get(hello.index)])
            self.note_index(chain.index)

    def make_opening(self, leaves: Sequence[Leaf], *, has_ids: bool) -> Iterator[AnyMessage]:
        """Yield what the other side needs to know before it can say what it lacks."""
        self._announced.update((leaf.device, leaf.end) for leaf in leaves)
        if has_ids:
            ids = [statement.id for statement in self._replica.get_beside()]
            for start, last in _cut_pages(len(ids), limits.PAGE_IDS):
                yield Ids(ids=tuple(ids[start : start + limits.PAGE_IDS]), last=last)
        for start, last in _cut_pages(len(leaves), limits.PAGE_LEAVES):
            yield Leaves(leaves=tuple(leaves[start : start + limits.PAGE_LEAVES]), last=last)

    def make_statements(self) -> Statements | None:
        """Return the next statements that the other side lacks, or None."""
        batch: list[bytes] = []
        size = 0
        while len(batch) < limits.PAGE_LEAVES and (data := self._take_lacking()) is not None:
            # One that is larger than a frame is filled to travels alone.
            if batch and size + len(data) > limits.FRAME_FILL_BYTES:
                self._put_back = data
                break
            batch.append(data)
            size += len(data)
        if not batch:
            return None
        self.statements_sent += len(batch)
        return self._make_message(batch, last=False)

    def make_last_statements(self) -> Statements:
        """Return the message which says that all we had was sent."""
        return self._make_message([], last=True)

    def make_answer(self) -> Sequence[AnyMessage]:
        """Return the next piece that was asked for, as messages; none when nothing is due."""
        if self._asked:
            row = self._asked.popleft()
            piece = self._replica.get_feed(row.device).get_piece(row.first)
            if piece is None:
                return [Gone(device=row.device)]
            if row.pieces > 1:
                self._asked.appendleft(Wanted(row.device, piece.last + 1, row.pieces - 1))
            return self._send(piece)
        return []

    def make_push(self) -> Sequence[AnyMessage]:
        """Return the next piece that moved and the other side lacks; none when there is none."""
        while self._moved:
            device = next(iter(self._moved))
            if not self._wants.is_left_out(device):
                first = self._wants.get_theirs(device) + 1
                feed = self._replica.get_feed(device)
                piece = feed.get_piece(first)
                if piece is not None and first <= feed.end:
                    return self._send(piece)
            del self._moved[device]
        return []

    def _make_message(self, statements: Sequence[bytes], *, last: bool) -> Statements:
        common = 0 if self._is_apart else min(self._their_index, self._replica.chain.index)
        return Statements(statements=tuple(statements), index=common, last=last)

    def _take_lacking(self) -> bytes | None:
        """Return the next statement to send; from here on the other side counts as having it."""
        if self._put_back is not None:
            data, self._put_back = self._put_back, None
            return data
        while (statement := self._take_next()) is not None:
            data = encode_statement(statement)
            if _digest(data) not in self._received:
                return data
        return None

    def _take_next(self) -> Statement | None:
        """Return the next statement, in an order in which each can be placed."""
        beside = [each for each in self._replica.get_beside() if each.id not in self._their_ids]
        # What counted checkpoints stand on goes before them, those that count for nothing after.
        first = next((each for each in beside if stands_before_checkpoints(each)), None)
        if first is None and (before := next(self._before, None)) is not None:
            return before
        if first is None:
            while (counted := self._replica.chain.get(self._their_index + 1)) is not None:
                self._their_index += 1
                if counted.id not in self._their_ids:
                    return counted
            first = next(iter(beside), None)
        if first is not None:
            self._their_ids.add(first.id)
        return first

    def _get_before(self, index: int) -> Iterator[Checkpoint | None]:
        for number in range(index, 0, -1):
            yield self._replica.chain.get(number)

    def _send(self, piece: Piece) -> Sequence[AnyMessage]:
        self._announced[piece.device] = piece.last
        self._wants.note_theirs(piece.device, piece.last)
        self.entries_sent += len(piece.bodies)
        return take_apart(piece)


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


def compute_digest(replica: Replica, leaves: Sequence[Leaf]) -> bytes:
    """Return the short form of a replica's vector of leaves.

    Of a suspended feed it says whether a branch is held, not which one: none is needed before
    one of them is fixed, save by whoever has none, or not the one that waits to be fixed.
    """
    return compute_hash("leaves", *(_encode_leaf(replica, leaf) for leaf in leaves))


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


def compute_ids_digest(replica: Replica) -> bytes:
    """Return the short form of what is held beside the counted checkpoints."""
    return compute_hash("statements", *sorted(each.id for each in replica.get_beside()))


def _cut_pages(count: int, size: int) -> Iterator[tuple[int, bool]]:
    """Yield where each page of so many things begins, and whether it is the last; at least one."""
    starts = range(0, max(count, 1), size)
    for start in starts:
        yield start, start == starts[-1]


def _digest(data: bytes) -> bytes:
    return compute_hash("statements", data)
