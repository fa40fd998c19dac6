"""DELIVERED, HELD, TIMELOCKED: what is said of a delivery, and what comes of it.

What a signer said stands in the delivery's review before its event happens here.
"""

from synaptic_crdt.rules import reviews
from synaptic_crdt.rules.limits import MILLION
from synaptic_crdt.rules.market import Market
from synaptic_crdt.rules.outcomes import Outcome
from synaptic_crdt.rules.rows import AssignmentRow, Reason, TaskRow
from synaptic_crdt.rules.seats import ending
from synaptic_crdt.rules.seats.seat import (
    Cause,
    change_seat,
    get_holder,
    get_seat,
    get_task,
)

# DELIVERED: escrow and bond are locked; the deadline is the end of the review.


def sign(market: Market, seat_id: bytes, cause: Cause) -> None:
    """Follow a signer's word: pay, propose to pay less or nothing, or wait for the others."""
    task, assignment = _get_both(market, seat_id)
    verdict = reviews.count_marks(market, task, assignment)
    if verdict == "approved":
        _complete(market, seat_id, cause, "approved")
    elif verdict == "rejected":
        _hold(market, seat_id, cause, 0, ())


def review_ends(market: Market, seat_id: bytes, cause: Cause) -> None:
    """Who said nothing has approved."""
    _complete(market, seat_id, cause, "review-ended")


def _complete(market: Market, seat_id: bytes, cause: Cause, reason: Reason) -> None:
    task, assignment = _get_both(market, seat_id)
    missed = reviews.compute_missed(market, task, assignment)
    if missed and task.service.penalty // 2:
        _hold(market, seat_id, cause, MILLION, missed)
        return
    not_before_ms = assignment.delivered_ms + task.release.not_before_ms
    if cause.now < not_before_ms:
        change_seat(market, seat_id, state="TIMELOCKED")
        market.timers.set(seat_id, not_before_ms)
        return
    ending.settle(market, seat_id, cause, reason, Outcome())


def _hold(
    market: Market, seat_id: bytes, cause: Cause, share_ppm: int, missed: tuple[str, ...]
) -> None:
    """Propose less than the full pay; the provider has the contest's time to object."""
    change_seat(market, seat_id, state="HELD")
    _, assignment = _get_both(market, seat_id)
    reviews.propose(market, assignment.delivery, share_ppm, missed)
    market.timers.set(seat_id, cause.now + market.genesis.contest_ms)


# HELD: escrow and bond are locked; the deadline is the end of the contest.


def agree(market: Market, seat_id: bytes, cause: Cause) -> None:
    """The provider takes what was proposed."""
    settle_as_proposed(market, seat_id, cause, "agreed")


def contest_ends(market: Market, seat_id: bytes, cause: Cause) -> None:
    """The provider did not object."""
    settle_as_proposed(market, seat_id, cause, "contest-ended")


def settle_as_proposed(
    market: Market,
    seat_id: bytes,
    cause: Cause,
    reason: Reason,
    *,
    is_disputed: bool = False,
    has_gains: bool = True,
) -> None:
    """Let the proposal of the review come true."""
    _, assignment = _get_both(market, seat_id)
    review = reviews.get_review(market, assignment.delivery)
    outcome = Outcome(
        share_ppm=review.share_ppm,
        missed=len(review.missed),
        is_disputed=is_disputed,
        has_gains=has_gains,
    )
    ending.settle(market, seat_id, cause, reason, outcome)


# TIMELOCKED: escrow and bond are locked; the deadline is the date.


def unlock(market: Market, seat_id: bytes, cause: Cause) -> None:
    """What was approved is paid on its date."""
    ending.settle(market, seat_id, cause, "time-locked", Outcome())


# ASSIGNED to DISPUTED: the parties may agree on any share.


def name_share(market: Market, seat_id: bytes, cause: Cause) -> None:
    """Settle once both parties have named the same share."""
    seat = get_seat(market, seat_id)
    shares = reviews.get_shares(market, seat.assignment)
    if shares.requester_ppm != shares.provider_ppm:
        return
    share_ppm = shares.requester_ppm
    outcome = Outcome(
        share_ppm=share_ppm,
        is_timed=False,
        is_disputed=seat.state == "DISPUTED",
        has_gains=2 * share_ppm >= MILLION,
    )
    ending.settle(market, seat_id, cause, "both-named", outcome)


def _get_both(market: Market, seat_id: bytes) -> tuple[TaskRow, AssignmentRow]:
    seat = get_seat(market, seat_id)
    return get_task(market, seat), get_holder(market, seat)
