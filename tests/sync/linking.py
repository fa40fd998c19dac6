"""Links between peers of the toy market: logs of what they tell, and ends that keep errors."""

from collections.abc import Mapping, Sequence
from typing import Final

import trio
import trio.testing

from synaptic_crdt.errors import SynapticError
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.sync.channel import Channel
from synaptic_crdt.sync.happenings import SyncReport
from synaptic_crdt.sync.links import LocalEnd
from synaptic_crdt.sync.membership import Access, Opening, Refusal
from synaptic_crdt.sync.peer import run_link
from synaptic_crdt.sync.transports.door import Door
from synaptic_crdt.sync.transports.secured import SecuredStream, secure
from tests.sync.conftest import CLOCK_MS, Peer, make_key

HERE = "tcp://127.0.0.1:0"

Judged = Mapping[bytes, Access | Refusal]


class ToyMembership:
    """Lets in whom it was told to let in, or everybody; shows one opening."""

    def __init__(
        self,
        key: DeviceKey,
        judged: Judged | None = None,
    ) -> None:
        self.key: Final = key
        self._judged: Final = judged
        self.shown: list[Opening] = []

    def get_openings(self) -> Sequence[Opening]:
        return (Opening(self.key.public, b"toy"),)

    def judge(self, device: bytes, openings: Sequence[Opening]) -> Access | Refusal:
        self.shown.extend(openings)
        if self._judged is None:
            return Access.MEMBER
        return self._judged.get(device, Refusal.STRANGER)


def get_clock_ms() -> int:
    return CLOCK_MS


def make_end(peer: Peer, judged: Judged | None = None, number: int = 100) -> LocalEnd:
    """Return this end of links of a peer, whose device is made from a number."""
    return LocalEnd(peer.gate, ToyMembership(make_key(number), judged), get_clock_ms)


async def accept(door: Door, peer: Peer) -> SecuredStream:
    """Return a link that comes to a door."""
    channel = Channel(peer.replica.market, ToyMembership(make_key(101)), is_initiator=False)
    return await secure(await door.listener.accept(), channel)


class Log:
    """Keeps events, and wakes whoever waits for one."""

    def __init__(self) -> None:
        self.events: list[object] = []
        self._came = trio.Event()

    def __call__(self, *told: object) -> None:
        self.events.append(told[-1])
        self._came.set()
        self._came = trio.Event()

    def get(self, kind: type) -> list[object]:
        return [event for event in self.events if isinstance(event, kind)]

    async def wait_for(self, kind: type, count: int = 1) -> None:
        while len(self.get(kind)) < count:
            await self._came.wait()


class LinkEnd:
    """Runs one end of a link and keeps what it raised."""

    def __init__(self) -> None:
        self.error: SynapticError | None = None
        self.report: SyncReport | None = None
        self.log = Log()

    async def run(self, stream: trio.abc.Stream, peer: Peer, *, live: bool = False) -> None:
        try:
            self.report = await run_link(
                stream, peer.gate, live=live, clock_ms=CLOCK_MS, on_event=self.log
            )
        except SynapticError as error:
            self.error = error


async def run_two(first: Peer, second: Peer) -> tuple[LinkEnd, LinkEnd]:
    ends = LinkEnd(), LinkEnd()
    streams = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        for end, stream, peer in zip(ends, streams, (first, second), strict=True):
            nursery.start_soon(end.run, stream, peer)
    return ends


async def wait_until_equal(first: Peer, second: Peer) -> None:
    """Wait until the two peers hold the same, whichever of them hears of the last thing."""
    came = trio.Event()
    for peer in (first, second):
        peer.gate.news.subscribe(lambda _: came.set())
    while second.replica.get_leaves() != first.replica.get_leaves():
        await came.wait()
        came = trio.Event()
