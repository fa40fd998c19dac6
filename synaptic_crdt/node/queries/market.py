"""The market as a whole: its state and its replay."""

from collections.abc import Sequence

from synaptic_crdt.node.audit import Claim, audit_market
from synaptic_crdt.node.node import Market, Node
from synaptic_crdt.node.wire import Json
from synaptic_crdt.rules.views import view_supply
from synaptic_crdt.state.heads import compute_short_form
from synaptic_crdt.state.loading import load_replica


def show_state(node: Node) -> Json:
    """Return root, heads and counts: two homes that hold the same show the same."""
    replica, machine = node.replica, node.replica.machine
    root = replica.root
    pending = len(machine.get_tail())
    return {
        "market": node.market.id.hex(),
        "root": root.hex(),
        "heads": compute_short_form(node.market.compute_heads()).hex(),
        "entries": replica.entries,
        "pending": pending,
        "final": replica.entries - pending if not replica.divergences else None,
        "epoch": machine.epoch,
        "final_epoch": replica.final_epoch,
        "checkpoints": replica.chain.index,
        "time": machine.now,
        **view_supply(node.market.contract.market),
        "sandbox": node.market.genesis.sandbox,
        "halted": replica.is_halted,
        "diverged": [
            {"index": item.index, "claimed": item.claimed.hex(), "computed": item.computed.hex()}
            for item in replica.divergences
        ],
        "damaged": [str(damage) for damage in node.damages],
    }


def audit_home(
    node: Node,
    *,
    root: str | None = None,
    heads: Sequence[str] | None = None,
    at: str | None = None,
    thorough: bool = False,
) -> Json:
    """Replay this home's store; compare with what is claimed.

    Every hash was recomputed and every seal verified when the store was opened and when anything
    came in since. ``thorough`` reads and verifies the whole store again.
    """
    market, damages = node.market, node.damages
    if thorough:
        market = Market(node.store.genesis)
        damages = load_replica(node.store, market.replica)
    # What is damaged is named by feed and position; what the database has lost, by itself alone.
    if not damages:
        node.store.check_integrity()
    return audit_market(market, damages, Claim(root, heads, at))
