"""Auction kinds: how much a unit may cost at most, and so whose acceptance counts.

The first acceptance that passes every rung wins; what is accepted is paid. Another kind is another
function of the task and the effective time, under its own name.
"""

from collections.abc import Callable, Mapping
from typing import Final

from synaptic_crdt.rules.rows import TaskRow

Auction = Callable[[TaskRow, int], int]


def compute_limit(task: TaskRow, now: int) -> int:
    """Return the highest ask a unit that an acceptance at ``now`` may name."""
    return _AUCTIONS[task.auction](task, now)


def _limit_first_accept(task: TaskRow, now: int) -> int:  # noqa: ARG001 - an auction's signature
    return task.price


_AUCTIONS: Final[Mapping[str, Auction]] = {"first-accept": _limit_first_accept}
