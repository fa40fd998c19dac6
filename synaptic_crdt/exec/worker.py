"""The worker: plans, acts, waits, and runs the executor's jobs as trio tasks.

Guarantees: every run has a deadline; what an executor cannot do becomes ``task.fail`` with a
reason, never a delivered text; a result is bounded before it is signed. What was accepted, started
and delivered stands in the state, so a restart goes on where the state is, and nothing is accepted
or delivered twice. What was run stands in the journal: a finished result is handed in after a
crash, and a run that was cut off is not paid for again unless the policy says so.

Cancelled, it gives running jobs a few seconds to end, delivers what is done, fails the rest, and
leaves what it accepted and did not start to its next run.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Final

import msgspec
import trio

from synaptic_crdt.errors import PolicyRefused, StoreFailed, SynapticError, UsageError
from synaptic_crdt.exec.attempts import find_limits, run_job
from synaptic_crdt.exec.desk import Appended, Desk
from synaptic_crdt.exec.events import (
    Accepted,
    Declined,
    Delivered,
    Event,
    Failed,
    Lost,
    PassedOver,
    PolicyUnreadable,
    Renewed,
    Resumed,
    Started,
    Waiting,
    Working,
)
from synaptic_crdt.exec.executors.base import Executor, Failure, Job, Progress, Result
from synaptic_crdt.exec.journal import Finished, Journal
from synaptic_crdt.exec.planner import BY_CONTRACT, Drop, Run, Sign, Signed, make_plan
from synaptic_crdt.exec.policy import Policy, explain_idleness, explain_switch
from synaptic_crdt.exec.situation import Situation, survey
from synaptic_crdt.exec.usage import UsageLog
from synaptic_crdt.rules.ending_views import explain_assignment
from synaptic_crdt.rules.offer_operations import OfferRenew, Presence
from synaptic_crdt.rules.operations import Operation
from synaptic_crdt.rules.task_operations import (
    TaskAccept,
    TaskDecline,
    TaskFail,
    TaskStart,
)
from synaptic_crdt.rules.verdicts import Verdict

TICK_SECONDS: Final = 2.0  # deadlines, caps and the policy file change without news
STOP_SECONDS: Final = 5.0  # what running jobs get to end when the worker is stopped
# For who asked to be left alone for a while, and did not say how long, or said anything.
PAUSE_LEAST_SECONDS: Final = 60.0
PAUSE_MOST_SECONDS: Final = 3_600.0


class Tally(msgspec.Struct, frozen=True):
    """What a worker did while it ran."""

    delivered: int = 0
    failed: int = 0


async def run_worker(
    desk: Desk,
    policy_source: Callable[[], Policy],
    executor: Executor,
    log: UsageLog,
    journal: Journal,
    *,
    once: bool,
    on_event: Callable[[Event], None],
) -> Tally:
    """Work at a desk until cancelled; with ``once``, until one job was delivered or failed.

    ``policy_source`` is asked before every plan, so that a changed policy acts at once. With
    ``once`` it accepts one task at a time, and waits for one as long as there is none.
    Raises ``PolicyRefused`` when the policy allows no work at all, ``UsageError`` when it cannot
    be read at the beginning or when the executor can do nothing more before its owner acts, and
    whatever the desk raises.
    """
    idleness = explain_idleness(policy_source(), is_sandbox=desk.is_sandbox)
    if idleness is not None:
        raise PolicyRefused(idleness)
    worker = _Worker(desk, policy_source, executor, log, journal, on_event, once=once)
    failure: SynapticError | None = None
    async with trio.open_nursery() as nursery:
        try:
            await worker.run(nursery)
        except trio.Cancelled:
            await worker.wind_up()
            raise
        except SynapticError as error:
            # Raised again outside of the nursery, which would wrap it.
            failure = error
        finally:
            worker.stop_jobs()
    if failure is not None:
        raise failure
    return worker.tally


class _JobInHand:
    """A job that runs, or has run and waits to be handed in."""

    __slots__ = ("ended", "outcome", "scope")

    def __init__(self) -> None:
        # Shielded: when the worker is stopped, its jobs get a little time.
        self.scope: Final = trio.CancelScope(shield=True)
        self.ended: Final = trio.Event()
        # What stands if the executor raises, which it should not.
        self.outcome: Result | Failure = Failure("executor-error")


class _Worker:
    def __init__(
        self,
        desk: Desk,
        policy_source: Callable[[], Policy],
        executor: Executor,
        log: UsageLog,
        journal: Journal,
        on_event: Callable[[Event], None],
        *,
        once: bool,
    ) -> None:
        self._desk: Final = desk
        self._policy_source: Final = policy_source
        self._executor: Final = executor
        self._log: Final = log
        self._journal: Final = journal
        self._on_event: Final = on_event
        self._once: Final = once
        self._jobs: Final[dict[bytes, _JobInHand]] = {}
        self._waiting = trio.CancelScope()
        # Told already, and the work seen last: what is gone without our doing is told as lost.
        self._told: set[tuple[bytes, str]] = set()
        self._living: set[bytes] = set()
        self._policy_error = ""
        self._pause = ""
        self._pause_end = 0.0
        # Why the executor can do nothing more.
        self._unfit = ""
        self.tally = Tally()

    async def run(self, nursery: trio.Nursery) -> None:
        self._journal.sweep(self._is_over)
        self._recover()
        while True:
            await self._hand_in()
            if self._unfit:
                await self.wind_up()
                raise UsageError(f"the executor {self._executor.name} stopped: {self._unfit}")
            if self._once and self.tally != Tally():
                return
            if not await self._act(nursery):
                await self._wait()

    async def wind_up(self) -> None:
        """Give running jobs a little time, stop the rest, and hand all of them in."""
        with trio.CancelScope(shield=True):
            with trio.move_on_after(STOP_SECONDS):
                await self._wait_for_jobs()
            self.stop_jobs()
            await self._wait_for_jobs()
            await self._hand_in()

    def stop_jobs(self) -> None:
        for job in self._jobs.values():
            job.scope.cancel()

    # -- planning and acting -----------------------------------------------------------------

    async def _act(self, nursery: trio.Nursery) -> bool:
        """Carry out one plan; return whether it changed the state."""
        situation = self._survey()
        self._tell_losses(situation)
        policy = self._read_policy()
        if policy.switch == "stop":
            self.stop_jobs()
        situation = msgspec.structs.replace(
            situation, pause=explain_switch(policy) or situation.pause
        )
        plan = make_plan(
            situation,
            policy,
            self._executor.skills,
            frozenset(self._jobs),
            self._desk.preview,
        )
        has_changed = False
        for step in plan:
            match step:
                case Sign(operation):
                    # A worker that is stopped takes on nothing more.
                    await trio.lowlevel.checkpoint_if_cancelled()
                    appended = await self._append(operation)
                    self._tell(_make_event(operation, appended))
                    has_changed |= appended.verdict == Verdict.APPLIED
                case Run():
                    self._begin(nursery, step, policy)
                case Drop(assignment):
                    self._jobs.pop(assignment).scope.cancel()
                    if self._is_over(assignment):
                        self._journal.forget(assignment)
                case Waiting() | PassedOver():
                    self._tell(step)
        return has_changed

    def _survey(self) -> Situation:
        """Return the situation, with what only the worker knows of it."""
        situation = survey(self._desk)
        if trio.current_time() >= self._pause_end:
            self._pause = ""
        tokens = self._log.count_day(situation.wall_ms)
        load = msgspec.structs.replace(situation.load, tokens_today=tokens)
        return msgspec.structs.replace(situation, load=load, pause=self._pause)

    def _read_policy(self) -> Policy:
        """Return the policy as it is now; one that cannot be read denies."""
        try:
            policy = self._policy_source()
        except UsageError as error:
            if str(error) != self._policy_error:
                self._policy_error = str(error)
                self._on_event(PolicyUnreadable(str(error)))
            return Policy()
        self._policy_error = ""
        return msgspec.structs.replace(policy, parallel_tasks=1) if self._once else policy

    async def _append(self, operation: Operation) -> Appended:
        # Not to be interrupted: what was signed must be told and counted.
        appended: Appended | None = None
        with trio.CancelScope(shield=True):
            appended = await self._desk.append(operation)
        assert appended is not None  # nothing cancels this scope
        return appended

    async def _wait(self) -> None:
        """Sleep until news, a tick, or the end of a job."""
        if any(job.ended.is_set() for job in self._jobs.values()):
            return
        with trio.CancelScope() as self._waiting:
            await self._desk.wait_for_news(TICK_SECONDS)

    # -- jobs --------------------------------------------------------------------------------

    def _begin(self, nursery: trio.Nursery, run: Run, policy: Policy) -> None:
        work = run.work
        job = Job(
            assignment=work.assignment,
            task=work.task,
            requester=work.requester,
            kind=work.kind,
            title=work.title,
            criteria=work.criteria,
            units=work.units,
            media_type=work.media_type,
            payload=run.payload,
            limits=find_limits(policy, self._log, work.assignment, self._desk.get_wall_ms()),
            model=policy.model if self._executor.skills.is_metered else "",
        )
        self._jobs[work.assignment] = in_hand = _JobInHand()
        known = self._resume(work.assignment, policy)
        if known is not None:
            in_hand.outcome = known
            in_hand.ended.set()
            return
        self._journal.begin(work.assignment, self._desk.get_wall_ms())
        nursery.start_soon(self._do, job, in_hand, run.seconds)
        self._on_event(Started(work.assignment, self._executor.name, run.seconds))

    def _recover(self) -> None:
        """Take results that were kept in hand again, whatever the policy says of new work."""
        for work in survey(self._desk).work:
            known = self._journal.find(work.assignment) if work.state == "STARTED" else None
            if isinstance(known, Finished):
                self._on_event(Resumed(work.assignment, "its result was kept, and is handed in"))
                self._jobs[work.assignment] = in_hand = _JobInHand()
                in_hand.outcome = known.result
                in_hand.ended.set()
            elif known is not None and known.damage:
                # Told when it is set aside, and not again.
                self._on_event(Resumed(work.assignment, known.damage))

    def _resume(self, assignment: bytes, policy: Policy) -> Result | Failure | None:
        """Return what is known of work that was in hand before, or None when it is to be run."""
        known = self._journal.find(assignment)
        if known is None:
            return None
        if isinstance(known, Finished):
            return known.result
        told = known.damage or "its run was cut off"
        if self._executor.skills.is_free or policy.repeat_interrupted:
            self._on_event(Resumed(assignment, f"{told}; it is run again"))
            return None
        told += "; it may have cost something, and repeat_interrupted is not set"
        self._on_event(Resumed(assignment, told))
        return Failure("interrupted", told)

    def _is_over(self, assignment: bytes) -> bool:
        row = self._desk.market.assignments.get(assignment)
        return row is not None and bool(row.end or row.delivery)

    def _keep(self, assignment: bytes, outcome: Result | Failure) -> None:
        """Put a result on record before anything else is done with it."""
        if isinstance(outcome, Result):
            # A full disk may still take the entry, or be emptied before it is written.
            with suppress(StoreFailed):
                self._journal.finish(assignment, self._desk.get_wall_ms(), outcome)

    async def _do(self, job: Job, in_hand: _JobInHand, seconds: float) -> None:
        scope = in_hand.scope
        scope.deadline = trio.current_time() + seconds
        try:
            with scope:
                in_hand.outcome = await run_job(
                    self._executor,
                    job,
                    self._log,
                    get_wall_ms=self._desk.get_wall_ms,
                    on_progress=lambda progress: self._on_event(_tell_progress(job, progress)),
                )
                self._keep(job.assignment, in_hand.outcome)
            if scope.cancelled_caught:
                is_late = trio.current_time() >= scope.deadline
                in_hand.outcome = Failure("deadline" if is_late else "stopped")
        finally:
            in_hand.ended.set()
            self._waiting.cancel()

    async def _wait_for_jobs(self) -> None:
        for job in self._jobs.values():
            await job.ended.wait()

    async def _hand_in(self) -> None:
        """Deliver what is done, and fail what is not to be had."""
        done = [key for key, job in self._jobs.items() if job.ended.is_set()]
        for assignment in done:
            self._tell(await self._hand_in_one(assignment, self._jobs.pop(assignment).outcome))
            self._journal.forget(assignment)

    async def _hand_in_one(self, assignment: bytes, outcome: Result | Failure) -> Event | None:
        if isinstance(outcome, Result):
            delivered = await self._deliver(assignment, outcome)
            if delivered is not None:
                return delivered
            # Refused for what it holds, or because the assignment has ended: then so is this.
            outcome = Failure("result-refused")
        self._take_lesson(outcome)
        failure = TaskFail(assignment, outcome.reason)
        event = _make_event(failure, await self._append(failure))
        if isinstance(event, Failed):
            return msgspec.structs.replace(event, detail=outcome.detail)
        return event

    def _take_lesson(self, failure: Failure) -> None:
        """Spare the next jobs what would befall them, too: a pause, or the end."""
        if failure.is_lasting:
            self._unfit = failure.detail
        if failure.retry_seconds is not None:
            pause = min(max(failure.retry_seconds, PAUSE_LEAST_SECONDS), PAUSE_MOST_SECONDS)
            self._pause = f"a pause, since the last job failed: {failure.reason}"
            self._pause_end = trio.current_time() + pause

    async def _deliver(self, assignment: bytes, result: Result) -> Delivered | None:
        """Return what was delivered, or None when it was refused."""
        try:
            operation = self._desk.make_delivery(assignment, result.media_type, result.data)
        except PolicyRefused:
            return None
        appended = await self._append(operation)
        if appended.verdict != Verdict.APPLIED:
            return None
        blob = operation.result.hash if operation.result.inline is None else b""
        return Delivered(assignment, appended.entry, len(result.data), blob)

    # -- telling -----------------------------------------------------------------------------

    def _tell(self, event: Event | None) -> None:
        """Pass an event on and count it; what is left alone is told once."""
        match event:
            case None:
                return
            case Delivered(assignment):
                self.tally = msgspec.structs.replace(self.tally, delivered=self.tally.delivered + 1)
                self._living.discard(assignment)
            case Failed(assignment):
                self.tally = msgspec.structs.replace(self.tally, failed=self.tally.failed + 1)
                self._living.discard(assignment)
            case Declined(assignment):
                self._living.discard(assignment)
            case Waiting(subject, reason):
                if not self._is_new(subject, reason):
                    return
            case PassedOver(subject):
                if not self._is_new(subject, ""):
                    return
            case _:
                pass
        self._on_event(event)

    def _is_new(self, subject: bytes, reason: str) -> bool:
        is_new = (subject, reason) not in self._told
        self._told.add((subject, reason))
        return is_new

    def _tell_losses(self, situation: Situation) -> None:
        """Say which work is gone without our doing, and forget what was told of what is gone."""
        living = {work.assignment for work in situation.work}
        for assignment in sorted(self._living - living):
            self._on_event(Lost(assignment, self._explain_loss(assignment)))
        self._living = living
        known = living.union(task.task for task in situation.tasks)
        self._told = {told for told in self._told if told[0] in known}

    def _explain_loss(self, assignment: bytes) -> str:
        market = self._desk.market
        row = market.assignments.get(assignment)
        if row is None:
            return "its acceptance was reversed: another entry took its place"
        return explain_assignment(market, row) if row.end else "it was delivered by its owner"


def _tell_progress(job: Job, progress: Progress) -> Working:
    usage = progress.usage
    return Working(job.assignment, progress.size, usage.tokens_in + usage.tokens_out)


def _make_event(operation: Signed, appended: Appended) -> Event | None:
    """Say what signing an operation did; work that was started is told when it runs."""
    match operation:
        case TaskAccept(subject, ask):
            event = Accepted(subject, appended.entry, ask)
        case TaskStart(subject):
            event = None
        case TaskDecline(subject, reason):
            event = Declined(subject, reason)
        case TaskFail(subject, reason):
            event = Failed(subject, reason)
        case OfferRenew(subject):
            event = Renewed(subject)
        case Presence():
            # Once in every slot, and no news to anybody.
            return None
    if appended.verdict != Verdict.APPLIED:
        return PassedOver(subject, BY_CONTRACT, appended.explanation)
    return event
