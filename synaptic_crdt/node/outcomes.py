"""How an outcome is told: pending, final or reversed, with the verdict and its explanation.

An entry beyond the end of a closed feed has no outcome: it is void, or reversed if it was seen to
apply before the feed was closed.
"""

from typing import Any, Literal

from synaptic_crdt.node.node import Node
from synaptic_crdt.node.wire import Json
from synaptic_crdt.rules.seats.seat import get_seat_id
from synaptic_crdt.rules.verdicts import Verdict
from synaptic_crdt.state.clock import get_ms
from synaptic_crdt.state.feeds import Entry
from synaptic_crdt.state.outcomes import Outcome, Place
from synaptic_crdt.state.tables import Table

Standing = Literal["pending", "final", "reversed", "diverged", "void"]


def get_standing(node: Node, place: Place) -> Standing:
    """Return what a person may rely on: see the three words of the glossary."""
    if place.id in node.reversals and place.verdict != Verdict.APPLIED:
        return "reversed"
    if node.replica.is_final(place):
        return "final"
    # Counted, but this replica computed another root: neither final nor pending.
    return "diverged" if place.epoch else "pending"


def get_assignment_standing(node: Node, assignment_id: bytes) -> Standing:
    """Return what an assignment is worth: its acceptance's standing, or that of a match.

    No entry makes a match. It is as final as the epoch that it was made in.
    """
    place = node.replica.machine.get_place(assignment_id)
    if place is not None:
        return get_standing(node, place)
    market = node.market.contract.market
    if market.tables.get_settled(market.assignments, assignment_id) is None:
        return "pending"
    is_ours = node.replica.final_epoch >= node.replica.machine.epoch
    return "final" if is_ours else "diverged"


def get_work_standing(node: Node, assignment_id: bytes) -> Standing:
    """Return what the status of an assignment is worth: it is no surer than its newest change."""
    standing = get_assignment_standing(node, assignment_id)
    market = node.market.contract.market
    row = market.assignments.get(assignment_id)
    if standing != "final" or row is None:
        return standing
    if row.end:
        return _get_standing_of_rows(node, (market.assignments, assignment_id))
    return _get_standing_of_rows(
        node, (market.assignments, assignment_id), (market.seats, row.seat)
    )


def get_task_standing(node: Node, task_id: bytes, place: Place) -> Standing:
    """Return what the status of a task is worth, which was posted at ``place``; likewise."""
    standing = get_standing(node, place)
    market = node.market.contract.market
    task = market.tasks.get(task_id)
    if standing != "final" or task is None:
        return standing
    seats = ((market.seats, get_seat_id(task_id, number)) for number in range(task.seats))
    return _get_standing_of_rows(node, (market.tasks, task_id), *seats)


def _get_standing_of_rows(node: Node, *rows: tuple[Table[Any], bytes]) -> Standing:
    """Return what rows are worth: pending when one has changed since the last epoch."""
    tables = node.market.contract.market.tables
    if any(tables.get_settled(table, key) != table.get(key) for table, key in rows):
        return "pending"
    is_ours = node.replica.final_epoch >= node.replica.machine.epoch
    return "final" if is_ours else "diverged"


def describe_outcome(node: Node, outcome: Outcome) -> Json:
    """Return an entry and what became of it."""
    return _describe(
        node,
        outcome.entry,
        Verdict(outcome.verdict),
        get_standing(node, outcome.place),
        effective_ms=outcome.now,
        epoch=outcome.epoch,
    )


def describe_void(node: Node, entry: Entry) -> Json:
    """Return an entry that its device wrote beyond the end of its feed."""
    standing: Standing = "reversed" if entry.id in node.reversals else "void"
    # The one thing that closes a feed. The contract itself was not asked.
    return _describe(
        node, entry, Verdict.DEVICE_REVOKED, standing, effective_ms=get_ms(entry.time), epoch=0
    )


def _describe(
    node: Node,
    entry: Entry,
    verdict: Verdict,
    standing: Standing,
    *,
    effective_ms: int,
    epoch: int,
) -> Json:
    reversal = node.reversals.get(entry.id)
    told: Json = {
        "entry": entry.id.hex(),
        "device": entry.device.hex(),
        "account": node.market.get_account(entry.device).hex(),
        "position": entry.position,
        "time": entry.time,
        "time_ms": get_ms(entry.time),
        "effective_ms": effective_ms,
        "epoch": epoch,
        "operation": entry.operation[0],
        "verdict": verdict.name,
        "standing": standing,
        "explanation": node.market.contract.explain(entry.id, verdict),
    }
    if reversal is not None and standing == "reversed":
        told["reversed_by"] = reversal.hex()
    return told
