"""Kill a working process again and again, and see whether anything was lost; see docs/reliability.md.

    python -m tests.crashing [COUNT] [SEED]                   so many crashes, at random
    python -m tests.crashing each [SCENE [OPERATION...]]      one after each call that matters
    python -m tests.crashing at CALL [SCENE [OPERATION...]]   one after that call
    python -m tests.crashing plants [NAME...]                 with each mistake, until it is found

It ends with 1 if something was wrong, and prints what, and the seed of it.
"""

import itertools
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Iterable
from multiprocessing.pool import AsyncResult, Pool
from pathlib import Path
from typing import Final

import msgspec

from tests.crashing.crashes import Case, Crash
from tests.crashing.plants import PLANTS
from tests.crashing.scenes import SCENES, Scene, make_scene
from tests.crashing.tracing import find_obstacle
from tests.crashing.victim import OPERATIONS

COUNT: Final = 2_000
PROCESSES: Final = 2
# A home of thousands of entries takes as long to examine as many small ones.
_WEIGHTS: Final = {"founder": 4, "asking": 3, "witness": 4, "member": 3, "nothing": 2, "long": 1}
_TRACED_OF_TEN: Final = 7
_QUICK: Final = ("founder", "asking", "witness", "member", "nothing")
_MEMORY: Final = Path("/dev", "shm")
_TOLD_EACH: Final = 1_000
# Planted mistakes are found long before, or not at all.
_PATIENCE: Final = 400
# In each process of a pool: the one that it works with.
_RIGS: "list[Rig]" = []


class Rig:
    """What all crashes have in common: scenes, and what this machine lets be done."""

    def __init__(self, folder: Path, names: Iterable[str] = SCENES) -> None:
        self.scenes: Final[dict[str, Scene]] = {name: make_scene(name, folder) for name in names}
        self.obstacle: Final = find_obstacle()

    def crash(self, seed: int) -> tuple[int, list[Crash]]:
        """Run one case."""
        names = [name for name in self.scenes for _ in range(_WEIGHTS[name])]
        is_traced = self.obstacle is None and seed % 10 < _TRACED_OF_TEN
        case = Case(self.scenes[names[seed * 7 % len(names)]], f"crash {seed}", is_traced=is_traced)
        try:
            case.run()
        finally:
            case.close()
        return seed, case.crashes

    def crash_at(self, point: "Point") -> tuple[list[Crash], int]:
        """Die at one call of a script, and once more; return how many calls there were, too."""
        case = Case(self.scenes[point.scene], f"each {point.scene}", is_traced=True)
        try:
            case.die_at_call(point.script, point.last)
            if point.last is not None:
                case.die_again()
        finally:
            case.close()
        return case.crashes, case.calls


class Point(msgspec.Struct, frozen=True):
    """What is done, and after which call it is cut off, if it is."""

    scene: str
    script: list[str]
    last: int | None


class Tally:
    """Adds up crashes, and tells of the wrong ones."""

    def __init__(self) -> None:
        self.crashes = self.wrong = self.promises = 0
        self.kinds: Final[Counter[str]] = Counter()
        self.operations: Final[Counter[str]] = Counter()
        self.points: Final[Counter[str]] = Counter()
        self._started: Final = time.monotonic()

    def add(self, seed: object, crashes: Iterable[Crash]) -> None:
        for crash in crashes:
            self.crashes += 1
            self.promises += crash.names
            self.kinds[crash.kind] += 1
            self.operations[crash.operation] += 1
            if crash.kind == "call":
                self.points[crash.point] += 1
            if crash.wrong:
                self.wrong += 1
                _say(f"WRONG: seed {seed}, {crash.scene}, {crash.operation}: {crash.kind} at")
                _say(f"  {crash.point}")
                for each in crash.wrong[:5]:
                    _say(f"  - {each}")

    def report(self) -> None:
        seconds = time.monotonic() - self._started
        _say(f"{self.crashes:,} crashes in {seconds:,.0f} s, {self.wrong} of them wrong;")
        _say(f"{self.promises:,} times something acknowledged was looked for")
        for title, counts in (
            ("by kind", self.kinds),
            ("by operation", self.operations),
            ("by call", self.points),
        ):
            _say(f"{title}:")
            for name, count in counts.most_common():
                _say(f"  {count:7,}  {name.splitlines()[-1]}")


def main(arguments: list[str]) -> int:
    # What a disk does is modelled, so files may lie in memory, where syncing them costs nothing.
    memory = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="crashes-", dir=memory) as name:
        folder = Path(name).resolve()
        if arguments[:1] == ["plants"]:
            return _try_plants(folder, arguments[1:] or list(PLANTS))
        last = None
        if arguments[:1] == ["at"]:
            last = int(arguments[1])
            arguments = ["each", *arguments[2:]]
        is_chosen = arguments[:1] == ["each"]
        scenes = arguments[1:2] if is_chosen and len(arguments) > 1 else list(SCENES)
        rig, tally = Rig(folder, scenes), Tally()
        _tell_obstacle(rig)
        if not is_chosen:
            count, first = (*map(int, arguments), *(COUNT, 1)[len(arguments) :])
            _crash_at_random(rig, tally, count, first)
        elif rig.obstacle is None:
            for scene in scenes:
                _crash_at_each(rig, tally, Point(scene, arguments[2:] or list(OPERATIONS), last))
        tally.report()
    return int(tally.wrong > 0)


def _crash_at_random(rig: Rig, tally: Tally, count: int, first: int) -> None:
    with _make_pool(rig) as pool:
        seeds = itertools.count(first)
        under_way = deque[AsyncResult[tuple[int, list[Crash]]]]()
        while under_way or tally.crashes < count:
            # What was begun is ended, and nothing more begun than is needed.
            while tally.crashes < count and len(under_way) < PROCESSES:
                under_way.append(pool.apply_async(_crash, (next(seeds),)))
            before = tally.crashes
            tally.add(*under_way.popleft().get())
            if before // _TOLD_EACH < tally.crashes // _TOLD_EACH:
                _say(f"{tally.crashes:,} crashes, {tally.wrong} of them wrong")


def _crash_at_each(rig: Rig, tally: Tally, chosen: Point) -> None:
    """Crash at one call; or at the end, and if no call is chosen, then at each one."""
    crashes, calls = rig.crash_at(chosen)
    tally.add(f"{chosen.scene}, call {chosen.last or 'none'}", crashes)
    if chosen.last is not None:
        return
    _say(f"{chosen.scene}: {calls} calls")
    points = [Point(chosen.scene, chosen.script, last) for last in range(1, calls + 1)]
    with _make_pool(rig) as pool:
        for place, (found, _) in enumerate(pool.imap(_crash_at, points), 1):
            tally.add(f"{chosen.scene}, call {place}", found)


def _make_pool(rig: Rig) -> Pool:
    """Return processes that have the rig as it is, with nothing loaded anew."""
    return multiprocessing.get_context("fork").Pool(PROCESSES, _RIGS.append, (rig,))


def _crash(seed: int) -> tuple[int, list[Crash]]:
    return _RIGS[0].crash(seed)


def _crash_at(point: Point) -> tuple[list[Crash], int]:
    return _RIGS[0].crash_at(point)


def _try_plants(folder: Path, names: list[str]) -> int:
    """Plant each mistake in a process of its own, and tell what found it, and when."""
    missed = 0
    for name in names:
        sys.stdout.flush()
        child = os.fork()
        if not child:
            PLANTS[name]()
            (folder / name).mkdir()
            rig = Rig(folder / name, _QUICK)
            _tell_obstacle(rig)
            found = _find(rig)
            _say(f"{name}: {found or 'NOT FOUND'}")
            sys.stdout.flush()
            os._exit(int(found is None))
        missed += os.waitpid(child, 0)[1] != 0
    return int(missed > 0)


def _find(rig: Rig) -> str | None:
    count = 0
    for seed in range(1, _PATIENCE):
        for crash in rig.crash(seed)[1]:
            count += 1
            if crash.wrong:
                return f"crash {count} ({crash.kind}, {crash.operation}): {crash.wrong[0]}"
    return None


def _tell_obstacle(rig: Rig) -> None:
    if rig.obstacle is not None:
        _say(f"NOT DONE: crashes after chosen system calls, and power cuts: {rig.obstacle}")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
