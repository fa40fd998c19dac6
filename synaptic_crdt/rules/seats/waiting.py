"""OPEN, RESERVED, PENDING, KEYWAIT: from the offer of a seat to work that may begin."""

from synaptic_crdt.rules import outcomes
from synaptic_crdt.rules.attestations import is_vouched_for
from synaptic_crdt.rules.market import Market
from synaptic_crdt.rules.rows import AssignmentRow, SeatRow, TaskRow
from synaptic_crdt.rules.seats import ending
from synaptic_crdt.rules.seats.seat import (
    Cause,
    change_assignment,
    change_seat,
    compute_hard_limit,
    get_holder,
    get_seat,
    get_seats,
    get_task,
    is_min_reached,
)

# OPEN: the escrow is locked; the deadline is the end of the window.


def accept(market: Market, seat_id: bytes, cause: Cause) -> None:
    """Reserve the seat; with the least number of providers reached, all reserved ones go on."""
    seat = change_seat(market, seat_id, state="RESERVED", assignment=cause.entry)
    task = get_task(market, seat)
    seats = get_seats(market, seat.task, task)
    if is_min_reached(task, seats):
        for other_id, other in seats:
            if other.state == "RESERVED":
                _pend(market, other_id, cause)


def _pend(market: Market, seat_id: bytes, cause: Cause) -> None:
    """Wait for the epoch of the acceptance to be counted; a sandbox has none to wait for."""
    seat = get_seat(market, seat_id)
    change_seat(market, seat_id, state="PENDING", attempts=seat.attempts + 1)
    market.timers.set(seat_id, cause.now + market.genesis.finality_wait_ms)
    if market.genesis.sandbox:
        become_final(market, seat_id, cause)


def cancel(market: Market, seat_id: bytes, cause: Cause) -> None:  # noqa: ARG001 - a row's signature
    """Close the seat; nobody had it."""
    ending.close(market, seat_id, "CANCELLED")


def expire(market: Market, seat_id: bytes, cause: Cause) -> None:  # noqa: ARG001 - a row's signature
    """Nobody took it: unfilled, or void with all others when too few providers came."""
    seat = get_seat(market, seat_id)
    task = get_task(market, seat)
    reached = is_min_reached(task, get_seats(market, seat.task, task))
    ending.close(market, seat_id, "UNFILLED" if reached else "VOID")


# RESERVED: escrow and bond are locked; the deadline is still the end of the window.


def cancel_reserved(market: Market, seat_id: bytes, cause: Cause) -> None:
    """Close the seat before enough providers came."""
    ending.void(market, seat_id, cause, "cancelled", "CANCELLED")


def void_reserved(market: Market, seat_id: bytes, cause: Cause) -> None:
    """Too few providers came before the window ended."""
    ending.void(market, seat_id, cause, "window-ended")


# PENDING: escrow and bond are locked; the deadline is the longest wait for finality.


def become_final(market: Market, seat_id: bytes, cause: Cause) -> None:
    """The acceptance is final: now the key is due, if there is one, and else the response."""
    seat = get_seat(market, seat_id)
    task = get_task(market, seat)
    if _is_key_awaited(task, seat, get_holder(market, seat)):
        change_seat(market, seat_id, state="KEYWAIT")
        market.timers.set(seat_id, cause.now + task.reveal_ms)
    else:
        arm(market, seat_id, cause)


def void_pending(market: Market, seat_id: bytes, cause: Cause) -> None:
    """No checkpoint came: nobody may be bound by what is not final."""
    ending.void(market, seat_id, cause, "not-final")


# KEYWAIT: escrow and bond are locked; the deadline is the requester's, to reveal the key.


def arm(market: Market, seat_id: bytes, cause: Cause) -> None:
    """The provider has all that it needs: from now on the response limit runs."""
    seat = change_seat(market, seat_id, state="ASSIGNED")
    change_assignment(market, seat.assignment, armed_ms=cause.now)
    response_ms = get_task(market, seat).service.response_ms
    market.timers.set(seat_id, cause.now + compute_hard_limit(response_ms))


def withhold_key(market: Market, seat_id: bytes, cause: Cause) -> None:
    """The requester did not reveal the key: the provider is free, the requester to blame.

    Not where the verifier's word for the provider stands no more: nobody has to reveal then.
    """
    seat = get_seat(market, seat_id)
    task, provider = get_task(market, seat), get_holder(market, seat).provider
    ending.void(market, seat_id, cause, "key-withheld")
    if is_vouched_for(market, task, provider, cause.now):
        outcomes.note_key_withheld(market, task, cause.now)


def _is_key_awaited(task: TaskRow, seat: SeatRow, assignment: AssignmentRow) -> bool:
    """Is there a key, and did the posting not seal it to a device of the provider?"""
    if task.privacy == "public":
        return False
    return not any(device in seat.shard.keyed for device in assignment.devices)
