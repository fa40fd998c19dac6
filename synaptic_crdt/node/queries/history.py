"""The log: entries in order, and what became of each.

What a revoked device wrote beyond the end of its closed feed has no place in the order. It is shown
all the same where it is held, between what is final and what is pending.
"""

from synaptic_crdt.node.node import Node
from synaptic_crdt.node.outcomes import describe_outcome, describe_void
from synaptic_crdt.node.wire import Json
from synaptic_crdt.state.feeds import Entry
from synaptic_crdt.state.outcomes import Outcome


def show_log(node: Node, *, limit: int | None = None) -> Json:
    """Return the entries in the market's order, the newest ``limit`` of them."""
    machine = node.replica.machine
    tail = machine.get_tail()
    entries = [*machine.get_settled(), *node.replica.get_void(), *tail]
    if limit is not None:
        entries = entries[max(0, len(entries) - limit) :]
    return {"entries": [_describe(node, entry) for entry in entries]}


def _describe(node: Node, entry: Outcome | Entry) -> Json:
    return describe_void(node, entry) if isinstance(entry, Entry) else describe_outcome(node, entry)
