"""Why an assignment ended, as a person may want to know it: what was broken, why, what moved.

The figures of a sentence add up: pay is the price less what is withheld, times the share, less fee
and what a dispute cost. Nothing here decides anything; what does is the seat table.
"""

from typing import Final

from synaptic_crdt.rules import disputes, reviews
from synaptic_crdt.rules.explain import explain_end
from synaptic_crdt.rules.limits import MILLION
from synaptic_crdt.rules.market import Market
from synaptic_crdt.rules.rows import AssignmentRow, DisputeRow, Reason, SeatRow, TaskRow
from synaptic_crdt.rules.seats.seat import compute_execution_limit
from synaptic_crdt.rules.settlement import find_violations
from synaptic_crdt.rules.views import View

# Where what judges proposed comes true; a ruling contains quality, and so does a named share.
_PROPOSED: Final[frozenset[Reason]] = frozenset(
    ("agreed", "contest-ended", "withdrawn", "proposal-stands")
)


def view_ending(market: Market, task: TaskRow, seat: SeatRow, row: AssignmentRow) -> View:
    """Which limits and metrics were broken as far as the work got, why it ended, what moved."""
    timed, missed = _find_violations(market, task, row)
    staked = _compute_staked(seat, row)
    forfeited = _compute_forfeited(market.disputes.get(row.delivery), row)
    costly = [*timed, *missed] if row.reason in _PROPOSED else timed
    return {
        "violations": [*timed, *missed],
        "explanation": _explain(row, costly, staked, forfeited),
        "moved": _list_movements(task, row, staked, forfeited),
    }


def _find_violations(
    market: Market, task: TaskRow, row: AssignmentRow
) -> tuple[list[str], tuple[str, ...]]:
    late = find_violations(
        armed_ms=row.armed_ms,
        started_ms=row.started_ms,
        delivered_ms=row.delivered_ms,
        response_ms=task.service.response_ms,
        execution_ms=compute_execution_limit(task, row),
    )
    missed = reviews.get_review(market, row.delivery).missed
    return [*late, *(["presence"] if row.low_uptime else [])], missed


def _compute_staked(seat: SeatRow, row: AssignmentRow) -> int:
    """Return what a provider lost of its stake in a dispute: what it earned and was not paid."""
    if row.end != "SETTLED":
        return 0
    price = row.ask * seat.shard.units
    return (price - row.penalty) * row.share_ppm // MILLION - row.fee - row.paid


def _compute_forfeited(dispute: DisputeRow | None, row: AssignmentRow) -> int:
    """Return what a requester lost of its deposit in a dispute."""
    if dispute is None or dispute.opener == "provider" or row.reason in ("", "both-named"):
        return 0
    # Also where it withdrew or nobody ruled: the share is full.
    return disputes.compute_forfeited(dispute, row.share_ppm)


def _explain(row: AssignmentRow, costly: list[str], staked: int, forfeited: int) -> str:
    sentence = explain_end(row.reason)
    if row.end != "SETTLED":
        return sentence
    told = f"{sentence}: {_format_share(row.share_ppm)}, {row.paid} to the provider"
    if row.penalty:
        told += f", {row.penalty} withheld for {', '.join(costly)}"
    if row.fee:
        told += f", fee {row.fee}"
    if staked:
        told += f", {staked} of its stake to the requester"
    return told + (f", {forfeited} of the requester's deposit to it" if forfeited else "")


def _format_share(share_ppm: int) -> str:
    """Return a share in percent, as exact as it is."""
    whole, rest = divmod(share_ppm, 10_000)
    return f"{whole}{f'.{rest:04}'.rstrip('0') if rest else ''} %"


def _list_movements(task: TaskRow, row: AssignmentRow, staked: int, forfeited: int) -> list[View]:
    """What moved when an assignment ended, besides what went back to who had locked it."""
    provider, requester = row.provider.hex(), task.requester.hex()
    bond = 0
    if row.end in ("FAILED", "ABANDONED"):
        bond = row.penalty
    elif row.reason == "ruled" and row.share_ppm == 0:
        bond = row.bond
    moved: list[View] = [
        {"what": "pay", "to": provider, "amount": row.paid},
        {"what": "fee", "to": "treasury", "amount": row.fee},
        {"what": "bond", "to": requester, "amount": bond},
        {"what": "stake", "to": requester, "amount": staked},
        {"what": "deposit", "to": provider, "amount": forfeited},
    ]
    return [movement for movement in moved if movement["amount"]]
