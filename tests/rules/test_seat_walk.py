"""Every reachable state of a task's seats, with small numbers: nothing leaks, nothing sticks.

The walk takes every event that is possible in a state, deadlines among them, and remembers where
it was. In each new state deadlines alone must end with nothing locked.
"""

from collections import Counter
from dataclasses import dataclass

import pytest

from synaptic_crdt.rules.limits import DECLINES
from synaptic_crdt.rules.operations import Operation
from synaptic_crdt.rules.rows import SeatRow
from synaptic_crdt.rules.seats.seat import get_seats
from synaptic_crdt.rules.seats.table import TRANSITIONS
from synaptic_crdt.rules.task_operations import (
    TaskAccept,
    TaskApprove,
    TaskCancel,
    TaskDecline,
    TaskDeliver,
    TaskFail,
    TaskStart,
)
from synaptic_crdt.rules.verdicts import Verdict
from tests.rules.conftest import RESULT, Stage, make_task

PROVIDERS = ("ana", "bea")


@dataclass
class Walk:
    stage: Stage
    task: bytes
    seen: set[tuple[object, ...]]
    events: Counter[tuple[str, str]]

    def explore(self, depth: int) -> None:
        key = self.describe()
        if key in self.seen or depth == 0:
            return
        self.seen.add(key)
        self.check_deadlines_end_it()
        for name, operation in self.choices():
            mark, entries, positions = self.save()
            before = self.states()
            verdict = self.stage.send(name, operation)
            if verdict == Verdict.APPLIED:
                self.note(before, operation)
                self.explore(depth - 1)
            self.restore(mark, entries, positions)
        for step in (self.stage.close_epoch, self.fire_next):
            mark, entries, positions = self.save()
            now = self.stage.now
            before = self.states()
            step()
            for old, new in zip(before, self.states(), strict=True):
                if old != new:
                    self.events[old, "epoch" if step == self.stage.close_epoch else "deadline"] += 1
            self.explore(depth - 1)
            self.stage.now = now
            self.restore(mark, entries, positions)

    def choices(self) -> list[tuple[str, Operation]]:
        choices: list[tuple[str, Operation]] = [("founder", TaskCancel(self.task))]
        choices += [(name, TaskAccept(self.task, 2, ())) for name in PROVIDERS]
        for assignment in self.assignments():
            row = self.stage.market.assignments.get(assignment)
            assert row is not None
            name = self.stage.names[row.provider]
            choices += [
                (name, TaskDecline(assignment, "busy")),
                (name, TaskStart(assignment)),
                (name, TaskDeliver(assignment, RESULT, None, ())),
                (name, TaskFail(assignment, "broke")),
            ]
            if row.delivery:
                choices += [
                    ("founder", TaskApprove(row.delivery, approve=approve, scores=()))
                    for approve in (True, False)
                ]
        return choices

    def check_deadlines_end_it(self) -> None:
        mark, entries, positions = self.save()
        now = self.stage.now
        while self.stage.timers.next_due() is not None:
            self.fire_next()
        assert self.stage.market.get_money().held == 0
        assert all(state in ("SETTLED", "CLOSED") for state in self.states())
        assert all(
            self.stage.market.get_provider(self.stage.key(name)).owed == 0 for name in PROVIDERS
        )
        self.stage.now = now
        self.restore(mark, entries, positions)

    def fire_next(self) -> None:
        due = self.stage.timers.next_due()
        if due is not None:
            self.stage.now = max(self.stage.now, due[0])
            self.stage.fire_due()

    def describe(self) -> tuple[object, ...]:
        """What the future depends on: seats, who has them, lateness, money; not ids or clocks."""
        rows: list[object] = []
        for seat_id, seat in self.seats():
            assignment = self.stage.market.assignments.get(seat.assignment)
            rows.append(
                (
                    seat.state,
                    seat.end,
                    seat.attempts > 0,
                    seat.reopened,
                    seat.declined,
                    seat.excluded,
                    None if assignment is None else (assignment.provider, assignment.ask),
                    self.stage.timers.get(seat_id) is not None,
                )
            )
        return (*rows, *(self.stage.available(name) for name in ("founder", *PROVIDERS)))

    def note(self, before: list[str], operation: Operation) -> None:
        event = operation.__struct_config__.tag
        assert isinstance(event, str)
        event = event.removeprefix("task.")
        if isinstance(operation, TaskApprove) and not operation.approve:
            event = "reject"
        for old, new in zip(before, self.states(), strict=True):
            # The acceptance that completes the number moves the reserved seats along.
            if old != new and (old, event) != ("RESERVED", "accept"):
                self.events[old, event] += 1

    def assignments(self) -> list[bytes]:
        return [seat.assignment for _, seat in self.seats() if seat.assignment]

    def seats(self) -> list[tuple[bytes, SeatRow]]:
        row = self.stage.market.tasks.get(self.task)
        assert row is not None
        return get_seats(self.stage.market, self.task, row)

    def states(self) -> list[str]:
        return [seat.state for _, seat in self.seats()]

    def save(self) -> tuple[int, int, dict[str, int]]:
        return self.stage.tables.mark(), self.stage.entries, dict(self.stage.positions)

    def restore(self, mark: int, entries: int, positions: dict[str, int]) -> None:
        self.stage.tables.undo_to(mark)
        self.stage.entries = entries
        self.stage.positions.clear()
        self.stage.positions.update(positions)


@pytest.mark.parametrize("providers_min", [1, 2])
def test_every_reachable_state_ends_by_deadlines_alone(providers_min: int) -> None:
    stage = Stage(funds=6, fee_ppm=300_000)
    for name in PROVIDERS:
        stage.join(name, grant=3)
    task = stage.did(
        "founder", make_task(units=(1, 1), price=3, providers_min=providers_min, bond=3, penalty=1)
    )
    walk = Walk(stage, task, set(), Counter())
    walk.explore(depth=40)
    allowed = set(TRANSITIONS)
    if providers_min == 1:
        allowed = {(state, event) for state, event in allowed if state != "RESERVED"}
    assert set(walk.events) == allowed
    assert len(walk.seen) > 2_000


@pytest.mark.parametrize("providers_min", [1, 2])
def test_a_seat_given_back_too_often_closes(providers_min: int) -> None:
    """Declines are bounded, and so is the list of the excluded."""
    stage = Stage()
    task = stage.did("founder", make_task(units=(1, 1), providers_min=providers_min))
    for number in range(DECLINES + 1):
        assert stage.state(task) == "OPEN"
        name = f"provider {number}"
        stage.join(name)
        assignment = stage.did(name, TaskAccept(task, 100, ()))
        stage.did(name, TaskDecline(assignment, "busy"))
    assert (stage.state(task, 0), stage.state(task, 1)) == ("EXHAUSTED", "OPEN")
    assert stage.available("founder") == 900
