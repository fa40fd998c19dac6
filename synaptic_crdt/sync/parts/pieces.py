"""The part of a session that moves entries: wants, pieces, and what is new as it comes.

Pieces are made one at a time, when the link has room for them, and taken one at a time: what the
other side has begun is never more than its header announced.

Answers wants for what nobody announced, pieces that nobody asked for, huge announcements, and
the same entries again and again, brought or asked for.
"""

from collections import deque
from collections.abc import Sequence
from typing import ClassVar, Final

from synaptic_crdt.errors import ProtocolViolation, StoreDamaged
from synaptic_crdt.state import limits
from synaptic_crdt.state.feeds import Piece
from synaptic_crdt.state.replica import Replica
from synaptic_crdt.sync.assembly import Assembly, take_apart
from synaptic_crdt.sync.budget import Budget
from synaptic_crdt.sync.inspection import Admission
from synaptic_crdt.sync.messages import Bodies, Gone, Header, Message, Want, Wanted
from synaptic_crdt.sync.parts.forks import Forks
from synaptic_crdt.sync.parts.part import Intake, Kinds, Part, Phase
from synaptic_crdt.sync.wants import Wants


class Pieces(Part):
    """Asks for what we lack, serves what the other side asks for, pushes what is new."""

    kinds: ClassVar[Kinds] = (Want, Header, Bodies, Gone)

    def __init__(
        self, replica: Replica, wants: Wants, forks: Forks, intake: Intake, budget: Budget
    ) -> None:
        self._replica: Final = replica
        self._wants: Final = wants
        self._forks: Final = forks
        self._intake: Final = intake
        self._budget: Final = budget
        self._reserved = 0
        # What the other side has begun: its header, and its bodies once there is room for them.
        self._header: Header | None = None
        self._assembly: Assembly | None = None
        self._asked: Final[deque[Wanted]] = deque()
        self._moved: Final[dict[bytes, None]] = {}
        self._may_push = False
        self._useless = 0
        # Up to where what was asked for of a feed was sent, and how many entries were sent again.
        self._served: Final[dict[bytes, int]] = {}
        self._served_again = 0
        self.sent = 0
        self.received = 0

    @property
    def has_begun(self) -> bool:
        """Is a piece on its way, of which nothing but bodies may come next?"""
        return self._header is not None

    @property
    def is_settled(self) -> bool:
        """Is there nothing to ask for, and nothing asked?"""
        return self._wants.is_settled

    @property
    def is_owed(self) -> bool:
        """Does the other side wait for pieces it asked for?"""
        return bool(self._asked)

    @property
    def buffered(self) -> int:
        """The bytes of the piece that is on its way."""
        return self._assembly.size if self._assembly else 0

    def has_room(self) -> bool:
        """Is there memory for the piece that is on its way?"""
        header = self._header
        if header is not None and self._assembly is None:
            if not self._budget.reserve(self, header.size):
                return False
            self._reserved += header.size
            self._assembly = Assembly(header)
        return True

    def close(self) -> None:
        """Give back what is reserved: the link has ended."""
        self._budget.leave(self)
        self._give_back(self._reserved)

    def get_expected(self, phase: Phase) -> Kinds:
        """Return what may come now."""
        if self.has_begun:
            return (Bodies,)
        return (Header, Gone) if phase is Phase.ENDING else (Want, Header, Gone)

    def take(self, message: Message) -> None:
        """Take a want, or what we asked for."""
        match message:
            case Want():
                self._take_want(message.feeds)
            case Header():
                self._take_header(message)
            case Bodies():
                self._take_bodies(message)
            case _:
                assert isinstance(message, Gone)
                if not self._wants.note_gone(message.device):
                    raise ProtocolViolation("gone is what nobody asked for")

    def allow_pushes(self) -> None:
        """Push from here on, beginning with what came meanwhile, and take what is pushed."""
        self._may_push = True
        self.note_moved(tuple(self._replica.feeds))

    def note_moved(self, devices: Sequence[bytes]) -> None:
        """Push what is new in these feeds."""
        self._moved.update(dict.fromkeys(devices))

    def note_news(self, devices: Sequence[bytes]) -> None:
        """Take note that feeds moved here, or statements came, whoever brought them."""
        readmitted = self._wants.readmit()
        self.note_moved(readmitted)
        # Of a branch that is to give way the other side may have shown no other here.
        for device in (*readmitted, *self._replica.branches.forks.get_devices()):
            self._forks.look(device)
        if devices:
            for device in devices:
                self._wants.note_cut(device)
                self._wants.add(device)
            self._wants.note_feeds()
            self.note_moved(devices)

    def settle(self, admissions: Sequence[Admission]) -> None:
        """Take note of what became of the pieces at the gate.

        Raises ``ProtocolViolation`` when too much of it was of no use.
        """
        offered = tuple(self._intake.pieces)
        self._intake.pieces.clear()
        for piece, admission in zip(offered, admissions, strict=True):
            if admission is Admission.ACCEPT:
                self.received += len(piece.bodies)
            elif admission is Admission.FORK:
                if not self._wants.is_stale(piece):
                    self._forks.meet(piece)
            elif admission is Admission.IGNORE or self._wants.has_gap(piece):
                self._useless += len(piece.bodies)
            self._wants.settle(piece, admission)
        self._give_back(sum(len(body) for piece in offered for body in piece.bodies))
        # A position is sent once over a link, and asked for once while others may bring it.
        if self._useless > 2 * self._replica.entries + limits.USELESS_ENTRIES:
            raise ProtocolViolation(
                "entries that are held, or that nobody can place, again and again"
            )

    def make_next(self, *, is_live: bool) -> Sequence[Message]:
        """Return what to ask for, or the next piece."""
        if wants := list(self._wants.take_requests()):
            return wants
        return self._make_answer() or (self._make_push() if is_live else [])

    def _take_want(self, rows: Sequence[Wanted]) -> None:
        if len(self._asked) + len(rows) > limits.WANTS:
            raise ProtocolViolation(f"more than {limits.WANTS} wants at a time")
        for row in rows:
            held = self._replica.get_feed(row.device).sealed_position
            if row.first > max(held, self._wants.get_announced(row.device)):
                raise ProtocolViolation(
                    f"feed {row.device.hex()[:16]}: asked from position {row.first} on, which"
                    " nobody announced"
                )
            self._wants.note_asked(row.device, row.first)
        self._asked.extend(rows)

    def _take_header(self, header: Header) -> None:
        if not self._may_push and not self._wants.is_next(header.device, header.first):
            raise ProtocolViolation(
                f"feed {header.device.hex()[:16]}: nobody asked for a piece at {header.first}"
            )
        self._wants.check_room(header.device)
        self._header = header

    def _take_bodies(self, message: Bodies) -> None:
        assert self._assembly is not None
        piece = self._assembly.add(message.bodies)
        if piece is None:
            return
        self._header = self._assembly = None
        self._wants.take_piece(piece)
        self._wants.reconsider(piece)
        if self._wants.is_left_out(piece.device):
            # What follows a fork cannot be placed either.
            self._give_back(sum(map(len, piece.bodies)))
        else:
            self._intake.pieces.append(piece)

    def _make_answer(self) -> Sequence[Message]:
        if not self._asked:
            return []
        row = self._asked.popleft()
        piece = self._read_piece(row.device, row.first)
        if piece is None:
            return [Gone(device=row.device)]
        self._note_served(piece)
        if row.pieces > 1:
            self._asked.appendleft(Wanted(row.device, piece.last + 1, row.pieces - 1))
        return self._send(piece)

    def _note_served(self, piece: Piece) -> None:
        """Take note of what is asked for again: it had to wait for its issuer, or for its quota.

        Raises ``ProtocolViolation`` when that is too much of it.
        """
        if piece.last <= self._served.get(piece.device, 0):
            self._served_again += len(piece.bodies)
        self._served[piece.device] = max(piece.last, self._served.get(piece.device, 0))
        if self._served_again > 2 * self._replica.entries + limits.USELESS_ENTRIES:
            raise ProtocolViolation("asked for the same entries again and again")

    def _make_push(self) -> Sequence[Message]:
        """Return the next piece that moved and the other side lacks; none when there is none."""
        while self._moved:
            device = next(iter(self._moved))
            if not self._wants.is_left_out(device):
                first = self._wants.get_theirs(device) + 1
                feed = self._replica.get_feed(device)
                piece = self._read_piece(device, first)
                if piece is not None and first <= feed.end:
                    return self._send(piece)
            del self._moved[device]
        return []

    def _give_back(self, size: int) -> None:
        self._reserved -= size
        self._budget.give_back(size)

    def _read_piece(self, device: bytes, first: int) -> Piece | None:
        """Return a piece to send; a feed that is damaged in storage stops no other one."""
        try:
            return self._replica.get_feed(device).get_piece(first)
        except StoreDamaged:
            # Whoever reads storage has noted it; the next one who opens it says what is wrong.
            return None

    def _send(self, piece: Piece) -> Sequence[Message]:
        self._wants.announce(piece.device, piece.last)
        self._wants.note_theirs(piece.device, piece.last)
        self.sent += len(piece.bodies)
        return take_apart(piece)
