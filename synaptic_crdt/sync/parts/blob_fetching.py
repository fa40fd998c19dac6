"""The part of a session that fetches blobs: what is wanted here, from whoever turns out to have it.

A blob of several pieces begins with its outline, which is verified against its name; each piece is
verified against the outline when it comes, and kept. A link that is cut loses nothing of that, and
no piece that was verified is ever asked for again. One blob is fetched over one link at a time.

Memory is bounded by the outlines of what is asked for, 32 KiB each, and one piece.

Answers lies (found at the first wrong piece), blobs without an end, pieces and outlines that nobody
asked for, and whoever does not have a blob: it is asked again in another turn only. Whoever says nothing
at all is the driver's to give up: see ``is_waiting`` and ``answers``.
"""

from collections import deque
from collections.abc import Sequence
from typing import ClassVar, Final

import msgspec

from synaptic_crdt.errors import Forged, ProtocolViolation
from synaptic_crdt.state import limits
from synaptic_crdt.state.outline import count_pieces, get_piece_size, hash_piece, name_outline
from synaptic_crdt.sync.blobs import Blobs, WantedBlob
from synaptic_crdt.sync.messages import Message
from synaptic_crdt.sync.parts.blob_messages import BlobAsk, BlobGone, BlobOutline, BlobPiece
from synaptic_crdt.sync.parts.part import Kinds, Part, Phase


class _Fetch(msgspec.Struct):
    """A blob on its way here: its next piece, and the end of what was asked for at once.

    The outline is empty until it has come.
    """

    blob: WantedBlob
    pieces: int
    outline: bytes
    next: int = 0
    asked: int = 0

    @property
    def name(self) -> bytes:
        return self.blob.name

    @property
    def weight(self) -> int:
        """How much of what may be asked for at a time it takes up."""
        return max(self.asked - self.next, 1)


class BlobFetching(Part):
    """Asks for what is wanted, and verifies and keeps what comes."""

    kinds: ClassVar[Kinds] = (BlobOutline, BlobPiece, BlobGone)

    def __init__(self, blobs: Blobs) -> None:
        self._blobs: Final = blobs
        self._wanted: Final[deque[WantedBlob]] = deque()
        # Begun and not asked for at the moment, and asked for, in the order of the answers.
        self._ready: Final[deque[_Fetch]] = deque()
        self._asked: Final[deque[_Fetch]] = deque()
        # What the other side does not have, or not for us.
        self._gone: Final[set[bytes]] = set()
        self._turn = blobs.turn
        self._has_news = False
        self.answers = 0

    @property
    def is_waiting(self) -> bool:
        """Does the other side owe an answer?"""
        return bool(self._asked)

    @property
    def is_settled(self) -> bool:
        """Is there nothing to ask for, and nothing asked?"""
        return not (self._wanted or self._ready or self._asked)

    @property
    def is_owed(self) -> bool:
        """The other side may be done before it has answered."""
        return False

    def close(self) -> None:
        """Let other links fetch what this one has begun."""
        for fetch in (*self._ready, *self._asked):
            self._blobs.leave(fetch.name)

    def get_expected(self, phase: Phase) -> Kinds:
        """Return what may come now."""
        del phase
        return self.kinds if self._asked else ()

    def look(self) -> None:
        """See what is wanted here and the other side may have, once all is settled."""
        if self._turn != self._blobs.turn:
            self._turn = self._blobs.turn
            self._gone.clear()
        wanted = self._blobs.get_wanted()
        self._wanted.extend(blob for blob in wanted if blob.name not in self._gone)

    def note_wanted(self) -> None:
        """Take note that more may be wanted."""
        self._has_news = True

    def make_next(self, *, is_live: bool) -> Sequence[Message]:
        """Return what to ask for, within what may be on its way at a time."""
        if is_live and self._has_news and self.is_settled:
            self._has_news = False
            self.look()
        asks: list[BlobAsk] = []
        room = limits.BLOB_PIECES_ASKED - sum(fetch.weight for fetch in self._asked)
        while room > 0 and (fetch := self._take_ready()) is not None:
            ask = _make_ask(fetch, room)
            self._asked.append(fetch)
            room -= fetch.weight
            asks.append(ask)
        return asks

    def take(self, message: Message) -> None:
        """Take an answer to what was asked for longest ago."""
        assert isinstance(message, BlobOutline | BlobPiece | BlobGone)
        fetch = self._asked[0]
        if message.blob != fetch.name:
            raise ProtocolViolation(
                f"an answer about blob {message.blob.hex()[:16]}, where {fetch.name.hex()[:16]} was"
                " asked for"
            )
        self.answers += 1
        match message:
            case BlobOutline():
                self._take_outline(fetch, message.hashes)
            case BlobPiece():
                self._take_piece(fetch, message)
            case _:
                self._asked.popleft()
                self._gone.add(fetch.name)
                self._blobs.leave(fetch.name)

    def _take_ready(self) -> _Fetch | None:
        """Return a blob to go on with, or the next one that is wanted."""
        if self._ready:
            return self._ready.popleft()
        while self._wanted:
            blob = self._wanted.popleft()
            if self._blobs.begin(blob):
                pieces = count_pieces(blob.size)
                # The name of what is one piece says all that an outline would.
                return _Fetch(blob, pieces, blob.name if pieces == 1 else b"")
        return None

    def _take_outline(self, fetch: _Fetch, outline: bytes) -> None:
        if fetch.outline:
            raise ProtocolViolation(f"blob {fetch.name.hex()[:16]}: an outline nobody asked for")
        if len(outline) != fetch.pieces * limits.HASH_BYTES or name_outline(outline) != fetch.name:
            raise Forged(f"blob {fetch.name.hex()[:16]}: not its outline")
        fetch.outline = outline
        fetch.next = fetch.asked = self._blobs.resume(fetch.blob, outline)
        self._end_ask(fetch)

    def _take_piece(self, fetch: _Fetch, message: BlobPiece) -> None:
        number = message.number
        if number != fetch.next or number >= fetch.asked:
            raise ProtocolViolation(
                f"blob {fetch.name.hex()[:16]}: nobody asked for piece {number} now"
            )
        start = number * limits.HASH_BYTES
        if (
            len(message.data) != get_piece_size(fetch.blob.size, number)
            or hash_piece(message.data) != fetch.outline[start : start + limits.HASH_BYTES]
        ):
            raise Forged(f"blob {fetch.name.hex()[:16]}: piece {number} is not what it should be")
        self._blobs.keep(fetch.blob, message.data)
        fetch.next += 1
        if fetch.next == fetch.asked:
            self._end_ask(fetch)

    def _end_ask(self, fetch: _Fetch) -> None:
        """All that was asked for is here: go on, or end."""
        self._asked.popleft()
        if fetch.next < fetch.pieces:
            self._ready.append(fetch)
        else:
            self._blobs.finish(fetch.blob)


def _make_ask(fetch: _Fetch, room: int) -> BlobAsk:
    """Return what to ask for next of a blob: its outline, or some of its pieces."""
    if fetch.outline:
        fetch.asked = min(fetch.next + room, fetch.pieces)
    return BlobAsk(blob=fetch.name, first=fetch.next, count=fetch.asked - fetch.next)
