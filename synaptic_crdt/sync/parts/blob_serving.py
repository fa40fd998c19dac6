"""The part of a session that serves blobs: a piece at a time, to whom the node lets have them.

Whether a blob is not here or not for who asks is not told.

Answers floods of asks, and peers that ask for what is not theirs.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import ClassVar, Final

from synaptic_crdt.errors import ProtocolViolation
from synaptic_crdt.state import limits
from synaptic_crdt.sync.blobs import Blobs
from synaptic_crdt.sync.messages import Message
from synaptic_crdt.sync.parts.blob_messages import BlobAsk, BlobGone, BlobOutline, BlobPiece
from synaptic_crdt.sync.parts.part import Kinds, Part, Phase


class BlobServing(Part):
    """Answers the other side's asks, in their order."""

    kinds: ClassVar[Kinds] = (BlobAsk,)

    def __init__(self, blobs: Blobs, device: bytes, is_informed: Callable[[], bool]) -> None:
        """``device`` is whose the other end is, as it has shown.

        While not ``is_informed``, entries are on their way here that may say what is its to have.
        """
        self._blobs: Final = blobs
        self._device: Final = device
        self._is_informed: Final = is_informed
        self._asked: Final[deque[BlobAsk]] = deque()

    @property
    def is_settled(self) -> bool:
        """Nothing is asked for here."""
        return True

    @property
    def is_owed(self) -> bool:
        """Does the other side wait for what it asked for?"""
        return bool(self._asked)

    def get_expected(self, phase: Phase) -> Kinds:
        """Return what may come now."""
        return () if phase is Phase.ENDING else (BlobAsk,)

    def take(self, message: Message) -> None:
        """Take an ask."""
        assert isinstance(message, BlobAsk)
        # Even for what is not here no more than that can be on its way.
        if len(self._asked) >= limits.BLOB_PIECES_ASKED:
            raise ProtocolViolation(
                f"more than {limits.BLOB_PIECES_ASKED} asks for blobs at a time"
            )
        self._asked.append(message)

    def make_next(self, *, is_live: bool) -> Sequence[Message]:
        """Return the next answer."""
        del is_live
        if not self._asked or not self._is_informed():
            return []
        ask = self._asked.popleft()
        held = self._blobs.find(ask.blob, self._device)
        if held is None:
            return [BlobGone(blob=ask.blob)]
        if not ask.count:
            return [BlobOutline(blob=ask.blob, hashes=held.outline)]
        piece = held.read_piece(ask.first)
        if piece is None:
            return [BlobGone(blob=ask.blob)]
        if ask.count > 1:
            rest = BlobAsk(blob=ask.blob, first=ask.first + 1, count=ask.count - 1)
            self._asked.appendleft(rest)
        return [BlobPiece(blob=ask.blob, number=ask.first, data=piece)]
