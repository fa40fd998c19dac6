import pytest
from msgspec.structs import replace

from synaptic_crdt.rules.limits import DAY_MS, DECLINES, HOUR_MS, MINUTE_MS, RESULT_BYTES
from synaptic_crdt.rules.operations import Operation
from synaptic_crdt.rules.task_form import make_payload
from synaptic_crdt.rules.task_operations import (
    SealedKey,
    TaskAccept,
    TaskApprove,
    TaskDecline,
    TaskDeliver,
    TaskFail,
    TaskStart,
)
from synaptic_crdt.rules.task_views import view_result, view_task
from synaptic_crdt.rules.verdicts import Verdict
from tests.rules.conftest import RESULT, Ladder, Stage, make_task

UNKNOWN = bytes(32)


@pytest.fixture
def posted(stage: Stage) -> bytes:
    stage.join("ana", grant=50)
    stage.join("bea", grant=50)
    return stage.did("founder", make_task(bond=50, penalty=10))


KEY = SealedKey(bytes(32), bytes(80))


def test_start_ladder(stage: Stage, posted: bytes) -> None:
    ladder = Ladder(stage, "task.start")
    ladder.expect(Verdict.ACCOUNT_UNKNOWN, "nobody", TaskStart(UNKNOWN))
    ladder.expect(Verdict.ASSIGNMENT_UNKNOWN, "bea", TaskStart(UNKNOWN))
    first = stage.did("ana", TaskAccept(posted, 100, ()))
    ladder.expect(Verdict.NOT_THE_PROVIDER, "bea", TaskStart(first))
    stage.did("ana", TaskDecline(first, "busy"))
    ladder.expect(Verdict.ASSIGNMENT_CLOSED, "ana", TaskStart(first))
    assert stage.explain() == "the assignment has ended: DECLINED, declined"
    second = stage.did("bea", TaskAccept(posted, 100, ()))
    ladder.expect(Verdict.WRONG_PHASE, "bea", TaskStart(second))
    assert stage.explain() == (
        "the seat is in another phase: it is PENDING: a checkpoint has to make the acceptance final"
        " first"
    )
    stage.close_epoch()
    ladder.reach_top("bea", TaskStart(second))
    assert stage.send("bea", TaskStart(second)) == Verdict.WRONG_PHASE


@pytest.mark.parametrize("kind", [TaskDecline, TaskFail])
def test_ladders_of_giving_back(
    stage: Stage, posted: bytes, kind: type[TaskDecline] | type[TaskFail]
) -> None:
    ladder = Ladder(stage, "task.decline" if kind is TaskDecline else "task.fail")
    ladder.expect(Verdict.REASON_INVALID, "nobody", kind(UNKNOWN, "Too Busy"))
    ladder.expect(Verdict.ACCOUNT_UNKNOWN, "nobody", kind(UNKNOWN, "busy"))
    ladder.expect(Verdict.ASSIGNMENT_UNKNOWN, "bea", kind(UNKNOWN, "busy"))
    first = stage.assign(posted, "ana")
    ladder.expect(Verdict.NOT_THE_PROVIDER, "bea", kind(first, "busy"))
    stage.did("ana", TaskDecline(first, "busy"))
    ladder.expect(Verdict.ASSIGNMENT_CLOSED, "ana", kind(first, "busy"))
    second = stage.assign(posted, "bea")
    if kind is TaskDecline:
        stage.did("bea", TaskStart(second))
    ladder.expect(Verdict.WRONG_PHASE, "bea", kind(second, "busy"))
    good: Operation = kind(second, "busy")
    if kind is TaskDecline:
        stage.did("bea", TaskFail(second, "broke"))
        second = stage.assign(posted, stage.names[stage.join("cid", grant=50)])
        ladder.reach_top("cid", kind(second, "busy"))
    else:
        stage.did("bea", TaskStart(second))
        ladder.reach_top("bea", good)


def test_deliver_ladder(stage: Stage, posted: bytes) -> None:
    ladder = Ladder(stage, "task.deliver")
    V = Verdict  # noqa: N806 - a column of verdicts
    big = make_payload("", b"r" * (RESULT_BYTES + 1))
    ladder.expect(V.RESULT_TOO_LARGE, "nobody", TaskDeliver(UNKNOWN, big, None, ()))
    bad = make_payload("", b"r" * RESULT_BYTES)
    ladder.expect(V.MEDIA_TYPE_INVALID, "nobody", TaskDeliver(UNKNOWN, bad, None, ()))
    bad = replace(bad, media_type="text/plain", size=1_023, inline=None)
    ladder.expect(V.PAYLOAD_NOT_INLINE, "nobody", TaskDeliver(UNKNOWN, bad, None, ()))
    bad = replace(bad, size=64 * 1024 * 1024 + 1)
    ladder.expect(V.PAYLOAD_TOO_LARGE, "nobody", TaskDeliver(UNKNOWN, bad, None, ()))
    bad = replace(RESULT, size=5, hash=bytes(32))
    ladder.expect(V.PAYLOAD_SIZE_WRONG, "nobody", TaskDeliver(UNKNOWN, bad, None, ()))
    bad = replace(RESULT, hash=bytes(32))
    ladder.expect(V.PAYLOAD_HASH_WRONG, "nobody", TaskDeliver(UNKNOWN, bad, None, ()))
    ladder.expect(V.KEYS_MISPLACED, "nobody", TaskDeliver(UNKNOWN, RESULT, None, (KEY,)))
    ladder.expect(V.KEYS_MISPLACED, "nobody", TaskDeliver(UNKNOWN, RESULT, UNKNOWN, ()))
    ladder.expect(V.KEYS_DISORDERED, "nobody", TaskDeliver(UNKNOWN, RESULT, UNKNOWN, (KEY, KEY)))
    ladder.expect(V.ACCOUNT_UNKNOWN, "nobody", TaskDeliver(UNKNOWN, RESULT, None, ()))
    ladder.expect(V.ASSIGNMENT_UNKNOWN, "bea", TaskDeliver(UNKNOWN, RESULT, None, ()))
    first = stage.assign(posted, "ana")
    ladder.expect(V.NOT_THE_PROVIDER, "bea", TaskDeliver(first, RESULT, None, ()))
    stage.did("ana", TaskDecline(first, "busy"))
    ladder.expect(V.ASSIGNMENT_CLOSED, "ana", TaskDeliver(first, RESULT, None, ()))
    second = stage.assign(posted, "bea")
    ladder.expect(V.WRONG_PHASE, "bea", TaskDeliver(second, RESULT, None, ()))
    stage.did("bea", TaskStart(second))
    assert view_result(stage.market, second) is None
    copies = stage.did("founder", make_task(mode="replicate", copies=2))
    third = stage.assign(copies, "bea")
    stage.did("bea", TaskStart(third))
    ladder.expect(V.RESULT_NOT_SEALED, "bea", TaskDeliver(third, RESULT, None, ()))
    ladder.expect(V.RESULT_SEALED, "bea", TaskDeliver(second, RESULT, UNKNOWN, (KEY,)))
    entry = ladder.reach_top("bea", TaskDeliver(second, RESULT, None, ()))
    view = view_result(stage.market, second)
    assert view is not None
    assert (view["entry"], view["hash"]) == (entry.hex(), RESULT.hash.hex())
    assert stage.send("bea", TaskDeliver(second, RESULT, None, ())) == V.WRONG_PHASE


def test_paid_from_escrow_and_the_rest_returns_e1() -> None:
    stage = Stage(funds=150)
    stage.join("ana")
    task = stage.did("founder", make_task(units=(1,), price=100))
    _, delivery = stage.deliver(task, "ana", ask=80)
    assert (stage.available("founder"), stage.market.get_money().held) == (50, 100)
    stage.did("founder", TaskApprove(delivery, approve=True, scores=()))
    assert (stage.available("founder"), stage.available("ana")) == (70, 80)
    view = view_task(stage.market, task)
    assert view is not None
    assert (view["status"], view["escrow"]) == ("DONE", 0)
    (row,) = view["assignments"]
    assert (row["status"], row["paid"], row["penalty"], row["reason"]) == (
        "SETTLED",
        80,
        0,
        "approved",
    )


def test_silent_requester_e4b(stage: Stage, posted: bytes) -> None:
    stage.deliver(posted, "ana")
    stage.wait(2 * HOUR_MS)
    assert (stage.available("founder"), stage.available("ana")) == (900, 150)


def test_rejection_holds_then_pays_nothing() -> None:
    stage = Stage(contest_ms=3 * HOUR_MS)
    stage.join("ana", grant=50)
    task = stage.did("founder", make_task(bond=50))
    _, delivery = stage.deliver(task, "ana")
    stage.did("founder", TaskApprove(delivery, approve=False, scores=()))
    stage.wait(3 * HOUR_MS - 1)
    assert stage.state(task) == "HELD"
    stage.wait(1)
    assert (stage.available("founder"), stage.available("ana")) == (1_000, 50)


@pytest.mark.parametrize(
    ("before_start", "before_delivery", "paid"),
    [
        (MINUTE_MS, HOUR_MS, 100),
        (MINUTE_MS + 1, HOUR_MS, 90),
        (MINUTE_MS, HOUR_MS + 1, 90),
        (MINUTE_MS + 1, HOUR_MS + 1, 80),
    ],
)
def test_lateness_costs_its_penalty(
    stage: Stage, posted: bytes, before_start: int, before_delivery: int, paid: int
) -> None:
    assignment = stage.assign(posted, "ana")
    stage.wait(before_start)
    stage.did("ana", TaskStart(assignment))
    stage.wait(before_delivery)
    delivery = stage.did("ana", TaskDeliver(assignment, RESULT, None, ()))
    stage.did("founder", TaskApprove(delivery, approve=True, scores=()))
    assert stage.available("ana") == 50 + paid
    assert stage.available("founder") == 1_000 - paid


def test_fee_comes_out_of_the_providers_part() -> None:
    stage = Stage(fee_ppm=25_000)
    stage.join("ana")
    task = stage.did("founder", make_task(units=(3,), price=33))
    _, delivery = stage.deliver(task, "ana", ask=33)
    treasury = stage.market.get_money().treasury
    stage.did("founder", TaskApprove(delivery, approve=True, scores=()))
    # 99 x 2.5 % is 2.475, of which the floor is taken.
    assert (stage.available("ana"), stage.market.get_money().treasury) == (97, treasury + 2)


def test_silent_provider_e4c(stage: Stage, posted: bytes) -> None:
    stage.assign(posted, "ana")
    stage.wait(11 * MINUTE_MS - 1)
    assert stage.state(posted) == "ASSIGNED"
    stage.wait(5)
    assert stage.state(posted) == "OPEN"
    assert (stage.available("ana"), stage.available("founder")) == (0, 950)
    # The window counts from the deadline, however late somebody looks.
    assert stage.timers.get(posted + b"\0") == stage.now - 4 + 15 * MINUTE_MS
    # Redispatched, to anybody else, once.
    assert stage.send("ana", TaskAccept(posted, 100, ())) == Verdict.EXCLUDED
    second = stage.assign(posted, "bea")
    stage.did("bea", TaskStart(second))
    stage.wait(4 * HOUR_MS)
    assert stage.state(posted) == "EXHAUSTED"
    assert (stage.available("bea"), stage.available("founder")) == (0, 1_100)


def test_failing_openly_costs_half_the_bond(stage: Stage) -> None:
    stage.join("ana", grant=51)
    task = stage.did("founder", make_task(bond=51, redispatch=0))
    assignment = stage.assign(task, "ana")
    stage.did("ana", TaskStart(assignment))
    stage.did("ana", TaskFail(assignment, "model-refused"))
    assert (stage.available("ana"), stage.available("founder")) == (26, 1_025)
    view = view_task(stage.market, task)
    assert view is not None
    assert (view["assignments"][0]["note"], view["assignments"][0]["penalty"]) == (
        "model-refused",
        25,
    )


def test_no_checkpoint_binds_nobody(stage: Stage, posted: bytes) -> None:
    stage.did("ana", TaskAccept(posted, 100, ()))
    stage.wait(DAY_MS)
    assert stage.state(posted) == "VOID"
    assert (stage.available("ana"), stage.available("founder")) == (50, 1_000)


def test_old_view_never_hits_somebody_else_t3(stage: Stage, posted: bytes) -> None:
    mark = stage.tables.mark()
    _, seen = stage.deliver(posted, "ana")
    # A late entry goes before hers: the seat is another's, and so is what was delivered.
    stage.tables.undo_to(mark)
    stage.deliver(posted, "bea")
    assert (
        stage.send("founder", TaskApprove(seen, approve=True, scores=()))
        == Verdict.DELIVERY_UNKNOWN
    )


def test_wrong_order_and_wrong_party_e16(stage: Stage, posted: bytes) -> None:
    assignment = stage.assign(posted, "ana")
    assert stage.send("ana", TaskDeliver(assignment, RESULT, None, ())) == Verdict.WRONG_PHASE
    stage.did("ana", TaskStart(assignment))
    assert stage.send("ana", TaskStart(assignment)) == Verdict.WRONG_PHASE
    assert stage.send("bea", TaskDeliver(assignment, RESULT, None, ())) == Verdict.NOT_THE_PROVIDER
    delivery = stage.did("ana", TaskDeliver(assignment, RESULT, None, ()))
    stage.did("founder", TaskApprove(delivery, approve=True, scores=()))
    again = stage.send("founder", TaskApprove(delivery, approve=True, scores=()))
    assert again == Verdict.ASSIGNMENT_CLOSED


@pytest.mark.parametrize("is_final", [False, True])
def test_a_seat_that_too_many_gave_back_is_closed(stage: Stage, *, is_final: bool) -> None:
    task = stage.did("founder", make_task(units=(1, 1), providers_min=1 if is_final else 2))
    for number in range(DECLINES + 1):
        assert stage.state(task) == "OPEN"
        name = f"ana-{number}"
        stage.join(name)
        assignment = stage.did(name, TaskAccept(task, 100, ()))
        if is_final:
            stage.close_epoch()
        stage.did(name, TaskDecline(assignment, "busy"))
    assert (stage.state(task), stage.state(task, 1)) == ("EXHAUSTED", "OPEN")
    assert (stage.available("founder"), stage.market.get_money().held) == (900, 100)


def test_only_work_that_began_gets_another_window(stage: Stage) -> None:
    stage.join("ana")
    stage.join("bea")
    waiting = stage.did("founder", make_task(units=(1, 1), providers_min=2))
    begun = stage.did("founder", make_task())
    stage.wait(MINUTE_MS)
    stage.did("ana", TaskDecline(stage.did("ana", TaskAccept(waiting, 100, ())), "busy"))
    stage.did("bea", TaskDecline(stage.assign(begun, "bea"), "busy"))
    stage.wait(14 * MINUTE_MS)
    assert (stage.state(waiting), stage.state(begun)) == ("VOID", "OPEN")
    stage.wait(MINUTE_MS)
    assert stage.state(begun) == "UNFILLED"
