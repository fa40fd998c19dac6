"""The sequencer's duty, on a clock that jumps."""

from collections.abc import Callable

import pytest
import trio
import trio.testing

from synaptic_crdt.node.commands import run_command
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.sequencer import run_sequencer
from tests.node.conftest import carry, damage_body

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """A clock that jumps when nothing else is to be done."""
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}


async def test_a_sequencer_waits_while_anything_is_missing(
    founder: Node, join: Callable[..., Node]
) -> None:
    ana = join("ana")
    run_command(founder, "checkpoint", {})
    run_command(ana, "consent", {"on": True})
    carry(founder, ana)
    founder.close()
    damage_body(founder.home, "ASC")
    damaged = Node.open(founder.home, "")
    try:
        with trio.move_on_after(10):
            await run_sequencer(damaged)
        assert damaged.replica.chain.index == ana.replica.chain.index
        carry(ana, damaged)
        with trio.move_on_after(10):
            await run_sequencer(damaged)
        assert damaged.replica.final_epoch == ana.replica.chain.index + 1
    finally:
        damaged.close()
