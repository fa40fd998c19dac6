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
from synaptic_crdt.rules.seats.seat import (
    compute_execution_limit,
    get_seat,
    get_task,
)
from synaptic_crdt.rules.settlement import find_violations
from synaptic_crdt.rules.showing import show_duration, show_share
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
        "explanation": _explain(task, seat, row, costly, staked, forfeited),
        "moved": _list_movements(task, row, staked, forfeited),
    }


def explain_assignment(market: Market, row: AssignmentRow) -> str:
    """Return why an assignment ended, with what moved; nothing while it lives."""
    seat = get_seat(market, row.seat)
    explanation: str = view_ending(market, get_task(market, seat), seat, row)["explanation"]
    return explanation


def explain_seat(seat: SeatRow) -> str:
    """Return why a seat ended without work that was paid, and what returned; else nothing."""
    sentence = explain_end(seat.end)
    # The price of its place in the book is what it ended with, whatever the task pays now.
    *_, negative_price, _ = seat.place
    return f"{sentence}: {-negative_price * seat.shard.units} to the requester" if sentence else ""


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


def _explain(
    task: TaskRow,
    seat: SeatRow,
    row: AssignmentRow,
    costly: list[str],
    staked: int,
    forfeited: int,
) -> str:
    sentence = explain_end(row.reason)
    if row.end != "SETTLED":
        return ": ".join(filter(None, (sentence, _list_values(task, seat, row))))
    told = f"{sentence}: {show_share(row.share_ppm)}, {row.paid} to the provider"
    if row.penalty:
        told += f", {row.penalty} withheld for {', '.join(costly)}"
    if row.fee:
        told += f", fee {row.fee}"
    if staked:
        told += f", {staked} of its stake to the requester"
    return told + (f", {forfeited} of the requester's deposit to it" if forfeited else "")


def _list_values(task: TaskRow, seat: SeatRow, row: AssignmentRow) -> str:
    """Return how long was waited, if it ended by that, and where the bond went, if there was one."""
    # Not by the task's limits: it may have been improved since.
    waited_ms = {
        "not-started": row.ended_ms - row.armed_ms,
        "not-delivered": row.ended_ms - row.started_ms,
        "key-withheld": task.reveal_ms,
        "window-ended": row.ended_ms - seat.opened_ms,
    }
    values = [show_duration(waited_ms[row.reason])] if row.reason in waited_ms else []
    if row.reason == "window-ended":
        values.append(f"{task.providers_min} providers needed")
    if row.end and row.penalty:
        values.append(f"{row.penalty} of the bond to the requester")
    if row.end and row.bond > row.penalty:
        values.append(f"{row.bond - row.penalty} of the bond to the provider")
    return ", ".join(values)


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
