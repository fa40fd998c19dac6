"""Breaches of what must be true of scores, ratings, trades and candles are seen."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from synaptic_crdt.rules.invariants import check_market
from synaptic_crdt.rules.market import Market, get_rows
from synaptic_crdt.rules.operations import Feedback
from synaptic_crdt.rules.score_rows import MeetingRow, RatingRow, ScoreRow
from tests.rules.conftest import Stage, make_key, make_task
from tests.rules.test_reputation import settle

ANA = make_key("ana").public
NOBODY = bytes(32)


def raise_score(market: Market) -> None:
    market.scores.set(ANA, ScoreRow(1_001, 0, 0, 0))


def recover_from_nothing(market: Market) -> None:
    market.scores.set(ANA, ScoreRow(0, 0, 5, 1))


def never_recover(market: Market) -> None:
    market.scores.set(ANA, ScoreRow(-5, 0, 0, 0))


def score_nobody(market: Market) -> None:
    market.scores.set(NOBODY, ScoreRow(1, 0, 0, 0))


def meet_backwards(market: Market) -> None:
    market.meetings.set((NOBODY, ANA), MeetingRow((2, 1)))


def meet_too_often(market: Market) -> None:
    market.meetings.set((NOBODY, ANA), MeetingRow((1, 2, 3, 4, 5, 6)))


def turn_pair(market: Market) -> None:
    market.meetings.set((ANA, NOBODY), MeetingRow((1,)))


def rate_nothing(market: Market) -> None:
    market.ratings.set((NOBODY, "provider"), RatingRow(5, "", 5, 1))


def unsettle(market: Market) -> None:
    key, row = next(
        (key, row) for key, row in get_rows(market.assignments, "provider") if row.end == "SETTLED"
    )
    market.assignments.set(key, replace(row, end="VOID"))


def trade_nothing(market: Market) -> None:
    key, row = next(get_rows(market.trades, "time"))
    market.trades.set(key, replace(row, units=0))


def turn_traders(market: Market) -> None:
    key, row = next(get_rows(market.trades, "time"))
    market.trades.set(key, replace(row, groups=(ANA, NOBODY)))


def lose_candle(market: Market) -> None:
    key, _ = next(get_rows(market.candles, "kind"))
    market.candles.delete(key)


def draw_less(market: Market) -> None:
    key, row = next(get_rows(market.candles, "kind"))
    market.candles.set(key, replace(row, count=0))


def drop_from_index(market: Market) -> None:
    market.trades.index("time")._sorted.clear()


@pytest.mark.parametrize(
    ("breach", "words"),
    [
        (raise_score, "has score 1001"),
        (recover_from_nothing, "recovers since 1"),
        (never_recover, "recovers since 0"),
        (score_nobody, "a score of nobody"),
        (meet_backwards, "meetings (2, 1)"),
        (meet_too_often, "meetings (1, 2, 3, 4, 5, 6)"),
        (turn_pair, "meetings of a pair in the wrong order"),
        (rate_nothing, "a rating of nothing"),
        (unsettle, "is rated, not settled"),
        (trade_nothing, "a trade of nothing"),
        (turn_traders, "a trade of a pair in the wrong order"),
        (lose_candle, "candle of"),
        (draw_less, "candle of"),
        (drop_from_index, "trades by time"),
    ],
)
def test_breach_is_seen(stage: Stage, breach: Callable[[Market], None], words: str) -> None:
    stage.join("ana")
    assignment, _ = settle(stage, "ana")
    stage.did("founder", Feedback(assignment, 5, ""))
    stage.assign(stage.did("founder", make_task()), "ana")
    check_market(stage.market)
    breach(stage.market)
    with pytest.raises(AssertionError) as raised:
        check_market(stage.market)
    assert words in str(raised.value)
