"""The acceptance ladder: who may take a seat of a task, asked in one fixed order.

Not here yet, each with its place in the order: signers and arbiters of the task, lists of whom it
is for, capabilities, reputation, attestations, own caps, the priority window.
"""

from typing import Final

from synaptic_crdt.rules import consents, holds, limits
from synaptic_crdt.rules.auctions import compute_limit
from synaptic_crdt.rules.market import Act, Market
from synaptic_crdt.rules.rows import AssignmentRow, SeatRow, TaskRow
from synaptic_crdt.rules.seats import Cause, advance, get_seat, get_seats, is_allowed
from synaptic_crdt.rules.task_operations import TaskAccept
from synaptic_crdt.rules.verdicts import Refusal, Verdict

# Until there are scores, everybody has the one that all begin with.
_SCORE: Final = 0

Seats = list[tuple[bytes, SeatRow]]


def accept_task(market: Market, op: TaskAccept, act: Act) -> Refusal | None:
    """The first acceptance that passes every rung wins the lowest free seat."""
    task = market.tasks.get(op.task)
    if task is None:
        return Refusal(Verdict.TASK_UNKNOWN, (op.task,))
    seats = get_seats(market, op.task, task)
    free = [(seat_id, seat) for seat_id, seat in seats if is_allowed(seat, "accept")]
    if not free:
        return Refusal(Verdict.NO_FREE_SEAT)
    # Self-dealing would make a reputation, and a price, out of nothing.
    if act.account == task.requester:
        return Refusal(Verdict.PROVIDER_IS_REQUESTER)
    refusal = _check_consent(market, act)
    if refusal is not None:
        return refusal
    # Whoever gave a seat back, or left it, is not let in to it again.
    seat_id = next((key for key, seat in free if act.account not in seat.excluded), None)
    if seat_id is None:
        return Refusal(Verdict.EXCLUDED)
    if _has_reservation(market, act.account, seats):
        return Refusal(Verdict.ALREADY_RESERVED)
    refusal = _check_terms(market, op, act, task, seat_id)
    if refusal is not None:
        return refusal
    # From here on the operation must succeed.
    _assign(market, op, act, task, seat_id)
    return None


def _check_consent(market: Market, act: Act) -> Refusal | None:
    if market.is_auditor(act.account):
        return Refusal(Verdict.AUDITOR_MAY_NOT)
    return consents.check_consent(market, act.account)


def _has_reservation(market: Market, account: bytes, seats: Seats) -> bool:
    """Until enough providers came, each counts once: or one of them could be all of them."""
    for _, seat in seats:
        if seat.state == "RESERVED":
            assignment = market.assignments.get(seat.assignment)
            assert assignment is not None, seat.assignment
            if assignment.provider == account:
                return True
    return False


def _check_terms(
    market: Market, op: TaskAccept, act: Act, task: TaskRow, seat_id: bytes
) -> Refusal | None:
    units = get_seat(market, seat_id).shard.units
    refusal = consents.check_caps(market, act.account, task.kind, units, act.now)
    if refusal is not None:
        return refusal
    owed = market.get_provider(act.account).owed
    if owed >= limits.OPEN_ASSIGNMENTS:
        return Refusal(Verdict.TOO_MANY_ASSIGNMENTS, (owed, limits.OPEN_ASSIGNMENTS))
    refusal = consents.check_requester(market, act.account, task.requester, _SCORE)
    if refusal is not None:
        return refusal
    limit = compute_limit(task, act.now)
    if op.ask > limit:
        return Refusal(Verdict.ASK_ABOVE_LIMIT, (op.ask, limit))
    available = market.get_available(act.account)
    if task.bond > available:
        return Refusal(Verdict.BOND_SHORT, (task.bond, available))
    return None


def _assign(market: Market, op: TaskAccept, act: Act, task: TaskRow, seat_id: bytes) -> None:
    holds.lock(market, act.account, seat_id, "bond", task.bond)
    consents.count_acceptance(market, act.account, act.now)
    market.assignments.set(
        act.entry,
        AssignmentRow(
            number=len(market.assignments) + 1,
            seat=seat_id,
            provider=act.account,
            device=act.device,
            offer=b"",
            ask=op.ask,
            bond=task.bond,
            devices=(),
            accepted_ms=act.now,
            armed_ms=0,
            started_ms=0,
            delivered_ms=0,
            ended_ms=0,
            extended_ms=0,
            present=0,
            low_uptime=False,
            progress=0,
            done_ppm=0,
            revealed=b"",
            delivery=b"",
            end="",
            reason="",
            note="",
            share_ppm=0,
            paid=0,
            fee=0,
            penalty=0,
        ),
    )
    advance(market, seat_id, "accept", Cause(act.now, act.entry))
