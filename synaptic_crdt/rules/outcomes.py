"""What the end of an assignment means for reputation and prices: told to them here and only here."""

import msgspec

from synaptic_crdt.rules import limits, prices, reputation
from synaptic_crdt.rules.market import Market
from synaptic_crdt.rules.rows import AssignmentEnd, AssignmentRow, SeatRow, TaskRow


class Outcome(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """How a seat settles, besides what its times say.

    ``missed`` metrics cost half a penalty each. ``is_timed`` is false when the parties named the
    share, penalties included. ``staked`` is what the provider lost of its stake in a dispute.
    """

    share_ppm: int = limits.MILLION
    missed: int = 0
    is_timed: bool = True
    is_ruled: bool = False
    is_disputed: bool = False
    has_gains: bool = True
    staked: int = 0


def note_settlement(
    market: Market,
    task: TaskRow,
    seat: SeatRow,
    assignment: AssignmentRow,
    outcome: Outcome,
    violations: int,
) -> None:
    """Let reputation know of a settlement, and the prices when it was in full and undisputed."""
    penalty = task.service.penalty
    costly = (violations if penalty else 0) + (outcome.missed if penalty // 2 else 0)
    waited_ms = assignment.started_ms - assignment.armed_ms
    settled = reputation.Settled(
        provider=assignment.provider,
        requester=task.requester,
        kind=task.kind,
        price=assignment.ask * seat.shard.units,
        share_ppm=outcome.share_ppm,
        is_early=assignment.started_ms > 0 and 2 * waited_ms <= task.service.response_ms,
        violations=costly,
        is_ruled=outcome.is_ruled,
        has_gains=outcome.has_gains,
    )
    reputation.note_settled(market, settled, assignment.ended_ms)
    if outcome.share_ppm == limits.MILLION and not outcome.is_disputed:
        prices.note_trade(
            market,
            seat.assignment,
            kind=task.kind,
            ask=assignment.ask,
            units=seat.shard.units,
            parties=(assignment.provider, task.requester),
            now=assignment.ended_ms,
        )


def note_forfeit(
    market: Market, task: TaskRow, assignment: AssignmentRow, end: AssignmentEnd, now: int
) -> None:
    """The provider gave up what it had begun, or kept silent."""
    note = reputation.note_failed if end == "FAILED" else reputation.note_abandoned
    note(market, assignment.provider, task.kind, now)


def note_decline(market: Market, assignment: AssignmentRow, now: int) -> None:
    """The provider gave back what others could have had."""
    reputation.note_declined(market, assignment.provider, now)


def note_key_withheld(market: Market, task: TaskRow, now: int) -> None:
    """The requester let a provider wait for the key in vain."""
    reputation.note_key_withheld(market, task.requester, now)
