"""What must be true of offers and of the book; see ``invariants``."""

from collections import Counter

from synaptic_crdt.rules import limits
from synaptic_crdt.rules.invariant import check, check_numbers, get_all_seats
from synaptic_crdt.rules.market import ONLY, Market, get_rows
from synaptic_crdt.rules.offer_book import compute_place
from synaptic_crdt.rules.offer_rows import is_booked


def check_book(market: Market) -> None:
    """Offers are within their limits, and every index shows what belongs in it, at its place."""
    check_numbers(market.offers)
    _check_offers(market)
    _check_numbers_of_offers(market)
    _check_seats(market)
    _check_watched(market)


def get_living(market: Market) -> list[bytes]:
    """Return what has a deadline: open offers, and tasks that have not opened to all."""
    living = [key for key, row in get_rows(market.offers, "number") if row.state == "OPEN"]
    tasks = get_rows(market.tasks, "number")
    return living + [key for key, row in tasks if market.timers.get(key) == row.opens_ms]


def _check_offers(market: Market) -> None:
    turns = market.turns.get(ONLY)
    given = 0 if turns is None else turns.count
    seen: set[int] = set()
    for key, row in get_rows(market.offers, "number"):
        check(0 <= row.left <= row.units, f"offer {key.hex()} has {row.left} of {row.units} left")
        check(
            row.state != "OPEN" or market.timers.get(key) == row.expiry_ms,
            f"offer {key.hex()} does not end when it says",
        )
        check(
            0 < row.turn <= given and row.turn not in seen,
            f"offer {key.hex()} has turn {row.turn}, of {given}",
        )
        seen.add(row.turn)
    rows = [row for _, row in get_rows(market.offers, "number")]
    is_open = [row.state == "OPEN" for row in rows]
    for index, shown in (
        ("account", is_open),
        ("kind", is_open),
        ("book", [is_booked(row) for row in rows]),
    ):
        check(len(market.offers.index(index)) == sum(shown), f"offers by {index}")


def _check_numbers_of_offers(market: Market) -> None:
    open_offers = [row for _, row in get_rows(market.offers, "number") if row.state == "OPEN"]
    by_account = Counter(row.account for row in open_offers)
    of_a_kind = Counter((row.account, row.kind) for row in open_offers)
    check(max(by_account.values(), default=0) <= limits.OFFERS, "too many offers of an account")
    check(
        max(of_a_kind.values(), default=0) <= limits.OFFERS_OF_A_KIND,
        "too many offers of an account and a kind",
    )


def _check_seats(market: Market) -> None:
    shown = {key: place for place, key in market.seats.index("book").ascend()}
    expected = {
        key: compute_place(task)
        for key, seat, task in get_all_seats(market)
        if seat.state == "OPEN"
    }
    check(shown == expected, "open seats in the book")


def _check_watched(market: Market) -> None:
    watched = [
        key
        for key, row in get_rows(market.assignments, "seat")
        if row.present and not row.delivered_ms and not row.end
    ]
    shown = [key for _, key in market.assignments.index("watched").ascend()]
    check(sorted(watched) == sorted(shown), "work that asks for presence")
