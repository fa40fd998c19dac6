"""The seat table: every state of a seat, what may happen in it, and what follows.

One row, one function. ``TRANSITIONS`` is the whole table: an event that has no row there is
refused as WRONG_PHASE. Every state that holds tokens has a deadline with a row of its own, so
silence alone ends with nothing locked.
"""

from collections.abc import Mapping
from typing import Final

from synaptic_crdt.rules.market import Market
from synaptic_crdt.rules.rows import SeatRow, SeatState
from synaptic_crdt.rules.seats import disputing, ending, judging, waiting, working
from synaptic_crdt.rules.seats.seat import Cause, Event, Row, get_seat

TRANSITIONS: Final[Mapping[tuple[SeatState, Event], Row]] = {
    ("OPEN", "accept"): waiting.accept,
    ("OPEN", "cancel"): waiting.cancel,
    ("OPEN", "deadline"): waiting.expire,
    ("RESERVED", "decline"): ending.give_back,
    ("RESERVED", "cancel"): waiting.cancel_reserved,
    ("RESERVED", "deadline"): waiting.void_reserved,
    ("PENDING", "epoch"): waiting.become_final,
    ("PENDING", "decline"): ending.give_back,
    ("PENDING", "deadline"): waiting.void_pending,
    ("KEYWAIT", "reveal"): waiting.arm,
    ("KEYWAIT", "decline"): ending.give_back,
    ("KEYWAIT", "deadline"): waiting.withhold_key,
    ("ASSIGNED", "start"): working.start,
    ("ASSIGNED", "decline"): ending.give_back,
    ("ASSIGNED", "extend"): working.extend_unstarted,
    ("ASSIGNED", "name"): judging.name_share,
    ("ASSIGNED", "deadline"): working.abandon_unstarted,
    ("STARTED", "deliver"): working.deliver,
    ("STARTED", "fail"): working.fail,
    ("STARTED", "extend"): working.extend,
    ("STARTED", "name"): judging.name_share,
    ("STARTED", "deadline"): working.abandon_undelivered,
    ("DELIVERED", "sign"): judging.sign,
    ("DELIVERED", "dispute"): disputing.dispute,
    ("DELIVERED", "name"): judging.name_share,
    ("DELIVERED", "deadline"): judging.review_ends,
    ("HELD", "agree"): judging.agree,
    ("HELD", "dispute"): disputing.dispute,
    ("HELD", "name"): judging.name_share,
    ("HELD", "deadline"): judging.contest_ends,
    ("DISPUTED", "rule"): disputing.rule,
    ("DISPUTED", "withdraw"): disputing.withdraw,
    ("DISPUTED", "name"): disputing.settle_named,
    ("DISPUTED", "deadline"): disputing.default,
    ("TIMELOCKED", "deadline"): judging.unlock,
}


def is_allowed(seat: SeatRow, event: Event) -> bool:
    """Has the seat table a row for this event in the seat's state?"""
    return (seat.state, event) in TRANSITIONS


def advance(market: Market, seat_id: bytes, event: Event, cause: Cause) -> None:
    """Carry out the row of an event that is allowed."""
    TRANSITIONS[get_seat(market, seat_id).state, event](market, seat_id, cause)
