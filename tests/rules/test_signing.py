"""Who releases the pay, with which scores, and what is held; shares that both parties name."""

import pytest

from synaptic_crdt.rules.limits import DAY_MS, HOUR_MS, MINUTE_MS
from synaptic_crdt.rules.reputation import get_score
from synaptic_crdt.rules.task_operations import (
    AssignmentSettle,
    Metric,
    Release,
    Score,
    ServiceLevel,
    TaskAccept,
    TaskApprove,
    TaskDecline,
    TaskStart,
)
from synaptic_crdt.rules.verdicts import Verdict
from tests.rules.conftest import Ladder, Stage, make_task

UNKNOWN = b"u" * 32
ACCURATE = ServiceLevel(MINUTE_MS, HOUR_MS, 0, 50, (Metric("accuracy", 950_000),))
TWO = ServiceLevel(MINUTE_MS, HOUR_MS, 0, 50, (Metric("a", 500_000), Metric("b", 500_000)))


def score(delivery: bytes, *, approve: bool = True, **scores: int) -> TaskApprove:
    return TaskApprove(delivery, approve, tuple(Score(*item) for item in sorted(scores.items())))


@pytest.fixture
def judges(stage: Stage) -> Stage:
    """A provider, and three who may judge."""
    for name in ("ana", "eve", "fay", "gus"):
        stage.join(name)
    return stage


def test_approve_ladder(judges: Stage) -> None:
    stage = judges
    V = Verdict  # noqa: N806 - a column of verdicts
    ladder = Ladder(stage, "task.approve")
    for bad in ((Score("B", 1),), (Score("b", 1), Score("a", 1)), (Score("a", 10**6 + 1),)):
        ladder.expect(V.SCORES_INVALID, "nobody", TaskApprove(UNKNOWN, True, bad))
    ladder.expect(V.ACCOUNT_UNKNOWN, "nobody", score(UNKNOWN, other=1))
    ladder.expect(V.DELIVERY_UNKNOWN, "ana", score(UNKNOWN, other=1))
    posted = stage.did("founder", make_task(release=Release("both", (), 2, 0)))
    _, delivery = stage.deliver(posted, "ana")
    ladder.expect(V.NOT_A_SIGNER, "eve", score(delivery, other=1))
    stage.did("founder", score(delivery))
    stage.did("ana", score(delivery))
    ladder.expect(V.ASSIGNMENT_CLOSED, "founder", score(delivery, other=1))
    posted = stage.did("founder", make_task())
    _, delivery = stage.deliver(posted, "ana")
    stage.did("founder", score(delivery, approve=False))
    ladder.expect(V.WRONG_PHASE, "founder", score(delivery, other=1))
    posted = stage.did("founder", make_task(release=Release("both", (), 2, 0)))
    _, delivery = stage.deliver(posted, "ana")
    ladder.expect(V.METRIC_NOT_ASKED, "founder", score(delivery, other=1))
    stage.did("founder", score(delivery))
    ladder.expect(V.ALREADY_SIGNED, "founder", score(delivery))
    ladder.reach_top("ana", score(delivery))


def test_a_quorum_decides_and_a_majority_of_rejections_holds(judges: Stage) -> None:
    stage = judges
    names = sorted(stage.key(name) for name in ("eve", "fay", "gus"))
    release = Release("quorum", tuple(names), 2, 0)
    task = stage.did("founder", make_task(release=release))
    _, delivery = stage.deliver(task, "ana")
    assert stage.send("founder", score(delivery)) == Verdict.NOT_A_SIGNER
    stage.did("eve", score(delivery, approve=False))
    stage.did("fay", score(delivery))
    assert stage.state(task) == "DELIVERED"
    stage.did("gus", score(delivery))
    assert stage.state(task) == "SETTLED"
    task = stage.did("founder", make_task(release=release))
    _, delivery = stage.deliver(task, "ana")
    stage.did("eve", score(delivery, approve=False))
    stage.did("fay", score(delivery, approve=False))
    assert stage.state(task) == "HELD"


def test_the_lower_median_of_scores_counts(judges: Stage) -> None:
    stage = judges
    names = tuple(sorted(stage.key(name) for name in ("eve", "fay", "gus")))
    task = stage.did("founder", make_task(release=Release("quorum", names, 3, 0), service=TWO))
    _, delivery = stage.deliver(task, "ana")
    stage.did("eve", score(delivery, a=900_000, b=900_000))
    stage.did("fay", score(delivery, a=900_000, b=100_000))
    stage.did("gus", score(delivery, a=0))
    assert stage.state(task) == "HELD"
    review = stage.market.reviews.get(delivery)
    assert review is not None
    assert (review.share_ppm, review.missed) == (10**6, ("b",))
    stage.did("ana", score(delivery))
    assert stage.available("ana") == 75


def test_with_an_evaluator_only_its_scores_count(judges: Stage) -> None:
    stage = judges
    names = tuple(sorted(stage.key(name) for name in ("eve", "fay")))
    task = stage.did(
        "founder",
        make_task(
            release=Release("quorum", names, 2, 0), evaluator=stage.key("eve"), service=ACCURATE
        ),
    )
    _, delivery = stage.deliver(task, "ana")
    stage.did("fay", score(delivery, accuracy=0))
    stage.did("eve", score(delivery, accuracy=950_000))
    assert stage.available("ana") == 100


def test_the_evaluator_signs_in_the_requesters_stead(judges: Stage) -> None:
    stage = judges
    task = stage.did("founder", make_task(evaluator=stage.key("eve"), service=ACCURATE))
    _, delivery = stage.deliver(task, "ana")
    assert stage.send("founder", score(delivery)) == Verdict.NOT_A_SIGNER
    stage.did("eve", score(delivery, accuracy=1))
    assert stage.state(task) == "HELD"


def test_a_provider_cannot_evade_low_scores_by_silence(judges: Stage) -> None:
    """Under ``both`` the requester's scores wait for the provider; its silence approves them."""
    stage = judges
    task = stage.did("founder", make_task(release=Release("both", (), 2, 0), service=ACCURATE))
    _, delivery = stage.deliver(task, "ana")
    stage.did("founder", score(delivery, accuracy=0))
    assert stage.state(task) == "DELIVERED"
    stage.wait(2 * HOUR_MS)
    assert stage.state(task) == "HELD"
    stage.wait(DAY_MS)
    assert stage.available("ana") == 75


def test_a_providers_own_scores_do_not_count(judges: Stage) -> None:
    stage = judges
    task = stage.did("founder", make_task(release=Release("both", (), 2, 0), service=ACCURATE))
    _, delivery = stage.deliver(task, "ana")
    stage.did("ana", score(delivery, accuracy=0))
    stage.did("founder", score(delivery))
    assert stage.available("ana") == 100


@pytest.mark.parametrize(("penalty", "state"), [(1, "SETTLED"), (2, "HELD")])
def test_metrics_that_cost_nothing_hold_nothing(judges: Stage, penalty: int, state: str) -> None:
    stage = judges
    service = ServiceLevel(MINUTE_MS, HOUR_MS, 0, penalty, ACCURATE.metrics)
    task = stage.did("founder", make_task(service=service))
    _, delivery = stage.deliver(task, "ana")
    stage.did("founder", score(delivery, accuracy=0))
    assert stage.state(task) == state


def test_settle_ladder(judges: Stage) -> None:
    stage = judges
    ladder = Ladder(stage, "assignment.settle")
    V = Verdict  # noqa: N806 - a column of verdicts
    ladder.expect(V.SHARE_OUT_OF_RANGE, "nobody", AssignmentSettle(UNKNOWN, -1))
    ladder.expect(V.SHARE_OUT_OF_RANGE, "nobody", AssignmentSettle(UNKNOWN, 10**6 + 1))
    ladder.expect(V.ACCOUNT_UNKNOWN, "nobody", AssignmentSettle(UNKNOWN, 5))
    ladder.expect(V.ASSIGNMENT_UNKNOWN, "eve", AssignmentSettle(UNKNOWN, 5))
    task = stage.did("founder", make_task(units=(1, 1)))
    gone = stage.assign(task, "ana")
    ladder.expect(V.NOT_A_PARTY, "eve", AssignmentSettle(gone, 5))
    stage.did("ana", TaskDecline(gone, "busy"))
    ladder.expect(V.ASSIGNMENT_CLOSED, "ana", AssignmentSettle(gone, 5))
    waiting = stage.did("ana", TaskAccept(task, 100, ()))
    ladder.expect(V.WRONG_PHASE, "ana", AssignmentSettle(waiting, 5))
    stage.close_epoch()
    ladder.reach_top("ana", AssignmentSettle(waiting, 5))


@pytest.mark.parametrize("first", ["founder", "ana"])
def test_both_name_the_same_share(judges: Stage, first: str) -> None:
    """Penalties are in what they name; a share below half is no success."""
    stage = judges
    task = stage.did("founder", make_task(bond=0, penalty=40))
    assignment = stage.assign(task, "ana")
    stage.wait(MINUTE_MS + 1)
    stage.did("ana", TaskStart(assignment))
    other = "ana" if first == "founder" else "founder"
    stage.did(first, AssignmentSettle(assignment, 400_000))
    stage.did(other, AssignmentSettle(assignment, 500_000))
    assert stage.state(task) == "STARTED"
    stage.did(other, AssignmentSettle(assignment, 400_000))
    assert stage.state(task) == "SETTLED"
    assert stage.available("ana") == 40
    assert get_score(stage.market, stage.key("ana"), "provider", stage.now) == 0
    assert stage.market.get_provider(stage.key("ana")).owed == 0
