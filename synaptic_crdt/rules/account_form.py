"""The form of what accounts and the council say: ladders over an operation's own bytes."""

from synaptic_crdt.rules import limits
from synaptic_crdt.rules.account_operations import AccountUpdate, Attest, Caps, Consent
from synaptic_crdt.rules.bounds import (
    check_ascending,
    check_length,
    check_range,
    check_slugs,
    is_ascending,
)
from synaptic_crdt.rules.council_operations import Arbitration, MarketSet
from synaptic_crdt.rules.fields import has_length, is_slug
from synaptic_crdt.rules.genesis import Kind
from synaptic_crdt.rules.verdicts import Refusal, Verdict


def check_account_update(op: AccountUpdate) -> Refusal | None:
    """Is the name as long as a name may be?"""
    return check_length(Verdict.NAME_LENGTH, op.name, 1, limits.NAME_BYTES)


def check_consent(op: Consent) -> Refusal | None:
    """Are the conditions within their bounds?"""
    low, high = -limits.SCORE_MAX, limits.SCORE_MAX
    return (
        _check_caps(op.caps)
        or check_range(Verdict.REQUESTER_MIN_OUT_OF_RANGE, op.requester_min, low, high)
        or check_ascending(Verdict.BLOCKED_INVALID, op.blocked, limits.BLOCKED, "blocked")
    )


def check_attest(op: Attest) -> Refusal | None:
    """Is the claim a slug?"""
    return None if is_slug(op.claim) else Refusal(Verdict.CLAIM_INVALID, (op.claim,))


def check_market_set(op: MarketSet) -> Refusal | None:
    """Is anything changed, and everything within the bounds that the genesis keeps, too?"""
    if not any(
        value is not None
        for value in (op.kinds, op.terms, op.fee_ppm, op.arbiters, op.verifiers, op.rules)
    ):
        return Refusal(Verdict.CHANGE_EMPTY)
    return (
        (None if op.kinds is None else _check_kinds(op.kinds))
        or _check_optional(Verdict.FEE_OUT_OF_RANGE, op.fee_ppm, 0, limits.MILLION)
        or (None if op.arbiters is None else _check_arbiters(op.arbiters))
        or check_ascending(
            Verdict.VERIFIERS_INVALID, op.verifiers or (), limits.VERIFIERS, "verifiers"
        )
        or _check_optional(Verdict.RULES_OUT_OF_RANGE, op.rules, 1, limits.RULES_MAX)
    )


def _check_caps(caps: Caps) -> Refusal | None:
    for cap, high in (
        (caps.tasks_per_day, limits.CAP_MAX),
        (caps.units_per_task, limits.UNITS_MAX),
        (caps.open_assignments, limits.CAP_MAX),
    ):
        refusal = _check_optional(Verdict.CAP_OUT_OF_RANGE, cap, 0, high)
        if refusal is not None:
            return refusal
    if caps.kinds is None:
        return None
    return check_slugs(Verdict.KINDS_INVALID, caps.kinds, limits.KINDS)


def _check_kinds(kinds: tuple[Kind, ...]) -> Refusal | None:
    slugs = [kind.slug for kind in kinds]
    is_described = all(has_length(kind.unit, 1, limits.UNIT_BYTES) for kind in kinds)
    if not slugs or not is_described:
        return Refusal(Verdict.KINDS_INVALID, (len(slugs), limits.KINDS))
    return check_slugs(Verdict.KINDS_INVALID, slugs, limits.KINDS)


def _check_arbiters(arbiters: Arbitration) -> Refusal | None:
    count = len(arbiters.accounts)
    is_fit = 1 <= arbiters.quorum <= count <= limits.JUDGES and is_ascending(arbiters.accounts)
    if is_fit:
        return None
    return Refusal(Verdict.ARBITERS_INVALID, (arbiters.quorum, count, limits.JUDGES))


def _check_optional(verdict: Verdict, value: int | None, low: int, high: int) -> Refusal | None:
    return None if value is None else check_range(verdict, value, low, high)
