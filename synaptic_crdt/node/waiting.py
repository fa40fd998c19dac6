"""Waiting for what comes of a task: its results, or why there are none.

The process that waits does for the task what `up` would: it keeps links to known peers, hands over
keys, and approves by policy, unless something on this home does so already. It ends when nothing
more will come of any seat; being stopped changes nothing about the task.
"""

from collections.abc import Iterator
from typing import Final, Literal

import msgspec
import trio

from synaptic_crdt.node.desk import NodeDesk
from synaptic_crdt.node.helper import Reader, run_helper
from synaptic_crdt.node.linking import LinkBook
from synaptic_crdt.node.lookup import find_task
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.queries.tasks import show_results, show_task
from synaptic_crdt.node.services import Setting
from synaptic_crdt.node.supervision import supervise
from synaptic_crdt.node.up import HELPER, LINKS, keep_known_links
from synaptic_crdt.node.wire import Json
from synaptic_crdt.rules.ending_views import explain_assignment, explain_seat
from synaptic_crdt.rules.market import get_rows
from synaptic_crdt.rules.rows import SeatRow
from synaptic_crdt.rules.seats.seat import ENDED, get_seats

_TICK_SECONDS: Final = 1.0

# What came of a seat: its result, or none, or one that cannot be read.
End = Literal["", "delivered", "ended", "unserved", "unreadable", "sealed"]


class SeatEnd(msgspec.Struct, frozen=True):
    """What is known of one seat; an empty ``end`` means that something may still come."""

    seat: int
    state: str
    end: End
    explanation: str = ""


async def wait_for_task(setting: Setting, *, task: str) -> None:
    """Wait until each seat of a task has its result or will have none; report all of it."""
    node = setting.node
    task_id = find_task(node, task)
    with LinkBook(node, setting.emit, {}) as book:
        async with trio.open_nursery() as nursery:
            if not (node.board.has(LINKS) or node.board.has("sync")):
                links = supervise, node.board, setting.emit, LINKS
                nursery.start_soon(*links, lambda: keep_known_links(setting, book))
            if not node.board.has(HELPER):
                helper = supervise, node.board, setting.emit, HELPER
                nursery.start_soon(*helper, lambda: run_helper(node, setting.emit))
            seats = await _wait_for_seats(setting, task_id)
            nursery.cancel_scope.cancel()
    shown = show_task(node, task=task_id.hex())
    setting.report.update(
        task=task_id.hex(),
        title=shown["title"],
        status=shown["status"],
        standing=shown["standing"],
        seats=[msgspec.to_builtins(seat) for seat in seats],
        results=show_results(node, task=task_id.hex())["results"],
    )


async def _wait_for_seats(setting: Setting, task_id: bytes) -> tuple[SeatEnd, ...]:
    """Tell what changes about each seat, and return when all have come to an end."""
    node, reader = setting.node, Reader(setting.node)
    desk, told = NodeDesk(node), dict[int, SeatEnd]()
    try:
        while True:
            seats = tuple(judge_seats(node, reader, task_id))
            for seat in seats:
                if told.get(seat.seat) != seat:
                    told[seat.seat] = seat
                    setting.emit({"event": "seat", "task": task_id.hex(), **_tell(seat)})
            if all(seat.end for seat in seats):
                return seats
            await desk.wait_for_news(_TICK_SECONDS)
    finally:
        desk.close()


def _tell(seat: SeatEnd) -> Json:
    return msgspec.to_builtins(seat)


def judge_seats(node: Node, reader: Reader, task_id: bytes) -> Iterator[SeatEnd]:
    """Yield what has come of each seat so far."""
    market = node.market.contract.market
    task = market.tasks.get(task_id)
    assert task is not None, task_id
    for seat_id, seat in get_seats(market, task_id, task):
        is_sure = market.tables.get_settled(market.seats, seat_id) == seat
        yield _judge(node, reader, task_id, seat, is_sure=is_sure or node.market.genesis.sandbox)


def _judge(node: Node, reader: Reader, task_id: bytes, seat: SeatRow, *, is_sure: bool) -> SeatEnd:
    market = node.market.contract.market
    row = market.assignments.get(seat.assignment) if seat.assignment else None
    is_over = is_sure and seat.state in ENDED
    if row is None or not row.delivery:
        why = _explain_last_failure(node, task_id, seat.number) if is_over else ""
        why = why or (explain_seat(seat) if is_over else "")
        return SeatEnd(seat.number, seat.state, "ended" if is_over else "", why)
    reach, _ = reader.read(row.delivery)
    explanation = explain_assignment(market, row) if row.end else ""
    match reach:
        case "unreadable" | "sealed":
            return SeatEnd(seat.number, seat.state, reach, explanation)
        case "missing":
            # It may come late; paid or not, it is waited for as long as the seat lives.
            return SeatEnd(seat.number, seat.state, "unserved" if is_over else "", explanation)
        case _:
            return SeatEnd(seat.number, seat.state, "delivered" if is_sure else "", explanation)


def _explain_last_failure(node: Node, task_id: bytes, number: int) -> str:
    """Return why the last assignment of a seat ended, of those that had it."""
    market = node.market.contract.market
    rows = [
        row
        for _, row in get_rows(market.assignments, "seat", task_id + bytes((number,)))
        if row.end and row.reason != "cancelled"
    ]
    if not rows:
        return ""
    last = max(rows, key=lambda row: (row.ended_ms, row.number))
    return explain_assignment(market, last) + (f" ({last.note})" if last.note else "")
