"""The real program that is flooded, in a process of its own, and what it takes."""

import json
import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.flooding.scene import FOUNDER, PASSPHRASE

_PROGRAM: Final = (sys.executable, "-m", "synaptic_crdt.cli", "--json", "--home")
_TICKS: Final = os.sysconf("SC_CLK_TCK")


class Taken(NamedTuple):
    """What the program has taken so far: peaks since ``forget_peak``, and sums."""

    peak_mib: float
    now_mib: float
    processor_seconds: float
    descriptors: int
    log_bytes: int
    told_bytes: int
    told_lines: int


class Server:
    """``up`` with a door on loopback, which keeps a log of what happens."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes], told: Path) -> None:
        self._home: Final = folder / FOUNDER
        self._told: Final = told
        self.process: Final = process
        self.address = ""

    def measure(self) -> Taken:
        """Return what it has taken."""
        pid = self.process.pid
        status = Path(f"/proc/{pid}/status").read_text("ascii")
        sizes = dict(line.split(":", 1) for line in status.splitlines())
        fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
        told = self._told.read_bytes()
        logs = (self._home / name for name in ("up.log", "up.log.1"))
        return Taken(
            peak_mib=int(sizes["VmHWM"].split()[0]) / 1_024,
            now_mib=int(sizes["VmRSS"].split()[0]) / 1_024,
            processor_seconds=(int(fields[11]) + int(fields[12])) / _TICKS,
            descriptors=sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()),
            log_bytes=sum(path.stat().st_size for path in logs if path.exists()),
            told_bytes=len(told),
            told_lines=told.count(b"\n"),
        )

    def forget_peak(self) -> None:
        """Let the peak of memory begin anew."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5", "ascii")

    def ask(self, *line: str) -> dict[str, Any]:
        """Return what a command beside it answers."""
        done = subprocess.run(
            [*_PROGRAM, str(self._home), *line], capture_output=True, env=_make_environment(),
            check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done
        return json.loads(done.stdout)

    def read_told(self) -> list[dict[str, Any]]:
        """Return the events that it told."""
        return [json.loads(line) for line in self._told.read_bytes().splitlines()]


@contextmanager
def serving(folder: Path) -> Generator[Server]:
    """Run the founder's home in a folder; yield it once it listens, and interrupt it at the end."""
    told = folder / "told"
    with told.open("wb") as events:
        process = subprocess.Popen(
            [*_PROGRAM, str(folder / FOUNDER), "up", "--listen", "tcp://127.0.0.1:0"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=events,
            env=_make_environment(),
        )  # fmt: skip
    server = Server(folder, process, told)
    try:
        while not server.address:
            assert process.poll() is None, told.read_text("utf-8")
            for event in _read_whole(told):
                if event["event"] == "listening":
                    server.address = str(event["address"])
        yield server
    finally:
        process.terminate()
        process.wait(60)


def _read_whole(told: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for line in told.read_bytes().splitlines(keepends=True)
        if line.endswith(b"\n")
    ]


def _make_environment() -> dict[str, str]:
    return {**os.environ, "SYNAPTIC_PASSPHRASE": PASSPHRASE}
