"""All auction kinds by name: another kind is another module and another line here.

In each of them whoever is taken is paid what it asked.
"""

from collections.abc import Mapping
from typing import Final

from synaptic_crdt.rules.auctions.auction import Auction
from synaptic_crdt.rules.auctions.dutch import DUTCH
from synaptic_crdt.rules.auctions.first_accept import FIRST_ACCEPT
from synaptic_crdt.rules.market import Market
from synaptic_crdt.rules.rows import SeatRow, TaskRow
from synaptic_crdt.rules.task_operations import AuctionKind

AUCTIONS: Final[Mapping[AuctionKind, Auction]] = {"first-accept": FIRST_ACCEPT, "dutch": DUTCH}


def compute_limit(market: Market, task: TaskRow, seat: SeatRow, provider: bytes, now: int) -> int:
    """Return the highest ask a unit that a provider's acceptance of a seat may name at ``now``."""
    return AUCTIONS[task.auction].compute_limit(market, task, seat, provider, now)
