"""A breach of every invariant is seen: each test does what no rule would."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from synaptic_crdt.rules.invariants import check_market, check_totals
from synaptic_crdt.rules.market import ONLY, Market
from synaptic_crdt.rules.rows import BalanceRow, HoldRow, MoneyRow, ProviderRow
from synaptic_crdt.rules.seats.seat import get_seat, get_seat_id
from synaptic_crdt.rules.task_operations import TaskAccept
from tests.rules.conftest import Stage, make_key, make_task

FOUNDER, ANA = make_key("founder").public, make_key("ana").public
TASK = (6).to_bytes(32, "big")
SEAT = get_seat_id(TASK, 0)


@pytest.fixture
def busy(stage: Stage) -> Stage:
    stage.join("ana", grant=20)
    task = stage.did("founder", make_task(bond=20, units=(1, 1)))
    assert task == TASK
    stage.did("ana", TaskAccept(task, 100, ()))
    stage.did("founder", stage.make_invite("bea", grant=5))
    return stage


def money(market: Market, treasury: int, available: int, held: int) -> None:
    row = market.get_money()
    market.money.set(
        ONLY, MoneyRow(row.treasury + treasury, row.available + available, row.held + held)
    )


def mint(market: Market) -> None:
    money(market, 1, 0, 0)


def overmint(market: Market) -> None:
    parameters = market.get_parameters()
    market.parameters.set(ONLY, replace(parameters, supply=parameters.supply + 1))
    mint(market)


def forget_change(market: Market) -> None:
    market.timers.set(b"terms", 5)


def overdraw_treasury(market: Market) -> None:
    money(market, -(10**6), 10**6, 0)


def overdraw_balances(market: Market) -> None:
    money(market, 10**6, -(10**6), 0)


def overdraw_holds(market: Market) -> None:
    money(market, 10**6, 0, -(10**6))


def create_token(market: Market) -> None:
    market.balances.set(FOUNDER, BalanceRow(market.get_available(FOUNDER) + 1))


def overdraw(market: Market) -> None:
    spare = market.get_available(FOUNDER) + 1
    market.balances.set(FOUNDER, BalanceRow(-1))
    market.balances.set(ANA, BalanceRow(market.get_available(ANA) + spare))


def lose_balance(market: Market) -> None:
    market.balances.delete(ANA)


def hold_nothing(market: Market) -> None:
    market.holds.set((SEAT, "grant"), HoldRow(FOUNDER, 0))


def lose_hold(market: Market) -> None:
    market.holds.delete((SEAT, "bond"))


def swap_holds(market: Market) -> None:
    market.holds.set((SEAT, "bond"), HoldRow(ANA, 21))
    market.holds.set((SEAT, "escrow"), HoldRow(FOUNDER, 99))


def stop_clock(market: Market) -> None:
    market.timers.clear(SEAT)


def start_clock(market: Market) -> None:
    market.timers.set(b"nobody", 5)


def cut_assignment(market: Market) -> None:
    seat = get_seat(market, SEAT)
    row = market.assignments.get(seat.assignment)
    assert row is not None
    market.assignments.set(seat.assignment, replace(row, end="VOID"))


def forget_work(market: Market) -> None:
    market.providers.set(ANA, ProviderRow(0, 0, 1))


def skip_number(market: Market) -> None:
    row = market.accounts.get(ANA)
    assert row is not None
    market.accounts.delete(ANA)
    market.accounts.set(ANA, replace(row, number=7))


def drop_from_index(market: Market) -> None:
    index = market.seats.index("pending")
    index._sorted.clear()


def drop_from_holds_index(market: Market) -> None:
    index = market.holds.index("payer")
    index._sorted.pop()


@pytest.mark.parametrize(
    ("breach", "words"),
    [
        (mint, "treasury, balances and holds are 1000001, supply is 1000000"),
        (overmint, "1 minted, allowed 0"),
        (forget_change, "a deadline has no living subject"),
        (overdraw_treasury, "treasury -"),
        (overdraw_balances, "balances -"),
        (overdraw_holds, "holds -"),
        (create_token, "balances do not add up"),
        (overdraw, "a balance below nothing"),
        (lose_balance, "an account without a balance"),
        (hold_nothing, "a hold of nothing"),
        (lose_hold, "holds do not add up"),
        (swap_holds, "are not"),
        (stop_clock, "has no deadline"),
        (start_clock, "a deadline has no living subject"),
        (cut_assignment, "held by no living assignment"),
        (forget_work, "owes 1, not 0"),
        (skip_number, "numbers of accounts"),
        (drop_from_index, "pending seats"),
        (drop_from_holds_index, "holds by payer"),
    ],
)
def test_breach_is_seen(busy: Stage, breach: Callable[[Market], None], words: str) -> None:
    check_market(busy.market)
    breach(busy.market)
    with pytest.raises(AssertionError, match=words):
        check_market(busy.market)


def test_totals_alone_see_what_was_made_of_nothing(busy: Stage) -> None:
    check_totals(busy.market)
    mint(busy.market)
    with pytest.raises(AssertionError, match="supply"):
        check_totals(busy.market)
