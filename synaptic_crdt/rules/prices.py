"""Prices: what work was paid for, kept for 30 days, and the figures made of it.

A trade is work that was paid in full and disputed by nobody. Trades and hourly candles are part of
the state; every figure is computed when somebody asks, and none of them is ever asked by a rule:
nobody can move a verdict by moving a price.

The raw figures are plain sums over the last 24 hours. The organic ones answer wash trades: each
pair of groups speaks once, with no more weight than the middle one of them, and what lies beyond
half and double of the middle price is left out. So a pair that trades with itself a thousand
times, or once for a fortune, moves it no further than any other pair. Does not answer many pairs
of strangers that act together, which is why a figure made of fewer than five pairs says so.

Ratios are exact to the end: integers over integers, rounded half up once, to thousandths.
"""

from collections.abc import Iterator, Sequence
from functools import cmp_to_key
from typing import Final

import msgspec

from synaptic_crdt.rules import limits
from synaptic_crdt.rules.market import Market, drop_oldest
from synaptic_crdt.rules.reputation import Pair, get_pair
from synaptic_crdt.rules.score_rows import CandleRow, TradeRow

WINDOW_MS: Final = limits.DAY_MS
PAIRS_ENOUGH: Final = 5

Ratio = tuple[int, int]


class Raw(msgspec.Struct, frozen=True, kw_only=True):
    """Plain figures of trades, at least one; ``mean`` and ``vwap`` in thousandths of a token."""

    count: int
    volume: int
    low: int
    high: int
    mean: int
    vwap: int


class Organic(msgspec.Struct, frozen=True, kw_only=True):
    """Figures in which every pair of groups has one voice, in thousandths of a token.

    ``median`` is the lower median of the pairs' own average prices. ``vwap`` is None when no trade
    is near it.
    """

    pairs: int
    median: int
    vwap: int | None


def note_trade(
    market: Market,
    assignment: bytes,
    *,
    kind: str,
    ask: int,
    units: int,
    parties: Pair,
    now: int,
) -> None:
    """Work was settled in full, and nobody disputed it: ``parties`` are its two accounts."""
    groups = get_pair(market, *parties)
    market.trades.set(assignment, TradeRow(kind, now, ask, units, groups))
    hour = now // limits.HOUR_MS
    candle = market.candles.get((kind, hour))
    market.candles.set((kind, hour), _extend(candle, ask, units))
    long_ago = now - limits.MONTH_MS
    drop_oldest(market.trades, "time", long_ago)
    if candle is None:
        drop_oldest(market.candles, "hour", long_ago // limits.HOUR_MS - 1)


def get_trades(market: Market, kind: str, now: int) -> Iterator[TradeRow]:
    """Yield the trades of a kind in the 24 hours that end with ``now``, by time."""
    recent = market.trades.index("time").ascend((now - WINDOW_MS + 1,), (now + 1,))
    for _, key in recent:
        row = market.trades.get(key)
        assert row is not None, key
        if row.kind == kind:
            yield row


def get_candles(market: Market, kind: str, now: int) -> Iterator[tuple[int, CandleRow]]:
    """Yield (time of its beginning in ms, candle) for each hour of 30 days that has trades."""
    first = (now - limits.MONTH_MS) // limits.HOUR_MS
    recent = market.candles.index("kind").ascend((kind, first), (kind, now // limits.HOUR_MS + 1))
    for (_, hour), key in recent:
        row = market.candles.get(key)
        assert row is not None, key
        yield hour * limits.HOUR_MS, row


def compute_raw(trades: Sequence[TradeRow]) -> Raw | None:
    """Return the plain figures, or None when there is no trade."""
    if not trades:
        return None
    asks = [trade.ask for trade in trades]
    volume, value = _add_up(trades)
    return Raw(
        count=len(trades),
        volume=volume,
        low=min(asks),
        high=max(asks),
        mean=_round((sum(asks), len(asks))),
        vwap=_round((value, volume)),
    )


def compute_organic(trades: Sequence[TradeRow]) -> Organic | None:
    """Return the figures that a wash trade does not move, or None when there is no trade."""
    by_pair = _group(trades)
    if not by_pair:
        return None
    averages = [(value, volume) for volume, value in map(_add_up, by_pair)]
    value, volume = _find_lower_median(averages)
    near = [
        [
            trade
            for trade in each
            if value <= 2 * trade.ask * volume and trade.ask * volume <= 2 * value
        ]
        for each in by_pair
    ]
    return Organic(
        pairs=len(by_pair),
        median=_round((value, volume)),
        vwap=_compute_capped([_add_up(each) for each in near if each]),
    )


def _compute_capped(kept: Sequence[Ratio]) -> int | None:
    """Average over (volume, value) of each pair, none weighing more than the middle one."""
    if not kept:
        return None
    volumes = sorted(volume for volume, _ in kept)
    cap = volumes[(len(volumes) - 1) // 2]
    weight = sum(min(volume, cap) for volume in volumes)
    # A pair up to the cap brings its value whole; one above it, the part that its weight is.
    parts = [(value * min(volume, cap), volume) for volume, value in kept]
    value, denominator = _sum_ratios(parts)
    return _round((value, denominator * weight))


def _sum_ratios(ratios: Sequence[Ratio]) -> Ratio:
    """Add exactly, halves first: one long chain would multiply ever longer denominators."""
    if len(ratios) == 1:
        return ratios[0]
    middle = len(ratios) // 2
    (a, b), (c, d) = _sum_ratios(ratios[:middle]), _sum_ratios(ratios[middle:])
    return (a + c, b) if b == d else (a * d + c * b, b * d)


def _find_lower_median(ratios: Sequence[Ratio]) -> Ratio:
    ordered = sorted(
        ratios, key=cmp_to_key(lambda one, other: one[0] * other[1] - other[0] * one[1])
    )
    return ordered[(len(ordered) - 1) // 2]


def _group(trades: Sequence[TradeRow]) -> list[list[TradeRow]]:
    by_pair: dict[Pair, list[TradeRow]] = {}
    for trade in trades:
        by_pair.setdefault(trade.groups, []).append(trade)
    return list(by_pair.values())


def _add_up(trades: Sequence[TradeRow]) -> Ratio:
    """Return volume in units and value in tokens."""
    return (
        sum(trade.units for trade in trades),
        sum(trade.ask * trade.units for trade in trades),
    )


def _extend(candle: CandleRow | None, ask: int, units: int) -> CandleRow:
    if candle is None:
        return CandleRow(1, units, ask * units, ask, ask, ask, ask)
    return CandleRow(
        count=candle.count + 1,
        volume=candle.volume + units,
        value=candle.value + ask * units,
        low=min(candle.low, ask),
        high=max(candle.high, ask),
        first=candle.first,
        last=ask,
    )


def _round(ratio: Ratio) -> int:
    """Return a ratio in thousandths, half up."""
    over, under = ratio
    return (2_000 * over + under) // (2 * under)
