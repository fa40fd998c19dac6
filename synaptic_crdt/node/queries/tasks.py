"""Tasks: what was asked for, who took it, why it ended, and what was delivered."""

import base64
from typing import Any

from synaptic_crdt.errors import UsageError
from synaptic_crdt.node.lookup import find_assignment, find_task, get_tasks
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.outcomes import Standing, get_standing
from synaptic_crdt.node.wire import Json
from synaptic_crdt.rules.operations import Payload, TaskDeliver, TaskPost, parse_operation
from synaptic_crdt.rules.views import view_assignment, view_task, view_tasks
from synaptic_crdt.state.outcomes import Outcome, Place


def list_tasks(node: Node, *, status: str | None = None) -> Json:
    """Return all tasks in the order of their posting, or those of one status."""
    views = view_tasks(node.market.contract.market)
    chosen = [view for view in views if status is None or view["status"] == status.upper()]
    return {"tasks": [view | _tell_standing(node, view["task"]) for view in chosen]}


def show_task(node: Node, *, task: str) -> Json:
    """Return one task with its seats, payloads' places and every assignment there was."""
    view = view_task(node.market.contract.market, find_task(node, task))
    assert view is not None
    assignments = [
        assignment | _tell_standing(node, assignment["assignment"])
        for assignment in view["assignments"]
    ]
    return view | _tell_standing(node, view["task"]) | {"assignments": assignments}


def show_payload(node: Node, *, task: str, seat: int = 0) -> Json:
    """Return what a seat of a task is to work on."""
    task_id = find_task(node, task)
    operation = parse_operation(_get_outcome(node, task_id).entry.operation)
    assert isinstance(operation, TaskPost)
    if not 0 <= seat < len(operation.seats):
        raise UsageError(f"task {task_id.hex()[:12]} has seats 0 to {len(operation.seats) - 1}")
    shard = operation.seats[seat]
    return {"task": task_id.hex(), "seat": seat, "units": shard.units} | _tell_payload(
        shard.payload
    )


def show_results(node: Node, *, task: str) -> Json:
    """Return what was delivered for a task, or for one assignment."""
    market = node.market.contract.market
    if any(key.hex().startswith(task.lower()) for key in get_tasks(market)):
        task_id = find_task(node, task)
        view = view_task(market, task_id)
        assert view is not None
        assignments: list[dict[str, Any]] = view["assignments"]
    else:
        one = view_assignment(market, find_assignment(node, task))
        assert one is not None
        task_id = bytes.fromhex(one["task"])
        assignments = [one]
    delivered = [assignment for assignment in assignments if assignment["delivery"]]
    return {
        "task": task_id.hex(),
        "results": [_tell_result(node, assignment) for assignment in delivered],
    }


def _tell_result(node: Node, assignment: Json) -> Json:
    outcome = _get_outcome(node, bytes.fromhex(assignment["delivery"]))
    operation = parse_operation(outcome.entry.operation)
    assert isinstance(operation, TaskDeliver)
    return {
        "assignment": assignment["assignment"],
        "seat": assignment["seat"],
        "provider": assignment["provider"],
        "status": assignment["status"],
        "standing": get_standing(node, outcome.place),
    } | _tell_payload(operation.result)


def _tell_payload(payload: Payload) -> Json:
    """Return a payload: as text where it is text, in base64 always."""
    data = payload.inline
    assert data is not None
    told: Json = {
        "media_type": payload.media_type,
        "size": payload.size,
        "hash": payload.hash.hex(),
        "base64": base64.b64encode(data).decode(),
        "text": None,
    }
    if payload.media_type.startswith("text/"):
        told["text"] = data.decode("utf-8", errors="replace")
    return told


def _tell_standing(node: Node, entry_id: str) -> Json:
    standing: Standing = get_standing(node, _get_place(node, bytes.fromhex(entry_id)))
    return {"standing": standing, "final": standing == "final"}


def _get_outcome(node: Node, entry_id: bytes) -> Outcome:
    outcome = node.replica.machine.get_outcome(entry_id)
    assert outcome is not None, entry_id
    return outcome


def _get_place(node: Node, entry_id: bytes) -> Place:
    place = node.replica.machine.get_place(entry_id)
    assert place is not None, entry_id
    return place
