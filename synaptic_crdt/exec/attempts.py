"""Running a job: within what is left of the policy's tokens, on record, and again where that costs
nothing and helps.

An executor runs once. What failed before it cost anything is tried again after the pause that was
asked for, up to three times and only for pauses that a job can wait for: a service that wants to be
left alone for an hour is left alone, and the job fails. The caller bounds the time of it all. What
an executor calls a result is looked at once more before anybody signs it.
"""

from collections.abc import Callable
from typing import Final

import trio

from synaptic_crdt.exec.executors.base import (
    Executor,
    Failure,
    Job,
    Limits,
    Progress,
    Result,
    Usage,
)
from synaptic_crdt.exec.policy import Policy
from synaptic_crdt.exec.usage import DONE, UsageLog
from synaptic_crdt.rules.fields import is_media_type
from synaptic_crdt.state.limits import KIB

ATTEMPTS: Final = 3
PROGRESS_SECONDS: Final = 5.0  # between two words about a job
PAUSE_MAX_SECONDS: Final = 60.0

_LEAST_PAUSE_SECONDS: Final = 2.0
_CANCELLED: Final = "cancelled"


def find_limits(policy: Policy, log: UsageLog, assignment: bytes, wall_ms: int) -> Limits:
    """Return what a job may take, after what it and others took already."""
    tokens = min(
        policy.tokens_per_task - log.count_assignment(assignment, wall_ms),
        policy.tokens_per_day - log.count_day(wall_ms),
    )
    return Limits(
        result_bytes=policy.result_kib * KIB,
        output_tokens=policy.output_tokens,
        tokens=max(tokens, 0),
    )


async def run_job(
    executor: Executor,
    job: Job,
    log: UsageLog,
    *,
    get_wall_ms: Callable[[], int],
    on_progress: Callable[[Progress], None],
) -> Result | Failure:
    """Return what came of a job, fit to be handed in; tell from time to time how far it is.

    Raises ``StoreFailed`` when it cannot be put on record.
    """
    tell = _make_teller(on_progress)
    attempt = 1
    while True:
        outcome = await _run_once(executor, job, log, get_wall_ms(), tell)
        pause = _find_pause(outcome, attempt)
        if pause is None:
            return outcome
        await trio.sleep(pause)
        attempt += 1


def check_outcome(outcome: Result | Failure, result_bytes: int) -> Result | Failure:
    """Return an outcome that can be handed in: a result is there, fits, and has a media type."""
    match outcome:
        case Failure():
            return outcome
        case Result(_, b""):
            return Failure("result-empty")
        case Result(media_type, data):
            if len(data) > result_bytes:
                return Failure("result-too-large")
            return outcome if is_media_type(media_type) else Failure("executor-error")


async def _run_once(
    executor: Executor,
    job: Job,
    log: UsageLog,
    at_ms: int,
    tell: Callable[[Progress], None],
) -> Result | Failure:
    begun = log.begin(job, executor.name, at_ms)
    start = trio.current_time()
    usage, word = Usage(), _CANCELLED

    def note(progress: Progress) -> None:
        nonlocal usage
        usage = progress.usage
        tell(progress)

    try:
        outcome = check_outcome(await executor.run(job, note), job.limits.result_bytes)
        word = outcome.reason if isinstance(outcome, Failure) else DONE
        return outcome
    finally:
        # Also of what was cancelled: it may have cost something.
        log.end(begun, word, usage, trio.current_time() - start)


def _make_teller(on_progress: Callable[[Progress], None]) -> Callable[[Progress], None]:
    told = trio.current_time()

    def tell(progress: Progress) -> None:
        nonlocal told
        if trio.current_time() >= told + PROGRESS_SECONDS:
            told = trio.current_time()
            on_progress(progress)

    return tell


def _find_pause(outcome: Result | Failure, attempt: int) -> float | None:
    """Return how long to wait before the next attempt, or None when there is none."""
    if isinstance(outcome, Result) or outcome.retry_seconds is None or attempt >= ATTEMPTS:
        return None
    pause = max(outcome.retry_seconds, _LEAST_PAUSE_SECONDS**attempt)
    return pause if pause <= PAUSE_MAX_SECONDS else None
