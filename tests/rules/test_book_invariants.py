"""A breach of what must be true of offers and the book is seen."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from synaptic_crdt.rules.invariants import check_market
from synaptic_crdt.rules.limits import HOUR_MS, MINUTE_MS
from synaptic_crdt.rules.market import ONLY, Market
from synaptic_crdt.rules.offer_rows import TurnRow
from synaptic_crdt.rules.seats.seat import change_seat, get_seat_id
from synaptic_crdt.rules.task_operations import ServiceLevel, TaskStart
from tests.rules.conftest import Stage, compute_id, make_key, make_task
from tests.rules.offering import make_offer, stand

ANA = make_key("ana").public
OFFER, TASK = compute_id(6), compute_id(7)


@pytest.fixture
def busy(stage: Stage) -> Stage:
    stage.join("ana")
    assert stand(stage, "ana") == OFFER
    assert stage.did("founder", make_task(kind="code.review")) == TASK
    watched = stage.did("founder", make_task(service=ServiceLevel(MINUTE_MS, HOUR_MS, 1, 0, ())))
    stage.close_epoch()
    seat = stage.market.seats.get(get_seat_id(watched, 0))
    assert seat is not None
    stage.did("ana", TaskStart(seat.assignment))
    return stage


def change(market: Market, **changes: Any) -> None:  # noqa: ANN401 - any field of an offer
    row = market.offers.get(OFFER)
    assert row is not None
    # What never changes in the life of an offer changes here, too.
    market.offers.delete(OFFER)
    market.offers.set(OFFER, replace(row, **changes))


def give_more(market: Market) -> None:
    change(market, left=11)


def give_less_than_nothing(market: Market) -> None:
    change(market, left=-1)


def end_later(market: Market) -> None:
    change(market, expiry_ms=5)


def jump_the_queue(market: Market) -> None:
    change(market, turn=0)


def forget_turns(market: Market) -> None:
    market.turns.delete(ONLY)


def stand_twice(market: Market) -> None:
    row = market.offers.get(OFFER)
    assert row is not None
    market.timers.set(b"other", row.expiry_ms)
    market.offers.set(b"other", replace(row, number=2))


def stand_often(market: Market, kinds: int, each: int) -> None:
    row = market.offers.get(OFFER)
    assert row is not None
    number = 1
    for kind in range(kinds):
        for _ in range(each):
            number += 1
            market.turns.set(ONLY, TurnRow(number))
            key = compute_id(100 + number)
            market.timers.set(key, row.expiry_ms)
            market.offers.set(key, replace(row, number=number, turn=number, kind=f"kind-{kind}"))


def offer_much(market: Market) -> None:
    stand_often(market, 8, 2)


def offer_much_of_a_kind(market: Market) -> None:
    stand_often(market, 1, 5)


def move_seat(market: Market) -> None:
    change_seat(market, get_seat_id(TASK, 0), place=("first-accept", "code.review", -101, 1))


def drop_from_book(market: Market) -> None:
    market.offers.index("book")._sorted.clear()


def drop_from_accounts(market: Market) -> None:
    market.offers.index("account")._sorted.clear()


def stop_watching(market: Market) -> None:
    market.assignments.index("watched")._sorted.clear()


def skip_number(market: Market) -> None:
    change(market, number=7)


@pytest.mark.parametrize(
    ("breach", "words"),
    [
        (give_more, "has 11 of 10 left"),
        (give_less_than_nothing, "has -1 of 10"),
        (end_later, "does not end when it says"),
        (jump_the_queue, "has turn 0, of 1"),
        (forget_turns, "has turn 1, of 0"),
        (stand_twice, "has turn 1, of 1"),
        (offer_much, "too many offers of an account$"),
        (offer_much_of_a_kind, "too many offers of an account and a kind"),
        (move_seat, "open seats in the book"),
        (drop_from_book, "offers by book"),
        (drop_from_accounts, "offers by account"),
        (stop_watching, "work that asks for presence"),
        (skip_number, "numbers of offers"),
    ],
)
def test_breach_is_seen(busy: Stage, breach: Callable[[Market], None], words: str) -> None:
    check_market(busy.market)
    breach(busy.market)
    with pytest.raises(AssertionError, match=words):
        check_market(busy.market)


def test_every_open_offer_has_its_end(busy: Stage) -> None:
    busy.did("ana", make_offer())
    busy.market.timers.clear(compute_id(busy.entries))
    with pytest.raises(AssertionError, match="has no deadline"):
        check_market(busy.market)
