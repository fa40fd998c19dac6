"""What this machine can do at all: to read the other figures by."""

import os
import tempfile
import time
from pathlib import Path

from benchmarks.figures import measure_median
from benchmarks.histories import make_key
from synaptic_crdt.state.hashes import compute_body_hash
from synaptic_crdt.state.keys import verify_signature

_TIMES = 20_000


def print_machine() -> None:
    """Print reference figures, which have no goal."""
    body = bytes(110)
    start = time.perf_counter()
    for _ in range(_TIMES):
        compute_body_hash(body)
    hashing = (time.perf_counter() - start) / _TIMES
    key = make_key(1)
    signature = key.sign("seal", body)
    verifying = measure_median(lambda: verify_signature(key.public, "seal", body, signature), 500)
    print(f"\nthis machine, {os.cpu_count()} cores")
    print(f"  {'hash of one body':<58} {hashing * 1e6:>12,.2f} us")
    print(f"  {'one signature verified':<58} {verifying * 1e6:>12,.2f} us")
    print(f"  {'one write made durable (fsync)':<58} {_measure_sync() * 1e3:>12,.2f} ms")


def _measure_sync() -> float:
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "file").open("wb") as file:

        def write() -> None:
            file.write(bytes(4_096))
            file.flush()
            os.fsync(file.fileno())

        return measure_median(write, 50)
