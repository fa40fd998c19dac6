"""The form of what is said along the life of a task, a second time; see ``form``."""

from typing import Any

from synaptic_crdt.state.hashes import compute_hash
from tests.ledger.words import (
    MONTH,
    PRICE_MAX,
    SECOND,
    UNITS_MAX,
    WHOLE,
    is_ascending,
    is_slug,
    need,
)


def check_work(tag: str, fields: list[Any]) -> None:
    """Refuse what a field of a task, an assignment or a dispute may not be."""
    said: list[Any] = [tag, *fields]
    match said:
        case ["task.post", *_]:
            _check_post(fields)
        case ["task.improve", _, *figures]:
            _check_improvement(*figures)
        case ["task.accept", _, ask, capabilities]:
            need(1 <= ask <= PRICE_MAX, "ASK_OUT_OF_RANGE")
            _check_slugs(capabilities, 16, "CAPABILITIES_INVALID")
        case ["task.decline" | "task.fail", _, reason]:
            need(is_slug(reason), "REASON_INVALID")
        case ["task.reveal", _, keys] | ["key.share", _, _, keys]:
            _check_keys(keys, 1)
        case ["task.progress", _, done]:
            need(0 <= done <= WHOLE, "PROGRESS_OUT_OF_RANGE")
        case ["task.deliver", _, result, commitment, keys]:
            need(result[3] is None or len(result[3]) <= 48 * 1024, "RESULT_TOO_LARGE")
            _check_payload(result)
            need((commitment is None) == (not keys), "KEYS_MISPLACED")
            _check_keys(keys, 0)
        case ["task.approve", _, _, scores]:
            _check_figures(scores, "SCORES_INVALID")
        case _:
            _check_dispute(tag, fields)


def _check_dispute(tag: str, fields: list[Any]) -> None:
    said: list[Any] = [tag, *fields]
    match said:
        case ["assignment.extend", _, extension]:
            need(SECOND <= extension <= MONTH, "EXTENSION_OUT_OF_RANGE")
        case ["assignment.settle" | "dispute.rule", _, share]:
            need(0 <= share <= WHOLE, "SHARE_OUT_OF_RANGE")
        case ["dispute.open", _, reason, statement, evidence]:
            need(is_slug(reason), "REASON_INVALID")
            need(len(statement.encode()) <= 1_000, "STATEMENT_LENGTH")
            need(is_ascending(evidence, 8), "EVIDENCE_DISORDERED")
        case ["dispute.evidence", _, evidence]:
            need(bool(evidence) and is_ascending(evidence, 8), "EVIDENCE_DISORDERED")
        case _:
            pass


def _check_post(fields: list[Any]) -> None:
    kind, title, criteria, after, mode, copies, shards, privacy, verifier, *rest = fields
    only = rest[11]
    need(is_slug(kind), "KIND_INVALID")
    need(1 <= len(title.encode()) <= 200, "TITLE_LENGTH")
    need(len(criteria.encode()) <= 1_000, "CRITERIA_LENGTH")
    need(not after, "AFTER_NOT_EMPTY")
    most_shards, most_copies = (1, 10) if mode == "replicate" else (64, 1)
    need(1 <= len(shards) <= most_shards, "SEATS_OUT_OF_RANGE")
    need(1 <= copies <= most_copies, "COPIES_OUT_OF_RANGE")
    for units, payload, commitment, keys in shards:
        need(1 <= units <= UNITS_MAX, "UNITS_OUT_OF_RANGE")
        _check_payload(payload)
        need((commitment is None) == (privacy == "public"), "COMMITMENT_MISPLACED")
        need(not keys or (privacy != "public" and bool(only)), "KEYS_MISPLACED")
        _check_keys(keys, 0)
    need(sum(each[0] for each in shards) * copies <= UNITS_MAX, "UNITS_OUT_OF_RANGE")
    need((verifier is not None) == (privacy == "confidential"), "VERIFIER_MISPLACED")
    _check_offer(rest, len(shards) * copies)


def _check_offer(rest: list[Any], seats: int) -> None:
    asset, _, low, price, most, bond, least, window, priority, *rest = rest
    capabilities, reputation, only, exclude, redispatch, service, release, *judges = rest
    need(asset == 0, "ASSET_UNKNOWN")
    need(1 <= price <= PRICE_MAX, "PRICE_OUT_OF_RANGE")
    need(1 <= low <= price <= most <= PRICE_MAX, "PRICES_DISORDERED")
    need(0 <= bond <= price, "BOND_OUT_OF_RANGE")
    need(1 <= least <= seats, "PROVIDERS_MIN_OUT_OF_RANGE")
    need(SECOND <= window <= MONTH, "WINDOW_OUT_OF_RANGE")
    need(0 <= priority <= min(window, 3_600 * SECOND), "PRIORITY_OUT_OF_RANGE")
    _check_slugs(capabilities, 16, "CAPABILITIES_INVALID")
    need(-1_000 <= reputation <= 1_000, "REPUTATION_MIN_OUT_OF_RANGE")
    need(is_ascending(only, 32) and is_ascending(exclude, 32), "ACCOUNTS_DISORDERED")
    need(0 <= redispatch <= 16, "REDISPATCH_OUT_OF_RANGE")
    response, execution, uptime, penalty, metrics = service
    need(SECOND <= response <= MONTH, "RESPONSE_OUT_OF_RANGE")
    need(SECOND <= execution <= MONTH, "EXECUTION_OUT_OF_RANGE")
    need(0 <= uptime <= WHOLE, "UPTIME_OUT_OF_RANGE")
    need(0 <= penalty <= PRICE_MAX, "PENALTY_OUT_OF_RANGE")
    _check_figures(metrics, "METRICS_INVALID")
    _check_judges(release, *judges)


def _check_judges(
    release: list[Any],
    evaluator: bytes | None,
    reveal: int,
    review: int,
    arbiters: list[bytes],
    quorum: int,
) -> None:
    policy, signers, needed, not_before = release
    if policy == "quorum":
        need(1 <= needed <= len(signers), "RELEASE_INVALID")
    else:
        need(needed == (1 if policy == "requester" else 2) and not signers, "RELEASE_INVALID")
    need(is_ascending(signers, 15), "ACCOUNTS_DISORDERED")
    need(0 <= not_before <= MONTH, "NOT_BEFORE_OUT_OF_RANGE")
    need(evaluator is None or not signers or evaluator in signers, "EVALUATOR_NOT_SIGNER")
    need(SECOND <= reveal <= MONTH, "REVEAL_OUT_OF_RANGE")
    need(SECOND <= review <= MONTH, "REVIEW_OUT_OF_RANGE")
    need(is_ascending(arbiters, 15), "ACCOUNTS_DISORDERED")
    need((quorum == 0) if not arbiters else 1 <= quorum <= len(arbiters), "QUORUM_OUT_OF_RANGE")


def _check_improvement(
    low: int,
    price: int,
    most: int,
    bond: int,
    window: int,
    reputation: int,
    response: int,
    execution: int,
    penalty: int,
) -> None:
    need(1 <= low <= price <= most <= PRICE_MAX, "PRICES_DISORDERED")
    need(0 <= bond <= price, "BOND_OUT_OF_RANGE")
    need(SECOND <= window <= MONTH, "WINDOW_OUT_OF_RANGE")
    need(-1_000 <= reputation <= 1_000, "REPUTATION_MIN_OUT_OF_RANGE")
    need(SECOND <= response <= MONTH, "RESPONSE_OUT_OF_RANGE")
    need(SECOND <= execution <= MONTH, "EXECUTION_OUT_OF_RANGE")
    need(0 <= penalty <= PRICE_MAX, "PENALTY_OUT_OF_RANGE")


def _check_figures(figures: list[Any], reason: str) -> None:
    _check_slugs([slug for slug, _ in figures], 8, reason)
    need(all(0 <= figure <= WHOLE for _, figure in figures), reason)


def _check_slugs(slugs: list[str], most: int, reason: str) -> None:
    need(is_ascending(slugs, most) and all(map(is_slug, slugs)), reason)


def _check_keys(keys: list[Any], least: int) -> None:
    devices = [device for device, _ in keys]
    need(len(devices) >= least and is_ascending(devices, 64), "KEYS_DISORDERED")


def _check_payload(payload: list[Any]) -> None:
    media_type, size, name, inline = payload
    need(
        1 <= len(media_type) <= 64 and all("\x20" <= letter <= "\x7e" for letter in media_type),
        "MEDIA_TYPE_INVALID",
    )
    if inline is None:
        need(size >= 1024, "PAYLOAD_NOT_INLINE")
        need(size <= 64 * 1024 * 1024, "PAYLOAD_TOO_LARGE")
        return
    need(size == len(inline), "PAYLOAD_SIZE_WRONG")
    need(name == compute_hash("blob", inline), "PAYLOAD_HASH_WRONG")
