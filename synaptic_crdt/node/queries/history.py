"""The log: entries in order, and what became of each.

What a revoked device wrote beyond the end of its closed feed has no place in the order. It is shown
all the same where it is held, between what is final and what is pending.
"""

from synaptic_crdt.errors import BodyArchived
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.outcomes import describe_outcome, describe_void
from synaptic_crdt.node.wire import Json
from synaptic_crdt.state.feeds import Entry
from synaptic_crdt.state.outcomes import Outcome


def show_log(node: Node, *, limit: int | None = None) -> Json:
    """Return the entries in the market's order, the newest ``limit`` of them.

    Those whose bodies are archived are only counted.
    """
    machine = node.replica.machine
    tail, settled = machine.get_tail(), machine.get_settled()
    rest: list[Outcome | Entry] = [*node.replica.get_void(), *tail]
    count = len(settled) if limit is None else min(len(settled), max(0, limit - len(rest)))
    entries: list[Outcome | Entry] = []
    archived = 0
    for number in range(len(settled) - count, len(settled)):
        try:
            entries.append(settled[number])
        except BodyArchived:
            archived += 1
    entries += rest if limit is None else rest[max(0, len(rest) - limit) :]
    return {"entries": [_describe(node, entry) for entry in entries], "archived": archived}


def _describe(node: Node, entry: Outcome | Entry) -> Json:
    return describe_void(node, entry) if isinstance(entry, Entry) else describe_outcome(node, entry)
