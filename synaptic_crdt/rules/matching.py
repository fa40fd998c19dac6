"""Matching: standing offers and open tasks find each other, whichever came first.

Guarantees that a match passes the very ladder that an acceptance passes, and the terms of the
offer besides; that the cheapest offer which does comes first, the older turn among equals, and
from an offer's side the best paid task; and that a look costs the same whatever the number of
offers and tasks, since at most the first ``limits.LOOKS`` of the other side are asked. A match is
looked for when a task is posted or bettered, when it opens to all, when a seat comes back, and
when an offer is posted or renewed.

An offer that fails for its owner's reasons (absent, not opted in, too much work, no money for the
bond) leaves the book until it is renewed: so that offers which nobody keeps can stand in the way
only once. One that fails for the task's reasons stays.

Does not protect from somebody who fills the head of the book with offers that are kept alive and
fit no task, which takes many accounts, nor with tasks of a better price that fit no offer, which
takes their worth while they stand: what lies behind is still matched when it is itself posted, and
can be accepted by hand.
"""

from typing import Final

from synaptic_crdt.rules import offer_book, presence, reputation
from synaptic_crdt.rules.acceptance import Candidate, assign_seat, find_seat
from synaptic_crdt.rules.auctions.auction import Waiting
from synaptic_crdt.rules.auctions.table import AUCTIONS
from synaptic_crdt.rules.market import Market
from synaptic_crdt.rules.offer_rows import OfferRow, is_booked
from synaptic_crdt.rules.rows import TaskRow
from synaptic_crdt.rules.seats.seat import get_seat
from synaptic_crdt.rules.verdicts import Refusal, Verdict
from synaptic_crdt.state.hashes import compute_hash

# What its owner could have seen to: no task would meet a better answer.
_OWNERS: Final = frozenset(
    (
        Verdict.NOT_OPTED_IN,
        Verdict.TERMS_OLD,
        Verdict.OWN_CAP_KINDS,
        Verdict.OWN_CAP_OPEN,
        Verdict.OWN_CAP_DAY,
        Verdict.TOO_MANY_ASSIGNMENTS,
        Verdict.BOND_SHORT,
    )
)


def match_task(market: Market, task_id: bytes, now: int) -> None:
    """Let the free seats of a task be taken by the offers that stand first."""
    task = _get_task(market, task_id)
    match = AUCTIONS[task.auction].match
    if match is None:
        return
    waiting = [Waiting(ask, key) for ask, key in offer_book.list_offers(market, task.kind)]
    for offer in match(task, waiting, now):
        offered = offer_book.get_offer(market, offer.offer)
        if not presence.is_present(market, offered.account, now):
            offer_book.rest(market, offer.offer, offer_book.ABSENT)
        elif _meet(market, task_id, task, offer.offer, now) == Verdict.NO_FREE_SEAT:
            return


def match_reopened(market: Market, seat_id: bytes, now: int) -> None:
    """Offer a seat that may have come back to those who wait."""
    seat = get_seat(market, seat_id)
    if seat.state == "OPEN":
        match_task(market, seat.task, now)


def match_offer(market: Market, offer_id: bytes, now: int) -> None:
    """Let an offer whose owner is there take the open seats that it fits."""
    offer = offer_book.get_offer(market, offer_id)
    for name, auction in AUCTIONS.items():
        if auction.match is None:
            continue
        for task_id in offer_book.list_tasks(market, name, offer.kind, offer.ask):
            if not is_booked(offer_book.get_offer(market, offer_id)):
                return
            task = _get_task(market, task_id)
            for _ in auction.match(task, (Waiting(offer.ask, offer_id),), now):
                _meet(market, task_id, task, offer_id, now)


def compute_assignment_id(task_id: bytes, offer_id: bytes, number: int, attempt: int) -> bytes:
    """Return ``H("match", task, offer, seat, attempt)``: no entry names it, so its cause does."""
    return compute_hash(
        "match", task_id, offer_id, number.to_bytes(8, "big"), attempt.to_bytes(8, "big")
    )


def _meet(
    market: Market, task_id: bytes, task: TaskRow, offer_id: bytes, now: int
) -> Verdict | None:
    """Let an offer take seats of a task until it may take no more; say why, if a rung did."""
    offer = offer_book.get_offer(market, offer_id)
    if not _is_acceptable(market, offer, task, now):
        return None
    while is_booked(offer):
        candidate = Candidate(
            account=offer.account,
            device=offer.device,
            ask=offer.ask,
            capabilities=offer.capabilities,
            units_max=offer.left,
            offer=offer_id,
        )
        seat_id = find_seat(market, task_id, task, candidate, now)
        if isinstance(seat_id, Refusal):
            if seat_id.verdict in _OWNERS:
                offer_book.rest(market, offer_id, seat_id.verdict.name)
            return seat_id.verdict
        seat = get_seat(market, seat_id)
        offer_book.take_units(market, offer_id, seat.shard.units)
        assignment = compute_assignment_id(task_id, offer_id, seat.number, seat.attempts)
        assign_seat(market, seat_id, task, candidate, assignment, now)
        offer = offer_book.get_offer(market, offer_id)
    return None


def _is_acceptable(market: Market, offer: OfferRow, task: TaskRow, now: int) -> bool:
    """Is the task one that the offer is meant for?"""
    terms, service = offer.terms, task.service
    requester_score = reputation.get_score(market, task.requester, "requester", now)
    return (
        service.response_ms >= terms.response_ms
        and service.execution_ms >= terms.execution_ms
        and service.uptime_ppm <= terms.uptime_ppm
        and service.penalty <= terms.penalty
        and task.bond <= terms.bond
        and task.privacy in terms.privacies
        and requester_score >= terms.requester_min
        and _has_known_judges(market, offer, task)
    )


def _has_known_judges(market: Market, offer: OfferRow, task: TaskRow) -> bool:
    """Nobody is judged unasked by a requester's friends: others only by name."""
    terms = offer.terms
    neutral = market.get_parameters().arbiters
    return (
        all(arbiter in neutral or arbiter in terms.arbiters for arbiter in task.arbiters)
        and (not task.evaluator or task.evaluator in terms.evaluators)
        and all(signer in terms.signers for signer in task.release.signers)
    )


def _get_task(market: Market, task_id: bytes) -> TaskRow:
    task = market.tasks.get(task_id)
    assert task is not None, task_id
    return task
