"""Making links by address: once, for as long as it runs, or for whoever comes.

Waiting lives here, at the edge: a lost live link is dialled again after a time that doubles and
differs from peer to peer. One bad link never ends another.
"""

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Final, NamedTuple

import trio

from synaptic_crdt.errors import (
    LinkFailed,
    SynapticError,
    UsageError,
    VersionMismatch,
    WrongMarket,
)
from synaptic_crdt.sync.addresses import get_host, is_started_by_other
from synaptic_crdt.sync.anteroom import Anteroom
from synaptic_crdt.sync.blobs import NO_BLOBS, Blobs
from synaptic_crdt.sync.channel import Channel
from synaptic_crdt.sync.events import Reconciled
from synaptic_crdt.sync.gate import Gate
from synaptic_crdt.sync.guests import Guest, Guests
from synaptic_crdt.sync.happenings import Happening, Left, Linked, Lost, SyncReport
from synaptic_crdt.sync.membership import Membership, Refusal
from synaptic_crdt.sync.pauses import Pauses
from synaptic_crdt.sync.peer import IDLE_SECONDS, run_link
from synaptic_crdt.sync.state_fetch import StateFetch
from synaptic_crdt.sync.transports import streams
from synaptic_crdt.sync.transports.door import Door
from synaptic_crdt.sync.transports.secured import SecuredStream, secure
from synaptic_crdt.sync.transports.stdio import Pipes

_FIRST_PAUSE_SECONDS: Final = 0.5
_RECEIVE_BYTES: Final = 256 * 1024


class LocalEnd(NamedTuple):
    """This end of every link: what it holds, who it is, and what ``stdio:`` means here."""

    gate: Gate
    membership: Membership
    get_clock_ms: Callable[[], int]
    pipes: Pipes | None = None
    blobs: Blobs = NO_BLOBS


# Called with the address of the link, and what happened there.
EventHandler = Callable[[str, Happening], None]


async def sync_once(address: str, end: LocalEnd, *, on_event: EventHandler) -> SyncReport:
    """Dial an address, exchange what each side lacks, and return what moved.

    Raises a ``SynapticError`` that says why not.
    """
    return await _run_dialled(address, end, live=False, on_event=on_event)


async def keep_link(address: str, end: LocalEnd, *, on_event: EventHandler) -> None:
    """Keep a live link to an address until cancelled; when it is lost, dial again.

    A link that the other end made by starting this program cannot be made again: it ends. Raises
    ``UsageError``, ``WrongMarket`` or ``VersionMismatch``, which waiting does not cure.
    """
    pauses = Pauses(_FIRST_PAUSE_SECONDS)

    def handle(name: str, event: Happening) -> None:
        on_event(name, event)
        if isinstance(event, Reconciled):
            pauses.begin_anew()

    if is_started_by_other(address):
        await _run_dialled(address, end, live=True, on_event=handle)
        return
    while True:
        try:
            await _run_dialled(address, end, live=True, on_event=handle)
            error: SynapticError = LinkFailed("the other end closed the link")
        except (UsageError, WrongMarket, VersionMismatch):
            raise
        except SynapticError as failure:
            error = failure
        seconds = pauses.take_seconds()
        on_event(address, Lost(error, seconds))
        await trio.sleep(seconds)


async def fetch_state(address: str, end: LocalEnd, fetch: StateFetch) -> None:
    """Dial an address and fetch the state that is offered there, for a home that holds nothing.

    Raises a ``SynapticError`` that says why not; what has come is kept.
    """
    raw = await streams.dial(address, end.pipes)
    stream = await _secure(raw, end, is_initiator=True)
    try:
        async with stream:
            await _fetch(stream, fetch)
    except trio.TooSlowError as error:
        raise LinkFailed(f"the other end answered nothing for {IDLE_SECONDS} s") from error
    except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
        raise LinkFailed("the link was cut; join again, what has come is kept") from error
    finally:
        fetch.close()


async def _fetch(stream: SecuredStream, fetch: StateFetch) -> None:
    answers = -1
    deadline = trio.current_time()
    while True:
        # Whoever trickles makes no progress.
        if fetch.answers != answers:
            answers = fetch.answers
            deadline = trio.current_time() + IDLE_SECONDS
        with trio.fail_at(deadline):
            if data := fetch.data_to_send():
                await stream.send_all(data)
            if fetch.is_finished:
                return
            data = await stream.receive_some(_RECEIVE_BYTES)
        if not data:
            raise LinkFailed("the other end closed the link; join again, what has come is kept")
        fetch.receive(bytes(data))


async def serve(
    addresses: Sequence[str],
    end: LocalEnd,
    *,
    on_event: EventHandler,
    task_status: trio.TaskStatus[Sequence[str]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve whoever dials these addresses, until cancelled; a link stays if its dialler does.

    Starts with the addresses that it listens at. Raises ``UsageError`` or ``LinkFailed``.
    """
    chain = end.gate.replica.chain
    guests = Guests(lambda device: chain.get_fixed_position(device) > 0)
    async with AsyncExitStack() as stack:
        doors: list[Door] = []
        for address in addresses:
            opened = await streams.listen(address)
            for door in opened:
                await stack.enter_async_context(door.listener)
            doors.extend(opened)
        task_status.started([door.address for door in doors])
        anteroom = Anteroom(guests.is_good)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(anteroom.run)
            for door in doors:
                serve_one = partial(_serve_one, door, end, guests, anteroom, on_event)
                nursery.start_soon(trio.serve_listeners, serve_one, [door.listener])


async def _serve_one(
    door: Door,
    end: LocalEnd,
    guests: Guests,
    anteroom: Anteroom,
    on_event: EventHandler,
    raw: trio.SocketStream,
) -> None:
    name = door.name_peer(raw)
    host, device = get_host(name), None
    try:
        await anteroom.wait(host)
        stream = await _let_in(door, raw, end, guests, host)
        device = stream.peer.device
        guest = guests.make_guest(host, device)
        if isinstance(guest, Refusal):
            raise await stream.refuse(guest)
        with guests.keep_link(guest):
            on_event(name, Linked(device))
            await _run(stream, name, end, live=True, on_event=partial(_handle, guest, on_event))
            on_event(name, Left())
    except SynapticError as error:
        on_event(name, Lost(error, None, guests.get_wait_seconds(host, device)))


def _handle(guest: Guest, on_event: EventHandler, name: str, event: Happening) -> None:
    guest.note_moved()
    guest.is_at_rest = guest.is_at_rest or isinstance(event, Reconciled)
    on_event(name, event)


async def _let_in(
    door: Door, raw: trio.SocketStream, end: LocalEnd, guests: Guests, host: str
) -> SecuredStream:
    """Return the stream of a link that shows whose it is, or close it and raise why not."""
    stream = None
    try:
        with guests.keep_stranger(host):
            stream = await _secure(await door.unwrap(raw), end, is_initiator=False)
    except BaseException:
        await trio.aclose_forcefully(raw if stream is None else stream)
        raise
    assert stream is not None
    return stream


async def _run_dialled(
    address: str, end: LocalEnd, *, live: bool, on_event: EventHandler
) -> SyncReport:
    raw = await streams.dial(address, end.pipes)
    is_initiator = not is_started_by_other(address)
    stream = await _secure(raw, end, is_initiator=is_initiator)
    on_event(address, Linked(stream.peer.device))
    return await _run(stream, address, end, live=live, on_event=on_event)


async def _secure(raw: trio.abc.Stream, end: LocalEnd, *, is_initiator: bool) -> SecuredStream:
    market = end.gate.replica.market
    return await secure(raw, Channel(market, end.membership, is_initiator=is_initiator))


async def _run(
    stream: SecuredStream, name: str, end: LocalEnd, *, live: bool, on_event: EventHandler
) -> SyncReport:
    return await run_link(
        stream,
        end.gate,
        live=live,
        clock_ms=end.get_clock_ms(),
        on_event=lambda event: on_event(name, event),
        peer=stream.peer,
        blobs=end.blobs,
    )
