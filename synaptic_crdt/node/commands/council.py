"""What the council decides: payments, new tokens, parameters.

Each command is one voice. The first voice makes a reference; whoever gives the same one, with the
same words and figures, votes for the same decision.
"""

from collections.abc import Sequence

from synaptic_crdt.errors import UsageError
from synaptic_crdt.node.lookup import find_account
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.outcomes import describe_outcome
from synaptic_crdt.node.queries.market import show_parameters
from synaptic_crdt.node.wire import Json
from synaptic_crdt.rules.council_operations import Arbitration, MarketSet, TokenMint
from synaptic_crdt.rules.genesis import RULES_VERSION, Kind
from synaptic_crdt.rules.operations import TreasuryPay
from synaptic_crdt.rules.terms import compute_terms_hash
from synaptic_crdt.state.keys import make_seed


def pay_from_treasury(
    node: Node, *, to: str, amount: int, memo: str = "", reference: str = ""
) -> Json:
    """Say yes, as one of the council, to a payment out of the treasury.

    ``reference`` (hex) names the payment: equal entries under it are votes for the same one.
    """
    operation = TreasuryPay(
        to=find_account(node, to),
        amount=amount,
        reference=_get_reference(reference),
        memo=memo,
    )
    return describe_outcome(node, node.append(operation)) | {
        "to": operation.to.hex(),
        "amount": amount,
        "reference": operation.reference.hex(),
    }


def mint_tokens(node: Node, *, amount: int, memo: str = "", reference: str = "") -> Json:
    """Say yes, as one of the council, to new tokens for the treasury."""
    operation = TokenMint(amount, _get_reference(reference), memo)
    return describe_outcome(node, node.append(operation)) | {
        "amount": amount,
        "reference": operation.reference.hex(),
    }


def set_parameters(
    node: Node,
    *,
    kinds: Sequence[tuple[str, str]] = (),
    terms_text: str | None = None,
    fee_ppm: int | None = None,
    arbiters: Sequence[str] = (),
    quorum: int = 1,
    verifiers: Sequence[str] | None = None,
    rules: int | None = None,
    reference: str = "",
) -> Json:
    """Say yes, as one of the council, to other parameters; what is not named stays as it is.

    ``kinds`` are slugs with what one unit of each is, all that there will be.
    """
    if rules is not None and rules != RULES_VERSION:
        raise UsageError(
            f"this program knows version {RULES_VERSION} of the rules, not {rules}: vote with one"
            " that does, or nobody who runs this one could go on"
        )
    judges = tuple(sorted({find_account(node, text) for text in arbiters}))
    vouching = sorted({find_account(node, text) for text in verifiers or ()})
    operation = MarketSet(
        kinds=tuple(sorted((Kind(*pair) for pair in kinds), key=lambda kind: kind.slug)) or None,
        terms=None if terms_text is None else compute_terms_hash(terms_text),
        fee_ppm=fee_ppm,
        arbiters=Arbitration(judges, quorum) if judges else None,
        verifiers=None if verifiers is None else tuple(vouching),
        rules=rules,
        reference=_get_reference(reference),
    )
    outcome = node.append(operation)
    return {
        **describe_outcome(node, outcome),
        "reference": operation.reference.hex(),
        **show_parameters(node),
    }


def _get_reference(text: str) -> bytes:
    """Return the reference that was given, or a new one."""
    if not text:
        return make_seed()
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise UsageError(
            f"{text!r:.80} is no reference: it is the hex that the first vote printed"
        ) from error
