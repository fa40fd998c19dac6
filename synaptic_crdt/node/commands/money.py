"""Commands that move tokens."""

from synaptic_crdt.errors import PolicyRefused
from synaptic_crdt.node.lookup import find_account
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.outcomes import describe_outcome
from synaptic_crdt.node.queries.wallet import get_spendable
from synaptic_crdt.node.wire import Json
from synaptic_crdt.rules.operations import Operation, TokenTransfer


def send_tokens(
    node: Node,
    *,
    to: str,
    amount: int,
    memo: str = "",
    dry_run: bool = False,
    allow_pending: bool = False,
) -> Json:
    """Give tokens to another account."""
    operation = TokenTransfer(to=find_account(node, to), amount=amount, reference=b"", memo=memo)
    return spend(node, operation, amount, dry_run=dry_run, allow_pending=allow_pending) | {
        "to": operation.to.hex(),
        "amount": amount,
        "memo": memo,
    }


def spend(
    node: Node, operation: Operation, amount: int, *, dry_run: bool, allow_pending: bool
) -> Json:
    """Append an operation that takes ``amount`` out of what this account has.

    Raises ``PolicyRefused`` when the contract would take it, but only out of money that is not
    final yet and could be reversed.
    """
    node.preview(operation)
    spendable = get_spendable(node, node.account)
    if amount > spendable and not allow_pending:
        raise PolicyRefused(
            f"this takes {amount}, but only {spendable} of your tokens are final; wait for a"
            " checkpoint, or say --allow-pending to spend what could still be reversed"
        )
    if dry_run:
        return {"dry_run": True, "verdict": "APPLIED", "takes": amount}
    return describe_outcome(node, node.append(operation))
