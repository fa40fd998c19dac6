"""Disputes: who may decide one, what was said in it, and what a ruling comes to.

Only reads and writes disputes; what follows from them is the seat table's. Answers collusive
quorums and arbiters with a stake: nobody of a group that a party, a signer or the evaluator
belongs to decides.
"""

from msgspec.structs import replace

from synaptic_crdt.rules.groups import get_group
from synaptic_crdt.rules.limits import MILLION
from synaptic_crdt.rules.market import Market
from synaptic_crdt.rules.reviews import compute_lower_median
from synaptic_crdt.rules.rows import AssignmentRow, DisputeRow, Side, TaskRow
from synaptic_crdt.rules.verdicts import Refusal, Verdict


def get_dispute(market: Market, delivery: bytes) -> DisputeRow:
    """Return the dispute about a delivery that has one."""
    dispute = market.disputes.get(delivery)
    assert dispute is not None, delivery
    return dispute


def end_dispute(market: Market, delivery: bytes, now: int) -> None:
    """Keep when it was decided."""
    market.disputes.set(delivery, replace(get_dispute(market, delivery), ended_ms=now))


def get_side(task: TaskRow, assignment: AssignmentRow, account: bytes) -> Side | None:
    """Return which party of an assignment an account is, if any."""
    if account == task.requester:
        return "requester"
    return "provider" if account == assignment.provider else None


def refuse_stranger(task: TaskRow, assignment: AssignmentRow) -> Refusal:
    """Refuse an account that is neither party of an assignment."""
    return Refusal(Verdict.NOT_A_PARTY, (task.requester, assignment.provider))


def find_arbiters(market: Market, task: TaskRow, assignment: AssignmentRow) -> tuple[bytes, ...]:
    """Return the task's arbiters who are of no group that has a stake."""
    interested = {task.requester, assignment.provider, *task.release.signers}
    if task.evaluator:
        interested.add(task.evaluator)
    groups = {get_group(market, account) for account in interested}
    return tuple(
        arbiter
        for arbiter in task.arbiters
        # The genesis may name accounts that nobody opened yet.
        if market.accounts.get(arbiter) is not None and get_group(market, arbiter) not in groups
    )


def compute_deposit(market: Market, price: int) -> int:
    """Return what the opener of a dispute over work of this price risks: rounded up, at least 1."""
    return max(1, (price * market.genesis.deposit_ppm + MILLION - 1) // MILLION)


def compute_ruling(dispute: DisputeRow) -> int:
    """Return the share that the rulings come to."""
    return compute_lower_median([ruling.share_ppm for ruling in dispute.rulings])


def compute_forfeited(dispute: DisputeRow, share_ppm: int) -> int:
    """Return what a requester loses of its deposit to a provider who has earned so much."""
    return dispute.deposit * share_ppm // MILLION


def is_judge_independent(market: Market, task: TaskRow, assignment: AssignmentRow) -> bool:
    """Was the proposal that of an evaluator or a quorum outside both parties' groups?"""
    judges = task.release.signers or ((task.evaluator,) if task.evaluator else ())
    parties = {get_group(market, task.requester), get_group(market, assignment.provider)}
    return bool(judges) and all(get_group(market, judge) not in parties for judge in judges)
