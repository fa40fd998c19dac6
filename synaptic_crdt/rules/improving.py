"""Bettering a task for its providers while it runs: never the other way round.

Answers a requester that tightens a task under somebody's work. What an assignment locked as bond
stays as it was; limits and penalties better for everybody who has not delivered.
"""

from typing import Final

from msgspec.structs import replace

from synaptic_crdt.rules import holds, limits, matching
from synaptic_crdt.rules.market import Act, Market
from synaptic_crdt.rules.offer_book import compute_place
from synaptic_crdt.rules.rows import TaskRow
from synaptic_crdt.rules.seats.seat import (
    ENDED,
    Cause,
    Seats,
    change_seat,
    get_holder,
    get_seats,
)
from synaptic_crdt.rules.seats.table import advance, is_allowed
from synaptic_crdt.rules.task_operations import TaskImprove
from synaptic_crdt.rules.verdicts import Refusal, Verdict

# What may only grow, and what may only shrink.
_MORE: Final = ("price_low", "price", "price_max", "window_ms", "response_ms", "execution_ms")
_LESS: Final = ("bond", "reputation_min", "penalty")


def improve_task(market: Market, op: TaskImprove, act: Act) -> Refusal | None:
    """Lock what the better price may cost, and move the deadlines that get later."""
    task = market.tasks.get(op.task)
    if task is None:
        return Refusal(Verdict.TASK_UNKNOWN, (op.task,))
    if act.account != task.requester:
        return Refusal(Verdict.NOT_THE_REQUESTER, (task.requester,))
    living = [
        (seat_id, seat)
        for seat_id, seat in get_seats(market, op.task, task)
        if seat.state not in ENDED
    ]
    refusal = _check_better(op, task, living) or _check_extended(market, op, living)
    if refusal is not None:
        return refusal
    raised = op.price_max - task.price_max
    worth = compute_raise(market, op.task, task, op.price_max)
    available = market.get_available(act.account)
    if worth > available:
        return Refusal(Verdict.BALANCE_TOO_LOW, (worth, available))
    # From here on the operation must succeed.
    improved = _improve(op, task)
    market.tasks.set(op.task, improved)
    for seat_id, seat in living:
        change_seat(market, seat_id, place=compute_place(improved))
        holds.add(market, seat_id, "escrow", raised * seat.shard.units)
        if is_allowed(seat, "extend"):
            advance(market, seat_id, "extend", Cause(act.now, act.entry))
        elif seat.state in ("OPEN", "RESERVED"):
            market.timers.set(seat_id, seat.opened_ms + op.window_ms)
    matching.match_task(market, op.task, act.now)
    return None


def compute_raise(market: Market, task_id: bytes, task: TaskRow, price_max: int) -> int:
    """Return what a higher price locks more, for all seats that have not ended."""
    seats = get_seats(market, task_id, task)
    units = sum(seat.shard.units for _, seat in seats if seat.state not in ENDED)
    return (price_max - task.price_max) * units


def _check_better(op: TaskImprove, task: TaskRow, living: Seats) -> Refusal | None:
    if not living:
        return Refusal(Verdict.NOT_IMPROVED, ("every seat has ended",))
    before = _get_figures(task)
    for name in (*_MORE, *_LESS):
        gain = getattr(op, name) - before[name]
        if (gain < 0) if name in _MORE else (gain > 0):
            return Refusal(Verdict.NOT_IMPROVED, (name,))
    if task.auction == "dutch" and _compute_end_of_rise(op, task.window_ms) < task.price_max:
        return Refusal(Verdict.NOT_IMPROVED, ("window_ms",))
    if all(getattr(op, name) == value for name, value in before.items()):
        return Refusal(Verdict.NOT_IMPROVED, ("nothing changes",))
    return None


def _compute_end_of_rise(op: TaskImprove, window_ms: int) -> int:
    """Return the limit that a dutch auction will have reached where it ended before.

    A longer window alone would make it rise more slowly: whoever waits would be offered less. The
    limit rises in a straight line, so what is no less at its beginning and there is never less.
    """
    return op.price + (op.price_max - op.price) * window_ms // op.window_ms


def _check_extended(market: Market, op: TaskImprove, living: Seats) -> Refusal | None:
    """Does work that was given more time stay within what execution may take in all?"""
    for _, seat in living:
        if is_allowed(seat, "extend"):
            limit_ms = op.execution_ms + get_holder(market, seat).extended_ms
            if limit_ms > limits.DURATION_MAX_MS:
                return Refusal(Verdict.EXTENSION_TOO_LONG, (limit_ms, limits.DURATION_MAX_MS))
    return None


def _get_figures(task: TaskRow) -> dict[str, int]:
    return {
        "price_low": task.price_low,
        "price": task.price,
        "price_max": task.price_max,
        "window_ms": task.window_ms,
        "response_ms": task.service.response_ms,
        "execution_ms": task.service.execution_ms,
        "bond": task.bond,
        "reputation_min": task.reputation_min,
        "penalty": task.service.penalty,
    }


def _improve(op: TaskImprove, task: TaskRow) -> TaskRow:
    service = replace(
        task.service,
        response_ms=op.response_ms,
        execution_ms=op.execution_ms,
        penalty=op.penalty,
    )
    return replace(
        task,
        price_low=op.price_low,
        price=op.price,
        price_max=op.price_max,
        window_ms=op.window_ms,
        bond=op.bond,
        reputation_min=op.reputation_min,
        service=service,
    )
