"""Links between peers of the toy market: logs of what they tell, and ends that keep errors."""

import trio
import trio.testing

from synaptic_crdt.errors import SynapticError
from synaptic_crdt.sync.peer import SyncReport, run_link
from tests.sync.conftest import CLOCK_MS, Peer

HERE = "tcp://127.0.0.1:0"


def get_clock_ms() -> int:
    return CLOCK_MS


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
