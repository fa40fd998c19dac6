"""Consent: whether, how much and for whom an account works, by its own published will.

Guarantees that nobody is given work who did not opt in to the terms in force, and that what an
account said of itself binds every device that writes for it: a stolen or misled machine cannot
take more work than that. Opting out stops the next acceptance; work in hand may be finished.

Not here: what a machine's local policy says, which nobody else sees.
"""

from typing import Final

from synaptic_crdt.rules import limits
from synaptic_crdt.rules.account_operations import Caps, Consent
from synaptic_crdt.rules.market import Act, Market
from synaptic_crdt.rules.rows import ConsentRow, ProviderRow
from synaptic_crdt.rules.verdicts import Refusal, Verdict

NO_CAPS: Final = Caps(None, None, None, None)


def make_consent(
    terms: bytes | None,
    *,
    caps: Caps = NO_CAPS,
    requester_min: int = -limits.SCORE_MAX,
    blocked: tuple[bytes, ...] = (),
) -> Consent:
    """Return consent to ``terms``, or to none; without conditions unless told."""
    return Consent(terms, caps, requester_min, blocked)


def set_consent(market: Market, op: Consent, act: Act) -> Refusal | None:
    """Opt in to the market's terms, or out; work already taken may be finished."""
    if market.is_auditor(act.account):
        return Refusal(Verdict.AUDITOR_MAY_NOT)
    in_force = market.get_parameters().terms
    if op.terms is not None and op.terms != in_force:
        return Refusal(Verdict.TERMS_OLD, (op.terms, in_force))
    # From here on the operation must succeed.
    market.consents.set(
        act.account,
        ConsentRow(
            terms=op.terms,
            tasks_per_day=op.caps.tasks_per_day,
            units_per_task=op.caps.units_per_task,
            open_assignments=op.caps.open_assignments,
            kinds=op.caps.kinds,
            requester_min=op.requester_min,
            blocked=op.blocked,
        ),
    )
    return None


def check_consent(market: Market, account: bytes) -> Refusal | None:
    """Did this account opt in to the terms in force?"""
    accepted = market.get_consent(account).terms
    if accepted is None:
        return Refusal(Verdict.NOT_OPTED_IN)
    in_force = market.get_parameters().terms
    if accepted != in_force:
        return Refusal(Verdict.TERMS_OLD, (accepted, in_force))
    return None


def check_caps(market: Market, account: bytes, kind: str, units: int, now: int) -> Refusal | None:
    """Does a seat of so many units fit into what the account said it would take at most?"""
    consent, provider = market.get_consent(account), market.get_provider(account)
    if consent.kinds is not None and kind not in consent.kinds:
        return Refusal(Verdict.OWN_CAP_KINDS, (kind,))
    if consent.units_per_task is not None and units > consent.units_per_task:
        return Refusal(Verdict.OWN_CAP_UNITS, (units, consent.units_per_task))
    if consent.open_assignments is not None and provider.owed >= consent.open_assignments:
        return Refusal(Verdict.OWN_CAP_OPEN, (provider.owed, consent.open_assignments))
    taken = _get_taken(provider, now)
    if consent.tasks_per_day is not None and taken >= consent.tasks_per_day:
        return Refusal(Verdict.OWN_CAP_DAY, (taken, consent.tasks_per_day))
    return None


def check_requester(market: Market, account: bytes, requester: bytes, score: int) -> Refusal | None:
    """Would this account work for a requester with that score?"""
    consent = market.get_consent(account)
    if requester in consent.blocked:
        return Refusal(Verdict.REQUESTER_BLOCKED, (requester,))
    if score < consent.requester_min:
        return Refusal(Verdict.REQUESTER_BELOW_MIN, (score, consent.requester_min))
    return None


def count_acceptance(market: Market, account: bytes, now: int) -> None:
    """Count a seat that was taken: as owed, and against the day's cap."""
    provider = market.get_provider(account)
    market.providers.set(
        account,
        ProviderRow(
            owed=provider.owed + 1,
            day=now // limits.DAY_MS,
            taken=_get_taken(provider, now) + 1,
        ),
    )


def _get_taken(provider: ProviderRow, now: int) -> int:
    return provider.taken if provider.day == now // limits.DAY_MS else 0
