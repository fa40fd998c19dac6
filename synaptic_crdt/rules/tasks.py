"""Posting a task, which locks its whole worth seat by seat, and cancelling what is left of it."""

from typing import Literal

from synaptic_crdt.rules import holds
from synaptic_crdt.rules.market import Act, Market
from synaptic_crdt.rules.operations import Shard, TaskCancel, TaskPost
from synaptic_crdt.rules.rows import SeatRow, ShardRow, TaskRow
from synaptic_crdt.rules.seats import (
    LIVE,
    Cause,
    advance,
    get_seat_id,
    get_seats,
    is_allowed,
    is_min_reached,
)
from synaptic_crdt.rules.verdicts import Refusal, Verdict

TaskStatus = Literal["OPEN", "MIN_REACHED", "CLOSED", "EXPIRED", "CANCELLED", "DONE"]


def post_task(market: Market, op: TaskPost, act: Act) -> Refusal | None:
    """Lock price x units for every seat and open them all for the window."""
    worth = op.price * sum(shard.units for shard in op.seats)
    # Before anything is looked up: beyond this bound a sum has no meaning.
    if worth > market.genesis.supply:
        return Refusal(Verdict.LOCK_OVER_SUPPLY, (worth, market.genesis.supply))
    if op.kind not in market.kinds:
        return Refusal(Verdict.KIND_UNKNOWN, (op.kind,))
    if market.is_auditor(act.account):
        return Refusal(Verdict.AUDITOR_MAY_NOT)
    available = market.get_available(act.account)
    if worth > available:
        return Refusal(Verdict.BALANCE_TOO_LOW, (worth, available))
    # From here on the operation must succeed.
    market.tasks.set(act.entry, _make_task(market, op, act))
    for number, shard in enumerate(op.seats):
        _open_seat(market, op, act, number, shard)
    return None


def cancel_task(market: Market, op: TaskCancel, act: Act) -> Refusal | None:
    """Close the open and reserved seats; work in hand goes on."""
    task = market.tasks.get(op.task)
    if task is None:
        return Refusal(Verdict.TASK_UNKNOWN, (op.task,))
    if act.account != task.requester:
        return Refusal(Verdict.NOT_THE_REQUESTER, (task.requester,))
    seats = [
        seat_id for seat_id, seat in get_seats(market, op.task, task) if is_allowed(seat, "cancel")
    ]
    if not seats:
        return Refusal(Verdict.NOTHING_TO_CANCEL)
    # From here on the operation must succeed.
    for seat_id in seats:
        advance(market, seat_id, "cancel", Cause(act.now, act.entry))
    return None


def compute_status(task: TaskRow, seats: list[tuple[bytes, SeatRow]]) -> TaskStatus:
    """Return what the seats say of the task as a whole."""
    states = {seat.state for _, seat in seats}
    if "OPEN" in states or "RESERVED" in states:
        return "MIN_REACHED" if is_min_reached(task, seats) else "OPEN"
    if states & LIVE:
        return "CLOSED"
    if "SETTLED" in states:
        return "DONE"
    ends = {seat.end for _, seat in seats}
    return "CANCELLED" if "CANCELLED" in ends else "EXPIRED"


def _make_task(market: Market, op: TaskPost, act: Act) -> TaskRow:
    return TaskRow(
        number=len(market.tasks) + 1,
        requester=act.account,
        kind=op.kind,
        title=op.title,
        seats=len(op.seats),
        auction=op.auction,
        price=op.price,
        providers_min=op.providers_min,
        window_ms=op.window_ms,
        response_ms=op.service.response_ms,
        execution_ms=op.service.execution_ms,
        penalty=op.service.penalty,
        bond=op.bond,
        review_ms=op.review_ms,
        redispatch=op.redispatch,
        posted_ms=act.now,
    )


def _open_seat(market: Market, op: TaskPost, act: Act, number: int, shard: Shard) -> None:
    seat_id = get_seat_id(act.entry, number)
    holds.lock(market, act.account, seat_id, "escrow", op.price * shard.units)
    market.timers.set(seat_id, act.now + op.window_ms)
    payload = shard.payload
    market.seats.set(
        seat_id,
        SeatRow(
            task=act.entry,
            number=number,
            shard=ShardRow(shard.units, payload.media_type, payload.size, payload.hash),
            state="OPEN",
            end="",
            assignment=b"",
            attempts=0,
            reopened=0,
            declined=0,
            excluded=(),
        ),
    )
