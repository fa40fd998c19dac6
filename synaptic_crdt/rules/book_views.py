"""The order book, for people and other programs: read-only, ready for JSON.

As in ``views``: nothing here decides anything. Times are in ms of market time.
"""

from collections.abc import Iterator

from synaptic_crdt.rules.auctions.table import compute_limit
from synaptic_crdt.rules.explain import SENTENCES
from synaptic_crdt.rules.market import Market, get_rows
from synaptic_crdt.rules.offer_book import ABSENT
from synaptic_crdt.rules.offer_rows import OfferRow, is_booked
from synaptic_crdt.rules.presence import is_present
from synaptic_crdt.rules.rows import SeatRow, TaskRow
from synaptic_crdt.rules.seats.seat import get_seats
from synaptic_crdt.rules.verdicts import Verdict
from synaptic_crdt.rules.views import View

# Whom a limit is shown for: somebody without a past.
_NEWCOMER = b""


def view_book(market: Market, now: int, kind: str | None = None) -> View:
    """Open auctions and open offers, by kind: the best price and the lowest ask come first."""
    kinds = [row.slug for row in market.get_parameters().kinds if kind in {None, row.slug}]
    return {"kinds": [_view_kind(market, each, now) for each in kinds]}


def view_offers(market: Market, account: bytes, now: int) -> list[View]:
    """All offers of an account, those that have ended too, in the order of their posting."""
    rows = get_rows(market.offers, "number")
    return [_view_offer(market, key, row, now) for key, row in rows if row.account == account]


def view_offer(market: Market, offer_id: bytes, now: int) -> View | None:
    """One offer, or None."""
    row = market.offers.get(offer_id)
    return None if row is None else _view_offer(market, offer_id, row, now)


def _view_kind(market: Market, kind: str, now: int) -> View:
    auctions = [
        _view_auction(market, key, task, seats, now)
        for key, task, seats in _get_open_tasks(market, kind)
    ]
    offers = [_view_offer(market, key, row, now) for key, row in _get_open_offers(market, kind)]
    return {
        "kind": kind,
        "auctions": auctions,
        "offers": offers,
        "units_asked": sum(view["units"] for view in auctions),
        "units_offered": sum(view["left"] for view in offers if view["status"] == "standing"),
        "best_price": max((view["price_max"] for view in auctions), default=None),
        "lowest_ask": min((view["ask"] for view in offers), default=None),
    }


def _get_open_tasks(market: Market, kind: str) -> Iterator[tuple[bytes, TaskRow, list[SeatRow]]]:
    """Yield tasks with their open seats, the best paid first."""
    found: dict[bytes, list[SeatRow]] = {}
    for auction in ("first-accept", "dutch"):
        bounds = ((auction, kind), (auction, kind + "\0"))
        for _, key in market.seats.index("book").ascend(*bounds):
            seat = market.seats.get(key)
            assert seat is not None
            found.setdefault(seat.task, []).append(seat)
    tasks = [(key, market.tasks.get(key), seats) for key, seats in found.items()]
    known = [(key, task, seats) for key, task, seats in tasks if task is not None]
    yield from sorted(known, key=lambda item: (-item[1].price_max, item[1].number))


def _get_open_offers(market: Market, kind: str) -> Iterator[tuple[bytes, OfferRow]]:
    for _, key in market.offers.index("kind").ascend((kind,), (kind + "\0",)):
        row = market.offers.get(key)
        assert row is not None
        assert isinstance(key, bytes)
        yield key, row


def _view_auction(
    market: Market, task_id: bytes, task: TaskRow, seats: list[SeatRow], now: int
) -> View:
    return {
        "task": task_id.hex(),
        "kind": task.kind,
        "title": task.title,
        "auction": task.auction,
        "requester": task.requester.hex(),
        "price_low": task.price_low,
        "price": task.price,
        "price_max": task.price_max,
        "limit": compute_limit(market, task, seats[0], _NEWCOMER, now),
        "seats": len(get_seats(market, task_id, task)),
        "free": len(seats),
        "units": sum(seat.shard.units for seat in seats),
        "capabilities": list(task.capabilities),
        "reputation_min": task.reputation_min,
        "bond": task.bond,
        "opens_ms": task.opens_ms,
        "closes_ms": min(seat.opened_ms for seat in seats) + task.window_ms,
    }


def _view_offer(market: Market, offer_id: bytes, row: OfferRow, now: int) -> View:
    return {
        "offer": offer_id.hex(),
        "kind": row.kind,
        "provider": row.account.hex(),
        "capabilities": list(row.capabilities),
        "ask": row.ask,
        "units": row.units,
        "left": row.left,
        "turn": row.turn,
        "status": _tell_status(row),
        "reason": row.rest,
        "explanation": _explain_rest(row.rest),
        "present": is_present(market, row.account, now),
        "posted_ms": row.posted_ms,
        "expiry_ms": row.expiry_ms,
        "terms": {
            "response_ms": row.terms.response_ms,
            "execution_ms": row.terms.execution_ms,
            "uptime_ppm": row.terms.uptime_ppm,
            "penalty": row.terms.penalty,
            "bond": row.terms.bond,
            "privacies": list(row.terms.privacies),
            "requester_min": row.terms.requester_min,
            "arbiters": [account.hex() for account in row.terms.arbiters],
            "evaluators": [account.hex() for account in row.terms.evaluators],
            "signers": [account.hex() for account in row.terms.signers],
        },
    }


def _tell_status(row: OfferRow) -> str:
    """Say in one word what may come of an offer."""
    if row.state != "OPEN":
        return row.state.lower()
    if not row.is_standing:
        return "listed"
    if is_booked(row):
        return "standing"
    return "resting" if row.rest else "used up"


def _explain_rest(rest: str) -> str:
    """Say why an offer is not matched until it is renewed."""
    if not rest:
        return ""
    if rest == ABSENT:
        return "its owner showed no presence when a task came: renew it"
    return f"{SENTENCES[Verdict[rest]][0]}: mend that and renew it"
