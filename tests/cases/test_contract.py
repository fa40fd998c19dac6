"""Known behaviours of judging, disputes, privacy and matching, each under its number."""

from typing import Any

import pytest

from synaptic_crdt.rules.limits import DAY_MS, HOUR_MS, MILLION, MINUTE_MS, SECOND_MS
from synaptic_crdt.rules.operations import TokenTransfer
from synaptic_crdt.rules.reputation import add_points, get_score
from synaptic_crdt.rules.task_operations import (
    DisputeOpen,
    DisputeRule,
    Metric,
    Release,
    Score,
    SealedKey,
    ServiceLevel,
    Shard,
    TaskAccept,
    TaskApprove,
    TaskDecline,
    TaskDeliver,
    TaskReveal,
    TaskStart,
)
from synaptic_crdt.rules.task_views import view_task
from synaptic_crdt.rules.verdicts import Verdict
from tests.rules.conftest import PAYLOAD, RESULT, Stage, make_task

ACCURATE = ServiceLevel(MINUTE_MS, 30 * SECOND_MS, 0, 50, (Metric("accuracy", 950_000),))
BOTH = Release("both", (), 2, 0)


@pytest.fixture
def stage() -> Stage:
    stage = Stage()
    for name in ("ana", "bea", "kim", "leo"):
        stage.join(name)
    return stage


def approve(delivery: bytes, **scores: int) -> TaskApprove:
    return TaskApprove(delivery, True, tuple(Score(*item) for item in sorted(scores.items())))


def provider_score(stage: Stage, name: str) -> int:
    return get_score(stage.market, stage.key(name), "provider", stage.now)


def test_e1_work_is_paid_out_of_what_the_task_locked() -> None:
    stage = Stage(funds=150)
    stage.join("ana")
    task = stage.did("founder", make_task())
    assignment = stage.assign(task, "ana")
    stage.did("ana", TaskStart(assignment))
    assert (stage.available("founder"), stage.market.get_money().held) == (50, 100)
    delivery = stage.did("ana", TaskDeliver(assignment, RESULT, None, ()))
    stage.did("founder", approve(delivery))
    assert stage.available("ana") == 100


def test_e2_both_have_to_sign(stage: Stage) -> None:
    task = stage.did("founder", make_task(price=200, release=BOTH))
    _, delivery = stage.deliver(task, "ana", 200)
    stage.did("founder", approve(delivery))
    assert (stage.available("ana"), stage.market.get_money().held) == (0, 200)
    stage.did("ana", approve(delivery))
    assert (stage.available("ana"), stage.market.get_money().held) == (200, 0)


def test_e11_a_time_lock_holds_what_was_approved(stage: Stage) -> None:
    task = stage.did("founder", make_task(release=Release("requester", (), 1, 2 * MINUTE_MS)))
    _, delivery = stage.deliver(task, "ana")
    stage.did("founder", approve(delivery))
    assert stage.state(task) == "TIMELOCKED"
    stage.wait(2 * MINUTE_MS - 1)
    assert stage.available("ana") == 0
    stage.wait(1)
    assert (stage.state(task), stage.available("ana")) == ("SETTLED", 100)


def test_e11_a_time_lock_that_has_passed_holds_nothing(stage: Stage) -> None:
    task = stage.did("founder", make_task(release=Release("requester", (), 1, 2 * MINUTE_MS)))
    _, delivery = stage.deliver(task, "ana")
    stage.wait(2 * MINUTE_MS)
    stage.did("founder", approve(delivery))
    assert stage.available("ana") == 100


def test_e13_a_provider_does_not_approve_its_own_delivery(stage: Stage) -> None:
    task = stage.did("founder", make_task())
    _, delivery = stage.deliver(task, "ana")
    assert stage.send("ana", approve(delivery)) == Verdict.NOT_A_SIGNER


def test_e14_evidence_is_kept_and_shown(stage: Stage) -> None:
    task = stage.did("founder", make_task(arbiters=(stage.key("kim"),), quorum=1))
    _, delivery = stage.deliver(task, "ana")
    evidence = tuple(bytes([number]) * 32 for number in (1, 2, 3))
    stage.did("founder", DisputeOpen(delivery, "garbage", "It is noise.", evidence))
    shown = _show(stage, task)["assignments"][0]["dispute"]
    assert shown["requester_evidence"] == [each.hex() for each in evidence]
    assert (shown["opener"], shown["reason"], shown["statement"]) == (
        "requester",
        "garbage",
        "It is noise.",
    )


def _show(stage: Stage, task: bytes) -> dict[str, Any]:
    view = view_task(stage.market, task)
    assert view is not None
    return view


def test_e16_each_wrong_order_has_its_verdict(stage: Stage) -> None:
    task = stage.did("founder", make_task(release=BOTH))
    assignment = stage.assign(task, "ana")
    deliver = TaskDeliver(assignment, RESULT, None, ())
    assert stage.send("ana", deliver) == Verdict.WRONG_PHASE
    stage.did("ana", TaskStart(assignment))
    assert stage.send("ana", TaskStart(assignment)) == Verdict.WRONG_PHASE
    assert stage.send("bea", deliver) == Verdict.NOT_THE_PROVIDER
    delivery = stage.did("ana", deliver)
    stage.did("founder", approve(delivery))
    assert stage.send("founder", approve(delivery)) == Verdict.ALREADY_SIGNED


@pytest.mark.parametrize("rulings", [0, 1])
def test_e17_nobody_rules_on_a_requesters_dispute(stage: Stage, rulings: int) -> None:
    """No arbiter answers, or one fewer than it takes."""
    arbiters = tuple(sorted(stage.key(name) for name in ("kim", "leo")))
    task = stage.did("founder", make_task(penalty=30, arbiters=arbiters, quorum=2))
    assignment = stage.assign(task, "ana")
    stage.wait(MINUTE_MS + 1)
    stage.did("ana", TaskStart(assignment))
    delivery = stage.did("ana", TaskDeliver(assignment, RESULT, None, ()))
    stage.did("founder", DisputeOpen(delivery, "garbage", "", ()))
    for name in ("kim", "leo")[:rulings]:
        stage.did(name, DisputeRule(delivery, 0))
    stage.wait(3 * DAY_MS - 1)
    assert (stage.state(task), stage.available("ana")) == ("DISPUTED", 0)
    stage.wait(1)
    # The pay less the penalty for lateness, and the deposit.
    assert stage.available("ana") == 70 + 10
    assert stage.market.get_money().held == 0


def test_e18_too_few_providers_are_nobodys_fault() -> None:
    stage = Stage(funds=1_000)
    task = stage.did("founder", make_task(units=(1,) * 10, providers_min=10, bond=5))
    for name in ("ana", "bea", "kim"):
        stage.join(name, grant=5)
        stage.did(name, TaskAccept(task, 100, ()))
    stage.wait(15 * MINUTE_MS)
    assert {stage.state(task, number) for number in range(10)} == {"VOID"}
    assert stage.available("founder") == 1_000
    for name in ("ana", "bea", "kim"):
        assert (stage.available(name), provider_score(stage, name)) == (5, 0)


def test_e19_a_key_that_does_not_fit_is_declined(stage: Stage) -> None:
    """Whether it fits is seen by who opens it; the contract lets go for nothing but two points."""
    for name in ("ana", "bea"):
        stage.did("founder", TokenTransfer(stage.key(name), 30, b"", ""))
    seats = (Shard(1, PAYLOAD, b"c" * 32, ()),)
    task = stage.did("founder", make_task(privacy="private", seats=seats, bond=30))
    assignment = stage.assign(task, "ana")
    key = SealedKey(stage.key("ana"), bytes(80))
    stage.did("founder", TaskReveal(assignment, (key,)))
    assert stage.available("ana") == 0
    stage.did("ana", TaskDecline(assignment, "key-mismatch"))
    assert (stage.state(task), stage.available("ana")) == ("OPEN", 30)
    assert provider_score(stage, "ana") == -2
    assert stage.send("ana", TaskAccept(task, 100, ())) == Verdict.EXCLUDED
    stage.assign(task, "bea")


def test_e20_scores_that_take_everything_can_be_contested(stage: Stage) -> None:
    service = ServiceLevel(MINUTE_MS, HOUR_MS, 0, 200, (Metric("accuracy", 950_000),))
    arbiters = tuple(sorted(stage.key(name) for name in ("kim", "leo")))
    task = stage.did("founder", make_task(service=service, arbiters=arbiters, quorum=2))
    _, delivery = stage.deliver(task, "ana")
    stage.did("founder", approve(delivery, accuracy=0))
    assert (stage.state(task), stage.available("ana")) == ("HELD", 0)
    stage.did("ana", DisputeOpen(delivery, "unfair", "", ()))
    stage.wait(3 * DAY_MS)
    # Nobody ruled: the requester's own scores do not count.
    assert (stage.state(task), stage.available("ana")) == ("SETTLED", 100)


@pytest.mark.parametrize("field", [{"evaluator": 1}, {"arbiters": 1, "quorum": 1}, {"release": 1}])
def test_e21_who_judges_a_task_does_not_work_on_it(stage: Stage, field: dict[str, int]) -> None:
    ana = stage.key("ana")
    judged: dict[str, Any] = {
        "evaluator": ana,
        "arbiters": (ana,),
        "quorum": 1,
        "release": Release("quorum", (ana,), 1, 0),
    }
    task = stage.did("founder", make_task(**{name: judged[name] for name in field}))
    assert stage.send("ana", TaskAccept(task, 100, ())) == Verdict.JUDGES_THE_TASK


@pytest.mark.parametrize("agrees", [True, False])
def test_f3_a_missed_metric_is_half_a_penalty(stage: Stage, *, agrees: bool) -> None:
    task = stage.did("founder", make_task(service=ACCURATE))
    _, delivery = stage.deliver(task, "ana")
    stage.did("founder", approve(delivery, accuracy=700_000))
    assert stage.state(task) == "HELD"
    if agrees:
        stage.did("ana", approve(delivery))
    else:
        stage.wait(DAY_MS)
    assert (stage.available("ana"), stage.available("founder")) == (75, 925)
    (row,) = _show(stage, task)["assignments"]
    assert (row["violations"], row["penalty"], row["share_ppm"]) == (["accuracy"], 25, MILLION)


def test_f3b_scores_that_leave_a_metric_out_miss_it(stage: Stage) -> None:
    metrics = (Metric("accuracy", 950_000), Metric("style", 100_000))
    service = ServiceLevel(MINUTE_MS, HOUR_MS, 0, 50, metrics)
    task = stage.did("founder", make_task(service=service))
    _, delivery = stage.deliver(task, "ana")
    stage.did("founder", approve(delivery, style=MILLION))
    assert stage.state(task) == "HELD"
    stage.did("ana", approve(delivery))
    assert (stage.available("ana"), stage.available("founder")) == (75, 925)


def test_f5_the_better_provider_wins_though_it_asks_more(stage: Stage) -> None:
    add_points(stage.market, stage.key("ana"), "provider", 200, stage.now)
    task = stage.did(
        "founder", make_task(reputation_min=50, price_low=50, price=100, price_max=200)
    )
    assert stage.send("bea", TaskAccept(task, 40, ())) == Verdict.REPUTATION_TOO_LOW
    assert stage.send("ana", TaskAccept(task, 201, ())) == Verdict.ASK_ABOVE_LIMIT
    stage.did("ana", TaskAccept(task, 200, ()))


def test_t5_in_the_priority_window_the_well_known_go_first(stage: Stage) -> None:
    add_points(stage.market, stage.key("ana"), "provider", 150, stage.now)
    task = stage.did("founder", make_task(units=(1, 1), priority_ms=5 * SECOND_MS))
    assert stage.send("bea", TaskAccept(task, 100, ())) == Verdict.NOT_OPEN_YET
    stage.did("ana", TaskAccept(task, 100, ()))
    stage.wait(5 * SECOND_MS - 1)
    assert stage.send("bea", TaskAccept(task, 100, ())) == Verdict.NOT_OPEN_YET
    stage.wait(1)
    stage.did("bea", TaskAccept(task, 100, ()))
