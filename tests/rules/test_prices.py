"""Prices: which work makes one, the raw and the organic figures, and how long they are kept."""

import json
from collections import defaultdict
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synaptic_crdt.rules.limits import DAY_MS, HOUR_MS, MONTH_MS
from synaptic_crdt.rules.prices import (
    Organic,
    Raw,
    compute_organic,
    compute_raw,
    get_candles,
    get_trades,
    note_trade,
)
from synaptic_crdt.rules.score_rows import CandleRow, TradeRow
from synaptic_crdt.rules.task_operations import TaskApprove
from tests.rules.conftest import START_MS, Stage, compute_id, make_task
from tests.rules.test_reputation import settle

KIND: Final = "text.answer"
VECTORS: Final = Path(__file__).parents[1] / "vectors" / "prices.json"


def make_trade(ask: int, units: int, pair: int = 0) -> TradeRow:
    return TradeRow(KIND, START_MS, ask, units, (compute_id(pair), compute_id(pair)))


def trade(stage: Stage, number: int, *, ask: int = 10, units: int = 1, kind: str = KIND) -> None:
    founder = stage.key("founder")
    note_trade(
        stage.market,
        compute_id(number),
        kind=kind,
        ask=ask,
        units=units,
        parties=(founder, founder),
        now=stage.now,
    )


def list_asks(stage: Stage, kind: str = KIND) -> list[int]:
    return [row.ask for row in get_trades(stage.market, kind, stage.now)]


# Which work makes a price.


def test_work_paid_in_full_makes_a_price(stage: Stage) -> None:
    ana, founder = stage.join("ana"), stage.key("founder")
    assignment, _ = settle(stage, "ana", price=40, units=(3,))
    row = stage.market.trades.get(assignment)
    groups = (min(ana, founder), max(ana, founder))
    assert row == TradeRow(KIND, stage.now, 40, 3, groups)


def test_lateness_does_not_keep_a_price_from_being_made(stage: Stage) -> None:
    stage.join("ana")
    settle(stage, "ana", wait_ms=2 * HOUR_MS // 60, penalty=50)
    assert list_asks(stage) == [100]


def test_p1_where_nothing_was_settled_there_is_no_price(stage: Stage) -> None:
    stage.join("ana")
    _, delivery = stage.deliver(stage.did("founder", make_task()), "ana")
    assert list_asks(stage) == []
    stage.did("founder", TaskApprove(delivery, approve=False, scores=()))
    stage.wait(2 * DAY_MS)
    assert len(stage.market.trades) == len(stage.market.candles) == 0
    assert compute_raw([]) is None
    assert compute_organic([]) is None


# What is kept, and how long.


def test_the_window_is_the_last_24_hours(stage: Stage) -> None:
    trade(stage, 1, ask=5)
    stage.now += 1
    trade(stage, 2, ask=6)
    trade(stage, 3, ask=7, kind="code.review")
    stage.now += DAY_MS - 2
    assert list_asks(stage) == [5, 6]
    stage.now += 1
    assert list_asks(stage) == [6]
    assert list_asks(stage, "code.review") == [7]
    stage.now += 1
    assert list_asks(stage) == []


def test_a_candle_is_an_hour(stage: Stage) -> None:
    stage.now = START_MS // HOUR_MS * HOUR_MS + HOUR_MS - 1
    trade(stage, 1, ask=7, units=2)
    trade(stage, 2, ask=9, units=1)
    trade(stage, 3, ask=5, units=4)
    stage.now += 1
    trade(stage, 4, ask=6)
    trade(stage, 5, ask=1, kind="code.review")
    assert list(get_candles(stage.market, KIND, stage.now)) == [
        (
            stage.now - HOUR_MS,
            CandleRow(count=3, volume=7, value=43, low=5, high=9, first=7, last=5),
        ),
        (stage.now, CandleRow(count=1, volume=1, value=6, low=6, high=6, first=6, last=6)),
    ]


def test_what_is_30_days_old_leaves_two_rows_for_each_that_comes(stage: Stage) -> None:
    stage.now = START_MS // HOUR_MS * HOUR_MS
    for number in range(5):
        trade(stage, number)
        stage.now += HOUR_MS
    stage.now += MONTH_MS - 5 * HOUR_MS - 1
    trade(stage, 10)
    assert len(stage.market.trades) == 6
    stage.now += 1
    trade(stage, 11)
    assert len(stage.market.trades) == 6
    # The hour of the first one is not over 30 days old before its end is.
    assert len(stage.market.candles) == 7
    stage.now += 4 * HOUR_MS
    trade(stage, 12)
    assert (len(stage.market.trades), len(stage.market.candles)) == (5, 6)
    trade(stage, 13)
    trade(stage, 14)
    # Only a candle that comes takes others along.
    assert (len(stage.market.trades), len(stage.market.candles)) == (5, 6)
    stage.now += HOUR_MS
    trade(stage, 15)
    assert (len(stage.market.trades), len(stage.market.candles)) == (6, 5)
    assert stage.market.trades.get(compute_id(4)) is None
    shown = [time_ms for time_ms, _ in get_candles(stage.market, KIND, stage.now)]
    assert shown == sorted(shown)
    assert shown[0] > stage.now - MONTH_MS - HOUR_MS


# Figures.


def test_raw_figures() -> None:
    trades = [make_trade(10, 1), make_trade(20, 2), make_trade(15, 4)]
    assert compute_raw(trades) == Raw(count=3, volume=7, low=10, high=20, mean=15_000, vwap=15_714)


@pytest.mark.parametrize(
    ("trades", "mean"),
    [
        # 17/16 is 1062.5 thousandths, 33/32 is 1031.25.
        ([(1, 15), (2, 1)], 1_063),
        ([(1, 15), (2, 1), (1, 16)], 1_031),
    ],
)
def test_ratios_are_rounded_half_up_once(trades: list[tuple[int, int]], mean: int) -> None:
    raw = compute_raw([make_trade(ask, units) for ask, units in trades])
    assert raw is not None
    assert raw.vwap == mean


def test_every_pair_has_one_voice() -> None:
    honest = [make_trade(100 + pair, 1, pair) for pair in range(5)]
    assert compute_organic(honest) == Organic(pairs=5, median=102_000, vwap=102_000)


def test_r5_a_huge_wash_and_200_small_ones_leave_the_organic_figure_where_it_was() -> None:
    honest = [make_trade(90 + 5 * pair, 10 + pair, pair) for pair in range(7)]
    before, raw_before = compute_organic(honest), compute_raw(honest)
    assert before is not None
    assert raw_before is not None
    huge = [make_trade(1_000_000, 10**9, 100)]
    small = [make_trade(1, 1, 101) for _ in range(200)]
    after, raw_after = compute_organic(honest + huge + small), compute_raw(honest + huge + small)
    assert after is not None
    assert raw_after is not None
    # The raw figure is a thousand times what it was, and its mean is ruined, too.
    assert raw_after.vwap > 1_000 * raw_before.vwap
    assert raw_after.mean > 40 * raw_before.mean
    assert (after.median, after.vwap) == (before.median, before.vwap)
    assert after.pairs == before.pairs + 2


def test_a_wash_at_a_price_that_passes_weighs_no_more_than_the_middle_pair() -> None:
    honest = [make_trade(100, 10, pair) for pair in range(6)]
    wash = [make_trade(190, 10**6, 100)]
    after = compute_organic(honest + wash)
    # One voice of seven: (6 x 100 + 190) / 7.
    assert after == Organic(pairs=7, median=100_000, vwap=112_857)


def test_what_is_half_and_double_the_median_is_near() -> None:
    trades = [make_trade(ask, 1, ask) for ask in (49, 50, 100, 200, 201)]
    assert compute_organic(trades) == Organic(pairs=5, median=100_000, vwap=116_667)


def test_when_no_trade_is_near_the_median_there_is_no_organic_price() -> None:
    apart = [make_trade(1, 10), make_trade(1_000, 1)]
    assert compute_organic(apart) == Organic(pairs=1, median=91_818, vwap=None)


@pytest.mark.parametrize(
    "vector", json.loads(VECTORS.read_text("utf-8"))["figures"], ids=lambda each: each["says"]
)
def test_figures_are_as_published(vector: dict[str, Any]) -> None:
    trades = [make_trade(*fields) for fields in vector["trades"]]
    raw, organic = compute_raw(trades), compute_organic(trades)
    assert raw is not None
    assert organic is not None
    figures = (raw.mean, raw.vwap, organic.median, organic.vwap)
    assert figures == tuple(vector[name] for name in ("mean", "vwap", "median", "organic"))


TRADES: Final = st.lists(
    st.builds(
        make_trade,
        st.one_of(st.integers(1, 12), st.integers(1, 10**12)),
        st.one_of(st.integers(1, 5), st.integers(1, 10**9)),
        st.integers(0, 6),
    ),
    max_size=25,
)


def round_half_up(ratio: Fraction) -> int:
    return int(ratio * 1_000 + Fraction(1, 2))


def compute_naively(trades: list[TradeRow]) -> Any:  # noqa: ANN401 - median and price
    """The organic figures again, with fractions, from the definition."""
    by_pair: dict[Any, list[TradeRow]] = defaultdict(list)
    for row in trades:
        by_pair[row.groups].append(row)

    def average(rows: list[TradeRow]) -> Fraction:
        return Fraction(sum(r.ask * r.units for r in rows), sum(r.units for r in rows))

    averages = sorted(average(rows) for rows in by_pair.values())
    median = averages[(len(averages) - 1) // 2]
    kept = [[r for r in rows if median / 2 <= r.ask <= 2 * median] for rows in by_pair.values()]
    kept = [rows for rows in kept if rows]
    if not kept:
        return round_half_up(median), None
    volumes = sorted(sum(r.units for r in rows) for rows in kept)
    cap = volumes[(len(volumes) - 1) // 2]
    weights = [min(cap, sum(r.units for r in rows)) for rows in kept]
    weighed = Fraction(0)
    for weight, rows in zip(weights, kept, strict=True):
        weighed += weight * average(rows)
    return round_half_up(median), round_half_up(weighed / sum(weights))


@given(trades=TRADES)
def test_organic_figures_are_those_of_exact_fractions(trades: list[TradeRow]) -> None:
    organic = compute_organic(trades)
    if not trades:
        assert organic is None
        return
    assert organic is not None
    assert (organic.median, organic.vwap) == compute_naively(trades)


@given(trades=TRADES.filter(bool))
def test_figures_do_not_depend_on_the_order_of_trades(trades: list[TradeRow]) -> None:
    assert compute_organic(trades[::-1]) == compute_organic(trades)
    assert compute_raw(trades[::-1]) == compute_raw(trades)
