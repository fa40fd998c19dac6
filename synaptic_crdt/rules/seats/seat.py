"""What a seat is, and reading it: ids, states, the task and the assignment it belongs to."""

from collections.abc import Callable
from typing import Any, Final, Literal

import msgspec
from msgspec.structs import replace

from synaptic_crdt.rules import limits
from synaptic_crdt.rules.market import Market
from synaptic_crdt.rules.rows import AssignmentRow, SeatRow, SeatState, TaskRow

Event = Literal[
    "accept",
    "cancel",
    "epoch",
    "decline",
    "reveal",
    "start",
    "deliver",
    "fail",
    "extend",
    "sign",
    "agree",
    "dispute",
    "rule",
    "withdraw",
    "name",
    "deadline",
]

ENDED: Final[frozenset[SeatState]] = frozenset(("SETTLED", "CLOSED"))
# The provider owes something: it counts against its open assignments.
OWED: Final[frozenset[SeatState]] = frozenset(
    ("RESERVED", "PENDING", "KEYWAIT", "ASSIGNED", "STARTED")
)
# Somebody has the seat, with a bond.
LIVE: Final[frozenset[SeatState]] = OWED | frozenset(
    ("DELIVERED", "HELD", "DISPUTED", "TIMELOCKED")
)


class Cause(msgspec.Struct, frozen=True, gc=False):
    """What made an event happen: when, by which entry (none for a deadline), said why."""

    now: int
    entry: bytes = b""
    note: str = ""


Row = Callable[[Market, bytes, Cause], None]
Seats = list[tuple[bytes, SeatRow]]


def get_seat_id(task: bytes, number: int) -> bytes:
    """Return the id of a seat: its task's id and one byte, so that it sorts by number."""
    return task + bytes((number,))


def get_seat(market: Market, seat_id: bytes) -> SeatRow:
    """Return a seat that exists."""
    seat = market.seats.get(seat_id)
    assert seat is not None, seat_id
    return seat


def get_seats(market: Market, task_id: bytes, task: TaskRow) -> Seats:
    """Return all seats of a task with their ids, by number."""
    ids = [get_seat_id(task_id, number) for number in range(task.seats)]
    return [(seat_id, get_seat(market, seat_id)) for seat_id in ids]


def get_task(market: Market, seat: SeatRow) -> TaskRow:
    """Return the task of a seat."""
    task = market.tasks.get(seat.task)
    assert task is not None, seat.task
    return task


def get_holder(market: Market, seat: SeatRow) -> AssignmentRow:
    """Return the assignment that has a live seat."""
    assignment = market.assignments.get(seat.assignment)
    assert assignment is not None, seat.assignment
    return assignment


def change_seat(market: Market, seat_id: bytes, **changes: Any) -> SeatRow:  # noqa: ANN401 - its fields
    """Write fields of a seat; return the seat as it is now."""
    seat = replace(get_seat(market, seat_id), **changes)
    market.seats.set(seat_id, seat)
    return seat


def change_assignment(market: Market, assignment_id: bytes, **changes: Any) -> None:  # noqa: ANN401 - its fields
    """Write fields of an assignment."""
    assignment = market.assignments.get(assignment_id)
    assert assignment is not None, assignment_id
    market.assignments.set(assignment_id, replace(assignment, **changes))


def compute_escrow(task: TaskRow, seat: SeatRow) -> int:
    """Return what is locked for a seat as long as it has not ended."""
    return task.price_max * seat.shard.units


def compute_hard_limit(limit_ms: int) -> int:
    """Return when late becomes abandoned: max(4x, x + 10 min)."""
    return max(limits.HARD_FACTOR * limit_ms, limit_ms + limits.HARD_SLACK_MS)


def compute_execution_limit(task: TaskRow, assignment: AssignmentRow) -> int:
    """Return how long the work of an assignment may take before it is late."""
    return task.service.execution_ms + assignment.extended_ms


def is_min_reached(task: TaskRow, seats: Seats) -> bool:
    """Did, or do, enough providers want the task for work to begin?"""
    reserved = 0
    for _, seat in seats:
        if seat.attempts > 0:
            return True
        reserved += seat.state == "RESERVED"
    return reserved >= task.providers_min
