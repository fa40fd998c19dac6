from msgspec.structs import replace

from synaptic_crdt.rules.limits import DAY_MS
from synaptic_crdt.rules.task_operations import (
    Payload,
    ServiceLevel,
    TaskCancel,
    TaskPost,
    TaskStart,
)
from synaptic_crdt.rules.verdicts import Verdict
from synaptic_crdt.rules.views import view_wallet
from tests.rules.conftest import PAYLOAD, Ladder, Stage, make_task

OVER = 30 * DAY_MS + 1


def spoil(op: TaskPost) -> TaskPost:
    return replace(
        op,
        kind="",
        title="",
        seats=(),
        price=0,
        providers_min=9,
        window_ms=999,
        service=ServiceLevel(999, 999, 0, -1, ()),
        bond=10**13,
        review_ms=999,
        redispatch=17,
    )


def test_post_ladder(stage: Stage) -> None:  # noqa: PLR0915 - one rung after the other
    ladder = Ladder(stage, "task.post")
    stage.join("watcher", role="auditor", opt_in=False)
    good = make_task(units=(1, 2), bond=100)
    op = spoil(good)
    V = Verdict  # noqa: N806 - a column of verdicts

    def wrong(verdict: Verdict, *others: TaskPost) -> None:
        for other in (op, *others):
            ladder.expect(verdict, "nobody", other)

    wrong(V.KIND_INVALID, replace(op, kind="Code"), replace(op, kind="k" * 49))
    op = replace(op, kind="no.such-kind")
    wrong(V.TITLE_LENGTH, replace(op, title="é" * 101))
    op = replace(op, title="é" * 100)
    wrong(V.SEATS_OUT_OF_RANGE, replace(op, seats=good.seats[:1] * 65))
    no_bytes = Payload("", 1, bytes(32), None)
    op = replace(op, seats=make_task(units=(1, 0), payload=no_bytes).seats[::-1])
    wrong(V.UNITS_OUT_OF_RANGE)
    op = replace(op, seats=make_task(units=(10**9, 1), payload=no_bytes).seats)
    wrong(V.MEDIA_TYPE_INVALID)
    for bad in ("text/\n", "t" * 65, "é"):
        payload = replace(no_bytes, media_type=bad)
        ladder.expect(
            V.MEDIA_TYPE_INVALID, "nobody", replace(op, seats=make_task(payload=payload).seats)
        )
    payload = replace(PAYLOAD, inline=None)
    op = replace(op, seats=make_task(units=(10**9, 1), payload=payload).seats)
    wrong(V.PAYLOAD_NOT_INLINE)
    payload = replace(PAYLOAD, size=64 * 1024 * 1024 + 1, inline=None)
    op = replace(op, seats=make_task(units=(10**9, 1), payload=payload).seats)
    wrong(V.PAYLOAD_TOO_LARGE)
    payload = replace(PAYLOAD, size=1, hash=bytes(32))
    op = replace(op, seats=make_task(units=(10**9, 1), payload=payload).seats)
    wrong(V.PAYLOAD_SIZE_WRONG)
    payload = replace(PAYLOAD, hash=bytes(32))
    op = replace(op, seats=make_task(units=(10**9, 1), payload=payload).seats)
    wrong(V.PAYLOAD_HASH_WRONG)
    assert ("0" * 64) in stage.explain()
    # Asked of each seat first, then of their sum.
    op = replace(op, seats=make_task(units=(10**9, 1)).seats)
    wrong(V.UNITS_OUT_OF_RANGE)
    op = replace(op, seats=make_task(units=(10**9 - 1, 1)).seats)
    wrong(V.PRICE_OUT_OF_RANGE, replace(op, price=10**12 + 1))
    op = replace(op, price=10**12)
    wrong(V.PROVIDERS_MIN_OUT_OF_RANGE, replace(op, providers_min=0))
    op = replace(op, providers_min=2)
    wrong(V.WINDOW_OUT_OF_RANGE, replace(op, window_ms=OVER))
    op = replace(op, window_ms=1_000)
    wrong(V.RESPONSE_OUT_OF_RANGE, replace(op, service=ServiceLevel(OVER, 999, 0, -1, ())))
    op = replace(op, service=ServiceLevel(1_000, 999, 0, -1, ()))
    wrong(V.EXECUTION_OUT_OF_RANGE, replace(op, service=ServiceLevel(1_000, OVER, 0, -1, ())))
    op = replace(op, service=ServiceLevel(1_000, OVER - 1, 0, -1, ()))
    wrong(
        V.PENALTY_OUT_OF_RANGE, replace(op, service=ServiceLevel(1_000, 1_000, 0, 10**12 + 1, ()))
    )
    op = replace(op, service=ServiceLevel(1_000, 1_000, 0, 10**12, ()))
    wrong(V.BOND_OUT_OF_RANGE, replace(op, bond=-1))
    op = replace(op, bond=op.price)
    wrong(V.REVIEW_OUT_OF_RANGE, replace(op, review_ms=OVER))
    op = replace(op, review_ms=OVER - 1)
    wrong(V.REDISPATCH_OUT_OF_RANGE, replace(op, redispatch=-1))
    op = replace(op, redispatch=16)
    ladder.expect(V.ACCOUNT_UNKNOWN, "nobody", op)
    ladder.expect(V.LOCK_OVER_SUPPLY, "watcher", op)
    op = replace(good, kind="no.such-kind", price=300_000, bond=0)
    ladder.expect(V.KIND_UNKNOWN, "watcher", op)
    op = replace(op, kind="text.answer")
    ladder.expect(V.AUDITOR_MAY_NOT, "watcher", op)
    ladder.expect(V.BALANCE_TOO_LOW, "founder", op)
    ladder.reach_top("founder", good)
    assert stage.available("founder") == 700


def test_all_there_is_may_be_locked() -> None:
    stage = Stage(funds=1_000, supply=1_000, treasury_day_cap=1_000)
    assert stage.send("founder", make_task(price=1_001)) == Verdict.LOCK_OVER_SUPPLY
    stage.did("founder", make_task(price=1_000))
    assert stage.market.get_money().held == 1_000


def test_too_low_balance_names_both_figures_e10() -> None:
    stage = Stage(funds=50)
    assert stage.send("founder", make_task()) == Verdict.BALANCE_TOO_LOW
    assert stage.explain() == "insufficient balance: needs 100, available 50"


def test_locks_and_cancellations_w5(stage: Stage) -> None:
    def wallet() -> tuple[int, int]:
        view = view_wallet(stage.market, stage.key("founder"))
        return view["available"], view["escrow"]

    first = stage.did("founder", make_task(units=(4,)))
    assert wallet() == (600, 400)
    second = stage.did("founder", make_task(units=(1, 1)))
    assert wallet() == (400, 600)
    stage.did("founder", TaskCancel(first))
    assert wallet() == (800, 200)
    stage.did("founder", TaskCancel(second))
    assert wallet() == (1_000, 0)


def test_cancel_ladder(stage: Stage) -> None:
    ladder = Ladder(stage, "task.cancel")
    stage.join("ana")
    ladder.expect(Verdict.ACCOUNT_UNKNOWN, "nobody", TaskCancel(bytes(32)))
    ladder.expect(Verdict.TASK_UNKNOWN, "ana", TaskCancel(bytes(32)))
    busy = stage.did("founder", make_task())
    ladder.expect(Verdict.NOT_THE_REQUESTER, "ana", TaskCancel(busy))
    stage.assign(busy, "ana")
    ladder.expect(Verdict.NOTHING_TO_CANCEL, "founder", TaskCancel(busy))
    good = stage.did("founder", make_task())
    ladder.reach_top("founder", TaskCancel(good))
    assert stage.send("founder", TaskCancel(good)) == Verdict.NOTHING_TO_CANCEL
    assert stage.state(good) == "CANCELLED"


def test_cancel_leaves_work_in_hand_alone(stage: Stage) -> None:
    stage.join("ana")
    task = stage.did("founder", make_task(units=(1, 1)))
    assignment = stage.assign(task, "ana")
    stage.did("founder", TaskCancel(task))
    assert (stage.state(task, 0), stage.state(task, 1)) == ("ASSIGNED", "CANCELLED")
    stage.did("ana", TaskStart(assignment))
    assert stage.available("founder") == 900


def test_nobody_accepts_e4(stage: Stage) -> None:
    task = stage.did("founder", make_task(units=(1, 1)))
    stage.wait(15 * 60_000 - 1)
    assert stage.state(task) == "OPEN"
    stage.wait(1)
    assert (stage.state(task), stage.state(task, 1)) == ("VOID", "VOID")
    assert stage.available("founder") == 1_000
