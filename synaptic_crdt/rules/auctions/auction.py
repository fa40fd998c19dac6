"""What every kind of auction answers: what a unit may cost, and which offers that wait win."""

from collections.abc import Callable, Iterator, Sequence

import msgspec

from synaptic_crdt.rules.market import Market
from synaptic_crdt.rules.rows import SeatRow, TaskRow


class Waiting(msgspec.Struct, frozen=True, gc=False):
    """A standing offer as an auction sees it."""

    ask: int
    offer: bytes


class Auction(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One kind of auction.

    ``compute_limit``: of a task's seat, for a provider, at a time: the highest ask a unit.
    ``match``: of a task, of offers in the book's order, at a time: those that the task takes, in
    the order in which it does; the ladder may still refuse each, and then the next one is asked.
    None where offers that wait take no part.
    """

    compute_limit: Callable[[Market, TaskRow, SeatRow, bytes, int], int]
    match: Callable[[TaskRow, Sequence[Waiting], int], Iterator[Waiting]] | None
