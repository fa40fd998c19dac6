"""Two processes on loopback: cold sync, and how soon the other side sees what was appended."""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import trio

from benchmarks.figures import Figure, print_figures
from benchmarks.histories import make_key, make_transfers, open_market
from synaptic_crdt.node.home import Home
from synaptic_crdt.node.node import Node
from synaptic_crdt.rules.operations import TokenTransfer
from synaptic_crdt.state.keys import DeviceKey, make_seed
from synaptic_crdt.state.store import Store
from synaptic_crdt.sync.events import Reconciled
from synaptic_crdt.sync.happenings import SyncReport
from synaptic_crdt.sync.links import LocalEnd, keep_link, serve, sync_once
from synaptic_crdt.sync.membership import Access, Opening

_ENTRIES = 10_000
_DEVICES = 10
_MEMO = "x" * 200  # makes a body of about 250 bytes
_APPENDS = 200
_PAUSE_SECONDS = 0.02
_RUNS = 3


def print_syncing() -> None:
    """Measure and print everything about links."""
    print_figures("cold sync of 10,000 entries, durable and folded", _measure_cold_sync())
    print_figures("live, durable on both sides", [_measure_live()])


def _measure_cold_sync() -> list[Figure]:
    seconds: list[float] = []
    processor: list[float] = []
    sizes: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        home, genesis = _fill_home(Path(folder))
        with _serving(home) as address:
            for run in range(_RUNS):
                node = _make_reader(Path(folder) / f"reader{run}", genesis)
                start, start_processor = time.perf_counter(), time.process_time()
                report = trio.run(_sync_once, node, address)
                assert node.replica.root == report.root
                seconds.append(time.perf_counter() - start)
                processor.append(time.process_time() - start_processor)
                sizes.append(report.counts.bytes_received / node.replica.entries)
                node.close()
    return [
        Figure("seconds", statistics.median(seconds), "s", 0.5, is_floor=False),
        Figure(
            "processor time of the reader", statistics.median(processor), "s", 0.5, is_floor=False
        ),
        Figure("on the wire, each", statistics.median(sizes), "bytes", 290, is_floor=False),
    ]


def _measure_live() -> Figure:
    with tempfile.TemporaryDirectory() as folder, open_market(Path(folder) / "writer") as node:
        node.gate.admit_pieces(make_transfers(node, 2, 10))
        reader = Path(folder) / "reader"
        _make_reader(reader, node.market.genesis_bytes).close()
        with _serving(reader) as address:
            sent = trio.run(_append_live, node, address)
            seen = _read_seen(reader)
    waits = [seen[entries] - began for entries, began in sent if entries in seen]
    assert len(waits) > _APPENDS // 2, len(waits)
    return Figure(
        "append on A to visible on B", statistics.median(waits) / 1e6, "ms", 5, is_floor=False
    )


def _fill_home(folder: Path) -> tuple[Path, bytes]:
    with open_market(folder / "writer") as node:
        node.gate.admit_pieces(make_transfers(node, _DEVICES, _ENTRIES, _MEMO))
        return folder / "writer", node.market.genesis_bytes


def _make_reader(folder: Path, genesis: bytes) -> Node:
    home = Home(folder)
    home.make()
    return Node(home, DeviceKey(make_seed()), Store.create(home.store_path, genesis))


async def _sync_once(node: Node, address: str) -> SyncReport:
    return await sync_once(address, _get_end(node), on_event=_ignore_event)


class _Anybody:
    """Lets in whoever comes: readers that are measured have no feeds."""

    def __init__(self, key: DeviceKey) -> None:
        self.key: Final = key

    def get_openings(self) -> Sequence[Opening]:
        return ()

    def judge(self, device: bytes, openings: Sequence[Opening]) -> Access:
        del device, openings
        return Access.MEMBER


def _get_end(node: Node) -> LocalEnd:
    return LocalEnd(node.gate, _Anybody(node.key), node.get_wall_ms)


def _ignore_event(address: str, event: object) -> None:
    """Only the outcome is measured."""


@contextmanager
def _serving(home: Path) -> Generator[str]:
    """Serve a home in a process of its own; yield its address."""
    script = "from benchmarks.syncing import serve_home; import sys; serve_home(sys.argv[1])"
    with subprocess.Popen(
        [sys.executable, "-c", script, str(home)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def serve_home(folder: str) -> None:
    """Listen, print the address, and note when how many entries were folded."""
    home = Home(Path(folder))
    node = Node(home, DeviceKey(make_seed()), Store.open(home.store_path))
    with (home.path / "seen").open("w", encoding="ascii") as seen:

        def note_fold(_: Sequence[bytes]) -> None:
            node.replica.machine.fold()
            print(node.replica.entries, time.monotonic_ns(), file=seen, flush=True)

        node.gate.news.subscribe(note_fold)
        trio.run(_listen, node)


async def _listen(node: Node) -> None:
    async with trio.open_nursery() as nursery:

        async def start(task_status: trio.TaskStatus[Sequence[str]]) -> None:
            await serve(
                ["tcp://127.0.0.1:0"],
                _get_end(node),
                on_event=_ignore_event,
                task_status=task_status,
            )

        addresses: Sequence[str] = await nursery.start(start)
        print(addresses[0], flush=True)


async def _append_live(node: Node, address: str) -> list[tuple[int, int]]:
    """Append while linked; return the number of entries and the time before each append."""
    linked = trio.Event()
    sent: list[tuple[int, int]] = []

    def note(_: str, event: object) -> None:
        if isinstance(event, Reconciled):
            linked.set()

    async def link() -> None:
        await keep_link(address, _get_end(node), on_event=note)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(link)
        await linked.wait()
        to = make_key(1).public
        for _ in range(_APPENDS):
            began = time.monotonic_ns()
            node.append_unasked(TokenTransfer(to, 1, b"", ""))
            sent.append((node.replica.entries, began))
            await trio.sleep(_PAUSE_SECONDS)
        nursery.cancel_scope.cancel()
    return sent


def _read_seen(home: Path) -> dict[int, int]:
    lines = (home / "seen").read_text(encoding="ascii").splitlines()
    return {int(entries): int(when) for entries, when in (line.split() for line in lines)}
