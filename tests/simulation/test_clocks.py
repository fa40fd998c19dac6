"""One member's clock, or lie about time, is no obstacle to what others may write."""

import pytest

from synaptic_crdt.rules.operations import Operation, TaskAccept, TokenTransfer, encode_operation
from synaptic_crdt.rules.verdicts import Verdict
from synaptic_crdt.state.clock import pack_timestamp
from tests.simulation.scenario import DAY_MS, SECOND_MS, Peer, Scenario


def preview(peer: Peer, operation: Operation) -> Verdict:
    """Ask what an operation would come to, as a node does before it writes."""
    feed = peer.replica.get_feed(peer.id)
    typed = peer.market.contract.read(encode_operation(operation))
    time = pack_timestamp(peer.wall_ms + 1)
    verdict = peer.replica.machine.preview(time, peer.id, feed.position + 1, typed)
    return Verdict(verdict)


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
    operation = TaskAccept(task.entry.id, 100)
    asked = preview(provider, operation)
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
    asked = preview(provider, operation)
    assert asked == provider.write(operation).verdict == Verdict.BALANCE_TOO_LOW
