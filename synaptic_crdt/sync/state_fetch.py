"""Fetching a checkpoint's state over a link, for a home that holds nothing yet.

The protocol as a value, as ``session`` is, and the other end of what a session serves to whoever
says ``state ask`` in place of hello. What is offered is the file that ``bundle write --state``
makes, in sections that are fetched as blobs are: each piece verified as it comes, kept, and never
asked for again. So a link that is cut costs nothing if the same state is offered again.

That the pieces are those which were offered says nothing about the state: whoever fetched it opens
it as it opens such a file, and believes nothing else.

Answers offers without an end, sections of odd sizes, and whatever ``blob_fetching`` answers.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from synaptic_crdt.errors import LinkFailed, ProtocolViolation
from synaptic_crdt.state import limits
from synaptic_crdt.sync.blobs import Blobs
from synaptic_crdt.sync.messages import (
    FrameReader,
    Hello,
    Message,
    check_preface,
    decode_message,
    encode_frame,
    get_tag,
    make_preface,
)
from synaptic_crdt.sync.parts.blob_fetching import BlobFetching
from synaptic_crdt.sync.parts.blob_messages import BlobGone
from synaptic_crdt.sync.parts.part import Kinds, Phase
from synaptic_crdt.sync.parts.state_messages import StateAsk, StateOffer

_KINDS: Final = {
    get_tag(kind): kind for kind in (Hello, StateOffer, *BlobFetching.kinds)
}  # fmt: skip


class StateFetch:
    """The end of a link that fetches. Drive it by ``receive`` and ``data_to_send``."""

    def __init__(self, market: bytes, take_offer: Callable[[StateOffer], Blobs]) -> None:
        """``take_offer`` returns where sections go; it may raise when they are too many."""
        self._market: Final = market
        self._take_offer: Final = take_offer
        self._reader: Final = FrameReader()
        self._outbox: Final = deque([make_preface(market) + encode_frame(StateAsk())])
        self._has_preface = False
        self._has_hello = False
        self._fetching: BlobFetching | None = None

    @property
    def is_finished(self) -> bool:
        """Is everything here that was offered?"""
        return self._fetching is not None and self._fetching.is_settled

    @property
    def answers(self) -> int:
        """How often the other side has answered."""
        return 0 if self._fetching is None else 1 + self._fetching.answers

    def receive(self, data: bytes) -> None:
        """Take bytes from the other side.

        Raises ``MalformedInput``, ``ProtocolViolation``, ``Forged``, ``WrongMarket``,
        ``VersionMismatch``, ``StoreFailed``, or ``LinkFailed`` when there is nothing to be had.
        """
        self._reader.feed(data)
        if not self._has_preface:
            preface = self._reader.take_preface()
            if preface is None:
                return
            check_preface(self._market, preface)
            self._has_preface = True
        while (payload := self._reader.take_payload()) is not None:
            self._handle(decode_message(payload, _KINDS))

    def data_to_send(self) -> bytes:
        """Return the next bytes to send, or none while there is nothing to say."""
        if self._fetching is not None:
            self._outbox.extend(map(encode_frame, self._fetching.make_next(is_live=False)))
        data = b"".join(self._outbox)
        self._outbox.clear()
        return data

    def close(self) -> None:
        """Note that the link has ended."""
        if self._fetching is not None:
            self._fetching.close()

    def _handle(self, message: Message) -> None:
        expected = self._get_expected()
        if not isinstance(message, expected):
            kinds = ", ".join(kind.__name__ for kind in expected) or "nothing"
            raise ProtocolViolation(f"{type(message).__name__} came where {kinds} may come")
        match message:
            case Hello():
                # What it holds is of no use to who holds nothing.
                self._has_hello = True
            case StateOffer():
                self._take_offered(message)
            case _:
                assert self._fetching is not None
                self._fetching.take(message)
                if isinstance(message, BlobGone):
                    raise LinkFailed("the other end has that state no more; try again")

    def _get_expected(self) -> Kinds:
        if not self._has_hello:
            return (Hello,)
        if self._fetching is None:
            return (StateOffer,)
        return self._fetching.get_expected(Phase.EXCHANGE)

    def _take_offered(self, offer: StateOffer) -> None:
        if not offer.sections:
            raise LinkFailed(
                "the other end offers no state: no checkpoint counts there whose root is its own;"
                " join without a checkpoint, or try another peer"
            )
        if any(section.size != limits.BLOB_BYTES for section in offer.sections[:-1]):
            raise ProtocolViolation("a state in sections of odd sizes")
        self._fetching = BlobFetching(self._take_offer(offer))
        self._fetching.look()
