"""What the planner decides on: the tasks one may take, and the work one owes, as plain data.

``survey`` reads it from the desk and decides nothing.
"""

from collections.abc import Iterator, Sequence

import msgspec

from synaptic_crdt.exec.attendance import Attendance, survey_attendance
from synaptic_crdt.exec.desk import Desk, Unreadable
from synaptic_crdt.exec.policy import Load
from synaptic_crdt.rules.auctions.table import compute_limit
from synaptic_crdt.rules.limits import DAY_MS
from synaptic_crdt.rules.market import Market, get_rows
from synaptic_crdt.rules.rows import AssignmentRow, SeatRow, SeatState, TaskRow
from synaptic_crdt.rules.seats.seat import OWED, get_seat, get_seats


class OpenTask(msgspec.Struct, frozen=True, kw_only=True):
    """A task of somebody else with free seats; ``limit`` is the highest ask a unit.

    ``obstacle`` says why this device could not read its payload, if that is known beforehand.
    """

    task: bytes
    requester: bytes
    kind: str
    limit: int
    media_types: tuple[str, ...]
    obstacle: str = ""


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """A living assignment of this device, accepted and not delivered; times are market time.

    ``is_final`` speaks of its acceptance; ``payload`` is None while it is not held here, or while
    it cannot be read for the reason in ``unreadable``. The response limit runs from ``armed_ms``.
    """

    assignment: bytes
    task: bytes
    requester: bytes
    kind: str
    title: str
    units: int
    media_type: str
    payload: bytes | None
    unreadable: str
    criteria: str = ""
    state: SeatState
    is_final: bool
    armed_ms: int
    response_ms: int
    started_ms: int
    execution_ms: int


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """All of it at one moment of this machine's clock; tasks and work in order of number.

    ``pause`` says why nothing new is begun for now, if there is a reason.
    """

    wall_ms: int
    is_sandbox: bool
    tasks: tuple[OpenTask, ...]
    work: tuple[Work, ...]
    load: Load
    attendance: Attendance = Attendance()
    pause: str = ""


def survey(desk: Desk) -> Situation:
    """Return what there is to decide on at a desk."""
    market, wall_ms = desk.market, desk.get_wall_ms()
    # Another device of the account does what it accepted itself.
    own: list[tuple[bytes, AssignmentRow]] = [
        (assignment_id, row)
        for assignment_id, row in get_rows(market.assignments, "provider", desk.account)
        if row.device == desk.device
    ]
    work = tuple(_find_work(desk, market, own))
    today = wall_ms // DAY_MS
    return Situation(
        wall_ms=wall_ms,
        is_sandbox=desk.is_sandbox,
        tasks=tuple(_find_open_tasks(desk, market, wall_ms)),
        work=work,
        load=Load(sum(row.accepted_ms // DAY_MS == today for _, row in own), len(work)),
        attendance=survey_attendance(market, desk.account, desk.device, wall_ms),
    )


def _find_open_tasks(desk: Desk, market: Market, wall_ms: int) -> Iterator[OpenTask]:
    account = desk.account
    for task_id, task in get_rows(market.tasks, "number"):
        if task.requester == account:
            continue
        free = [seat for _, seat in get_seats(market, task_id, task) if seat.state == "OPEN"]
        if free:
            yield OpenTask(
                task=task_id,
                requester=task.requester,
                kind=task.kind,
                # Market time is not known before the entry is: the contract has the last word.
                limit=compute_limit(market, task, free[0], account, wall_ms),
                media_types=tuple(sorted({seat.shard.media_type for seat in free})),
                obstacle=desk.explain_keys(task_id) if free[0].shard.keyed else "",
            )


def _find_work(
    desk: Desk, market: Market, own: Sequence[tuple[bytes, AssignmentRow]]
) -> Iterator[Work]:
    for assignment_id, row in own:
        seat = get_seat(market, row.seat)
        if not row.end and seat.state in OWED:
            task = market.tasks.get(seat.task)
            assert task is not None, seat.task
            yield _make_work(desk, assignment_id, row, seat, task)


def _make_work(
    desk: Desk, assignment_id: bytes, row: AssignmentRow, seat: SeatRow, task: TaskRow
) -> Work:
    payload = desk.get_payload(seat.task, seat.number)
    return Work(
        assignment=assignment_id,
        task=seat.task,
        requester=task.requester,
        kind=task.kind,
        title=task.title,
        criteria=task.criteria,
        units=seat.shard.units,
        media_type=seat.shard.media_type,
        payload=payload if isinstance(payload, bytes) else None,
        unreadable=payload.reason if isinstance(payload, Unreadable) else "",
        state=seat.state,
        is_final=desk.is_final(assignment_id),
        armed_ms=row.armed_ms,
        response_ms=task.service.response_ms,
        started_ms=row.started_ms,
        execution_ms=task.service.execution_ms,
    )
