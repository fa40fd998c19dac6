"""How a dispute ends, as everybody can read it afterwards: reason, time, scores, and no trade."""

from typing import Any, Literal

import pytest

from synaptic_crdt.rules.limits import DAY_MS, MILLION, MINUTE_MS
from synaptic_crdt.rules.reputation import get_score
from synaptic_crdt.rules.task_operations import (
    AssignmentSettle,
    DisputeOpen,
    DisputeRule,
    DisputeWithdraw,
    Metric,
    Score,
    ServiceLevel,
    TaskApprove,
)
from tests.rules.conftest import Stage, make_task

Opener = Literal["founder", "ana"]
Held = Literal["", "rejected", "scored"]


@pytest.fixture
def court() -> Stage:
    """A requester, a provider with bond, two arbiters and an evaluator, of groups of their own."""
    stage = Stage()
    stage.join("ana", grant=50)
    for name in ("kim", "leo", "eve"):
        stage.join(name)
    return stage


def dispute(stage: Stage, opener: Opener, held: Held, *, is_evaluated: bool) -> tuple[bytes, bytes]:
    """Come to a dispute, about a delivery or about what is held; return assignment, delivery."""
    chosen: dict[str, Any] = {
        "arbiters": tuple(sorted(stage.key(name) for name in ("kim", "leo"))),
        "quorum": 2,
        "bond": 20,
        "service": ServiceLevel(MINUTE_MS, DAY_MS, 0, 10, (Metric("accuracy", 900_000),)),
        "evaluator": stage.key("eve") if is_evaluated else None,
    }
    assignment, delivery = stage.deliver(stage.did("founder", make_task(**chosen)), "ana")
    judge = "eve" if is_evaluated else "founder"
    if held == "rejected":
        stage.did(judge, TaskApprove(delivery, approve=False, scores=()))
    elif held == "scored":
        scores = (Score("accuracy", 0),)
        stage.did(judge, TaskApprove(delivery, approve=True, scores=scores))
    stage.did(opener, DisputeOpen(delivery, "garbage", "It is noise.", ()))
    stage.wait(MINUTE_MS)
    return assignment, delivery


def read_end(stage: Stage, assignment: bytes, delivery: bytes) -> tuple[str, int, int, int]:
    """Return the reason, what was paid, and the scores of requester and provider."""
    row, ended = stage.market.assignments.get(assignment), stage.market.disputes.get(delivery)
    assert row is not None
    assert ended is not None
    assert (row.end, row.ended_ms) == ("SETTLED", stage.now)
    assert ended.ended_ms == stage.now
    assert ended.opened_ms == (row.delivered_ms)
    # What was disputed shows no price.
    assert len(stage.market.trades) == 0
    return (
        row.reason,
        row.paid,
        get_score(stage.market, stage.key("founder"), "requester", stage.now),
        get_score(stage.market, stage.key("ana"), "provider", stage.now),
    )


@pytest.mark.parametrize(
    ("opener", "held", "share", "end"),
    [
        # The requester was wrong, and was not; then the provider.
        ("founder", "", MILLION, ("ruled", 100, 2 - 25, 10 + 2)),
        ("founder", "", 749_999, ("ruled", 74, 2, 10 + 2)),
        ("founder", "", 250_000, ("ruled", 25, 2, -25)),
        ("ana", "rejected", 500_000, ("ruled", 45, 2, 10 + 2)),
        # Quality is in the ruling: nothing is withheld for it again.
        ("ana", "scored", MILLION, ("ruled", 100, 2 - 25, 10 + 2)),
    ],
)
def test_a_ruling_counts_for_both(
    court: Stage, opener: Opener, held: Held, share: int, end: tuple[str, int, int, int]
) -> None:
    assignment, delivery = dispute(court, opener, held, is_evaluated=False)
    for arbiter in ("kim", "leo"):
        row = court.market.disputes.get(delivery)
        assert row is not None
        assert row.ended_ms == 0
        court.did(arbiter, DisputeRule(delivery, share))
    assert read_end(court, assignment, delivery) == end


@pytest.mark.parametrize(
    ("opener", "held", "end"),
    [
        ("founder", "", ("withdrawn", 100, 2, 10 + 2)),
        ("ana", "rejected", ("withdrawn", 0, 2, 0)),
        # Half a penalty for one metric.
        ("ana", "scored", ("withdrawn", 95, 2, 10 + 2 - 5)),
    ],
)
def test_who_withdraws_accepts_what_the_other_said(
    court: Stage, opener: Opener, held: Held, end: tuple[str, int, int, int]
) -> None:
    assignment, delivery = dispute(court, opener, held, is_evaluated=False)
    court.did(opener, DisputeWithdraw(delivery))
    assert read_end(court, assignment, delivery) == end


@pytest.mark.parametrize(
    ("opener", "held", "is_evaluated", "end"),
    [
        ("founder", "", False, ("no-ruling", 100, 0, 0)),
        # Nothing was proposed that could stand.
        ("founder", "", True, ("no-ruling", 100, 0, 0)),
        ("ana", "rejected", False, ("no-ruling", 100, 0, 0)),
        ("ana", "rejected", True, ("proposal-stands", 0, 0, 0)),
        ("ana", "scored", True, ("proposal-stands", 95, 0, -5)),
    ],
)
def test_without_a_ruling_nobody_gains(
    court: Stage,
    opener: Opener,
    held: Held,
    end: tuple[str, int, int, int],
    *,
    is_evaluated: bool,
) -> None:
    assignment, delivery = dispute(court, opener, held, is_evaluated=is_evaluated)
    court.did("kim", DisputeRule(delivery, 0))
    court.wait(3 * DAY_MS - MINUTE_MS - 1)
    assert court.state(get_task(court, assignment)) == "DISPUTED"
    court.wait(1)
    assert read_end(court, assignment, delivery) == end


@pytest.mark.parametrize(
    ("share", "end"),
    [
        (MILLION, ("both-named", 100, 2, 10 + 2)),
        (500_000, ("both-named", 50, 2, 10 + 2)),
        (499_999, ("both-named", 49, 0, 0)),
    ],
)
def test_the_parties_end_it_by_the_same_share(
    court: Stage, share: int, end: tuple[str, int, int, int]
) -> None:
    assignment, delivery = dispute(court, "founder", "", is_evaluated=False)
    court.did("ana", AssignmentSettle(assignment, share))
    row = court.market.disputes.get(delivery)
    assert row is not None
    assert row.ended_ms == 0
    court.did("founder", AssignmentSettle(assignment, share))
    assert read_end(court, assignment, delivery) == end


def get_task(stage: Stage, assignment: bytes) -> bytes:
    row = stage.market.assignments.get(assignment)
    assert row is not None
    return row.seat[:32]
