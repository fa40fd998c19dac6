"""What to do next: pure, from a situation, the policy and an executor's skills to acts.

Guarantees: nothing is begun that the policy refuses; nothing is signed that the contract is known
to refuse; work runs only on an acceptance that is final, or in a sandbox market whose risk the
policy takes; nothing is accepted, started or run twice. Two calls on one situation agree.

Answers claiming more than can be done, work done for an acceptance that is later reversed, and two
devices of one account doing the same work.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

import msgspec

from synaptic_crdt.exec.attendance import plan_attendance
from synaptic_crdt.exec.events import PassedOver, Waiting
from synaptic_crdt.exec.executors.base import Skills
from synaptic_crdt.exec.policy import (
    Load,
    Policy,
    explain_objection,
    explain_refusal,
    explain_tokens,
)
from synaptic_crdt.exec.situation import OpenTask, Situation, Work
from synaptic_crdt.rules.offer_operations import OfferRenew, Presence
from synaptic_crdt.rules.operations import Operation
from synaptic_crdt.rules.task_operations import TaskAccept, TaskDecline, TaskFail, TaskStart

BY_POLICY: Final = "policy"
BY_EXECUTOR: Final = "executor"
BY_CONTRACT: Final = "contract"
BY_CONTENT: Final = "content"


Signed = TaskAccept | TaskStart | TaskDecline | TaskFail | OfferRenew | Presence


class Sign(msgspec.Struct, frozen=True):
    """Append an operation that the contract would apply."""

    operation: Signed


class Run(msgspec.Struct, frozen=True):
    """Let the executor do started work, for so many seconds at most."""

    work: Work
    payload: bytes
    seconds: float


class Drop(msgspec.Struct, frozen=True):
    """Stop a job whose assignment is ours no more."""

    assignment: bytes


Act = Sign | Run | Drop
Note = Waiting | PassedOver
# Says why the contract would refuse an operation now; None when it would apply it.
Preview = Callable[[Operation], str | None]

S = TypeVar("S", bound=Act | Note)


def make_plan(
    situation: Situation,
    policy: Policy,
    skills: Skills,
    jobs: frozenset[bytes],
    preview: Preview,
) -> tuple[Act | Note, ...]:
    """Return the next acts in order, and notes on what is left alone and why.

    ``jobs`` are the assignments whose work is in hand: running, or done and not handed in.
    """
    attending = plan_attendance(
        situation.attendance, policy, preview, is_sandbox=situation.is_sandbox
    )
    return (
        *(Sign(operation) for operation in attending),
        *_plan_drops(situation.work, jobs),
        *_plan_work(situation, policy, skills, jobs, preview),
        *_plan_acceptances(situation, policy, skills, jobs, preview),
    )


def _plan_drops(work: Sequence[Work], jobs: frozenset[bytes]) -> Iterator[Drop]:
    living = frozenset(item.assignment for item in work)
    for assignment in sorted(jobs - living):
        yield Drop(assignment)


def _plan_work(
    situation: Situation,
    policy: Policy,
    skills: Skills,
    jobs: frozenset[bytes],
    preview: Preview,
) -> Iterator[Act | Note]:
    idle = [work for work in situation.work if work.assignment not in jobs]
    hands = policy.parallel_tasks - (len(situation.work) - len(idle))
    begun_now = 0
    # What was started first: its execution limit runs already.
    for work in sorted(idle, key=lambda work: work.state != "STARTED"):
        step = _refuse_work(work, situation, policy, skills, begun_now) or _hold_back(
            work, situation
        )
        if step is not None:
            yield _ask_contract(step, work.assignment, preview)
        elif hands <= 0:
            yield Waiting(work.assignment, f"parallel_tasks is {policy.parallel_tasks}")
        else:
            begun = _ask_contract(_begin(work, situation, policy), work.assignment, preview)
            hands -= not isinstance(begun, PassedOver)
            begun_now += not isinstance(begun, PassedOver)
            yield begun


def _refuse_work(
    work: Work, situation: Situation, policy: Policy, skills: Skills, begun_now: int
) -> Sign | PassedOver | None:
    """Give back accepted work that may not be done here; with manual approval, say so."""
    by, reason = BY_POLICY, "policy"
    objection = explain_objection(
        policy, requester=work.requester, kind=work.kind, is_sandbox=situation.is_sandbox
    )
    if objection is None and skills.is_metered:
        objection = explain_tokens(policy, situation.load.tokens_today, begun_now + 1)
    if objection is None:
        by, reason = BY_EXECUTOR, "payload-unsupported"
        objection = _explain_skills(skills, work.kind, (work.media_type,))
    if objection is None:
        return None
    if policy.approval == "manual":
        # Its owner accepted it by hand, and may mean to do it by hand.
        return PassedOver(work.assignment, by, objection)
    if work.state == "STARTED":
        return Sign(TaskFail(work.assignment, reason))
    return Sign(TaskDecline(work.assignment, reason))


def _hold_back(work: Work, situation: Situation) -> Sign | Waiting | None:
    """Wait, or give up, where work cannot be begun; an answer given cannot be taken back."""
    if work.state == "RESERVED":
        return Waiting(work.assignment, "more providers must come before work begins")
    # What may still be reversed is not begun; the policy took a sandbox's risk, or objected.
    if not work.is_final and not situation.is_sandbox:
        return Waiting(work.assignment, "its acceptance is not final yet")
    # Final for itself, but not yet the acceptance of another provider that is needed.
    if work.state == "PENDING":
        return Waiting(work.assignment, "its epoch is not closed yet")
    if work.state == "KEYWAIT":
        return Waiting(work.assignment, "the key of its payload is not revealed yet")
    lack = _explain_lack(work, situation)
    if lack is not None:
        return lack
    if work.state == "STARTED" and _get_ms_left(work, situation) <= 0:
        return Sign(TaskFail(work.assignment, "deadline"))
    if situation.pause and _is_answer_due(work, situation):
        return Sign(TaskDecline(work.assignment, "paused"))
    return Waiting(work.assignment, situation.pause) if situation.pause else None


def _explain_lack(work: Work, situation: Situation) -> Sign | Waiting | None:
    """Wait for a payload, or give up on one that does not come or cannot be read."""
    if work.unreadable and work.state == "ASSIGNED":
        # Free of blame for who begins nothing, and the seat opens for others.
        return Sign(TaskDecline(work.assignment, "payload-unreadable"))
    if work.unreadable:
        return Sign(TaskFail(work.assignment, "payload-unreadable"))
    if work.payload is None and _is_answer_due(work, situation):
        # Whoever does not serve what it asks for is not to cost anybody a bond.
        return Sign(TaskDecline(work.assignment, "payload-unserved"))
    if work.payload is None:
        return Waiting(work.assignment, "its payload is not here yet: it travels on its own")
    return None


def _begin(work: Work, situation: Situation, policy: Policy) -> Sign | Run:
    if work.state == "ASSIGNED":
        return Sign(TaskStart(work.assignment))
    assert work.payload is not None
    left_seconds = _get_ms_left(work, situation) / 1000
    return Run(work, work.payload, min(left_seconds, policy.seconds_per_task))


def _is_answer_due(work: Work, situation: Situation) -> bool:
    """Has as much time passed as an answer may take without being late?"""
    waited_ms = situation.wall_ms - work.armed_ms
    return work.state == "ASSIGNED" and waited_ms >= work.response_ms


def _get_ms_left(work: Work, situation: Situation) -> int:
    """Return how long the execution limit still lasts."""
    return work.started_ms + work.execution_ms - situation.wall_ms


def _plan_acceptances(
    situation: Situation,
    policy: Policy,
    skills: Skills,
    jobs: frozenset[bytes],
    preview: Preview,
) -> Iterator[Sign | PassedOver]:
    load = situation.load
    for task in situation.tasks:
        refusal = _refuse_task(task, situation, policy, skills, load, len(jobs))
        if refusal is not None:
            yield refusal
            continue
        step = _ask_contract(Sign(TaskAccept(task.task, task.limit, ())), task.task, preview)
        yield step
        if isinstance(step, Sign):
            load = Load(load.accepted_today + 1, load.owed + 1, load.tokens_today)


def _refuse_task(
    task: OpenTask,
    situation: Situation,
    policy: Policy,
    skills: Skills,
    load: Load,
    jobs: int,
) -> PassedOver | None:
    if task.obstacle:
        return PassedOver(task.task, BY_CONTENT, task.obstacle)
    if situation.pause:
        return PassedOver(task.task, BY_EXECUTOR, situation.pause)
    # Which of the free seats it will be is settled by the document's order, so all must suit.
    lack = _explain_skills(skills, task.kind, task.media_types)
    if lack is not None:
        return PassedOver(task.task, BY_EXECUTOR, lack)
    # What is in hand counts already with what it may cost.
    refusal = (
        explain_tokens(policy, load.tokens_today, load.owed - jobs + 1)
        if skills.is_metered
        else None
    )
    refusal = refusal or explain_refusal(
        policy,
        requester=task.requester,
        kind=task.kind,
        price=task.limit,
        is_sandbox=situation.is_sandbox,
        load=load,
    )
    return None if refusal is None else PassedOver(task.task, BY_POLICY, refusal)


def _explain_skills(skills: Skills, kind: str, media_types: Sequence[str]) -> str | None:
    for media_type in media_types:
        if not skills.covers(kind, media_type):
            return f"the executor does not take {media_type} for kind {kind}"
    return None


def _ask_contract(step: S, subject: bytes, preview: Preview) -> S | PassedOver:
    """Return a step unless it would sign what the contract refuses; then say why it would."""
    if not isinstance(step, Sign):
        return step
    refusal = preview(step.operation)
    return step if refusal is None else PassedOver(subject, BY_CONTRACT, refusal)
