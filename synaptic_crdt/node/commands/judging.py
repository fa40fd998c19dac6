"""Commands about what was delivered: approving with scores, settling, disputing; more time."""

from collections.abc import Mapping, Sequence
from typing import Final

from synaptic_crdt.errors import UsageError
from synaptic_crdt.node.commands.money import spend
from synaptic_crdt.node.lookup import find_assignment, find_task
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.outcomes import describe_outcome
from synaptic_crdt.node.wire import Json
from synaptic_crdt.rules.disputes import compute_deposit
from synaptic_crdt.rules.improving import compute_raise
from synaptic_crdt.rules.rows import AssignmentRow
from synaptic_crdt.rules.seats.seat import get_seat
from synaptic_crdt.rules.task_operations import (
    AssignmentExtend,
    AssignmentSettle,
    DisputeEvidence,
    DisputeOpen,
    DisputeRule,
    DisputeWithdraw,
    Score,
    TaskApprove,
    TaskImprove,
    TaskProgress,
)

_SECOND_MS: Final = 1_000


def approve_delivery(
    node: Node,
    *,
    assignment: str,
    reject: bool = False,
    scores_ppm: Mapping[str, int] | None = None,
) -> Json:
    """Approve what was delivered for an assignment, or reject it, with scores or without.

    The provider's approval of what is held agrees to what is proposed.
    """
    scores = tuple(Score(*item) for item in sorted((scores_ppm or {}).items()))
    operation = TaskApprove(_find_delivery(node, assignment), not reject, scores)
    return describe_outcome(node, node.append(operation))


def report_progress(node: Node, *, assignment: str, done_ppm: int) -> Json:
    """Say how far begun work is."""
    found = find_assignment(node, assignment, node.account)
    return describe_outcome(node, node.append(TaskProgress(found, done_ppm)))


def extend_assignment(node: Node, *, assignment: str, extension_seconds: int) -> Json:
    """Give an assignment more time for execution."""
    found = find_assignment(node, assignment)
    operation = AssignmentExtend(found, extension_seconds * _SECOND_MS)
    return describe_outcome(node, node.append(operation))


def settle_assignment(node: Node, *, assignment: str, share_ppm: int) -> Json:
    """Name the share of the pay that would do; settled once both parties name the same."""
    found = find_assignment(node, assignment)
    told = describe_outcome(node, node.append(AssignmentSettle(found, share_ppm)))
    row = node.market.contract.market.assignments.get(found)
    return told | {"settled": row is not None and row.end == "SETTLED", "share_ppm": share_ppm}


def open_dispute(
    node: Node,
    *,
    assignment: str,
    reason: str,
    statement: str = "",
    evidence: Sequence[str] = (),
    dry_run: bool = False,
    allow_pending: bool = False,
) -> Json:
    """Let arbiters decide on a delivery; a requester locks a deposit."""
    market = node.market.contract.market
    found = find_assignment(node, assignment)
    row = _get_assignment(node, found)
    deposit = compute_deposit(market, row.ask * get_seat(market, row.seat).shard.units)
    locked = 0 if row.provider == node.account else deposit
    operation = DisputeOpen(
        _find_delivery(node, assignment), reason, statement, _read_hashes(evidence)
    )
    told = spend(node, operation, locked, dry_run=dry_run, allow_pending=allow_pending)
    return told | {"assignment": found.hex(), "locked": locked, "deposit": deposit}


def add_evidence(node: Node, *, assignment: str, evidence: Sequence[str]) -> Json:
    """Add hashes of what speaks for one's side."""
    operation = DisputeEvidence(_find_delivery(node, assignment), _read_hashes(evidence))
    return describe_outcome(node, node.append(operation))


def rule_dispute(node: Node, *, assignment: str, share_ppm: int) -> Json:
    """As an arbiter, say which share of the pay was earned."""
    operation = DisputeRule(_find_delivery(node, assignment), share_ppm)
    return describe_outcome(node, node.append(operation))


def withdraw_dispute(node: Node, *, assignment: str) -> Json:
    """Give in, as who opened the dispute."""
    operation = DisputeWithdraw(_find_delivery(node, assignment))
    return describe_outcome(node, node.append(operation))


def improve_task(
    node: Node,
    *,
    task: str,
    price_low: int | None = None,
    price: int | None = None,
    price_max: int | None = None,
    bond: int | None = None,
    window_seconds: int | None = None,
    reputation_min: int | None = None,
    response_seconds: int | None = None,
    execution_seconds: int | None = None,
    penalty: int | None = None,
    dry_run: bool = False,
    allow_pending: bool = False,
) -> Json:
    """Better a task for its providers; what is not given stays as it is."""
    market = node.market.contract.market
    task_id = find_task(node, task)
    row = market.tasks.get(task_id)
    assert row is not None
    price_of_unit = row.price if price is None else price
    if price_low is None:
        # A task with one price for everybody keeps one.
        price_low = price_of_unit if row.price_low == row.price_max else row.price_low
    operation = TaskImprove(
        task=task_id,
        price_low=price_low,
        price=price_of_unit,
        price_max=max(row.price_max, price_of_unit) if price_max is None else price_max,
        bond=row.bond if bond is None else bond,
        window_ms=_to_ms(window_seconds, row.window_ms),
        reputation_min=row.reputation_min if reputation_min is None else reputation_min,
        response_ms=_to_ms(response_seconds, row.service.response_ms),
        execution_ms=_to_ms(execution_seconds, row.service.execution_ms),
        penalty=row.service.penalty if penalty is None else penalty,
    )
    locked = max(0, compute_raise(market, task_id, row, operation.price_max))
    told = spend(node, operation, locked, dry_run=dry_run, allow_pending=allow_pending)
    return told | {"task": task_id.hex(), "locked": locked}


def _find_delivery(node: Node, assignment: str) -> bytes:
    """Return the delivery of an assignment; of none yet, the contract says so in its own words."""
    return _get_assignment(node, find_assignment(node, assignment)).delivery or bytes(32)


def _get_assignment(node: Node, assignment_id: bytes) -> AssignmentRow:
    row = node.market.contract.market.assignments.get(assignment_id)
    assert row is not None, assignment_id
    return row


def _read_hashes(texts: Sequence[str]) -> tuple[bytes, ...]:
    """Return hashes in the order that the contract asks for."""
    try:
        return tuple(sorted({bytes.fromhex(text) for text in texts}))
    except ValueError as error:
        raise UsageError(
            f"evidence is named by hashes of 64 hexadecimal digits, not {texts!r:.80}"
        ) from error


def _to_ms(seconds: int | None, default_ms: int) -> int:
    return default_ms if seconds is None else seconds * _SECOND_MS
