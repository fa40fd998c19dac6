"""Commands about the document itself: checkpoints, and bundles that come in."""

from synaptic_crdt.node.node import Node
from synaptic_crdt.node.wire import Json
from synaptic_crdt.sync.transports.bundle import read_bundle


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


def read_bundle_file(node: Node, *, path: str) -> Json:
    """Merge a bundle; all of it verifies, or nothing of it is admitted."""
    raise AssertionError(path, read_bundle)
