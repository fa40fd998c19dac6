"""The form of operations: what their own bytes must satisfy, asked once, before any state is.

Each operation has its ladder; the first rung that does not hold is the verdict.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from synaptic_crdt.errors import MalformedInput
from synaptic_crdt.rules import account_form, limits
from synaptic_crdt.rules.account_operations import AccountUpdate, Attest, Consent
from synaptic_crdt.rules.bounds import check_length, check_range
from synaptic_crdt.rules.council_operations import MarketSet, TokenMint
from synaptic_crdt.rules.operations import (
    AccountOpen,
    Feedback,
    ForkReport,
    InviteIssue,
    Operation,
    TokenTransfer,
    TreasuryPay,
    parse_operation,
)
from synaptic_crdt.rules.task_form import TASK_LADDERS
from synaptic_crdt.rules.verdicts import Refusal, Verdict
from synaptic_crdt.state.codec import Value, decode
from synaptic_crdt.state.limits import FORK_PROOF_BYTES
from synaptic_crdt.state.statements.fork import Fork, read_fork


def read_operation(operation: list[Value]) -> Operation | Refusal:
    """Return the operation of ``[tag, field, ...]``, well-formed to the last field, or why not."""
    parsed = parse_operation(operation)
    if isinstance(parsed, Refusal):
        return parsed
    check = _LADDERS.get(type(parsed))
    refusal = None if check is None else check(parsed)
    return parsed if refusal is None else refusal


def parse_fork(proof: bytes) -> Fork:
    """Return what a fork proof says, its seals not looked at. Raises ``MalformedInput``."""
    return read_fork(decode_proof(proof))


def decode_proof(proof: bytes) -> list[Value]:
    """Return a proof's fields as a statement has them. Raises ``MalformedInput``."""
    fields = decode(proof, FORK_PROOF_BYTES)
    return fields if isinstance(fields, list) else []


def _check_account_open(op: AccountOpen) -> Refusal | None:
    refusal = check_length(Verdict.NAME_LENGTH, op.name, 1, limits.NAME_BYTES)
    if refusal is not None:
        return refusal
    if (op.certificate is None) != (op.proof is None):
        return Refusal(Verdict.CERTIFICATE_INCOMPLETE)
    return None


def _check_invite_issue(op: InviteIssue) -> Refusal | None:
    return check_range(Verdict.GRANT_OUT_OF_RANGE, op.grant, 0, limits.SUPPLY_MAX)


def _check_payment(op: TokenTransfer | TreasuryPay | TokenMint) -> Refusal | None:
    if op.amount == 0:
        return Refusal(Verdict.AMOUNT_ZERO)
    if not 1 <= op.amount <= limits.SUPPLY_MAX:
        return Refusal(Verdict.AMOUNT_OUT_OF_RANGE, (op.amount, 1, limits.SUPPLY_MAX))
    return check_length(Verdict.MEMO_LENGTH, op.memo, 0, limits.MEMO_BYTES) if op.memo else None


def _check_feedback(op: Feedback) -> Refusal | None:
    return check_range(
        Verdict.RATING_OUT_OF_RANGE, op.rating, 1, limits.RATING_MAX
    ) or check_length(Verdict.COMMENT_LENGTH, op.comment, 0, limits.COMMENT_BYTES)


def _check_fork_report(op: ForkReport) -> Refusal | None:
    try:
        parse_fork(op.proof)
    except MalformedInput as error:
        return Refusal(Verdict.FORK_INVALID, (str(error),))
    return None


# Operations that are not here have only ids and flags, which their types bound in full.
_LADDERS: Final[Mapping[type[Operation], Callable[[Any], Refusal | None]]] = {
    AccountOpen: _check_account_open,
    AccountUpdate: account_form.check_account_update,
    Consent: account_form.check_consent,
    Attest: account_form.check_attest,
    MarketSet: account_form.check_market_set,
    InviteIssue: _check_invite_issue,
    TokenTransfer: _check_payment,
    TreasuryPay: _check_payment,
    Feedback: _check_feedback,
    TokenMint: _check_payment,
    ForkReport: _check_fork_report,
    **TASK_LADDERS,
}
