"""Known behaviours of matching and of bounds, each under its number."""

from random import Random
from typing import Any, Final

import pytest
from msgspec.structs import replace

from synaptic_crdt.rules.limits import OFFERS_OF_A_KIND
from synaptic_crdt.rules.market import get_rows
from synaptic_crdt.rules.offer_operations import OfferPost, OfferTerms
from synaptic_crdt.rules.rows import AssignmentRow
from synaptic_crdt.rules.score_views import view_prices
from synaptic_crdt.rules.task_form import make_payload
from synaptic_crdt.rules.task_operations import (
    Metric,
    Score,
    ServiceLevel,
    Shard,
    TaskAccept,
    TaskApprove,
    TaskDeliver,
    TaskPost,
    TaskStart,
)
from synaptic_crdt.rules.verdicts import Verdict
from synaptic_crdt.state.machine import Outcome
from tests.rules.conftest import Stage
from tests.rules.conftest import make_task as stage_task
from tests.simulation.scenario import DAY_MS, HOUR_MS, MINUTE_MS, Peer, Scenario, make_post

TERMS: Final = OfferTerms(
    response_ms=1_000,
    execution_ms=1_000,
    uptime_ppm=0,
    penalty=10,
    bond=0,
    privacies=("public",),
    requester_min=-1_000,
    arbiters=(),
    evaluators=(),
    signers=(),
)


@pytest.fixture
def scenario() -> Scenario:
    return Scenario(fund=100_000)


def offer(peer: Peer, *, ask: int, units: int, capabilities: tuple[str, ...] = ()) -> Outcome:
    post = OfferPost(
        kind="text.answer",
        capabilities=capabilities,
        units=units,
        ask=ask,
        expiry_ms=peer.wall_ms + DAY_MS,
        is_standing=True,
        terms=TERMS,
    )
    outcome = peer.write(post)
    assert outcome.verdict == Verdict.APPLIED
    return outcome


def find_assignments(peer: Peer, task: Outcome) -> list[tuple[bytes, AssignmentRow]]:
    """The assignments of a task, as a peer sees them."""
    assignments = peer.market.contract.market.assignments
    low, high = task.entry.id, task.entry.id + b"\xff"
    found: list[tuple[bytes, AssignmentRow]] = []
    for _, key in assignments.index("seat").ascend((low,), (high,)):
        row = assignments.get(key)
        assert row is not None
        assert isinstance(key, bytes)
        found.append((key, row))
    return found


def make_request() -> TaskPost:
    """M1: 100 units at 50, and what they must be like."""
    metrics = (Metric("accuracy", 900_000), Metric("completeness", 950_000))
    post = make_post(price=50, data=b"a hundred questions")
    return replace(
        post,
        seats=(Shard(100, make_payload("text/plain", b"a hundred questions"), None, ()),),
        capabilities=("python", "rust"),
        service=ServiceLevel(MINUTE_MS, HOUR_MS, 0, 10, metrics),
    )


@pytest.mark.parametrize("offer_first", [True, False])
@pytest.mark.parametrize("priority_ms", [0, 5_000])
def test_m1_a_request_and_an_offer_meet(
    scenario: Scenario, priority_ms: int, *, offer_first: bool
) -> None:
    requester, provider = scenario.add(6_000), scenario.add()
    scenario.sync()
    skills = ("javascript", "python", "rust")
    request = replace(make_request(), priority_ms=priority_ms)
    if offer_first:
        offer(provider, ask=40, units=200, capabilities=skills)
        scenario.sync()
        task = requester.write(request)
    else:
        task = requester.write(request)
        scenario.sync()
        scenario.wait(priority_ms)
        offer(provider, ask=40, units=200, capabilities=skills)
    scenario.wait(priority_ms)
    scenario.settle()
    ((assignment, row),) = find_assignments(provider, task)
    assert (row.provider, row.ask) == (provider.account, 40)
    provider.write(TaskStart(assignment))
    scenario.wait(MINUTE_MS)
    delivery = provider.write(
        TaskDeliver(assignment, make_payload("text/plain", b"a hundred answers"), None, ())
    )
    scenario.settle()
    scores = (Score("accuracy", 950_000), Score("completeness", 980_000))
    approval = requester.write(TaskApprove(delivery.entry.id, approve=True, scores=scores))
    assert approval.verdict == Verdict.APPLIED
    scenario.settle()
    assert provider.get_available() == 4_000
    assert requester.get_available() == 2_000
    ((_, row),) = find_assignments(provider, task)
    assert (row.end, row.penalty) == ("SETTLED", 0)
    market = provider.market.contract.market
    prices = view_prices(market, "text.answer", provider.replica.machine.now)
    assert (prices["count"], prices["volume"], prices["vwap_milli"]) == (1, 100, 40_000)
    scenario.check_converged()


def test_t2_nobody_who_has_shown_no_presence_is_matched(scenario: Scenario) -> None:
    requester, provider = scenario.add(6_000), scenario.add()
    offer(provider, ask=40, units=200)
    # It was there to post the offer. Since then it was not.
    scenario.wait(2 * provider.market.genesis.slot_ms)
    scenario.sync()
    task = requester.post(price=50)
    scenario.settle()
    assert find_assignments(provider, task) == []
    assert provider.get_seat_states(task) == ["OPEN"]
    market = provider.market.contract.market
    assert market.scores.get(provider.account) is None


def test_x3_five_requests_and_five_offers_in_every_interleaving(scenario: Scenario) -> None:
    """Whatever comes first, and in whatever order it is merged: five assignments, everywhere."""
    random = Random(3)
    for _ in range(8):
        scenario = Scenario(fund=100_000)
        requesters = [scenario.add(200) for _ in range(5)]
        providers = [scenario.add() for _ in range(5)]
        scenario.sync()
        # Everybody is there; the first offer of each is for another kind of work.
        acts: list[tuple[Peer, bool]] = [(peer, True) for peer in requesters]
        acts += [(peer, False) for peer in providers]
        random.shuffle(acts)
        tasks: list[Outcome] = []
        for peer, is_request in acts:
            scenario.wait(random.randrange(3))
            if is_request:
                tasks.append(peer.post())
            else:
                offer(peer, ask=100, units=1)
        # Nobody has seen anything of the others; now they hear of each other in any order.
        for _ in range(40):
            one, other = random.sample(scenario.peers, 2)
            one.pull(other, pieces=random.randrange(1, 4))
            one.market.replica.machine.fold()
        scenario.settle()
        scenario.check_converged()
        for peer in scenario.peers:
            found = [row for task in tasks for _, row in find_assignments(peer, task)]
            assert len(found) == 5
            assert {row.provider for row in found} == {each.account for each in providers}


def test_x3_all_252_interleavings_of_one_history_make_five_assignments() -> None:
    """Every order in which five requests and five offers can come, by the rules alone."""
    stage = Stage(funds=500)
    names = [f"provider {number}" for number in range(5)]
    for name in names:
        stage.join(name)
    post = OfferPost(
        kind="text.answer",
        capabilities=(),
        units=1,
        ask=100,
        expiry_ms=stage.now + DAY_MS,
        is_standing=True,
        terms=TERMS,
    )
    request = stage_task(bond=0, penalty=0)
    ends = 0

    def interleave(requests: int, offers: int) -> None:
        nonlocal ends
        ends += (requests, offers) == (5, 5)
        matched = [row for _, row in get_rows(stage.market.assignments, "provider")]
        assert len(matched) == min(requests, offers)
        assert len({row.provider for row in matched}) == len(matched)
        for is_request, count in ((True, requests), (False, offers)):
            if count < 5:
                mark, entries, positions = stage.tables.mark(), stage.entries, {**stage.positions}
                if is_request:
                    stage.did("founder", request)
                else:
                    stage.did(names[offers], post)
                interleave(requests + is_request, offers + (not is_request))
                stage.tables.undo_to(mark)
                stage.entries = entries
                stage.positions.clear()
                stage.positions.update(positions)

    interleave(0, 0)
    assert ends == 252


def test_f5_the_good_one_wins(scenario: Scenario) -> None:
    """The bad one is cheaper and first, and below the least reputation that is asked for."""
    requester, good, bad = scenario.add(6_000), scenario.add(), scenario.add()
    scenario.sync()
    for _ in range(2):
        task = requester.post()
        scenario.settle()
        assignment = good.accept(task)
        scenario.settle()
        good.start(assignment)
        delivery = good.deliver(assignment)
        scenario.settle()
        requester.approve(delivery)
        scenario.settle()
    post = replace(make_post(), reputation_min=10)
    task = requester.write(post)
    scenario.settle()
    first = bad.write(TaskAccept(task.entry.id, 10, ()))
    scenario.wait(1_000)
    second = good.write(TaskAccept(task.entry.id, 90, ()))
    scenario.settle()
    assert bad.get_verdict(first) == Verdict.REPUTATION_TOO_LOW
    assert good.get_verdict(second) == Verdict.APPLIED
    ((_, row),) = find_assignments(bad, task)
    assert (row.provider, row.ask) == (good.account, 90)


def test_s5_fifty_posts_at_once_are_bounded(scenario: Scenario) -> None:
    """Each locks what it may cost: when the money is gone, so are the posts."""
    requester, provider = scenario.add(1_000), scenario.add()
    scenario.sync()
    verdicts = [requester.post().verdict for _ in range(50)]
    assert verdicts == [Verdict.APPLIED] * 10 + [Verdict.BALANCE_TOO_LOW] * 40
    scenario.sync()
    posts = [Verdict(verdict) for verdict in _post_offers(provider, 50)]
    assert posts.count(Verdict.APPLIED) == OFFERS_OF_A_KIND
    assert set(posts[OFFERS_OF_A_KIND:]) == {Verdict.TOO_MANY_OFFERS_OF_KIND}
    scenario.settle()
    scenario.check_converged()


def _post_offers(peer: Peer, count: int) -> list[int]:
    post = OfferPost(
        kind="text.answer",
        capabilities=(),
        units=1,
        ask=200,
        expiry_ms=peer.wall_ms + DAY_MS,
        is_standing=True,
        terms=TERMS,
    )
    return [peer.write(post).verdict for _ in range(count)]


def test_s5_lowballs_and_self_trades_come_to_nothing(scenario: Scenario) -> None:
    requester = scenario.add(1_000)
    scenario.sync()
    task = requester.post()
    assert requester.accept(task, ask=1).verdict == Verdict.PROVIDER_IS_REQUESTER
    offer(requester, ask=1, units=10)
    assert requester.get_seat_states(task) == ["OPEN"]
    assert requester.post().verdict == Verdict.APPLIED
    # A price that nobody asks for is no trade, and no figure.
    market = requester.market.contract.market
    assert view_prices(market, "text.answer", requester.replica.machine.now)["count"] == 0


def test_s5_repeated_boosts_fade(scenario: Scenario) -> None:
    """The same two, again and again: each settlement earns half of the one before."""
    requester, provider = scenario.add(1_000), scenario.add()
    scenario.sync()
    gains: list[int] = []
    for _ in range(6):
        before = _get_score(provider)
        task = requester.post()
        scenario.settle()
        assignment = provider.accept(task)
        scenario.settle()
        provider.start(assignment)
        delivery = provider.deliver(assignment)
        scenario.settle()
        requester.approve(delivery)
        scenario.settle()
        gains.append(_get_score(provider) - before)
    assert gains == [12, 6, 2, 1, 0, 0]


def _get_score(peer: Peer) -> int:
    row: Any = peer.market.contract.market.scores.get(peer.account)
    return 0 if row is None else row.provider
