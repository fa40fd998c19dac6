"""``ws://host:port/path`` and ``wss://``: streams through whatever lets WebSockets through.

The bytes of a stream are the binary messages of a WebSocket, whatever their borders; nothing is
compressed. ``wss:`` can be dialled, with the certificates this machine trusts; to be dialled that
way, listen at ``ws:`` behind a proxy. Neither has any part in the safety of a link.

Answers messages without end (they are passed on as they come) and requests without end (h11's
limit).
"""

import ssl
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Final
from urllib.parse import SplitResult, urlsplit

import trio
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    RejectConnection,
    Request,
)
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import ProtocolError

from synaptic_crdt.errors import LinkFailed, ProtocolViolation, UsageError
from synaptic_crdt.sync import addresses
from synaptic_crdt.sync.transports.door import Door
from synaptic_crdt.sync.transports.tcp import keep_alive, name_peer

_PORTS: Final = {addresses.WS: 80, addresses.WSS: 443}
_DIAL_SECONDS: Final = 10
_UPGRADE_SECONDS: Final = 10
_LAST_WORD_SECONDS: Final = 1
_RECEIVE_BYTES: Final = 256 * 1024
_NOT_ASKED: Final = "who came asked for no WebSocket"


class WebSocketStream(trio.abc.Stream):
    """The bytes of the binary messages of a WebSocket."""

    def __init__(self, stream: trio.abc.Stream, kind: ConnectionType) -> None:
        self._stream: Final = stream
        self._socket: Final = WSConnection(kind)
        self._events: Final[deque[Event]] = deque()
        # Answers to pings are sent by whoever receives them.
        self._sending: Final = trio.Lock()
        self._plain: Final = bytearray()
        self._is_ended = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes, all of them, as one message."""
        await self.send_event(BytesMessage(bytes(data)))

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until sending may make progress."""
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return what came, none once the other end has closed. Raises ``ProtocolViolation``."""
        while not self._plain and not self._is_ended:
            match await self.receive_event():
                case BytesMessage(data=data):
                    self._plain.extend(data)
                case CloseConnection() | None:
                    self._is_ended = True
                case Ping() as ping:
                    await self.send_event(ping.response())
                case event:
                    raise ProtocolViolation(f"{type(event).__name__} came where bytes may come")
        data = bytes(self._plain[:max_bytes])
        del self._plain[:max_bytes]
        return data

    async def aclose(self) -> None:
        """Say that nothing more comes, if it can be said within a second, and close."""
        gone = suppress(trio.BrokenResourceError, trio.ClosedResourceError)
        with trio.move_on_after(_LAST_WORD_SECONDS, shield=True), gone:
            await self.send_event(CloseConnection(CloseReason.NORMAL_CLOSURE))
        await self._stream.aclose()

    async def send_event(self, event: Event) -> None:
        """Send what an event is made of. Raises as a stream does once either end has closed."""
        async with self._sending:
            try:
                data = self._socket.send(event)
            except ProtocolError as error:
                raise trio.BrokenResourceError from error
            await self._stream.send_all(data)

    async def receive_event(self) -> Event | None:
        """Return the next event, None at the end of the stream beneath."""
        while not self._events:
            data = await self._stream.receive_some(_RECEIVE_BYTES)
            try:
                self._socket.receive_data(bytes(data) or None)
                self._events.extend(self._socket.events())
            except ProtocolError as error:
                raise ProtocolViolation(f"no WebSocket is there: {error}") from error
            if not data and not self._events:
                return None
        return self._events.popleft()


async def dial(address: str) -> trio.abc.Stream:
    """Return a stream to who listens at an address. Raises ``UsageError`` or ``LinkFailed``."""
    parts, port = _parse(address)
    assert parts.hostname is not None
    try:
        with trio.fail_after(_DIAL_SECONDS):
            raw = await _open(parts, parts.hostname, port)
            return await _request(address, raw, parts)
    except (OSError, UnicodeError, trio.BrokenResourceError, trio.TooSlowError) as error:
        slow = f"no answer in {_DIAL_SECONDS} s"
        why = slow if isinstance(error, trio.TooSlowError) else error.__cause__ or error
        raise LinkFailed(f"{address}: {why}; is the other end listening?") from error


async def listen(address: str) -> list[Door]:
    """Return the doors at an address; port 0 takes a free one.

    Raises ``UsageError`` or ``LinkFailed``.
    """
    parts, port = _parse(address)
    if parts.scheme != addresses.WS:
        raise UsageError(f"{address}: listen at {addresses.WS}://, and have a proxy do the rest")
    try:
        listeners = await trio.open_tcp_listeners(port, host=parts.hostname)
    except (OSError, UnicodeError) as error:
        raise LinkFailed(
            f"{address}: {error}; choose another port, or an address of this machine"
        ) from error
    return [
        Door(
            f"{addresses.WS}://{_join(*listener.socket.getsockname()[:2])}{parts.path}",
            listener,
            name_peer,
            _accept,
        )
        for listener in listeners
    ]


async def _open(parts: SplitResult, host: str, port: int) -> trio.abc.Stream:
    if parts.scheme == addresses.WS:
        return await keep_alive(await trio.open_tcp_stream(host, port))
    stream = await trio.open_ssl_over_tcp_stream(
        host, port, ssl_context=ssl.create_default_context(), https_compatible=True
    )
    async with _closing_on_failure(stream):
        await stream.do_handshake()
    return stream


async def _request(address: str, raw: trio.abc.Stream, parts: SplitResult) -> WebSocketStream:
    stream = WebSocketStream(raw, ConnectionType.CLIENT)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    async with _closing_on_failure(raw):
        await stream.send_event(Request(host=parts.netloc, target=target))
        answer = await stream.receive_event()
    if isinstance(answer, AcceptConnection):
        return stream
    await trio.aclose_forcefully(raw)
    status = (
        f", the answer was {answer.status_code}" if isinstance(answer, RejectConnection) else ""
    )
    raise LinkFailed(f"{address}: no WebSocket is there{status}")


async def _accept(raw: trio.SocketStream) -> WebSocketStream:
    """Return the WebSocket that somebody asks for. Raises ``LinkFailed``."""
    stream = WebSocketStream(await keep_alive(raw), ConnectionType.SERVER)
    try:
        async with _closing_on_failure(raw):
            with trio.fail_after(_UPGRADE_SECONDS):
                if is_asked := isinstance(await stream.receive_event(), Request):
                    await stream.send_event(AcceptConnection())
    except (trio.BrokenResourceError, trio.TooSlowError) as error:
        raise LinkFailed(_NOT_ASKED) from error
    if is_asked:
        return stream
    await trio.aclose_forcefully(raw)
    raise LinkFailed(_NOT_ASKED)


@asynccontextmanager
async def _closing_on_failure(stream: trio.abc.Stream) -> AsyncGenerator[None]:
    try:
        yield
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise


def _join(host: str, port: int) -> str:
    return f"{f'[{host}]' if ':' in host else host}:{port}"


def _parse(address: str) -> tuple[SplitResult, int]:
    form = UsageError(f"{address!r:.200} is not an address of the form ws://host:port/path")
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError as error:
        raise form from error
    is_plain = parts.username is None and not parts.fragment and address.isascii()
    if parts.scheme not in _PORTS or not parts.hostname or not is_plain:
        raise form
    if any(char <= " " for char in address):
        raise form
    return parts, _PORTS[parts.scheme] if port is None else port
