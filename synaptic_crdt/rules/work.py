"""What provider and requester do with an assignment, from start to approval.

Every operation names what its author saw, an assignment or a delivery, so that one signed on an
old view never hits somebody else's work.
"""

from synaptic_crdt.rules.market import Act, Market
from synaptic_crdt.rules.rows import AssignmentRow, DeliveryRow
from synaptic_crdt.rules.seats import Cause, Event, advance, get_seat, get_task, is_allowed
from synaptic_crdt.rules.task_operations import (
    TaskApprove,
    TaskDecline,
    TaskDeliver,
    TaskFail,
    TaskStart,
)
from synaptic_crdt.rules.verdicts import Refusal, Verdict


def start_work(market: Market, op: TaskStart, act: Act) -> Refusal | None:
    """The payload is in hand and readable; from now on the execution limit runs."""
    return _work(market, op.assignment, "start", act)


def decline_work(market: Market, op: TaskDecline, act: Act) -> Refusal | None:
    """Give back what was not begun."""
    return _work(market, op.assignment, "decline", act, op.reason)


def fail_work(market: Market, op: TaskFail, act: Act) -> Refusal | None:
    """Give back what was begun."""
    return _work(market, op.assignment, "fail", act, op.reason)


def deliver_work(market: Market, op: TaskDeliver, act: Act) -> Refusal | None:
    """Hand over the result for review."""
    refusal = _work(market, op.assignment, "deliver", act)
    if refusal is None:
        result = op.result
        market.deliveries.set(
            act.entry,
            DeliveryRow(
                assignment=op.assignment,
                media_type=result.media_type,
                size=result.size,
                hash=result.hash,
                commitment=op.commitment or b"",
            ),
        )
    return refusal


def review_work(market: Market, op: TaskApprove, act: Act) -> Refusal | None:
    """Approve and pay, or reject and hold."""
    delivery = market.deliveries.get(op.delivery)
    if delivery is None:
        return Refusal(Verdict.DELIVERY_UNKNOWN, (op.delivery,))
    assignment = market.assignments.get(delivery.assignment)
    assert assignment is not None, delivery.assignment
    task = get_task(market, get_seat(market, assignment.seat))
    # A provider never releases to itself.
    if act.account != task.requester:
        return Refusal(Verdict.NOT_THE_REQUESTER, (task.requester,))
    return _advance(market, assignment, "approve" if op.approve else "reject", act)


def _work(
    market: Market, assignment_id: bytes, event: Event, act: Act, note: str = ""
) -> Refusal | None:
    assignment = market.assignments.get(assignment_id)
    if assignment is None:
        return Refusal(Verdict.ASSIGNMENT_UNKNOWN, (assignment_id,))
    if assignment.provider != act.account:
        return Refusal(Verdict.NOT_THE_PROVIDER, (assignment.provider,))
    return _advance(market, assignment, event, act, note)


def _advance(
    market: Market, assignment: AssignmentRow, event: Event, act: Act, note: str = ""
) -> Refusal | None:
    if assignment.end:
        return Refusal(Verdict.ASSIGNMENT_CLOSED, (assignment.end, assignment.reason))
    seat = get_seat(market, assignment.seat)
    if not is_allowed(seat, event):
        return Refusal(Verdict.WRONG_PHASE, (seat.state,))
    # From here on the operation must succeed.
    advance(market, assignment.seat, event, Cause(act.now, act.entry, note))
    return None
