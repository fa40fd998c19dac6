"""Dutch: the limit rises through the window, from the price to the highest.

Whoever waits gets more, unless somebody else does not wait. A standing offer would be there at
the first moment and could not wait, so it takes no part.
"""

from typing import Final

from synaptic_crdt.rules.auctions.auction import Auction
from synaptic_crdt.rules.market import Market
from synaptic_crdt.rules.rows import SeatRow, TaskRow


def _compute_limit(
    market: Market,  # noqa: ARG001 - an auction's signature
    task: TaskRow,
    seat: SeatRow,
    provider: bytes,  # noqa: ARG001 - an auction's signature
    now: int,
) -> int:
    """The longer a seat waits, the more it pays, to everybody alike."""
    waited_ms = max(0, min(task.window_ms, now - seat.opened_ms))
    return task.price + (task.price_max - task.price) * waited_ms // task.window_ms


DUTCH: Final = Auction(compute_limit=_compute_limit, match=None)
