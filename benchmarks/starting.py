"""How long a person waits for the command line to begin."""

import statistics
import subprocess
import sys
import time

from benchmarks.figures import Figure, print_figures

_TIMES = 11


def print_starting() -> None:
    """Measure and print the time of ``--help``."""
    seconds: list[float] = []
    for _ in range(_TIMES):
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "synaptic_crdt.cli", "--help"],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        seconds.append(time.perf_counter() - start)
    milliseconds = statistics.median(seconds) * 1_000
    print_figures("starting", [Figure("--help", milliseconds, "ms", 120, is_floor=False)])
