"""Opening a market of final entries: at its saved state, with the root verified."""

import gc
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import Figure, get_memory, print_figures
from benchmarks.histories import make_transfers, open_market
from synaptic_crdt.node.home import Home
from synaptic_crdt.node.node import Node
from synaptic_crdt.state.feeds import Piece
from synaptic_crdt.state.statements import encode_statement

# Entries, accounts and checkpoints.
_MARKETS = ((10_000, 100, 10), (100_000, 1_000, 100))
_LARGE = (1_000_000, 1_000, 1_000)
_LIVING, _LIVING_ACCOUNTS = 20_000, 100


def print_opening(*, with_large: bool = False) -> None:
    """Measure and print how long a market of final entries takes to open, and what it holds."""
    figures: list[Figure] = []
    for entries, accounts, epochs in (*_MARKETS, *([_LARGE] if with_large else [])):
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder) / "home"
            _fill(home, entries, accounts, epochs)
            figures += _measure(home, f"{entries:,} final entries, {accounts:,} accounts")
    print_figures("opening at a saved state", figures)
    print_figures("a process that saw entries become final", [_measure_living()])


def _fill(folder: Path, entries: int, accounts: int, epochs: int) -> None:
    with open_market(folder) as node:
        _close_epochs(node, make_transfers(node, accounts, entries), epochs)


def _close_epochs(node: Node, pieces: Sequence[Piece], epochs: int) -> None:
    size = -(-len(pieces) // epochs)
    for start in range(0, len(pieces), size):
        node.gate.admit_pieces(pieces[start : start + size])
        time_ms = node.get_wall_ms()
        checkpoint = node.replica.make_checkpoint(node.key, time_ms, lambda _: True)
        node.gate.admit_statement(encode_statement(checkpoint))


def _measure(home: Path, what: str) -> list[Figure]:
    # In a process of its own, so that neither caches nor memory of the filling count.
    script = "from benchmarks.opening import open_home; import sys; open_home(sys.argv[1])"
    output = subprocess.run(
        [sys.executable, "-c", script, str(home)], check=True, capture_output=True, text=True
    ).stdout.split()
    entries, seconds, grown = int(output[0]), float(output[1]), float(output[2])
    return [
        Figure(what, seconds, "s", 0.5, is_floor=False),
        Figure(f"{what}, memory each", grown / entries, "bytes", 1_024, is_floor=False),
    ]


def open_home(folder: str) -> None:
    """Open a home, read its root, and print entries, seconds and bytes of memory grown."""
    before = get_memory()
    start = time.perf_counter()
    node = Node.open(Home(Path(folder)), "")
    checkpoint = node.replica.chain.get(node.replica.machine.epoch)
    assert checkpoint is not None
    assert checkpoint.root == node.replica.root
    seconds = time.perf_counter() - start
    print(node.replica.entries, seconds, get_memory() - before)
    node.close()


def _measure_living() -> Figure:
    with tempfile.TemporaryDirectory() as folder, open_market(Path(folder) / "home") as node:
        pieces = make_transfers(node, _LIVING_ACCOUNTS, _LIVING)
        # What Python holds, since pages that it once asked for stay with it.
        tracemalloc.start()
        _close_epochs(node, pieces, _LIVING_ACCOUNTS)
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return Figure(f"{_LIVING:,}, memory each", held / _LIVING, "bytes", 1_024, is_floor=False)
