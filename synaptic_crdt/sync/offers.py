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
from synaptic_crdt.state.replica import Replica
from synaptic_crdt.state.statements import encode_statement
from synaptic_crdt.sync.assembly import take_apart
from synaptic_crdt.sync.messages import (
    AnyMessage,
    Hello,
    Leaf,
    Leaves,
    Statements,
    Wanted,
)
from synaptic_crdt.sync.wants import Wants


class Offers:
    """Statements, leaves and pieces for one link, in the order they are to be sent."""

    def __init__(self, replica: Replica, wants: Wants) -> None:
        self._replica: Final = replica
        self._wants: Final = wants
        self._asked: Final[deque[Wanted]] = deque()
        self._moved: Final[dict[bytes, None]] = {}
        self._proofs: Final[deque[bytes]] = deque()
        self._their_index = 0
        self._are_they_halted = False
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
            if row.first > self._replica.get_feed(row.device).sealed_position:
                raise ProtocolViolation(
                    f"feed {row.device.hex()[:16]}: asked from position {row.first} on, which"
                    " nobody announced"
                )
        self._asked.extend(rows)

    def make_opening(self, hello: Hello, leaves: Sequence[Leaf]) -> Iterator[AnyMessage]:
        """Yield statements and leaves for a peer whose hello differs from ours."""
        chain = self._replica.chain
        self._are_they_halted = hello.halted
        self.note_index(hello.index)
        if hello.index <= chain.index and chain.get_id(hello.index) != hello.checkpoint:
            # The sequencer signed twice, and what follows cannot continue theirs. Ours beside
            # theirs is the proof, and they answer with theirs.
            self._prove(hello.index)
            self.note_index(chain.index)
        while (message := self.make_statements()) is not None:
            yield message
        yield self._make_message([], last=True)
        pages = range(0, max(len(leaves), 1), limits.PAGE_LEAVES)
        for start in pages:
            page = tuple(leaves[start : start + limits.PAGE_LEAVES])
            yield Leaves(leaves=page, last=start == pages[-1])

    def make_statements(self) -> Statements | None:
        """Return the next statements that the other side lacks, or None."""
        chain = self._replica.chain
        if chain.conflicts and not self._are_they_halted:
            self._are_they_halted = True
            self._prove(chain.conflicts[0].index)
            self._proofs.append(encode_statement(chain.conflicts[0]))
        batch: list[bytes] = []
        if self._proofs:
            batch.append(self._proofs.popleft())
        else:
            batch.extend(self._take_new_checkpoints())
        if not batch:
            return None
        self.statements_sent += len(batch)
        return self._make_message(batch, last=False)

    def make_answer(self) -> Sequence[AnyMessage]:
        """Return the next piece that was asked for, as messages; none when nothing is due."""
        while self._asked:
            row = self._asked.popleft()
            piece = self._replica.get_feed(row.device).get_piece(row.first)
            # Whoever asks for more pieces than there are gets those that there are.
            if piece is not None:
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
        common = min(self._their_index, self._replica.chain.index)
        return Statements(statements=tuple(statements), index=common, last=last)

    def _prove(self, index: int) -> None:
        """Show our counted checkpoint at ``index`` to a peer that has another."""
        counted = self._replica.chain.get(index)
        assert counted is not None
        self._proofs.append(encode_statement(counted))

    def _take_new_checkpoints(self) -> Iterator[bytes]:
        size = 0
        while (checkpoint := self._replica.chain.get(self._their_index + 1)) is not None:
            data = encode_statement(checkpoint)
            # One that is larger than a frame is filled to travels alone.
            size += len(data)
            if size > limits.FRAME_FILL_BYTES and size > len(data):
                return
            self._their_index += 1
            yield data

    def _send(self, piece: Piece) -> Sequence[AnyMessage]:
        self._wants.note_theirs(piece.device, piece.last)
        self.entries_sent += len(piece.bodies)
        return take_apart(piece)


def make_leaves(replica: Replica) -> list[Leaf]:
    """Return the vector of leaves: what is sealed of every feed held, sorted by device.

    A closed feed counts up to its end, so that all who hold that much say the same.
    """
    leaves: list[Leaf] = []
    for rank, (device, feed) in enumerate(replica.feeds.items()):
        position = min(feed.sealed_position, feed.end)
        if position:
            leaves.append(Leaf(device, position, feed.get_id(position), rank))
    leaves.sort(key=lambda leaf: leaf.device)
    return leaves


def compute_digest(leaves: Sequence[Leaf]) -> bytes:
    """Return the short form of a vector of leaves."""
    rows = (leaf.device + leaf.position.to_bytes(8, "big") + leaf.id for leaf in leaves)
    return compute_hash("leaves", *rows)
