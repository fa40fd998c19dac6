"""ASSIGNED, STARTED: the work itself, up to its delivery."""

from synaptic_crdt.rules import presence
from synaptic_crdt.rules.market import Market
from synaptic_crdt.rules.seats import ending
from synaptic_crdt.rules.seats.seat import (
    Cause,
    change_assignment,
    change_seat,
    compute_execution_limit,
    compute_hard_limit,
    get_holder,
    get_seat,
    get_task,
)

# ASSIGNED: escrow and bond are locked; the deadline is the hard response limit.


def start(market: Market, seat_id: bytes, cause: Cause) -> None:
    """Begin: from now on the execution limit runs."""
    seat = change_seat(market, seat_id, state="STARTED")
    task, assignment = get_task(market, seat), get_holder(market, seat)
    present = 0
    if task.service.uptime_ppm:
        present = presence.mark_present(market, assignment.provider, cause.now)
    change_assignment(market, seat.assignment, started_ms=cause.now, present=present)
    limit_ms = compute_execution_limit(task, assignment)
    market.timers.set(seat_id, cause.now + compute_hard_limit(limit_ms))


def abandon_unstarted(market: Market, seat_id: bytes, cause: Cause) -> None:
    """The hard response limit passed in silence."""
    ending.forfeit(market, seat_id, cause, "ABANDONED", "not-started")


# STARTED: escrow and bond are locked; the deadline is the hard execution limit.


def deliver(market: Market, seat_id: bytes, cause: Cause) -> None:
    """Hand over for review; the provider owes nothing more."""
    seat = change_seat(market, seat_id, state="DELIVERED")
    task, assignment = get_task(market, seat), get_holder(market, seat)
    change_assignment(
        market,
        seat.assignment,
        delivered_ms=cause.now,
        delivery=cause.entry,
        low_uptime=presence.is_uptime_low(market, task, assignment, cause.now),
    )
    ending.count_owed(market, assignment.provider, -1)
    market.timers.set(seat_id, cause.now + task.review_ms)


def fail(market: Market, seat_id: bytes, cause: Cause) -> None:
    """Give up what was begun: honesty costs half of what silence costs."""
    ending.forfeit(market, seat_id, cause, "FAILED", "failed")


def extend(market: Market, seat_id: bytes, cause: Cause) -> None:  # noqa: ARG001 - a row's signature
    """Move the hard execution limit to where an extension or an improvement puts it."""
    seat = get_seat(market, seat_id)
    task, assignment = get_task(market, seat), get_holder(market, seat)
    limit_ms = compute_execution_limit(task, assignment)
    market.timers.set(seat_id, assignment.started_ms + compute_hard_limit(limit_ms))


def extend_unstarted(market: Market, seat_id: bytes, cause: Cause) -> None:  # noqa: ARG001 - a row's signature
    """Move the hard response limit to where an improvement puts it."""
    seat = get_seat(market, seat_id)
    task, assignment = get_task(market, seat), get_holder(market, seat)
    hard_ms = compute_hard_limit(task.service.response_ms)
    market.timers.set(seat_id, assignment.armed_ms + hard_ms)


def abandon_undelivered(market: Market, seat_id: bytes, cause: Cause) -> None:
    """The hard execution limit passed in silence."""
    ending.forfeit(market, seat_id, cause, "ABANDONED", "not-delivered")
