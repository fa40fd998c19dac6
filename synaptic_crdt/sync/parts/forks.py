"""The part of a session that finds where two histories of a feed part.

Answers floods of questions: one at a time, and a search of one's own for a feed only once.
"""

from collections import deque
from collections.abc import Sequence
from typing import ClassVar, Final

from synaptic_crdt.errors import ProtocolViolation
from synaptic_crdt.state.feeds import Piece
from synaptic_crdt.state.replica import Replica
from synaptic_crdt.state.statements import FrontierItem
from synaptic_crdt.sync.events import ForkFound
from synaptic_crdt.sync.messages import Marks, Message, Probe, Trace, Traced
from synaptic_crdt.sync.parting import Parted, Partings, make_marks, make_traced
from synaptic_crdt.sync.parts.part import Intake, Kinds, Part, Phase
from synaptic_crdt.sync.wants import Wants


class Forks(Part):
    """Asks and answers where feeds part; leaves them out of the link until that is decided."""

    kinds: ClassVar[Kinds] = (Probe, Marks, Trace, Traced)

    def __init__(self, replica: Replica, wants: Wants, intake: Intake) -> None:
        self._replica: Final = replica
        self._wants: Final = wants
        self._intake: Final = intake
        self._partings: Final = Partings(replica)
        self._questions: Final[deque[Probe | Trace]] = deque()
        # By device: which branch the other side was last asked for, and how much it had then.
        self._looked: Final[dict[bytes, tuple[FrontierItem, int]]] = {}

    @property
    def is_settled(self) -> bool:
        """Is nothing searched for?"""
        return self._partings.is_settled

    @property
    def is_owed(self) -> bool:
        """Does a question of the other side wait for its answer?"""
        return bool(self._questions)

    def get_expected(self, phase: Phase) -> Kinds:
        """Return what may come now."""
        owed = self._partings.expected
        return owed if phase is Phase.ENDING else (Probe, Trace, *owed)

    def take(self, message: Message) -> None:
        """Take a question, or the answer to ours."""
        match message:
            case Probe() | Trace():
                if self._questions:
                    raise ProtocolViolation("a question before the last one was answered")
                self._questions.append(message)
            case Marks():
                self._take_parted(self._partings.take_marks(message))
            case _:
                assert isinstance(message, Traced)
                self._take_parted(self._partings.take_traced(message))

    def make_next(self, *, is_live: bool) -> Sequence[Message]:
        """Return the answer to a question, or the next question."""
        del is_live
        if self._questions:
            return [self._answer(self._questions.popleft())]
        question = self._partings.take_request()
        return [] if question is None else [question]

    def search(self, device: bytes, position: int) -> None:
        """Leave a feed out, whose ids differ at ``position``, and find out where it parts."""
        if not self._wants.is_left_out(device):
            self._wants.leave_out(device)
            self._partings.add(device, position)

    def look(self, device: bytes) -> None:
        """Find out whether the other side has the branch that is awaited, where ours is another."""
        branches = self._replica.branches
        awaited, theirs = branches.get_awaited(device), self._wants.get_theirs(device)
        if awaited is None:
            return
        is_there = theirs >= awaited.position and branches.has_branch(device)
        if is_there and self._looked.get(device) != (awaited, theirs):
            self._looked[device] = awaited, theirs
            end = min(self._replica.get_feed(device).position, awaited.position)
            self._partings.look(device, end)

    def compare(self, device: bytes, end: int) -> None:
        """Find out whether both sides hold the same, up to ``end``, of what does not count."""
        branches = self._replica.branches
        is_open = branches.get_limit(device) is not None and not branches.has_branch(device)
        if is_open and end <= self._replica.get_feed(device).position:
            self._partings.look(device, end)

    def meet(self, piece: Piece) -> None:
        """Leave a feed out that parts from what is held here, and find out where if need be."""
        feed = self._replica.get_feed(piece.device)
        before = piece.first - 1
        if before <= feed.position and piece.predecessor != feed.get_id(before):
            self.search(piece.device, before)
        elif not self._wants.is_left_out(piece.device):
            self._wants.leave_out(piece.device)
            proofs = self._replica.branches.forks.get_proofs(piece.device)
            proved = (p.position for p in proofs if piece.first <= p.position <= piece.last)
            position = next(proved, piece.first)
            self._intake.events.append(ForkFound(piece.device, position, is_fixed=False))
            self.look(piece.device)

    def _take_parted(self, parted: Parted | None) -> None:
        if parted is None:
            return
        device, position = parted.device, parted.position
        if parted.proof is not None:
            self._intake.statements.append(parted.proof)
        if parted.fixed and self._replica.branches.is_awaiting(device):
            self._wants.follow(device, position, parted.fixed)
        elif not self._wants.is_left_out(device):
            self._wants.leave_out(device)
        if position <= self._replica.get_feed(device).position:
            self._intake.events.append(ForkFound(device, position, bool(parted.fixed)))

    def _answer(self, question: Probe | Trace) -> Marks | Traced:
        if isinstance(question, Probe):
            return make_marks(self._replica, question)
        return make_traced(self._replica, question)
