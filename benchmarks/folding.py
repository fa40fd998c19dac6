"""Verifying, decoding and folding a store from disk; late entries; appending."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from benchmarks.figures import Figure, get_memory, measure_median, print_figures
from benchmarks.histories import make_key, make_transfers, open_market
from benchmarks.mixed import make_mixed, print_shares
from synaptic_crdt.node.home import Home
from synaptic_crdt.node.node import Node
from synaptic_crdt.rules.operations import TokenTransfer, encode_operation
from synaptic_crdt.state.clock import pack_timestamp
from synaptic_crdt.state.contract import APPLIED
from synaptic_crdt.state.feeds import encode_body, seal_bodies

_SIZES = (1_000, 10_000, 100_000)
_LARGE = 1_000_000
_RUNS = 3
_DEVICES = 10
_LATE_DEPTH = 50
_LATE_TIMES = 22


def print_folding(*, with_large: bool = False) -> None:
    """Measure and print everything about the fold."""
    figures: list[Figure] = []
    sizes = (*_SIZES, _LARGE) if with_large else _SIZES
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder) / "home"
            with open_market(home) as node:
                node.gate.admit_pieces(make_transfers(node, _DEVICES, size))
            figures += _measure_opening(home, f"{size:,} transfers")
    counts: Mapping[str, int] = {}
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder) / "home"
            with open_market(home, sandbox=True) as node:
                mixed = make_mixed(node, size)
                node.gate.admit_pieces(mixed.pieces)
                _check_applied(node)
                counts = mixed.counts
            figures += _measure_opening(home, f"{size:,} entries of all kinds")
    print_figures("verify, decode and fold from disk, one core", figures)
    print_shares(counts)
    print_figures("late entries", [_measure_late_entry()])
    print_figures("appending, durable", _measure_appending())


def _check_applied(node: Node) -> None:
    """Make sure that it is work that is measured, and not refusals."""
    tail = node.replica.machine.get_tail()
    applied = sum(outcome.verdict == APPLIED for outcome in tail)
    assert applied >= 0.99 * len(tail), (applied, len(tail))


def _measure_opening(home: Path, what: str) -> list[Figure]:
    # In processes of their own, so that neither caches nor memory of the filling count.
    script = "from benchmarks.folding import open_and_fold; import sys; open_and_fold(sys.argv[1])"
    runs = [
        subprocess.run(
            [sys.executable, "-c", script, str(home)], check=True, capture_output=True, text=True
        ).stdout.split()
        for _ in range(_RUNS)
    ]
    entries = int(runs[0][0])
    wall, cpu, grown = (median(float(run[column]) for run in runs) for column in (1, 2, 3))
    return [
        Figure(what, entries / wall, "entries/s", 60_000, is_floor=True),
        # What others do on the machine meanwhile does not count here.
        Figure(f"{what}, of CPU time", entries / cpu, "entries/s", 60_000, is_floor=True),
        Figure(f"{what}, memory each", grown / entries, "bytes", 1_024, is_floor=False),
    ]


def open_and_fold(folder: str) -> None:
    """Open a home, read its root, and print entries, seconds, CPU seconds and memory grown."""
    before = get_memory()
    start, cpu_start = time.perf_counter(), time.process_time()
    node = Node.open(Home(Path(folder)), "")
    assert node.replica.root
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    print(node.replica.entries, seconds, cpu_seconds, get_memory() - before)
    node.close()


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
