"""Replaying a market from its bytes, and comparing what comes out with what was claimed."""

from collections.abc import Sequence

from synaptic_crdt.errors import AuditFailed
from synaptic_crdt.node.node import Market
from synaptic_crdt.node.wire import Json
from synaptic_crdt.rules.invariants import check_market
from synaptic_crdt.state.loading import Damage


def audit_market(market: Market, damages: Sequence[Damage], root: str | None) -> Json:
    """Return root, heads and counts of a replayed market.

    Raises ``AuditFailed`` naming the first thing that is not as it should be: damaged storage, a
    checkpoint with another root, a broken invariant, or a root other than ``root`` (hex).
    """
    replica = market.replica
    computed = replica.root.hex()
    if damages:
        raise AuditFailed(f"the stored bytes are damaged: {damages[0]}")
    if replica.divergences:
        first = replica.divergences[0]
        raise AuditFailed(
            f"checkpoint {first.index} claims root {first.claimed.hex()}, the replay gives"
            f" {first.computed.hex()}"
        )
    check_market(market.contract.market)
    if root is not None and root.lower() != computed:
        raise AuditFailed(f"the replay gives root {computed}, claimed was {root.lower()}")
    tail = replica.machine.get_tail()
    return {
        "market": market.id.hex(),
        "root": computed,
        "heads": replica.compute_heads().hex(),
        "entries": replica.entries,
        "verified": replica.entries,
        "checkpoints": replica.chain.index,
        "epoch": replica.machine.epoch,
        "pending": len(tail),
        "supply": market.genesis.supply,
    }
