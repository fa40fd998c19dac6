"""Better terms for providers, more time for one of them, progress, and presence."""

from typing import Any

import pytest
from msgspec.structs import replace

from synaptic_crdt.rules.limits import DAY_MS, HOUR_MS, MINUTE_MS, MONTH_MS
from synaptic_crdt.rules.presence import mark_present
from synaptic_crdt.rules.task_operations import (
    AssignmentExtend,
    ServiceLevel,
    TaskAccept,
    TaskApprove,
    TaskCancel,
    TaskDecline,
    TaskDeliver,
    TaskImprove,
    TaskProgress,
    TaskStart,
)
from synaptic_crdt.rules.verdicts import Verdict
from tests.rules.conftest import RESULT, Ladder, Stage, make_task

UNKNOWN = b"u" * 32
V = Verdict
SAME: dict[str, int] = {
    "price_low": 100,
    "price": 100,
    "price_max": 100,
    "bond": 10,
    "window_ms": 15 * MINUTE_MS,
    "reputation_min": 0,
    "response_ms": MINUTE_MS,
    "execution_ms": HOUR_MS,
    "penalty": 40,
}


def improve(task: bytes, **changes: int) -> TaskImprove:
    return TaskImprove(task, **(SAME | changes))


def post(stage: Stage, **fields: Any) -> bytes:  # noqa: ANN401 - any of a task's
    return stage.did("founder", make_task(bond=10, penalty=40, reputation_min=0, **fields))


@pytest.fixture
def busy() -> Stage:
    stage = Stage()
    stage.join("ana", grant=10)
    stage.join("bea", grant=10)
    return stage


def test_improve_ladder(busy: Stage) -> None:
    ladder = Ladder(busy, "task.improve")
    wrong = TaskImprove(UNKNOWN, 0, 100, 100, 101, 999, 1_001, 999, 999, -1)
    for verdict, changes in (
        (V.PRICES_DISORDERED, {"price_low": 1}),
        (V.BOND_OUT_OF_RANGE, {"bond": 9}),
        (V.WINDOW_OUT_OF_RANGE, {"window_ms": 15 * MINUTE_MS}),
        (V.REPUTATION_MIN_OUT_OF_RANGE, {"reputation_min": 0}),
        (V.RESPONSE_OUT_OF_RANGE, {"response_ms": MINUTE_MS}),
        (V.EXECUTION_OUT_OF_RANGE, {"execution_ms": HOUR_MS}),
        (V.PENALTY_OUT_OF_RANGE, {"penalty": 40}),
    ):
        ladder.expect(verdict, "nobody", wrong)
        wrong = replace(wrong, **changes)
    ladder.expect(V.ACCOUNT_UNKNOWN, "nobody", wrong)
    ladder.expect(V.TASK_UNKNOWN, "ana", wrong)
    task = post(busy)
    ladder.expect(V.NOT_THE_REQUESTER, "ana", replace(wrong, task=task))
    # Nothing better, and every single figure worse.
    ladder.expect(V.NOT_IMPROVED, "founder", improve(task))
    for name, value in SAME.items():
        worse = value + (1 if name in ("bond", "reputation_min", "penalty") else -1)
        prices = {"price_low": 99, "price": 99} if name == "price_max" else {}
        prices = {"price_low": 99} if name == "price" else prices
        ladder.expect(V.NOT_IMPROVED, "founder", improve(task, **{**prices, name: worse}))
    ended = post(busy)
    busy.did("founder", TaskCancel(ended))
    ladder.expect(V.NOT_IMPROVED, "founder", improve(ended, price_max=101))
    longer = post(busy)
    extended = busy.assign(longer, "ana")
    busy.did("founder", AssignmentExtend(extended, DAY_MS))
    most = {"execution_ms": MONTH_MS - DAY_MS, "price_max": 2_000}
    ladder.expect(
        V.EXTENSION_TOO_LONG, "founder", improve(longer, **{**most, "execution_ms": MONTH_MS})
    )
    ladder.expect(V.BALANCE_TOO_LOW, "founder", improve(longer, **most))
    busy.did("ana", TaskDecline(extended, "no"))
    busy.did("founder", TaskCancel(longer))
    ladder.expect(V.BALANCE_TOO_LOW, "founder", improve(task, price_max=1_001))
    ladder.reach_top("founder", improve(task, price_max=1_000))
    assert busy.available("founder") == 0


def test_a_better_price_locks_more_and_the_window_moves(busy: Stage) -> None:
    task = post(busy, units=(2, 1))
    busy.assign(task, "ana")
    busy.wait(MINUTE_MS)
    busy.did(
        "founder",
        improve(task, price_max=150, price=150, price_low=150, bond=5, window_ms=HOUR_MS),
    )
    assert busy.available("founder") == 1_000 - 450
    busy.wait(HOUR_MS - 2 * MINUTE_MS)
    busy.did("bea", TaskAccept(task, 150, ()))
    assert busy.available("bea") == 5


@pytest.mark.parametrize("is_reserved", [False, True])
def test_a_longer_window_runs_from_where_it_began(busy: Stage, *, is_reserved: bool) -> None:
    task = post(busy, units=(1, 1), providers_min=2)
    if is_reserved:
        busy.did("ana", TaskAccept(task, 100, ()))
    busy.wait(MINUTE_MS)
    busy.did("founder", improve(task, window_ms=HOUR_MS))
    busy.wait(HOUR_MS - MINUTE_MS - 1)
    assert busy.state(task) == ("RESERVED" if is_reserved else "OPEN")
    busy.wait(1)
    assert [busy.state(task, number) for number in (0, 1)] == ["VOID", "VOID"]
    assert busy.available("ana") == 10


def test_more_is_locked_for_every_unit_that_has_not_ended(busy: Stage) -> None:
    task = post(busy, units=(2, 3))
    # 500 are locked, 500 are there: for 5 units, 100 more each.
    assert busy.send("founder", improve(task, price_max=201)) == V.BALANCE_TOO_LOW
    _, delivery = busy.deliver(task, "ana")
    busy.did("founder", TaskApprove(delivery, approve=True, scores=()))
    # Of the 500, 3 units are left: 166 more each.
    assert busy.send("founder", improve(task, price_max=267)) == V.BALANCE_TOO_LOW
    busy.did("founder", improve(task, price_max=266))
    assert busy.available("founder") == 500 - 3 * 166


def test_every_better_figure_is_the_tasks(busy: Stage) -> None:
    task = post(busy)
    before = busy.market.tasks.get(task)
    assert before is not None
    better = improve(
        task,
        price_low=101,
        price=102,
        price_max=103,
        window_ms=HOUR_MS,
        bond=9,
        reputation_min=-1,
        response_ms=2 * MINUTE_MS,
        execution_ms=2 * HOUR_MS,
        penalty=39,
    )
    busy.did("founder", better)
    service = replace(
        before.service, response_ms=2 * MINUTE_MS, execution_ms=2 * HOUR_MS, penalty=39
    )
    assert busy.market.tasks.get(task) == replace(
        before,
        price_low=101,
        price=102,
        price_max=103,
        window_ms=HOUR_MS,
        bond=9,
        reputation_min=-1,
        service=service,
    )


def test_one_token_more_is_locked(busy: Stage) -> None:
    task = post(busy)
    busy.did("founder", improve(task, price_max=101))
    assert (busy.available("founder"), busy.market.get_money().held) == (899, 101)


def test_a_longer_window_slows_no_dutch_auction_down(busy: Stage) -> None:
    task = post(busy, auction="dutch", price_max=200)
    rising = {"price_max": 200, "window_ms": 30 * MINUTE_MS}
    assert busy.send("founder", improve(task, **rising)) == V.NOT_IMPROVED
    assert "window_ms" in busy.explain()
    assert busy.send("founder", improve(task, **rising | {"price_max": 299})) == V.NOT_IMPROVED
    # Twice the rise in twice the time: at every moment as much as before.
    busy.did("founder", improve(task, **rising | {"price_max": 300}))
    busy.wait(15 * MINUTE_MS - 1)
    assert busy.send("ana", TaskAccept(task, 200, ())) == V.ASK_ABOVE_LIMIT
    busy.wait(1)
    busy.did("ana", TaskAccept(task, 200, ()))


def test_what_is_delivered_keeps_its_review(busy: Stage) -> None:
    task = post(busy)
    begun = busy.assign(task, "ana")
    busy.did("ana", TaskStart(begun))
    delivery = busy.did("ana", TaskDeliver(begun, RESULT, None, ()))
    due = busy.market.timers.next_due()
    busy.did("founder", improve(task, price_max=150, execution_ms=2 * HOUR_MS, window_ms=HOUR_MS))
    assert busy.market.timers.next_due() == due
    busy.did("founder", TaskApprove(delivery, approve=True, scores=()))
    assert (busy.available("ana"), busy.available("founder")) == (110, 900)


def test_longer_limits_hold_for_work_in_hand(busy: Stage) -> None:
    task = post(busy, units=(1, 1))
    waiting, begun = busy.assign(task, "ana"), busy.assign(task, "bea")
    busy.did("bea", TaskStart(begun))
    busy.did("founder", improve(task, response_ms=2 * HOUR_MS, execution_ms=2 * HOUR_MS))
    # Twenty minutes were hard before; one hour would have been late.
    busy.wait(HOUR_MS + MINUTE_MS)
    busy.did("ana", TaskStart(waiting))
    delivery = busy.did("bea", TaskDeliver(begun, RESULT, None, ()))
    busy.did("founder", TaskApprove(delivery, approve=True, scores=()))
    assert busy.available("bea") == 110


def test_extend_ladder(busy: Stage) -> None:
    ladder = Ladder(busy, "assignment.extend")
    ladder.expect(V.EXTENSION_OUT_OF_RANGE, "nobody", AssignmentExtend(UNKNOWN, 999))
    most = 30 * 24 * HOUR_MS
    ladder.expect(V.ACCOUNT_UNKNOWN, "nobody", AssignmentExtend(UNKNOWN, most))
    ladder.expect(V.ASSIGNMENT_UNKNOWN, "ana", AssignmentExtend(UNKNOWN, most))
    gone = busy.assign(post(busy), "ana")
    ladder.expect(V.NOT_THE_REQUESTER, "ana", AssignmentExtend(gone, most))
    busy.did("ana", TaskDecline(gone, "busy"))
    ladder.expect(V.ASSIGNMENT_CLOSED, "founder", AssignmentExtend(gone, most))
    row = busy.did("bea", TaskAccept(post(busy), 100, ()))
    ladder.expect(V.WRONG_PHASE, "founder", AssignmentExtend(row, most))
    busy.close_epoch()
    ladder.expect(V.EXTENSION_TOO_LONG, "founder", AssignmentExtend(row, most))
    ladder.reach_top("founder", AssignmentExtend(row, most - HOUR_MS))


@pytest.mark.parametrize("is_begun", [False, True])
def test_an_extension_moves_lateness_and_the_hard_limit(busy: Stage, *, is_begun: bool) -> None:
    task = post(busy)
    assignment = busy.assign(task, "ana")
    steps = [("ana", TaskStart(assignment)), ("founder", AssignmentExtend(assignment, HOUR_MS))]
    for name, step in steps if is_begun else steps[::-1]:
        busy.did(name, step)
    busy.wait(2 * HOUR_MS)
    delivery = busy.did("ana", TaskDeliver(assignment, RESULT, None, ()))
    busy.did("founder", TaskApprove(delivery, approve=True, scores=()))
    assert busy.available("ana") == 110


def test_progress_ladder(busy: Stage) -> None:
    ladder = Ladder(busy, "task.progress")
    ladder.expect(V.PROGRESS_OUT_OF_RANGE, "nobody", TaskProgress(UNKNOWN, 10**6 + 1))
    ladder.expect(V.ACCOUNT_UNKNOWN, "nobody", TaskProgress(UNKNOWN, 10**6))
    ladder.expect(V.ASSIGNMENT_UNKNOWN, "ana", TaskProgress(UNKNOWN, 10**6))
    first = busy.assign(post(busy), "ana")
    ladder.expect(V.NOT_THE_PROVIDER, "bea", TaskProgress(first, 5))
    busy.did("ana", TaskDecline(first, "busy"))
    ladder.expect(V.ASSIGNMENT_CLOSED, "ana", TaskProgress(first, 5))
    row = busy.assign(post(busy), "bea")
    ladder.expect(V.WRONG_PHASE, "bea", TaskProgress(row, 5))
    busy.did("bea", TaskStart(row))
    for number in range(99):
        busy.did("bea", TaskProgress(row, number))
    busy.did("bea", TaskProgress(row, 10**6))
    ladder.expect(V.TOO_MUCH_PROGRESS, "bea", TaskProgress(row, 5))
    delivery = busy.did("bea", TaskDeliver(row, RESULT, None, ()))
    busy.did("founder", TaskApprove(delivery, approve=True, scores=()))
    again = busy.assign(post(busy), "bea")
    busy.did("bea", TaskStart(again))
    ladder.reach_top("bea", TaskProgress(again, 0))


SLOT = 5 * MINUTE_MS
PRESENT = ServiceLevel(MINUTE_MS, 2 * HOUR_MS, 500_000, 40, ())


@pytest.mark.parametrize(
    ("slots", "marked", "paid"),
    [
        (0, (), 100),
        (1, (), 100),
        (2, (), 60),
        (2, (1,), 100),
        (3, (1,), 100),
        (4, (1,), 60),
        (4, (1, 1, 4), 60),
        (4, (1, 3), 100),
    ],
)
def test_presence_counts_slots_strictly_between(
    busy: Stage, slots: int, marked: tuple[int, ...], paid: int
) -> None:
    """At least half of them; its own start and delivery neither help nor hurt."""
    busy.now += SLOT - busy.now % SLOT
    task = busy.did("founder", make_task(service=PRESENT))
    assignment = busy.assign(task, "ana")
    busy.did("ana", TaskStart(assignment))
    begun = busy.now
    for slot in marked:
        busy.now = begun + slot * SLOT
        mark_present(busy.market, busy.key("ana"), busy.now)
    busy.now = begun + slots * SLOT
    delivery = busy.did("ana", TaskDeliver(assignment, RESULT, None, ()))
    busy.did("founder", TaskApprove(delivery, approve=True, scores=()))
    assert busy.available("ana") == 10 + paid
