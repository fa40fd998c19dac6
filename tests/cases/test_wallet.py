"""Known behaviours of wallets, each under its number: balances, locks, transfers."""

from itertools import pairwise
from pathlib import Path

import pytest

from synaptic_crdt.node.node import Market
from synaptic_crdt.rules.operations import TokenTransfer
from synaptic_crdt.rules.verdicts import Verdict
from synaptic_crdt.rules.views import view_wallet
from synaptic_crdt.state.loading import load_replica
from synaptic_crdt.state.outcomes import Outcome
from synaptic_crdt.state.store import Store
from tests.simulation.scenario import SECOND_MS, Peer, Scenario, make_key


@pytest.fixture
def scenario() -> Scenario:
    return Scenario(fund=10_000)


def get_wallet(peer: Peer) -> tuple[int, int]:
    """Return (available, escrow) as its owner sees them."""
    return peer.get_available(), peer.get_held().get("escrow", 0)


def explain(peer: Peer, outcome: Outcome) -> str:
    return peer.market.contract.explain(outcome.entry.id, outcome.verdict)


def test_w2_an_account_nobody_funded_has_nothing(scenario: Scenario) -> None:
    for account in (scenario.add().id, make_key(77).public):
        wallet = view_wallet(scenario.founder.market.contract.market, account)
        assert (wallet["available"], wallet["escrow"], wallet["bonded"]) == (0, 0, 0)


def test_w4_sending_more_than_there_is_is_refused_with_both_figures(scenario: Scenario) -> None:
    sender, other = scenario.add(100), scenario.add()
    scenario.sync()
    sent = sender.transfer(other, 150)
    assert sent.verdict == Verdict.BALANCE_TOO_LOW
    assert "150" in explain(sender, sent)
    assert "100" in explain(sender, sent)
    scenario.settle()
    scenario.check_converged()
    assert (sender.get_available(), other.get_available()) == (100, 0)


def test_w5_tasks_lock_and_cancelling_unlocks(scenario: Scenario) -> None:
    requester = scenario.add(1_000)
    large = requester.post(price=400)
    assert get_wallet(requester) == (600, 400)
    small = requester.post(price=200)
    assert get_wallet(requester) == (400, 600)
    requester.cancel(large)
    assert get_wallet(requester) == (800, 200)
    requester.cancel(small)
    assert get_wallet(requester) == (1_000, 0)
    scenario.settle()
    scenario.check_converged()


def test_w8_a_transfer_with_a_memo_moves_tokens_and_is_kept(scenario: Scenario) -> None:
    sender, other = scenario.add(1_000), scenario.add()
    scenario.sync()
    sent = sender.transfer(other, 250, "Payment for compute")
    scenario.settle()
    for peer in (sender, other):
        assert (peer.get_available(sender), peer.get_available(other)) == (750, 250)
        seen = peer.get_outcome(sent)
        assert seen is not None
        assert seen.entry.operation == [
            "token.transfer",
            other.id,
            250,
            b"",
            "Payment for compute",
        ]
        assert (seen.verdict, seen.epoch, seen.now) == (
            Verdict.APPLIED,
            1,
            scenario.wall_ms - SECOND_MS,
        )


def test_w10_locked_tokens_cannot_be_spent(scenario: Scenario) -> None:
    sender, other = scenario.add(100), scenario.add()
    scenario.sync()
    sender.post(price=60)
    sent = sender.transfer(other, 50)
    assert sent.verdict == Verdict.BALANCE_TOO_LOW
    assert "40" in explain(sender, sent)
    assert sender.transfer(other, 40).verdict == Verdict.APPLIED
    assert get_wallet(sender) == (0, 60)


def test_w14_close_and_open_again_is_the_same_market(scenario: Scenario, tmp_path: Path) -> None:
    requester = scenario.add(1_000)
    requester.post(price=300)
    scenario.settle()
    path = tmp_path / "market.db"
    store = Store.create(path, scenario.genesis_bytes)
    market = Market(store.genesis)
    gate = market.make_gate(store)
    for peer in scenario.peers:
        gate.admit_pieces(peer.written)
    gate.admit_statements(requester.statements)
    store.close()
    opened = Store.open(path)
    again = Market(opened.genesis)
    assert load_replica(opened, again.replica) == ()
    opened.close()
    for each in (market, again):
        wallet = view_wallet(each.contract.market, requester.id)
        assert (wallet["available"], wallet["escrow"]) == (700, 300)
        assert each.replica.root == requester.replica.root
        assert each.replica.final_epoch == 1


def test_w15_nonsense_transfers_are_each_refused_for_their_own_reason(scenario: Scenario) -> None:
    sender, other = scenario.add(1_000), scenario.add()
    scenario.sync()
    assert sender.transfer(other, 0).verdict == Verdict.AMOUNT_ZERO
    assert sender.transfer(sender, 10).verdict == Verdict.RECIPIENT_IS_SENDER
    assert sender.transfer(other, -10).verdict == Verdict.AMOUNT_OUT_OF_RANGE
    assert sender.transfer(other, 2**53).verdict == Verdict.AMOUNT_OUT_OF_RANGE
    assert sender.transfer(other, 2**53 - 1).verdict == Verdict.BALANCE_TOO_LOW
    nobody = TokenTransfer(bytes(32), 10, b"", "")
    assert sender.write(nobody).verdict == Verdict.RECIPIENT_UNKNOWN
    sender.check()
    assert sender.get_available() == 1_000


def test_w16_a_chain_of_transfers_through_a_hundred_accounts() -> None:
    scenario = Scenario(openings_per_day=100)
    founder = scenario.founder
    chain = [scenario.add_stranger() for _ in range(100)]
    for peer in chain:
        # Everybody is alone: what they write is judged where it is brought together. As many as
        # the rules let in a day come in that day.
        peer.open()
        assert founder.pull(peer)
    scenario.wait(SECOND_MS)
    for number, peer in enumerate(chain):
        founder.pay(peer, 1_000, number.to_bytes(1, "big"))
    for giver, taker in pairwise(chain):
        scenario.wait(SECOND_MS)
        giver.transfer(taker, 10)
        founder.pull(giver)
    founder.check()
    balances = [founder.get_available(peer) for peer in chain]
    assert balances == [990, *[1_000] * 98, 1_010]
