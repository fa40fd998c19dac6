"""DISPUTED: arbiters decide, or one of the published defaults does.

What the parties and the arbiters said stands in the dispute's row before its event happens here.
A requester's deposit is locked; a provider's stake comes out of what it earns.
"""

from synaptic_crdt.rules import disputes, holds
from synaptic_crdt.rules.limits import MILLION
from synaptic_crdt.rules.market import Market
from synaptic_crdt.rules.outcomes import Outcome
from synaptic_crdt.rules.rows import DisputeRow, Reason
from synaptic_crdt.rules.seats import ending, judging
from synaptic_crdt.rules.seats.seat import Cause, change_seat, get_holder, get_seat, get_task


def dispute(market: Market, seat_id: bytes, cause: Cause) -> None:
    """Stop everything until it is decided; at once by default when nobody may decide."""
    seat = change_seat(market, seat_id, state="DISPUTED")
    opened = disputes.get_dispute(market, get_holder(market, seat).delivery)
    if opened.opener == "requester":
        task = get_task(market, seat)
        holds.lock(market, task.requester, seat_id, "deposit", opened.deposit)
    market.timers.set(seat_id, cause.now + market.genesis.arbitration_ms)
    if not opened.arbiters:
        default(market, seat_id, cause)


def rule(market: Market, seat_id: bytes, cause: Cause) -> None:
    """Settle by the lower median once enough arbiters ruled; quality is in what they said."""
    delivery, row = _get_dispute(market, seat_id)
    if len(row.rulings) < row.needed:
        return
    share_ppm = disputes.compute_ruling(row)
    staked = 0
    if row.opener == "requester":
        _pay_deposit(market, seat_id, disputes.compute_forfeited(row, share_ppm))
    else:
        staked = row.deposit * (MILLION - share_ppm) // MILLION
    disputes.end_dispute(market, delivery, cause.now)
    outcome = Outcome(share_ppm=share_ppm, is_ruled=True, is_disputed=True, staked=staked)
    ending.settle(market, seat_id, cause, "ruled", outcome)


def withdraw(market: Market, seat_id: bytes, cause: Cause) -> None:
    """The requester gives in and pays in full; the provider takes what was proposed."""
    delivery, row = _get_dispute(market, seat_id)
    disputes.end_dispute(market, delivery, cause.now)
    if row.opener == "requester":
        _settle_in_full(market, seat_id, cause, "withdrawn", row)
    else:
        judging.settle_as_proposed(market, seat_id, cause, "withdrawn", is_disputed=True)


def default(market: Market, seat_id: bytes, cause: Cause) -> None:
    """Nobody ruled: an independent judge's proposal stands, and else the work is paid."""
    delivery, row = _get_dispute(market, seat_id)
    disputes.end_dispute(market, delivery, cause.now)
    seat = get_seat(market, seat_id)
    task, assignment = get_task(market, seat), get_holder(market, seat)
    if row.opener == "provider" and disputes.is_judge_independent(market, task, assignment):
        judging.settle_as_proposed(
            market, seat_id, cause, "proposal-stands", is_disputed=True, has_gains=False
        )
    else:
        _settle_in_full(market, seat_id, cause, "no-ruling", row, has_gains=False)


def settle_named(market: Market, seat_id: bytes, cause: Cause) -> None:
    """The parties named a share, the same or not yet; what is theirs to decide needs no arbiter."""
    delivery, _ = _get_dispute(market, seat_id)
    judging.name_share(market, seat_id, cause)
    if get_seat(market, seat_id).state == "SETTLED":
        disputes.end_dispute(market, delivery, cause.now)


def _settle_in_full(
    market: Market,
    seat_id: bytes,
    cause: Cause,
    reason: Reason,
    row: DisputeRow,
    *,
    has_gains: bool = True,
) -> None:
    """Pay less penalties for time alone; a requester's deposit is the provider's."""
    if row.opener == "requester":
        _pay_deposit(market, seat_id, row.deposit)
    outcome = Outcome(is_disputed=True, has_gains=has_gains)
    ending.settle(market, seat_id, cause, reason, outcome)


def _pay_deposit(market: Market, seat_id: bytes, amount: int) -> None:
    """Pay so much of the deposit to the provider; the rest returns as the seat ends."""
    assignment = get_holder(market, get_seat(market, seat_id))
    holds.pay(market, seat_id, "deposit", assignment.provider, amount)


def _get_dispute(market: Market, seat_id: bytes) -> tuple[bytes, DisputeRow]:
    delivery = get_holder(market, get_seat(market, seat_id)).delivery
    return delivery, disputes.get_dispute(market, delivery)
