"""The session: how two peers that hold parts of one market come to hold the same.

The protocol as a value: bytes in and events out, and bytes to send when the driver asks for them.
It reads a replica and changes nothing: what the other side offers goes out as an ``Offered``
event, the driver takes it to the gate, and answers with ``settle``. Pieces of blobs, which no gate
has to judge, are handed to ``Blobs`` once they are verified. No clock, no store, no task. Both
sides run the same code.

Order of a session: preface, hello; when the short forms differ, the parts exchange what differs
(``parts/``: leaves, statements, forks, pieces, and blobs last), until both sides are done. A link
that both sides want live goes on: what becomes durable is pushed, and relayed, but never to where it
came from.

Whoever holds nothing may say ``state ask`` in place of hello: then it is served a checkpoint's state
(see ``state_fetch``), and nothing else.

Memory is bounded by one frame, one piece, the vector of leaves and the wants on their way; pieces
are served one at a time, as the driver asks for bytes. Whatever breaks shape, order or limits
raises, and the session must then be dropped with its link.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final

from synaptic_crdt.errors import LinkFailed, ProtocolViolation
from synaptic_crdt.state import limits
from synaptic_crdt.state.replica import Replica
from synaptic_crdt.sync.blobs import NO_BLOBS, Blobs
from synaptic_crdt.sync.budget import Budget, Names
from synaptic_crdt.sync.events import NOBODY, Counts, Event, Greeted, Reconciled, Role
from synaptic_crdt.sync.inspection import Admission
from synaptic_crdt.sync.messages import (
    Done,
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
from synaptic_crdt.sync.parts.blob_serving import BlobServing
from synaptic_crdt.sync.parts.forks import Forks
from synaptic_crdt.sync.parts.part import Intake, Kinds, Part, Phase
from synaptic_crdt.sync.parts.pieces import Pieces
from synaptic_crdt.sync.parts.reconciling import Reconciling
from synaptic_crdt.sync.parts.state_messages import StateAsk
from synaptic_crdt.sync.parts.statements import StatementExchange
from synaptic_crdt.sync.wants import Wants

_FRAMES_AT_ONCE: Final = 16


class Session:
    """One end of a link. Drive it by ``receive``, ``take_events``, ``settle``, ``data_to_send``."""

    def __init__(
        self,
        replica: Replica,
        *,
        live: bool,
        role: Role,
        clock_ms: int,
        nonce: bytes,
        budget: Budget,
        device: bytes = NOBODY,
        peer: bytes = NOBODY,
        blobs: Blobs = NO_BLOBS,
    ) -> None:
        """``nonce``: 16 random bytes that nobody knew before; ``budget`` is shared by all links.

        ``device`` is whose end this is, ``peer`` whose the other one is, as it has shown.
        """
        self._replica: Final = replica
        self._live: Final = live
        self._clock_ms: Final = clock_ms
        self._reader: Final = FrameReader()
        self._outbox: Final[deque[bytes]] = deque()
        self._events: Final[list[Event]] = []
        self._intake: Final = Intake()
        # The parts. Those that are asked first what they have to say are few words each; those
        # that move much take turns.
        self._names: Final = Names(budget)
        self._wants: Final = Wants(replica, self._names)
        forks = Forks(replica, self._wants, self._intake)
        reconciling = Reconciling(replica, self._wants, forks, nonce)
        self._statements: Final = StatementExchange(replica, self._intake, self._names)
        self._pieces: Final = Pieces(replica, self._wants, forks, self._intake, budget)
        self._urgent: Final[tuple[Part, ...]] = (reconciling, self._statements, forks)
        self._fetching: Final = BlobFetching(blobs)
        self._serving: Final = BlobServing(blobs, peer, self._has_all_entries)
        self._in_turn: Final = deque[Part]((self._pieces, self._fetching, self._serving))
        self._parts: Final[tuple[Part, ...]] = (*self._urgent, *self._in_turn)
        self._part_by_kind: Final = {kind: part for part in self._parts for kind in part.kinds}
        self._kinds: Final = {
            get_tag(kind): kind for kind in (Hello, StateAsk, Done, *self._part_by_kind)
        }
        # Does the other side want nothing but a state to begin with?
        self._is_asked_for_state = False
        self._blobs: Final = blobs
        # What both sides said themselves.
        self._has_preface = False
        self._their_hello: Hello | None = None
        self._their_done: Done | None = None
        self._our_done: Done | None = None
        self._bytes_sent = 0
        self._bytes_received = 0
        self.frames_received = 0
        # Does what the other side has begun wait for memory? Then read no more; ask again by
        # ``receive`` with nothing when the budget tells.
        self.is_paused = False
        self._hello: Final = Hello(
            view=replica.chain.view.number,
            index=replica.chain.index,
            checkpoint=replica.chain.head,
            beside=self._statements.beside,
            leaves=reconciling.digest,
            feeds=reconciling.feeds,
            nonce=nonce,
            clock_ms=clock_ms,
            live=live,
            role=role,
            device=device,
        )
        self._outbox.append(make_preface(replica.market))
        self._say(self._hello)

    # -- what the driver sees ----------------------------------------------------------------

    @property
    def counts(self) -> Counts:
        """What has moved so far."""
        return Counts(
            entries_sent=self._pieces.sent,
            entries_received=self._pieces.received,
            entries_held=self._wants.entries_held,
            statements_sent=self._statements.sent,
            statements_received=self._statements.received,
            bytes_sent=self._bytes_sent,
            bytes_received=self._bytes_received,
        )

    @property
    def buffered(self) -> int:
        """The bytes kept for what the other side has begun to send."""
        return self._reader.buffered + sum(part.buffered for part in self._parts)

    @property
    def is_live(self) -> bool:
        """Do both sides want the link to go on once they are done?"""
        return self._live and self._their_hello is not None and self._their_hello.live

    @property
    def is_reconciled(self) -> bool:
        """Are both sides done?"""
        return self._our_done is not None and self._their_done is not None

    @property
    def is_blob_awaited(self) -> bool:
        """Does the other side owe an answer about a blob, with no entries of ours to wait for?"""
        return self._fetching.is_waiting and not self._pieces.is_owed

    @property
    def blob_answers(self) -> int:
        """How often the other side has answered about blobs."""
        return self._fetching.answers

    @property
    def is_finished(self) -> bool:
        """Is there nothing more to send or to wait for, so that the link can be closed?"""
        return self.is_reconciled and not self.is_live and not self._outbox

    def receive(self, data: bytes) -> None:
        """Take bytes from the other side; answer the ``Offered`` event before the next ones.

        Raises ``MalformedInput``, ``ProtocolViolation``, ``WrongMarket``, ``VersionMismatch``, or
        ``LinkFailed`` when too much that is new is announced over all links.
        """
        self._bytes_received += len(data)
        self._reader.feed(data)
        if not self._has_preface:
            preface = self._reader.take_preface()
            if preface is None:
                return
            check_preface(self._replica.market, preface)
            self._has_preface = True
        while self._has_room() and (payload := self._reader.take_payload()) is not None:
            self._handle(decode_message(payload, self._kinds))
            self.frames_received += 1
        if (offer := self._intake.make_offer()) is not None:
            self._events.append(offer)
        self._tell_intake()

    def receive_end(self) -> None:
        """Take note that the other side will send no more.

        Raises ``LinkFailed`` when that leaves anything open.
        """
        if self._is_asked_for_state and not self._serving.is_owed:
            return
        if not self.is_reconciled or self.buffered or self._fetching.is_waiting:
            raise LinkFailed("the other end was gone before both were done; sync again")

    def take_events(self) -> list[Event]:
        """Return what happened since the last call; call it after every other method."""
        events = list(self._events)
        self._events.clear()
        return events

    def settle(self, pieces: Sequence[Admission], statements: Sequence[Admission]) -> None:
        """Answer the last ``Offered`` event: what became of each thing, in its order."""
        self._statements.settle(statements)
        self._pieces.settle(pieces)
        self._tell_intake()

    def close(self) -> None:
        """Give back what is reserved: the link has ended, well or not."""
        for part in self._parts:
            part.close()
        self._names.close()

    def note_wanted(self) -> None:
        """Take note that more blobs may be wanted here."""
        self._fetching.note_wanted()

    def note_news(self, devices: Sequence[bytes]) -> None:
        """Take note that feeds moved here, or statements came, whoever brought them."""
        # Whoever said done and is not live asks for no more.
        if self._our_done is None or self.is_live:
            self._pieces.note_news(devices)

    def data_to_send(self) -> bytes:
        """Return the next bytes to send, or none while there is nothing to say."""
        chunks: list[bytes] = []
        size = 0
        # No more than a few at a time, however small, so that all links have their turns.
        while (
            size < limits.FRAME_FILL_BYTES
            and len(chunks) < _FRAMES_AT_ONCE
            and (self._outbox or self._fill_outbox())
        ):
            chunks.append(self._outbox.popleft())
            size += len(chunks[-1])
        self._bytes_sent += size
        return b"".join(chunks)

    # -- what the other side says ------------------------------------------------------------

    def _has_room(self) -> bool:
        self.is_paused = not all(part.has_room() for part in self._parts)
        return not self.is_paused

    def _handle(self, message: Message) -> None:
        expected = self._get_expected()
        if not isinstance(message, expected):
            kinds = ", ".join(kind.__name__ for kind in expected)
            raise ProtocolViolation(f"{type(message).__name__} came where {kinds} may come")
        match message:
            case Hello():
                self._take_hello(message)
            case StateAsk():
                self._is_asked_for_state = True
                self._say(self._blobs.offer_state())
            case Done():
                self._take_done(message)
            case _:
                self._part_by_kind[type(message)].take(message)

    def _has_all_entries(self) -> bool:
        """Is all here that the other side has said it has? So it is while nothing was said."""
        parts = (*self._urgent, self._pieces)
        has_begun = self._their_hello is not None
        return not has_begun or (self._intake.is_empty and all(part.is_settled for part in parts))

    def _get_expected(self) -> Kinds:
        if self._is_asked_for_state:
            return self._serving.kinds
        if self._their_hello is None:
            return (Hello, StateAsk)
        phase = self._get_phase()
        for part in self._parts:
            if part.has_begun:
                return part.get_expected(phase)
        kinds = [kind for part in self._parts for kind in part.get_expected(phase)]
        return (*kinds, Done) if phase is Phase.EXCHANGE else tuple(kinds)

    def _get_phase(self) -> Phase:
        if self._their_done is None:
            return Phase.EXCHANGE
        return Phase.LIVE if self.is_live else Phase.ENDING

    def _take_hello(self, hello: Hello) -> None:
        if hello.index == 0 and hello.checkpoint != self._replica.market:
            raise ProtocolViolation("a checkpoint before the first one")
        self._their_hello = hello
        skew_ms = hello.clock_ms - self._clock_ms
        self._events.append(Greeted(hello.role, hello.live, skew_ms))
        is_equal = _get_short_form(hello) == _get_short_form(self._hello)
        for part in self._parts:
            part.begin(hello, is_equal=is_equal)

    def _take_done(self, done: Done) -> None:
        if any(part.is_owed for part in self._parts):
            raise ProtocolViolation("done too early")
        self._their_done = done
        self._reconcile()

    def _tell_intake(self) -> None:
        """Tell of forks after what was offered: the proof is held before the gate gives way."""
        self._events.extend(self._intake.events)
        self._intake.events.clear()

    def _reconcile(self) -> None:
        if self._our_done is not None and self._their_done is not None:
            assert self._their_hello is not None
            device = self._their_hello.device
            self._events.append(Reconciled(self._our_done, self._their_done, device))
            if self.is_live:
                self._pieces.allow_pushes()

    # -- what we say -------------------------------------------------------------------------

    def _say(self, message: Message) -> None:
        self._outbox.append(encode_frame(message))

    def _fill_outbox(self) -> bool:
        """Take the next step of what we have to say; is there anything?"""
        for message in self._make_next():
            self._say(message)
        return bool(self._outbox)

    def _make_next(self) -> Sequence[Message]:
        if self._is_asked_for_state:
            return self._serving.make_next(is_live=False)
        if self._their_hello is None:
            return []
        is_live = self.is_live and self.is_reconciled
        for part in self._urgent:
            if messages := part.make_next(is_live=is_live):
                return messages
        for _ in range(len(self._in_turn)):
            self._in_turn.rotate(-1)
            if messages := self._in_turn[-1].make_next(is_live=is_live):
                return messages
        return self._make_done() if self._our_done is None else []

    def _make_done(self) -> Sequence[Message]:
        if not self._intake.is_empty or not all(part.is_settled for part in self._parts):
            return []
        # What is wanted here is known only now, when all that there is to know of has come.
        self._fetching.look()
        if asks := self._fetching.make_next(is_live=False):
            return asks
        # What was learned meanwhile, such as the proof of signing twice, goes first.
        if (statements := self._statements.make_lacking()) is not None:
            return [statements]
        self._our_done = Done(
            root=self._replica.root,
            digest=self._replica.compute_digest(),
            index=self._replica.chain.index,
            entries=self._replica.entries_counted,
        )
        self._reconcile()
        return [self._our_done]


def _get_short_form(hello: Hello) -> tuple[object, ...]:
    return hello.leaves, hello.index, hello.checkpoint, hello.beside
