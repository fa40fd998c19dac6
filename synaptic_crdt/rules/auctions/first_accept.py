"""First-accept: whoever comes first and asks no more than its reputation is worth to the task.

By default a task's three prices are equal, and then so is everybody's limit.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from synaptic_crdt.rules import reputation
from synaptic_crdt.rules.auctions.auction import Auction, Waiting
from synaptic_crdt.rules.market import Market
from synaptic_crdt.rules.rows import SeatRow, TaskRow


def _compute_limit(
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


def _match(task: TaskRow, offers: Sequence[Waiting], now: int) -> Iterator[Waiting]:  # noqa: ARG001 - an auction's signature
    """Take the offers in their order, as far as the task pays anybody so much."""
    return (offer for offer in offers if offer.ask <= task.price_max)


FIRST_ACCEPT: Final = Auction(compute_limit=_compute_limit, match=_match)
