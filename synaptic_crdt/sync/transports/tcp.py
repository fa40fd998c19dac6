"""``tcp://host:port``: streams over TCP, on this machine only until the secure channel is there.

A link in the clear shows everything to whoever stands between, so any address that is not
loopback is refused, for dialling and for listening alike.
"""

import ipaddress
from typing import Final
from urllib.parse import urlsplit

import trio

from synaptic_crdt.errors import LinkFailed, UsageError

SCHEME: Final = "tcp"

_DIAL_SECONDS: Final = 10


async def dial(address: str) -> trio.SocketStream:
    """Return a stream to who listens at an address.

    Raises ``UsageError`` for an address that cannot be dialled, ``LinkFailed`` when nobody is
    there.
    """
    host, port = _parse(address, least_port=1)
    failure: Exception | None = None
    for resolved in await _resolve(address, host, port):
        try:
            with trio.fail_after(_DIAL_SECONDS):
                return await trio.open_tcp_stream(resolved, port)
        except (OSError, trio.TooSlowError) as error:
            failure = error
    raise LinkFailed(f"{address}: {failure or 'no such host'}; is the other end listening?")


async def listen(address: str) -> list[trio.SocketListener]:
    """Return listeners at an address; port 0 takes a free one, which ``get_address`` tells.

    Raises ``UsageError`` or ``LinkFailed``.
    """
    host, port = _parse(address, least_port=0)
    try:
        resolved = (await _resolve(address, host, port))[0]
        return await trio.open_tcp_listeners(port, host=resolved)
    except OSError as error:
        raise LinkFailed(f"{address}: {error}; choose another port") from error


def get_address(listener: trio.SocketListener) -> str:
    """Return the address that others dial to reach a listener."""
    return _name(*listener.socket.getsockname()[:2])


def get_peer_address(stream: trio.SocketStream) -> str:
    """Return the address that a stream comes from."""
    try:
        return _name(*stream.socket.getpeername()[:2])
    except OSError:
        return f"{SCHEME}://gone"


def _name(host: str, port: int) -> str:
    return f"{SCHEME}://{f'[{host}]' if ':' in host else host}:{port}"


def _parse(address: str, *, least_port: int) -> tuple[str, int]:
    form = UsageError(f"{address!r:.200} is not an address of the form {SCHEME}://host:port")
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise form from error
    if address != f"{SCHEME}://{parts.netloc}" or not host or port is None or port < least_port:
        raise form
    return host, port


async def _resolve(address: str, host: str, port: int) -> list[str]:
    """Return the numeric addresses of a host, all of them loopback."""
    try:
        found = await trio.socket.getaddrinfo(host, port, type=trio.socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise LinkFailed(f"{address}: {error}") from error
    resolved = list(dict.fromkeys(str(item[4][0]) for item in found))
    for number in resolved:
        if not ipaddress.ip_address(number).is_loopback:
            raise UsageError(
                f"{address} is {number}, which is not on this machine: until the secure channel"
                " is there, TCP links are loopback only; carry a bundle instead"
            )
    return resolved
