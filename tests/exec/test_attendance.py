"""Being there: planned from the real market, and shown by a worker that runs."""

import pytest
import trio
from msgspec.structs import replace

from synaptic_crdt.exec.attendance import Attendance, plan_attendance, survey_attendance
from synaptic_crdt.exec.events import Delivered, Renewed
from synaptic_crdt.exec.executors.rehearsal import RehearsalExecutor
from synaptic_crdt.exec.policy import Policy
from synaptic_crdt.exec.situation import survey
from synaptic_crdt.rules.limits import HOUR_MS, MINUTE_MS
from synaptic_crdt.rules.offer_operations import OfferRenew, Presence
from synaptic_crdt.rules.operations import Operation
from synaptic_crdt.rules.task_operations import ServiceLevel
from tests.cases.test_matching import offer
from tests.exec.conftest import AUTO, Bench
from tests.simulation.scenario import make_post

KEEPING = replace(AUTO, keep_offers=True, approval="manual")


def plan(
    attendance: Attendance, policy: Policy = KEEPING, *, refusal: str | None = None
) -> list[Operation]:
    return list(plan_attendance(attendance, policy, lambda _: refusal, is_sandbox=False))


RENEW = OfferRenew(bytes(32), 1, 2, 3)
OFFERING = Attendance(is_seen=False, has_offers=True)


def test_presence_is_shown_once_in_a_slot_for_offers_that_are_kept() -> None:
    assert plan(OFFERING) == [Presence()]
    assert plan(replace(OFFERING, is_seen=True)) == []
    assert plan(OFFERING, replace(KEEPING, keep_offers=False)) == []
    assert plan(OFFERING, Policy(keep_offers=True)) == []
    assert plan(OFFERING, refusal="PRESENT_ALREADY") == []


def test_absent_offers_are_renewed_which_shows_presence_too() -> None:
    absent = replace(OFFERING, absent=(RENEW,))
    assert plan(absent) == [RENEW]
    assert plan(replace(absent, is_watched=True), replace(KEEPING, keep_offers=False)) == [
        Presence()
    ]


def test_work_that_asks_for_presence_gets_it_whatever_is_offered() -> None:
    watched = Attendance(is_seen=False, is_watched=True)
    assert plan(watched, replace(KEEPING, keep_offers=False)) == [Presence()]


def test_what_a_market_shows_of_it() -> None:
    bench = Bench(RehearsalExecutor())
    provider = bench.provider

    def look() -> Attendance:
        return survey_attendance(
            provider.market.contract.market, provider.account, provider.id, provider.wall_ms
        )

    assert look() == Attendance(is_seen=False)
    made = offer(provider, ask=5, units=7)
    assert look() == Attendance(is_seen=True, has_offers=True)
    bench.scenario.wait(2 * provider.market.genesis.slot_ms)
    bench.scenario.sync()
    assert look() == Attendance(is_seen=False, has_offers=True)
    bench.requester.post(price=5)
    bench.scenario.sync()
    ((renewal),) = look().absent
    assert (renewal.offer, renewal.units, renewal.ask) == (made.entry.id, 7, 5)
    post = replace(make_post(), service=ServiceLevel(MINUTE_MS, HOUR_MS, 1, 0, ()))
    task = bench.requester.write(post)
    bench.scenario.settle()
    assignment = provider.accept(task)
    bench.scenario.settle()
    provider.start(assignment)
    assert look().is_watched
    assert survey(bench.desk).attendance == look()


@pytest.mark.anyio
async def test_a_worker_puts_its_offers_back_and_does_what_they_take() -> None:
    bench = Bench(RehearsalExecutor(), policy=KEEPING)
    made = offer(bench.provider, ask=5, units=7)
    bench.scenario.wait(2 * bench.provider.market.genesis.slot_ms)
    bench.scenario.sync()
    bench.requester.post(price=5)
    bench.scenario.sync()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bench.work)
        await bench.wait_for(Renewed)
        bench.settle()
        delivered = await bench.wait_for(Delivered)
        nursery.cancel_scope.cancel()
    row = bench.desk.market.assignments.get(delivered.assignment)
    assert row is not None
    assert (row.offer, row.ask) == (made.entry.id, 5)
    assert bench.desk.get_tags() == ["offer.renew", "task.start", "task.deliver"]
