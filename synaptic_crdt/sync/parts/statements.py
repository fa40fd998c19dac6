"""The part of a session that exchanges statements: checkpoints in order, and what lies beside them.

Remembers what the other side is known to have, so that nothing is sent to where it came from.

Answers floods of ids, statements that come again and again, and sequencers that signed twice: each
side shows the other the proof.
"""

from collections.abc import Iterator, Sequence
from typing import ClassVar, Final

from synaptic_crdt.errors import LinkFailed, ProtocolViolation
from synaptic_crdt.state import limits
from synaptic_crdt.state.hashes import compute_hash
from synaptic_crdt.state.replica import Replica
from synaptic_crdt.state.statements import (
    Checkpoint,
    Statement,
    encode_statement,
    stands_before_checkpoints,
)
from synaptic_crdt.sync.budget import Names
from synaptic_crdt.sync.inspection import Admission
from synaptic_crdt.sync.messages import Hello, Ids, Message, Statements
from synaptic_crdt.sync.pages import cut_pages
from synaptic_crdt.sync.parts.part import Intake, Kinds, Part, Phase


class StatementExchange(Part):
    """What both sides have stated, in an order in which each statement can be placed."""

    kinds: ClassVar[Kinds] = (Ids, Statements)

    def __init__(self, replica: Replica, intake: Intake, names: Names) -> None:
        self._replica: Final = replica
        self._names: Final = names
        self._intake: Final = intake
        self.beside: Final = compute_ids_digest(replica)
        self._view: int = replica.chain.view.number
        self._ids: Iterator[Ids] = iter(())
        # Counted checkpoints to send before those that follow what they have.
        self._before: Iterator[Checkpoint | None] = iter(())
        self._their_index = 0
        # Did they count another checkpoint than we where theirs end? Then we have none in common.
        self._is_apart = False
        # Beside the counted checkpoints: what they have by id, and what they sent by its bytes.
        self._their_ids: Final[set[bytes]] = set()
        self._received: Final[dict[bytes, None]] = {}
        self._put_back: bytes | None = None
        self._has_said_all = False
        # What the other side has still to say.
        self._owes_ids = True
        self._owes_statements = True
        self._useless = 0
        self._repeated = 0
        self.sent = 0
        self.received = 0

    @property
    def is_settled(self) -> bool:
        """Have both sides said all that they had?"""
        return self._has_said_all and not self._owes_statements

    @property
    def is_owed(self) -> bool:
        """Has the other side something left to say?"""
        return self._owes_ids or self._owes_statements

    def get_expected(self, phase: Phase) -> Kinds:
        """Return what may come now."""
        if phase is Phase.EXCHANGE:
            return (Ids, Statements)
        return (Statements,) if phase is Phase.LIVE else ()

    def begin(self, hello: Hello, *, is_equal: bool) -> None:
        """Learn what the other side has in common with us."""
        self._view = max(self._view, hello.view)
        self._owes_ids = hello.beside != self.beside
        if not self._owes_ids:
            self._their_ids.update(statement.id for statement in self._replica.get_beside())
        self._note_index(hello.index)
        if is_equal:
            self._owes_statements = False
            self._has_said_all = True
            return
        self._note_difference(hello)
        if self._owes_ids:
            self._ids = self._make_ids()

    def take(self, message: Message) -> None:
        """Take ids of what the other side has, or statements that we seem to lack."""
        if isinstance(message, Ids):
            self._take_ids(message)
            return
        assert isinstance(message, Statements)
        if not message.statements and not (message.last and self._owes_statements):
            raise ProtocolViolation("statements without any")
        if message.last:
            self._owes_statements = False
        self._note_index(message.index)
        self._intake.statements.extend(filter(self._is_news, message.statements))

    def settle(self, admissions: Sequence[Admission]) -> None:
        """Take note of what became of the statements at the gate.

        Raises ``ProtocolViolation`` when too many changed nothing.
        """
        assert len(admissions) == len(self._intake.statements)
        self._intake.statements.clear()
        accepted = admissions.count(Admission.ACCEPT)
        self.received += accepted
        self._useless += len(admissions) - accepted
        # Nobody says a thing twice on one link, so what is useless is held already, or too early.
        if self._useless > self._replica.chain.index + limits.LINK_IDS:
            raise ProtocolViolation("statements that change nothing, again and again")

    def make_next(self, *, is_live: bool) -> Sequence[Message]:
        """Return our ids, then what the other side lacks, then what is new."""
        if (ids := next(self._ids, None)) is not None:
            return [ids]
        if is_live:
            self._check_view()
        elif self._owes_ids or self._has_said_all:
            return []
        if (statements := self.make_lacking()) is not None:
            return [statements]
        if is_live:
            return []
        self._has_said_all = True
        return [self._make_message([], last=True)]

    def make_lacking(self) -> Statements | None:
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
        self.sent += len(batch)
        return self._make_message(batch, last=False)

    def _is_news(self, data: bytes) -> bool:
        """Did a statement not just come over this link? Judging it again would cost a signature.

        Raises ``ProtocolViolation`` when that happens again and again.
        """
        digest = _digest(data)
        if digest in self._received:
            self._repeated += 1
            if self._repeated > limits.REPEATED_STATEMENTS:
                raise ProtocolViolation("the same statements again and again")
            return False
        self._received[digest] = None
        if len(self._received) > limits.REMEMBERED_STATEMENTS:
            del self._received[next(iter(self._received))]
        return True

    def _take_ids(self, message: Ids) -> None:
        if not self._owes_ids or not (message.ids or message.last):
            raise ProtocolViolation("ids after the last ones, or none")
        self._names.add(len(message.ids))
        self._their_ids.update(message.ids)
        if len(self._their_ids) > limits.LINK_IDS:
            raise ProtocolViolation(f"more than {limits.LINK_IDS} statements")
        if message.last:
            self._owes_ids = False

    def _note_index(self, index: int) -> None:
        """Remember that the other side has the counted checkpoints up to ``index``."""
        self._their_index = max(self._their_index, index)

    def _note_difference(self, hello: Hello) -> None:
        """Learn from a hello that differs from ours which checkpoints the other side lacks."""
        chain = self._replica.chain
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
            self._note_index(chain.index)

    def _check_view(self) -> None:
        if self._replica.chain.view.number > self._view:
            # What the other side counted may have to be undone, which only a hello can tell.
            raise LinkFailed("the market was handed over meanwhile; sync again")

    def _make_ids(self) -> Iterator[Ids]:
        ids = [statement.id for statement in self._replica.get_beside()]
        for start, last in cut_pages(len(ids), limits.PAGE_IDS):
            yield Ids(ids=tuple(ids[start : start + limits.PAGE_IDS]), last=last)

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


def compute_ids_digest(replica: Replica) -> bytes:
    """Return the short form of what is held beside the counted checkpoints."""
    return compute_hash("statements", *sorted(each.id for each in replica.get_beside()))


def _digest(data: bytes) -> bytes:
    return compute_hash("statements", data)
