"""Who takes part: this home's own identity, its consent, and the invitations it gave."""

from synaptic_crdt.errors import BodyArchived, UsageError
from synaptic_crdt.node.lookup import find_account
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.outcomes import describe_outcome
from synaptic_crdt.node.wire import Json
from synaptic_crdt.rules.terms import DEFAULT_TERMS, compute_terms_hash
from synaptic_crdt.rules.views import (
    view_accounts,
    view_attestations,
    view_consent,
    view_devices,
    view_invitations,
)


def show_identity(node: Node) -> Json:
    """Return which market this home holds, and as whom it writes there."""
    genesis, market = node.market.genesis, node.market.contract.market
    device = market.devices.get(node.key.public)
    # Whoever joins an account and is not let in yet is nobody there.
    row = None if device is None else market.accounts.get(device.account)
    return {
        "market": node.market.id.hex(),
        "market_name": genesis.name,
        "symbol": genesis.symbol,
        "sandbox": genesis.sandbox,
        "account": node.account.hex(),
        "device": node.key.public.hex(),
        "name": None if row is None else row.name,
        "role": None if row is None else row.role,
        "revoked": device is not None and device.state != "ACTIVE",
        "sequencer": node.is_sequencer,
        "opening": _describe_opening(node),
        "home": node.home.name,
    }


def _describe_opening(node: Node) -> Json | None:
    """Return what became of this device's first entry, which opens its account or joins it."""
    feed = node.replica.get_feed(node.key.public)
    try:
        outcome = node.replica.machine.get_outcome(feed.get_id(1)) if feed.position else None
    except BodyArchived:
        # Long final: nobody waits for it.
        return None
    return None if outcome is None else describe_outcome(node, outcome)


def show_consent(node: Node) -> Json:
    """Return whether this account opted in to the terms in force, and on which conditions."""
    return {
        "account": node.account.hex(),
        **view_consent(node.market.contract.market, node.account),
        **show_terms(node),
    }


def show_terms(node: Node, *, text: str | None = None) -> Json:
    """Return the terms in force: their hash, and the text where it is known.

    The market keeps the hash alone. ``text`` is one that the council gave by other means.
    """
    in_force = node.market.contract.market.get_parameters().terms
    known = DEFAULT_TERMS if text is None else text
    if compute_terms_hash(known) != in_force:
        if text is not None:
            raise UsageError(
                f"this is the text of {compute_terms_hash(text).hex()}, and not of the terms in"
                f" force, {in_force.hex()}; ask the council for theirs"
            )
        known = None
    return {"in_force": in_force.hex(), "text": known}


def list_attestations(node: Node, *, account: str | None = None) -> Json:
    """Return what verifiers said of an account, of this one when none is named."""
    owner = node.account if account is None else find_account(node, account)
    market, now = node.market.contract.market, node.replica.machine.now
    return {
        "account": owner.hex(),
        "attestations": view_attestations(market, owner, now),
    }


def list_invitations(node: Node) -> Json:
    """Return the invitations this account issued; tickets are not kept."""
    views = view_invitations(node.market.contract.market)
    mine = node.account.hex()
    return {"invitations": [view for view in views if view["inviter"] == mine]}


def list_accounts(node: Node) -> Json:
    """Return all accounts in the order of their opening."""
    return {"accounts": view_accounts(node.market.contract.market)}


def list_devices(node: Node) -> Json:
    """Return the devices of this account, the oldest first, then those that may join it."""
    own = node.key.public.hex()
    views = view_devices(node.market.contract.market, node.account)
    return {
        "account": node.account.hex(),
        "devices": [view | {"this": view["device"] == own} for view in views],
    }
