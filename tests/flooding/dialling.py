"""Making links by hand: from any address of this machine, and saying what no peer would say."""

import socket
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import count, repeat
from typing import Final

import trio

from synaptic_crdt.errors import SynapticError
from synaptic_crdt.state import limits
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.sync.channel import Channel
from synaptic_crdt.sync.membership import Access, Opening
from synaptic_crdt.sync.messages import (
    Bodies,
    Done,
    FrameReader,
    Gone,
    Header,
    Hello,
    Ids,
    Leaves,
    Marks,
    Message,
    Nodes,
    Probe,
    Statements,
    Trace,
    Traced,
    Want,
    decode_message,
    encode_frame,
    get_tag,
    make_preface,
)
from synaptic_crdt.sync.parts.blob_messages import BlobAsk, BlobGone, BlobOutline, BlobPiece
from synaptic_crdt.sync.transports.secured import SecuredStream, secure
from tests.flooding.scene import Scene

HONEST_SOURCE: Final = "127.0.0.2"
HOSTILE_SOURCE: Final = "127.0.0.3"
EVERYWHERE: Final = "everywhere"  # hundreds of addresses in turn

_RST: Final = b"\1\0\0\0\0\0\0\0"  # on closing, at once: nothing lingers on either side
_KINDS: Final = {
    get_tag(kind): kind
    for kind in (
        *(Hello, Ids, Nodes, Leaves, Want, Header, Bodies, Gone, Probe, Marks, Trace, Traced),
        *(Statements, Done, BlobAsk, BlobGone, BlobOutline, BlobPiece),
    )
}


class Anybody:
    """A device that shows whatever it is given, and believes whoever it meets."""

    def __init__(self, key: DeviceKey, openings: Sequence[Opening] = ()) -> None:
        self.key: Final = key
        self._openings: Final = openings

    def get_openings(self) -> Sequence[Opening]:
        return self._openings

    def judge(self, device: bytes, openings: Sequence[Opening]) -> Access:
        del device, openings
        return Access.MEMBER


class Target:
    """Where it is listened, from where it is dialled, and what was done to it."""

    def __init__(self, address: str, scene: Scene, market: bytes, sources: str) -> None:
        host, _, port = address.removeprefix("tcp://").rpartition(":")
        self.place: Final = (host, int(port))
        self.scene: Final = scene
        self.market: Final = market
        self.told: Final[Counter[str]] = Counter()
        # Has whatever is to come first come?
        self.is_ready: Final = trio.Event()
        self._sources: Final = _make_sources(sources)

    async def dial(self) -> trio.SocketStream:
        """Return a stream from the next of its addresses. Raises ``OSError``."""
        made = trio.socket.socket()
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
            await made.bind((next(self._sources), 0))
            await made.connect(self.place)
        except BaseException:
            made.close()
            raise
        self.told["connections"] += 1
        return trio.SocketStream(made)

    async def speak(self, membership: Anybody) -> "Speaker":
        """Return a link as a device. Raises ``OSError`` or a ``SynapticError``."""
        stream = await self.dial()
        channel = Channel(self.market, membership, is_initiator=True)
        made = await secure(stream, channel)
        self.told["links"] += 1
        return Speaker(made, self)


class Speaker:
    """One end of a link that says what it is told to say."""

    def __init__(self, stream: SecuredStream, target: Target) -> None:
        self.stream: Final = stream
        self._target: Final = target
        self._reader: Final = FrameReader()
        self._has_preface = False

    async def say(self, *messages: Message) -> None:
        """Send messages."""
        await self.send(b"".join(map(encode_frame, messages)))

    async def send(self, data: bytes) -> None:
        """Send bytes."""
        await self.stream.send_all(data)
        self._target.told["bytes"] += len(data)

    async def hear(self) -> Message:
        """Return what the other end says next. Raises ``EOFError`` at its end."""
        while True:
            if not self._has_preface:
                self._has_preface = self._reader.take_preface() is not None
            if self._has_preface and (payload := self._reader.take_payload()) is not None:
                return decode_message(payload, _KINDS)
            data = await self.stream.receive_some()
            if not data:
                raise EOFError
            self._reader.feed(data)

    async def greet(self, *, live: bool = True, feeds: int = 0) -> Hello:
        """Say hello as somebody who has nothing, or feeds of which nothing is known; return theirs."""
        market = self._target.market
        hello = Hello(
            view=0,
            index=0,
            checkpoint=market,
            beside=bytes(limits.HASH_BYTES),
            leaves=bytes(limits.HASH_BYTES),
            feeds=feeds,
            nonce=bytes(limits.NONCE_BYTES),
            clock_ms=0,
            live=live,
            role="member",
            device=bytes(limits.HASH_BYTES),
        )
        await self.send(make_preface(market) + encode_frame(hello))
        theirs = await self.hear()
        assert isinstance(theirs, Hello)
        return theirs


GONE: Final = (OSError, EOFError, SynapticError, trio.BrokenResourceError, trio.ClosedResourceError)


def _make_sources(sources: str) -> Iterator[str]:
    if sources != EVERYWHERE:
        yield from repeat(sources)
    for number in count():
        yield f"127.{1 + number % 200}.{number // 200 % 250}.{1 + number % 250}"
