"""The form of operations: what their own bytes must satisfy, asked once, before any state is.

Each operation has its ladder; the first rung that does not hold is the verdict.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from synaptic_crdt.errors import MalformedInput
from synaptic_crdt.rules import limits
from synaptic_crdt.rules.fields import has_length, is_media_type, is_slug
from synaptic_crdt.rules.operations import (
    AccountOpen,
    Feedback,
    ForkReport,
    InviteIssue,
    Operation,
    Payload,
    ServiceLevel,
    Shard,
    TaskAccept,
    TaskDecline,
    TaskDeliver,
    TaskFail,
    TaskPost,
    TokenTransfer,
    TreasuryPay,
    parse_operation,
)
from synaptic_crdt.rules.verdicts import Refusal, Verdict
from synaptic_crdt.state.codec import Value, decode
from synaptic_crdt.state.hashes import compute_hash
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


def compute_payload_hash(data: bytes) -> bytes:
    """Return the 32-byte hash that names a payload or a result."""
    return compute_hash("blob", data)


def parse_fork(proof: bytes) -> Fork:
    """Return what a fork proof says, its seals not looked at. Raises ``MalformedInput``."""
    return read_fork(decode_proof(proof))


def decode_proof(proof: bytes) -> list[Value]:
    """Return a proof's fields as a statement has them. Raises ``MalformedInput``."""
    fields = decode(proof, FORK_PROOF_BYTES)
    return fields if isinstance(fields, list) else []


def make_payload(media_type: str, data: bytes) -> Payload:
    """Return ``data`` as an inline payload."""
    return Payload(media_type, len(data), compute_payload_hash(data), data)


def _check_account_open(op: AccountOpen) -> Refusal | None:
    if not has_length(op.name, 1, limits.NAME_BYTES):
        return _length(Verdict.NAME_LENGTH, op.name, 1, limits.NAME_BYTES)
    if (op.certificate is None) != (op.proof is None):
        return Refusal(Verdict.CERTIFICATE_INCOMPLETE)
    return None


def _check_invite_issue(op: InviteIssue) -> Refusal | None:
    return _range(Verdict.GRANT_OUT_OF_RANGE, op.grant, 0, limits.SUPPLY_MAX)


def _check_payment(op: TokenTransfer | TreasuryPay) -> Refusal | None:
    if op.amount == 0:
        return Refusal(Verdict.AMOUNT_ZERO)
    if not 1 <= op.amount <= limits.SUPPLY_MAX:
        return Refusal(Verdict.AMOUNT_OUT_OF_RANGE, (op.amount, 1, limits.SUPPLY_MAX))
    if op.memo and not has_length(op.memo, 0, limits.MEMO_BYTES):
        return _length(Verdict.MEMO_LENGTH, op.memo, 0, limits.MEMO_BYTES)
    return None


def _check_task_post(op: TaskPost) -> Refusal | None:
    if not is_slug(op.kind):
        return Refusal(Verdict.KIND_INVALID, (op.kind,))
    if not has_length(op.title, 1, limits.TITLE_BYTES):
        return _length(Verdict.TITLE_LENGTH, op.title, 1, limits.TITLE_BYTES)
    return (
        _range(Verdict.SEATS_OUT_OF_RANGE, len(op.seats), 1, limits.SEATS)
        or _check_shards(op.seats)
        or _range(Verdict.PRICE_OUT_OF_RANGE, op.price, 1, limits.PRICE_MAX)
        or _range(Verdict.PROVIDERS_MIN_OUT_OF_RANGE, op.providers_min, 1, len(op.seats))
        or _duration(Verdict.WINDOW_OUT_OF_RANGE, op.window_ms)
        or _check_service(op.service)
        # A bond above the price would make taking work a wager.
        or _range(Verdict.BOND_OUT_OF_RANGE, op.bond, 0, op.price)
        or _duration(Verdict.REVIEW_OUT_OF_RANGE, op.review_ms)
        or _range(Verdict.REDISPATCH_OUT_OF_RANGE, op.redispatch, 0, limits.REDISPATCH_MAX)
    )


def _check_shards(seats: tuple[Shard, ...]) -> Refusal | None:
    for shard in seats:
        refusal = _range(Verdict.UNITS_OUT_OF_RANGE, shard.units, 1, limits.UNITS_MAX)
        refusal = refusal or _check_payload(shard.payload)
        if refusal is not None:
            return refusal
    units = sum(shard.units for shard in seats)
    return _range(Verdict.UNITS_OUT_OF_RANGE, units, 1, limits.UNITS_MAX)


def _check_service(service: ServiceLevel) -> Refusal | None:
    return (
        _duration(Verdict.RESPONSE_OUT_OF_RANGE, service.response_ms)
        or _duration(Verdict.EXECUTION_OUT_OF_RANGE, service.execution_ms)
        or _range(Verdict.PENALTY_OUT_OF_RANGE, service.penalty, 0, limits.PRICE_MAX)
    )


def _check_task_accept(op: TaskAccept) -> Refusal | None:
    return _range(Verdict.ASK_OUT_OF_RANGE, op.ask, 1, limits.PRICE_MAX)


def _check_reason(op: TaskDecline | TaskFail) -> Refusal | None:
    return None if is_slug(op.reason) else Refusal(Verdict.REASON_INVALID, (op.reason,))


def _check_task_deliver(op: TaskDeliver) -> Refusal | None:
    if op.result.inline is not None and len(op.result.inline) > limits.RESULT_BYTES:
        return Refusal(Verdict.RESULT_TOO_LARGE, (len(op.result.inline), limits.RESULT_BYTES))
    return _check_payload(op.result)


def _check_payload(payload: Payload) -> Refusal | None:
    if not is_media_type(payload.media_type):
        return Refusal(Verdict.MEDIA_TYPE_INVALID, (payload.media_type,))
    if payload.inline is None:
        return Refusal(Verdict.PAYLOAD_NOT_INLINE)
    if payload.size != len(payload.inline):
        return Refusal(Verdict.PAYLOAD_SIZE_WRONG, (payload.size, len(payload.inline)))
    computed = compute_payload_hash(payload.inline)
    if payload.hash != computed:
        return Refusal(Verdict.PAYLOAD_HASH_WRONG, (payload.hash, computed))
    return None


def _check_feedback(op: Feedback) -> Refusal | None:
    refusal = _range(Verdict.RATING_OUT_OF_RANGE, op.rating, 1, limits.RATING_MAX)
    if refusal is None and not has_length(op.comment, 0, limits.COMMENT_BYTES):
        return _length(Verdict.COMMENT_LENGTH, op.comment, 0, limits.COMMENT_BYTES)
    return refusal


def _check_fork_report(op: ForkReport) -> Refusal | None:
    try:
        parse_fork(op.proof)
    except MalformedInput as error:
        return Refusal(Verdict.FORK_INVALID, (str(error),))
    return None


def _duration(verdict: Verdict, value: int) -> Refusal | None:
    return _range(verdict, value, limits.DURATION_MIN_MS, limits.DURATION_MAX_MS)


def _length(verdict: Verdict, text: str, low: int, high: int) -> Refusal:
    return Refusal(verdict, (len(text.encode()), low, high))


def _range(verdict: Verdict, value: int, low: int, high: int) -> Refusal | None:
    return None if low <= value <= high else Refusal(verdict, (value, low, high))


# Operations that are not here have only ids and flags, which their types bound in full.
_LADDERS: Final[Mapping[type[Operation], Callable[[Any], Refusal | None]]] = {
    AccountOpen: _check_account_open,
    InviteIssue: _check_invite_issue,
    TokenTransfer: _check_payment,
    TreasuryPay: _check_payment,
    TaskPost: _check_task_post,
    TaskAccept: _check_task_accept,
    TaskDecline: _check_reason,
    TaskFail: _check_reason,
    TaskDeliver: _check_task_deliver,
    Feedback: _check_feedback,
    ForkReport: _check_fork_report,
}
