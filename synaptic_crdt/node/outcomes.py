"""How an outcome is told: pending, final or reversed, with the verdict and its explanation."""

from typing import Literal

from synaptic_crdt.node.node import Node
from synaptic_crdt.node.wire import Json
from synaptic_crdt.rules.verdicts import Verdict
from synaptic_crdt.state.clock import get_ms
from synaptic_crdt.state.machine import Outcome

Standing = Literal["pending", "final", "reversed", "diverged"]


def get_standing(node: Node, outcome: Outcome) -> Standing:
    """Return what a person may rely on: see the three words of the glossary."""
    if outcome.entry.id in node.reversals and outcome.verdict != Verdict.APPLIED:
        return "reversed"
    if node.replica.is_final(outcome):
        return "final"
    # Counted, but this replica computed another root: neither final nor pending.
    return "diverged" if outcome.epoch else "pending"


def describe_outcome(node: Node, outcome: Outcome) -> Json:
    """Return an entry and what became of it."""
    entry = outcome.entry
    reversal = node.reversals.get(entry.id)
    standing = get_standing(node, outcome)
    told: Json = {
        "entry": entry.id.hex(),
        "device": entry.device.hex(),
        "account": node.market.get_account(entry.device).hex(),
        "position": entry.position,
        "time": entry.time,
        "time_ms": get_ms(entry.time),
        "effective_ms": outcome.now,
        "epoch": outcome.epoch,
        "operation": entry.operation[0],
        "verdict": Verdict(outcome.verdict).name,
        "standing": standing,
        "explanation": node.market.contract.explain(entry.id, outcome.verdict),
    }
    if reversal is not None and standing == "reversed":
        told["reversed_by"] = reversal.hex()
    return told
