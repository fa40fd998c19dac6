"""What an account has: final, on its way in, on its way out, in escrow, bonded."""

from synaptic_crdt.node.lookup import find_account
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.wire import Json


def show_wallet(node: Node, *, account: str | None = None) -> Json:
    """Return an account's tokens; this home's own when none is named.

    ``available`` can be spent now: it is final, and no pending entry spends it already.
    ``pending_in`` and ``pending_out`` are what entries outside counted checkpoints bring and take.
    """
    owner = node.account if account is None else find_account(node, account)
    market = node.market.contract.market
    current = market.get_available(owner)
    final = _get_final(node, owner)
    return {
        "account": owner.hex(),
        "available": get_spendable(node, owner),
        "pending_in": max(0, current - final),
        "pending_out": max(0, final - current),
        "escrow": market.get_held(owner, "escrow"),
        "bonded": market.get_held(owner, "bond"),
        "granted": market.get_held(owner, "grant"),
        "symbol": node.market.genesis.symbol,
    }


def get_spendable(node: Node, account: bytes) -> int:
    """Return what an account can spend without relying on anything that could be reversed.

    In a sandbox market nothing is ever final, so there it is all that the account has.
    """
    current = node.market.contract.market.get_available(account)
    return min(current, _get_final(node, account))


def _get_final(node: Node, account: bytes) -> int:
    market = node.market.contract.market
    if node.market.genesis.sandbox:
        return market.get_available(account)
    row = node.replica.machine.tables.get_settled(market.balances, account)
    return 0 if row is None else row.available
