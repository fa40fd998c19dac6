"""Auction kinds: how much a unit may cost at most, and so whose acceptance counts.

The first acceptance that passes every rung wins; what is asked is what is paid. Another kind is
another function of the task, the seat, the provider and the effective time, under its own name.
"""

from collections.abc import Callable, Mapping
from typing import Final

from synaptic_crdt.rules import reputation
from synaptic_crdt.rules.market import Market
from synaptic_crdt.rules.rows import SeatRow, TaskRow
from synaptic_crdt.rules.task_operations import AuctionKind

Auction = Callable[[Market, TaskRow, SeatRow, bytes, int], int]


def compute_limit(market: Market, task: TaskRow, seat: SeatRow, provider: bytes, now: int) -> int:
    """Return the highest ask a unit that a provider's acceptance of a seat may name at ``now``."""
    return _AUCTIONS[task.auction](market, task, seat, provider, now)


def _limit_first_accept(
    market: Market,
    task: TaskRow,
    seat: SeatRow,  # noqa: ARG001 - an auction's signature
    provider: bytes,
    now: int,
) -> int:
    """Who has done well may ask for more, as far as the requester spread its prices."""
    if task.price_low == task.price_max:
        return task.price
    return reputation.compute_limit(
        task.price_low,
        task.price,
        task.price_max,
        score=reputation.get_score(market, provider, "provider", now),
        figures=reputation.get_figures(market, provider, task.kind),
    )


def _limit_dutch(
    market: Market,  # noqa: ARG001 - an auction's signature
    task: TaskRow,
    seat: SeatRow,
    provider: bytes,  # noqa: ARG001 - an auction's signature
    now: int,
) -> int:
    """The longer a seat waits, the more it pays, to everybody alike."""
    waited_ms = max(0, min(task.window_ms, now - seat.opened_ms))
    return task.price + (task.price_max - task.price) * waited_ms // task.window_ms


_AUCTIONS: Final[Mapping[AuctionKind, Auction]] = {
    "first-accept": _limit_first_accept,
    "dutch": _limit_dutch,
}
