"""Making links by address: once, for as long as it runs, or for whoever comes.

Randomness and waiting live here, at the edge: a lost live link is dialled again after a time that
doubles and differs from peer to peer. One bad link never ends another.
"""

import random
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Final

import msgspec
import trio

from synaptic_crdt.errors import (
    LinkFailed,
    SynapticError,
    UsageError,
    VersionMismatch,
    WrongMarket,
)
from synaptic_crdt.sync.gate import Gate
from synaptic_crdt.sync.peer import LinkEvent, SyncReport, run_link
from synaptic_crdt.sync.session import Reconciled
from synaptic_crdt.sync.transports import tcp

LINKS: Final = 64  # at a time, of those who come; each may hold about two pieces in memory

_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 60.0
_ALARM_REPEATS: Final = 3


class Linked(msgspec.Struct, frozen=True):
    """A link was made."""


class Lost(msgspec.Struct, frozen=True):
    """A link could not be made, or broke; it is made again after ``pause_seconds``, if ever."""

    error: SynapticError
    pause_seconds: float | None


class Left(msgspec.Struct, frozen=True):
    """A link that somebody else had made ended in good order."""


class Alarm(msgspec.Struct, frozen=True):
    """The same difference stayed three times, with nothing admitted on this side."""

    ours: bytes
    theirs: bytes


# Called with the address of the link, and what happened there.
Happening = LinkEvent | Linked | Lost | Left | Alarm
EventHandler = Callable[[str, Happening], None]
Clock = Callable[[], int]


async def sync_once(
    address: str, gate: Gate, *, get_clock_ms: Clock, on_event: EventHandler
) -> SyncReport:
    """Dial an address, exchange what each side lacks, and return what moved.

    Raises a ``SynapticError`` that says why not.
    """
    return await _run_dialled(address, gate, live=False, clock=get_clock_ms, on_event=on_event)


async def keep_link(
    address: str, gate: Gate, *, get_clock_ms: Clock, on_event: EventHandler
) -> None:
    """Keep a live link to an address until cancelled; when it is lost, dial again.

    Raises ``UsageError``, ``WrongMarket`` or ``VersionMismatch``, which waiting does not cure.
    """
    pause = _FIRST_PAUSE_SECONDS
    differences = _Differences(gate)

    def handle(name: str, event: Happening) -> None:
        nonlocal pause
        on_event(name, event)
        if isinstance(event, Reconciled):
            pause = _FIRST_PAUSE_SECONDS
            alarm = differences.take(event)
            if alarm is not None:
                on_event(name, alarm)

    while True:
        try:
            await _run_dialled(address, gate, live=True, clock=get_clock_ms, on_event=handle)
            error: SynapticError = LinkFailed("the other end closed the link")
        except (UsageError, WrongMarket, VersionMismatch):
            raise
        except SynapticError as failure:
            error = failure
        # Spread out, so that peers who lost the same one do not all come back at once.
        seconds = pause * random.uniform(0.5, 1.5)  # noqa: S311
        on_event(address, Lost(error, seconds))
        await trio.sleep(seconds)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


async def serve(
    addresses: Sequence[str],
    gate: Gate,
    *,
    get_clock_ms: Clock,
    on_event: EventHandler,
    task_status: trio.TaskStatus[Sequence[str]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve whoever dials these addresses, until cancelled; a link stays if its dialler does.

    Starts with the addresses that it listens at. Raises ``UsageError`` or ``LinkFailed``.
    """
    links = trio.CapacityLimiter(LINKS)

    async def serve_one(stream: trio.SocketStream) -> None:
        name = tcp.get_peer_address(stream)
        try:
            links.acquire_nowait()
        except trio.WouldBlock:
            await trio.aclose_forcefully(stream)
            on_event(name, Lost(LinkFailed(f"more than {LINKS} links at a time"), None))
            return
        try:
            on_event(name, Linked())
            await run_link(
                stream,
                gate,
                live=True,
                clock_ms=get_clock_ms(),
                on_event=lambda event: on_event(name, event),
            )
            on_event(name, Left())
        except SynapticError as error:
            on_event(name, Lost(error, None))
        finally:
            links.release()

    async with AsyncExitStack() as stack:
        listeners: list[trio.SocketListener] = []
        for address in addresses:
            opened = await tcp.listen(address)
            listeners.extend([await stack.enter_async_context(one) for one in opened])
        task_status.started([tcp.get_address(listener) for listener in listeners])
        await trio.serve_listeners(serve_one, listeners)


class _Differences:
    """Notices a difference that does not shrink from link to link."""

    def __init__(self, gate: Gate) -> None:
        self._gate: Final = gate
        self._last: tuple[bytes, bytes, int] | None = None
        self._repeats = 0

    def take(self, event: Reconciled) -> Alarm | None:
        """Return an alarm the third time that both sides part as they met before."""
        if event.equal:
            self._last = None
            return None
        now = (event.ours.digest, event.theirs.digest, self._gate.replica.entries)
        self._repeats = self._repeats + 1 if now == self._last else 1
        self._last = now
        if self._repeats == _ALARM_REPEATS:
            return Alarm(event.ours.digest, event.theirs.digest)
        return None


async def _run_dialled(
    address: str, gate: Gate, *, live: bool, clock: Clock, on_event: EventHandler
) -> SyncReport:
    stream = await tcp.dial(address)
    on_event(address, Linked())
    return await run_link(
        stream,
        gate,
        live=live,
        clock_ms=clock(),
        on_event=lambda event: on_event(address, event),
    )
