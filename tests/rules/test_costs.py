"""What an entry costs does not grow with what the market has seen, and is bounded by its limits.

Counted in calls, never in time. That matching is bounded is asked in ``test_bounded``.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, cast

import msgspec
import pytest

from synaptic_crdt.rules.consents import make_consent
from synaptic_crdt.rules.limits import BLOCKED, JUDGES, LISTED, MILLION, SEATS
from synaptic_crdt.rules.offer_operations import OfferRenew, OfferWithdraw, Presence
from synaptic_crdt.rules.operations import Feedback, Operation, TokenTransfer, get_tag
from synaptic_crdt.rules.task_operations import (
    DisputeEvidence,
    DisputeOpen,
    DisputeRule,
    Release,
    TaskApprove,
    TaskCancel,
    TaskDecline,
    TaskFail,
    TaskImprove,
    TaskProgress,
    TaskStart,
)
from synaptic_crdt.state.contract import APPLIED
from tests.rules.conftest import RESULT, START_MS, Stage, compute_id, make_deliver, make_task
from tests.rules.conftest import make_accept as accept
from tests.rules.offering import make_offer
from tests.rules.test_bounded import count_calls

FEW, MANY = 2, 200
ID_BYTES: Final = 32
ARBITERS: Final = ("kim", "leo", "mia")


class Life:
    """One of everything that people do in a market, and what each of it costs in calls."""

    def __init__(self, stage: Stage) -> None:
        self.stage: Final = stage
        self.costs: Final[list[tuple[str, int]]] = []

    def do(self, name: str, operation: Operation) -> bytes:
        """Fold one entry, without the checks of the stage, which look at everything."""
        stage = self.stage
        stage.entries += 1
        entry, verdicts = compute_id(stage.entries), list[int]()

        def apply() -> None:
            verdicts.append(
                stage.contract.apply(stage.now, stage.key(name), stage.entries, entry, operation)
            )

        self.costs.append((get_tag(operation), count_calls(apply)))
        assert verdicts == [APPLIED], stage.contract._refusals
        return entry

    def fire(self, subject: bytes) -> None:
        stage = self.stage
        stage.timers.clear(subject)
        self.costs.append(
            ("deadline", count_calls(lambda: stage.contract.fire(stage.now, subject)))
        )

    def close_epoch(self) -> None:
        stage = self.stage
        self.costs.append(("epoch", count_calls(lambda: stage.contract.close_epoch(stage.now, 1))))

    def begin_work(self, **fields: Any) -> tuple[bytes, bytes]:  # noqa: ANN401 - any of a task's
        chosen: dict[str, Any] = {"bond": 5, "price": 20} | fields
        task = self.do("founder", make_task(**chosen))
        assignment = self.do("ana", accept(task, 10))
        self.close_epoch()
        return task, assignment

    def deliver(self, **fields: Any) -> tuple[bytes, bytes]:  # noqa: ANN401 - any of a task's
        _, assignment = self.begin_work(**fields)
        self.do("ana", TaskStart(assignment))
        return assignment, self.do("ana", make_deliver(assignment, RESULT))

    def live(self) -> None:
        stage = self.stage
        self.do("founder", TokenTransfer(stage.key("ana"), 3, b"", ""))
        blocked = tuple(sorted(bytes([9, n]) * 16 for n in range(BLOCKED)))
        self.do("ana", make_consent(stage.genesis.terms, blocked=blocked))
        # Settled, and rated.
        assignment, delivery = self.deliver()
        self.do("founder", TaskApprove(delivery, approve=True, scores=()))
        self.do("founder", Feedback(assignment, 5, "well"))
        self.do("ana", Feedback(assignment, 4, ""))
        # Disputed and ruled; and disputed, to stay so.
        judges = tuple(sorted(stage.key(name) for name in ARBITERS))
        for is_ruled in (True, False):
            _, delivery = self.deliver(arbiters=judges, quorum=1)
            self.do("founder", DisputeOpen(delivery, "noise", "It is.", ()))
            self.do("ana", DisputeEvidence(delivery, (bytes(32),)))
            if is_ruled:
                self.do("kim", DisputeRule(delivery, MILLION // 2))
        # Rejected and held, waiting for review, begun, not begun.
        _, delivery = self.deliver()
        self.do("founder", TaskApprove(delivery, approve=False, scores=()))
        self.deliver()
        _, assignment = self.begin_work()
        self.do("ana", TaskStart(assignment))
        self.do("ana", TaskProgress(assignment, 500_000))
        self.begin_work()
        # Given back and free again; failed; closed.
        task, assignment = self.begin_work(units=(1, 1))
        self.do("ana", TaskDecline(assignment, "busy"))
        self.do("founder", TaskCancel(task))
        _, assignment = self.begin_work()
        self.do("ana", TaskStart(assignment))
        self.do("ana", TaskFail(assignment, "refused"))
        # For a few only, and closed to others; bettered, and never taken.
        listed = tuple(sorted(bytes([8, n]) * 16 for n in range(LISTED)))
        task = self.do("founder", make_task(price=20, only=listed, exclude=listed))
        self.do("founder", make_improvement(task, 21))
        # Offered, and there for it.
        offer = self.do("ana", make_offer(kind="text.summarize"))
        stage.now += stage.genesis.slot_ms
        self.do("ana", Presence())
        self.do("ana", OfferRenew(offer, 5, 7, START_MS + 10**9))
        self.do("ana", OfferWithdraw(offer))
        # Silence, in each of the states that are left.
        self.fire_all()

    def fire_all(self) -> None:
        stage = self.stage
        seats = [
            seat_id
            for seat_id, seat in stage.market.seats.get_items()
            if seat.task[:1] == b"\0" and stage.timers.get(seat_id) is not None  # type: ignore[arg-type]
        ]
        for seat_id in sorted(seats):  # type: ignore[type-var]
            self.fire(seat_id)  # type: ignore[arg-type]


def make_improvement(task: bytes, price: int) -> TaskImprove:
    post = make_task()
    return TaskImprove(
        task=task,
        price_low=price,
        price=price,
        price_max=price,
        bond=0,
        window_ms=post.window_ms,
        reputation_min=post.reputation_min,
        response_ms=post.service.response_ms,
        execution_ms=post.service.execution_ms,
        penalty=post.service.penalty,
    )


def make_stage() -> Stage:
    stage = Stage(funds=20_000)
    for name in ("ana", *ARBITERS):
        stage.join(name, grant=50)
    return stage


def repeat_history(stage: Stage, times: int) -> None:
    """Let as many other people have done all that was done here, each among themselves.

    Every id in every row is replaced by another one, so that what belongs together still does.
    """
    tables = stage.tables.get_tables()
    for table in tables:
        rows: list[tuple[Any, Any]] = list(table.get_items())
        for key, row in rows:
            plain = msgspec.to_builtins(row, builtin_types=(bytes,))
            for number in range(times):
                renamed = rename(key, number)
                if renamed != key:
                    fields = rename(plain, number)
                    kind = table._row
                    table.set(renamed, msgspec.convert(fields, kind, builtin_types=(bytes,)))
    stage.tables.forget_journal()


def rename(value: Any, number: int) -> Any:  # noqa: ANN401 - a key, or the fields of a row
    if isinstance(value, bytes) and len(value) >= ID_BYTES:
        return bytes([255]) + number.to_bytes(3, "big") + value[4:]
    if isinstance(value, (list, tuple)):
        return tuple(rename(item, number) for item in cast("Sequence[object]", value))
    return value


def live_again(times: int) -> list[tuple[str, int]]:
    stage = make_stage()
    first = Life(stage)
    first.live()
    repeat_history(stage, times)
    second = Life(stage)
    second.live()
    return second.costs


def test_nothing_costs_more_in_a_market_with_a_long_past() -> None:
    few, many = live_again(FEW), live_again(MANY)
    assert [name for name, _ in few] == [name for name, _ in many]
    for (name, cost), (_, later) in zip(few, many, strict=True):
        # Finding a place among more rows takes a step or two more.
        assert later <= cost + cost // 10 + 20, name


def post_wide(life: Life, **fields: Any) -> bytes:  # noqa: ANN401 - any of a task's
    return life.do("founder", make_task(units=(1,) * SEATS, price=20, **fields))


def end_windows(life: Life) -> None:
    life.fire_all()


def cancel(life: Life) -> None:
    life.do("founder", TaskCancel(compute_id(life.stage.entries)))


@pytest.mark.parametrize("end", [end_windows, cancel])
def test_what_many_seats_cost_at_their_end_was_paid_for_by_their_posting(
    end: Callable[[Life], None],
) -> None:
    life = Life(make_stage())
    post_wide(life)
    ((_, posted),) = life.costs
    end(life)
    assert life.stage.market.get_money().held == 0
    # Each of them looks at the others once, whose number is limited.
    assert sum(cost for _, cost in life.costs[1:]) <= 5 * posted


def test_the_widest_entries_cost_so_much_at_most() -> None:
    """In calls for each seat, and each judge; an ordinary entry takes some hundred."""
    life = Life(make_stage())
    task = post_wide(life)
    life.do("founder", make_improvement(task, 21))
    life.do("ana", accept(task, 10))
    names = [f"judge{number}" for number in range(JUDGES)]
    for name in names:
        life.stage.now += 1
        life.stage.join(name)
    signers = tuple(sorted(life.stage.key(name) for name in names))
    release = Release("quorum", signers, JUDGES, 0)
    _, delivery = life.deliver(release=release)
    for name in names:
        life.do(name, TaskApprove(delivery, approve=True, scores=()))
    assert life.stage.market.get_money().held > 0
    for name, cost in life.costs:
        assert cost <= 250 * SEATS, name
