"""The seat table: every state of a seat, what may happen in it, and what follows.

One row, one function. ``TRANSITIONS`` is the whole table: an event that has no row there is
refused as WRONG_PHASE. Every state that holds tokens has a deadline with a row of its own, so
silence alone ends with nothing locked.

The states of keys awaited, of disputes and of time locks are not here yet; each will be rows in
the same table.
"""

from collections.abc import Callable, Mapping
from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from synaptic_crdt.rules import holds, limits
from synaptic_crdt.rules.market import TREASURY, Market
from synaptic_crdt.rules.rows import (
    AssignmentEnd,
    AssignmentRow,
    Reason,
    SeatEnd,
    SeatRow,
    SeatState,
    TaskRow,
)
from synaptic_crdt.rules.settlement import compute_settlement, count_violations

Event = Literal[
    "accept",
    "cancel",
    "epoch",
    "decline",
    "start",
    "deliver",
    "fail",
    "approve",
    "reject",
    "deadline",
]

LIVE: Final[frozenset[SeatState]] = frozenset(
    ("RESERVED", "PENDING", "ASSIGNED", "STARTED", "DELIVERED", "HELD")
)
ENDED: Final[frozenset[SeatState]] = frozenset(("SETTLED", "CLOSED"))
# The provider owes something: it counts against its open assignments.
OWED: Final[frozenset[SeatState]] = frozenset(("RESERVED", "PENDING", "ASSIGNED", "STARTED"))


class Cause(msgspec.Struct, frozen=True, gc=False):
    """What made an event happen: when, by which entry (none for a deadline), said why."""

    now: int
    entry: bytes = b""
    note: str = ""


Row = Callable[[Market, bytes, Cause], None]


def get_seat_id(task: bytes, number: int) -> bytes:
    """Return the id of a seat: its task's id and one byte, so that it sorts by number."""
    return task + bytes((number,))


def get_seat(market: Market, seat_id: bytes) -> SeatRow:
    """Return a seat that exists."""
    seat = market.seats.get(seat_id)
    assert seat is not None, seat_id
    return seat


def get_seats(market: Market, task_id: bytes, task: TaskRow) -> list[tuple[bytes, SeatRow]]:
    """Return all seats of a task with their ids, by number."""
    ids = [get_seat_id(task_id, number) for number in range(task.seats)]
    return [(seat_id, get_seat(market, seat_id)) for seat_id in ids]


def get_task(market: Market, seat: SeatRow) -> TaskRow:
    """Return the task of a seat."""
    task = market.tasks.get(seat.task)
    assert task is not None, seat.task
    return task


def is_allowed(seat: SeatRow, event: Event) -> bool:
    """Has the seat table a row for this event in the seat's state?"""
    return (seat.state, event) in TRANSITIONS


def advance(market: Market, seat_id: bytes, event: Event, cause: Cause) -> None:
    """Carry out the row of an event that is allowed."""
    TRANSITIONS[get_seat(market, seat_id).state, event](market, seat_id, cause)


def is_min_reached(task: TaskRow, seats: list[tuple[bytes, SeatRow]]) -> bool:
    """Did, or do, enough providers want the task for work to begin?"""
    reserved = 0
    for _, seat in seats:
        if seat.attempts > 0:
            return True
        reserved += seat.state == "RESERVED"
    return reserved >= task.providers_min


# OPEN: the escrow is locked; the deadline is the end of the window.


def _accept(market: Market, seat_id: bytes, cause: Cause) -> None:
    """Reserve the seat; with the least number of providers reached, all reserved ones go on."""
    seat = get_seat(market, seat_id)
    market.seats.set(seat_id, replace(seat, state="RESERVED", assignment=cause.entry))
    seats = get_seats(market, seat.task, get_task(market, seat))
    if is_min_reached(get_task(market, seat), seats):
        for other_id, other in seats:
            if other.state == "RESERVED":
                _pend(market, other_id, cause)


def _pend(market: Market, seat_id: bytes, cause: Cause) -> None:
    """Wait for the epoch of the acceptance to be counted; a sandbox has none to wait for."""
    seat = get_seat(market, seat_id)
    market.seats.set(seat_id, replace(seat, state="PENDING", attempts=seat.attempts + 1))
    market.timers.set(seat_id, cause.now + market.genesis.finality_wait_ms)
    if market.genesis.sandbox:
        _arm(market, seat_id, cause)


def _cancel(market: Market, seat_id: bytes, cause: Cause) -> None:  # noqa: ARG001 - a row's signature
    _close(market, seat_id, "CANCELLED")


def _expire(market: Market, seat_id: bytes, cause: Cause) -> None:  # noqa: ARG001 - a row's signature
    """Nobody took it: unfilled, or void with all others when too few providers came."""
    seat = get_seat(market, seat_id)
    task = get_task(market, seat)
    reached = is_min_reached(task, get_seats(market, seat.task, task))
    _close(market, seat_id, "UNFILLED" if reached else "VOID")


# RESERVED: escrow and bond are locked; the deadline is still the end of the window.


def _decline_reserved(market: Market, seat_id: bytes, cause: Cause) -> None:
    """Give the seat back within the same window; it is nobody's failure."""
    seat, assignment = get_seat(market, seat_id), _get_assignment(market, seat_id)
    _end(market, seat_id, cause, "DECLINED", "declined")
    if seat.declined >= limits.DECLINES:
        _close(market, seat_id, "EXHAUSTED")
        return
    market.seats.set(
        seat_id,
        replace(
            seat,
            state="OPEN",
            assignment=b"",
            declined=seat.declined + 1,
            excluded=(*seat.excluded, assignment.provider),
        ),
    )


def _cancel_reserved(market: Market, seat_id: bytes, cause: Cause) -> None:
    _end(market, seat_id, cause, "VOID", "cancelled")
    _close(market, seat_id, "CANCELLED")


def _void_reserved(market: Market, seat_id: bytes, cause: Cause) -> None:
    """Too few providers came before the window ended."""
    _end(market, seat_id, cause, "VOID", "window-ended")
    _close(market, seat_id, "VOID")


# PENDING: escrow and bond are locked; the deadline is the longest wait for finality.


def _arm(market: Market, seat_id: bytes, cause: Cause) -> None:
    """The acceptance is final: from now on the response limit runs."""
    seat = get_seat(market, seat_id)
    market.seats.set(seat_id, replace(seat, state="ASSIGNED"))
    _note(market, seat.assignment, armed_ms=cause.now)
    response_ms = get_task(market, seat).service.response_ms
    market.timers.set(seat_id, cause.now + compute_hard_limit(response_ms))


def _void_pending(market: Market, seat_id: bytes, cause: Cause) -> None:
    """No checkpoint came: nobody may be bound by what is not final."""
    _end(market, seat_id, cause, "VOID", "not-final")
    _close(market, seat_id, "VOID")


# PENDING and ASSIGNED: nothing has been begun.


def _decline(market: Market, seat_id: bytes, cause: Cause) -> None:
    """Give the seat back, with the bond returned."""
    seat, assignment = get_seat(market, seat_id), _get_assignment(market, seat_id)
    _end(market, seat_id, cause, "DECLINED", "declined")
    if seat.declined >= limits.DECLINES:
        _close(market, seat_id, "EXHAUSTED")
    else:
        _reopen(market, seat_id, assignment.provider, cause, declined=1)


# ASSIGNED: escrow and bond are locked; the deadline is the hard response limit.


def _start(market: Market, seat_id: bytes, cause: Cause) -> None:
    seat = get_seat(market, seat_id)
    market.seats.set(seat_id, replace(seat, state="STARTED"))
    _note(market, seat.assignment, started_ms=cause.now)
    execution_ms = get_task(market, seat).service.execution_ms
    market.timers.set(seat_id, cause.now + compute_hard_limit(execution_ms))


def _abandon_unstarted(market: Market, seat_id: bytes, cause: Cause) -> None:
    _forfeit(market, seat_id, cause, "ABANDONED", "not-started")


# STARTED: escrow and bond are locked; the deadline is the hard execution limit.


def _deliver(market: Market, seat_id: bytes, cause: Cause) -> None:
    """Hand over to the requester; the provider owes nothing more."""
    seat, assignment = get_seat(market, seat_id), _get_assignment(market, seat_id)
    market.seats.set(seat_id, replace(seat, state="DELIVERED"))
    _note(market, seat.assignment, delivered_ms=cause.now, delivery=cause.entry)
    _count_owed(market, assignment.provider, -1)
    market.timers.set(seat_id, cause.now + get_task(market, seat).review_ms)


def _fail(market: Market, seat_id: bytes, cause: Cause) -> None:
    """Honesty costs half of what silence costs."""
    _forfeit(market, seat_id, cause, "FAILED", "failed")


def _abandon_undelivered(market: Market, seat_id: bytes, cause: Cause) -> None:
    _forfeit(market, seat_id, cause, "ABANDONED", "not-delivered")


# DELIVERED: escrow and bond are locked; the deadline is the end of the review.


def _approve(market: Market, seat_id: bytes, cause: Cause) -> None:
    _settle(market, seat_id, cause, limits.MILLION, "approved")


def _approve_silently(market: Market, seat_id: bytes, cause: Cause) -> None:
    """A requester that says nothing has approved."""
    _settle(market, seat_id, cause, limits.MILLION, "review-ended")


def _reject(market: Market, seat_id: bytes, cause: Cause) -> None:
    """Propose to pay nothing; the provider has the contest's time before it comes true."""
    market.seats.set(seat_id, replace(get_seat(market, seat_id), state="HELD"))
    market.timers.set(seat_id, cause.now + market.genesis.contest_ms)


# HELD: escrow and bond are locked; the deadline is the end of the contest.


def _settle_rejected(market: Market, seat_id: bytes, cause: Cause) -> None:
    _settle(market, seat_id, cause, 0, "contest-ended")


TRANSITIONS: Final[Mapping[tuple[SeatState, Event], Row]] = {
    ("OPEN", "accept"): _accept,
    ("OPEN", "cancel"): _cancel,
    ("OPEN", "deadline"): _expire,
    ("RESERVED", "decline"): _decline_reserved,
    ("RESERVED", "cancel"): _cancel_reserved,
    ("RESERVED", "deadline"): _void_reserved,
    ("PENDING", "epoch"): _arm,
    ("PENDING", "decline"): _decline,
    ("PENDING", "deadline"): _void_pending,
    ("ASSIGNED", "start"): _start,
    ("ASSIGNED", "decline"): _decline,
    ("ASSIGNED", "deadline"): _abandon_unstarted,
    ("STARTED", "deliver"): _deliver,
    ("STARTED", "fail"): _fail,
    ("STARTED", "deadline"): _abandon_undelivered,
    ("DELIVERED", "approve"): _approve,
    ("DELIVERED", "reject"): _reject,
    ("DELIVERED", "deadline"): _approve_silently,
    ("HELD", "deadline"): _settle_rejected,
}


def compute_hard_limit(limit_ms: int) -> int:
    """Return when late becomes abandoned: max(4x, x + 10 min)."""
    return max(limits.HARD_FACTOR * limit_ms, limit_ms + limits.HARD_SLACK_MS)


def _settle(market: Market, seat_id: bytes, cause: Cause, share_ppm: int, reason: Reason) -> None:
    """Share out the escrow, give the bond back, and end the seat."""
    seat, assignment = get_seat(market, seat_id), _get_assignment(market, seat_id)
    task = get_task(market, seat)
    violations = count_violations(
        armed_ms=assignment.armed_ms,
        started_ms=assignment.started_ms,
        delivered_ms=assignment.delivered_ms,
        response_ms=task.service.response_ms,
        execution_ms=task.service.execution_ms,
    )
    parts = compute_settlement(
        seat.escrow,
        assignment.ask * seat.shard.units,
        task.service.penalty * violations,
        share_ppm,
        task.fee_ppm,
    )
    holds.pay(market, seat_id, "escrow", assignment.provider, parts.provider)
    holds.pay(market, seat_id, "escrow", TREASURY, parts.fee)
    holds.release(market, seat_id, "escrow")
    _end(market, seat_id, cause, "SETTLED", reason, paid=parts.provider, penalty=parts.penalty)
    market.timers.clear(seat_id)
    market.seats.set(seat_id, replace(seat, state="SETTLED"))


def _forfeit(
    market: Market, seat_id: bytes, cause: Cause, end: AssignmentEnd, reason: Reason
) -> None:
    """End an assignment by its provider's fault: the bond, or half, is the requester's."""
    seat, assignment = get_seat(market, seat_id), _get_assignment(market, seat_id)
    task = get_task(market, seat)
    forfeited = assignment.bond // 2 if end == "FAILED" else assignment.bond
    holds.pay(market, seat_id, "bond", task.requester, forfeited)
    _end(market, seat_id, cause, end, reason, penalty=forfeited)
    if seat.reopened >= task.redispatch:
        _close(market, seat_id, "EXHAUSTED")
    else:
        _reopen(market, seat_id, assignment.provider, cause, declined=0)


def _end(
    market: Market,
    seat_id: bytes,
    cause: Cause,
    end: AssignmentEnd,
    reason: Reason,
    paid: int = 0,
    penalty: int = 0,
) -> None:
    """End the seat's assignment, and give back what is left of its bond."""
    seat, assignment = get_seat(market, seat_id), _get_assignment(market, seat_id)
    holds.release(market, seat_id, "bond")
    if seat.state in OWED:
        _count_owed(market, assignment.provider, -1)
    market.assignments.set(
        seat.assignment,
        replace(
            assignment,
            end=end,
            reason=reason,
            note=cause.note,
            paid=paid,
            penalty=penalty,
            ended_ms=cause.now,
        ),
    )


def _reopen(
    market: Market, seat_id: bytes, provider: bytes, cause: Cause, *, declined: int
) -> None:
    """Offer the seat for another window, to everybody but who just had it."""
    seat = get_seat(market, seat_id)
    market.seats.set(
        seat_id,
        replace(
            seat,
            state="OPEN",
            assignment=b"",
            reopened=seat.reopened + 1 - declined,
            declined=seat.declined + declined,
            opened_ms=cause.now,
            excluded=(*seat.excluded, provider),
        ),
    )
    market.timers.set(seat_id, cause.now + get_task(market, seat).window_ms)


def _close(market: Market, seat_id: bytes, end: SeatEnd) -> None:
    """Give the escrow back and end the seat."""
    holds.release(market, seat_id, "escrow")
    market.timers.clear(seat_id)
    seat = get_seat(market, seat_id)
    market.seats.set(seat_id, replace(seat, state="CLOSED", end=end, assignment=b""))


def _count_owed(market: Market, provider: bytes, change: int) -> None:
    row = market.providers.get(provider)
    assert row is not None, provider
    market.providers.set(provider, replace(row, owed=row.owed + change))


def _note(market: Market, assignment_id: bytes, **changes: int | bytes) -> None:
    assignment = market.assignments.get(assignment_id)
    assert assignment is not None, assignment_id
    market.assignments.set(assignment_id, replace(assignment, **changes))


def _get_assignment(market: Market, seat_id: bytes) -> AssignmentRow:
    assignment = market.assignments.get(get_seat(market, seat_id).assignment)
    assert assignment is not None, seat_id
    return assignment
