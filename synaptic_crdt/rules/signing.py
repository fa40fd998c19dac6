"""Approving and rejecting what was delivered, agreeing to what is held, naming a share."""

from msgspec.structs import replace

from synaptic_crdt.rules import reviews
from synaptic_crdt.rules.disputes import get_side, refuse_stranger
from synaptic_crdt.rules.market import Act, Market
from synaptic_crdt.rules.rows import Mark, TaskRow
from synaptic_crdt.rules.seats.seat import Cause, Event, get_seat, get_task
from synaptic_crdt.rules.seats.table import advance
from synaptic_crdt.rules.showing import show_accounts
from synaptic_crdt.rules.task_operations import AssignmentSettle, TaskApprove
from synaptic_crdt.rules.verdicts import Refusal, Verdict
from synaptic_crdt.rules.work import check_event, check_living


def review_work(market: Market, op: TaskApprove, act: Act) -> Refusal | None:
    """Add a signer's word to a delivery, or take the provider's for what is held."""
    delivery = market.deliveries.get(op.delivery)
    if delivery is None:
        return Refusal(Verdict.DELIVERY_UNKNOWN, (op.delivery,))
    assignment = market.assignments.get(delivery.assignment)
    assert assignment is not None, delivery.assignment
    seat = get_seat(market, assignment.seat)
    task = get_task(market, seat)
    # A provider takes what is proposed to it; it never releases to itself.
    is_agreement = act.account == assignment.provider and op.approve and seat.state == "HELD"
    signers = reviews.get_signers(task, assignment.provider)
    if not is_agreement and act.account not in signers:
        return Refusal(Verdict.NOT_A_SIGNER, (show_accounts(signers),))
    event: Event = "agree" if is_agreement else "sign"
    refusal = check_living(assignment) or check_event(seat, event) or _check_scores(op, task)
    if refusal is not None:
        return refusal
    if not is_agreement:
        marks = reviews.get_review(market, op.delivery).marks
        if any(mark.account == act.account for mark in marks):
            return Refusal(Verdict.ALREADY_SIGNED)
        # From here on the operation must succeed.
        reviews.add_mark(market, op.delivery, Mark(act.account, op.approve, op.scores))
    advance(market, assignment.seat, event, Cause(act.now, act.entry))
    return None


def name_share(market: Market, op: AssignmentSettle, act: Act) -> Refusal | None:
    """Say for which share this party would settle; the same of both settles."""
    assignment = market.assignments.get(op.assignment)
    if assignment is None:
        return Refusal(Verdict.ASSIGNMENT_UNKNOWN, (op.assignment,))
    seat = get_seat(market, assignment.seat)
    task = get_task(market, seat)
    side = get_side(task, assignment, act.account)
    if side is None:
        return refuse_stranger(task, assignment)
    refusal = check_living(assignment) or check_event(seat, "name")
    if refusal is not None:
        return refusal
    # From here on the operation must succeed.
    shares = reviews.get_shares(market, op.assignment)
    if side == "requester":
        shares = replace(shares, requester_ppm=op.share_ppm)
    else:
        shares = replace(shares, provider_ppm=op.share_ppm)
    market.shares.set(op.assignment, shares)
    advance(market, assignment.seat, "name", Cause(act.now, act.entry))
    return None


def _check_scores(op: TaskApprove, task: TaskRow) -> Refusal | None:
    """Are all scores for metrics that the task asks for?"""
    asked = {metric.slug for metric in task.service.metrics}
    for score in op.scores:
        if score.slug not in asked:
            return Refusal(Verdict.METRIC_NOT_ASKED, (score.slug,))
    return None
