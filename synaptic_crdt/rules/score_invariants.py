"""What must be true of scores, ratings, trades and candles after every entry, from the rows.

That the figures are the right ones is for the second ledger to say; here is what may never be,
whatever happened. A breach is our own mistake and raises AssertionError.
"""

from typing import Any

from synaptic_crdt.rules import limits
from synaptic_crdt.rules.invariant import check
from synaptic_crdt.rules.market import Market, get_rows
from synaptic_crdt.rules.rows import Side
from synaptic_crdt.state.tables import Table


def check_past(market: Market) -> None:
    """Everything that must be true of what work left behind."""
    _check_scores(market)
    _check_meetings(market)
    _check_ratings(market)
    _check_trades(market)
    for table, name in (
        (market.figures, "provider"),
        (market.meetings, "day"),
        (market.trades, "time"),
        (market.candles, "kind"),
        (market.candles, "hour"),
    ):
        check(_is_complete(table, name), f"{table.name} by {name}")


def _check_scores(market: Market) -> None:
    """Within their bounds, and recovering just when they are negative."""
    found = 0
    for account, _ in get_rows(market.accounts, "number"):
        row = market.scores.get(account)
        if row is None:
            continue
        found += 1
        sides = ((row.provider, row.provider_ms), (row.requester, row.requester_ms))
        for score, since_ms in sides:
            check(abs(score) <= limits.SCORE_MAX, f"{account.hex()} has score {score}")
            check((score < 0) == (since_ms > 0), f"{account.hex()} recovers since {since_ms}")
    check(found == len(market.scores), "a score of nobody")


def _check_meetings(market: Market) -> None:
    for pair, row in get_rows(market.meetings, "day"):
        times_ms = row.times_ms
        is_short = 1 <= len(times_ms) <= limits.MEETINGS
        check(is_short and list(times_ms) == sorted(times_ms), f"meetings {times_ms}")
        check(pair[0] <= pair[1], "meetings of a pair in the wrong order")


def _check_ratings(market: Market) -> None:
    """Only settled work is rated, and by nobody but its parties."""
    sides: tuple[Side, ...] = ("provider", "requester")
    found = 0
    for assignment, row in get_rows(market.assignments, "provider"):
        given = [market.ratings.get((assignment, side)) for side in sides]
        count = len(given) - given.count(None)
        check(count == 0 or row.end == "SETTLED", f"{assignment.hex()} is rated, not settled")
        found += count
    check(found == len(market.ratings), "a rating of nothing")


def _check_trades(market: Market) -> None:
    """Every trade that is kept stands in the candle of its hour."""
    counts: dict[tuple[str, int], int] = {}
    for _, row in get_rows(market.trades, "time"):
        check(min(row.ask, row.units) > 0, "a trade of nothing")
        check(row.groups[0] <= row.groups[1], "a trade of a pair in the wrong order")
        hour = (row.kind, row.time_ms // limits.HOUR_MS)
        counts[hour] = counts.get(hour, 0) + 1
    for hour, count in counts.items():
        candle = market.candles.get(hour)
        check(candle is not None and candle.count >= count, f"candle of {hour}")


def _is_complete(table: Table[Any], name: str) -> bool:
    return len(table.index(name)) == len(table)
