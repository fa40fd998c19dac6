"""What an account has: final, on its way in, on its way out, in escrow, bonded."""

from synaptic_crdt.node.lookup import find_account
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.wire import Json
from synaptic_crdt.rules.views import view_wallet


def show_wallet(node: Node, *, account: str | None = None) -> Json:
    """Return an account's tokens; this home's own when none is named.

    ``available`` can be spent now: it is final, and no pending entry spends it already.
    ``pending_in`` and ``pending_out`` are what entries outside counted checkpoints bring and take.
    """
    owner = node.account if account is None else find_account(node, account)
    view = view_wallet(node.market.contract.market, owner)
    if node.market.genesis.sandbox:
        view |= {"final": 0, "pending_in": view["available"], "pending_out": 0}
    return view | {
        "available": get_spendable(node, owner),
        "symbol": node.market.genesis.symbol,
    }


def get_spendable(node: Node, account: bytes) -> int:
    """Return what an account can spend without relying on anything that could be reversed.

    In a sandbox market nothing is ever final, so there it is all that the account has.
    """
    view = view_wallet(node.market.contract.market, account)
    if node.market.genesis.sandbox:
        return view["available"]
    return min(view["available"], view["final"])
