"""Feedback: who may give it, once, within 30 days, and what it moves."""

import pytest

from synaptic_crdt.rules.limits import MONTH_MS
from synaptic_crdt.rules.operations import Feedback
from synaptic_crdt.rules.score_rows import RatingRow
from synaptic_crdt.rules.task_operations import TaskApprove
from synaptic_crdt.rules.verdicts import Verdict
from tests.rules.conftest import Ladder, Stage, make_task
from tests.rules.test_reputation import note, read_scores, settle

UNKNOWN = bytes(32)


@pytest.fixture
def pair(stage: Stage) -> Stage:
    stage.join("ana")
    stage.join("bea")
    return stage


def test_feedback_ladder(pair: Stage) -> None:
    ladder = Ladder(pair, "feedback")
    V = Verdict  # noqa: N806 - a column of verdicts
    ladder.expect(V.RATING_OUT_OF_RANGE, "nobody", Feedback(UNKNOWN, 0, "c" * 257))
    ladder.expect(V.RATING_OUT_OF_RANGE, "nobody", Feedback(UNKNOWN, 6, "c" * 257))
    ladder.expect(V.COMMENT_LENGTH, "nobody", Feedback(UNKNOWN, 5, "é" * 129))
    ladder.expect(V.ACCOUNT_UNKNOWN, "nobody", Feedback(UNKNOWN, 5, "é" * 128))
    ladder.expect(V.ASSIGNMENT_UNKNOWN, "bea", Feedback(UNKNOWN, 5, ""))
    task = pair.did("founder", make_task())
    assignment, delivery = pair.deliver(task, "ana")
    good = Feedback(assignment, 5, "quick")
    ladder.expect(V.NOT_A_PARTY, "bea", good)
    ladder.expect(V.NOT_SETTLED, "founder", good)
    assert pair.explain() == ("the work was not settled: there is nothing to rate: it is DELIVERED")
    pair.did("founder", TaskApprove(delivery, approve=True, scores=()))
    pair.did("founder", good)
    ladder.expect(V.FEEDBACK_GIVEN, "founder", good)
    pair.wait(MONTH_MS)
    ladder.expect(V.FEEDBACK_TOO_LATE, "ana", Feedback(assignment, 4, ""))
    later, _ = settle(pair, "ana")
    ladder.reach_top("ana", Feedback(later, 4, ""))


def test_the_last_moment_for_feedback(pair: Stage) -> None:
    assignment, _ = settle(pair, "ana")
    pair.wait(MONTH_MS - 1)
    pair.did("founder", Feedback(assignment, 5, ""))
    pair.wait(1)
    assert pair.send("ana", Feedback(assignment, 5, "")) == Verdict.FEEDBACK_TOO_LATE


def test_r3_once_for_each_assignment(pair: Stage) -> None:
    assignment, _ = settle(pair, "ana")
    before, _ = read_scores(pair, "ana")
    pair.did("founder", Feedback(assignment, 5, "good"))
    assert read_scores(pair, "ana")[0] == before + 5
    assert pair.send("founder", Feedback(assignment, 5, "good")) == Verdict.FEEDBACK_GIVEN
    assert read_scores(pair, "ana")[0] == before + 5
    row = pair.market.ratings.get((assignment, "provider"))
    assert row == RatingRow(rating=5, comment="good", points=5, rated_ms=pair.now)
    assert pair.market.ratings.get((assignment, "requester")) is None


def test_r4_only_after_a_settlement_between_the_two(pair: Stage) -> None:
    task = pair.did("founder", make_task())
    assignment = pair.assign(task, "ana")
    assert pair.send("founder", Feedback(assignment, 5, "")) == Verdict.NOT_SETTLED
    assert pair.send("bea", Feedback(assignment, 5, "")) == Verdict.NOT_A_PARTY
    pair.wait(MONTH_MS)
    # Nobody delivered: it ended, and not in a settlement.
    assert pair.send("founder", Feedback(assignment, 1, "")) == Verdict.NOT_SETTLED
    assert pair.explain().endswith("it is ABANDONED")


@pytest.mark.parametrize(
    ("rating", "provider", "requester"),
    [(5, 5, 1), (4, 5, 1), (3, 0, 0), (2, -10, -5), (1, -10, -5)],
)
def test_what_a_rating_moves(pair: Stage, rating: int, provider: int, requester: int) -> None:
    assignment, _ = settle(pair, "ana")
    pair.did("founder", Feedback(assignment, rating, ""))
    pair.did("ana", Feedback(assignment, rating, ""))
    assert read_scores(pair, "ana") == (12 + provider, 0)
    assert read_scores(pair, "founder") == (0, 2 + requester)


def test_work_below_the_floor_gains_no_praise_and_can_be_blamed(pair: Stage) -> None:
    praised, _ = settle(pair, "ana", price=9)
    blamed, _ = settle(pair, "bea", price=9)
    pair.did("founder", Feedback(praised, 5, ""))
    pair.did("founder", Feedback(blamed, 1, ""))
    assert (read_scores(pair, "ana"), read_scores(pair, "bea")) == ((0, 0), (-10, 0))
    pair.join("cid")
    enough, _ = settle(pair, "cid", price=10)
    pair.did("founder", Feedback(enough, 5, ""))
    assert read_scores(pair, "cid") == (12 + 5, 0)


@pytest.mark.parametrize(
    ("others", "praise", "blame"), [(1, 2, -5), (2, 1, -2), (3, 0, -1), (4, 0, 0), (9, 0, 0)]
)
def test_every_other_settlement_of_the_two_halves_it(
    pair: Stage, others: int, praise: int, blame: int
) -> None:
    for name, rating, points in (("ana", 4, praise), ("bea", 2, blame)):
        assignment, _ = settle(pair, name)
        for _ in range(others):
            note(pair, name)
        before, _ = read_scores(pair, name)
        pair.did("founder", Feedback(assignment, rating, ""))
        assert read_scores(pair, name)[0] == before + points
