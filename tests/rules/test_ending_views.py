"""What is told of an end: why, with figures that add up to what moved."""

from typing import Any

import pytest

from synaptic_crdt.rules.ending_views import explain_assignment
from synaptic_crdt.rules.limits import MILLION
from synaptic_crdt.rules.task_operations import (
    AssignmentSettle,
    DisputeOpen,
    DisputeRule,
    DisputeWithdraw,
    Metric,
    Score,
    ServiceLevel,
    TaskApprove,
    TaskDeliver,
    TaskFail,
    TaskStart,
)
from synaptic_crdt.rules.task_views import view_assignment
from tests.rules.conftest import RESULT, Stage, make_task

HOUR_MS = 3_600_000


@pytest.fixture
def court() -> Stage:
    """A requester, a provider with money for a bond, and an arbiter."""
    stage = Stage()
    stage.join("ana", grant=50)
    stage.join("kim")
    return stage


def post(stage: Stage, **fields: Any) -> bytes:  # noqa: ANN401 - any of a task's
    return stage.did(
        "founder", make_task(arbiters=(stage.key("kim"),), quorum=1, bond=20, **fields)
    )


def serve(penalty: int) -> ServiceLevel:
    return ServiceLevel(HOUR_MS, HOUR_MS, 0, penalty, (Metric("accuracy", 900_000),))


def deliver_late(stage: Stage, penalty: int) -> tuple[bytes, bytes]:
    """Deliver an hour late; return assignment and delivery."""
    assignment = stage.assign(post(stage, service=serve(penalty)), "ana")
    stage.did("ana", TaskStart(assignment))
    stage.wait(2 * HOUR_MS)
    return assignment, stage.did("ana", TaskDeliver(assignment, RESULT, None, ()))


def score_low(stage: Stage, delivery: bytes) -> None:
    scores = (Score("accuracy", 100_000),)
    stage.did("founder", TaskApprove(delivery, approve=True, scores=scores))


def tell(stage: Stage, assignment: bytes) -> tuple[str, list[tuple[str, str, int]]]:
    """Return the figures of the sentence, and what moved to whom."""
    view = view_assignment(stage.market, assignment)
    assert view is not None
    row = stage.market.assignments.get(assignment)
    assert row is not None
    # Whoever tells of one assignment alone tells the same.
    assert explain_assignment(stage.market, row) == view["explanation"]
    names = {stage.key(name).hex(): name for name in ("founder", "ana")}
    moved = [(each["what"], names[each["to"]], each["amount"]) for each in view["moved"]]
    return view["explanation"].rpartition(": ")[2], moved


def test_what_is_proposed_withholds_for_time_and_quality(court: Stage) -> None:
    assignment, delivery = deliver_late(court, 10)
    score_low(court, delivery)
    court.did("ana", TaskApprove(delivery, approve=True, scores=()))
    assert tell(court, assignment) == (
        "100 %, 85 to the provider, 15 withheld for execution, accuracy",
        [("pay", "ana", 85)],
    )
    view = view_assignment(court.market, assignment)
    assert view is not None
    assert view["violations"] == ["execution", "accuracy"]


@pytest.mark.parametrize("end", ["contest-ended", "withdrawn", "proposal-stands"])
def test_whatever_lets_a_proposal_come_true_names_what_it_withholds_for(
    court: Stage, end: str
) -> None:
    court.join("eve")
    task = post(court, service=serve(10), evaluator=court.key("eve"))
    assignment, delivery = court.deliver(task, "ana")
    scores = (Score("accuracy", 100_000),)
    court.did("eve", TaskApprove(delivery, approve=True, scores=scores))
    if end != "contest-ended":
        court.did("ana", DisputeOpen(delivery, "unfair", "", ()))
    if end == "withdrawn":
        court.did("ana", DisputeWithdraw(delivery))
    court.wait(3 * 24 * HOUR_MS)
    row = court.market.assignments.get(assignment)
    assert row is not None
    assert row.reason == end
    assert tell(court, assignment)[0] == "100 %, 95 to the provider, 5 withheld for accuracy"


def test_half_of_a_penalty_of_one_is_nothing_to_withhold(court: Stage) -> None:
    assignment, delivery = deliver_late(court, 1)
    score_low(court, delivery)
    assert tell(court, assignment) == (
        "100 %, 99 to the provider, 1 withheld for execution",
        [("pay", "ana", 99)],
    )


def test_a_ruling_withholds_for_time_alone_and_takes_of_the_stake(court: Stage) -> None:
    assignment, delivery = deliver_late(court, 10)
    score_low(court, delivery)
    court.did("ana", DisputeOpen(delivery, "unfair", "", ()))
    court.did("kim", DisputeRule(delivery, 300_000))
    # Three tenths of 90, less seven tenths of the deposit of 10.
    assert tell(court, assignment) == (
        "30 %, 20 to the provider, 10 withheld for execution, 7 of its stake to the requester",
        [("pay", "ana", 20), ("stake", "founder", 7)],
    )
    assert (court.available("founder"), court.available("ana")) == (980, 70)


@pytest.mark.parametrize(
    ("share", "told", "moved"),
    [
        (0, "0 %, 0 to the provider", [("bond", "founder", 20)]),
        (
            125_000,
            "12.5 %, 12 to the provider, 1 of the requester's deposit to it",
            [("pay", "ana", 12), ("deposit", "ana", 1)],
        ),
        (
            MILLION,
            "100 %, 100 to the provider, 10 of the requester's deposit to it",
            [("pay", "ana", 100), ("deposit", "ana", 10)],
        ),
    ],
)
def test_a_ruling_tells_where_bond_and_deposit_went(
    court: Stage, share: int, told: str, moved: list[tuple[str, str, int]]
) -> None:
    assignment, delivery = court.deliver(post(court), "ana")
    court.did("founder", DisputeOpen(delivery, "garbage", "", ()))
    assert tell(court, assignment) == ("", [])
    court.did("kim", DisputeRule(delivery, share))
    assert tell(court, assignment) == (told, moved)
    to_ana = sum(amount if to == "ana" else -amount for _, to, amount in moved)
    assert court.available("ana") == 50 + to_ana


def test_who_withdraws_loses_all_of_the_deposit(court: Stage) -> None:
    assignment, delivery = court.deliver(post(court), "ana")
    court.did("founder", DisputeOpen(delivery, "garbage", "", ()))
    court.did("founder", DisputeWithdraw(delivery))
    assert tell(court, assignment)[1] == [("pay", "ana", 100), ("deposit", "ana", 10)]


def test_giving_up_moves_half_of_the_bond(court: Stage) -> None:
    assignment = court.assign(post(court), "ana")
    court.did("ana", TaskStart(assignment))
    court.did("ana", TaskFail(assignment, "other"))
    assert tell(court, assignment)[1] == [("bond", "founder", 10)]


def test_who_does_not_start_leaves_its_bond(court: Stage) -> None:
    assignment = court.assign(post(court), "ana")
    court.wait(HOUR_MS)
    assert tell(court, assignment)[1] == [("bond", "founder", 20)]


def test_absence_is_a_violation_that_is_told_and_withheld_for(court: Stage) -> None:
    service = ServiceLevel(HOUR_MS, HOUR_MS, MILLION, 10, ())
    assignment = court.assign(post(court, service=service), "ana")
    court.did("ana", TaskStart(assignment))
    court.wait(HOUR_MS)
    delivery = court.did("ana", TaskDeliver(assignment, RESULT, None, ()))
    court.did("founder", TaskApprove(delivery, approve=True, scores=()))
    view = view_assignment(court.market, assignment)
    assert view is not None
    assert view["violations"] == ["presence"]
    assert tell(court, assignment) == (
        "100 %, 90 to the provider, 10 withheld for presence",
        [("pay", "ana", 90)],
    )


def test_a_share_that_both_named_leaves_the_deposit_where_it_was(court: Stage) -> None:
    assignment, delivery = court.deliver(post(court, units=(2,)), "ana")
    court.did("founder", DisputeOpen(delivery, "garbage", "", ()))
    for name in ("founder", "ana"):
        court.did(name, AssignmentSettle(assignment, 500_000))
    assert tell(court, assignment) == ("50 %, 100 to the provider", [("pay", "ana", 100)])
    assert (court.available("founder"), court.available("ana")) == (900, 150)


def test_the_fee_is_told_as_the_treasurys() -> None:
    stage = Stage(fee_ppm=100_000)
    stage.join("ana")
    assignment, delivery = stage.deliver(stage.did("founder", make_task()), "ana")
    stage.did("founder", TaskApprove(delivery, approve=True, scores=()))
    view = view_assignment(stage.market, assignment)
    assert view is not None
    assert view["explanation"].endswith(": 100 %, 90 to the provider, fee 10")
    assert view["moved"][1:] == [{"what": "fee", "to": "treasury", "amount": 10}]
