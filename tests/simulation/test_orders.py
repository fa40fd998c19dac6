"""A small history delivered in every order there is: always the same root, heads and verdicts.

Feeds arrive in their own order, as on every link; everything else may be shuffled, checkpoints
and the entries that they include too.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

import pytest

from synaptic_crdt.node.node import Market
from synaptic_crdt.rules.verdicts import Verdict
from synaptic_crdt.state.feeds import Piece
from synaptic_crdt.sync.gate import Gate, KeepNothing
from tests.simulation.agreement import find_differences
from tests.simulation.scenario import HOUR_MS, MINUTE_MS, SECOND_MS, Peer, Scenario, get_verdicts

Delivery = Piece | bytes


def interleave(tracks: Sequence[Sequence[Delivery]]) -> Iterator[list[Delivery]]:
    """Yield every order of all deliveries that keeps the order within each track."""
    rest = [track for track in tracks if track]
    if not rest:
        yield []
    for index, (first, *later) in enumerate(rest):
        for order in interleave([*rest[:index], later, *rest[index + 1 :]]):
            yield [first, *order]


class History:
    """What everybody knows, and the tracks of what then comes in any order."""

    def __init__(self, scenario: Scenario) -> None:
        scenario.sync()
        self.scenario: Final = scenario
        self._known: Final = [list(peer.written) for peer in scenario.peers]
        self._statements: Final = list(scenario.founder.statements)

    def get_tracks(self) -> list[list[Delivery]]:
        """Return what was written since, by feed, and the statements."""
        pieces: list[list[Delivery]] = [
            list(peer.written[len(known) :])
            for peer, known in zip(self.scenario.peers, self._known, strict=True)
        ]
        return [*pieces, list(self.scenario.founder.statements[len(self._statements) :])]

    def deliver(self, order: Sequence[Delivery]) -> Market:
        """Return a market that heard of everything in this order."""
        market = Market(self.scenario.genesis_bytes)
        gate = market.make_gate(KeepNothing())
        # The founder invited all others, so its feed comes first.
        for known in self._known:
            gate.admit_pieces(known)
        gate.admit_statements(self._statements)
        for delivery in order:
            give(gate, delivery)
            # What is read in between folds in between.
            market.replica.machine.fold()
        return market


def give(gate: Gate, delivery: Delivery) -> None:
    if isinstance(delivery, Piece):
        gate.admit_piece(delivery)
    else:
        gate.admit_statement(delivery)


def check_every_order(history: History, expected: int) -> Market:
    """Deliver in every order, and return the one result there is."""
    results: dict[object, Market] = {}
    count = 0
    for order in interleave(history.get_tracks()):
        market = history.deliver(order)
        verdicts = tuple(get_verdicts(market))
        assert not market.replica.divergences
        results[market.replica.root, market.replica.compute_digest(), verdicts] = market
        count += 1
    assert count == expected
    (market,) = results.values()
    assert find_differences(market) == []
    return market


def get_verdict(market: Market, peer: Peer, back: int = 1) -> Verdict:
    """Return the verdict of a peer's newest entry, or of one further back."""
    entry = market.replica.get_feed(peer.id).entries[-back]
    outcome = market.replica.machine.get_outcome(entry.id)
    assert outcome is not None
    return Verdict(outcome.verdict)


def test_three_acceptances_and_a_late_one_in_every_order() -> None:
    scenario = Scenario(fund=10_000)
    requester = scenario.add(1_000)
    providers = [scenario.add(50) for _ in range(4)]
    task = requester.post(bond=10)
    history = History(scenario)
    first, second, third, late = providers
    # Nobody sees anybody: the earliest timestamp wins, whoever tells first.
    late.accept(task, at_ms=scenario.wall_ms + 1)
    second.accept(task, at_ms=scenario.wall_ms + 3)
    first.accept(task, at_ms=scenario.wall_ms + 2)
    third.accept(task, at_ms=scenario.wall_ms + 2)
    scenario.wait(SECOND_MS)
    for peer in (first, second, third):
        scenario.founder.pull(peer)
    scenario.founder.checkpoint()
    # Track lengths 1, 1, 1, 1 and 1 for the checkpoint.
    market = check_every_order(history, 120)
    # Two have the same timestamp: a hash decides, and it is the same on every peer.
    verdicts = [get_verdict(market, peer) for peer in providers]
    assert sorted(verdicts) == [Verdict.APPLIED, *[Verdict.NO_FREE_SEAT] * 3]
    assert verdicts[1] is Verdict.NO_FREE_SEAT
    # The earliest of all came after the checkpoint: its place is behind it.
    assert verdicts[3] is Verdict.NO_FREE_SEAT


@pytest.mark.untraced
def test_overspending_transfers_in_every_order() -> None:
    scenario = Scenario(fund=10_000)
    first, second, third = (scenario.add(1_000) for _ in range(3))
    history = History(scenario)
    send = partial(Peer.transfer, amount=1_200)
    at = scenario.wall_ms
    # Each of the last two can pay only if who pays it has paid before.
    first.transfer(second, 600, at_ms=at + 10)
    send(second, third, at_ms=at + 20)
    send(third, first, at_ms=at + 15)
    send(third, first, at_ms=at + 30)
    first.transfer(second, 700, at_ms=at + 25)
    scenario.wait(MINUTE_MS)
    scenario.founder.pull(first, pieces=1)
    scenario.founder.pull(third)
    scenario.founder.checkpoint()
    scenario.wait(MINUTE_MS)
    scenario.sync()
    scenario.founder.checkpoint()
    market = check_every_order(history, 630)
    balances = [market.contract.market.get_available(peer.id) for peer in (first, second, third)]
    assert sum(balances) == 3_000
    assert min(balances) >= 0


@pytest.mark.untraced
def test_two_seats_their_deadlines_and_a_cancellation_in_every_order() -> None:
    scenario = Scenario(fund=10_000)
    requester = scenario.add(1_000)
    one, other = scenario.add(50), scenario.add(50)
    task = requester.post(units=(1, 2), providers_min=2, bond=5, window_ms=HOUR_MS)
    history = History(scenario)
    at = scenario.wall_ms
    taken = one.accept(task, at_ms=at + MINUTE_MS)
    one.write_fields(["task.decline", taken.entry.id, "busy"], at_ms=at + 2 * MINUTE_MS)
    other.accept(task, at_ms=at + 3 * MINUTE_MS)
    # Stamped after the window's end: by then the seats are gone.
    other.accept(task, at_ms=at + 2 * HOUR_MS)
    requester.cancel(task)
    scenario.wait(3 * HOUR_MS)
    scenario.sync()
    scenario.founder.checkpoint()
    market = check_every_order(history, 180)
    assert market.contract.market.get_money().held == 0
