"""Crashes: a process works on a home, dies, works on, and dies again; after each death all is examined.

How it dies is one of four kinds:

- ``call``: right after a system call that changed a file, which its parent chooses;
- ``step``: within a statement of SQLite, after so many steps of its machine;
- ``moment``: whenever its parent kills it, after so many acknowledgements and then some time;
- ``power``: as ``call``, and what the disk holds then is what ``disk`` says may be left of it.

A seed makes the same choices again; keys, clocks and moments differ.
"""

import fcntl
import os
import shutil
import signal
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final

import msgspec

from tests.crashing.disk import NOTHING_LANDED, SHARES, Disk
from tests.crashing.examination import examine
from tests.crashing.promises import Promises, Teller
from tests.crashing.scenes import Scene
from tests.crashing.seeing import Onlooker
from tests.crashing.tracing import Call, become_traced, watch
from tests.crashing.victim import Fuse, Victim, choose_script

# Nothing here takes so long; what does, waits for something that will not come.
_SECONDS: Final = 120
_PIPE_BYTES: Final = 1 << 20
_LIVES: Final = 3
_LENGTH: Final = 14
_CALLS_EACH: Final = 9
_STEPS: Final = 1_500
_LINES: Final = 150
_FAILED: Final = 3


class Crash(msgspec.Struct, frozen=True):
    """How a process died, and what was wrong then; ``names`` is how many promises were held."""

    scene: str
    kind: str
    point: str
    operation: str
    names: int
    wrong: list[str]


class Case:
    """A copy of a scene's folder, on which crash follows crash."""

    def __init__(self, scene: Scene, seed: str, *, is_traced: bool) -> None:
        self.crashes: Final[list[Crash]] = []
        self.calls = 0
        self._scene: Final = scene
        self._chance: Final = Random(seed)
        self._is_traced: Final = is_traced
        self._temporary: Final = tempfile.TemporaryDirectory(dir=scene.folder.parent)
        self._place: Final = Path(self._temporary.name)
        self._folder: Final = self._place / "case"
        shutil.copytree(scene.folder, self._folder)
        self._disk = Disk(self._folder)
        self._promises: Final = Promises()

    def close(self) -> None:
        self._temporary.cleanup()

    def run(self) -> None:
        """Let processes live and die until something is wrong, or it was enough."""
        for _ in range(self._chance.randint(1, _LIVES)):
            script = choose_script(self._chance, self._chance.randint(0, _LENGTH))
            if self._is_traced:
                self.die_at_call(script, self._chance.randint(1, _CALLS_EACH * (len(script) + 1)))
                if self._chance.random() < 0.3:
                    self._go_on_after_power_cut()
            elif self._chance.random() < 0.5:
                self._die_at_step(script)
            else:
                self._die_at_moment(script)
            if any(crash.wrong for crash in self.crashes):
                return

    def die_at_call(self, script: list[str], last: int | None) -> None:
        """Kill the process after a number of calls, then examine; then cut the power instead."""
        point = "the end"

        def is_last(call: Call) -> bool:
            nonlocal point
            seen = onlooker.see(call)
            self.calls += seen is not None
            if seen is not None and count_up() == last:
                point = seen
                return True
            return False

        count_up = _make_counter()
        child, pipe = self._begin(script, Fuse(None), is_traced=True)
        onlooker = Onlooker(child, self._disk)
        status = watch(child, is_last)
        self._end(status, pipe, "call", point)
        self._disk.check()
        if self.crashes[-1].wrong:
            return
        # What nothing of lands is the hardest test of what was promised; the rest is chance.
        for landed in (NOTHING_LANDED, (self._chance.choice(SHARES), self._chance.choice(SHARES))):
            torn = self._place / "torn"
            self._disk.lose_power(torn, self._chance, landed)
            names, contents = landed
            what = f"{names:.0%} of names and {contents:.0%} of contents landed"
            self._judge("power", f"{point}; of what was not synced, {what}", torn)
            shutil.rmtree(torn)

    def _die_at_step(self, script: list[str]) -> None:
        length = self._chance.randint(1, _STEPS)
        child, pipe = self._begin(script, Fuse(length), is_traced=False)
        data = _read_to_end(pipe)
        _, status = os.waitpid(child, 0)
        self._end(status, pipe, "step", f"{length}", data)

    def _die_at_moment(self, script: list[str]) -> None:
        child, pipe = self._begin(script, Fuse(None), is_traced=False)
        lines, data = self._chance.randint(0, _LINES), b""
        while data.count(b"\n") < lines and (more := os.read(pipe, _PIPE_BYTES)):
            data += more
        time.sleep(self._chance.random() * 0.01)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        self._end(status, pipe, "moment", f"{lines}", data)

    def die_again(self) -> None:
        """Only open the home, which shows what it holds; then cut the power."""
        self.die_at_call([], None)

    def _go_on_after_power_cut(self) -> None:
        torn = self._place / "torn"
        landed = self._chance.choice(SHARES), self._chance.choice(SHARES)
        self._disk.lose_power(torn, self._chance, landed)
        shutil.rmtree(self._folder)
        torn.rename(self._folder)
        self._disk = Disk(self._folder)

    def _begin(self, script: list[str], fuse: Fuse, *, is_traced: bool) -> tuple[int, int]:
        pipe, end = os.pipe()
        if is_traced:
            # Nobody reads what is told before it is over.
            fcntl.fcntl(end, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        seed = self._chance.random()
        child = os.fork()
        if child:
            os.close(end)
            return child, pipe
        teller = Teller(end)
        try:
            signal.alarm(_SECONDS)
            if is_traced:
                become_traced()
            Victim(self._scene, self._folder, teller, Random(seed), fuse).work(script)
            os._exit(0)
        except BaseException:  # noqa: BLE001 - told, whatever it was
            teller.begin(traceback.format_exc())
        os._exit(_FAILED)

    def _end(self, status: int, pipe: int, kind: str, point: str, before: bytes = b"") -> None:
        """Take what the process has told, and examine what it left, on a copy."""
        self._promises.take(before + _read_to_end(pipe))
        os.close(pipe)
        code = os.waitstatus_to_exitcode(status)
        if code not in {0, -signal.SIGKILL}:
            what = f"it ended with {code}: {self._promises.operation}"
            self._add(kind, point, [what])
            return
        copy = self._place / "copy"
        shutil.copytree(self._folder, copy)
        self._judge(kind, point if code else "the end", copy)
        shutil.rmtree(copy)

    def _judge(self, kind: str, point: str, folder: Path) -> None:
        wrong = _ask_child(lambda: examine(self._scene, folder, self._promises))
        self._add(kind, point, wrong)

    def _add(self, kind: str, point: str, wrong: list[str]) -> None:
        promises = self._promises
        self.crashes.append(
            Crash(
                self._scene.name, kind, point, promises.operation, len(list(promises.names)), wrong
            )
        )


def _read_to_end(pipe: int) -> bytes:
    data = b""
    while more := os.read(pipe, _PIPE_BYTES):
        data += more
    return data


def _make_counter() -> Callable[[], int]:
    count = 0

    def count_up() -> int:
        nonlocal count
        count += 1
        return count

    return count_up


def _ask_child(ask: Callable[[], list[str]]) -> list[str]:
    """Return what a child answers; whatever it has done to what we hold is forgotten."""
    pipe, end = os.pipe()
    child = os.fork()
    if not child:
        signal.alarm(_SECONDS)
        try:
            answer = ask()
        except BaseException:  # noqa: BLE001 - told, whatever it was
            answer = [traceback.format_exc()]
        with open(end, "wb") as file:  # noqa: PTH123 - a descriptor
            file.write(msgspec.json.encode(answer))
        os._exit(0)
    os.close(end)
    with open(pipe, "rb") as file:  # noqa: PTH123 - a descriptor
        data = file.read()
    _, status = os.waitpid(child, 0)
    if status or not data:
        return [f"the examination ended with {os.waitstatus_to_exitcode(status)}"]
    return msgspec.json.decode(data, type=list[str])
