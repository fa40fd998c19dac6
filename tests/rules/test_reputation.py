"""Two scores for everybody: what moves them, how they fade and recover, and what they allow."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from synaptic_crdt.rules import reputation
from synaptic_crdt.rules.limits import DAY_MS, HOUR_MS, MINUTE_MS, MONTH_MS
from synaptic_crdt.rules.operations import ForkReport
from synaptic_crdt.rules.reputation import (
    Settled,
    Side,
    compute_limit,
    compute_score,
    compute_tier,
    get_figures,
    get_score,
    note_settled,
)
from synaptic_crdt.rules.score_rows import FigureRow
from synaptic_crdt.rules.task_operations import (
    TaskAccept,
    TaskApprove,
    TaskDecline,
    TaskDeliver,
    TaskFail,
    TaskStart,
)
from synaptic_crdt.state.statements import encode_statement
from tests.forking import sign_fork
from tests.rules.conftest import RESULT, Stage, make_task

KIND: Final = "text.answer"
VECTORS: Final = Path(__file__).parents[1] / "vectors" / "reputation.json"


def read_scores(stage: Stage, name: str) -> tuple[int, int]:
    account = stage.key(name)
    one, other = (
        get_score(stage.market, account, side, stage.now) for side in ("provider", "requester")
    )
    return one, other


def settle(
    stage: Stage,
    name: str,
    *,
    price: int = 100,
    wait_ms: int = 0,
    **terms: Any,  # noqa: ANN401 - any of a task's
) -> tuple[bytes, bytes]:
    """A task of the founder's, done by somebody and approved; return assignment and delivery."""
    task = stage.did("founder", make_task(price=price, **terms))
    assignment = stage.assign(task, name, ask=price)
    stage.wait(wait_ms)
    stage.did(name, TaskStart(assignment))
    delivery = stage.did(name, TaskDeliver(assignment, RESULT, None, ()))
    stage.did("founder", TaskApprove(delivery, approve=True, scores=()))
    return assignment, delivery


def note(stage: Stage, provider: str = "ana", **changes: Any) -> None:  # noqa: ANN401 - any field
    """A settlement with the founder, worth enough, in full, late for the bonus."""
    settled = Settled(
        provider=stage.key(provider),
        requester=stage.key("founder"),
        kind=KIND,
        price=100,
        share_ppm=10**6,
        is_early=False,
        violations=0,
    )
    note_settled(stage.market, replace(settled, **changes), stage.now)


# Named after the numbers of the peer cases.


def test_r1_who_is_new_has_nothing(stage: Stage) -> None:
    stage.join("ana")
    assert read_scores(stage, "ana") == (0, 0)
    assert compute_tier(0) == "New"
    assert stage.available("ana") == 0
    assert len(stage.market.scores) == 0


def test_r2_one_settled_task(stage: Stage) -> None:
    stage.join("ana")
    stage.join("bea")
    # Half the response limit of a minute, to the millisecond, and one more.
    settle(stage, "ana", wait_ms=MINUTE_MS // 2)
    assert read_scores(stage, "ana") == (12, 0)
    settle(stage, "bea", wait_ms=MINUTE_MS // 2 + 1)
    assert read_scores(stage, "bea") == (10, 0)
    assert read_scores(stage, "founder") == (0, 4)


def test_r5_trading_with_each_other_again_and_again_fades(stage: Stage) -> None:
    stage.join("ana")
    seen = [0]
    for _ in range(50):
        note(stage, is_early=True)
        seen.append(read_scores(stage, "ana")[0])
    gains = [after - before for before, after in pairwise(seen)]
    # 10 + 2, halved each time, and nothing from the fifth on.
    assert gains == [12, 6, 2, 1, *[0] * 46]
    assert read_scores(stage, "founder")[1] == 2 + 1
    # One group is as good as another: nobody else's gains have faded.
    stage.join("bea")
    note(stage, "bea")
    assert read_scores(stage, "bea") == (10, 0)


def test_gains_return_when_settlements_are_30_days_old(stage: Stage) -> None:
    stage.join("ana")
    note(stage)
    stage.wait(MONTH_MS - 1)
    note(stage)
    assert read_scores(stage, "ana") == (15, 0)
    stage.wait(1)
    note(stage)
    assert read_scores(stage, "ana") == (20, 0)
    stage.wait(MONTH_MS)
    note(stage)
    assert read_scores(stage, "ana") == (30, 0)


def test_an_inviter_and_whom_it_invited_fade_together(stage: Stage) -> None:
    stage.join("ana")
    stage.did("ana", invitation := stage.make_invite("a1"))
    stage.did("a1", stage.ticket(invitation, "ana", "a1"))
    note(stage, "ana")
    note(stage, "a1")
    assert (read_scores(stage, "ana"), read_scores(stage, "a1")) == ((10, 0), (5, 0))


def test_within_one_group_gains_fade_too(stage: Stage) -> None:
    stage.join("ana")
    stage.did("ana", invitation := stage.make_invite("a1"))
    stage.did("a1", stage.ticket(invitation, "ana", "a1"))
    note(stage, "ana", requester=stage.key("a1"))
    note(stage, "a1", requester=stage.key("ana"))
    assert (read_scores(stage, "ana"), read_scores(stage, "a1")) == ((10, 1), (5, 2))


@pytest.mark.parametrize(
    ("changes", "provider", "requester"),
    [
        ({}, 10, 2),
        ({"is_early": True}, 12, 2),
        ({"share_ppm": 500_000}, 10, 2),
        ({"share_ppm": 499_999, "is_early": True}, 0, 2),
        ({"price": 10}, 10, 2),
        # What is worth less than the floor makes no reputation, and can still cost some.
        ({"price": 9, "is_early": True}, 0, 0),
        ({"price": 9, "violations": 1}, -5, 0),
        ({"violations": 2}, 0, 2),
        ({"violations": 4}, -10, 2),
        ({"violations": 5}, -10, 2),
        ({"is_ruled": True, "share_ppm": 749_999}, 10, 2),
        ({"is_ruled": True, "share_ppm": 750_000}, 10, -23),
        ({"is_ruled": True, "share_ppm": 250_001}, 0, 2),
        ({"is_ruled": True, "share_ppm": 250_000}, -25, 2),
        ({"is_ruled": True, "share_ppm": 250_000, "violations": 9}, -45, 2),
        # Agreed, not ruled: nobody lost.
        ({"share_ppm": 0}, 0, 2),
        # The arbiters were silent.
        ({"has_gains": False, "is_early": True}, 0, 0),
        ({"has_gains": False, "violations": 1}, -5, 0),
    ],
)
def test_what_a_settlement_is_worth(
    stage: Stage, changes: dict[str, Any], provider: int, requester: int
) -> None:
    stage.join("ana")
    note(stage, **changes)
    assert read_scores(stage, "ana") == (provider, 0)
    assert read_scores(stage, "founder") == (0, requester)


def test_losses_do_not_fade(stage: Stage) -> None:
    stage.join("ana")
    for _ in range(6):
        note(stage, price=9, violations=1)
    assert read_scores(stage, "ana") == (-30, 0)


def test_figures_count_each_kind_apart(stage: Stage) -> None:
    ana = stage.join("ana")
    note(stage)
    note(stage, share_ppm=499_999)
    note(stage, kind="code.review")
    assert get_figures(stage.market, ana, KIND) == FigureRow(settled=1, failed=1)
    assert get_figures(stage.market, ana, "code.review") == FigureRow(settled=1, failed=0)
    assert get_figures(stage.market, ana, "other") == FigureRow(settled=0, failed=0)


def test_giving_back_giving_up_and_silence(stage: Stage) -> None:
    for name in ("ana", "bea", "cid", "dan"):
        stage.join(name)
    task = stage.did("founder", make_task(redispatch=9))
    stage.did("ana", TaskDecline(stage.did("ana", TaskAccept(task, 100, ())), "busy"))
    assert read_scores(stage, "ana") == (0, 0)
    stage.did("bea", TaskDecline(stage.assign(task, "bea"), "busy"))
    assert read_scores(stage, "bea") == (-2, 0)
    assignment = stage.assign(task, "cid")
    stage.did("cid", TaskStart(assignment))
    stage.did("cid", TaskFail(assignment, "broke"))
    assert read_scores(stage, "cid") == (-5, 0)
    stage.assign(task, "dan")
    stage.wait(HOUR_MS)
    assert read_scores(stage, "dan") == (-20, 0)
    failed = [get_figures(stage.market, stage.key(n), KIND).failed for n in ("bea", "cid", "dan")]
    assert failed == [0, 1, 1]


def test_lateness_that_costs_nothing_costs_no_points(stage: Stage) -> None:
    stage.join("ana")
    stage.join("bea")
    settle(stage, "ana", wait_ms=MINUTE_MS + 1, penalty=0)
    settle(stage, "bea", wait_ms=MINUTE_MS + 1, penalty=1)
    assert (read_scores(stage, "ana"), read_scores(stage, "bea")) == ((10, 0), (5, 0))


def test_a_key_that_was_not_revealed(stage: Stage) -> None:
    ana = stage.join("ana")
    reputation.note_key_withheld(stage.market, ana, stage.now)
    assert read_scores(stage, "ana") == (0, -10)


def test_a_fork_costs_both_scores_once_for_each_place(stage: Stage) -> None:
    stage.join("ana")
    stage.add_device("ana", "laptop")
    for position in (1, 1, 7):
        proof = sign_fork(stage.market_id, stage.keys["laptop"], position)
        stage.send("founder", ForkReport(encode_statement(proof)))
    assert read_scores(stage, "ana") == (-50, -50)


# Reading.


def test_a_negative_score_rises_by_one_a_day_and_not_beyond_nothing() -> None:
    scores = [compute_score(-2, 1_000, 1_000 + ms) for ms in (0, DAY_MS - 1, DAY_MS, 2 * DAY_MS)]
    assert scores == [-2, -2, -1, 0]
    assert compute_score(-2, 0, 99 * DAY_MS) == 0
    assert compute_score(7, 0, 99 * DAY_MS) == 7


def test_what_a_score_recovered_of_the_running_day_is_kept(stage: Stage) -> None:
    ana = stage.join("ana")
    note(stage, price=9, violations=1)
    stage.wait(36 * HOUR_MS)
    assert read_scores(stage, "ana") == (-4, 0)
    reputation.note_declined(stage.market, ana, stage.now)
    assert read_scores(stage, "ana") == (-6, 0)
    stage.wait(12 * HOUR_MS)
    assert read_scores(stage, "ana") == (-5, 0)
    # Once it was nothing again, the next day begins when it falls again.
    stage.wait(6 * DAY_MS + HOUR_MS)
    reputation.note_declined(stage.market, ana, stage.now)
    stage.wait(DAY_MS - 1)
    assert read_scores(stage, "ana") == (-2, 0)
    stage.wait(1)
    assert read_scores(stage, "ana") == (-1, 0)


@pytest.mark.parametrize(
    ("score", "tier"),
    [
        (-1_000, "Risky"),
        (-1, "Risky"),
        (0, "New"),
        (49, "New"),
        (50, "Standard"),
        (99, "Standard"),
        (100, "Reliable"),
        (249, "Reliable"),
        (250, "Trusted"),
        (499, "Trusted"),
        (500, "Expert"),
        (899, "Expert"),
        (900, "Legendary"),
        (1_000, "Legendary"),
    ],
)
def test_tiers(score: int, tier: str) -> None:
    assert compute_tier(score) == tier


@pytest.mark.parametrize(("side", "sign"), [("provider", 1), ("requester", -1)])
def test_scores_have_bounds(stage: Stage, side: Side, sign: int) -> None:
    ana = stage.join("ana")
    for _ in range(3):
        reputation.add_points(stage.market, ana, side, sign * 999, stage.now)
    assert get_score(stage.market, ana, side, stage.now) == sign * 1_000


EVENTS: Final = st.lists(
    st.tuples(
        st.integers(0, 12 * DAY_MS),
        st.sampled_from(["ana", "bea"]),
        st.integers(0, 1_000_000),
        st.integers(0, 9),
        st.booleans(),
        st.booleans(),
        st.booleans(),
        st.sampled_from([9, 10, 10**6]),
    ),
    max_size=30,
)


@given(events=EVENTS)
def test_scores_are_bounded_and_damping_only_ever_takes(events: list[Any]) -> None:
    stage = Stage()
    stage.join("ana")
    stage.join("bea")
    for wait_ms, name, share, violations, is_early, is_ruled, has_gains, price in events:
        stage.now += wait_ms
        before = read_scores(stage, name)[0]
        note(
            stage,
            name,
            share_ppm=share,
            violations=violations,
            is_early=is_early,
            is_ruled=is_ruled,
            has_gains=has_gains,
            price=price,
        )
        after = read_scores(stage, name)[0]
        assert -1_000 <= after <= 1_000
        assert -45 <= after - before <= 12
        assert -1_000 <= read_scores(stage, "founder")[1] <= 1_000
    assert len(stage.market.meetings) <= 2


@given(waits_ms=st.lists(st.integers(0, 20 * DAY_MS), max_size=20))
def test_the_closer_settlements_are_the_less_they_gain(waits_ms: list[int]) -> None:
    stage = Stage()
    stage.join("ana")
    times: list[int] = []
    for wait_ms in waits_ms:
        stage.now += wait_ms
        before = read_scores(stage, "ana")[0]
        note(stage)
        near = sum(stage.now - time < MONTH_MS for time in times)
        assert read_scores(stage, "ana")[0] - before == 10 >> min(4, near)
        times.append(stage.now)


def test_groups_that_have_not_met_for_30_days_are_forgotten(stage: Stage) -> None:
    for number in range(5):
        stage.join(f"n{number}")
        note(stage, f"n{number}")
    # With the day on which they met.
    stage.wait(MONTH_MS)
    note(stage, "n0")
    assert len(stage.market.meetings) == 5
    stage.wait(DAY_MS)
    # Each that comes takes two along.
    for number, left in ((0, 3), (1, 2), (2, 3)):
        note(stage, f"n{number}")
        assert len(stage.market.meetings) == left
    assert read_scores(stage, "n0") == (25, 0)


# The limit.


@pytest.mark.parametrize(
    "vector", json.loads(VECTORS.read_text("utf-8"))["limit"], ids=lambda each: each["says"]
)
def test_limits_are_as_published(vector: dict[str, Any]) -> None:
    figures = FigureRow(vector["settled"], vector["failed"])
    limit = compute_limit(
        vector["low"], vector["price"], vector["high"], score=vector["score"], figures=figures
    )
    assert limit == vector["limit"]


@given(
    prices=st.tuples(*[st.integers(1, 10**12)] * 3).map(sorted),
    score=st.integers(-1_000, 999),
    settled=st.integers(0, 10**6),
    failed=st.integers(0, 10**6),
)
def test_a_better_reputation_never_has_a_lower_limit(
    prices: list[int], score: int, settled: int, failed: int
) -> None:
    def limit(score: int, settled: int, failed: int) -> int:
        return compute_limit(*prices, score=score, figures=FigureRow(settled, failed))

    here = limit(score, settled, failed)
    assert prices[0] <= here <= prices[2]
    assert here <= limit(score + 1, settled, failed)
    assert here <= limit(score, settled + 1, failed)
    assert here >= limit(score, settled, failed + 1)
