"""What a seat that has not ended waits for, and what silence until its deadline comes to.

Nothing here decides anything; what does is the seat table. Every sentence names its values.
"""

from synaptic_crdt.rules import disputes, reviews
from synaptic_crdt.rules.market import Market
from synaptic_crdt.rules.rows import AssignmentRow, SeatRow, TaskRow
from synaptic_crdt.rules.seats.seat import compute_execution_limit, get_task
from synaptic_crdt.rules.showing import show_duration, show_share, show_time


def explain_waiting(market: Market, seat_id: bytes, seat: SeatRow) -> str:
    """Return what a seat waits for, and what comes at its deadline; nothing once it has ended."""
    deadline_ms = market.timers.get(seat_id)
    if deadline_ms is None:
        return ""
    task, assignment = get_task(market, seat), market.assignments.get(seat.assignment)
    told = (
        f"waits for a provider, at up to {task.price_max} a unit; its window ends"
        if assignment is None
        else _explain_taken(market, task, seat, assignment)
    )
    return f"{told} at {show_time(deadline_ms)}"


def _explain_taken(market: Market, task: TaskRow, seat: SeatRow, row: AssignmentRow) -> str:
    match seat.state:
        case "RESERVED":
            return f"waits until {task.providers_min} providers want the task; its window ends"
        case "PENDING":
            return "waits for a checkpoint to make the acceptance final; void without one"
        case "KEYWAIT":
            return "waits for the requester to reveal the key; void without it"
        case "ASSIGNED":
            limit = show_duration(task.service.response_ms)
            return f"waits for the provider to start, late after {limit}; abandoned"
        case "STARTED":
            limit = show_duration(compute_execution_limit(task, row))
            return f"the provider is at work, late after {limit}; abandoned"
        case _:
            return _explain_delivered(market, task, seat, row)


def _explain_delivered(market: Market, task: TaskRow, seat: SeatRow, row: AssignmentRow) -> str:
    match seat.state:
        case "DELIVERED":
            marks = reviews.get_review(market, row.delivery).marks
            approvals = sum(mark.approve for mark in marks)
            needed = f"{task.release.needed} to approve, {approvals} did"
            return f"waits for {needed}; silence approves"
        case "HELD":
            review = reviews.get_review(market, row.delivery)
            missed = f", missed {', '.join(review.missed)}" if review.missed else ""
            proposed = f"proposed: {show_share(review.share_ppm)}{missed}"
            return f"{proposed}; the provider may agree or dispute, and silence agrees"
        case "DISPUTED":
            dispute = disputes.get_dispute(market, row.delivery)
            ruled = f"{dispute.needed} rulings, has {len(dispute.rulings)}"
            return f"waits for {ruled}; decided by default"
        case _:
            return "was approved; paid"
