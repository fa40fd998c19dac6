"""Saying what work, or who asked for it, was like."""

from synaptic_crdt.errors import UsageError
from synaptic_crdt.node.lookup import find_id, find_task, get_assignments
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.outcomes import describe_outcome
from synaptic_crdt.node.wire import Json
from synaptic_crdt.rules.operations import Feedback


def give_feedback(node: Node, *, assignment: str, rating: int, comment: str = "") -> Json:
    """Rate the other party of settled work: of an assignment, or of a task with only one."""
    found = _find_work(node, assignment)
    outcome = node.append(Feedback(found, rating, comment))
    return describe_outcome(node, outcome) | {"assignment": found.hex(), "rating": rating}


def _find_work(node: Node, text: str) -> bytes:
    market = node.market.contract.market
    rows = list(get_assignments(market))
    if any(key.hex().startswith(text.lower()) for key, _ in rows):
        return find_id("assignment", text, (key for key, _ in rows))
    task_id = find_task(node, text)
    task = market.tasks.get(task_id)
    assert task is not None, task_id
    settled = [
        key
        for key, row in rows
        if row.seat.startswith(task_id)
        and row.end == "SETTLED"
        and node.account in (row.provider, task.requester)
    ]
    if len(settled) != 1:
        raise UsageError(
            f"task {task_id.hex()[:12]} has {len(settled)} settled assignments of yours; name one"
            f" (`synaptic-crdt task show {task_id.hex()[:12]}` lists them)"
        )
    return settled[0]
