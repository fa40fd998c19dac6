"""Every reachable state of a task's seats, with small numbers: nothing leaks, nothing sticks.

The walk takes every event that is possible in a state, deadlines among them, and remembers where
it was. In each new state deadlines alone must end with nothing locked.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import pytest

from synaptic_crdt.rules.account_operations import Attest
from synaptic_crdt.rules.limits import DAY_MS, DECLINES, HOUR_MS, MINUTE_MS
from synaptic_crdt.rules.operations import Operation
from synaptic_crdt.rules.rows import AssignmentRow, SeatRow, TaskRow
from synaptic_crdt.rules.seats.seat import (
    LIVE,
    compute_execution_limit,
    get_holder,
    get_seats,
    get_task,
)
from synaptic_crdt.rules.seats.table import TRANSITIONS
from synaptic_crdt.rules.settlement import find_violations
from synaptic_crdt.rules.task_operations import (
    AssignmentExtend,
    AssignmentSettle,
    DisputeOpen,
    DisputeRule,
    DisputeWithdraw,
    Metric,
    Privacy,
    Release,
    Score,
    SealedKey,
    ServiceLevel,
    Shard,
    TaskAccept,
    TaskApprove,
    TaskCancel,
    TaskDecline,
    TaskDeliver,
    TaskFail,
    TaskReveal,
    TaskStart,
)
from synaptic_crdt.rules.verdicts import Verdict
from tests.rules.conftest import PAYLOAD, RESULT, Stage, make_key, make_task

PROVIDERS = ("ana", "bea")
EVENTS: dict[type[Operation], str] = {
    TaskAccept: "accept",
    TaskCancel: "cancel",
    TaskDecline: "decline",
    TaskReveal: "reveal",
    TaskStart: "start",
    TaskDeliver: "deliver",
    TaskFail: "fail",
    TaskApprove: "sign",
    AssignmentExtend: "extend",
    AssignmentSettle: "name",
    DisputeOpen: "dispute",
    DisputeRule: "rule",
    DisputeWithdraw: "withdraw",
}


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
        for event, step in self.steps():
            mark, entries, positions = self.save()
            now = self.stage.now
            before = self.states()
            step()
            for old, new in zip(before, self.states(), strict=True):
                if old != new:
                    self.events[old, event] += 1
            self.explore(depth - 1)
            self.stage.now = now
            self.restore(mark, entries, positions)

    def steps(self) -> list[tuple[str, Callable[[], object]]]:
        """What time alone may bring."""
        return [("epoch", self.stage.close_epoch), ("deadline", self.fire_next)]

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
        """Count the event of what was applied, in the state that its seat was in."""
        event = EVENTS[type(operation)]
        number = self.find_seat(operation)
        if number is not None:
            is_agreement = event == "sign" and before[number] == "HELD"
            self.events[before[number], "agree" if is_agreement else event] += 1
            return
        for old, new in zip(before, self.states(), strict=True):
            # The acceptance that completes the number moves the reserved seats along.
            if old != new and (old, event) != ("RESERVED", "accept"):
                self.events[old, event] += 1

    def find_seat(self, operation: Operation) -> int | None:
        """The number of the seat that an operation names by assignment or delivery."""
        name = getattr(operation, "assignment", None)
        if name is None and (delivery := getattr(operation, "delivery", None)) is not None:
            row = self.stage.market.deliveries.get(delivery)
            assert row is not None
            name = row.assignment
        assignment = None if name is None else self.stage.market.assignments.get(name)
        return None if assignment is None else assignment.seat[-1]

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


@dataclass
class JudgedWalk(Walk):
    """One seat with everybody who may judge it, and all they can say, in time or late."""

    signer: str = "fay"
    is_public: bool = False
    late: set[tuple[str, ...]] = field(default_factory=set[tuple[str, ...]])

    def steps(self) -> list[tuple[str, Callable[[], object]]]:
        steps = [*super().steps(), ("limit", self.pass_limit)]
        # Nobody makes checkpoints of a sandbox.
        return steps[1:] if self.stage.genesis.sandbox else steps

    def pass_limit(self) -> None:
        """Let the response or the work become late: long before it is abandoned."""
        for assignment, task in self.living():
            limit = assignment.armed_ms + task.service.response_ms
            if assignment.started_ms:
                limit = assignment.started_ms + compute_execution_limit(task, assignment)
            if assignment.armed_ms and not assignment.delivered_ms:
                self.stage.wait(max(0, limit + 1 - self.stage.now))

    def find_late(self) -> tuple[str, ...]:
        """What of the work was late, or would be if it were done now."""
        now = self.stage.now
        return tuple(
            name
            for row, task in self.living()
            if row.armed_ms
            for name in find_violations(
                armed_ms=row.armed_ms,
                started_ms=row.started_ms or now,
                delivered_ms=row.delivered_ms or now,
                response_ms=task.service.response_ms,
                execution_ms=compute_execution_limit(task, row),
            )
        )

    def living(self) -> list[tuple[AssignmentRow, TaskRow]]:
        market = self.stage.market
        return [
            (get_holder(market, seat), get_task(market, seat))
            for _, seat in self.seats()
            if seat.state in LIVE
        ]

    def choices(self) -> list[tuple[str, Operation]]:
        choices: list[tuple[str, Operation]] = [("ana", TaskAccept(self.task, 2, ()))]
        for assignment in self.assignments():
            row = self.stage.market.assignments.get(assignment)
            assert row is not None
            key = SealedKey(row.provider, bytes(80))
            choices += [
                ("ana", TaskDecline(assignment, "busy")),
                ("founder", TaskReveal(assignment, (key,))),
                ("ana", TaskStart(assignment)),
                (
                    "ana",
                    TaskDeliver(assignment, RESULT, None, ())
                    if self.is_public
                    else TaskDeliver(assignment, RESULT, row.provider, (key,)),
                ),
            ]
            choices += [
                ("founder", AssignmentSettle(assignment, 500_000)),
                ("ana", AssignmentSettle(assignment, 500_000)),
            ]
            if not row.extended_ms:
                choices.append(("founder", AssignmentExtend(assignment, 20 * HOUR_MS)))
            if row.delivery:
                choices += self.judge(row.delivery)
        # What has no row is refused, which other tests see to.
        return [
            (name, operation)
            for name, operation in choices
            if any((state, EVENTS[type(operation)]) in TRANSITIONS for state in self.states())
            or self.states() == ["HELD"]
        ]

    def judge(self, delivery: bytes) -> list[tuple[str, Operation]]:
        choices: list[tuple[str, Operation]] = [
            (name, TaskApprove(delivery, approve, ()))
            for name in (self.signer, "ana")
            for approve in (True, False)
        ]
        choices.append(("eve", TaskApprove(delivery, True, (Score("a", 0),))))
        choices.append(("eve", TaskApprove(delivery, True, ())))
        choices += [
            (name, operation)
            for name in ("founder", "ana")
            for operation in (
                DisputeOpen(delivery, "garbage", "", ()),
                DisputeWithdraw(delivery),
            )
        ]
        return choices + [
            (name, DisputeRule(delivery, share))
            for name, share in (("kim", 0), ("leo", 0), ("leo", 500_000))
        ]

    def describe(self) -> tuple[object, ...]:
        market = self.stage.market
        (assignment,) = self.assignments() or (b"",)
        row = market.assignments.get(assignment)
        delivery = b"" if row is None else row.delivery
        dispute = market.disputes.get(delivery)
        said = None if dispute is None else (dispute.opener, dispute.rulings)
        extended_ms = 0 if row is None else row.extended_ms
        review, shares = market.reviews.get(delivery), market.shares.get(assignment)
        late = self.find_late()
        self.late.add(late)
        return (*super().describe(), extended_ms, late, review, shares, said)


def walk_open(providers_min: int) -> Walk:
    stage = Stage(funds=6, fee_ppm=300_000)
    for name in PROVIDERS:
        stage.join(name, grant=3)
    task = stage.did(
        "founder", make_task(units=(1, 1), price=3, providers_min=providers_min, bond=3, penalty=1)
    )
    walk = Walk(stage, task, set(), Counter())
    walk.explore(depth=40)
    assert len(walk.seen) > 2_000
    return walk


@cache
def walk_judged(
    release: str,
    not_before_ms: int,
    privacy: Privacy = "private",
    *,
    is_keyed: bool = False,
    sandbox: bool = False,
) -> JudgedWalk:
    vera = make_key("vera").public
    stage = Stage(funds=40, fee_ppm=300_000, verifiers=(vera,), sandbox=sandbox)
    stage.join("ana", grant=5)
    for name in ("eve", "fay", "kim", "leo", "vera"):
        stage.join(name)
    word = Attest(stage.key("ana"), "confidential", stage.now + 300 * DAY_MS, "word")
    stage.did("vera", word)
    signers = tuple(sorted(stage.key(name) for name in ("eve", "fay")))
    policies = {
        "quorum": Release("quorum", signers, 2, not_before_ms),
        "both": Release("both", (), 2, not_before_ms),
        "requester": Release("requester", (), 1, not_before_ms),
        "evaluator": Release("requester", (), 1, not_before_ms),
    }
    keys = (SealedKey(stage.key("ana"), bytes(80)),) if is_keyed else ()
    task = stage.did(
        "founder",
        make_task(
            price=10,
            bond=5,
            privacy=privacy,
            verifier=vera if privacy == "confidential" else None,
            seats=(Shard(1, PAYLOAD, None if privacy == "public" else bytes(32), keys),),
            only=(stage.key("ana"),) if is_keyed else (),
            service=ServiceLevel(MINUTE_MS, HOUR_MS, 0, 4, (Metric("a", 500_000),)),
            release=policies[release],
            evaluator=stage.key("eve") if release in ("both", "evaluator") else None,
            arbiters=tuple(sorted(stage.key(name) for name in ("kim", "leo"))),
            quorum=2,
        ),
    )
    walk = JudgedWalk(
        stage,
        task,
        set(),
        Counter(),
        signer="founder" if release == "requester" else "fay",
        is_public=privacy == "public",
    )
    walk.explore(depth=40)
    assert len(walk.seen) > 100
    # On time, late at one of the two, at both.
    assert len(walk.late) == 4
    return walk


@pytest.mark.untraced
def test_every_reachable_state_ends_by_deadlines_alone() -> None:
    """Every row of the table is taken, and from every state silence ends with nothing locked."""
    events: Counter[tuple[str, str]] = Counter()
    for walk in (
        walk_open(1),
        walk_open(2),
        walk_judged("quorum", DAY_MS, "private"),
        walk_judged("both", DAY_MS, "private"),
    ):
        events += walk.events
    assert set(events) == set(TRANSITIONS)


LIVING = {"OPEN", "ASSIGNED", "STARTED", "DELIVERED", "HELD", "DISPUTED"}


@pytest.mark.untraced
@pytest.mark.parametrize("privacy", ["public", "private", "confidential"])
@pytest.mark.parametrize("release", ["requester", "evaluator", "quorum", "both"])
def test_whoever_releases_and_whoever_reads_every_state_ends_by_deadlines_alone(
    release: str, privacy: Privacy
) -> None:
    walk = walk_judged(release, DAY_MS if privacy == "private" else 0, privacy)
    reached = {state for state, _ in walk.events}
    assert reached - {"TIMELOCKED"} == LIVING | {"PENDING"} | (
        {"KEYWAIT"} if privacy != "public" else set()
    )
    assert ("TIMELOCKED" in reached) == (privacy == "private")


@pytest.mark.untraced
def test_with_the_key_in_the_post_nothing_waits_for_it_and_every_state_ends() -> None:
    walk = walk_judged("requester", 0, is_keyed=True)
    assert {state for state, _ in walk.events} == LIVING | {"PENDING"}


@pytest.mark.untraced
def test_without_checkpoints_nothing_waits_for_them_and_every_state_ends() -> None:
    walk = walk_judged("evaluator", 0, "private", sandbox=True)
    assert {state for state, _ in walk.events} == LIVING | {"KEYWAIT"}


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
