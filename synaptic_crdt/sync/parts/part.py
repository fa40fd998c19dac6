"""What a session is made of: parts, each with messages, memory and a say of its own.

A part is one sub-protocol as a value: it takes the messages of its kinds and makes its own, one
step at a time. To add one:

1. declare its messages where it is, as subclasses of ``Message`` with tags nobody else has, every
   field bounded;
2. write a subclass of ``Part``: ``kinds`` names what it takes, ``get_expected``
   says when; ``buffered`` counts the bytes that it keeps of what the other side has begun, which
   it bounds itself, before it keeps them; what is large it reserves of the ``Budget`` that all
   links share, and ``has_room`` says whether there was room;
3. put it into the session's list: among those that are asked for their next step in order of
   urgency, or among those that move much and take turns, so that none waits for another's end.

The session does the rest: it cuts, decodes and routes, ends the link with whoever speaks out of
turn, says done when every part is settled, and takes nothing that ``has_begun`` apart. What a part
brings for the gate goes into the ``Intake`` that all parts of a session share.
"""

from collections.abc import Sequence
from enum import Enum
from typing import ClassVar, Final, Protocol

from synaptic_crdt.state.feeds import Piece
from synaptic_crdt.sync.events import Event, Offered
from synaptic_crdt.sync.messages import Hello, Message

Kinds = tuple[type[Message], ...]


class Phase(Enum):
    """How far a session is, after both hellos."""

    EXCHANGE = "exchange"  # the other side has not said done
    ENDING = "ending"  # it has, and asks for nothing more; it answers what it was asked
    LIVE = "live"  # it has, and the link stays


class Part(Protocol):
    """One sub-protocol of one session, to be subclassed."""

    # All kinds of message that this part takes, ever.
    kinds: ClassVar[Kinds]

    @property
    def has_begun(self) -> bool:
        """Did the other side begin something that has to come whole before anything else?"""
        return False

    @property
    def is_settled(self) -> bool:
        """Is there nothing for us to learn or to ask, so that we may say done?"""
        ...

    @property
    def is_owed(self) -> bool:
        """Is something open that the other side cannot be done before?"""
        ...

    @property
    def buffered(self) -> int:
        """The bytes kept of what the other side has begun to send."""
        return 0

    def has_room(self) -> bool:
        """Is there memory for what the other side has begun? If not, no more is read; ask again."""
        return True

    def close(self) -> None:
        """Give back what is reserved: the link has ended."""

    def get_expected(self, phase: Phase) -> Kinds:
        """Return what may come now; alone of all if ``has_begun``."""
        ...

    def begin(self, hello: Hello, *, is_equal: bool) -> None:
        """Take the other side's hello; with equal short forms there is nothing to exchange."""

    def take(self, message: Message) -> None:
        """Take a message of one of ``kinds``, which may come now.

        Raises ``MalformedInput`` or ``ProtocolViolation`` when its content is a lie.
        """
        ...

    def make_next(self, *, is_live: bool) -> Sequence[Message]:
        """Return the next step of what this part has to say, as messages; none for nothing.

        ``is_live``: both sides are done, and what becomes new is told unasked.
        """
        ...


class Intake:
    """What came and the driver has not taken yet."""

    def __init__(self) -> None:
        self.pieces: Final[list[Piece]] = []
        self.statements: Final[list[bytes]] = []
        # What is to be told after the pieces and statements were offered.
        self.events: Final[list[Event]] = []

    @property
    def is_empty(self) -> bool:
        """Is nothing at the gate, and nothing on its way there?"""
        return not self.pieces and not self.statements

    def make_offer(self) -> Offered | None:
        """Return what is to be taken to the gate; it stays here until it is settled."""
        if self.is_empty:
            return None
        return Offered(tuple(self.pieces), tuple(self.statements))
