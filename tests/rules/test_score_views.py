"""What is shown of scores, ratings and prices."""

import json

from synaptic_crdt.rules.operations import Feedback
from synaptic_crdt.rules.prices import PAIRS_ENOUGH
from synaptic_crdt.rules.score_views import (
    view_candles,
    view_prices,
    view_quote,
    view_ratings,
    view_reputation,
)
from synaptic_crdt.rules.task_views import view_assignment
from tests.rules.conftest import Stage
from tests.rules.test_prices import KIND, trade
from tests.rules.test_reputation import settle


def test_reputation_tells_final_from_pending(stage: Stage) -> None:
    ana = stage.join("ana")
    settle(stage, "ana")
    stage.tables.forget_journal()
    settle(stage, "ana")
    view = view_reputation(stage.market, ana, stage.now)
    assert (view["provider_score"], view["final"]) == (
        18,
        {"provider_score": 12, "requester_score": 0},
    )
    assert view["kinds"] == [{"kind": KIND, "settled": 2, "failed": 0}]


def test_nobodys_reputation_is_new(stage: Stage) -> None:
    view = view_reputation(stage.market, bytes(32), stage.now)
    assert view == {
        "account": bytes(32).hex(),
        "provider_score": 0,
        "requester_score": 0,
        "tier": "New",
        "requester_tier": "New",
        "final": {"provider_score": 0, "requester_score": 0},
        "kinds": [],
    }


def test_in_a_sandbox_no_score_is_final() -> None:
    stage = Stage(sandbox=True)
    ana = stage.join("ana")
    settle(stage, "ana")
    stage.tables.forget_journal()
    view = view_reputation(stage.market, ana, stage.now)
    assert (view["provider_score"], view["final"]["provider_score"]) == (12, 0)


def test_p1_no_figure_is_invented(stage: Stage) -> None:
    view = view_prices(stage.market, KIND, stage.now)
    assert {key for key, value in view.items() if value is None} == {
        "min",
        "max",
        "mean_milli",
        "vwap_milli",
        "median_milli",
        "organic_milli",
    }
    assert (view["count"], view["pairs"], view["note"]) == (0, 0, "no trades")
    assert view_candles(stage.market, KIND, stage.now) == []
    quote = view_quote(stage.market, stage.key("founder"), KIND, 2, (5, 5, 5), stage.now)
    assert (quote["of_raw_percent"], quote["of_organic_percent"]) == (None, None)


def test_notes_say_how_far_a_price_can_be_trusted(stage: Stage) -> None:
    names = [stage.names[stage.join(f"n{number}")] for number in range(PAIRS_ENOUGH)]
    notes: list[str] = []
    for name in names:
        settle(stage, name)
        notes.append(view_prices(stage.market, KIND, stage.now)["note"])
    assert notes == ["few traders"] * (PAIRS_ENOUGH - 1) + [""]
    trade(stage, 1, ask=1, units=10, kind="code.review")
    trade(stage, 2, ask=1_000, units=1, kind="code.review")
    view = view_prices(stage.market, "code.review", stage.now)
    assert (view["organic_milli"], view["note"]) == (None, "no two prices near each other")


def test_a_quote_has_the_fee_and_the_limits() -> None:
    stage = Stage(fee_ppm=100_000)
    ana = stage.join("ana")
    settle(stage, "ana", price=40)
    quote = view_quote(stage.market, ana, KIND, 3, (20, 50, 80), stage.now)
    assert (quote["locked"], quote["fee"], quote["provider_gets"]) == (240, 15, 135)
    assert (quote["newcomer_limit"], quote["limit"]) == (25, 25)
    # 50 of 40.
    assert (quote["of_raw_percent"], quote["of_organic_percent"]) == (125, 125)
    # 25 is 62.5 percent, and 62.5 is 63.
    cheap = view_quote(stage.market, ana, KIND, 3, (25, 25, 25), stage.now)
    assert cheap["of_raw_percent"] == 63


def test_ratings_stand_beside_the_assignment(stage: Stage) -> None:
    stage.join("ana")
    assignment, _ = settle(stage, "ana")
    stage.did("ana", Feedback(assignment, 4, "clear"))
    view = view_assignment(stage.market, assignment)
    assert view is not None
    assert view["ratings"] == view_ratings(stage.market, assignment)
    assert view["ratings"] == {
        "provider": None,
        "requester": {"rating": 4, "comment": "clear", "points": 1, "rated_ms": stage.now},
    }


def test_views_are_json(stage: Stage) -> None:
    ana = stage.join("ana")
    settle(stage, "ana")
    views = [
        view_reputation(stage.market, ana, stage.now),
        view_prices(stage.market, KIND, stage.now),
        view_candles(stage.market, KIND, stage.now),
        view_quote(stage.market, ana, KIND, 1, (1, 2, 3), stage.now),
    ]
    assert json.loads(json.dumps(views)) == views
