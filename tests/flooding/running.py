"""One flood: an attack on a server, an honest peer beside it, and what came of both."""

import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from tests.flooding.honest import Times
from tests.flooding.server import Server, Taken

# Beyond what the market itself takes; docs/reliability.md says what it is made of.
BOUND_MIB: Final = 448

_GONE_SECONDS: Final = 60


class Flood(NamedTuple):
    """What came of an attack.

    ``told`` counts what the attacker did; ``before`` and ``after`` are what the server has taken.
    """

    name: str
    seconds: float
    times: Times
    told: Mapping[str, int]
    before: Taken
    after: Taken


def run_flood(name: str, server: Server, folder: Path, seconds: float) -> Flood:
    """Attack for so many seconds, with an honest peer at work meanwhile."""
    server.forget_peak()
    told: dict[str, int] = {}
    with attacking(name, server, folder, told):
        before, begun = server.measure(), time.monotonic()
        times = run_honest(server, folder, seconds)
        after = server.measure()
        seconds = time.monotonic() - begun
    return Flood(name, seconds, times, told, before, after)


def run_honest(server: Server, folder: Path, seconds: float) -> Times:
    """Let the honest peer work for so many seconds; return its times."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.flooding.honest", folder, server.address, str(seconds)],
        stdout=subprocess.PIPE, check=True, timeout=seconds + 120,
    )  # fmt: skip
    return msgspec.json.decode(done.stdout, type=Times)


@contextmanager
def attacking(name: str, server: Server, folder: Path, told: dict[str, int]) -> Generator[None]:
    """Run an attack meanwhile; fill ``told`` with what it did."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.flooding.attacker", name, folder, server.address],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield
        finally:
            try:
                out, _ = process.communicate(b"", timeout=_GONE_SECONDS)
            except subprocess.TimeoutExpired:
                # Busy with its own flood: what it did is not known, and what came of it is.
                process.kill()
                out = b"{}"
    told.update(msgspec.json.decode(out))
