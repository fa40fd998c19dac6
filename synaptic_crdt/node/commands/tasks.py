"""Commands along the life of a task."""

import base64
import binascii
from collections.abc import Sequence
from typing import Final, TypedDict

from synaptic_crdt.errors import UsageError
from synaptic_crdt.node.commands.money import spend
from synaptic_crdt.node.lookup import find_assignment, find_task
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.outcomes import describe_outcome
from synaptic_crdt.node.wire import Json
from synaptic_crdt.rules.task_form import make_payload
from synaptic_crdt.rules.task_operations import (
    TOKEN,
    Payload,
    Release,
    ServiceLevel,
    Shard,
    TaskAccept,
    TaskApprove,
    TaskCancel,
    TaskDecline,
    TaskDeliver,
    TaskFail,
    TaskPost,
    TaskStart,
)

_SECOND_MS: Final = 1_000
_TEXT: Final = "text/plain"


class SeatArgs(TypedDict, total=False):
    """A seat as a person gives it: its units, and a text or data in base64."""

    units: int
    text: str | None
    base64: str | None
    media_type: str | None


def post_task(
    node: Node,
    *,
    kind: str,
    title: str,
    seats: Sequence[SeatArgs],
    price: int,
    price_low: int | None = None,
    price_max: int | None = None,
    providers_min: int = 1,
    window_seconds: int | None = None,
    priority_seconds: int | None = None,
    response_seconds: int = 600,
    execution_seconds: int = 3_600,
    penalty: int = 0,
    bond: int = 0,
    review_seconds: int | None = None,
    redispatch: int | None = None,
    dry_run: bool = False,
    allow_pending: bool = False,
) -> Json:
    """Post a task and lock the highest price x units of every seat.

    What is not given is the market's default; the three prices are one unless they are spread.
    """
    genesis = node.market.genesis
    shards = tuple(_read_shard(seat) for seat in seats)
    operation = TaskPost(
        kind=kind,
        title=title,
        criteria="",
        after=(),
        mode="split",
        copies=1,
        seats=shards,
        privacy="public",
        verifier=None,
        asset=TOKEN,
        auction="first-accept",
        price_low=price if price_low is None else price_low,
        price=price,
        price_max=price if price_max is None else price_max,
        bond=bond,
        providers_min=providers_min,
        window_ms=_to_ms(window_seconds, genesis.window_ms),
        priority_ms=_to_ms(priority_seconds, genesis.priority_ms),
        capabilities=(),
        reputation_min=0,
        only=(),
        exclude=(),
        redispatch=genesis.redispatch if redispatch is None else redispatch,
        service=ServiceLevel(
            response_seconds * _SECOND_MS, execution_seconds * _SECOND_MS, 0, penalty, ()
        ),
        release=Release("requester", (), 1, 0),
        evaluator=None,
        reveal_ms=genesis.reveal_ms,
        review_ms=_to_ms(review_seconds, genesis.review_ms),
        arbiters=(),
        quorum=0,
    )
    locked = operation.price_max * sum(shard.units for shard in shards)
    told = spend(node, operation, locked, dry_run=dry_run, allow_pending=allow_pending)
    if not dry_run:
        told["task"] = told["entry"]
    return told | {"locked": locked, "window_ms": operation.window_ms}


def cancel_task(node: Node, *, task: str) -> Json:
    """Close the seats of a task that nobody works on; their escrow returns."""
    return describe_outcome(node, node.append(TaskCancel(find_task(node, task))))


def accept_task(
    node: Node,
    *,
    task: str,
    ask: int | None = None,
    dry_run: bool = False,
    allow_pending: bool = False,
) -> Json:
    """Take a seat of a task for ``ask`` a unit; its full price when none is named."""
    task_id = find_task(node, task)
    row = node.market.contract.market.tasks.get(task_id)
    assert row is not None
    ask = row.price if ask is None else ask
    told = spend(
        node,
        TaskAccept(task=task_id, ask=ask, capabilities=()),
        row.bond,
        dry_run=dry_run,
        allow_pending=allow_pending,
    )
    if not dry_run:
        told["assignment"] = told["entry"]
    return told | {"task": task_id.hex(), "ask": ask, "bond": row.bond}


def decline_assignment(node: Node, *, assignment: str, reason: str = "other") -> Json:
    """Give an assignment back before the work began."""
    found = find_assignment(node, assignment, node.account)
    return describe_outcome(node, node.append(TaskDecline(found, reason)))


def start_assignment(node: Node, *, assignment: str) -> Json:
    """Say that the payload is in hand and readable, and begin."""
    found = find_assignment(node, assignment, node.account)
    return describe_outcome(node, node.append(TaskStart(found)))


def deliver_result(
    node: Node,
    *,
    assignment: str,
    text: str | None = None,
    data: str | None = None,
    media_type: str = _TEXT,
) -> Json:
    """Hand over a result: ``text``, or ``data`` in base64."""
    found = find_assignment(node, assignment, node.account)
    result = _read_payload({"text": text, "base64": data, "media_type": media_type})
    outcome = node.append(TaskDeliver(found, result, None, ()))
    return describe_outcome(node, outcome) | {
        "delivery": outcome.entry.id.hex(),
        "size": result.size,
    }


def fail_assignment(node: Node, *, assignment: str, reason: str = "other") -> Json:
    """Admit that begun work will not be delivered."""
    found = find_assignment(node, assignment, node.account)
    return describe_outcome(node, node.append(TaskFail(found, reason)))


def approve_delivery(node: Node, *, assignment: str, reject: bool = False) -> Json:
    """Approve what was delivered for an assignment, or reject it."""
    found = find_assignment(node, assignment)
    row = node.market.contract.market.assignments.get(found)
    assert row is not None
    # Nothing delivered yet: the contract says so in its own words.
    operation = TaskApprove(row.delivery or bytes(32), not reject, ())
    return describe_outcome(node, node.append(operation))


def _read_shard(seat: SeatArgs) -> Shard:
    return Shard(units=seat.get("units", 1), payload=_read_payload(seat), commitment=None, keys=())


def _read_payload(source: SeatArgs) -> Payload:
    text, encoded = source.get("text"), source.get("base64")
    if (text is None) == (encoded is None):
        raise UsageError("give either text or base64 data, not both or neither")
    if text is not None:
        return make_payload(source.get("media_type") or _TEXT, text.encode())
    try:
        data = base64.b64decode(str(encoded), validate=True)
    except (binascii.Error, ValueError) as error:
        raise UsageError(f"not base64: {error}") from error
    return make_payload(source.get("media_type") or "application/octet-stream", data)


def _to_ms(seconds: int | None, default_ms: int) -> int:
    return default_ms if seconds is None else seconds * _SECOND_MS
