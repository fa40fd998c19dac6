from typing import Any

from msgspec.structs import replace

from synaptic_crdt.rules.account_operations import Caps
from synaptic_crdt.rules.consents import make_consent
from synaptic_crdt.rules.task_operations import (
    Release,
    Shard,
    TaskAccept,
    TaskCancel,
    TaskDecline,
    TaskStart,
)
from synaptic_crdt.rules.task_views import view_task
from synaptic_crdt.rules.verdicts import Verdict
from tests.rules.conftest import PAYLOAD, START_MS, Ladder, Stage, make_key, make_task


def test_accept_ladder() -> None:  # noqa: PLR0915 - one rung after the other
    stage = Stage(verifiers=(make_key("founder").public,))
    ladder = Ladder(stage, "task.accept")
    V = Verdict  # noqa: N806 - a column of verdicts
    stage.join("watcher", role="auditor", opt_in=False)
    ana = stage.join("ana", opt_in=False)
    ladder.expect(V.ASK_OUT_OF_RANGE, "nobody", TaskAccept(bytes(32), 0, ()))
    ladder.expect(V.ASK_OUT_OF_RANGE, "nobody", TaskAccept(bytes(32), 10**12 + 1, ()))
    ladder.expect(V.CAPABILITIES_INVALID, "nobody", TaskAccept(bytes(32), 101, ("B",)))
    ladder.expect(V.ACCOUNT_UNKNOWN, "nobody", TaskAccept(bytes(32), 101, ()))
    ladder.expect(V.TASK_UNKNOWN, "founder", TaskAccept(bytes(32), 101, ()))
    full = stage.did("founder", make_task())
    stage.did("founder", TaskCancel(full))
    ladder.expect(V.NO_FREE_SEAT, "founder", TaskAccept(full, 101, ()))
    task = stage.did("founder", make_task(units=(1, 1), providers_min=2, bond=50))
    ladder.expect(V.PROVIDER_IS_REQUESTER, "founder", TaskAccept(task, 101, ()))
    judgings: list[tuple[str, dict[str, Any]]] = [
        ("signer", {"release": Release("quorum", (stage.key("watcher"),), 1, 0)}),
        ("evaluator", {"evaluator": stage.key("watcher")}),
        ("arbiter", {"arbiters": (stage.key("watcher"),), "quorum": 1}),
    ]
    for role, judges in judgings:
        judged = stage.did("founder", make_task(price=1, **judges))
        ladder.expect(V.JUDGES_THE_TASK, "watcher", TaskAccept(judged, 101, ()))
        assert stage.explain().endswith(f"as {role}")
    ladder.expect(V.AUDITOR_MAY_NOT, "watcher", TaskAccept(task, 101, ()))
    ladder.expect(V.NOT_OPTED_IN, "ana", TaskAccept(task, 101, ()))
    old = replace(stage.market.get_consent(ana), terms=b"o" * 32)
    stage.market.consents.set(ana, old)
    ladder.expect(V.TERMS_OLD, "ana", TaskAccept(task, 101, ()))
    stage.did("ana", make_consent(stage.genesis.terms))
    closed = stage.did("founder", make_task(price=1, only=(bytes(32),), exclude=(ana,)))
    ladder.expect(V.NOT_ON_THE_LIST, "ana", TaskAccept(closed, 101, ()))
    closed = stage.did("founder", make_task(price=1, only=(ana,), exclude=(ana,)))
    ladder.expect(V.EXCLUDED_BY_REQUESTER, "ana", TaskAccept(closed, 101, ()))
    given_back = stage.did("founder", make_task())
    stage.did("ana", TaskDecline(stage.assign(given_back, "ana"), "busy"))
    ladder.expect(V.EXCLUDED, "ana", TaskAccept(given_back, 101, ()))
    stage.join("bea", grant=50)
    copies = stage.did("founder", make_task(price=1, mode="replicate", copies=2, providers_min=2))
    stage.did("bea", TaskAccept(copies, 1, ()))
    ladder.expect(V.GROUP_HAS_A_COPY, "bea", TaskAccept(copies, 101, ()))
    stage.did("bea", TaskAccept(task, 100, ()))
    ladder.expect(V.ALREADY_RESERVED, "bea", TaskAccept(task, 101, ()))
    picky = make_task(
        price=1,
        capabilities=("python", "rust"),
        reputation_min=1,
        privacy="confidential",
        verifier=stage.key("founder"),
        seats=(Shard(1, PAYLOAD, ana, ()),),
    )
    chosen = stage.did("founder", picky)
    ladder.expect(V.CAPABILITY_MISSING, "ana", TaskAccept(chosen, 101, ("go", "python")))
    assert stage.explain().endswith(": rust")
    able = TaskAccept(chosen, 101, ("python", "rust", "zig"))
    ladder.expect(V.REPUTATION_TOO_LOW, "ana", able)
    chosen = stage.did("founder", replace(picky, reputation_min=-2))
    able = replace(able, task=chosen)
    ladder.expect(V.NOT_ATTESTED, "ana", able)
    many = stage.did("founder", make_task(units=(1,) * 10, price=10))
    for _ in range(10):
        stage.did("ana", TaskAccept(many, 10, ()))
    for caps, verdict in (
        (Caps(0, 0, 0, ()), V.OWN_CAP_KINDS),
        (Caps(0, 0, 0, None), V.OWN_CAP_UNITS),
        (Caps(0, None, 10, None), V.OWN_CAP_OPEN),
        (Caps(10, None, None, None), V.OWN_CAP_DAY),
    ):
        stage.did("ana", make_consent(stage.genesis.terms, caps=caps))
        ladder.expect(verdict, "ana", TaskAccept(task, 101, ()))
    founder = stage.key("founder")
    blocks = make_consent(stage.genesis.terms, requester_min=1, blocked=(founder,))
    stage.did("ana", blocks)
    ladder.expect(V.TOO_MANY_ASSIGNMENTS, "ana", TaskAccept(task, 101, ()))
    stage.join("cid", grant=49)
    stage.did("cid", blocks)
    ladder.expect(V.REQUESTER_BLOCKED, "cid", TaskAccept(task, 101, ()))
    stage.did("cid", replace(blocks, blocked=()))
    ladder.expect(V.REQUESTER_BELOW_MIN, "cid", TaskAccept(task, 101, ()))
    stage.did("cid", make_consent(stage.genesis.terms))
    early = stage.did("founder", make_task(price=1, priority_ms=5_000))
    ladder.expect(V.NOT_OPEN_YET, "cid", TaskAccept(early, 101, ()))
    ladder.expect(V.ASK_ABOVE_LIMIT, "cid", TaskAccept(task, 101, ()))
    ladder.expect(V.BOND_SHORT, "cid", TaskAccept(task, 100, ()))
    stage.join("dot", grant=50)
    ladder.reach_top("dot", TaskAccept(task, 1, ()))
    assert (stage.state(task, 0), stage.state(task, 1)) == ("PENDING", "PENDING")


def test_own_ask_is_what_is_paid(stage: Stage) -> None:
    stage.join("ana")
    task = stage.did("founder", make_task(units=(3,)))
    stage.assign(task, "ana", ask=40)
    view = view_task(stage.market, task)
    assert view is not None
    assert view["escrow"] == 300
    assert view["assignments"][0]["price"] == 120


def test_first_acceptance_takes_the_lowest_seat(stage: Stage) -> None:
    stage.join("ana")
    stage.join("bea")
    task = stage.did("founder", make_task(units=(1, 1)))
    stage.did("ana", TaskAccept(task, 100, ()))
    stage.did("bea", TaskAccept(task, 100, ()))
    view = view_task(stage.market, task)
    assert view is not None
    seats = [(row["seat"], row["provider"]) for row in view["assignments"]]
    assert seats == [(0, stage.key("ana").hex()), (1, stage.key("bea").hex())]


def test_seat_given_back_goes_to_another_while_the_other_seat_stays_open(stage: Stage) -> None:
    stage.join("ana")
    task = stage.did("founder", make_task(units=(1, 1)))
    stage.did("ana", TaskDecline(stage.assign(task, "ana"), "busy"))
    # Seat 0 is closed to her now, seat 1 is not.
    stage.did("ana", TaskAccept(task, 100, ()))
    assert (stage.state(task, 0), stage.state(task, 1)) == ("OPEN", "PENDING")


def test_opting_out_stops_the_next_acceptance_and_nothing_else_c1(stage: Stage) -> None:
    stage.join("ana")
    task = stage.did("founder", make_task(units=(1, 1)))
    assignment = stage.assign(task, "ana")
    stage.did("ana", make_consent(None))
    assert stage.send("ana", TaskAccept(task, 100, ())) == Verdict.NOT_OPTED_IN
    stage.did("ana", TaskStart(assignment))


def test_sandbox_waits_for_no_epoch() -> None:
    stage = Stage(sandbox=True)
    stage.join("ana")
    task = stage.did("founder", make_task())
    stage.did("ana", TaskAccept(task, 100, ()))
    assert stage.state(task) == "ASSIGNED"


def test_too_few_providers_e18(stage: Stage) -> None:
    task = stage.did("founder", make_task(units=(1,) * 10, price=50, providers_min=10, bond=5))
    for number in range(3):
        stage.join(f"provider {number}", grant=5)
        stage.did(f"provider {number}", TaskAccept(task, 50, ()))
    assert stage.market.get_money().held == 515
    stage.wait(15 * 60_000)
    assert {stage.state(task, number) for number in range(10)} == {"VOID"}
    assert [stage.available(f"provider {number}") for number in range(3)] == [5, 5, 5]
    assert stage.available("founder") == 1_000


def test_copies_go_to_as_many_groups(stage: Stage) -> None:
    for name in ("ana", "bea"):
        stage.join(name)
    stage.join_by("ana", "amy")
    stage.did("amy", make_consent(stage.genesis.terms))
    task = stage.did("founder", make_task(mode="replicate", copies=2, providers_min=2))
    stage.did("ana", TaskAccept(task, 100, ()))
    assert stage.send("amy", TaskAccept(task, 100, ())) == Verdict.GROUP_HAS_A_COPY
    stage.did("bea", TaskAccept(task, 100, ()))


def test_a_dutch_limit_rises_with_each_millisecond_of_the_window(stage: Stage) -> None:
    stage.join("ana")
    post = make_task(price=1, price_max=501, window_ms=1_000, auction="dutch", penalty=0)
    task = stage.did("founder", post)
    for waited_ms, limit in ((0, 1), (2, 2), (999, 500)):
        stage.now = START_MS + waited_ms
        assert stage.send("ana", TaskAccept(task, limit + 1, ())) == Verdict.ASK_ABOVE_LIMIT
    stage.did("ana", TaskAccept(task, 500, ()))
