"""Known behaviours of escrow, each under its number: what is locked, and who gets it when."""

import pytest

from synaptic_crdt.rules.task_operations import DisputeOpen
from synaptic_crdt.rules.task_views import view_task
from synaptic_crdt.rules.verdicts import Verdict
from tests.simulation.scenario import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Scenario, get_verdicts


@pytest.fixture
def scenario() -> Scenario:
    return Scenario(fund=10_000)


def test_e1_work_is_paid_out_of_what_the_task_locked(scenario: Scenario) -> None:
    requester, provider = scenario.add(150), scenario.add()
    task = requester.post(price=100)
    scenario.sync()
    assignment = provider.accept(task)
    scenario.settle()
    provider.start(assignment)
    scenario.settle()
    assert (requester.get_available(), requester.get_held()) == (50, {"escrow": 100})
    delivery = provider.deliver(assignment)
    scenario.sync()
    requester.approve(delivery)
    scenario.settle()
    scenario.check_converged()
    assert (requester.get_available(), provider.get_available()) == (50, 100)
    assert requester.get_held() == {}


def test_e4_a_task_that_nobody_takes_expires_and_is_refunded(scenario: Scenario) -> None:
    requester = scenario.add(100)
    task = requester.post(price=100, window_ms=MINUTE_MS)
    scenario.settle(MINUTE_MS - 1)
    assert requester.get_seat_states(task) == ["OPEN"]
    scenario.settle(1)
    assert requester.get_seat_states(task) == ["CLOSED"]
    assert (requester.get_available(), requester.get_held()) == (100, {})
    view = view_task(requester.market.contract.market, task.entry.id)
    assert view is not None
    assert (view["status"], view["shards"][0]["end"]) == ("EXPIRED", "VOID")


def test_e4b_a_requester_that_keeps_silent_pays(scenario: Scenario) -> None:
    requester, provider = scenario.add(100), scenario.add()
    task = requester.post(price=100, review_ms=DAY_MS)
    scenario.sync()
    assignment = provider.accept(task)
    scenario.settle()
    provider.start(assignment)
    provider.deliver(assignment)
    scenario.settle(DAY_MS - 1)
    assert provider.get_available() == 0
    scenario.settle(SECOND_MS)
    assert provider.get_available() == 100
    assert requester.get_held() == {}


def test_e4c_a_provider_that_keeps_silent_loses_seat_and_bond(scenario: Scenario) -> None:
    requester, silent, eager = scenario.add(100), scenario.add(20), scenario.add(20)
    task = requester.post(price=100, bond=20, response_ms=MINUTE_MS, window_ms=HOUR_MS)
    scenario.sync()
    silent.accept(task)
    scenario.settle()
    # The hard limit is ten minutes beyond one.
    scenario.settle(11 * MINUTE_MS)
    assert requester.get_seat_states(task) == ["OPEN"]
    assert (silent.get_available(), requester.get_available()) == (0, 20)
    assert silent.accept(task).verdict == Verdict.EXCLUDED
    assert eager.accept(task).verdict == Verdict.APPLIED
    scenario.settle()
    scenario.check_converged()
    # What was refunded is only the silent one's: the task's escrow waits for the next.
    assert requester.get_held() == {"escrow": 100}


def test_e4c_the_last_silent_provider_ends_the_task_with_a_refund(scenario: Scenario) -> None:
    requester, silent = scenario.add(100), scenario.add(20)
    task = requester.post(price=100, bond=20, redispatch=0)
    scenario.sync()
    silent.accept(task)
    scenario.settle()
    scenario.settle(11 * MINUTE_MS)
    assert requester.get_seat_states(task) == ["CLOSED"]
    assert (requester.get_available(), requester.get_held()) == (120, {})


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"units": (0,)}, Verdict.UNITS_OUT_OF_RANGE),
        ({"price": 0}, Verdict.PRICE_OUT_OF_RANGE),
        ({"units": ()}, Verdict.SEATS_OUT_OF_RANGE),
        ({"kind": ""}, Verdict.KIND_INVALID),
    ],
)
def test_e8_a_task_worth_nothing_is_refused(
    scenario: Scenario, changes: dict[str, object], verdict: Verdict
) -> None:
    requester = scenario.add(100)
    assert requester.post(**changes).verdict == verdict
    assert (requester.get_available(), requester.get_held()) == (100, {})


def test_e9_a_requester_may_not_work_for_itself(scenario: Scenario) -> None:
    requester = scenario.add(100)
    task = requester.post()
    assert requester.accept(task).verdict == Verdict.PROVIDER_IS_REQUESTER


def test_e9_nor_through_a_second_device(scenario: Scenario) -> None:
    requester = scenario.add(100)
    laptop = scenario.add_device(requester)
    task = requester.post()
    scenario.sync()
    assert laptop.accept(task).verdict == Verdict.PROVIDER_IS_REQUESTER
    scenario.settle()
    scenario.check_converged()
    assert requester.get_seat_states(task) == ["OPEN"]


def test_e10_a_task_worth_more_than_there_is_is_refused_with_both_figures(
    scenario: Scenario,
) -> None:
    requester = scenario.add(50)
    posted = requester.post(price=100)
    assert posted.verdict == Verdict.BALANCE_TOO_LOW
    said = requester.market.contract.explain(posted.entry.id, posted.verdict)
    assert "100" in said
    assert "50" in said


def test_e13_a_provider_does_not_approve_its_own_delivery(scenario: Scenario) -> None:
    requester, provider = scenario.add(100), scenario.add()
    task = requester.post()
    scenario.sync()
    assignment = provider.accept(task)
    scenario.settle()
    provider.start(assignment)
    delivery = provider.deliver(assignment)
    assert provider.approve(delivery).verdict == Verdict.NOT_A_SIGNER
    assert provider.get_available() == 0


def test_e15_the_history_shows_every_step_with_its_actor(scenario: Scenario) -> None:
    requester, provider = scenario.add(110), scenario.add()
    task = requester.post()
    scenario.sync()
    assignment = provider.accept(task)
    scenario.settle()
    start = provider.start(assignment)
    delivery = provider.deliver(assignment)
    scenario.sync()
    dispute = requester.write(DisputeOpen(delivery.entry.id, "garbage", "", ()))
    scenario.settle()
    for peer in scenario.peers:
        entries = [outcome.entry for outcome in peer.replica.machine.get_settled()]
        words = ("task.", "dispute.")
        settled = [entry for entry in entries if str(entry.operation[0]).startswith(words)]
        assert [(entry.device, entry.operation[0]) for entry in settled] == [
            (requester.id, "task.post"),
            (provider.id, "task.accept"),
            (provider.id, "task.start"),
            (provider.id, "task.deliver"),
            (requester.id, "dispute.open"),
        ]
        assert [entry.id for entry in settled] == [
            each.entry.id for each in (task, assignment, start, delivery, dispute)
        ]
        assert get_verdicts(peer.market) == get_verdicts(scenario.founder.market)


def test_e16_steps_out_of_order_are_each_refused_for_their_own_reason(scenario: Scenario) -> None:
    requester, provider, other = scenario.add(100), scenario.add(), scenario.add()
    task = requester.post()
    scenario.sync()
    assignment = provider.accept(task)
    # Nothing may begin before the acceptance is final.
    assert provider.start(assignment).verdict == Verdict.WRONG_PHASE
    scenario.settle()
    assert provider.deliver(assignment).verdict == Verdict.WRONG_PHASE
    assert provider.start(assignment).verdict == Verdict.APPLIED
    assert provider.start(assignment).verdict == Verdict.WRONG_PHASE
    scenario.sync()
    assert other.deliver(assignment).verdict == Verdict.NOT_THE_PROVIDER
    assert other.deliver(task).verdict == Verdict.ASSIGNMENT_UNKNOWN
    delivery = provider.deliver(assignment)
    assert provider.deliver(assignment).verdict == Verdict.WRONG_PHASE
    scenario.sync()
    assert requester.approve(assignment).verdict == Verdict.DELIVERY_UNKNOWN
    assert requester.approve(delivery).verdict == Verdict.APPLIED
    assert requester.approve(delivery).verdict == Verdict.ASSIGNMENT_CLOSED
    scenario.settle()
    scenario.check_converged()


def test_e18_too_few_providers_void_the_task_and_nobody_is_at_fault(scenario: Scenario) -> None:
    requester = scenario.add(1_000)
    providers = [scenario.add(50) for _ in range(3)]
    task = requester.post(units=[1] * 10, providers_min=10, bond=50, window_ms=HOUR_MS)
    scenario.sync()
    for provider in providers:
        assert provider.accept(task).verdict == Verdict.APPLIED
    scenario.settle()
    assert requester.get_seat_states(task) == ["RESERVED"] * 3 + ["OPEN"] * 7
    scenario.settle(HOUR_MS)
    scenario.check_converged()
    assert requester.get_seat_states(task) == ["CLOSED"] * 10
    assert requester.get_available() == 1_000
    assert [provider.get_available() for provider in providers] == [50] * 3
