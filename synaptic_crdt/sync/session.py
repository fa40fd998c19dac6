"""The session: how two peers that hold parts of one market come to hold the same.

The protocol as a value: bytes in and events out, and bytes to send when the driver asks for them.
It reads a replica and changes nothing: what the other side offers goes out as an ``Offered``
event, the driver takes it to the gate, and answers with ``settle``. No clock, no store, no task.
Both sides run the same code.

Order of a session: preface, hello; when the short forms differ, leaves, the ids of the statements
beside the counted checkpoints if these differ, and what statements the other lacks; then wants and
pieces both ways, until both sides are done. A link that both sides want live goes on: what
becomes durable is pushed, and relayed, but never to where it came from.

Memory is bounded by one frame, one piece, the vector of leaves and the wants on their way; pieces
are served one at a time, as the driver asks for bytes. Whatever breaks shape, order or limits
raises, and the session must then be dropped with its link.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final, Literal

import msgspec

from synaptic_crdt.errors import LinkFailed, MalformedInput, ProtocolViolation
from synaptic_crdt.state import limits
from synaptic_crdt.state.feeds import Piece
from synaptic_crdt.state.replica import Replica
from synaptic_crdt.sync.assembly import Assembly
from synaptic_crdt.sync.inspection import Admission
from synaptic_crdt.sync.messages import (
    AnyMessage,
    Bodies,
    Done,
    FrameReader,
    Gone,
    Header,
    Hello,
    Ids,
    Leaf,
    Leaves,
    Marks,
    Probe,
    Statements,
    Trace,
    Traced,
    Want,
    check_preface,
    decode_message,
    encode_frame,
    make_preface,
)
from synaptic_crdt.sync.offers import Offers, compute_digest, compute_ids_digest, make_leaves
from synaptic_crdt.sync.parting import Parted, Partings, make_marks, make_traced
from synaptic_crdt.sync.wants import Wants

Role = Literal["member", "auditor"]

NOBODY: Final = bytes(limits.HASH_BYTES)


class Greeted(msgspec.Struct, frozen=True):
    """The other side said hello. Its clock is ahead of ours by ``skew_ms``."""

    role: str
    live: bool
    skew_ms: int


class Offered(msgspec.Struct, frozen=True):
    """Pieces and statements to take to the gate; to be answered with ``settle``."""

    pieces: tuple[Piece, ...]
    statements: tuple[bytes, ...]


class ForkFound(msgspec.Struct, frozen=True):
    """The two sides hold two histories of a feed, which part at ``position``.

    The proof is on its way to the gate or known. ``is_fixed``: theirs has the id that a
    checkpoint fixes and that is awaited here, so the gate is to give way to it.
    """

    device: bytes
    position: int
    is_fixed: bool


class Reconciled(msgspec.Struct, frozen=True):
    """Both sides are done, holding ``ours`` and ``theirs``; the other is ``device``, it says."""

    ours: Done
    theirs: Done
    device: bytes

    @property
    def equal(self) -> bool:
        """Do both sides hold the same entries, in the same state?"""
        return self.ours == self.theirs


Event = Greeted | Offered | ForkFound | Reconciled


class Counts(msgspec.Struct, frozen=True):
    """What moved over a link so far.

    Received are those that were new here; held are those that the other side has and that wait
    for others to be admitted.
    """

    entries_sent: int
    entries_received: int
    entries_held: int
    statements_sent: int
    statements_received: int
    bytes_sent: int
    bytes_received: int


class Session:
    """One end of a link. Drive it by ``receive``, ``take_events``, ``settle``, ``data_to_send``."""

    def __init__(
        self, replica: Replica, *, live: bool, role: Role, clock_ms: int, device: bytes = NOBODY
    ) -> None:
        self._replica: Final = replica
        self._live: Final = live
        self._clock_ms: Final = clock_ms
        self._reader: Final = FrameReader()
        self._wants: Final = Wants(replica)
        self._partings: Final = Partings(replica)
        self._offers: Final = Offers(replica, self._wants)
        self._leaves: Final = make_leaves(replica)
        self._outbox: Final[deque[bytes]] = deque()
        self._events: Final[list[Event]] = []
        # What the other side said, as far as it is needed later.
        self._has_preface = False
        self._their_hello: Hello | None = None
        self._their_last_device = b""
        self._their_feeds: Final[list[tuple[int, bytes]]] = []
        self._owes_leaves = True
        self._owes_ids = True
        self._owes_statements = True
        self._assembly: Assembly | None = None
        self._pieces: list[Piece] = []
        self._statements: list[bytes] = []
        self._forks: Final[list[ForkFound]] = []
        self._their_done: Done | None = None
        self._questions: Final[deque[Probe | Trace]] = deque()
        # What is still to be said.
        self._opening: Iterator[AnyMessage] = iter(())
        self._has_said_all = False
        self._our_done: Done | None = None
        self._entries_received = 0
        self._statements_received = 0
        self._bytes_sent = 0
        self._bytes_received = 0
        self.frames_received = 0
        self._hello: Final = Hello(
            view=replica.chain.view.number,
            index=replica.chain.index,
            checkpoint=replica.chain.head,
            beside=compute_ids_digest(replica),
            leaves=compute_digest(replica, self._leaves),
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
            entries_sent=self._offers.entries_sent,
            entries_received=self._entries_received,
            entries_held=self._wants.entries_held,
            statements_sent=self._offers.statements_sent,
            statements_received=self._statements_received,
            bytes_sent=self._bytes_sent,
            bytes_received=self._bytes_received,
        )

    @property
    def buffered(self) -> int:
        """The bytes kept for what the other side has begun to send."""
        return self._reader.buffered + (self._assembly.size if self._assembly else 0)

    @property
    def is_live(self) -> bool:
        """Do both sides want the link to go on once they are done?"""
        return self._live and self._their_hello is not None and self._their_hello.live

    @property
    def is_reconciled(self) -> bool:
        """Are both sides done?"""
        return self._our_done is not None and self._their_done is not None

    @property
    def is_finished(self) -> bool:
        """Is there nothing more to send or to wait for, so that the link can be closed?"""
        return self.is_reconciled and not self.is_live and not self._outbox

    def receive(self, data: bytes) -> None:
        """Take bytes from the other side; answer the ``Offered`` event before the next ones.

        Raises ``MalformedInput``, ``ProtocolViolation``, ``WrongMarket`` or ``VersionMismatch``.
        """
        self._bytes_received += len(data)
        self._reader.feed(data)
        if not self._has_preface:
            preface = self._reader.take_preface()
            if preface is None:
                return
            check_preface(self._replica.market, preface)
            self._has_preface = True
        while (payload := self._reader.take_payload()) is not None:
            self._handle(decode_message(payload))
            self.frames_received += 1
        if self._pieces or self._statements:
            self._events.append(Offered(tuple(self._pieces), tuple(self._statements)))
        # After what was offered, so that the proof is held before the gate gives way.
        self._events.extend(self._forks)
        self._forks.clear()

    def receive_end(self) -> None:
        """Take note that the other side will send no more.

        Raises ``LinkFailed`` when that leaves anything open.
        """
        if not self.is_reconciled or self.buffered:
            raise LinkFailed("the other end was gone before both were done; sync again")

    def take_events(self) -> list[Event]:
        """Return what happened since the last call; call it after every other method."""
        events = list(self._events)
        self._events.clear()
        return events

    def settle(self, pieces: Sequence[Admission], statements: Sequence[Admission]) -> None:
        """Answer the last ``Offered`` event: what became of each thing, in its order."""
        assert len(statements) == len(self._statements)
        self._statements = []
        self._statements_received += statements.count(Admission.ACCEPT)
        offered, self._pieces = self._pieces, []
        for piece, admission in zip(offered, pieces, strict=True):
            if admission is Admission.ACCEPT:
                self._entries_received += len(piece.bodies)
            elif admission is Admission.FORK:
                self._meet_fork(piece)
            self._wants.settle(piece, admission)

    def note_news(self, devices: Sequence[bytes]) -> None:
        """Take note that feeds moved here, or statements came, whoever brought them."""
        # Whoever said done and is not live asks for no more.
        if self._our_done is not None and not self.is_live:
            return
        self._offers.note_moved(self._wants.readmit())
        if devices:
            for device in devices:
                self._wants.add(device)
            self._wants.release()
            self._offers.note_moved(devices)

    def data_to_send(self) -> bytes:
        """Return the next bytes to send, or none while there is nothing to say."""
        chunks: list[bytes] = []
        size = 0
        while size < limits.FRAME_FILL_BYTES and (self._outbox or self._fill_outbox()):
            chunks.append(self._outbox.popleft())
            size += len(chunks[-1])
        self._bytes_sent += size
        return b"".join(chunks)

    # -- what the other side says ------------------------------------------------------------

    def _handle(self, message: AnyMessage) -> None:
        expected = self._get_expected()
        if not isinstance(message, expected):
            kinds = ", ".join(kind.__name__ for kind in expected)
            raise ProtocolViolation(f"{type(message).__name__} came where {kinds} may come")
        match message:
            case Hello():
                self._take_hello(message)
            case Ids():
                self._take_ids(message)
            case Statements():
                self._take_statements(message)
            case Leaves():
                self._take_leaves(message)
            case Want():
                self._offers.take_want(message.feeds)
            case Header():
                self._take_header(message)
            case Bodies():
                self._take_bodies(message)
            case Done():
                self._take_done(message)
            case _:
                self._take_about_feed(message)

    def _get_expected(self) -> tuple[type[AnyMessage], ...]:
        if self._their_hello is None:
            return (Hello,)
        if self._assembly is not None:
            return (Bodies,)
        owed = self._partings.expected
        if self._their_done is None:
            return (Ids, Statements, Leaves, Want, Header, Gone, Probe, Trace, Done, *owed)
        if self.is_live:
            return (Statements, Want, Header, Gone, Probe, Trace, *owed)
        return (Header, Gone, *owed)

    def _take_hello(self, hello: Hello) -> None:
        if hello.index == 0 and hello.checkpoint != self._replica.market:
            raise ProtocolViolation("a checkpoint before the first one")
        self._their_hello = hello
        skew_ms = hello.clock_ms - self._clock_ms
        self._events.append(Greeted(hello.role, hello.live, skew_ms))
        self._owes_ids = hello.beside != self._hello.beside
        if not self._owes_ids:
            self._offers.note_equal_beside()
        if _get_short_form(hello) == _get_short_form(self._hello):
            self._owes_leaves = self._owes_statements = False
            self._has_said_all = True
            self._offers.note_index(hello.index)
            for leaf in self._leaves:
                self._wants.note_theirs(leaf.device, leaf.end)
        else:
            self._offers.note_hello(hello)
            self._opening = self._offers.make_opening(self._leaves, has_ids=self._owes_ids)

    def _take_ids(self, message: Ids) -> None:
        if not self._owes_ids or not (message.ids or message.last):
            raise ProtocolViolation("ids after the last ones, or none")
        self._offers.note_ids(message.ids)
        if message.last:
            self._owes_ids = False

    def _take_statements(self, message: Statements) -> None:
        if not message.statements and not (message.last and self._owes_statements):
            raise ProtocolViolation("statements without any")
        if message.last:
            self._owes_statements = False
        self._offers.note_received(message.statements)
        self._offers.note_index(message.index)
        self._statements.extend(message.statements)

    def _take_leaves(self, message: Leaves) -> None:
        if not self._owes_leaves or not (message.leaves or message.last):
            raise ProtocolViolation("leaves after the last ones, or none")
        for leaf in message.leaves:
            if leaf.device <= self._their_last_device:
                raise MalformedInput("the vector of leaves is not strictly ascending")
            self._their_last_device = leaf.device
            self._check_room(leaf.device)
            self._take_leaf(leaf)
        if message.last:
            self._owes_leaves = False
            for _, device in sorted(self._their_feeds):
                self._wants.add(device)
            self._their_feeds.clear()

    def _take_leaf(self, leaf: Leaf) -> None:
        if not 1 <= leaf.end <= limits.POSITION_MAX:
            raise MalformedInput(f"feed {leaf.device.hex()[:16]}: a leaf up to {leaf.end}")
        self._wants.note_theirs(leaf.device, leaf.end)
        self._their_feeds.append((leaf.rank, leaf.device))
        feed = self._replica.get_feed(leaf.device)
        if leaf.position <= feed.end and feed.get_id(leaf.position) != leaf.id:
            if leaf.position == 0:
                raise MalformedInput(f"feed {leaf.device.hex()[:16]}: it begins elsewhere")
            self._search(leaf.device, leaf.position)

    def _take_header(self, header: Header) -> None:
        is_push = self.is_live and self.is_reconciled
        if not is_push and not self._wants.is_next(header.device, header.first):
            raise ProtocolViolation(
                f"feed {header.device.hex()[:16]}: nobody asked for a piece at {header.first}"
            )
        self._check_room(header.device)
        self._assembly = Assembly(header)

    def _take_bodies(self, message: Bodies) -> None:
        assert self._assembly is not None
        piece = self._assembly.add(message.bodies)
        if piece is None:
            return
        self._assembly = None
        self._wants.take_piece(piece)
        # What follows a fork cannot be placed either.
        if not self._wants.is_left_out(piece.device):
            self._pieces.append(piece)

    def _take_done(self, done: Done) -> None:
        owes = self._owes_leaves or self._owes_ids or self._owes_statements
        if owes or self._offers.is_asked or self._questions:
            raise ProtocolViolation("done too early")
        self._their_done = done
        self._reconcile()

    def _check_room(self, device: bytes) -> None:
        if not self._wants.has_room(device):
            raise ProtocolViolation(f"more than {limits.LINK_FEEDS} feeds on one link")

    def _meet_fork(self, piece: Piece) -> None:
        """Leave a feed out that parts from what is held here, and find out where if need be."""
        feed = self._replica.get_feed(piece.device)
        before = piece.first - 1
        if before <= feed.position and piece.predecessor != feed.get_id(before):
            self._search(piece.device, before)
        elif not self._wants.is_left_out(piece.device):
            self._wants.leave_out(piece.device)
            proofs = self._replica.branches.forks.get_proofs(piece.device)
            proved = (p.position for p in proofs if piece.first <= p.position <= piece.last)
            position = next(proved, piece.first)
            self._events.append(ForkFound(piece.device, position, is_fixed=False))

    def _search(self, device: bytes, position: int) -> None:
        if not self._wants.is_left_out(device):
            self._wants.leave_out(device)
            self._partings.add(device, position)

    def _take_about_feed(self, message: Gone | Probe | Trace | Marks | Traced) -> None:
        match message:
            case Gone():
                if not self._wants.note_gone(message.device):
                    raise ProtocolViolation("gone is what nobody asked for")
            case Probe() | Trace():
                self._take_question(message)
            case Marks():
                self._take_parted(self._partings.take_marks(message))
            case _:
                self._take_parted(self._partings.take_traced(message))

    def _take_question(self, question: Probe | Trace) -> None:
        if self._questions:
            raise ProtocolViolation("a question before the last one was answered")
        self._questions.append(question)

    def _take_parted(self, parted: Parted | None) -> None:
        if parted is None:
            return
        if parted.proof is not None:
            self._statements.append(parted.proof)
        self._forks.append(ForkFound(parted.device, parted.position, parted.is_fixed))

    def _reconcile(self) -> None:
        if self._our_done is not None and self._their_done is not None:
            assert self._their_hello is not None
            device = self._their_hello.device
            self._events.append(Reconciled(self._our_done, self._their_done, device))
            # From here on a live link pushes, beginning with what came meanwhile.
            self._offers.note_moved(tuple(self._replica.feeds))

    # -- what we say -------------------------------------------------------------------------

    def _say(self, message: AnyMessage) -> None:
        self._outbox.append(encode_frame(message))

    def _fill_outbox(self) -> bool:
        """Take the next step of what we have to say; is there anything?"""
        for message in self._make_next():
            self._say(message)
        return bool(self._outbox)

    def _make_next(self) -> Sequence[AnyMessage]:
        if (opening := next(self._opening, None)) is not None:
            return [opening]
        if self._their_hello is not None and not self._has_said_all and not self._owes_ids:
            return [self._make_first_statements()]
        if self._questions:
            return [self._answer(self._questions.popleft())]
        if (question := self._partings.take_request()) is not None:
            return [question]
        if wants := list(self._wants.take_requests()):
            return wants
        if answer := self._offers.make_answer():
            return answer
        if self._our_done is None:
            return self._make_done()
        if self.is_reconciled and self.is_live:
            self._check_view()
            statements = self._offers.make_statements()
            return self._offers.make_push() if statements is None else [statements]
        return []

    def _check_view(self) -> None:
        assert self._their_hello is not None
        if self._replica.chain.view.number > max(self._hello.view, self._their_hello.view):
            # What the other side counted may have to be undone, which only a hello can tell.
            raise LinkFailed("the market was handed over meanwhile; sync again")

    def _answer(self, question: Probe | Trace) -> Marks | Traced:
        if isinstance(question, Probe):
            return make_marks(self._replica, question)
        return make_traced(self._replica, question)

    def _make_first_statements(self) -> Statements:
        statements = self._offers.make_statements()
        if statements is None:
            self._has_said_all = True
            statements = self._offers.make_last_statements()
        return statements

    def _make_done(self) -> Sequence[AnyMessage]:
        owes = self._owes_leaves or self._owes_statements or not self._wants.is_settled
        is_busy = self._pieces or self._statements or not self._partings.is_settled
        if not self._has_said_all or owes or is_busy:
            return []
        # What was learned meanwhile, such as the proof of signing twice, goes first.
        if (statements := self._offers.make_statements()) is not None:
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
