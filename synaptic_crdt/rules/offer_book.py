"""The book: standing offers by ask, tasks with open seats by price, and what offers have left.

Guarantees that reading it is bounded whatever its size: a look at one side sees at most the first
``limits.LOOKS`` of the other. An offer whose owner cannot keep it now leaves the book until it is
renewed, so that no dead offers stand before those that live; an offer that has nothing left is
back as soon as something it gave is returned.

Does not decide who gets what: that is ``matching``.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Final

from msgspec.structs import replace

from synaptic_crdt.rules import limits
from synaptic_crdt.rules.market import ONLY, Market
from synaptic_crdt.rules.offer_rows import OfferRow, TurnRow
from synaptic_crdt.rules.rows import SeatRow, TaskRow

ABSENT: Final = "absent"

Place = tuple[str, str, int, int]


def compute_place(task: TaskRow) -> Place:
    """Return where the open seats of a task stand in the book: the best price first, then age."""
    return task.auction, task.kind, -task.price_max, task.number


def list_offers(market: Market, kind: str) -> list[tuple[int, bytes]]:
    """Return (ask, offer) of the first standing offers of a kind, the cheapest first."""
    found = market.offers.index("book").ascend((kind,), (kind + "\0",))
    return [(ask, key) for (_, ask, _), key in islice(found, limits.LOOKS)]  # type: ignore[misc]


def list_tasks(market: Market, auction: str, kind: str, ask: int) -> list[bytes]:
    """Return the first tasks of a kind with open seats that pay the ask, the best paid first."""
    index, tasks = market.seats.index("book"), list[bytes]()
    after: tuple[str | int, ...] = (auction, kind)
    high = (auction, kind, 1 - ask)
    while len(tasks) < limits.LOOKS:
        first = next(index.ascend(after, high), None)
        if first is None:
            break
        place, seat_id = first
        assert isinstance(seat_id, bytes)
        tasks.append(seat_id[:-1])
        # Past all other seats of the same task.
        after = (*place[:-1], place[-1] + 1)
    return tasks


def list_free_seats(market: Market, task: TaskRow) -> Iterator[tuple[bytes, SeatRow]]:
    """Yield the open seats of a task, by number."""
    place = compute_place(task)
    after = (*place[:-1], place[-1] + 1)
    for _, seat_id in market.seats.index("book").ascend(place, after):
        seat = market.seats.get(seat_id)
        assert isinstance(seat_id, bytes)
        assert seat is not None, seat_id
        yield seat_id, seat


def take_turn(market: Market) -> int:
    """Return the next turn; none is ever given out twice."""
    row = market.turns.get(ONLY)
    turn = 1 if row is None else row.count + 1
    market.turns.set(ONLY, TurnRow(turn))
    return turn


def rest(market: Market, offer_id: bytes, reason: str) -> None:
    """Take an offer out of the book until it is renewed."""
    offer = get_offer(market, offer_id)
    market.offers.set(offer_id, replace(offer, rest=reason))


def take_units(market: Market, offer_id: bytes, units: int) -> None:
    """Count units of an offer as taken."""
    offer = get_offer(market, offer_id)
    assert units <= offer.left, (units, offer.left)
    market.offers.set(offer_id, replace(offer, left=offer.left - units))


def give_back(market: Market, offer_id: bytes, units: int) -> None:
    """Return units to an offer: they came to nothing. Since a renewal it may have all it gives."""
    offer = get_offer(market, offer_id)
    left = min(offer.units, offer.left + units)
    if left != offer.left:
        market.offers.set(offer_id, replace(offer, left=left))


def get_offer(market: Market, offer_id: bytes) -> OfferRow:
    """Return an offer that exists."""
    offer = market.offers.get(offer_id)
    assert offer is not None, offer_id
    return offer
