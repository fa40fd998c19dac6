"""Offers: posted, renewed, withdrawn; ended by their timer at the latest.

Guarantees that an account has at most 16 of them open, 4 of a kind, and that each ends within 30
days of its last renewal. An offer locks nothing: what it promises is asked for when a task comes.
Whoever posts or renews one is there at that moment: it counts as presence, and the offer is held
against the open tasks at once.

Answers floods of offers (the limits), cheap offers of somebody who is gone (they leave the book;
see ``matching``), and jumping the queue by a renewal (it takes a new turn).
"""

from msgspec.structs import replace

from synaptic_crdt.rules import acceptance, limits, matching, presence
from synaptic_crdt.rules.market import Act, Market, get_rows
from synaptic_crdt.rules.offer_book import get_offer, take_turn
from synaptic_crdt.rules.offer_operations import OfferPost, OfferRenew, OfferWithdraw
from synaptic_crdt.rules.offer_rows import OfferRow
from synaptic_crdt.rules.verdicts import Refusal, Verdict


def post_offer(market: Market, op: OfferPost, act: Act) -> Refusal | None:
    """Put an offer up, and let a standing one take the open work that fits."""
    if not market.is_kind(op.kind):
        return Refusal(Verdict.KIND_UNKNOWN, (op.kind,))
    refusal = (
        acceptance.check_consent(market, act.account)
        or _check_number(market, op.kind, act.account)
        or _check_expiry(op.expiry_ms, act.now)
    )
    if refusal is not None:
        return refusal
    # From here on the operation must succeed.
    market.timers.set(act.entry, op.expiry_ms)
    market.offers.set(act.entry, _make_offer(market, op, act))
    _stand(market, act.entry, act)
    return None


def renew_offer(market: Market, op: OfferRenew, act: Act) -> Refusal | None:
    """Put an offer up again with other figures, behind those that stand at the same ask."""
    offer = market.offers.get(op.offer)
    if offer is None:
        return Refusal(Verdict.OFFER_UNKNOWN, (op.offer,))
    refusal = (
        _check_owner(offer, act)
        or acceptance.check_consent(market, act.account)
        or _check_open(offer)
        or _check_expiry(op.expiry_ms, act.now)
    )
    if refusal is not None:
        return refusal
    # From here on the operation must succeed.
    market.timers.set(op.offer, op.expiry_ms)
    renewed = replace(
        offer,
        device=act.device,
        units=op.units,
        left=op.units,
        ask=op.ask,
        turn=take_turn(market),
        expiry_ms=op.expiry_ms,
        rest="",
    )
    market.offers.set(op.offer, renewed)
    _stand(market, op.offer, act)
    return None


def withdraw_offer(market: Market, op: OfferWithdraw, act: Act) -> Refusal | None:
    """End an offer; the work it has taken goes on."""
    offer = market.offers.get(op.offer)
    if offer is None:
        return Refusal(Verdict.OFFER_UNKNOWN, (op.offer,))
    refusal = _check_owner(offer, act) or _check_open(offer)
    if refusal is not None:
        return refusal
    # From here on the operation must succeed.
    market.timers.clear(op.offer)
    market.offers.set(op.offer, replace(offer, state="WITHDRAWN"))
    return None


def expire_offer(market: Market, offer_id: bytes) -> None:
    """Nobody renewed it."""
    offer = get_offer(market, offer_id)
    market.offers.set(offer_id, replace(offer, state="EXPIRED"))


def _stand(market: Market, offer_id: bytes, act: Act) -> None:
    if get_offer(market, offer_id).is_standing:
        presence.mark_present(market, act.account, act.now)
        matching.match_offer(market, offer_id, act.now)


def _check_number(market: Market, kind: str, account: bytes) -> Refusal | None:
    kinds = [row.kind for _, row in get_rows(market.offers, "account", account)]
    if len(kinds) >= limits.OFFERS:
        return Refusal(Verdict.TOO_MANY_OFFERS, (len(kinds), limits.OFFERS))
    of_kind = kinds.count(kind)
    if of_kind >= limits.OFFERS_OF_A_KIND:
        return Refusal(Verdict.TOO_MANY_OFFERS_OF_KIND, (kind, of_kind, limits.OFFERS_OF_A_KIND))
    return None


def _check_owner(offer: OfferRow, act: Act) -> Refusal | None:
    if offer.account == act.account:
        return None
    return Refusal(Verdict.NOT_THE_OFFERER, (offer.account,))


def _check_open(offer: OfferRow) -> Refusal | None:
    return None if offer.state == "OPEN" else Refusal(Verdict.OFFER_ENDED, (offer.state,))


def _check_expiry(expiry_ms: int, now: int) -> Refusal | None:
    if expiry_ms <= now:
        return Refusal(Verdict.OFFER_TOO_SHORT, (expiry_ms, now))
    latest_ms = now + limits.DURATION_MAX_MS
    if expiry_ms > latest_ms:
        return Refusal(Verdict.OFFER_TOO_LONG, (expiry_ms, latest_ms))
    return None


def _make_offer(market: Market, op: OfferPost, act: Act) -> OfferRow:
    return OfferRow(
        number=len(market.offers) + 1,
        account=act.account,
        device=act.device,
        kind=op.kind,
        capabilities=op.capabilities,
        units=op.units,
        left=op.units,
        ask=op.ask,
        is_standing=op.is_standing,
        terms=op.terms,
        turn=take_turn(market),
        posted_ms=act.now,
        expiry_ms=op.expiry_ms,
        state="OPEN",
        rest="",
    )
