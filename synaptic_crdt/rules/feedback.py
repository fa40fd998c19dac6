"""Feedback: what the two parties of settled work say of each other, once each, within 30 days.

A word of praise or blame moves the other's score, less for every other settlement between the two
groups within 30 days; the number and the comment are kept and shown.
"""

from typing import Final

from synaptic_crdt.rules import limits
from synaptic_crdt.rules.disputes import get_side, refuse_stranger
from synaptic_crdt.rules.market import Act, Market
from synaptic_crdt.rules.operations import Feedback
from synaptic_crdt.rules.reputation import add_points, count_meetings, get_pair
from synaptic_crdt.rules.rows import AssignmentRow, Side
from synaptic_crdt.rules.score_rows import RatingRow
from synaptic_crdt.rules.seats.seat import get_seat, get_task
from synaptic_crdt.rules.verdicts import Refusal, Verdict

_GOOD: Final = 4
_BAD: Final = 2
# What a good and a bad word move, by whom they are said of.
_POINTS: Final[dict[Side, tuple[int, int]]] = {"provider": (5, 10), "requester": (1, 5)}


def give_feedback(market: Market, op: Feedback, act: Act) -> Refusal | None:
    """Rate the other party of a settled assignment."""
    assignment = market.assignments.get(op.assignment)
    if assignment is None:
        return Refusal(Verdict.ASSIGNMENT_UNKNOWN, (op.assignment,))
    seat = get_seat(market, assignment.seat)
    task = get_task(market, seat)
    requester = task.requester
    if get_side(task, assignment, act.account) is None:
        return refuse_stranger(task, assignment)
    if assignment.end != "SETTLED":
        return Refusal(Verdict.NOT_SETTLED, (assignment.end or seat.state,))
    rated: Side = "provider" if act.account == requester else "requester"
    if market.ratings.get((op.assignment, rated)) is not None:
        return Refusal(Verdict.FEEDBACK_GIVEN)
    end_ms = assignment.ended_ms + limits.MONTH_MS
    if act.now >= end_ms:
        return Refusal(Verdict.FEEDBACK_TOO_LATE, (act.now, end_ms))
    # From here on the operation must succeed.
    is_worth_it = assignment.ask * seat.shard.units >= market.genesis.gain_floor
    damping = _get_damping(market, assignment, requester, act)
    points = _compute_points(op.rating, rated, damping, is_worth_it=is_worth_it)
    account = assignment.provider if rated == "provider" else requester
    add_points(market, account, rated, points, act.now)
    market.ratings.set((op.assignment, rated), RatingRow(op.rating, op.comment, points, act.now))
    return None


def _compute_points(rating: int, rated: Side, damping: int, *, is_worth_it: bool) -> int:
    praise, blame = _POINTS[rated]
    if rating >= _GOOD:
        return praise >> damping if is_worth_it else 0
    return -(blame >> damping) if rating <= _BAD else 0


def _get_damping(market: Market, assignment: AssignmentRow, requester: bytes, act: Act) -> int:
    pair = get_pair(market, assignment.provider, requester)
    # The settlement that is being rated is less than 30 days old: one of them is it, or all that
    # are kept are newer.
    others = count_meetings(market, pair, act.now) - 1
    assert 0 <= others <= limits.DAMPING_MAX, others
    return others
