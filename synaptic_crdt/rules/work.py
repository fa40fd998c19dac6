"""What provider and requester do with an assignment, from the key to the delivery.

Every operation names what its author saw, an assignment or a delivery, so that one signed on an
old view never hits somebody else's work.
"""

from synaptic_crdt.rules import limits, matching
from synaptic_crdt.rules.market import Act, Market
from synaptic_crdt.rules.rows import AssignmentRow, DeliveryRow, SeatRow, TaskRow
from synaptic_crdt.rules.seats.seat import (
    Cause,
    Event,
    change_assignment,
    compute_execution_limit,
    get_seat,
    get_task,
)
from synaptic_crdt.rules.seats.table import advance, is_allowed
from synaptic_crdt.rules.task_operations import (
    AssignmentExtend,
    TaskDecline,
    TaskDeliver,
    TaskFail,
    TaskProgress,
    TaskReveal,
    TaskStart,
)
from synaptic_crdt.rules.verdicts import Refusal, Verdict


def start_work(market: Market, op: TaskStart, act: Act) -> Refusal | None:
    """The payload is in hand and readable; from now on the execution limit runs."""
    return _work(market, op.assignment, "start", act)


def decline_work(market: Market, op: TaskDecline, act: Act) -> Refusal | None:
    """Give back what was not begun."""
    return _return(market, op.assignment, "decline", act, op.reason)


def fail_work(market: Market, op: TaskFail, act: Act) -> Refusal | None:
    """Give back what was begun."""
    return _return(market, op.assignment, "fail", act, op.reason)


def report_progress(market: Market, op: TaskProgress, act: Act) -> Refusal | None:
    """Say how far the work is; nothing follows from it."""
    found = find_assignment(market, op.assignment, act, "provider")
    if isinstance(found, Refusal):
        return found
    assignment, seat, _ = found
    if seat.state != "STARTED":
        return Refusal(Verdict.WRONG_PHASE, (seat.state,))
    if assignment.progress >= limits.PROGRESS:
        return Refusal(Verdict.TOO_MUCH_PROGRESS, (assignment.progress,))
    # From here on the operation must succeed.
    change_assignment(market, op.assignment, progress=assignment.progress + 1, done_ppm=op.done_ppm)
    return None


def deliver_work(market: Market, op: TaskDeliver, act: Act) -> Refusal | None:
    """Hand over the result for review."""
    found = find_assignment(market, op.assignment, act, "provider")
    if isinstance(found, Refusal):
        return found
    assignment, seat, task = found
    refusal = check_event(seat, "deliver") or _check_sealed(op, task)
    if refusal is not None:
        return refusal
    # From here on the operation must succeed.
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
    advance(market, assignment.seat, "deliver", Cause(act.now, act.entry))
    return None


def reveal_key(market: Market, op: TaskReveal, act: Act) -> Refusal | None:
    """Hand the content key to the provider; from now on the response limit runs."""
    found = find_assignment(market, op.assignment, act, "requester")
    if isinstance(found, Refusal):
        return found
    assignment, seat, _ = found
    refusal = check_event(seat, "reveal")
    if refusal is not None:
        return refusal
    # A device that joined since may be a thief's.
    for key in op.keys:
        if key.device not in assignment.devices:
            return Refusal(Verdict.KEY_FOR_OTHERS, (key.device,))
    # From here on the operation must succeed.
    change_assignment(market, op.assignment, revealed=act.entry)
    advance(market, assignment.seat, "reveal", Cause(act.now, act.entry))
    return None


def extend_work(market: Market, op: AssignmentExtend, act: Act) -> Refusal | None:
    """Give the provider more time for execution."""
    found = find_assignment(market, op.assignment, act, "requester")
    if isinstance(found, Refusal):
        return found
    assignment, seat, task = found
    refusal = check_event(seat, "extend")
    if refusal is not None:
        return refusal
    limit_ms = compute_execution_limit(task, assignment) + op.extension_ms
    if limit_ms > limits.DURATION_MAX_MS:
        return Refusal(Verdict.EXTENSION_TOO_LONG, (limit_ms, limits.DURATION_MAX_MS))
    # From here on the operation must succeed.
    extended_ms = assignment.extended_ms + op.extension_ms
    change_assignment(market, op.assignment, extended_ms=extended_ms)
    advance(market, assignment.seat, "extend", Cause(act.now, act.entry))
    return None


def find_assignment(
    market: Market, assignment_id: bytes, act: Act, side: str
) -> tuple[AssignmentRow, SeatRow, TaskRow] | Refusal:
    """Return a living assignment of this author's, with its seat and task, or why not."""
    assignment = market.assignments.get(assignment_id)
    if assignment is None:
        return Refusal(Verdict.ASSIGNMENT_UNKNOWN, (assignment_id,))
    seat = get_seat(market, assignment.seat)
    task = get_task(market, seat)
    if side == "provider" and act.account != assignment.provider:
        return Refusal(Verdict.NOT_THE_PROVIDER, (assignment.provider,))
    if side == "requester" and act.account != task.requester:
        return Refusal(Verdict.NOT_THE_REQUESTER, (task.requester,))
    return check_living(assignment) or (assignment, seat, task)


def check_living(assignment: AssignmentRow) -> Refusal | None:
    """Does an assignment still have its seat?"""
    if not assignment.end:
        return None
    return Refusal(Verdict.ASSIGNMENT_CLOSED, (assignment.end, assignment.reason))


def check_event(seat: SeatRow, event: Event) -> Refusal | None:
    """Has the seat table a row for this?"""
    return None if is_allowed(seat, event) else Refusal(Verdict.WRONG_PHASE, (seat.state,))


def _return(
    market: Market, assignment_id: bytes, event: Event, act: Act, reason: str
) -> Refusal | None:
    """Give a seat back, to whoever waits for one."""
    refusal = _work(market, assignment_id, event, act, reason)
    if refusal is None:
        assignment = market.assignments.get(assignment_id)
        assert assignment is not None, assignment_id
        matching.match_reopened(market, assignment.seat, act.now)
    return refusal


def _work(
    market: Market, assignment_id: bytes, event: Event, act: Act, note: str = ""
) -> Refusal | None:
    found = find_assignment(market, assignment_id, act, "provider")
    if isinstance(found, Refusal):
        return found
    assignment, seat, _ = found
    refusal = check_event(seat, event)
    if refusal is not None:
        return refusal
    # From here on the operation must succeed.
    advance(market, assignment.seat, event, Cause(act.now, act.entry, note))
    return None


def _check_sealed(op: TaskDeliver, task: TaskRow) -> Refusal | None:
    """Is the result sealed just when others may not read it: a private one, or one of copies?"""
    must_be = task.privacy != "public" or task.mode == "replicate"
    if must_be and op.commitment is None:
        return Refusal(Verdict.RESULT_NOT_SEALED)
    if not must_be and op.commitment is not None:
        return Refusal(Verdict.RESULT_SEALED)
    return None
