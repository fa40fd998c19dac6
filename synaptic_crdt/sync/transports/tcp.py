"""``tcp://host:port``: streams over TCP, of which only the secure channel makes links.

Answers connections that say nothing, or are dropped at once: the system keeps them to itself.
"""

import socket
from typing import Final
from urllib.parse import urlsplit

import trio

from synaptic_crdt.errors import LinkFailed, UsageError
from synaptic_crdt.sync import addresses
from synaptic_crdt.sync.transports.door import Door

_DIAL_SECONDS: Final = 10
# Who dials speaks first, so the system wakes us for nobody who says nothing, for so long.
_SILENT_SECONDS: Final = 10
# After a minute of silence, four questions in another minute.
_KEEP_ALIVE: Final = (
    (socket.TCP_KEEPIDLE, 60),
    (socket.TCP_KEEPINTVL, 15),
    (socket.TCP_KEEPCNT, 4),
)


async def dial(address: str) -> trio.SocketStream:
    """Return a stream to who listens at an address.

    Raises ``UsageError`` for an address that cannot be dialled, ``LinkFailed`` when nobody is
    there.
    """
    host, port = _parse(address, least_port=1)
    try:
        with trio.fail_after(_DIAL_SECONDS):
            return await keep_alive(await trio.open_tcp_stream(host, port))
    except (OSError, UnicodeError, trio.TooSlowError) as error:
        why = f"no answer in {_DIAL_SECONDS} s" if isinstance(error, trio.TooSlowError) else error
        raise LinkFailed(f"{address}: {why}; is the other end listening?") from error


async def listen(address: str) -> list[Door]:
    """Return the doors at an address; port 0 takes a free one.

    Raises ``UsageError`` or ``LinkFailed``.
    """
    host, port = _parse(address, least_port=0)
    try:
        listeners = await trio.open_tcp_listeners(port, host=host)
    except (OSError, UnicodeError) as error:
        raise LinkFailed(
            f"{address}: {error}; choose another port, or an address of this machine"
        ) from error
    for listener in listeners:
        listener.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, _SILENT_SECONDS)
    return [
        Door(_name(*listener.socket.getsockname()[:2]), listener, name_peer, keep_alive)
        for listener in listeners
    ]


async def keep_alive(stream: trio.SocketStream) -> trio.SocketStream:
    """Have the system find out when the other end's machine is gone, while nobody speaks."""
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEP_ALIVE:
        stream.setsockopt(socket.IPPROTO_TCP, option, value)
    return stream


def name_peer(stream: trio.SocketStream) -> str:
    """Return the address that a stream comes from."""
    try:
        return _name(*stream.socket.getpeername()[:2])
    except OSError:
        return f"{addresses.TCP}://gone"


def _name(host: str, port: int) -> str:
    return f"{addresses.TCP}://{f'[{host}]' if ':' in host else host}:{port}"


def _parse(address: str, *, least_port: int) -> tuple[str, int]:
    form = UsageError(f"{address!r:.200} is not an address of the form {addresses.TCP}://host:port")
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise form from error
    if (
        address != f"{addresses.TCP}://{parts.netloc}"
        or not host
        or port is None
        or port < least_port
    ):
        raise form
    return host, port
