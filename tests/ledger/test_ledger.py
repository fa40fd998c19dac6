"""The second ledger, held against figures that were worked out by hand and published ones.

So that it is more than an echo of the contract: what it says is right by itself.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from synaptic_crdt.state.codec import encode
from synaptic_crdt.state.hashes import compute_hash
from tests.ledger.document import EpochEnd, Placed, arrange
from tests.ledger.form import POST, check_form
from tests.ledger.ledger import Ledger
from tests.ledger.money import TREASURY, Money
from tests.ledger.scores import Scores
from tests.ledger.seats import Assignment, Terms, Work
from tests.ledger.words import No

MARKET = b"m" * 32
ONE, OTHER, REQUESTER, PROVIDER = (letter * 32 for letter in (b"1", b"2", b"r", b"p"))
MINUTE = 60_000
LIFE = Path(__file__).parents[1] / "vectors" / "market-life.json"


def write(*times: int) -> list[bytes]:
    return [encode([time << 16, ["account.update", "name"]]) for time in times]


def test_entries_take_their_place_by_epoch_then_time() -> None:
    feeds = {ONE: write(5, 30, 40), OTHER: write(1, 20)}
    happening = arrange(MARKET, 3, feeds, [(10, {ONE: 1}), (25, {OTHER: 1})])
    places = [(e.device, e.position, e.epoch, e.now) for e in happening if isinstance(e, Placed)]
    assert places == [
        (ONE, 1, 1, 5),
        # Stamped before all others, but only the second checkpoint includes it.
        (OTHER, 1, 2, 10),
        # In no checkpoint: not before the last one's time.
        (OTHER, 2, 0, 25),
        (ONE, 2, 0, 30),
        (ONE, 3, 0, 40),
    ]
    ends = [(index, e.now) for index, e in enumerate(happening) if isinstance(e, EpochEnd)]
    assert ends == [(1, 10), (3, 25)]


def test_equal_timestamps_are_ordered_by_a_hash() -> None:
    (first, second) = arrange(MARKET, 0, {ONE: write(7), OTHER: write(7)}, [])
    assert isinstance(first, Placed)
    assert isinstance(second, Placed)
    ties = [compute_hash("tie", (7 << 16).to_bytes(8, "big"), e.device) for e in (first, second)]
    assert ties == sorted(ties)


def make_work() -> tuple[Money, Work]:
    money = Money(1_000)
    money.free.update({REQUESTER: 0, PROVIDER: 0})
    money.move(TREASURY, REQUESTER, 500)
    money.move(TREASURY, PROVIDER, 100)
    terms = Terms(contest=MINUTE, finality_wait=MINUTE, sandbox=False)
    return money, Work(money, terms, Scores(REQUESTER, is_open=False, floor=10))


def post(work: Work, fee_ppm: int = 0) -> None:
    """Three units at 100 each, a minute to respond, two to execute, 40 for each violation."""
    terms: dict[str, Any] = dict.fromkeys(POST, 0) | {
        "kind": "kind",
        "mode": "split",
        "copies": 1,
        "shards": [[3, [], None, []]],
        "privacy": "public",
        "auction": "first-accept",
        "low": 100,
        "price": 100,
        "most": 100,
        "bond": 30,
        "least": 1,
        "window": MINUTE,
        "redispatch": 1,
        "service": [MINUTE, 2 * MINUTE, 0, 40, []],
        "release": ["requester", [], 1, 0],
        "evaluator": None,
        "review": MINUTE,
        "arbiters": [],
    }
    work.post(ONE, REQUESTER, list(terms.values()), now=0, fee_ppm=fee_ppm)


def test_a_late_delivery_is_paid_less_the_penalty_and_the_fee() -> None:
    money, work = make_work()
    post(work, fee_ppm=100_000)
    assert money.free[REQUESTER] == 200
    task = work.tasks[ONE]
    (seat,) = task.seats
    work.accept(task, seat, Assignment(OTHER, seat, PROVIDER, ask=80), now=1)
    assert money.free[PROVIDER] == 70
    work.close_epoch(now=10)
    work.start(task, seat, now=10 + MINUTE)
    # In time to the millisecond, then late by one.
    work.deliver(task, seat, ONE, now=10 + 3 * MINUTE + 1)
    work.settle(task, seat, now=10 + 4 * MINUTE)
    # 3 x 80 is 240, less 40 is 200, a tenth of it the fee; 300 were locked.
    assert money.free == {TREASURY: 420, REQUESTER: 300, PROVIDER: 280}
    assert money.holds == {}
    # Ten for the work, less five for being late; nothing for having started early.
    assert work.scores.get_score(PROVIDER, "provider", 5 * MINUTE) == 5
    assert work.scores.get_score(REQUESTER, "requester", 5 * MINUTE) == 2
    assert work.scores.count_ends() == {(PROVIDER, "kind"): (1, 0)}
    assert [(trade.ask, trade.units) for trade in work.scores.get_recent(5 * MINUTE)] == [(80, 3)]
    assert work.scores.draw_candles(5 * MINUTE) == {("kind", 0): [1, 3, 240, 80, 80, 80, 80]}


def test_silence_after_starting_costs_the_bond_and_failing_half_of_it() -> None:
    for fails, bond_left in ((False, 0), (True, 15)):
        money, work = make_work()
        post(work)
        task = work.tasks[ONE]
        (seat,) = task.seats
        work.accept(task, seat, Assignment(OTHER, seat, PROVIDER, ask=80), now=1)
        work.close_epoch(now=1)
        work.start(task, seat, now=2)
        if fails:
            work.fail(task, seat, now=3)
        else:
            # The hard limit of two minutes is ten minutes more.
            assert seat.deadline == 2 + 12 * MINUTE
            work.pass_waiting(task, seat, now=seat.deadline)
        assert seat.state == "OPEN"
        assert money.free[PROVIDER] == 70 + bond_left
        assert money.free[REQUESTER] == 200 + 30 - bond_left
        assert work.scores.get_score(PROVIDER, "provider", 15 * MINUTE) == (-5 if fails else -20)


def test_money_that_does_not_add_up_is_noticed() -> None:
    money, _ = make_work()
    with pytest.raises(AssertionError):
        money.move(PROVIDER, REQUESTER, 101)
    money, _ = make_work()
    money.lock(PROVIDER, ONE, "bond", 10)
    with pytest.raises(AssertionError, match="more than was locked"):
        money.unlock(ONE, "bond", {REQUESTER: 11})


@pytest.mark.parametrize("tag", ["", "task.dance", "Consent"])
def test_unknown_operations_are_refused(tag: str) -> None:
    with pytest.raises(No, match="UNKNOWN_OPERATION"):
        check_form([tag])


def test_the_published_life_of_a_market_is_what_the_ledger_computes() -> None:
    life: dict[str, Any] = json.loads(LIFE.read_text("utf-8"))
    feeds: dict[bytes, list[bytes]] = {}
    included: dict[bytes, int] = {}
    closings: list[tuple[int, dict[bytes, int]]] = []
    for step in life["steps"]:
        if "device" in step:
            bodies = [bytes.fromhex(body) for body in step["bodies"]]
            feeds.setdefault(bytes.fromhex(step["device"]), []).extend(bodies)
        else:
            # In that history every checkpoint includes all there is.
            positions = {device: len(bodies) for device, bodies in feeds.items()}
            moved = {key: place for key, place in positions.items() if place != included.get(key)}
            closings.append((step["now"], moved))
            included |= positions
    ledger = Ledger(bytes.fromhex(life["genesis"]), feeds, closings)
    free = {key.hex(): amount for key, amount in ledger.money.free.items() if key != TREASURY}
    assert ledger.money.free[TREASURY] == life["treasury"]
    assert free == life["balances"]
    seats = {key.hex(): [state, end] for key, (state, end, _) in ledger.get_seats().items()}
    assert seats == life["seats"]
    order = life["id, epoch, effective time, verdict in order"]
    assert [name.hex() for name in ledger.verdicts] == [name for name, *_ in order]
    applied = [verdict == 0 for _, _, _, verdict in order]
    assert [reason == "APPLIED" for reason in ledger.verdicts.values()] == applied
