"""The operations of a dispute: opened by a party, argued by both, ruled by arbiters, withdrawn."""

from msgspec.structs import replace

from synaptic_crdt.rules import disputes, limits
from synaptic_crdt.rules.market import Act, Market
from synaptic_crdt.rules.rows import AssignmentRow, DisputeRow, Ruling, SeatRow, Side, TaskRow
from synaptic_crdt.rules.seats.seat import Cause, get_seat, get_task
from synaptic_crdt.rules.seats.table import advance
from synaptic_crdt.rules.showing import show_accounts
from synaptic_crdt.rules.task_operations import (
    DisputeEvidence,
    DisputeOpen,
    DisputeRule,
    DisputeWithdraw,
)
from synaptic_crdt.rules.verdicts import Refusal, Verdict
from synaptic_crdt.rules.work import check_event, check_living

Argued = tuple[AssignmentRow, SeatRow, TaskRow]


def open_dispute(market: Market, op: DisputeOpen, act: Act) -> Refusal | None:
    """Object to a delivery, as the requester, or to what is held, as the provider."""
    found = _find(market, op.delivery)
    if isinstance(found, Refusal):
        return found
    assignment, seat, task = found
    side = disputes.get_side(task, assignment, act.account)
    if side is None:
        return disputes.refuse_stranger(task, assignment)
    refusal = check_living(assignment)
    if refusal is not None:
        return refusal
    if seat.state != ("DELIVERED" if side == "requester" else "HELD"):
        return Refusal(Verdict.WRONG_PHASE, (seat.state,))
    deposit = disputes.compute_deposit(market, assignment.ask * seat.shard.units)
    available = market.get_available(act.account)
    # A provider's stake comes out of what it earns, so that nobody is too poor to be heard.
    if side == "requester" and deposit > available:
        return Refusal(Verdict.DEPOSIT_SHORT, (deposit, available))
    # From here on the operation must succeed.
    row = _make_dispute(market, op, act, found, side)
    market.disputes.set(op.delivery, replace(row, deposit=deposit))
    advance(market, assignment.seat, "dispute", Cause(act.now, act.entry, op.reason))
    return None


def add_evidence(market: Market, op: DisputeEvidence, act: Act) -> Refusal | None:
    """Add hashes to what speaks for one's side."""
    found = _find_dispute(market, op.delivery)
    if isinstance(found, Refusal):
        return found
    dispute, (assignment, seat, task) = found
    side = disputes.get_side(task, assignment, act.account)
    if side is None:
        return disputes.refuse_stranger(task, assignment)
    refusal = check_living(assignment) or check_event(seat, "rule")
    if refusal is not None:
        return refusal
    field = f"{side}_evidence"
    before: tuple[bytes, ...] = getattr(dispute, field)
    evidence = (*before, *(item for item in op.evidence if item not in before))
    if len(evidence) > limits.EVIDENCE:
        return Refusal(Verdict.TOO_MUCH_EVIDENCE, (len(evidence), limits.EVIDENCE))
    # From here on the operation must succeed.
    market.disputes.set(op.delivery, replace(dispute, **{field: evidence}))
    return None


def rule_dispute(market: Market, op: DisputeRule, act: Act) -> Refusal | None:
    """Add an arbiter's word; the last that is needed decides."""
    found = _find_dispute(market, op.delivery)
    if isinstance(found, Refusal):
        return found
    dispute, (assignment, seat, _) = found
    if act.account not in dispute.arbiters:
        return Refusal(Verdict.NOT_AN_ARBITER, (show_accounts(dispute.arbiters),))
    refusal = check_living(assignment) or check_event(seat, "rule")
    if refusal is not None:
        return refusal
    if any(ruling.arbiter == act.account for ruling in dispute.rulings):
        return Refusal(Verdict.ALREADY_RULED)
    # From here on the operation must succeed.
    rulings = (*dispute.rulings, Ruling(act.account, op.share_ppm))
    market.disputes.set(op.delivery, replace(dispute, rulings=rulings))
    advance(market, assignment.seat, "rule", Cause(act.now, act.entry))
    return None


def withdraw_dispute(market: Market, op: DisputeWithdraw, act: Act) -> Refusal | None:
    """Give in: the work is paid, or what was proposed comes true."""
    found = _find_dispute(market, op.delivery)
    if isinstance(found, Refusal):
        return found
    dispute, (assignment, seat, task) = found
    if disputes.get_side(task, assignment, act.account) != dispute.opener:
        return Refusal(Verdict.NOT_THE_OPENER, (dispute.opener,))
    refusal = check_living(assignment) or check_event(seat, "withdraw")
    if refusal is not None:
        return refusal
    # From here on the operation must succeed.
    advance(market, assignment.seat, "withdraw", Cause(act.now, act.entry))
    return None


def _find(market: Market, delivery_id: bytes) -> Argued | Refusal:
    delivery = market.deliveries.get(delivery_id)
    if delivery is None:
        return Refusal(Verdict.DELIVERY_UNKNOWN, (delivery_id,))
    assignment = market.assignments.get(delivery.assignment)
    assert assignment is not None, delivery.assignment
    seat = get_seat(market, assignment.seat)
    return assignment, seat, get_task(market, seat)


def _find_dispute(market: Market, delivery_id: bytes) -> tuple[DisputeRow, Argued] | Refusal:
    found = _find(market, delivery_id)
    if isinstance(found, Refusal):
        return found
    dispute = market.disputes.get(delivery_id)
    if dispute is None:
        return Refusal(Verdict.DISPUTE_UNKNOWN, (delivery_id,))
    return dispute, found


def _make_dispute(
    market: Market, op: DisputeOpen, act: Act, found: Argued, side: Side
) -> DisputeRow:
    assignment, _, task = found
    arbiters = disputes.find_arbiters(market, task, assignment)
    return DisputeRow(
        number=len(market.disputes) + 1,
        opener=side,
        reason=op.reason,
        statement=op.statement,
        opened_ms=act.now,
        ended_ms=0,
        deposit=0,
        requester_evidence=op.evidence if side == "requester" else (),
        provider_evidence=op.evidence if side == "provider" else (),
        arbiters=arbiters,
        # Fewer eligible than the quorum: all of them decide.
        needed=min(task.quorum, len(arbiters)),
        rulings=(),
    )
