"""The sequencer's duty: checkpoints, as often as the market needs them.

One every two seconds while entries are ready that none includes, or a deadline is over; one a
minute while anything has a deadline; else none. None while anything is missing here that an
earlier one includes, or an earlier one waits for cosignatures: a damaged store waits for a peer to
repair it. None either while this home may be a copy, whose original signs its own,
or while its clock is far ahead of all others. After a handover
the new sequencer begins by itself.
"""

from contextlib import suppress
from typing import Final

import trio

from synaptic_crdt.errors import StoreFailed
from synaptic_crdt.node.clocks import find_objection
from synaptic_crdt.node.node import Node

_BUSY_SECONDS: Final = 2.0
_QUIET_MS: Final = 60_000


async def run_sequencer(node: Node) -> None:
    """Make checkpoints until cancelled, whenever this device is the one that does."""
    while True:
        may_close = node.is_whole and node.is_in_place and node.may_close
        is_due = node.is_sequencer and may_close and _is_due(node)
        if is_due and find_objection(node) is None:
            # A full disk may be emptied again; until then nothing was signed, and whoever writes
            # here is told by the command itself.
            with suppress(StoreFailed):
                node.make_checkpoint()
        await trio.sleep(_BUSY_SECONDS)


def _is_due(node: Node) -> bool:
    if node.is_checkpoint_due():
        return True
    machine = node.replica.machine
    if machine.get_next_deadline() is None:
        return False
    return node.get_wall_ms() - machine.epoch_ms >= _QUIET_MS
