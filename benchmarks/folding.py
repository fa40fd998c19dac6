"""Verifying, decoding and folding a store from disk; late entries; appending."""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.figures import Figure, measure_median, print_figures
from benchmarks.histories import make_key, make_transfers, open_market
from synaptic_crdt.node.home import Home
from synaptic_crdt.node.node import Node
from synaptic_crdt.rules.operations import TokenTransfer, encode_operation
from synaptic_crdt.state.clock import pack_timestamp
from synaptic_crdt.state.feeds import encode_body, seal_bodies

_SIZES = (1_000, 10_000, 100_000, 200_000)
_DEVICES = 10
_LATE_DEPTH = 50
_LATE_TIMES = 22


def print_folding() -> None:
    """Measure and print everything about the fold."""
    figures: list[Figure] = []
    for size in _SIZES:
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder) / "home"
            _fill(home, size)
            figures += _measure_opening(home, size)
    print_figures("verify, decode and fold from disk, one core", figures)
    print_figures("late entries", [_measure_late_entry()])
    print_figures("appending, durable", _measure_appending())


def _fill(folder: Path, entries: int) -> None:
    with open_market(folder) as node:
        node.gate.admit_pieces(make_transfers(node, _DEVICES, entries))


def _measure_opening(home: Path, size: int) -> list[Figure]:
    # In a process of its own, so that neither caches nor memory of the filling count.
    script = "from benchmarks.folding import open_and_fold; import sys; open_and_fold(sys.argv[1])"
    output = subprocess.run(
        [sys.executable, "-c", script, str(home)], check=True, capture_output=True, text=True
    ).stdout.split()
    entries, seconds, grown = int(output[0]), float(output[1]), float(output[2])
    return [
        Figure(f"{size:,} entries", entries / seconds, "entries/s", 60_000, is_floor=True),
        Figure(f"{size:,} entries, memory each", grown / entries, "bytes", 1_024, is_floor=False),
    ]


def open_and_fold(folder: str) -> None:
    """Open a home, read its root, and print entries, seconds and bytes of memory grown."""
    before = _get_memory()
    start = time.perf_counter()
    node = Node.open(Home(Path(folder)), "")
    assert node.replica.root
    seconds = time.perf_counter() - start
    grown = _get_memory() - before
    print(node.replica.entries, seconds, grown)
    node.close()


def _get_memory() -> int:
    """Return the resident bytes of this process."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


def _measure_late_entry() -> Figure:
    with tempfile.TemporaryDirectory() as folder, open_market(Path(folder) / "home") as node:
        node.gate.admit_pieces(make_transfers(node, 2, 10_000))
        tail = node.replica.machine.get_tail()
        # A device that was silent writes what belongs 50 entries, or a few more, before the end.
        place = tail[len(tail) - _LATE_DEPTH].entry.time
        to = make_key(1).public
        times = [_admit_late(node, place + tick, to) for tick in range(1, _LATE_TIMES)]
    return Figure(
        f"fold one entry {_LATE_DEPTH} deep in the tail",
        sorted(times)[len(times) // 2] * 1_000,
        "ms",
        1,
        is_floor=False,
    )


def _admit_late(node: Node, timestamp: int, to: bytes) -> float:
    # The founder's own feed ends long before the tail does.
    operation = TokenTransfer(to, 1, b"", "late")
    body = encode_body(timestamp, encode_operation(operation))
    feed = node.replica.get_feed(node.key.public)
    node.gate.admit_pieces(seal_bodies(node.market.id, node.key, feed.tip, [body]))
    start = time.perf_counter()
    node.replica.machine.fold()
    return time.perf_counter() - start


def _measure_appending() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder, open_market(Path(folder) / "home") as node:
        node.gate.admit_pieces(make_transfers(node, 2, 10))
        to = make_key(1).public
        single = measure_median(lambda: node.append_unasked(TokenTransfer(to, 1, b"", "")), 500)
        start = node.replica.get_feed(node.key.public).tip.time + pack_timestamp(1)
        operation = encode_operation(TokenTransfer(to, 1, b"", ""))
        batch = 20_000
        begin = time.perf_counter()
        bodies = [encode_body(start + place, operation) for place in range(batch)]
        tip = node.replica.get_feed(node.key.public).tip
        node.gate.admit_pieces(seal_bodies(node.market.id, node.key, tip, bodies))
        seconds = time.perf_counter() - begin
    return [
        Figure("one entry at a time", 1 / single, "entries/s", 2_000, is_floor=True),
        Figure("in batches", batch / seconds, "entries/s", 40_000, is_floor=True),
    ]
