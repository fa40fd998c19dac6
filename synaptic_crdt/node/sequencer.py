"""The sequencer's duty: checkpoints, as often as the market needs them.

One every two seconds while entries are ready that none includes, or a deadline is over; one a
minute while anything has a deadline; else none. None while anything is missing here that an
earlier one includes: a damaged store waits for a peer to repair it.
"""

from contextlib import suppress
from typing import Final

import trio

from synaptic_crdt.errors import StoreFailed
from synaptic_crdt.node.node import Node

_BUSY_SECONDS: Final = 2.0
_QUIET_MS: Final = 60_000


async def run_sequencer(node: Node) -> None:
    """Make checkpoints until cancelled; return at once when this device does not sequence."""
    if not node.is_sequencer:
        return
    while not node.replica.is_halted:
        if node.is_whole and (node.is_checkpoint_due() or _is_quiet_too_long(node)):
            # A full disk may be emptied again; until then nothing was signed, and whoever writes
            # here is told by the command itself.
            with suppress(StoreFailed):
                node.make_checkpoint()
        await trio.sleep(_BUSY_SECONDS)


def _is_quiet_too_long(node: Node) -> bool:
    machine = node.replica.machine
    if machine.get_next_deadline() is None:
        return False
    return node.get_wall_ms() - machine.epoch_ms >= _QUIET_MS
