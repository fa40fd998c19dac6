"""Commands that move tokens."""

from synaptic_crdt.errors import PolicyRefused, UsageError
from synaptic_crdt.node.lookup import find_account
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.outcomes import describe_outcome
from synaptic_crdt.node.queries.wallet import get_spendable
from synaptic_crdt.node.wire import Json
from synaptic_crdt.rules.operations import Operation, TokenTransfer, TreasuryPay
from synaptic_crdt.state.keys import make_seed


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


def pay_from_treasury(
    node: Node, *, to: str, amount: int, memo: str = "", reference: str = ""
) -> Json:
    """Say yes, as one of the council, to a payment out of the treasury.

    ``reference`` (hex) names the payment: equal entries under it are votes for the same one.
    """
    operation = TreasuryPay(
        to=find_account(node, to),
        amount=amount,
        reference=_decode_reference(reference) if reference else make_seed(),
        memo=memo,
    )
    return describe_outcome(node, node.append(operation)) | {
        "to": operation.to.hex(),
        "amount": amount,
        "reference": operation.reference.hex(),
    }


def _decode_reference(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise UsageError(
            f"{text!r:.80} is no reference: it is the hex that the first vote printed"
        ) from error


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
