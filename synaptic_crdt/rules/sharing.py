"""Handing content keys to others than the provider: arbiters, auditors, whoever a party trusts.

The state keeps that it happened and by which entry; the boxes stay in the entry. Nothing follows
from it: no row of the seat table, no money, no score.
"""

from synaptic_crdt.rules import limits
from synaptic_crdt.rules.disputes import get_side, refuse_stranger
from synaptic_crdt.rules.market import Act, Market, get_rows
from synaptic_crdt.rules.rows import AssignmentRow, SeatRow, ShareRow
from synaptic_crdt.rules.seats.seat import get_seat, get_task
from synaptic_crdt.rules.task_operations import KeyShare
from synaptic_crdt.rules.verdicts import Refusal, Verdict


def share_key(market: Market, op: KeyShare, act: Act) -> Refusal | None:
    """Put on record for whom a key was sealed."""
    assignment = market.assignments.get(op.assignment)
    if assignment is None:
        return Refusal(Verdict.ASSIGNMENT_UNKNOWN, (op.assignment,))
    for key in op.keys:
        if market.devices.get(key.device) is None:
            return Refusal(Verdict.KEY_DEVICE_UNKNOWN, (key.device,))
    seat = get_seat(market, assignment.seat)
    task = get_task(market, seat)
    if get_side(task, assignment, act.account) is None:
        return refuse_stranger(task, assignment)
    if not _has_key(market, op, assignment, seat):
        return Refusal(Verdict.NO_KEY, (op.content,))
    before = sum(1 for _ in get_rows(market.key_shares, "assignment", op.assignment))
    # Each takes room in the state for ever.
    if before >= limits.KEY_SHARES:
        return Refusal(Verdict.TOO_MANY_KEY_SHARES, (before, limits.KEY_SHARES))
    # From here on the operation must succeed.
    market.key_shares.set(
        act.entry,
        ShareRow(
            number=before + 1,
            assignment=op.assignment,
            account=act.account,
            content=op.content,
            shared_ms=act.now,
        ),
    )
    return None


def _has_key(market: Market, op: KeyShare, assignment: AssignmentRow, seat: SeatRow) -> bool:
    """Is what the key is for there, and encrypted?"""
    if op.content == "payload":
        return seat.shard.commitment != b""
    delivery = market.deliveries.get(assignment.delivery)
    return delivery is not None and delivery.commitment != b""
