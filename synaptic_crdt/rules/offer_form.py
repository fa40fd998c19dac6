"""The form of offers; see ``form.py``."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from synaptic_crdt.rules import limits
from synaptic_crdt.rules.bounds import (
    check_ascending,
    check_duration,
    check_range,
    check_slugs,
    is_ascending,
)
from synaptic_crdt.rules.fields import is_slug
from synaptic_crdt.rules.offer_operations import OfferPost, OfferRenew, OfferTerms
from synaptic_crdt.rules.verdicts import Refusal, Verdict


def _check_offer_post(op: OfferPost) -> Refusal | None:
    if not is_slug(op.kind):
        return Refusal(Verdict.KIND_INVALID, (op.kind,))
    return (
        check_slugs(Verdict.CAPABILITIES_INVALID, op.capabilities, limits.CAPABILITIES)
        or _check_figures(op)
        or _check_terms(op.terms)
    )


def _check_figures(op: OfferPost | OfferRenew) -> Refusal | None:
    return check_range(
        Verdict.OFFER_UNITS_OUT_OF_RANGE, op.units, 1, limits.UNITS_MAX
    ) or check_range(Verdict.ASK_OUT_OF_RANGE, op.ask, 1, limits.PRICE_MAX)


def _check_terms(terms: OfferTerms) -> Refusal | None:
    return (
        check_duration(Verdict.RESPONSE_OUT_OF_RANGE, terms.response_ms)
        or check_duration(Verdict.EXECUTION_OUT_OF_RANGE, terms.execution_ms)
        or check_range(Verdict.UPTIME_OUT_OF_RANGE, terms.uptime_ppm, 0, limits.MILLION)
        or check_range(Verdict.PENALTY_OUT_OF_RANGE, terms.penalty, 0, limits.PRICE_MAX)
        or check_range(Verdict.OFFER_BOND_OUT_OF_RANGE, terms.bond, 0, limits.PRICE_MAX)
        or _check_privacies(terms)
        or check_range(
            Verdict.REQUESTER_MIN_OUT_OF_RANGE,
            terms.requester_min,
            -limits.SCORE_MAX,
            limits.SCORE_MAX,
        )
        or check_ascending(Verdict.ACCOUNTS_DISORDERED, terms.arbiters, limits.JUDGES, "arbiters")
        or check_ascending(
            Verdict.ACCOUNTS_DISORDERED, terms.evaluators, limits.JUDGES, "evaluators"
        )
        or check_ascending(Verdict.ACCOUNTS_DISORDERED, terms.signers, limits.JUDGES, "signers")
    )


def _check_privacies(terms: OfferTerms) -> Refusal | None:
    """Each kind of privacy once, and at least one: else no task would ever do."""
    if terms.privacies and is_ascending(terms.privacies):
        return None
    return Refusal(Verdict.PRIVACIES_INVALID, (len(terms.privacies),))


# Operations that are not here have only ids and flags, which their types bound in full.
OFFER_LADDERS: Final[Mapping[type[Any], Callable[[Any], Refusal | None]]] = {
    OfferPost: _check_offer_post,
    OfferRenew: _check_figures,
}
