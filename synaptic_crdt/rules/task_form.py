"""The form of the operations along the life of a task; see ``form.py``."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from synaptic_crdt.rules import limits
from synaptic_crdt.rules.bounds import (
    check_ascending,
    check_duration,
    check_length,
    check_range,
    check_slugs,
    is_ascending,
)
from synaptic_crdt.rules.fields import is_media_type, is_slug
from synaptic_crdt.rules.task_operations import (
    TOKEN,
    AssignmentExtend,
    AssignmentSettle,
    DisputeEvidence,
    DisputeOpen,
    DisputeRule,
    KeyShare,
    Payload,
    SealedKey,
    ServiceLevel,
    Shard,
    TaskAccept,
    TaskApprove,
    TaskDecline,
    TaskDeliver,
    TaskFail,
    TaskImprove,
    TaskPost,
    TaskProgress,
    TaskReveal,
)
from synaptic_crdt.rules.verdicts import Refusal, Verdict
from synaptic_crdt.state.outline import name_content


def compute_payload_hash(data: bytes) -> bytes:
    """Return the 32-byte hash that names a payload or a result."""
    return name_content(data)


def make_payload(media_type: str, data: bytes) -> Payload:
    """Return ``data`` as an inline payload."""
    return Payload(media_type, len(data), compute_payload_hash(data), data)


def _check_task_post(op: TaskPost) -> Refusal | None:
    return _check_work(op) or _check_prices(op) or _check_providers(op) or _check_judges(op)


def _check_work(op: TaskPost) -> Refusal | None:
    if not is_slug(op.kind):
        return Refusal(Verdict.KIND_INVALID, (op.kind,))
    refusal = check_length(Verdict.TITLE_LENGTH, op.title, 1, limits.TITLE_BYTES) or check_length(
        Verdict.CRITERIA_LENGTH, op.criteria, 0, limits.CRITERIA_BYTES
    )
    if refusal is not None:
        return refusal
    if op.after:
        return Refusal(Verdict.AFTER_NOT_EMPTY, (len(op.after),))
    # One shard in several copies, or several shards in one.
    shards, copies = (1, limits.COPIES) if op.mode == "replicate" else (limits.SEATS, 1)
    refusal = (
        check_range(Verdict.SEATS_OUT_OF_RANGE, len(op.seats), 1, shards)
        or check_range(Verdict.COPIES_OUT_OF_RANGE, op.copies, 1, copies)
        or _check_shards(op)
    )
    if refusal is not None:
        return refusal
    if (op.verifier is None) == (op.privacy == "confidential"):
        return Refusal(Verdict.VERIFIER_MISPLACED, (op.privacy,))
    return None


def _check_shards(op: TaskPost) -> Refusal | None:
    for shard in op.seats:
        refusal = (
            check_range(Verdict.UNITS_OUT_OF_RANGE, shard.units, 1, limits.UNITS_MAX)
            or check_payload(shard.payload)
            or _check_keys_of(op, shard)
        )
        if refusal is not None:
            return refusal
    units = sum(shard.units for shard in op.seats) * op.copies
    return check_range(Verdict.UNITS_OUT_OF_RANGE, units, 1, limits.UNITS_MAX)


def _check_keys_of(op: TaskPost, shard: Shard) -> Refusal | None:
    """A content key is committed to just when there is one, and handed out to known ones only."""
    if (shard.commitment is None) == (op.privacy != "public"):
        return Refusal(Verdict.COMMITMENT_MISPLACED, (op.privacy,))
    if shard.keys and (op.privacy == "public" or not op.only):
        return Refusal(Verdict.KEYS_MISPLACED)
    return _check_keys(shard.keys, 0)


def _check_prices(op: TaskPost) -> Refusal | None:
    if op.asset != TOKEN:
        return Refusal(Verdict.ASSET_UNKNOWN, (op.asset,))
    refusal = check_range(Verdict.PRICE_OUT_OF_RANGE, op.price, 1, limits.PRICE_MAX)
    if refusal is not None:
        return refusal
    if not 1 <= op.price_low <= op.price <= op.price_max <= limits.PRICE_MAX:
        return Refusal(Verdict.PRICES_DISORDERED, (op.price_low, op.price, op.price_max))
    # A bond above the price would make taking work a wager.
    return check_range(Verdict.BOND_OUT_OF_RANGE, op.bond, 0, op.price)


def _check_providers(op: TaskPost) -> Refusal | None:
    seats = len(op.seats) * op.copies
    return (
        check_range(Verdict.PROVIDERS_MIN_OUT_OF_RANGE, op.providers_min, 1, seats)
        or check_duration(Verdict.WINDOW_OUT_OF_RANGE, op.window_ms)
        or check_range(
            Verdict.PRIORITY_OUT_OF_RANGE,
            op.priority_ms,
            0,
            min(op.window_ms, limits.PRIORITY_MAX_MS),
        )
        or check_slugs(Verdict.CAPABILITIES_INVALID, op.capabilities, limits.CAPABILITIES)
        or check_range(
            Verdict.REPUTATION_MIN_OUT_OF_RANGE,
            op.reputation_min,
            -limits.SCORE_MAX,
            limits.SCORE_MAX,
        )
        or check_ascending(Verdict.ACCOUNTS_DISORDERED, op.only, limits.LISTED, "only")
        or check_ascending(Verdict.ACCOUNTS_DISORDERED, op.exclude, limits.LISTED, "exclude")
        or check_range(Verdict.REDISPATCH_OUT_OF_RANGE, op.redispatch, 0, limits.REDISPATCH_MAX)
    )


def _check_judges(op: TaskPost) -> Refusal | None:
    return (
        _check_service(op.service)
        or _check_release(op)
        or check_duration(Verdict.REVEAL_OUT_OF_RANGE, op.reveal_ms)
        or check_duration(Verdict.REVIEW_OUT_OF_RANGE, op.review_ms)
        or check_ascending(Verdict.ACCOUNTS_DISORDERED, op.arbiters, limits.JUDGES, "arbiters")
        # Without arbiters of its own, a task has neither a quorum of its own.
        or check_range(
            Verdict.QUORUM_OUT_OF_RANGE, op.quorum, min(1, len(op.arbiters)), len(op.arbiters)
        )
    )


def _check_service(service: ServiceLevel) -> Refusal | None:
    return (
        check_duration(Verdict.RESPONSE_OUT_OF_RANGE, service.response_ms)
        or check_duration(Verdict.EXECUTION_OUT_OF_RANGE, service.execution_ms)
        or check_range(Verdict.UPTIME_OUT_OF_RANGE, service.uptime_ppm, 0, limits.MILLION)
        or check_range(Verdict.PENALTY_OUT_OF_RANGE, service.penalty, 0, limits.PRICE_MAX)
        or _check_figures(
            Verdict.METRICS_INVALID,
            [metric.slug for metric in service.metrics],
            [metric.minimum_ppm for metric in service.metrics],
        )
    )


def _check_figures(verdict: Verdict, slugs: list[str], figures: list[int]) -> Refusal | None:
    refusal = check_slugs(verdict, slugs, limits.METRICS)
    if refusal is not None:
        return refusal
    if not all(0 <= figure <= limits.MILLION for figure in figures):
        return Refusal(verdict, (len(slugs), limits.METRICS))
    return None


def _check_release(op: TaskPost) -> Refusal | None:
    release = op.release
    needed = {"requester": 1, "both": 2}.get(release.policy)
    if needed is None:
        is_valid = 1 <= release.needed <= len(release.signers)
    else:
        is_valid = release.needed == needed and not release.signers
    if not is_valid:
        return Refusal(
            Verdict.RELEASE_INVALID, (release.policy, release.needed, len(release.signers))
        )
    refusal = check_ascending(
        Verdict.ACCOUNTS_DISORDERED, release.signers, limits.JUDGES, "signers"
    ) or check_range(
        Verdict.NOT_BEFORE_OUT_OF_RANGE, release.not_before_ms, 0, limits.DURATION_MAX_MS
    )
    if refusal is not None:
        return refusal
    if release.signers and op.evaluator is not None and op.evaluator not in release.signers:
        return Refusal(Verdict.EVALUATOR_NOT_SIGNER, (op.evaluator,))
    return None


def _check_task_improve(op: TaskImprove) -> Refusal | None:
    if not 1 <= op.price_low <= op.price <= op.price_max <= limits.PRICE_MAX:
        return Refusal(Verdict.PRICES_DISORDERED, (op.price_low, op.price, op.price_max))
    return (
        check_range(Verdict.BOND_OUT_OF_RANGE, op.bond, 0, op.price)
        or check_duration(Verdict.WINDOW_OUT_OF_RANGE, op.window_ms)
        or check_range(
            Verdict.REPUTATION_MIN_OUT_OF_RANGE,
            op.reputation_min,
            -limits.SCORE_MAX,
            limits.SCORE_MAX,
        )
        or check_duration(Verdict.RESPONSE_OUT_OF_RANGE, op.response_ms)
        or check_duration(Verdict.EXECUTION_OUT_OF_RANGE, op.execution_ms)
        or check_range(Verdict.PENALTY_OUT_OF_RANGE, op.penalty, 0, limits.PRICE_MAX)
    )


def _check_task_accept(op: TaskAccept) -> Refusal | None:
    return check_range(Verdict.ASK_OUT_OF_RANGE, op.ask, 1, limits.PRICE_MAX) or check_slugs(
        Verdict.CAPABILITIES_INVALID, op.capabilities, limits.CAPABILITIES
    )


def _check_reason(op: TaskDecline | TaskFail) -> Refusal | None:
    return None if is_slug(op.reason) else Refusal(Verdict.REASON_INVALID, (op.reason,))


def _check_handed_over(op: TaskReveal | KeyShare) -> Refusal | None:
    return _check_keys(op.keys, 1)


def _check_task_progress(op: TaskProgress) -> Refusal | None:
    return check_range(Verdict.PROGRESS_OUT_OF_RANGE, op.done_ppm, 0, limits.MILLION)


def _check_task_deliver(op: TaskDeliver) -> Refusal | None:
    if op.result.inline is not None and len(op.result.inline) > limits.RESULT_BYTES:
        return Refusal(Verdict.RESULT_TOO_LARGE, (len(op.result.inline), limits.RESULT_BYTES))
    refusal = check_payload(op.result)
    if refusal is not None:
        return refusal
    if (op.commitment is None) != (not op.keys):
        return Refusal(Verdict.KEYS_MISPLACED)
    return _check_keys(op.keys, 0)


def _check_task_approve(op: TaskApprove) -> Refusal | None:
    return _check_figures(
        Verdict.SCORES_INVALID,
        [score.slug for score in op.scores],
        [score.value_ppm for score in op.scores],
    )


def _check_extend(op: AssignmentExtend) -> Refusal | None:
    return check_duration(Verdict.EXTENSION_OUT_OF_RANGE, op.extension_ms)


def _check_share(op: AssignmentSettle | DisputeRule) -> Refusal | None:
    return check_range(Verdict.SHARE_OUT_OF_RANGE, op.share_ppm, 0, limits.MILLION)


def _check_dispute_open(op: DisputeOpen) -> Refusal | None:
    if not is_slug(op.reason):
        return Refusal(Verdict.REASON_INVALID, (op.reason,))
    return check_length(
        Verdict.STATEMENT_LENGTH, op.statement, 0, limits.STATEMENT_BYTES
    ) or check_ascending(Verdict.EVIDENCE_DISORDERED, op.evidence, limits.EVIDENCE, "evidence")


def _check_evidence(op: DisputeEvidence) -> Refusal | None:
    if not op.evidence:
        return Refusal(Verdict.EVIDENCE_DISORDERED, ("evidence", 0, limits.EVIDENCE))
    return check_ascending(Verdict.EVIDENCE_DISORDERED, op.evidence, limits.EVIDENCE, "evidence")


def _check_keys(keys: tuple[SealedKey, ...], least: int) -> Refusal | None:
    devices = [key.device for key in keys]
    if not least <= len(devices) <= limits.KEYS or not is_ascending(devices):
        return Refusal(Verdict.KEYS_DISORDERED, (len(devices), least, limits.KEYS))
    return None


def check_payload(payload: Payload) -> Refusal | None:
    """Is what is said of the bytes true?"""
    if not is_media_type(payload.media_type):
        return Refusal(Verdict.MEDIA_TYPE_INVALID, (payload.media_type,))
    if payload.inline is None:
        return _check_blob(payload.size)
    if payload.size != len(payload.inline):
        return Refusal(Verdict.PAYLOAD_SIZE_WRONG, (payload.size, len(payload.inline)))
    computed = compute_payload_hash(payload.inline)
    if payload.hash != computed:
        return Refusal(Verdict.PAYLOAD_HASH_WRONG, (payload.hash, computed))
    return None


def _check_blob(size: int) -> Refusal | None:
    """Has what travels on its own a size for which that is worth it, and at which it can be had?"""
    if size < limits.BLOB_LEAST_BYTES:
        return Refusal(Verdict.PAYLOAD_NOT_INLINE, (size, limits.BLOB_LEAST_BYTES))
    if size > limits.BLOB_BYTES:
        return Refusal(Verdict.PAYLOAD_TOO_LARGE, (size, limits.BLOB_BYTES))
    return None


# Operations that are not here have only ids and flags, which their types bound in full.
TASK_LADDERS: Final[Mapping[type[Any], Callable[[Any], Refusal | None]]] = {
    TaskPost: _check_task_post,
    TaskImprove: _check_task_improve,
    TaskAccept: _check_task_accept,
    TaskDecline: _check_reason,
    TaskFail: _check_reason,
    TaskReveal: _check_handed_over,
    KeyShare: _check_handed_over,
    TaskProgress: _check_task_progress,
    TaskDeliver: _check_task_deliver,
    TaskApprove: _check_task_approve,
    AssignmentExtend: _check_extend,
    AssignmentSettle: _check_share,
    DisputeOpen: _check_dispute_open,
    DisputeEvidence: _check_evidence,
    DisputeRule: _check_share,
}
