"""Asking whether something holds that must, and going through what there is."""

from collections.abc import Iterator
from typing import Any

from synaptic_crdt.rules.market import Market, get_rows
from synaptic_crdt.rules.rows import SeatRow, TaskRow
from synaptic_crdt.rules.seats.seat import get_seats
from synaptic_crdt.state.tables import Table


def check(holds: bool, message: str) -> None:  # noqa: FBT001 - a condition reads best first
    """Raise AssertionError, also where assertions are switched off."""
    if not holds:
        raise AssertionError(message)


def check_numbers(table: Table[Any]) -> None:
    """Rows are numbered from 1 on, each once."""
    numbers = [sort_key for sort_key, _ in table.index("number").ascend()]
    places = [(place,) for place in range(1, len(table) + 1)]
    check(numbers == places, f"numbers of {table.name}")


def get_all_seats(market: Market) -> Iterator[tuple[bytes, SeatRow, TaskRow]]:
    """Yield every seat with its id and task."""
    for task_id, task in get_rows(market.tasks, "number"):
        for seat_id, seat in get_seats(market, task_id, task):
            yield seat_id, seat, task
