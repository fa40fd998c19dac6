"""One member's clock, or lie about time, is no obstacle to what others may write."""

import pytest

from synaptic_crdt.rules.operations import TokenTransfer
from synaptic_crdt.rules.task_operations import TaskAccept
from synaptic_crdt.rules.verdicts import Verdict
from tests.simulation.scenario import DAY_MS, SECOND_MS, Scenario


@pytest.mark.parametrize("sandbox", [False, True])
def test_an_entry_from_the_future_stops_nobody_who_asks_before_writing(*, sandbox: bool) -> None:
    scenario = Scenario(fund=10_000, sandbox=sandbox)
    requester, provider, liar = scenario.add(1_000), scenario.add(), scenario.add(10)
    task = requester.post()
    scenario.sync()
    liar.transfer(provider, 1, at_ms=scenario.wall_ms + 1_000 * DAY_MS)
    scenario.wait(SECOND_MS)
    scenario.sync()
    root = provider.replica.root
    operation = TaskAccept(task.entry.id, 100, ())
    asked = provider.preview(operation)
    assert provider.replica.root == root
    written = provider.write(operation)
    assert (asked, Verdict(written.verdict)) == (Verdict.APPLIED, Verdict.APPLIED)


def test_what_the_future_gives_cannot_be_spent_before() -> None:
    scenario = Scenario(fund=10_000)
    provider, liar = scenario.add(10), scenario.add(1_000)
    scenario.sync()
    liar.transfer(provider, 500, at_ms=scenario.wall_ms + DAY_MS)
    scenario.sync()
    operation = TokenTransfer(liar.id, 500, b"", "")
    asked = provider.preview(operation)
    assert asked == provider.write(operation).verdict == Verdict.BALANCE_TOO_LOW
