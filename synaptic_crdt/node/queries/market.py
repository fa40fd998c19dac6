"""The market as a whole: its state and its replay."""

from collections.abc import Sequence
from pathlib import Path

from synaptic_crdt.errors import AuditFailed, BodyArchived, StoreDamaged
from synaptic_crdt.node.archive import read_archives
from synaptic_crdt.node.audit import Claim, audit_market, check_same_state
from synaptic_crdt.node.handovers import describe_proposals
from synaptic_crdt.node.health import list_findings
from synaptic_crdt.node.naming import PathText
from synaptic_crdt.node.node import Market, Node
from synaptic_crdt.node.queries.forks import list_forks
from synaptic_crdt.node.wire import Json
from synaptic_crdt.node.witness import is_witness
from synaptic_crdt.rules.views import view_parameters, view_supply
from synaptic_crdt.state.heads import compute_short_form
from synaptic_crdt.state.loading import replay_store


def show_state(node: Node) -> Json:
    """Return root, heads and counts: two homes that hold the same show the same."""
    replica, machine = node.replica, node.replica.machine
    root = replica.root
    pending, suspended = len(machine.get_tail()), len(machine.get_suspended())
    return {
        "market": node.market.id.hex(),
        "root": root.hex(),
        "heads": _tell_heads(node),
        "entries": replica.entries,
        "pending": pending,
        "suspended": suspended,
        "final": _count_final(node),
        "epoch": machine.epoch,
        "final_epoch": replica.final_epoch,
        "checkpoints": replica.chain.index,
        "time": machine.now,
        **view_supply(node.market.contract.market),
        "sandbox": node.market.genesis.sandbox,
        "halted": replica.is_halted,
        **_describe_view(node),
        "diverged": [
            {"index": item.index, "claimed": item.claimed.hex(), "computed": item.computed.hex()}
            for item in replica.divergences
        ],
        "forks": list_forks(node),
        "moved": not node.is_in_place,
        "damaged": [str(damage) for damage in node.damages],
        "remarks": [finding.explanation for finding in list_findings(node)],
    }


def show_parameters(node: Node) -> Json:
    """Return what the council may change: as it is in force, what follows, and who decides."""
    return {
        "market": node.market.id.hex(),
        "name": node.market.genesis.name,
        "symbol": node.market.genesis.symbol,
        **view_parameters(node.market.contract.market),
    }


def show_health(node: Node) -> Json:
    """Return what is the matter, with the market and with this home, and what to do about it."""
    own = node.key.public
    chain = node.replica.chain
    return {
        "market": node.market.id.hex(),
        "device": own.hex(),
        "duties": [
            duty
            for duty, is_ours in (("sequencer", node.is_sequencer), ("witness", is_witness(node)))
            if is_ours
        ],
        "key": "encrypted" if node.home.is_key_locked() else "readable by this user alone",
        "clock_ms": node.get_wall_ms(),
        "market_time": node.replica.machine.now,
        "last_checkpoint_ms": chain.time_ms if chain.index else None,
        **_describe_view(node),
        "findings": [
            {"name": each.name, "explanation": each.explanation, "advice": each.advice}
            for each in list_findings(node)
        ],
        "damaged": [str(damage) for damage in node.damages],
    }


def show_handovers(node: Node) -> Json:
    """Return who sequences and witnesses, and which handovers are proposed."""
    return _describe_view(node) | {"proposals": describe_proposals(node)}


def _describe_view(node: Node) -> Json:
    chain = node.replica.chain
    waiting = chain.get_candidates()
    return {
        "view": chain.view.number,
        "sequencer": None if chain.sequencer is None else chain.sequencer.hex(),
        "witnesses": [witness.hex() for witness in chain.view.witnesses],
        "cosignatures_needed": chain.view.quorum,
        "waiting": [
            {
                "index": each.index,
                "checkpoint": each.id.hex(),
                "cosigned": [device.hex() for device in chain.cosignatures.get_signers(each)],
            }
            for each in waiting
        ],
    }


def _tell_heads(node: Node) -> str | None:
    """Return the short form of the heads; None where they cannot be counted without a history."""
    try:
        return compute_short_form(node.market.compute_heads()).hex()
    except BodyArchived:
        return None


def _count_final(node: Node) -> int:
    return node.replica.machine.get_settled().count(node.replica.final_epoch)


def audit_home(
    node: Node,
    *,
    root: str | None = None,
    heads: Sequence[str] | None = None,
    at: str | None = None,
    thorough: bool = False,
    archives: Sequence[PathText] = (),
) -> Json:
    """Replay this home's store; compare with what is claimed.

    Every entry in it is read again: every hash recomputed, every seal verified, everything folded.
    ``thorough`` verifies what is saved of every epoch, too, and holds the state that this process
    came to on its way against the replay. ``archives`` are files with the bodies that are not here
    any more.
    """
    market = Market(node.store.genesis)
    bodies = read_archives(node.market.id, [Path(each) for each in archives])
    damages = node.damages or replay_store(node.store, market.replica, bodies)
    if thorough and not damages:
        _check_saved(node)
        check_same_state(node.market, market)
    # What is damaged is named by feed and position; what the database has lost, by itself alone.
    if not damages:
        node.store.check_integrity()
    return audit_market(market, damages, Claim(root, heads, at))


def _check_saved(node: Node) -> None:
    """Verify every state that can be gone back to, and every outcome that is kept."""
    saved, machine = node.store.saved, node.replica.machine
    try:
        saved.check_states(node.replica.chain)
        for epoch in range(1, machine.epoch + 1):
            machine.get_epoch(epoch)
    except StoreDamaged as error:
        raise AuditFailed(f"the stored bytes are damaged: saved state: {error}") from error
