"""Commands of the sequencer."""

from synaptic_crdt.node.node import Node
from synaptic_crdt.node.wire import Json


def make_checkpoint(node: Node) -> Json:
    """Close an epoch as the market's sequencer: what is ready becomes final."""
    checkpoint = node.make_checkpoint()
    return {
        "checkpoint": checkpoint.id.hex(),
        "index": checkpoint.index,
        "time_ms": checkpoint.time,
        "feeds": len(checkpoint.frontier),
        "root": checkpoint.root.hex(),
        "final": node.replica.final_epoch >= checkpoint.index,
    }
