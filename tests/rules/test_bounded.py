"""What a match costs does not depend on how many offers and tasks there are."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from msgspec.structs import replace

from synaptic_crdt.rules.limits import LOOKS, SEATS
from synaptic_crdt.rules.rows import PresenceRow
from synaptic_crdt.state.contract import APPLIED
from tests.rules.conftest import Stage, make_task
from tests.rules.offering import make_offer

MANY = 10_000


def count_calls(act: Callable[[], object]) -> int:
    """Count every call that an act makes, of functions written in Python and of built-in ones."""
    calls = 0

    def note(frame: FrameType, event: str, arg: Any) -> None:  # noqa: ANN401 - the profiler's signature
        nonlocal calls
        del frame, arg
        calls += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        act()
    finally:
        sys.setprofile(None)
    return calls


def make_stage() -> Stage:
    stage = Stage(funds=100_000)
    stage.join("ana")
    return stage


def add_offers(stage: Stage, count: int) -> None:
    """Offers that are alive, first in the book, and fit nothing."""
    offer = stage.did("ana", make_offer(ask=1, response_ms=30 * 86_400_000))
    row = stage.market.offers.get(offer)
    assert row is not None
    for number in range(count):
        account = number.to_bytes(32, "big")
        stage.market.presence.set(account, PresenceRow(10**9, 1))
        key = (10**6 + number).to_bytes(32, "big")
        stage.market.offers.set(key, replace(row, account=account, turn=10 + number))


def add_tasks(stage: Stage, count: int) -> None:
    """Tasks that are open, first in the book, and that nobody is able to do."""
    task = stage.did("founder", make_task(price=200, capabilities=("flying",)))
    row, seat = stage.market.tasks.get(task), stage.market.seats.get(task + b"\0")
    assert row is not None
    assert seat is not None
    for number in range(count):
        key = (10**6 + number).to_bytes(32, "big")
        place = (*seat.place[:-1], 10 + number)
        stage.market.tasks.set(key, replace(row, number=10 + number))
        stage.market.seats.set(key + b"\0", replace(seat, task=key, place=place))


def apply(stage: Stage, name: str, operation: Any) -> Callable[[], object]:  # noqa: ANN401 - an operation
    """Fold one entry, without the checks of the stage, which look at everything."""
    entry = name.encode().ljust(32, b".")
    return lambda: stage.contract.apply(stage.now, stage.key(name), 99, entry, operation)


def measure(fill: Callable[[Stage, int], None], count: int, name: str, operation: Any) -> int:  # noqa: ANN401 - an operation
    stage = make_stage()
    fill(stage, count)
    calls = count_calls(apply(stage, name, operation))
    assert len(stage.market.assignments) == 0
    return calls


@pytest.mark.parametrize(
    ("fill", "name", "operation"),
    [
        (add_offers, "founder", make_task(price=10)),
        (add_offers, "founder", make_task(units=(1,) * 64, price=10)),
        (add_tasks, "ana", make_offer()),
        (add_offers, "ana", make_offer()),
    ],
)
def test_the_cost_of_a_match_is_bounded(
    fill: Callable[[Stage, int], None],
    name: str,
    operation: Any,  # noqa: ANN401 - an operation
) -> None:
    some = measure(fill, 2 * LOOKS, name, operation)
    many = measure(fill, MANY, name, operation)
    # Finding a place among more rows takes a step or two more.
    assert many <= some + some // 10 + 10


def test_seats_of_a_task_that_are_not_taken_cost_nothing() -> None:
    costs: list[int] = []
    for seats in (1, SEATS):
        stage = make_stage()
        # Everything fits but the price that a newcomer is given: the last rung but one.
        post = make_task(units=(1,) * seats, price=20, price_low=1)
        for number in range(LOOKS):
            entry = (10**6 + number).to_bytes(32, "big")
            verdict = stage.contract.apply(stage.now, stage.key("founder"), 99, entry, post)
            assert verdict == APPLIED
        costs.append(count_calls(apply(stage, "ana", make_offer(ask=15))))
        assert len(stage.market.assignments) == 0
    assert costs[1] <= costs[0] + costs[0] // 10 + 10


@pytest.mark.parametrize(("others", "is_seen"), [(LOOKS - 2, True), (LOOKS - 1, False)])
def test_only_the_first_are_asked(others: int, *, is_seen: bool) -> None:
    """Behind enough offers that are kept alive and fit nothing, another waits."""
    stage = make_stage()
    stage.join("bea")
    add_offers(stage, others)
    bea = stage.key("bea")
    stage.market.presence.set(bea, PresenceRow(10**9, 1))
    apply(stage, "bea", make_offer(ask=2))()
    apply(stage, "founder", make_task(price=10))()
    assert len(stage.market.assignments) == is_seen
