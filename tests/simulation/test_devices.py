"""Two machines of one owner, apart: every order of arrival ends the same, and a thief gets little."""

from itertools import permutations

import pytest

from synaptic_crdt.rules.verdicts import Verdict
from tests.simulation.agreement import find_differences, replay
from tests.simulation.scenario import HOUR_MS, SECOND_MS, Peer, Scenario


class Household:
    """Ana at her desk and with her laptop, Ben, and the founder, all of whom know each other."""

    def __init__(self, *, sandbox: bool = False) -> None:
        self.scenario = Scenario(sandbox=sandbox)
        self.desk = self.scenario.add(1_000)
        self.ben = self.scenario.add()
        self.laptop = self.scenario.add_device(self.desk)
        if not self.scenario.founder.market.genesis.sandbox:
            self.scenario.settle()
        self.scenario.sync()

    def check(self) -> None:
        founder = self.scenario.founder
        self.scenario.check_converged()
        assert find_differences(founder.market) == []
        assert replay(founder).replica.root == founder.replica.root


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_of_two_payments_apart_the_earlier_applies_on_every_peer_w12(
    order: tuple[int, ...],
) -> None:
    house = Household()
    house.scenario.wait(SECOND_MS)
    early = house.laptop.transfer(house.ben, 600)
    house.scenario.wait(SECOND_MS)
    late = house.desk.transfer(house.ben, 600)
    assert (early.verdict, late.verdict) == (Verdict.APPLIED, Verdict.APPLIED)
    founder = house.scenario.founder
    sources = (house.laptop, house.desk, house.ben)
    for index in order:
        founder.pull(sources[index])
    house.scenario.settle()
    house.check()
    for peer in house.scenario.peers:
        assert peer.get_verdict(early) == Verdict.APPLIED
        assert peer.get_verdict(late) == Verdict.BALANCE_TOO_LOW
        assert peer.get_available(house.ben) == 600
    assert house.desk.replica.machine.get_reversals() == {late.entry.id: early.entry.id}


def test_long_offline_feeds_of_one_owner_merge_without_a_fork() -> None:
    house = Household()
    for step in range(40):
        writer = (house.desk, house.laptop)[step % 2]
        house.scenario.wait(SECOND_MS)
        writer.transfer(house.ben, 40)
    house.scenario.settle()
    house.check()
    assert house.ben.get_available() == 1_000
    outcomes = house.ben.replica.machine.get_settled()[-40:]
    assert [outcome.verdict for outcome in outcomes] == (
        [Verdict.APPLIED] * 25 + [Verdict.BALANCE_TOO_LOW] * 15
    )


def lose(house: Household, *, knows: bool) -> Peer:
    """The laptop is stolen; the thief goes on, knowing or not that it was revoked."""
    house.scenario.wait(SECOND_MS)
    house.desk.revoke_device(house.laptop)
    if knows:
        house.laptop.pull(house.desk)
    return house.laptop


@pytest.mark.parametrize("knows", [True, False])
@pytest.mark.parametrize("met_first", [True, False])
@pytest.mark.parametrize("back_ms", [0, 2 * SECOND_MS, HOUR_MS])
def test_a_thief_who_dates_back_gets_nothing_once_the_checkpoint_is_there(
    *, knows: bool, met_first: bool, back_ms: int
) -> None:
    house = Household()
    founder = house.scenario.founder
    house.scenario.wait(3 * SECOND_MS)
    thief = lose(house, knows=knows)
    at_ms = house.scenario.wall_ms - back_ms
    stolen = thief.transfer(house.ben, 900, at_ms=at_ms)
    if met_first:
        # The entry is pending everywhere, and applied where it is dated before the revocation.
        house.ben.pull(thief)
        founder.pull(thief)
    founder.pull(house.desk)
    founder.checkpoint()
    house.scenario.sync()
    more = thief.transfer(house.ben, 50) if thief.can_write else None
    house.scenario.settle()
    house.check()
    for peer in house.scenario.peers:
        assert peer.get_outcome(stolen) is None
        assert more is None
        assert peer.get_available(house.desk) == 1_000


def test_without_checkpoints_a_revocation_acts_at_its_place_alone() -> None:
    house = Household(sandbox=True)
    thief = lose(house, knows=False)
    house.scenario.wait(SECOND_MS)
    late = thief.transfer(house.ben, 100)
    early = house.laptop.transfer(house.ben, 100)
    house.scenario.sync()
    house.check()
    for outcome in (late, early):
        assert house.desk.get_verdict(outcome) == Verdict.DEVICE_REVOKED
    house.laptop.replica.machine.fold()
    assert all(feed.closed_position is None for feed in house.desk.replica.feeds.values())


def test_what_a_device_did_before_its_revocation_stands() -> None:
    house = Household()
    house.scenario.wait(SECOND_MS)
    task = house.laptop.post()
    house.scenario.settle()
    assignment = house.ben.accept(task)
    house.scenario.settle()
    lose(house, knows=True)
    house.scenario.settle()
    house.ben.start(assignment)
    delivery = house.ben.deliver(assignment)
    house.scenario.sync()
    house.desk.approve(delivery)
    house.scenario.settle()
    house.check()
    assert house.ben.get_available() == 100
