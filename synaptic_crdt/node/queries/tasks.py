"""Tasks: what was asked for, who took it, why it ended, and what was delivered."""

import base64
from typing import Any, Final

from synaptic_crdt.errors import Forged, MalformedInput, StoreDamaged, UsageError
from synaptic_crdt.node.contents import Content, open_payload, open_result
from synaptic_crdt.node.lookup import find_assignment, find_task, get_assignments, get_tasks
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.outcomes import (
    Standing,
    get_standing,
    get_task_standing,
    get_work_standing,
)
from synaptic_crdt.node.wire import Json
from synaptic_crdt.rules.operations import parse_operation
from synaptic_crdt.rules.seats.seat import get_seat
from synaptic_crdt.rules.task_operations import Payload, TaskDeliver, TaskPost
from synaptic_crdt.rules.task_views import view_assignment, view_task, view_tasks
from synaptic_crdt.state.limits import MIB
from synaptic_crdt.state.outcomes import Outcome, Place

_TEXT_BYTES: Final = MIB  # shown beside its base64 up to here: escaped, it can be six times as long


def list_tasks(node: Node, *, status: str | None = None) -> Json:
    """Return all tasks in the order of their posting, or those of one status."""
    views = view_tasks(node.market.contract.market)
    chosen = [view for view in views if status is None or view["status"] == status.upper()]
    return {"tasks": [view | _tell_standing(node, view["task"]) for view in chosen]}


def show_task(node: Node, *, task: str) -> Json:
    """Return one task with its seats, payloads' places and every assignment there was.

    It may be named by one of its assignments, as in every command that is about work.
    """
    view = view_task(node.market.contract.market, _find_task_of(node, task))
    assert view is not None
    assignments = [
        assignment | _tell_assignment_standing(node, assignment["assignment"])
        for assignment in view["assignments"]
    ]
    told = {"part": _find_part(node, view), "assignments": assignments}
    return view | _tell_standing(node, view["task"]) | told


def show_payload(node: Node, *, task: str, seat: int = 0) -> Json:
    """Return what a seat of a task is to work on."""
    task_id = find_task(node, task)
    operation = parse_operation(_get_outcome(node, task_id).entry.operation)
    assert isinstance(operation, TaskPost)
    row = node.market.contract.market.tasks.get(task_id)
    assert row is not None
    if not 0 <= seat < row.seats:
        raise UsageError(f"task {task_id.hex()[:12]} has seats 0 to {row.seats - 1}")
    shard = operation.seats[0 if row.mode == "replicate" else seat]
    content = open_payload(node, task_id, seat)
    return {"task": task_id.hex(), "seat": seat, "units": shard.units} | _tell_payload(
        shard.payload, content
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


def _find_task_of(node: Node, text: str) -> bytes:
    """Return the task of an id, or of an assignment's where no task has it."""
    market, prefix = node.market.contract.market, text.lower()
    if not any(key.hex().startswith(prefix) for key in get_tasks(market)):
        found = [row for key, row in get_assignments(market) if key.hex().startswith(prefix)]
        if len(found) == 1:
            return get_seat(market, found[0].seat).task
    return find_task(node, text)


def _find_part(node: Node, view: Json) -> str:
    """Return which part this home's account has in a task: a party's, or another."""
    mine = node.account.hex()
    if view["requester"] == mine:
        return "requester"
    holders = {seat["assignment"] for seat in view["shards"]} - {""}
    is_mine = any(
        row["provider"] == mine and row["assignment"] in holders for row in view["assignments"]
    )
    return "provider" if is_mine else "other"


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
    } | _tell_payload(operation.result, _open_result(node, outcome.entry.id))


def _open_result(node: Node, delivery_id: bytes) -> Content:
    # One provider's lie must not hide the results of the others.
    try:
        return open_result(node, delivery_id)
    except (Forged, MalformedInput, StoreDamaged):
        return Content("unreadable")


def _tell_payload(payload: Payload, content: Content) -> Json:
    """Return a payload: as text where it is text, in base64 always, if it is open here.

    Size and hash are those of what travels; of what is private, that is the ciphertext.
    """
    told: Json = {
        "media_type": payload.media_type,
        "size": payload.size,
        "hash": payload.hash.hex(),
        "blob": payload.inline is None,
        "reach": content.reach,
        "base64": None,
        "text": None,
    }
    if content.reach == "open":
        told["base64"] = base64.b64encode(content.data).decode()
        if payload.media_type.startswith("text/") and len(content.data) <= _TEXT_BYTES:
            told["text"] = content.data.decode("utf-8", errors="replace")
    return told


def _tell_standing(node: Node, task: str) -> Json:
    task_id = bytes.fromhex(task)
    standing: Standing = get_task_standing(node, task_id, _get_place(node, task_id))
    return {"standing": standing, "final": standing == "final"}


def _tell_assignment_standing(node: Node, assignment_id: str) -> Json:
    standing = get_work_standing(node, bytes.fromhex(assignment_id))
    return {"standing": standing, "final": standing == "final"}


def _get_outcome(node: Node, entry_id: bytes) -> Outcome:
    outcome = node.replica.machine.get_outcome(entry_id)
    assert outcome is not None, entry_id
    return outcome


def _get_place(node: Node, entry_id: bytes) -> Place:
    place = node.replica.machine.get_place(entry_id)
    assert place is not None, entry_id
    return place
