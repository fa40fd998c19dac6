"""Who takes part: this home's own identity, its consent, and the invitations it gave."""

from synaptic_crdt.node.node import Node
from synaptic_crdt.node.wire import Json
from synaptic_crdt.rules.terms import DEFAULT_TERMS, DEFAULT_TERMS_HASH


def show_identity(node: Node) -> Json:
    """Return which market this home holds, and as whom it writes there."""
    genesis = node.market.genesis
    row = node.market.contract.market.accounts.get(node.account)
    return {
        "market": node.market.id.hex(),
        "market_name": genesis.name,
        "symbol": genesis.symbol,
        "sandbox": genesis.sandbox,
        "account": node.account.hex(),
        "device": node.key.public.hex(),
        "name": None if row is None else row.name,
        "role": None if row is None else row.role,
        "sequencer": node.is_sequencer,
        "home": str(node.home.path),
    }


def show_consent(node: Node) -> Json:
    """Return whether this account opted in, and to the terms in force."""
    row = node.market.contract.market.providers.get(node.account)
    accepted = None if row is None else row.terms
    in_force = node.market.genesis.terms
    return {
        "account": node.account.hex(),
        "opted_in": accepted == in_force,
        "accepted": None if accepted is None else accepted.hex(),
        "in_force": in_force.hex(),
        "terms": DEFAULT_TERMS if in_force == DEFAULT_TERMS_HASH else None,
    }


def list_invitations(node: Node) -> Json:
    """Return the invitations this account issued; tickets are not kept."""
    market = node.market.contract.market
    told: list[Json] = []
    for _, key in market.invitations.index("number").ascend():
        row = market.invitations.get(key)
        assert row is not None
        assert isinstance(key, bytes)
        if row.account == node.account:
            told.append(
                {
                    "invitation": key.hex(),
                    "role": row.role,
                    "grant": row.grant,
                    "expiry_ms": row.expiry_ms,
                    "state": row.state,
                    "used_by": row.used_by.hex() or None,
                }
            )
    return {"invitations": told}
