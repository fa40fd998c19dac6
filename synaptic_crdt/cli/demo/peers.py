"""A peer of the demo: a home, and the processes that use it. Nothing here reads a home itself.

Whatever a peer does or knows goes through the command line, as it would on another machine; no
process outlives the ``with`` that it was started in.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, TypeVar

from synaptic_crdt.cli.asking import PASSPHRASE_VARIABLE
from synaptic_crdt.cli.output import Json
from synaptic_crdt.errors import AuditFailed, LinkFailed

Answer = TypeVar("Answer")

PATIENCE_SECONDS: Final = 30.0
_PAUSE_SECONDS: Final = 0.05


class Peer:
    """One participant: a name, a home, and commands that are run in processes of their own."""

    def __init__(self, name: str, home: Path) -> None:
        self.name: Final = name
        self.home: Final = home
        self.account = ""

    def run(self, *arguments: str) -> Json:
        """Run one command that has to succeed; return its JSON."""
        code, answer, error = self.try_run(*arguments)
        if code != os.EX_OK:
            raise AuditFailed(
                f"{self.name}: `{' '.join(arguments)}` ended with exit code {code}:"
                f" {error.get('message', error)}"
            )
        return answer

    def try_run(self, *arguments: str) -> tuple[int, Json, Json]:
        """Run one command; return its exit code, its JSON, and the JSON of its error."""
        done = subprocess.run(  # noqa: S603 - our own program with our own arguments
            self._make_line(arguments),
            env=_make_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        errors = [line for line in done.stderr.splitlines() if line.startswith("{")]
        return (
            done.returncode,
            json.loads(done.stdout) if done.stdout else {},
            json.loads(errors[-1]) if errors else {},
        )

    def wait_for(self, what: str, command: tuple[str, ...], is_so: Callable[[Json], bool]) -> Json:
        """Ask until the answer is as expected; return it."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_so(answer := self.run(*command)):
            if time.monotonic() > deadline:
                raise AuditFailed(f"{self.name}: {what} did not happen in {PATIENCE_SECONDS:.0f} s")
            time.sleep(_PAUSE_SECONDS)
        return answer

    @contextmanager
    def serving(self, *arguments: str, until: str) -> Generator[Json]:
        """Run a lasting command beside what follows; yield the event it has to tell first."""
        with subprocess.Popen(  # noqa: S603 - our own program with our own arguments
            self._make_line(arguments),
            env=_make_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stderr is not None
            events = _Events(process.stderr)
            try:
                yield events.wait_for(until)
                process.send_signal(signal.SIGTERM)
                process.wait(PATIENCE_SECONDS)
            finally:
                process.kill()

    def _make_line(self, arguments: tuple[str, ...]) -> list[str]:
        program = [sys.executable, "-m", "synaptic_crdt.cli"]
        return [*program, "--home", str(self.home), "--json", *arguments]


def ask_each(peers: Sequence[Peer], ask: Callable[[Peer], Answer]) -> list[Answer]:
    """Ask all peers the same at the same time; return their answers in the same order."""
    with ThreadPoolExecutor(len(peers)) as pool:
        return list(pool.map(ask, peers))


class _Events:
    """The JSON lines of a process, read as they come so that it never waits for us."""

    def __init__(self, stream: IO[str]) -> None:
        self._lines: Final[queue.Queue[str]] = queue.Queue()
        threading.Thread(target=self._read, args=(stream,), daemon=True).start()

    def wait_for(self, name: str) -> Json:
        """Return the next event of this name. Raises ``LinkFailed`` when the process ends first."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        said: list[str] = []
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                line = ""
            if not line:
                raise LinkFailed(f"no event {name!r} came, only {said}")
            event: Json = json.loads(line) if line.startswith("{") else {}
            if event.get("event") == name:
                return event
            said.append(line.rstrip())

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            self._lines.put(line)
        self._lines.put("")


def _make_environment() -> dict[str, str]:
    """Return this process's environment, the keys of the demo being without a passphrase."""
    return {**os.environ, PASSPHRASE_VARIABLE: ""}
