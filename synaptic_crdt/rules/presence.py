"""Presence: in how many slots of market time an account has shown itself. Counters, no lists.

A slot counts once. Beginning a piece of work that asks for presence shows presence as well, so
that the count at its start includes that slot and what comes after can be told by a difference.
"""

from synaptic_crdt.rules.limits import MILLION
from synaptic_crdt.rules.market import Market
from synaptic_crdt.rules.rows import AssignmentRow, PresenceRow, TaskRow


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


def _get_presence(market: Market, account: bytes) -> PresenceRow:
    return market.presence.get(account) or PresenceRow(slot=-1, count=0)
