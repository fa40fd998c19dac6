from typing import Any

import pytest
from msgspec.structs import replace

from synaptic_crdt.rules.limits import DAY_MS
from synaptic_crdt.rules.task_operations import (
    Metric,
    Payload,
    Release,
    SealedKey,
    ServiceLevel,
    TaskCancel,
    TaskPost,
    TaskStart,
)
from synaptic_crdt.rules.verdicts import Verdict
from synaptic_crdt.rules.views import view_wallet
from tests.rules.conftest import PAYLOAD, Ladder, Stage, make_task

OVER = 30 * DAY_MS + 1


A, B = b"a" * 32, b"b" * 32
KEY = SealedKey(A, bytes(80))
BAD_LEVEL = ServiceLevel(999, 999, -1, -1, (Metric("B", 5),))
GOOD_LEVEL = ServiceLevel(1_000, 1_000, 10**6, 10**12, (Metric("a", 0), Metric("b", 10**6)))


def spoil(op: TaskPost) -> TaskPost:
    """A task with everything wrong that can be wrong at once."""
    return replace(
        op,
        kind="",
        title="",
        criteria="c" * 1_001,
        after=(A,),
        copies=0,
        seats=(),
        privacy="private",
        verifier=A,
        asset=1,
        price_low=2,
        price=0,
        price_max=1,
        bond=-1,
        providers_min=9,
        window_ms=999,
        priority_ms=-1,
        capabilities=("B",),
        reputation_min=1_001,
        only=(B, A),
        exclude=(B, A),
        redispatch=17,
        service=BAD_LEVEL,
        release=Release("requester", (B, A), 2, -1),
        evaluator=A,
        reveal_ms=999,
        review_ms=999,
        arbiters=(B, A),
        quorum=0,
    )


def test_post_ladder(stage: Stage) -> None:
    ladder = Ladder(stage, "task.post")
    stage.join("watcher", role="auditor", opt_in=False)
    good = make_task(units=(1, 2), bond=100)
    V = Verdict  # noqa: N806 - a column of verdicts
    op = _climb_work(ladder, spoil(good), good)
    for verdict, repair, *others in _REPAIRS:
        for other in (op, *(replace(op, **changes) for changes in others)):
            ladder.expect(verdict, "nobody", other)
        op = replace(op, **repair)
    ladder.expect(V.ACCOUNT_UNKNOWN, "nobody", op)
    ladder.expect(V.LOCK_OVER_SUPPLY, "watcher", op)
    op = replace(good, kind="no.such-kind", price_max=300_000, bond=0, release=_QUORUM)
    op = replace(op, evaluator=B, arbiters=(A,), quorum=1, verifier=A, privacy="confidential")
    op = replace(op, seats=tuple(replace(seat, commitment=A) for seat in op.seats))
    ladder.expect(V.KIND_UNKNOWN, "watcher", op)
    op = replace(op, kind="text.answer")
    ladder.expect(V.SIGNER_UNKNOWN, "watcher", op)
    op = replace(op, release=good.release)
    ladder.expect(V.EVALUATOR_UNKNOWN, "watcher", op)
    op = replace(op, evaluator=stage.key("watcher"))
    ladder.expect(V.ARBITER_UNKNOWN, "watcher", op)
    op = replace(op, arbiters=(stage.key("watcher"),))
    ladder.expect(V.VERIFIER_UNKNOWN, "watcher", op)
    op = replace(op, verifier=None, privacy="private", only=(stage.key("watcher"),))
    handed = [(KEY,), (SealedKey(stage.key("founder"), bytes(80)),)]
    op = replace(
        op,
        seats=tuple(replace(seat, keys=keys) for seat, keys in zip(op.seats, handed, strict=True)),
    )
    ladder.expect(V.KEY_DEVICE_UNKNOWN, "watcher", op)
    op = replace(op, seats=op.seats[1:])
    ladder.expect(V.AUDITOR_MAY_NOT, "watcher", op)
    ladder.expect(V.KEY_NOT_LISTED, "founder", op)
    assert stage.key("founder").hex() in ladder.explain()
    keys = (SealedKey(stage.key("watcher"), bytes(80)),)
    op = replace(op, seats=(replace(op.seats[0], keys=keys),))
    ladder.expect(V.BALANCE_TOO_LOW, "founder", op)
    ladder.reach_top("founder", good)
    assert stage.available("founder") == 700


def _climb_work(ladder: Ladder, op: TaskPost, good: TaskPost) -> TaskPost:
    """The rungs of kind, title, shards and keys; return the task with them mended."""
    V = Verdict  # noqa: N806 - a column of verdicts

    def wrong(verdict: Verdict, *others: TaskPost) -> None:
        for other in (op, *others):
            ladder.expect(verdict, "nobody", other)

    def with_shards(**fields: Any) -> TaskPost:  # noqa: ANN401 - any of a shard's
        return replace(op, seats=tuple(replace(seat, **fields) for seat in op.seats))

    wrong(V.KIND_INVALID, replace(op, kind="Code"), replace(op, kind="k" * 49))
    op = replace(op, kind="no.such-kind")
    wrong(V.TITLE_LENGTH, replace(op, title="é" * 101))
    op = replace(op, title="é" * 100)
    wrong(V.CRITERIA_LENGTH)
    op = replace(op, criteria="c" * 1_000)
    wrong(V.AFTER_NOT_EMPTY)
    op = replace(op, after=())
    wrong(
        V.SEATS_OUT_OF_RANGE,
        replace(op, seats=good.seats[:1] * 65),
        replace(op, mode="replicate", seats=good.seats),
    )
    no_bytes = Payload("", 1, bytes(32), None)
    op = replace(op, seats=make_task(units=(1, 0), payload=no_bytes).seats[::-1])
    wrong(
        V.COPIES_OUT_OF_RANGE,
        replace(op, copies=2),
        replace(op, mode="replicate", copies=11, seats=op.seats[:1]),
    )
    op = replace(op, copies=1)
    wrong(V.UNITS_OUT_OF_RANGE)
    op = replace(op, seats=make_task(units=(10**9, 1), payload=no_bytes).seats)
    wrong(V.MEDIA_TYPE_INVALID)
    for bad in ("text/\n", "t" * 65, "é"):
        payload = replace(no_bytes, media_type=bad)
        ladder.expect(V.MEDIA_TYPE_INVALID, "nobody", with_shards(payload=payload))
    op = with_shards(payload=replace(PAYLOAD, inline=None))
    wrong(V.PAYLOAD_NOT_INLINE)
    op = with_shards(payload=replace(PAYLOAD, size=64 * 1024 * 1024 + 1, inline=None))
    wrong(V.PAYLOAD_TOO_LARGE)
    op = with_shards(payload=replace(PAYLOAD, size=1, hash=bytes(32)))
    wrong(V.PAYLOAD_SIZE_WRONG)
    op = with_shards(payload=replace(PAYLOAD, hash=bytes(32)))
    wrong(V.PAYLOAD_HASH_WRONG)
    assert ("0" * 64) in ladder.explain()
    op = with_shards(payload=PAYLOAD, keys=(KEY, KEY))
    wrong(V.COMMITMENT_MISPLACED, replace(with_shards(commitment=A), privacy="public"))
    op = replace(with_shards(commitment=A), only=())
    wrong(V.KEYS_MISPLACED, replace(with_shards(commitment=None), privacy="public", only=(A,)))
    op = replace(op, only=(B, A))
    wrong(V.KEYS_DISORDERED, with_shards(keys=_many_keys(65)))
    op = with_shards(keys=_many_keys(64))
    # Asked of each seat first, then of their sum.
    wrong(V.UNITS_OUT_OF_RANGE)
    op = replace(op, seats=(replace(op.seats[0], units=10**9 - 1), op.seats[1]))
    wrong(V.VERIFIER_MISPLACED, replace(op, privacy="confidential", verifier=None))
    return replace(op, verifier=None)


def _many_keys(count: int) -> tuple[SealedKey, ...]:
    return tuple(SealedKey(number.to_bytes(32), bytes(80)) for number in range(count))


def _many(count: int) -> tuple[bytes, ...]:
    return tuple(number.to_bytes(32) for number in range(count))


_QUORUM = Release("quorum", (A, B), 2, OVER - 1)
# The verdict of a task with all that is wrong below it, what mends it, and what else is as wrong.
_REPAIRS: list[tuple[Any, ...]] = [
    (Verdict.ASSET_UNKNOWN, {"asset": 0}),
    (Verdict.PRICE_OUT_OF_RANGE, {"price": 10**12}, {"price": 10**12 + 1}),
    (
        Verdict.PRICES_DISORDERED,
        {"price_low": 1, "price_max": 10**12},
        {"price_low": 0, "price_max": 10**12},
        {"price_low": 1},
        {"price_low": 1, "price_max": 10**12 + 1},
    ),
    (Verdict.BOND_OUT_OF_RANGE, {"bond": 10**12}, {"bond": 10**12 + 1}),
    (Verdict.PROVIDERS_MIN_OUT_OF_RANGE, {"providers_min": 2}, {"providers_min": 0}),
    (Verdict.WINDOW_OUT_OF_RANGE, {"window_ms": 1_000}, {"window_ms": OVER}),
    (Verdict.PRIORITY_OUT_OF_RANGE, {"priority_ms": 1_000}, {"priority_ms": 1_001}),
    (
        Verdict.CAPABILITIES_INVALID,
        {"capabilities": ("a", "b")},
        {"capabilities": ("b", "a")},
        {"capabilities": tuple(f"c{number:02}" for number in range(17))},
    ),
    (
        Verdict.REPUTATION_MIN_OUT_OF_RANGE,
        {"reputation_min": 1_000},
        {"reputation_min": -1_001},
    ),
    (
        Verdict.ACCOUNTS_DISORDERED,
        {"only": (A, B), "exclude": _many(32)},
        {"only": (A, A)},
        {"only": _many(33)},
        {"only": (A, B)},
    ),
    (Verdict.REDISPATCH_OUT_OF_RANGE, {"redispatch": 16}, {"redispatch": -1}),
    (
        Verdict.RESPONSE_OUT_OF_RANGE,
        {"service": replace(BAD_LEVEL, response_ms=1_000)},
        {"service": replace(BAD_LEVEL, response_ms=OVER)},
    ),
    (
        Verdict.EXECUTION_OUT_OF_RANGE,
        {"service": replace(BAD_LEVEL, response_ms=1_000, execution_ms=OVER - 1)},
        {"service": replace(BAD_LEVEL, response_ms=1_000, execution_ms=OVER)},
    ),
    (
        Verdict.UPTIME_OUT_OF_RANGE,
        {"service": replace(GOOD_LEVEL, penalty=-1, metrics=(Metric("B", 5),))},
        {"service": replace(GOOD_LEVEL, uptime_ppm=10**6 + 1, penalty=-1)},
    ),
    (
        Verdict.PENALTY_OUT_OF_RANGE,
        {"service": replace(GOOD_LEVEL, metrics=(Metric("B", 5),))},
        {"service": replace(GOOD_LEVEL, penalty=10**12 + 1)},
    ),
    (
        Verdict.METRICS_INVALID,
        {"service": GOOD_LEVEL},
        {"service": replace(GOOD_LEVEL, metrics=GOOD_LEVEL.metrics[::-1])},
        {"service": replace(GOOD_LEVEL, metrics=(Metric("a", 10**6 + 1),))},
        {"service": replace(GOOD_LEVEL, metrics=(Metric("a", -1),))},
        {
            "service": replace(
                GOOD_LEVEL, metrics=tuple(Metric(f"m{number}", 5) for number in range(9))
            )
        },
    ),
    (
        Verdict.RELEASE_INVALID,
        {"release": Release("quorum", (B, A), 2, -1)},
        {"release": Release("requester", (), 2, 0)},
        {"release": Release("requester", (A,), 1, 0)},
        {"release": Release("both", (), 1, 0)},
        {"release": Release("quorum", (), 1, 0)},
        {"release": Release("quorum", (A,), 0, 0)},
        {"release": Release("quorum", (A,), 2, 0)},
    ),
    (
        Verdict.ACCOUNTS_DISORDERED,
        {"release": replace(_QUORUM, not_before_ms=-1)},
        {"release": Release("quorum", _many(16), 2, 0)},
    ),
    (
        Verdict.NOT_BEFORE_OUT_OF_RANGE,
        {"release": _QUORUM, "evaluator": bytes(32)},
        {"release": replace(_QUORUM, not_before_ms=OVER)},
    ),
    (Verdict.EVALUATOR_NOT_SIGNER, {"evaluator": B}),
    (Verdict.REVEAL_OUT_OF_RANGE, {"reveal_ms": 1_000}, {"reveal_ms": OVER}),
    (Verdict.REVIEW_OUT_OF_RANGE, {"review_ms": OVER - 1}, {"review_ms": OVER}),
    (Verdict.ACCOUNTS_DISORDERED, {"arbiters": (A, B)}, {"arbiters": _many(16)}),
    (
        Verdict.QUORUM_OUT_OF_RANGE,
        {"quorum": 2},
        {"quorum": 3},
        {"arbiters": (), "quorum": 1},
    ),
]


def test_all_there_is_may_be_locked() -> None:
    stage = Stage(funds=1_000, supply=1_000, treasury_day_cap=1_000)
    assert stage.send("founder", make_task(price=1_001)) == Verdict.LOCK_OVER_SUPPLY
    stage.did("founder", make_task(price=1_000))
    assert stage.market.get_money().held == 1_000


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({"price": 501, "units": (2,)}, Verdict.BALANCE_TOO_LOW),
        ({"price": 501, "units": (1, 1)}, Verdict.BALANCE_TOO_LOW),
        ({"price": 501, "mode": "replicate", "copies": 2}, Verdict.BALANCE_TOO_LOW),
        ({"price": 1, "price_max": 501, "units": (2,)}, Verdict.BALANCE_TOO_LOW),
        ({"price": 500, "units": (2,)}, Verdict.APPLIED),
        ({"price": 500, "mode": "replicate", "copies": 2}, Verdict.APPLIED),
        ({"price": 1_001, "units": (1_000,)}, Verdict.LOCK_OVER_SUPPLY),
        ({"price": 500_001, "mode": "replicate", "copies": 2}, Verdict.LOCK_OVER_SUPPLY),
        ({"price": 500_000, "mode": "replicate", "copies": 2}, Verdict.BALANCE_TOO_LOW),
    ],
)
def test_every_unit_of_every_copy_is_locked_at_its_highest_price(
    stage: Stage, fields: dict[str, Any], verdict: Verdict
) -> None:
    assert stage.send("founder", make_task(**fields)) == verdict


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


@pytest.mark.parametrize("size", [1024, 64 * 1024 * 1024])
def test_a_payload_may_travel_on_its_own_from_a_kibibyte_to_64_mebibytes(
    stage: Stage, size: int
) -> None:
    payload = replace(PAYLOAD, size=size, inline=None)
    task = stage.did("founder", make_task(payload=payload))
    seat = stage.market.seats.get(task + b"\0")
    assert seat is not None
    assert (seat.shard.size, seat.shard.hash) == (size, PAYLOAD.hash)
    smaller, larger = replace(payload, size=1023), replace(payload, size=64 * 1024 * 1024 + 1)
    assert stage.send("founder", make_task(payload=smaller)) == Verdict.PAYLOAD_NOT_INLINE
    assert stage.send("founder", make_task(payload=larger)) == Verdict.PAYLOAD_TOO_LARGE


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
