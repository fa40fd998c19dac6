"""Known behaviours of scores and prices, each under its number, between real peers."""

import pytest

from synaptic_crdt.rules.operations import Feedback
from synaptic_crdt.rules.score_views import view_candles, view_prices, view_reputation
from synaptic_crdt.rules.verdicts import Verdict
from synaptic_crdt.state.machine import Outcome
from tests.simulation.scenario import MINUTE_MS, Peer, Scenario, make_post

KIND = make_post().kind


@pytest.fixture
def scenario() -> Scenario:
    return Scenario(fund=10_000)


def see(peer: Peer, account: bytes) -> tuple[int, int, str]:
    """Return both scores and the tier of an account, as a peer sees them."""
    view = view_reputation(peer.market.contract.market, account, peer.replica.machine.now)
    return view["provider_score"], view["requester_score"], view["tier"]


def trade(scenario: Scenario, requester: Peer, provider: Peer, price: int = 100) -> Outcome:
    """One piece of work from its posting to its payment; return its acceptance."""
    task = requester.post(price=price)
    provider.pull(requester)
    won = provider.accept(task, price)
    scenario.settle()
    provider.start(won)
    delivery = provider.deliver(won, b"done")
    requester.pull(provider)
    requester.approve(delivery)
    scenario.settle()
    assert won.verdict == Verdict.APPLIED
    return won


def test_r1_a_new_account_has_no_scores_and_is_given_nothing(scenario: Scenario) -> None:
    peer = scenario.add()
    scenario.settle()
    assert see(scenario.founder, peer.account) == (0, 0, "New")
    assert peer.get_available() == 0


def test_r2_one_settled_task_and_an_early_start(scenario: Scenario) -> None:
    requester, provider = scenario.add(1_000), scenario.add()
    scenario.settle()
    trade(scenario, requester, provider)
    for peer in scenario.peers:
        assert see(peer, provider.account) == (12, 0, "New")
        assert see(peer, requester.account) == (0, 2, "New")


def test_r2_a_slow_start_is_worth_no_more_than_the_work(scenario: Scenario) -> None:
    requester, provider = scenario.add(1_000), scenario.add()
    scenario.settle()
    task = requester.post(price=100)
    provider.pull(requester)
    won = provider.accept(task)
    scenario.settle()
    scenario.wait(make_post().service.response_ms // 2 + MINUTE_MS // 60)
    provider.start(won)
    delivery = provider.deliver(won, b"done")
    requester.pull(provider)
    requester.approve(delivery)
    scenario.settle()
    assert see(requester, provider.account) == (10, 0, "New")


def test_r3_the_same_praise_twice_counts_once(scenario: Scenario) -> None:
    requester, provider = scenario.add(1_000), scenario.add()
    scenario.settle()
    won = trade(scenario, requester, provider)
    praise = Feedback(won.entry.id, 5, "quick")
    assert requester.write(praise).verdict == Verdict.APPLIED
    again = requester.write(praise)
    assert again.verdict == Verdict.FEEDBACK_GIVEN
    scenario.settle()
    assert see(provider, provider.account) == (17, 0, "New")
    scenario.check_converged()


def test_r4_praise_without_settled_work_between_the_two_is_refused(scenario: Scenario) -> None:
    requester, provider, friend = scenario.add(1_000), scenario.add(), scenario.add()
    scenario.settle()
    task = requester.post(price=100)
    provider.pull(requester)
    won = provider.accept(task)
    scenario.sync()
    praise = Feedback(won.entry.id, 5, "")
    assert requester.write(praise).verdict == Verdict.NOT_SETTLED
    assert friend.write(praise).verdict == Verdict.NOT_A_PARTY
    assert friend.write(Feedback(bytes(32), 5, "")).verdict == Verdict.ASSIGNMENT_UNKNOWN
    scenario.settle()
    assert see(friend, provider.account) == (0, 0, "New")


def test_r5_points_and_weight_of_two_that_trade_fifty_times_fade(scenario: Scenario) -> None:
    one, other = scenario.add(5_000), scenario.add()
    honest = [(scenario.add(1_000), scenario.add()) for _ in range(3)]
    scenario.settle()
    for requester, provider in honest:
        trade(scenario, requester, provider, price=50)
    for _ in range(50):
        trade(scenario, one, other, price=90)
    assert see(scenario.founder, other.account) == (12 + 6 + 2 + 1, 0, "New")
    assert see(scenario.founder, one.account) == (0, 2 + 1, "New")
    machine = scenario.founder.replica.machine
    view = view_prices(scenario.founder.market.contract.market, KIND, machine.now)
    assert (view["count"], view["pairs"]) == (53, 4)
    # (3 x 50 + 50 x 90) / 53, and one voice of four.
    assert (view["vwap_milli"], view["organic_milli"]) == (87_736, 60_000)
    assert view["note"] == "few traders"
    scenario.check_converged()


def test_p1_without_trades_there_is_no_price(scenario: Scenario) -> None:
    requester = scenario.add(1_000)
    requester.post(price=100)
    scenario.settle()
    market, now = requester.market.contract.market, requester.replica.machine.now
    view = view_prices(market, KIND, now)
    assert (view["count"], view["vwap_milli"], view["organic_milli"]) == (0, None, None)
    assert view["note"] == "no trades"
    assert view_candles(market, KIND, now) == []
