"""What is proven of the market by its rows: which rows make a statement, and what they say.

Read-only, like the views. A proof is read without the market, so only its own rows speak here:
whatever they do not make up one of the three statements that are known is shown as plain rows.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar, cast

import msgspec

from synaptic_crdt.rules.ending_views import explain_seat
from synaptic_crdt.rules.explain import explain, explain_end
from synaptic_crdt.rules.market import Market
from synaptic_crdt.rules.rows import AssignmentRow, BalanceRow, SeatRow, TaskRow
from synaptic_crdt.rules.seats.seat import get_seat_id
from synaptic_crdt.rules.tasks import compute_status
from synaptic_crdt.rules.verdicts import Verdict
from synaptic_crdt.rules.views import View
from synaptic_crdt.state.clock import get_ms
from synaptic_crdt.state.proofs import ProvenEntry, ProvenRow
from synaptic_crdt.state.proving import RowName
from synaptic_crdt.state.tables import Key, Record, Table

R = TypeVar("R", bound=Record)
Reader = Callable[[Table[Any], Key], Record | None]


def name_balance(market: Market, account: bytes, read: Reader) -> list[RowName]:  # noqa: ARG001 - as its siblings
    """The row that says what an account can spend; who has none can spend nothing."""
    return [(market.balances, account)]


def name_task(market: Market, task_id: bytes, read: Reader) -> list[RowName]:
    """The rows that say what was asked for and what became of every seat."""
    task = read(market.tasks, task_id)
    seats = task.seats if isinstance(task, TaskRow) else 0
    names: list[RowName] = [(market.tasks, task_id)]
    return names + [(market.seats, get_seat_id(task_id, number)) for number in range(seats)]


def name_assignment(market: Market, assignment_id: bytes, read: Reader) -> list[RowName]:
    """The rows that say who took which seat and what became of it."""
    row = read(market.assignments, assignment_id)
    names: list[RowName] = [(market.assignments, assignment_id)]
    return [*names, (market.seats, row.seat)] if isinstance(row, AssignmentRow) else names


def view_rows(rows: Sequence[ProvenRow]) -> View:
    """What proven rows say, as far as these rules know them; ready for JSON."""
    view = _VIEWS.get(rows[0].table, _view_plain)
    return view(rows) or _view_plain(rows)


def view_entry(proven: ProvenEntry) -> View:
    """What is proven of an entry."""
    known = proven.verdict in Verdict.__members__.values()
    verdict = Verdict(proven.verdict) if known else None
    return {
        "about": "entry",
        "entry": proven.id.hex(),
        "device": proven.device.hex(),
        "position": proven.position,
        "time": proven.time,
        "time_ms": get_ms(proven.time),
        "operation": proven.operation[0],
        "epoch": proven.included,
        "index": proven.index,
        "entries": proven.count,
        "closed_ms": proven.closed_ms,
        "verdict": str(proven.verdict) if verdict is None else verdict.name,
        "explanation": "these rules know no such verdict" if verdict is None else explain(verdict),
    }


def _view_balance(rows: Sequence[ProvenRow]) -> View | None:
    account = rows[0].key
    if not isinstance(account, bytes) or len(rows) != 1:
        return None
    row = BalanceRow(0) if rows[0].row is None else _read(rows[0], BalanceRow)
    if row is None:
        return None
    exists = rows[0].row is not None
    return {
        "about": "balance",
        "account": account.hex(),
        "exists": exists,
        "available": row.available,
    }


def _view_task(rows: Sequence[ProvenRow]) -> View | None:
    task_id = rows[0].key
    if not isinstance(task_id, bytes):
        return None
    if rows[0].row is None and len(rows) == 1:
        return {"about": "task", "task": task_id.hex(), "exists": False}
    task = _read(rows[0], TaskRow)
    seats = [(row.key, _read(row, SeatRow)) for row in rows[1:] if row.table == "seats"]
    known = [(key, seat) for key, seat in seats if isinstance(key, bytes) and seat is not None]
    if task is None or [row.key for row in rows[1:]] != [key for key, _ in known]:
        return None
    if [key for key, _ in known] != [get_seat_id(task_id, number) for number in range(task.seats)]:
        return None
    return {
        "about": "task",
        "task": task_id.hex(),
        "exists": True,
        "status": compute_status(task, known),
        "requester": task.requester.hex(),
        "kind": task.kind,
        "title": task.title,
        "price": task.price,
        "posted_ms": task.posted_ms,
        "seats": [
            {
                "seat": seat.number,
                "units": seat.shard.units,
                "hash": seat.shard.hash.hex(),
                "state": seat.state,
                "explanation": explain_seat(seat),
                "assignment": seat.assignment.hex(),
            }
            for _, seat in known
        ],
    }


def _view_assignment(rows: Sequence[ProvenRow]) -> View | None:
    assignment_id = rows[0].key
    if not isinstance(assignment_id, bytes):
        return None
    if rows[0].row is None and len(rows) == 1:
        return {"about": "assignment", "assignment": assignment_id.hex(), "exists": False}
    row = _read(rows[0], AssignmentRow)
    if row is None or [(beside.table, beside.key) for beside in rows[1:]] != [("seats", row.seat)]:
        return None
    seat = _read(rows[1], SeatRow)
    if seat is None:
        return None
    return {
        "about": "assignment",
        "assignment": assignment_id.hex(),
        "exists": True,
        "task": seat.task.hex(),
        "seat": seat.number,
        "provider": row.provider.hex(),
        "status": row.end or seat.state,
        "ask": row.ask,
        "price": row.ask * seat.shard.units,
        "paid": row.paid,
        "penalty": row.penalty,
        "reason": row.reason,
        "explanation": explain_end(row.reason),
        "accepted_ms": row.accepted_ms,
        "ended_ms": row.ended_ms,
        "delivery": row.delivery.hex(),
    }


def _view_plain(rows: Sequence[ProvenRow]) -> View:
    return {
        "about": "rows",
        "rows": [
            {"table": row.table, "key": _show(row.key), "row": _show(row.row)} for row in rows
        ],
    }


def _read(proven: ProvenRow, kind: type[R]) -> R | None:
    """Return a proven row as the record that these rules keep there, or None if it is none."""
    try:
        return msgspec.convert(proven.row, kind, builtin_types=(bytes,))
    except msgspec.ValidationError:
        return None


def _show(value: Any) -> Any:  # noqa: ANN401 - any plain value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, (list, tuple)):
        return [_show(item) for item in cast("Sequence[Any]", value)]
    return value


_VIEWS: Final[dict[str, Callable[[Sequence[ProvenRow]], View | None]]] = {
    "balances": _view_balance,
    "tasks": _view_task,
    "assignments": _view_assignment,
}
