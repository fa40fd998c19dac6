"""A worker in a process of its own that is killed at one step of its way, or at none.

Run as ``python -m tests.cli.crashing HOME CALLS STEP``. Each call of its executor, which counts as
paid from then on, adds a line to the file CALLS. It ends by itself after one job.
"""

import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Final

import trio

from synaptic_crdt.exec.desk import Appended
from synaptic_crdt.exec.executors.base import ANY, Failure, Job, Result, Skills, Tell
from synaptic_crdt.exec.journal import Journal
from synaptic_crdt.exec.policy import load_policy
from synaptic_crdt.exec.usage import UsageLog
from synaptic_crdt.exec.worker import run_worker
from synaptic_crdt.node.desk import NodeDesk
from synaptic_crdt.node.home import Home, HomeLock, write_privately
from synaptic_crdt.node.node import Node
from synaptic_crdt.rules.operations import Operation, encode_operation

# In the order in which a worker comes to them.
STEPS: Final = (
    "before task.start",
    "after task.start",
    "before it is begun",
    "after it is begun",
    "before the call",
    "during the call",
    "after the call",
    "while it is kept",
    "after it is kept",
    "before task.deliver",
    "after task.deliver",
    "before it is forgotten",
    "after it is forgotten",
)
ANSWER: Final = b"Forty-two."


class Fuse:
    """Kills this process at one step, as a power cut would: nothing is cleaned up."""

    def __init__(self, step: str) -> None:
        self._step: Final = step

    def is_at(self, step: str) -> bool:
        assert step in STEPS
        return step == self._step

    def reach(self, step: str) -> None:
        if self.is_at(step):
            os.kill(os.getpid(), signal.SIGKILL)


class CostlyExecutor:
    """Costs something each time it is called."""

    def __init__(self, calls: Path, fuse: Fuse) -> None:
        self.name: Final = "costly"
        self.skills: Final = Skills((ANY,), (ANY,))
        self._calls: Final = calls
        self._fuse: Final = fuse

    async def run(self, job: Job, tell: Tell) -> Result | Failure:
        assert tell
        self._fuse.reach("before the call")
        with self._calls.open("a") as file:
            file.write(job.kind + "\n")
        self._fuse.reach("during the call")
        await trio.lowlevel.checkpoint()
        return Result("text/plain", ANSWER)


class FusedDesk(NodeDesk):
    def __init__(self, node: Node, fuse: Fuse) -> None:
        super().__init__(node)
        self._fuse: Final = fuse

    async def append(self, operation: Operation) -> Appended:
        tag = str(encode_operation(operation)[0])
        if tag in {"task.start", "task.deliver"}:
            self._fuse.reach(f"before {tag}")
        appended = await super().append(operation)
        if tag in {"task.start", "task.deliver"}:
            self._fuse.reach(f"after {tag}")
        return appended


class FusedJournal(Journal):
    def __init__(self, node: Node, fuse: Fuse) -> None:
        write = partial(write_in_two, fuse)
        super().__init__(node.home.journal_path, node.key, node.market.id, write)
        self._fuse: Final = fuse

    def begin(self, assignment: bytes, at_ms: int) -> None:
        self._fuse.reach("before it is begun")
        super().begin(assignment, at_ms)
        self._fuse.reach("after it is begun")

    def finish(self, assignment: bytes, at_ms: int, result: Result) -> None:
        self._fuse.reach("after the call")
        super().finish(assignment, at_ms, result)
        self._fuse.reach("after it is kept")

    def forget(self, assignment: bytes) -> None:
        self._fuse.reach("before it is forgotten")
        super().forget(assignment)
        self._fuse.reach("after it is forgotten")


def write_in_two(fuse: Fuse, path: Path, data: bytes) -> None:
    """Write a file; killed while a result is kept, leave half of it beside its place."""
    if path.exists() and fuse.is_at("while it is kept"):
        path.with_name(path.name + ".new").write_bytes(data[: len(data) // 2])
        fuse.reach("while it is kept")
    write_privately(path, data)


def work(home: Path, calls: Path, step: str) -> None:
    place, fuse = Home(home), Fuse(step)
    lock = HomeLock.try_take(place)
    assert lock is not None
    with lock:
        node = Node.open(place, "")
        try:
            trio.run(
                partial(
                    run_worker,
                    FusedDesk(node, fuse),
                    lambda: load_policy(place.policy_path),
                    CostlyExecutor(calls, fuse),
                    UsageLog(place.usage_path),
                    FusedJournal(node, fuse),
                    once=True,
                    on_event=lambda _: None,
                )
            )
        finally:
            node.close()


if __name__ == "__main__":
    work(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
