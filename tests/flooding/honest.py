"""An honest peer under attack: writes again and again, and times how soon others hold it.

``python -m tests.flooding.honest FOLDER ADDRESS SECONDS``: one home dials anew for every entry, as
``sync`` does, and tries again at once when it is not served. Two have live links, as ``sync --live``
keeps them: one writes, and the other one sees it once it has come through whoever listens. Prints
one line of JSON: both times of every round in ms, and how often it had to try again.
"""

import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import msgspec
import trio

from synaptic_crdt.errors import SynapticError
from synaptic_crdt.node.home import Home
from synaptic_crdt.node.node import Node
from synaptic_crdt.sync.channel import Channel
from synaptic_crdt.sync.peer import LinkEvent, run_link
from synaptic_crdt.sync.transports.secured import secure
from tests.flooding.dialling import HONEST_SOURCE
from tests.flooding.scene import HONEST, PASSPHRASE, make_transfer

ROUND_SECONDS: Final = 20.0  # what takes longer is counted with this, and given up
_PAUSE_SECONDS: Final = 0.05


class Times(msgspec.Struct):
    """What a run came to: ms of each round of both kinds, and what went wrong.

    ``lost``: rounds that were given up; ``again``: tries that failed; ``relinked``: live links
    that broke.
    """

    dialled: list[float] = []
    live: list[float] = []
    lost: int = 0
    again: int = 0
    relinked: int = 0
    why: dict[str, int] = {}


class _Honest:
    def __init__(self, place: tuple[str, int], nodes: Sequence[Node]) -> None:
        self._place: Final = place
        self._dialler, self._writer, self._reader = nodes
        self._served: Final = (trio.Event(), trio.Event())
        self.times: Final = Times()

    async def run(self, seconds: float) -> None:
        async with trio.open_nursery() as nursery:
            for node in (self._writer, self._reader):
                nursery.start_soon(self._keep_link, node)
            with trio.move_on_after(ROUND_SECONDS):
                # What was written meanwhile comes first, and is not timed.
                await self._dial()
            measures = (self._measure_dialled, self._measure_live)
            for measure, served in zip(measures, self._served, strict=True):
                nursery.start_soon(self._measure, measure, served)
            await trio.sleep(seconds)
            with trio.move_on_after(ROUND_SECONDS):
                # However slow all is: one of each at least.
                for served in self._served:
                    await served.wait()
            nursery.cancel_scope.cancel()

    async def _measure(self, measure: Callable[[], Awaitable[None]], served: trio.Event) -> None:
        while True:
            with trio.move_on_after(ROUND_SECONDS) as scope:
                await measure()
                served.set()
            self.times.lost += scope.cancelled_caught
            await trio.sleep(_PAUSE_SECONDS)

    async def _measure_dialled(self) -> None:
        begun = time.perf_counter()
        self._write(self._dialler)
        while not await self._dial():
            self.times.again += 1
            await trio.sleep(_PAUSE_SECONDS)
        self.times.dialled.append((time.perf_counter() - begun) * 1_000)

    async def _measure_live(self) -> None:
        begun = time.perf_counter()
        device, position = self._write(self._writer)
        came = trio.Event()

        def note(_: object) -> None:
            if self._reader.replica.get_feed(device).position >= position:
                came.set()

        self._reader.gate.news.subscribe(note)
        try:
            await came.wait()
        finally:
            self._reader.gate.news.unsubscribe(note)
        self.times.live.append((time.perf_counter() - begun) * 1_000)

    def _write(self, node: Node) -> tuple[bytes, int]:
        node.append_unasked(make_transfer(self._reader.key.public))
        return node.key.public, node.replica.get_feed(node.key.public).position

    async def _keep_link(self, node: Node) -> None:
        while True:
            await self._link(node, live=True)
            self.times.relinked += 1
            await trio.sleep(_PAUSE_SECONDS)

    async def _dial(self) -> bool:
        return await self._link(self._dialler, live=False)

    async def _link(self, node: Node, *, live: bool) -> bool:
        """Run a link from beginning to end; did that go well?"""
        host, port = self._place
        try:
            raw = await trio.open_tcp_stream(host, port, local_address=HONEST_SOURCE)
            channel = Channel(node.market.id, node.membership, is_initiator=True)
            stream = await secure(raw, channel)
            await run_link(
                stream,
                node.gate,
                live=live,
                clock_ms=node.get_wall_ms(),
                on_event=_ignore,
                peer=stream.peer,
            )
        except (OSError, SynapticError) as error:
            why = f"{type(error).__name__}: {error}"[:60]
            self.times.why[why] = self.times.why.get(why, 0) + 1
            return False
        return True


def main(folder: str, address: str, seconds: str) -> None:
    """Run and print the times."""
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    with ExitStack() as stack:
        nodes: list[Node] = []
        for name in HONEST:
            nodes.append(Node.open(Home(Path(folder) / name), PASSPHRASE))
            stack.callback(nodes[-1].close)
        honest = _Honest((host, int(port)), nodes)
        trio.run(honest.run, float(seconds))
    sys.stdout.write(msgspec.json.encode(honest.times).decode() + "\n")


def _ignore(_: LinkEvent) -> None:
    """Only what comes of it counts."""


if __name__ == "__main__":
    main(*sys.argv[1:])
