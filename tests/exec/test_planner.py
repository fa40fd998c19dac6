"""The planner as a table: one situation in which all is well, one thing changed, one plan."""

from collections.abc import Iterable

import msgspec
import pytest

from synaptic_crdt.exec.events import PassedOver, Waiting
from synaptic_crdt.exec.executors.base import Skills
from synaptic_crdt.exec.planner import Act, Drop, Note, Run, Sign, make_plan
from synaptic_crdt.exec.policy import Load, Policy
from synaptic_crdt.exec.situation import OpenTask, Situation, Work
from synaptic_crdt.rules.operations import Operation
from synaptic_crdt.rules.task_operations import TaskAccept, TaskDecline, TaskFail, TaskStart

REQUESTER = b"r" * 32
TASK, OTHER_TASK = b"t" * 32, b"u" * 32
MINE, OTHER = b"m" * 32, b"o" * 32
NOW_MS = 1_750_000_000_000

POLICY = Policy(opted_in=True, kinds=("text.answer",), approval="auto", parallel_tasks=2)
SKILLS = Skills(("*",), ("text/plain",))
OPEN = OpenTask(
    task=TASK, requester=REQUESTER, kind="text.answer", limit=50, media_types=("text/plain",)
)
WORK = Work(
    assignment=MINE,
    task=TASK,
    requester=REQUESTER,
    kind="text.answer",
    title="Vowels",
    units=1,
    media_type="text/plain",
    payload=b"count the vowels",
    unreadable="",
    state="ASSIGNED",
    is_final=True,
    armed_ms=NOW_MS - 1_000,
    response_ms=60_000,
    started_ms=0,
    execution_ms=60_000,
)
STARTED = msgspec.structs.replace(WORK, state="STARTED", started_ms=NOW_MS - 20_000)


def plan(
    *,
    tasks: tuple[OpenTask, ...] = (),
    work: tuple[Work, ...] = (),
    policy: Policy = POLICY,
    skills: Skills = SKILLS,
    jobs: Iterable[bytes] = (),
    refused: Iterable[Operation] = (),
    load: Load | None = None,
    is_sandbox: bool = False,
    pause: str = "",
) -> tuple[Act | Note, ...]:
    situation = Situation(
        wall_ms=NOW_MS,
        is_sandbox=is_sandbox,
        tasks=tasks,
        work=work,
        load=load or Load(0, len(work)),
        pause=pause,
    )
    no = tuple(refused)

    def preview(operation: Operation) -> str | None:
        return "WRONG_PHASE: it is not" if operation in no else None

    return make_plan(situation, policy, skills, frozenset(jobs), preview)


def change_policy(**changes: object) -> Policy:
    return msgspec.structs.replace(POLICY, **changes)


def change_work(work: Work = WORK, **changes: object) -> Work:
    return msgspec.structs.replace(work, **changes)


def change_task(**changes: object) -> OpenTask:
    return msgspec.structs.replace(OPEN, **changes)


def get_reason(steps: tuple[Act | Note, ...]) -> str:
    (step,) = steps
    assert isinstance(step, Waiting | PassedOver)
    return step.reason


# -- accepting -------------------------------------------------------------------------------


def test_nothing_to_do_is_an_empty_plan() -> None:
    assert plan() == ()


def test_a_task_is_accepted_at_its_limit() -> None:
    assert plan(tasks=(OPEN,)) == (Sign(TaskAccept(TASK, 50, ())),)


def test_the_default_policy_accepts_nothing_and_starts_nothing() -> None:
    assert plan(tasks=(OPEN,), policy=Policy()) == (
        PassedOver(
            TASK, "policy", "this machine is not opted in: set opted_in = true in its policy"
        ),
    )
    assert "not opted in" in get_reason(plan(work=(WORK,), policy=Policy()))
    assert "not opted in" in get_reason(plan(work=(STARTED,), policy=Policy()))


def test_a_payload_whose_key_is_awaited_is_waited_for() -> None:
    waiting = change_work(WORK, state="KEYWAIT", payload=None, unreadable="no key")
    assert "not revealed yet" in get_reason(plan(work=(waiting,)))


def test_a_payload_that_cannot_be_read_is_given_back_e19() -> None:
    sealed = change_work(WORK, payload=None, unreadable="a wrong key")
    (step,) = plan(work=(sealed,))
    assert step == Sign(TaskDecline(MINE, "payload-unreadable"))
    begun = change_work(STARTED, payload=None, unreadable="a wrong key")
    (step,) = plan(work=(begun,))
    assert step == Sign(TaskFail(MINE, "payload-unreadable"))


def test_a_payload_that_is_not_served_is_given_back_when_the_answer_is_due() -> None:
    early = change_work(WORK, payload=None, armed_ms=NOW_MS - 59_999)
    assert "not here yet" in get_reason(plan(work=(early,)))
    due = change_work(early, armed_ms=NOW_MS - 60_000)
    assert plan(work=(due,)) == (Sign(TaskDecline(MINE, "payload-unserved")),)
    # What was begun was in hand once.
    begun = change_work(STARTED, payload=None, armed_ms=NOW_MS - 60_000)
    assert "not here yet" in get_reason(plan(work=(begun,)))


def test_a_task_whose_key_does_not_open_is_not_accepted() -> None:
    assert plan(tasks=(change_task(obstacle="a wrong key"),)) == (
        PassedOver(TASK, "content", "a wrong key"),
    )


@pytest.mark.parametrize(
    ("policy", "task", "named"),
    [
        (change_policy(kinds=("code.review",)), OPEN, "kind text.answer"),
        (POLICY, change_task(kind="code.review"), "kind code.review"),
        (change_policy(minimum_price=51), OPEN, "minimum_price is 51"),
        (change_policy(requesters_blocked=(REQUESTER.hex(),)), OPEN, "requesters_blocked"),
        (change_policy(requesters_allowed=()), OPEN, "requesters_allowed"),
        (change_policy(tasks_per_day=0), OPEN, "tasks_per_day"),
        (change_policy(approval="manual"), OPEN, "approval is manual"),
        (POLICY, change_task(media_types=("image/png", "text/plain")), "image/png"),
    ],
)
def test_what_policy_or_executor_refuse_is_passed_over(
    policy: Policy, task: OpenTask, named: str
) -> None:
    assert named in get_reason(plan(tasks=(task,), policy=policy))


def test_what_the_contract_would_refuse_is_not_signed_and_stands_in_nobodys_way() -> None:
    steps = plan(
        tasks=(OPEN, change_task(task=OTHER_TASK)),
        policy=change_policy(parallel_tasks=1),
        refused=(TaskAccept(TASK, 50, ()),),
    )
    assert steps == (
        PassedOver(TASK, "contract", "WRONG_PHASE: it is not"),
        Sign(TaskAccept(OTHER_TASK, 50, ())),
    )


@pytest.mark.parametrize("cap", ["parallel_tasks", "tasks_per_day"])
def test_one_plan_does_not_exceed_a_cap(cap: str) -> None:
    tasks = tuple(change_task(task=bytes((number,)) * 32) for number in range(4))
    steps = plan(tasks=tasks, policy=change_policy(**{"parallel_tasks": 10, cap: 2}))
    assert [type(step) for step in steps] == [Sign, Sign, PassedOver, PassedOver]


def test_work_that_is_owed_counts_against_the_cap() -> None:
    assert "parallel_tasks is 2" in get_reason(plan(tasks=(OPEN,), load=Load(0, 2)))
    assert "tasks_per_day is 20" in get_reason(plan(tasks=(OPEN,), load=Load(20, 0)))


METERED = Skills(("*",), ("text/plain",), is_metered=True)
COSTLY = change_policy(parallel_tasks=10, tokens_per_task=1_000, tokens_per_day=3_500)


def test_a_days_tokens_bound_what_is_accepted_in_one_plan() -> None:
    tasks = tuple(change_task(task=bytes((number,)) * 32) for number in range(4))
    steps = plan(tasks=tasks, policy=COSTLY, skills=METERED)
    assert [type(step) for step in steps] == [Sign, Sign, Sign, PassedOver]
    assert "tokens_per_day" in get_reason(steps[-1:])


def test_what_was_used_and_what_is_owed_leave_less_to_accept() -> None:
    for load in (Load(0, 0, 2_501), Load(0, 3)):
        steps = plan(tasks=(OPEN,), policy=COSTLY, skills=METERED, load=load)
        assert "tokens_per_day" in get_reason(steps)
    # What runs counts already with what it may cost.
    work = tuple(change_work(STARTED, assignment=bytes((number,)) * 32) for number in range(3))
    (step,) = plan(
        tasks=(OPEN,),
        work=work,
        policy=COSTLY,
        skills=METERED,
        jobs=[each.assignment for each in work],
    )
    assert isinstance(step, Sign)


def test_an_executor_that_asks_no_model_needs_no_tokens() -> None:
    (step,) = plan(tasks=(OPEN,), policy=COSTLY, load=Load(0, 0, 10**9))
    assert isinstance(step, Sign)
    assert isinstance(plan(work=(STARTED,), policy=COSTLY, load=Load(0, 1, 10**9))[0], Run)


def test_accepted_work_for_which_no_tokens_are_left_is_given_back() -> None:
    spent = Load(0, 1, 3_000)
    steps = plan(work=(WORK,), policy=COSTLY, skills=METERED, load=spent)
    assert steps == (Sign(TaskDecline(MINE, "policy")),)
    steps = plan(work=(STARTED,), policy=COSTLY, skills=METERED, load=spent)
    assert steps == (Sign(TaskFail(MINE, "policy")),)
    manual = msgspec.structs.replace(COSTLY, approval="manual")
    steps = plan(work=(WORK,), policy=manual, skills=METERED, load=spent)
    assert "tokens_per_day" in get_reason(steps)


def test_no_more_is_begun_in_one_plan_than_there_are_tokens_for() -> None:
    work = tuple(change_work(assignment=bytes((number,)) * 32) for number in range(4))
    steps = plan(work=work, policy=COSTLY, skills=METERED)
    kinds = [type(step.operation) for step in steps if isinstance(step, Sign)]
    assert kinds == [TaskStart, TaskStart, TaskStart, TaskDecline]


def test_in_a_pause_nothing_is_accepted_or_begun() -> None:
    assert get_reason(plan(tasks=(OPEN,), pause="too fast")) == "too fast"
    assert get_reason(plan(work=(WORK,), pause="too fast")) == "too fast"
    assert get_reason(plan(work=(STARTED,), pause="too fast")) == "too fast"
    late = change_work(STARTED, started_ms=NOW_MS - 60_000)
    assert plan(work=(late,), pause="too fast") == (Sign(TaskFail(MINE, "deadline")),)
    # Declining costs less than being late.
    due = change_work(armed_ms=NOW_MS - WORK.response_ms)
    assert plan(work=(due,), pause="too fast") == (Sign(TaskDecline(MINE, "paused")),)


# -- starting and running --------------------------------------------------------------------


def test_final_work_is_started_then_run() -> None:
    assert plan(work=(WORK,)) == (Sign(TaskStart(MINE)),)
    assert plan(work=(STARTED,)) == (Run(STARTED, b"count the vowels", 40.0),)


def test_a_run_ends_with_the_policys_seconds_or_the_execution_limit() -> None:
    (step,) = plan(work=(STARTED,), policy=change_policy(seconds_per_task=7))
    assert isinstance(step, Run)
    assert step.seconds == 7


@pytest.mark.parametrize("state", ["PENDING", "ASSIGNED", "STARTED"])
def test_what_is_not_final_is_neither_started_nor_run(state: str) -> None:
    work = change_work(STARTED, state=state, is_final=False)
    assert get_reason(plan(work=(work,))) == "its acceptance is not final yet"


@pytest.mark.parametrize("is_final", [False, True])
def test_a_reserved_seat_waits_for_more_providers(is_final: bool) -> None:
    work = change_work(state="RESERVED", is_final=is_final)
    assert "more providers" in get_reason(plan(work=(work,)))


def test_a_pending_seat_waits_for_the_acceptances_of_others() -> None:
    assert "epoch" in get_reason(plan(work=(change_work(state="PENDING"),)))


@pytest.mark.parametrize("work", [WORK, STARTED])
def test_a_payload_that_is_not_here_is_waited_for(work: Work) -> None:
    assert "payload is not here" in get_reason(plan(work=(change_work(work, payload=None),)))


def test_a_sandbox_is_worked_in_only_at_the_policys_risk() -> None:
    work = change_work(is_final=False)
    careful, bold = POLICY, change_policy(risk_sandbox=True)
    assert plan(work=(work,), policy=bold, is_sandbox=True) == (Sign(TaskStart(MINE)),)
    (run,) = plan(work=(change_work(STARTED, is_final=False),), policy=bold, is_sandbox=True)
    assert isinstance(run, Run)
    assert plan(tasks=(OPEN,), policy=bold, is_sandbox=True) == (Sign(TaskAccept(TASK, 50, ())),)
    assert "sandbox" in get_reason(plan(tasks=(OPEN,), policy=careful, is_sandbox=True))
    assert plan(work=(work,), policy=careful, is_sandbox=True) == (
        Sign(TaskDecline(MINE, "policy")),
    )


def test_work_in_hand_is_left_to_its_job() -> None:
    assert plan(work=(STARTED,), jobs=(MINE,)) == ()


def test_jobs_beyond_the_cap_wait() -> None:
    other = change_work(assignment=OTHER)
    one_hand = change_policy(parallel_tasks=1)
    assert plan(work=(STARTED, other), jobs=(MINE,), policy=one_hand) == (
        Waiting(OTHER, "parallel_tasks is 1"),
    )
    assert plan(work=(WORK, other), policy=one_hand) == (
        Sign(TaskStart(MINE)),
        Waiting(OTHER, "parallel_tasks is 1"),
    )


def test_started_work_comes_first() -> None:
    other = change_work(STARTED, assignment=OTHER)
    steps = plan(work=(WORK, other), policy=change_policy(parallel_tasks=1))
    assert steps == (
        Run(other, b"count the vowels", 40.0),
        Waiting(MINE, "parallel_tasks is 1"),
    )


def test_work_that_the_contract_refuses_takes_no_hand() -> None:
    other = change_work(assignment=OTHER)
    steps = plan(
        work=(WORK, other),
        policy=change_policy(parallel_tasks=1),
        refused=(TaskStart(MINE),),
    )
    assert steps == (
        PassedOver(MINE, "contract", "WRONG_PHASE: it is not"),
        Sign(TaskStart(OTHER)),
    )


# -- giving back -----------------------------------------------------------------------------


@pytest.mark.parametrize("left_ms", [0, -1])
def test_started_work_past_its_limit_is_failed(left_ms: int) -> None:
    late = change_work(STARTED, started_ms=NOW_MS - 60_000 + left_ms)
    assert plan(work=(late,)) == (Sign(TaskFail(MINE, "deadline")),)


def test_the_last_millisecond_is_used() -> None:
    (step,) = plan(work=(change_work(STARTED, started_ms=NOW_MS - 59_999),))
    assert isinstance(step, Run)
    assert step.seconds == 0.001


@pytest.mark.parametrize("state", ["RESERVED", "PENDING", "ASSIGNED"])
@pytest.mark.parametrize(
    ("policy", "skills", "reason"),
    [
        (change_policy(opted_in=False), SKILLS, "policy"),
        (change_policy(kinds=("code.review",)), SKILLS, "policy"),
        (change_policy(requesters_blocked=(REQUESTER.hex(),)), SKILLS, "policy"),
        (POLICY, Skills(("*",), ("image/png",)), "payload-unsupported"),
    ],
)
def test_accepted_work_that_may_not_be_done_is_declined(
    policy: Policy, skills: Skills, reason: str, state: str
) -> None:
    steps = plan(work=(change_work(state=state),), policy=policy, skills=skills)
    assert steps == (Sign(TaskDecline(MINE, reason)),)


def test_begun_work_that_may_not_be_done_any_more_is_failed() -> None:
    steps = plan(work=(STARTED,), policy=change_policy(opted_in=False))
    assert steps == (Sign(TaskFail(MINE, "policy")),)


@pytest.mark.parametrize("work", [WORK, STARTED])
def test_what_was_accepted_by_hand_is_left_to_its_owner(work: Work) -> None:
    manual = change_policy(approval="manual")
    closed = change_policy(approval="manual", kinds=("code.review",))
    assert isinstance(plan(work=(work,), policy=manual)[0], Sign | Run)
    assert "kind text.answer" in get_reason(plan(work=(work,), policy=closed))
    image = Skills(("*",), ("image/png",))
    assert "text/plain" in get_reason(plan(work=(work,), policy=manual, skills=image))


def test_a_job_whose_assignment_is_gone_is_dropped() -> None:
    assert plan(jobs=(OTHER, MINE)) == (Drop(MINE), Drop(OTHER))
    assert plan(work=(STARTED,), jobs=(OTHER, MINE)) == (Drop(OTHER),)


def test_a_dropped_job_frees_its_hand() -> None:
    steps = plan(work=(WORK,), jobs=(OTHER,), policy=change_policy(parallel_tasks=1))
    assert steps == (Drop(OTHER), Sign(TaskStart(MINE)))


def test_two_calls_agree() -> None:
    tasks = (OPEN, change_task(task=OTHER_TASK))
    assert plan(tasks=tasks, work=(WORK,)) == plan(tasks=tasks, work=(WORK,))
