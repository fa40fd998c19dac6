"""The form of what providers offer, a second time; see ``form``."""

from typing import Any

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


def check_offer(tag: str, fields: list[Any]) -> None:
    """Refuse what a field of an offer may not be."""
    if tag == "offer.post":
        kind, able, units, ask, _, _, terms = fields
        need(is_slug(kind), "KIND_INVALID")
        need(is_ascending(able, 16) and all(map(is_slug, able)), "CAPABILITIES_INVALID")
        _check_offered(units, ask)
        _check_terms(*terms)
    elif tag == "offer.renew":
        _, units, ask, _ = fields
        _check_offered(units, ask)


def _check_offered(units: int, ask: int) -> None:
    need(1 <= units <= UNITS_MAX, "OFFER_UNITS_OUT_OF_RANGE")
    need(1 <= ask <= PRICE_MAX, "ASK_OUT_OF_RANGE")


def _check_terms(
    response: int,
    execution: int,
    uptime: int,
    penalty: int,
    bond: int,
    privacies: list[str],
    least: int,
    *known: list[bytes],
) -> None:
    need(SECOND <= response <= MONTH, "RESPONSE_OUT_OF_RANGE")
    need(SECOND <= execution <= MONTH, "EXECUTION_OUT_OF_RANGE")
    need(0 <= uptime <= WHOLE, "UPTIME_OUT_OF_RANGE")
    need(0 <= penalty <= PRICE_MAX, "PENALTY_OUT_OF_RANGE")
    need(0 <= bond <= PRICE_MAX, "OFFER_BOND_OUT_OF_RANGE")
    need(bool(privacies) and is_ascending(privacies, 3), "PRIVACIES_INVALID")
    need(-1000 <= least <= 1000, "REQUESTER_MIN_OUT_OF_RANGE")
    need(all(is_ascending(accounts, 15) for accounts in known), "ACCOUNTS_DISORDERED")
