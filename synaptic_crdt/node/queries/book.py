"""The order book and offers."""

from typing import Final

from synaptic_crdt.errors import UsageError
from synaptic_crdt.node.health import list_findings
from synaptic_crdt.node.lookup import find_account
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.wire import Json
from synaptic_crdt.rules.book_views import view_book, view_offers
from synaptic_crdt.rules.views import view_supply

_ENDED: Final = frozenset(("withdrawn", "expired"))


def show_book(node: Node, *, kind: str | None = None) -> Json:
    """Return open auctions and offers by kind, and whether the market is well."""
    machine, market = node.replica.machine, node.market.contract.market
    known = [each.slug for each in market.get_parameters().kinds]
    if kind is not None and kind not in known:
        raise UsageError(f"{kind!r:.80} is no kind of this market; it has {', '.join(known)}")
    genesis = node.market.genesis
    return {
        "market": node.market.id.hex(),
        "market_name": genesis.name,
        "symbol": genesis.symbol,
        "sandbox": genesis.sandbox,
        "time": machine.now,
        "epoch": machine.epoch,
        "entries": node.replica.entries,
        "pending": len(machine.get_tail()),
        "accounts": len(market.accounts),
        **view_supply(market),
        "remarks": [finding.explanation for finding in list_findings(node)],
        **view_book(market, machine.now, kind),
    }


def list_offers(node: Node, *, account: str | None = None, ended: bool = False) -> Json:
    """Return an account's offers; this home's own when none is named."""
    owner = node.account if account is None else find_account(node, account)
    views = view_offers(node.market.contract.market, owner, node.replica.machine.now)
    return {
        "account": owner.hex(),
        "offers": [view for view in views if ended or view["status"] not in _ENDED],
    }
