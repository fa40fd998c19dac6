"""Running one session over a stream: one task reads, one writes, one watches the clock.

Whatever ends a link is a typed error or a clean end; a peer that is slow, silent or half gone ends
as ``LinkFailed``. Reading stops while what was read is being admitted, so a fast sender fills its
own buffers, not ours. What was admitted before a link broke stays admitted.

While several links stand, one that brings much of what no checkpoint names yet is read no faster
than others can take it in: what is written without end delays who writes it.

Answers slow, silent, half-open and flooding peers (deadlines that only progress extends).
"""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec
import trio

from synaptic_crdt.errors import (
    Forged,
    LinkFailed,
    MalformedInput,
    ProtocolViolation,
    SynapticError,
)
from synaptic_crdt.state import limits
from synaptic_crdt.state.feeds import Piece
from synaptic_crdt.sync.blobs import NO_BLOBS, Blobs
from synaptic_crdt.sync.channel import Peer
from synaptic_crdt.sync.events import (
    NOBODY,
    Event,
    ForkFound,
    Greeted,
    Offered,
    Reconciled,
    Role,
)
from synaptic_crdt.sync.gate import Gate
from synaptic_crdt.sync.happenings import LeftOut, LinkEvent, SyncReport
from synaptic_crdt.sync.inspection import Admission
from synaptic_crdt.sync.membership import Access
from synaptic_crdt.sync.named import get_named_position
from synaptic_crdt.sync.session import Session

GREETING_SECONDS: Final = 10
IDLE_SECONDS: Final = 60

_RECEIVE_BYTES: Final = 256 * 1024
_LONGEST_PACE_SECONDS: Final = 10.0  # well below what the other end waits


EventHandler = Callable[[LinkEvent], None]


async def run_link(
    stream: trio.abc.Stream,
    gate: Gate,
    *,
    live: bool,
    clock_ms: int,
    on_event: EventHandler,
    role: Role = "member",
    peer: Peer | None = None,
    blobs: Blobs = NO_BLOBS,
) -> SyncReport:
    """Sync over a stream and close it; return when both are done, or when a live link ends.

    ``peer`` is who is known to be at the other end, and what it may do there; without it the
    other end's word is taken for it, and it may do everything.
    ``on_event`` is told of progress by reports, the last one even when this raises: a
    ``SynapticError`` that says why the link ended.
    """
    device = NOBODY if gate.own_device is None else gate.own_device
    session = Session(
        gate.replica,
        live=live,
        role=role,
        clock_ms=clock_ms,
        nonce=secrets.token_bytes(limits.NONCE_BYTES),
        budget=gate.budget,
        device=device,
        peer=NOBODY if peer is None else peer.device,
        blobs=blobs,
    )
    link = _Link(stream, gate, session, peer, on_event)
    gate.news.subscribe(link.note_news)
    gate.budget.subscribe(link.note_room)
    blobs.subscribe(link.note_wanted)
    try:
        async with stream:
            await link.run()
    finally:
        gate.budget.unsubscribe(link.note_room)
        blobs.unsubscribe(link.note_wanted)
        gate.news.unsubscribe(link.note_news)
        session.close()
        on_event(link.report)
    return link.report


class _Link:
    def __init__(
        self,
        stream: trio.abc.Stream,
        gate: Gate,
        session: Session,
        peer: Peer | None,
        on_event: EventHandler,
    ) -> None:
        self._stream: Final = stream
        self._gate: Final = gate
        self._session: Final = session
        self._peer: Final = peer
        self._on_event: Final = on_event
        self._has_news = trio.Event()
        self._has_room = trio.Event()
        self._moved_at = trio.current_time()
        self._blobs_moved_at = self._moved_at
        self._blob_answers = 0
        self._frames = 0
        self._is_greeted = False
        self._is_sending = False
        self._reconciled: Reconciled | None = None
        self._error: SynapticError | None = None
        self._left_out: Final[set[bytes]] = set()
        self._told_sent = 0

    @property
    def report(self) -> SyncReport:
        reconciled = self._reconciled
        return SyncReport(
            counts=self._session.counts,
            rejected=int(isinstance(self._error, Forged | MalformedInput | ProtocolViolation)),
            equal=None if reconciled is None else reconciled.equal,
            root=None if reconciled is None else reconciled.ours.root,
        )

    def note_news(self, devices: Sequence[bytes]) -> None:
        self._session.note_news(devices)
        self._has_news.set()

    def note_room(self) -> None:
        self._has_room.set()

    def note_wanted(self) -> None:
        self._session.note_wanted()
        self._has_news.set()

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            for task in (self._read, self._write, self._watch):
                nursery.start_soon(self._run_until_any_ends, task, nursery.cancel_scope)
        if self._error is not None:
            raise self._error

    async def _run_until_any_ends(
        self, task: Callable[[], Awaitable[None]], scope: trio.CancelScope
    ) -> None:
        try:
            await task()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._error = self._error or LinkFailed("the link was cut; sync again")
        except SynapticError as error:
            self._error = self._error or error
        finally:
            scope.cancel()

    async def _read(self) -> None:
        while data := await self._stream.receive_some(_RECEIVE_BYTES):
            self._receive(bytes(data))
            while self._session.is_paused:
                self._has_room = trio.Event()
                await self._has_room.wait()
                # The other end could do nothing meanwhile.
                self._moved_at = trio.current_time()
                self._receive(b"")
            await self._keep_pace()
        self._session.receive_end()

    async def _keep_pace(self) -> None:
        """Read no more for as long as this peer's device has brought too much that is new."""
        if self._peer is None or not self._gate.budget.is_shared:
            return
        seconds = self._gate.pace.get_seconds(self._peer.device, trio.current_time())
        if seconds:
            await trio.sleep(min(seconds, _LONGEST_PACE_SECONDS))
            # The other end could do nothing meanwhile.
            self._moved_at = trio.current_time()

    def _receive(self, data: bytes) -> None:
        self._session.receive(data)
        if self._session.frames_received > self._frames:
            self._frames = self._session.frames_received
            self._moved_at = trio.current_time()
        self._handle_events()
        self._has_news.set()

    async def _write(self) -> None:
        while not self._session.is_finished:
            self._has_news = trio.Event()
            while data := self._session.data_to_send():
                self._handle_events()
                self._is_sending = True
                await self._stream.send_all(data)
                self._is_sending = False
                self._moved_at = trio.current_time()
                self._tell_sent()
            if not self._session.is_finished:
                await self._has_news.wait()

    def _tell_sent(self) -> None:
        report = self.report
        if report.counts.entries_sent > self._told_sent:
            self._told_sent = report.counts.entries_sent
            self._on_event(report)

    async def _watch(self) -> None:
        while True:
            allowed = IDLE_SECONDS if self._is_greeted else GREETING_SECONDS
            left = self._moved_at + allowed - trio.current_time()
            is_at_rest = self._session.is_reconciled and not self._is_sending
            is_at_rest = is_at_rest or self._session.is_paused
            self._check_blobs()
            if left <= 0 and not is_at_rest:
                raise LinkFailed(f"the other end did nothing for {allowed} s; sync again")
            await trio.sleep(left if left > 0 else allowed)

    def _check_blobs(self) -> None:
        """Give up whoever owes a blob and lets it wait, whatever else it says meanwhile.

        Raises ``LinkFailed``: then another link fetches it.
        """
        session, now = self._session, trio.current_time()
        is_free = session.is_paused or not session.is_blob_awaited
        if is_free or session.blob_answers != self._blob_answers:
            self._blob_answers = session.blob_answers
            self._blobs_moved_at = now
        if now - self._blobs_moved_at > IDLE_SECONDS:
            raise LinkFailed(f"the other end answered nothing about a blob for {IDLE_SECONDS} s")

    def _handle_events(self) -> None:
        # Settling an offer may have events of its own.
        while events := self._session.take_events():
            for event in events:
                self._handle_event(event)

    def _handle_event(self, event: Event) -> None:
        if isinstance(event, Offered):
            statements = self._gate.admit_statements(event.statements)
            admissions = self._admit_pieces(event.pieces)
            self._session.settle(admissions, statements)
            self._note_pace(event.pieces, admissions)
            self._tell_left_out(event.pieces, admissions)
            self._on_event(self.report)
            return
        if isinstance(event, ForkFound) and event.is_fixed:
            self._gate.replica.branches.yield_from(event.device, event.position)
        if isinstance(event, Greeted):
            self._is_greeted = True
        elif isinstance(event, Reconciled):
            if self._peer is not None:
                # What the channel has shown, whatever the session says.
                event = msgspec.structs.replace(event, device=self._peer.device)
            self._reconciled = event
            self._on_event(event)
            self._watch_difference(event)
            return
        self._on_event(event)

    def _watch_difference(self, event: Reconciled) -> None:
        alarm = self._gate.differences.take(event, self._gate.entries_admitted)
        quotas = self._gate.quotas
        # What is over quota here is a difference that a checkpoint ends.
        if alarm is not None and (quotas is None or not quotas.left_out):
            self._on_event(alarm)

    def _note_pace(self, pieces: Sequence[Piece], admissions: Sequence[Admission]) -> None:
        if self._peer is None or self._gate.quotas is None:
            return
        chain = self._gate.replica.chain
        new = sum(
            len(piece.bodies)
            for piece, admission in zip(pieces, admissions, strict=True)
            if admission is Admission.ACCEPT
            and piece.last > get_named_position(chain, piece.device)
        )
        if new:
            self._gate.pace.note(self._peer.device, new, trio.current_time())

    def _tell_left_out(self, pieces: Sequence[Piece], admissions: Sequence[Admission]) -> None:
        for piece, admission in zip(pieces, admissions, strict=True):
            if admission.is_to_wait and piece.device not in self._left_out:
                reason = self._gate.explain_waiting(piece.device)
                if reason is not None:
                    self._left_out.add(piece.device)
                    self._on_event(LeftOut(piece.device, reason))

    def _admit_pieces(self, pieces: Sequence[Piece]) -> Sequence[Admission]:
        if self._peer is None or self._peer.access is Access.MEMBER:
            return self._gate.admit_pieces(pieces)
        # A reader brings nothing of others: what it has of them waits for whoever may bring it.
        own = [piece for piece in pieces if piece.device == self._peer.device]
        admitted = iter(self._gate.admit_pieces(own))
        return [
            next(admitted) if piece.device == self._peer.device else Admission.HOLD
            for piece in pieces
        ]
