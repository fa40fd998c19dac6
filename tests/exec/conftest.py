"""A desk over a real replica and the real contract; only time and the network are the test's.

Trio's clock jumps to the next thing that is waited for, and the market's wall clock follows it.
"""

import shutil
import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import pytest
import trio
import trio.testing

from synaptic_crdt.errors import PolicyRefused, StoreFailed
from synaptic_crdt.exec.desk import Appended
from synaptic_crdt.exec.events import Event, Started
from synaptic_crdt.exec.executors.base import Executor
from synaptic_crdt.exec.journal import Journal
from synaptic_crdt.exec.policy import Policy
from synaptic_crdt.exec.usage import UsageLog
from synaptic_crdt.exec.worker import Tally, run_worker
from synaptic_crdt.node.home import write_privately
from synaptic_crdt.rules.limits import RESULT_BYTES
from synaptic_crdt.rules.market import Market
from synaptic_crdt.rules.operations import Operation, encode_operation, parse_operation
from synaptic_crdt.rules.task_form import make_payload
from synaptic_crdt.rules.task_operations import TaskDeliver, TaskFail, TaskPost
from synaptic_crdt.rules.verdicts import Verdict
from tests.simulation.scenario import Peer, Scenario

E = TypeVar("E", bound=Event)

AUTO: Final = Policy(opted_in=True, kinds=("text.answer",), approval="auto", parallel_tasks=2)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}


class PeerDesk:
    """A peer of the scenario as the worker sees it."""

    def __init__(self, peer: Peer) -> None:
        self.peer: Final = peer
        self.device = peer.id
        self.news = trio.Event()
        self.appended: Final[list[Operation]] = []
        # What goes wrong, if anything: the disk, or the contract's answer to a kind of operation.
        self.failure: StoreFailed | None = None
        self.refused: type[Operation] | None = None
        self.secret = b""
        self.obstacles: Final[dict[bytes, str]] = {}
        self.attempts = 0
        self.disk_seconds = 0.0

    @property
    def account(self) -> bytes:
        return self.peer.id

    @property
    def is_sandbox(self) -> bool:
        return self.peer.market.genesis.sandbox

    @property
    def market(self) -> Market:
        return self.peer.market.contract.market

    def is_final(self, assignment: bytes) -> bool:
        outcome = self.peer.replica.machine.get_outcome(assignment)
        if outcome is not None:
            return self.peer.replica.is_final(outcome)
        # A match.
        market = self.market
        return market.tables.get_settled(market.assignments, assignment) is not None

    def get_wall_ms(self) -> int:
        return self.peer.wall_ms

    def get_payload(self, task: bytes, seat: int) -> bytes | None:
        outcome = self.peer.replica.machine.get_outcome(task)
        assert outcome is not None
        post = parse_operation(outcome.entry.operation)
        assert isinstance(post, TaskPost)
        return post.seats[seat].payload.inline

    def explain_keys(self, task: bytes) -> str:
        return self.obstacles.get(task, "")

    def make_delivery(self, assignment: bytes, media_type: str, data: bytes) -> TaskDeliver:
        if self.secret and self.secret in data:
            raise PolicyRefused("result holds what looks like a secret")
        result = make_payload(media_type, data)
        if len(data) > RESULT_BYTES:
            result = msgspec.structs.replace(result, inline=None)
        return TaskDeliver(assignment, result, None, ())

    def preview(self, operation: Operation) -> str | None:
        verdict = self.peer.preview(operation)
        return None if verdict is Verdict.APPLIED else verdict.name

    async def append(self, operation: Operation) -> Appended:
        await trio.lowlevel.checkpoint()
        self.attempts += 1
        if self.failure is not None:
            raise self.failure
        if self.refused is not None and isinstance(operation, self.refused):
            return Appended(b"", Verdict.RESULT_TOO_LARGE, "too large")
        refusal = self.preview(operation)
        if refusal is not None:
            return Appended(b"", Verdict[refusal].value, refusal)
        outcome = self.peer.write(operation)
        self.appended.append(operation)
        await trio.sleep(self.disk_seconds)
        return Appended(outcome.entry.id, outcome.verdict, "")

    async def wait_for_news(self, timeout_seconds: float) -> None:
        before = trio.current_time()
        with trio.move_on_after(timeout_seconds):
            await self.news.wait()
        self.news = trio.Event()
        self.peer.scenario.wait(round((trio.current_time() - before) * 1000))

    def get_tags(self) -> list[str]:
        return [str(encode_operation(operation)[0]) for operation in self.appended]


class Bench:
    """A requester, a provider, and the provider's worker."""

    def __init__(self, executor: Executor, policy: Policy = AUTO, **genesis: object) -> None:
        self.scenario: Final = Scenario(fund=10_000, **genesis)
        self.requester: Final = self.scenario.founder
        self.provider: Final = self.scenario.add(grant=1_000)
        self.desk: Final = PeerDesk(self.provider)
        self.executor = executor
        folder = tempfile.mkdtemp()
        weakref.finalize(self, shutil.rmtree, folder)
        self.log: Final = UsageLog(Path(folder) / "usage")
        self.journal: Final = Journal(
            Path(folder) / "journal",
            self.provider.key,
            self.scenario.founder.market.id,
            write_privately,
        )
        self.policy = policy
        self.policy_source: Callable[[], Policy] = lambda: self.policy
        self.events: Final[list[Event]] = []
        self._heard = trio.Event()

    def hear(self, event: Event) -> None:
        self.events.append(event)
        self._heard.set()
        self._heard = trio.Event()

    def settle(self) -> None:
        """Bring both together, close an epoch, and wake the worker."""
        self.scenario.settle()
        self.desk.news.set()

    def sync(self) -> None:
        """Bring both together, and wake the worker; nothing becomes final by it."""
        self.scenario.sync()
        self.desk.news.set()

    async def work(self, *, once: bool = False) -> Tally:
        return await run_worker(
            self.desk,
            self.policy_source,
            self.executor,
            self.log,
            self.journal,
            once=once,
            on_event=self.hear,
        )

    async def wait_for(self, kind: type[E], count: int = 1) -> E:
        """Return the newest event of a kind once there are so many of it."""
        with trio.fail_after(100_000):
            while len(self.get_events(kind)) < count:
                await self._heard.wait()
        return self.get_events(kind)[-1]

    def get_events(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    def make_failure(self, reason: str) -> TaskFail:
        """Return the failure of what was started last."""
        return TaskFail(self.get_events(Started)[-1].assignment, reason)

    def get_words(self) -> list[str]:
        return [str(event.__struct_config__.tag) for event in self.events]
