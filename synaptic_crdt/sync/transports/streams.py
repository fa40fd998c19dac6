"""Transports by the scheme of an address: a newcomer is a module like its neighbours and a line.

A transport yields a duplex stream of bytes and nothing else. Who is at the other end, and what is
said there, is decided above it.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeVar

import trio

from synaptic_crdt.errors import UsageError
from synaptic_crdt.sync import addresses
from synaptic_crdt.sync.transports import process, stdio, tcp, unix, websocket
from synaptic_crdt.sync.transports.door import Door
from synaptic_crdt.sync.transports.stdio import Pipes

_Transport = TypeVar("_Transport")

_DIAL: Final[Mapping[str, Callable[[str], Awaitable[trio.abc.Stream]]]] = {
    addresses.TCP: tcp.dial,
    addresses.UNIX: unix.dial,
    addresses.EXEC: process.dial,
    addresses.WS: websocket.dial,
    addresses.WSS: websocket.dial,
}
_LISTEN: Final[Mapping[str, Callable[[str], Awaitable[list[Door]]]]] = {
    addresses.TCP: tcp.listen,
    addresses.UNIX: unix.listen,
    addresses.WS: websocket.listen,
    addresses.WSS: websocket.listen,
}


async def dial(address: str, pipes: Pipes | None) -> trio.abc.Stream:
    """Return a stream to an address; ``pipes`` are what ``stdio:`` means here, if anything.

    Raises ``UsageError`` or ``LinkFailed``.
    """
    if addresses.is_started_by_other(address):
        return stdio.make_stream(address, pipes)
    return await _find(_DIAL, address)(address)


async def listen(address: str) -> list[Door]:
    """Return the doors at an address. Raises ``UsageError`` or ``LinkFailed``."""
    if addresses.is_exchanged(address):
        raise UsageError(
            f"{address!r:.200}: nobody dials a place like this; keep it in step with"
            f" `synaptic-crdt sync --live {address:.200}`"
        )
    return await _find(_LISTEN, address)(address)


def _find(known: Mapping[str, _Transport], address: str) -> _Transport:
    found = known.get(addresses.get_scheme(address))
    if found is None:
        raise UsageError(
            f"{address!r:.200} begins with none of {', '.join(f'{scheme}:' for scheme in known)}"
        )
    return found
