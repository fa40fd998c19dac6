"""The log: entries in order, and what became of each."""

from itertools import chain

from synaptic_crdt.node.node import Node
from synaptic_crdt.node.outcomes import describe_outcome
from synaptic_crdt.node.wire import Json


def show_log(node: Node, *, limit: int | None = None) -> Json:
    """Return the entries in the market's order, the newest ``limit`` of them."""
    machine = node.replica.machine
    tail = machine.get_tail()
    outcomes = list(chain(machine.get_settled(), tail))
    if limit is not None:
        outcomes = outcomes[max(0, len(outcomes) - limit) :]
    return {"entries": [describe_outcome(node, outcome) for outcome in outcomes]}
