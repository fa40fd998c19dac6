"""WebSockets: two real ends, and others that are none."""

import datetime as dt
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage

from synaptic_crdt.errors import LinkFailed, ProtocolViolation, UsageError
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.sync.happenings import Lost
from synaptic_crdt.sync.links import serve, sync_once
from synaptic_crdt.sync.transports import tcp, websocket
from synaptic_crdt.sync.transports.websocket import WebSocketStream
from tests.sync.conftest import Peer
from tests.sync.linking import HERE, Log, make_end

pytestmark = pytest.mark.anyio

ADDRESS = "ws://127.0.0.1:0/market"


@asynccontextmanager
async def serving(peer: Peer, log: Log) -> AsyncGenerator[str]:
    async with trio.open_nursery() as nursery:

        async def run_server(task_status: trio.TaskStatus[object]) -> None:
            await serve([ADDRESS], make_end(peer), on_event=log, task_status=task_status)

        [address] = await nursery.start(run_server)
        yield address
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def linked() -> AsyncGenerator[tuple[WebSocketStream, WebSocketStream]]:
    """Yield both ends of a WebSocket."""
    [door] = await websocket.listen(ADDRESS)
    accepted: list[WebSocketStream] = []
    async with door.listener:
        async with trio.open_nursery() as nursery:

            async def accept() -> None:
                stream = await door.unwrap(await door.listener.accept())
                assert isinstance(stream, WebSocketStream)
                accepted.append(stream)

            nursery.start_soon(accept)
            dialled = await websocket.dial(door.address)
        assert isinstance(dialled, WebSocketStream)
        async with dialled, accepted[0]:
            yield dialled, accepted[0]


async def test_two_peers_sync_over_a_websocket(founder: DeviceKey) -> None:
    first, second, log = Peer(founder), Peer(founder), Log()
    first.note(founder, 1500, size=200)
    async with serving(first, log) as address:
        assert address.endswith("/market")
        report = await sync_once(address, make_end(second), on_event=Log())
    assert report.equal
    assert second.replica.entries == 1500


async def test_bytes_go_both_ways_whatever_their_borders() -> None:
    async with linked() as ends:
        for source, target in (ends, ends[::-1]):
            await source.wait_send_all_might_not_block()
            await source.send_all(b"some")
            await source.send_all(b" more")
            received = b""
            while len(received) < 9:
                received += await target.receive_some(3)
            assert received == b"some more"
        await ends[0].aclose()
        assert await ends[1].receive_some() == b""


async def test_pings_are_answered_and_pass_unseen() -> None:
    async with linked() as (first, second):
        await first.send_event(Ping(b"there?"))
        await first.send_event(BytesMessage(b"bytes"))
        assert await second.receive_some() == b"bytes"
        assert await first.receive_event() == Pong(b"there?")


async def test_text_is_refused() -> None:
    async with linked() as (first, second):
        await first.send_event(TextMessage("words"))
        with pytest.raises(ProtocolViolation, match="TextMessage"):
            await second.receive_some()


async def test_an_end_that_is_gone_is_an_end() -> None:
    async with linked() as (first, second):
        await trio.aclose_forcefully(first)
        assert await second.receive_some() == b""


async def answer_as(reply: bytes) -> tuple[str, Callable[[], Awaitable[None]]]:
    """Return the address of what answers a request by these bytes, and what runs it once."""
    [door] = await tcp.listen(HERE)

    async def run() -> None:
        async with door.listener, await door.listener.accept() as stream:
            await stream.receive_some()
            await stream.send_all(reply)

    return door.address.replace("tcp:", "ws:"), run


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "the answer was 404"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "the answer was 200"),
        (b"220 mail ready\r\n", "no WebSocket is there"),
        (b"", "no WebSocket is there"),
    ],
)
async def test_whoever_speaks_no_websocket_is_no_peer(reply: bytes, words: str) -> None:
    address, run = await answer_as(reply)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        with pytest.raises((LinkFailed, ProtocolViolation), match=words):
            await websocket.dial(address)


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"synaptic",
        b"\0" * 100,
        b"GET / HTTP/1.1\r\n" * 9999,
        b"",
        b"GET / HT",
    ],
    ids=["page", "preface", "zeros", "endless", "nothing", "half"],
)
async def test_who_comes_without_a_request_is_turned_away(said: bytes) -> None:
    log = Log()
    async with serving(Peer(), log) as address:
        stream = await tcp.dial(address.replace("ws:", "tcp:").removesuffix("/market"))
        async with stream:
            try:
                await stream.send_all(said)
                await stream.send_eof()
            except trio.BrokenResourceError:
                pass
            await log.wait_for(Lost)
    [lost] = log.get(Lost)
    assert isinstance(lost, Lost)
    assert isinstance(lost.error, LinkFailed | ProtocolViolation)


@pytest.mark.parametrize(
    "address",
    [
        "ws://", "ws:///path", "ws://host:x", "ws://host:70000", "ws://user@host/", "ws://host/#part",
        "http://host/", "ws://[::1", "ws://host/a b", "ws://host/\r\nX: y", "ws://höst/",
    ],
)  # fmt: skip
async def test_addresses_that_are_none(address: str) -> None:
    for do in (websocket.dial, websocket.listen):
        with pytest.raises(UsageError):
            await do(address)


async def test_places_where_nobody_is() -> None:
    with pytest.raises(LinkFailed, match="listening"):
        await websocket.dial("ws://127.0.0.1:1/")
    with pytest.raises(LinkFailed, match="listening"):
        await websocket.dial("wss://127.0.0.1:1/")
    with pytest.raises(LinkFailed, match="address of this machine"):
        await websocket.listen("ws://192.0.2.1:0/")
    with pytest.raises(UsageError, match="proxy"):
        await websocket.listen("wss://127.0.0.1:0/")


async def test_a_closed_websocket_takes_nothing_more() -> None:
    async with linked() as (first, _):
        await first.aclose()
        with pytest.raises((trio.BrokenResourceError, trio.ClosedResourceError)):
            await first.send_all(b"more")


async def test_what_is_sent_to_an_end_that_has_closed_breaks_like_any_stream() -> None:
    async with linked() as (first, second):
        await first.send_event(CloseConnection(1000))
        assert await second.receive_some() == b""
        with pytest.raises(trio.BrokenResourceError):
            await second.send_all(b"more")


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Write a certificate for this machine, which signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths


async def carry(source: trio.abc.Stream, target: trio.abc.Stream) -> None:
    try:
        while data := await source.receive_some(65_536):
            await target.send_all(data)
        await target.aclose()
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass


async def test_two_peers_sync_through_a_proxy_that_does_tls(
    founder: DeviceKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = make_certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    first, second = Peer(founder), Peer(founder)
    first.note(founder, 3)
    async with serving(first, Log()) as address, trio.open_nursery() as nursery:
        [listener] = await trio.open_ssl_over_tcp_listeners(
            0, context, host="127.0.0.1", https_compatible=True
        )
        beneath = listener.transport_listener
        assert isinstance(beneath, trio.SocketListener)
        port = beneath.socket.getsockname()[1]

        async def pass_on(stream: trio.SSLStream[trio.SocketStream]) -> None:
            inner = await tcp.dial(address.replace("ws:", "tcp:").removesuffix("/market"))
            async with inner, stream, trio.open_nursery() as both:
                both.start_soon(carry, stream, inner)
                both.start_soon(carry, inner, stream)

        nursery.start_soon(trio.serve_listeners, pass_on, [listener])
        secure_address = f"wss://localhost:{port}/market"
        with pytest.raises(LinkFailed, match="certificate verify failed"):
            await sync_once(secure_address, make_end(second), on_event=Log())
        # What the machine trusts decides, and nothing of ours.
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert (await sync_once(secure_address, make_end(second), on_event=Log())).equal
        nursery.cancel_scope.cancel()
    assert second.replica.entries == 3
