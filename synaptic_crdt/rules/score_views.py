"""What a person or another program may want to see of scores, ratings and prices: read-only.

Everything counts what is held here, pending entries too; what is final already stands beside it.
Averages are in thousandths of a token.
"""

from typing import Any, Final

from synaptic_crdt.rules import prices
from synaptic_crdt.rules.limits import MILLION
from synaptic_crdt.rules.market import Market, get_rows
from synaptic_crdt.rules.reputation import (
    compute_limit,
    compute_score,
    compute_tier,
    get_figures,
    get_score,
)
from synaptic_crdt.rules.rows import Side
from synaptic_crdt.rules.score_rows import FigureRow, ScoreRow

View = dict[str, Any]

_SIDES: Final[tuple[Side, ...]] = ("provider", "requester")
_NEWCOMER: Final = FigureRow(settled=0, failed=0)


def view_reputation(market: Market, account: bytes, now: int) -> View:
    """An account's scores and tiers, and how its work ended by kind; an unknown one has none."""
    provider, requester = (get_score(market, account, side, now) for side in _SIDES)
    kinds = [
        {"kind": kind, "settled": row.settled, "failed": row.failed}
        for (_, kind), row in get_rows(market.figures, "provider", account)
    ]
    return {
        "account": account.hex(),
        "provider_score": provider,
        "requester_score": requester,
        "tier": compute_tier(provider),
        "requester_tier": compute_tier(requester),
        "final": _view_final(market, account, now),
        "kinds": kinds,
    }


def view_ratings(market: Market, assignment: bytes) -> View:
    """What the parties of an assignment said: of its provider, and of its requester."""
    rows = {side: market.ratings.get((assignment, side)) for side in _SIDES}
    return {
        side: None
        if row is None
        else {
            "rating": row.rating,
            "comment": row.comment,
            "points": row.points,
            "rated_ms": row.rated_ms,
        }
        for side, row in rows.items()
    }


def view_prices(market: Market, kind: str, now: int) -> View:
    """The raw and the organic figures of a kind over 24 hours; None where no trade makes one."""
    trades = list(prices.get_trades(market, kind, now))
    raw, organic = prices.compute_raw(trades), prices.compute_organic(trades)
    return {
        "kind": kind,
        "since_ms": now - prices.WINDOW_MS,
        "until_ms": now,
        "count": 0 if raw is None else raw.count,
        "volume": 0 if raw is None else raw.volume,
        "min": None if raw is None else raw.low,
        "max": None if raw is None else raw.high,
        "mean_milli": None if raw is None else raw.mean,
        "vwap_milli": None if raw is None else raw.vwap,
        "pairs": 0 if organic is None else organic.pairs,
        "median_milli": None if organic is None else organic.median,
        "organic_milli": None if organic is None else organic.vwap,
        "note": _describe(organic),
    }


def view_candles(market: Market, kind: str, now: int) -> list[View]:
    """The hours of the last 30 days in which work of a kind was paid, the oldest first."""
    return [
        {
            "time_ms": time_ms,
            "count": candle.count,
            "volume": candle.volume,
            "value": candle.value,
            "min": candle.low,
            "max": candle.high,
            "first": candle.first,
            "last": candle.last,
        }
        for time_ms, candle in prices.get_candles(market, kind, now)
    ]


def view_quote(
    market: Market, account: bytes, kind: str, units: int, asked: tuple[int, int, int], now: int
) -> View:
    """What a task would lock and pay, and how its price compares; ``asked`` are low, usual, most.

    ``limit`` is what ``account`` could ask a unit if somebody else posted it.
    """
    low, price, most = asked
    figures = view_prices(market, kind, now)
    score = get_score(market, account, "provider", now)
    fee = price * units * market.get_parameters().fee_ppm // MILLION
    return {
        "kind": kind,
        "units": units,
        "price_low": low,
        "price": price,
        "price_max": most,
        "locked": most * units,
        "newcomer_limit": compute_limit(*asked, score=0, figures=_NEWCOMER),
        "limit": compute_limit(*asked, score=score, figures=get_figures(market, account, kind)),
        "fee": fee,
        "provider_gets": price * units - fee,
        "of_raw_percent": _compute_percent(price, figures["vwap_milli"]),
        "of_organic_percent": _compute_percent(price, figures["organic_milli"]),
        "prices": figures,
    }


def _view_final(market: Market, account: bytes, now: int) -> View:
    row: ScoreRow | None = market.tables.get_settled(market.scores, account)
    if row is None or market.genesis.sandbox:
        return {"provider_score": 0, "requester_score": 0}
    return {
        "provider_score": compute_score(row.provider, row.provider_ms, now),
        "requester_score": compute_score(row.requester, row.requester_ms, now),
    }


def _describe(organic: prices.Organic | None) -> str:
    if organic is None:
        return "no trades"
    if organic.vwap is None:
        return "no two prices near each other"
    return "few traders" if organic.pairs < prices.PAIRS_ENOUGH else ""


def _compute_percent(price: int, milli: int | None) -> int | None:
    """Return a price as a percentage of an average, half up."""
    return None if milli is None else (200_000 * price + milli) // (2 * milli)
