"""How an assignment and a seat end: settled, forfeited, given back, closed.

Everything that pays out of a seat's escrow, bond or deposit is here, so that nothing is paid from
anywhere else; what an ending means for reputation and prices is told to ``outcomes``.
"""

from msgspec.structs import replace

from synaptic_crdt.rules import holds, limits, outcomes
from synaptic_crdt.rules.market import TREASURY, Market
from synaptic_crdt.rules.outcomes import Outcome
from synaptic_crdt.rules.rows import (
    AssignmentEnd,
    AssignmentRow,
    Reason,
    SeatEnd,
    SeatRow,
    TaskRow,
)
from synaptic_crdt.rules.seats.seat import (
    OWED,
    Cause,
    change_seat,
    compute_escrow,
    compute_execution_limit,
    get_holder,
    get_seat,
    get_task,
)
from synaptic_crdt.rules.settlement import Settlement, compute_settlement, find_violations


def settle(market: Market, seat_id: bytes, cause: Cause, reason: Reason, outcome: Outcome) -> None:
    """Share out the escrow, give the bond back, and end the seat."""
    seat = get_seat(market, seat_id)
    task, assignment = get_task(market, seat), get_holder(market, seat)
    violations = _count_violations(task, assignment) if outcome.is_timed else 0
    parts = _compute_parts(task, seat, assignment, outcome, violations)
    # What the provider lost of its stake in a dispute comes out of what it earned.
    staked = min(outcome.staked, parts.provider)
    holds.pay(market, seat_id, "escrow", assignment.provider, parts.provider - staked)
    holds.pay(market, seat_id, "escrow", TREASURY, parts.fee)
    holds.release(market, seat_id, "escrow")
    holds.release(market, seat_id, "deposit")
    if outcome.is_ruled and outcome.share_ppm == 0:
        holds.pay(market, seat_id, "bond", task.requester, assignment.bond)
    ended = end_assignment(
        market,
        seat,
        seat_id,
        cause,
        "SETTLED",
        reason,
        share_ppm=outcome.share_ppm,
        paid=parts.provider - staked,
        fee=parts.fee,
        penalty=parts.penalty,
    )
    market.timers.clear(seat_id)
    market.seats.set(seat_id, replace(seat, state="SETTLED"))
    outcomes.note_settlement(market, task, seat, ended, outcome, violations)


def forfeit(
    market: Market, seat_id: bytes, cause: Cause, end: AssignmentEnd, reason: Reason
) -> None:
    """End an assignment by its provider's fault: the bond, or half, is the requester's."""
    seat = get_seat(market, seat_id)
    task, assignment = get_task(market, seat), get_holder(market, seat)
    forfeited = assignment.bond // 2 if end == "FAILED" else assignment.bond
    holds.pay(market, seat_id, "bond", task.requester, forfeited)
    end_assignment(market, seat, seat_id, cause, end, reason, penalty=forfeited)
    outcomes.note_forfeit(market, task, assignment, end, cause.now)
    if seat.reopened >= task.redispatch:
        close(market, seat_id, "EXHAUSTED")
    else:
        change_seat(market, seat_id, reopened=seat.reopened + 1)
        reopen(market, seat_id, assignment.provider, cause)


def give_back(market: Market, seat_id: bytes, cause: Cause) -> None:
    """End an assignment that was not begun, at its provider's wish."""
    seat = get_seat(market, seat_id)
    assignment = get_holder(market, seat)
    end_assignment(market, seat, seat_id, cause, "DECLINED", "declined")
    if seat.state == "ASSIGNED":
        outcomes.note_decline(market, assignment, cause.now)
    if seat.declined >= limits.DECLINES:
        close(market, seat_id, "EXHAUSTED")
        return
    change_seat(market, seat_id, declined=seat.declined + 1)
    if seat.state == "RESERVED":
        # The window of all seats goes on: nothing had begun.
        free(market, seat_id, assignment.provider)
    else:
        reopen(market, seat_id, assignment.provider, cause)


def void(
    market: Market, seat_id: bytes, cause: Cause, reason: Reason, seat_end: SeatEnd = "VOID"
) -> None:
    """End an assignment by nobody's fault or the requester's, and its seat with it."""
    seat = get_seat(market, seat_id)
    end_assignment(market, seat, seat_id, cause, "VOID", reason)
    close(market, seat_id, seat_end)


def end_assignment(
    market: Market,
    seat: SeatRow,
    seat_id: bytes,
    cause: Cause,
    end: AssignmentEnd,
    reason: Reason,
    **figures: int,
) -> AssignmentRow:
    """End the assignment that has a seat, and give back what is left of its bond."""
    holds.release(market, seat_id, "bond")
    assignment = get_holder(market, seat)
    if seat.state in OWED:
        count_owed(market, assignment.provider, -1)
    ended = replace(
        assignment, end=end, reason=reason, note=cause.note, ended_ms=cause.now, **figures
    )
    market.assignments.set(seat.assignment, ended)
    return ended


def free(market: Market, seat_id: bytes, provider: bytes) -> None:
    """Open a seat to everybody but who just had it."""
    seat = get_seat(market, seat_id)
    change_seat(market, seat_id, state="OPEN", assignment=b"", excluded=(*seat.excluded, provider))


def reopen(market: Market, seat_id: bytes, provider: bytes, cause: Cause) -> None:
    """Offer a seat for another window, to everybody but who just had it."""
    free(market, seat_id, provider)
    seat = change_seat(market, seat_id, opened_ms=cause.now)
    market.timers.set(seat_id, cause.now + get_task(market, seat).window_ms)


def close(market: Market, seat_id: bytes, end: SeatEnd) -> None:
    """Give the escrow back and end the seat."""
    holds.release(market, seat_id, "escrow")
    market.timers.clear(seat_id)
    change_seat(market, seat_id, state="CLOSED", end=end, assignment=b"")


def count_owed(market: Market, provider: bytes, change: int) -> None:
    """Count the work that a provider owes."""
    row = market.get_provider(provider)
    market.providers.set(provider, replace(row, owed=row.owed + change))


def _count_violations(task: TaskRow, assignment: AssignmentRow) -> int:
    late = find_violations(
        armed_ms=assignment.armed_ms,
        started_ms=assignment.started_ms,
        delivered_ms=assignment.delivered_ms,
        response_ms=task.service.response_ms,
        execution_ms=compute_execution_limit(task, assignment),
    )
    return len(late) + assignment.low_uptime


def _compute_parts(
    task: TaskRow, seat: SeatRow, assignment: AssignmentRow, outcome: Outcome, violations: int
) -> Settlement:
    penalty = task.service.penalty
    return compute_settlement(
        compute_escrow(task, seat),
        assignment.ask * seat.shard.units,
        penalty * violations + penalty // 2 * outcome.missed,
        outcome.share_ppm,
        task.fee_ppm,
    )
