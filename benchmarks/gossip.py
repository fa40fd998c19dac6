"""Fifty peers in one process, random links between them: until all have the same root."""

import random
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import trio
import trio.testing

from benchmarks.figures import Figure, print_figures
from benchmarks.histories import make_key, open_market
from synaptic_crdt.node.home import Home
from synaptic_crdt.node.node import Node
from synaptic_crdt.rules.operations import AccountOpen, TokenTransfer, encode_operation
from synaptic_crdt.state.clock import pack_timestamp
from synaptic_crdt.state.feeds import encode_body, seal_bodies
from synaptic_crdt.state.store import Store
from synaptic_crdt.sync.peer import run_link

_PEERS: Final = 50
_ENTRIES: Final = 5_000
_LINKS_EACH: Final = 3


def print_gossip() -> None:
    """Measure and print; every entry is durable at every peer before it is passed on."""
    with TemporaryDirectory() as folder, ExitStack() as stack:
        nodes = _make_nodes(Path(folder), stack)
        wall, processor = time.perf_counter(), time.process_time()
        trio.run(_run_links, nodes)
        roots = {node.replica.root for node in nodes}
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        assert len(roots) == 1
    print_figures(
        f"{_PEERS} peers in one process, {_LINKS_EACH} random live links each, {_ENTRIES:,} entries",
        [
            Figure("all roots equal", wall, "s", 30, is_floor=False),
            Figure("the same, processor time", processor, "s", 30, is_floor=False),
        ],
    )


def _make_nodes(folder: Path, stack: ExitStack) -> Sequence[Node]:
    founder = stack.enter_context(open_market(folder / "founder"))
    nodes: list[Node] = []
    for number in range(1, _PEERS + 1):
        home = Home(folder / f"peer{number}")
        home.make()
        node = Node(
            home, make_key(number), Store.create(home.store_path, founder.market.genesis_bytes)
        )
        stack.callback(node.close)
        _write(node, number, founder.get_wall_ms())
        nodes.append(node)
    return nodes


def _write(node: Node, number: int, start_ms: int) -> None:
    """Open an account and send tokens that it does not have; all feeds lie side by side in time."""
    key = make_key(number)
    opening = AccountOpen("bench", key.get_exchange_public(), None, None, None)
    transfer = TokenTransfer(make_key(1 + number % _PEERS).public, 1, b"", "x" * 100)
    count = _ENTRIES // _PEERS
    bodies = [
        encode_body(
            pack_timestamp(start_ms + 100 * position + number),
            encode_operation(transfer if position else opening),
        )
        for position in range(count)
    ]
    tip = node.replica.get_feed(key.public).tip
    node.gate.admit_pieces(seal_bodies(node.market.id, key, tip, bodies))


async def _run_links(nodes: Sequence[Node]) -> None:
    chance = random.Random(1)
    pairs = {
        tuple(sorted((number, other)))
        for number in range(_PEERS)
        for other in chance.sample(sorted(set(range(_PEERS)) - {number}), _LINKS_EACH)
    }
    # So that all are connected, whatever chance says.
    pairs |= {(number, number + 1) for number in range(_PEERS - 1)}
    came = trio.Event()

    def note(_: Sequence[bytes]) -> None:
        came.set()

    async with trio.open_nursery() as nursery:
        for node in nodes:
            node.gate.news.subscribe(note)
        for pair in sorted(pairs):
            for number, stream in zip(pair, trio.testing.memory_stream_pair(), strict=True):
                nursery.start_soon(_run_link, stream, nodes[number])
        while any(node.replica.entries < _ENTRIES for node in nodes):
            await came.wait()
            came = trio.Event()
        nursery.cancel_scope.cancel()


async def _run_link(stream: trio.abc.Stream, node: Node) -> None:
    clock_ms = node.get_wall_ms()
    await run_link(stream, node.gate, live=True, clock_ms=clock_ms, on_event=_ignore)


def _ignore(_event: object) -> None:
    """Take no note of what a link tells."""


if __name__ == "__main__":
    print_gossip()
