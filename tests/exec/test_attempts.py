"""Jobs that are tried again, and those that are not; all of them on record."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
import pytest
import trio

from synaptic_crdt.errors import StoreFailed
from synaptic_crdt.exec.attempts import (
    ATTEMPTS,
    PAUSE_MAX_SECONDS,
    PROGRESS_SECONDS,
    check_outcome,
    find_limits,
    run_job,
)
from synaptic_crdt.exec.executors.base import (
    ANY,
    Failure,
    Job,
    Progress,
    Result,
    Skills,
    Tell,
    Usage,
)
from synaptic_crdt.exec.policy import Policy
from synaptic_crdt.exec.usage import UsageLog
from tests.exec.test_usage import EXACT, NOON, make_job

pytestmark = pytest.mark.anyio

DONE: Final = Result("text/plain", b"five")
BUSY: Final = Failure("overloaded", retry_seconds=1, is_free=True)


class Scripted:
    """Does one thing after the other."""

    def __init__(self, *outcomes: Result | Failure, usage: Usage | None = None) -> None:
        self.name: Final = "scripted"
        self.skills: Final = Skills((ANY,), (ANY,), is_metered=True)
        self.outcomes: Final = list(outcomes)
        self.usage: Final = usage
        self.starts: Final[list[float]] = []

    async def run(self, job: Job, tell: Tell) -> Result | Failure:
        assert job
        self.starts.append(trio.current_time())
        if self.usage is not None:
            tell(Progress(self.usage, 1))
        await trio.lowlevel.checkpoint()
        return self.outcomes.pop(0)


@pytest.fixture
def log(tmp_path: Path) -> UsageLog:
    return UsageLog(tmp_path / "usage")


async def run(executor: Scripted, log: UsageLog) -> Result | Failure:
    return await run_job(
        executor, make_job(), log, get_wall_ms=lambda: NOON, on_progress=lambda _: None
    )


async def test_what_was_free_is_tried_again(log: UsageLog) -> None:
    executor = Scripted(BUSY, BUSY, DONE)
    assert await run(executor, log) == DONE
    first, second, third = executor.starts
    assert 1 <= second - first < third - second
    assert [call.outcome for call in log.read()] == ["overloaded", "overloaded", "done"]


async def test_after_so_many_attempts_it_is_a_failure(log: UsageLog) -> None:
    executor = Scripted(*[BUSY] * 10)
    assert await run(executor, log) == BUSY
    assert len(executor.starts) == ATTEMPTS


@pytest.mark.parametrize(
    "outcome",
    [
        DONE,
        Failure("executor-error"),
        Failure("link-failed", "may have been billed"),
        Failure("rate-limited", retry_seconds=PAUSE_MAX_SECONDS + 1),
        Failure("rate-limited", retry_seconds=10.0**9),
    ],
)
async def test_what_may_have_cost_something_or_takes_too_long_is_not(
    log: UsageLog, outcome: Result | Failure
) -> None:
    executor = Scripted(outcome)
    assert await run(executor, log) == outcome
    assert len(executor.starts) == 1


async def test_a_pause_is_as_long_as_was_asked_for(log: UsageLog) -> None:
    executor = Scripted(Failure("rate-limited", retry_seconds=47), DONE)
    assert await run(executor, log) == DONE
    assert executor.starts[1] - executor.starts[0] == 47


async def test_a_cancelled_run_is_on_record_with_what_it_told(log: UsageLog) -> None:
    executor = Scripted(DONE, usage=Usage("claude-test-1", 90, 1))
    with trio.CancelScope() as scope:
        scope.cancel()
        await run(executor, log)
    (call,) = log.read()
    assert call.outcome == "cancelled"
    assert call.ended is not None
    assert call.ended.tokens_in == 90
    assert call.tokens == call.begun.reserved


async def test_nothing_runs_that_cannot_be_put_on_record(tmp_path: Path) -> None:
    (tmp_path / "usage").write_text("a file")
    executor = Scripted(DONE)
    with pytest.raises(StoreFailed):
        await run(executor, UsageLog(tmp_path / "usage"))
    assert executor.starts == []


async def test_progress_is_told_from_time_to_time(log: UsageLog) -> None:
    class Slow(Scripted):
        async def run(self, job: Job, tell: Tell) -> Result | Failure:
            assert job
            for size in range(101):
                tell(Progress(EXACT, size))
                await trio.sleep(PROGRESS_SECONDS / 10)
            return DONE

    told: list[Progress] = []
    await run_job(Slow(), make_job(), log, get_wall_ms=lambda: NOON, on_progress=told.append)
    assert [progress.size for progress in told] == list(range(10, 101, 10))


@pytest.mark.parametrize(
    ("outcome", "handed_in"),
    [
        (DONE, DONE),
        (Failure("executor-error"), Failure("executor-error")),
        (Result("text/plain", b""), Failure("result-empty")),
        (Result("", b"five"), Failure("executor-error")),
        (Result("text/\x1bplain", b"five"), Failure("executor-error")),
        (Result("text/plain", b"x" * 101), Failure("result-too-large")),
    ],
)
def test_a_result_is_there_and_fits_or_is_a_failure(
    outcome: Result | Failure, handed_in: Result | Failure
) -> None:
    assert check_outcome(outcome, 100) == handed_in


def spend(log: UsageLog) -> Callable[[bytes, int], None]:
    def spending(assignment: bytes, tokens: int) -> None:
        begun = log.begin(make_job(assignment=assignment), "scripted", NOON)
        log.end(begun, "done", Usage("claude-test-1", tokens, 0, is_exact=True), 1)

    return spending


def test_what_was_spent_is_no_more_to_spend(log: UsageLog) -> None:
    policy = Policy(output_tokens=50, tokens_per_task=1_000, tokens_per_day=3_000, result_kib=2)
    fresh = find_limits(policy, log, b"a" * 32, NOON)
    assert (fresh.result_bytes, fresh.output_tokens, fresh.tokens) == (2_048, 50, 1_000)
    spend(log)(b"a" * 32, 300)
    assert find_limits(policy, log, b"a" * 32, NOON).tokens == 700
    assert find_limits(policy, log, b"b" * 32, NOON).tokens == 1_000
    spend(log)(b"b" * 32, 2_500)
    assert find_limits(policy, log, b"a" * 32, NOON).tokens == 200
    assert find_limits(policy, log, b"b" * 32, NOON).tokens == 0
    none = msgspec.structs.replace(policy, tokens_per_day=0)
    assert find_limits(none, log, b"c" * 32, NOON).tokens == 0
