"""Presence: in how many slots of market time an account has shown itself. Counters, no lists.

A slot counts once. Beginning a piece of work that asks for presence shows presence as well, so
that the count at its start includes that slot and what comes after can be told by a difference;
and so does posting or renewing a standing offer, so that it counts from its first moment.

An offer that stands is matched only while its owner was there in this slot or the one before, so
that work does not go to machines that are switched off. Answers floods of presence: nobody may
show it without a reason, or twice in a slot.
"""

from synaptic_crdt.rules.limits import MILLION
from synaptic_crdt.rules.market import Act, Market, get_rows
from synaptic_crdt.rules.offer_operations import Presence
from synaptic_crdt.rules.rows import AssignmentRow, PresenceRow, TaskRow
from synaptic_crdt.rules.verdicts import Refusal, Verdict


def show_presence(market: Market, op: Presence, act: Act) -> Refusal | None:  # noqa: ARG001 - a rule's signature
    """Count this slot for an account that somebody may be counting on."""
    if not _has_standing_offer(market, act.account) and not _is_watched(market, act.account):
        return Refusal(Verdict.NOTHING_TO_ATTEND)
    slot = get_slot(market, act.now)
    if _get_presence(market, act.account).slot == slot:
        return Refusal(Verdict.PRESENT_ALREADY, (slot,))
    # From here on the operation must succeed.
    mark_present(market, act.account, act.now)
    return None


def is_present(market: Market, account: bytes, now: int) -> bool:
    """Did an account show itself in the slot of ``now`` or the one before?"""
    row = market.presence.get(account)
    return row is not None and row.slot >= get_slot(market, now) - 1


def get_slot(market: Market, time_ms: int) -> int:
    """Return the number of the slot that a time is in."""
    return time_ms // market.genesis.slot_ms


def mark_present(market: Market, account: bytes, now: int) -> int:
    """Count the slot of ``now``, if it does not count yet; return the count with it."""
    row, slot = _get_presence(market, account), get_slot(market, now)
    if row.slot == slot:
        return row.count
    market.presence.set(account, PresenceRow(slot=slot, count=row.count + 1))
    return row.count + 1


def is_uptime_low(market: Market, task: TaskRow, assignment: AssignmentRow, now: int) -> bool:
    """Was the provider present in too few of the slots strictly between start and ``now``?"""
    if not task.service.uptime_ppm:
        return False
    slot = get_slot(market, now)
    slots = slot - get_slot(market, assignment.started_ms) - 1
    row = _get_presence(market, assignment.provider)
    present = row.count - assignment.present - (row.slot == slot)
    return slots > 0 and present * MILLION < task.service.uptime_ppm * slots


def _has_standing_offer(market: Market, account: bytes) -> bool:
    return any(row.is_standing for _, row in get_rows(market.offers, "account", account))


def _is_watched(market: Market, account: bytes) -> bool:
    """Has the account begun work that asks for presence?"""
    return next(get_rows(market.assignments, "watched", account), None) is not None


def _get_presence(market: Market, account: bytes) -> PresenceRow:
    return market.presence.get(account) or PresenceRow(slot=-1, count=0)
