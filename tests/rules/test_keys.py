"""Private tasks: the key is awaited, revealed to devices of the acceptance, or withheld."""

from typing import Any

import pytest

from synaptic_crdt.rules.account_operations import Attest, AttestRevoke
from synaptic_crdt.rules.limits import DAY_MS, HOUR_MS
from synaptic_crdt.rules.operations import DeviceRevoke
from synaptic_crdt.rules.reputation import get_score
from synaptic_crdt.rules.task_operations import (
    SealedKey,
    Shard,
    TaskAccept,
    TaskDecline,
    TaskDeliver,
    TaskReveal,
    TaskStart,
)
from synaptic_crdt.rules.verdicts import Verdict
from tests.rules.conftest import PAYLOAD, RESULT, Ladder, Stage, make_key, make_task

UNKNOWN, COMMITMENT = b"u" * 32, b"c" * 32


def seal(device: bytes) -> SealedKey:
    return SealedKey(device, bytes(80))


def post(stage: Stage, *keys: SealedKey, **fields: Any) -> bytes:  # noqa: ANN401 - any of a task's
    seats = (Shard(1, PAYLOAD, COMMITMENT, keys),)
    return stage.did("founder", make_task(privacy="private", bond=10, seats=seats, **fields))


@pytest.fixture
def private() -> Stage:
    stage = Stage()
    stage.join("ana", grant=10)
    stage.join("bea", grant=10)
    return stage


def test_reveal_ladder(private: Stage) -> None:
    ladder = Ladder(private, "task.reveal")
    V = Verdict  # noqa: N806 - a column of verdicts
    ana, bea = private.key("ana"), private.key("bea")
    ladder.expect(V.KEYS_DISORDERED, "nobody", TaskReveal(UNKNOWN, ()))
    ladder.expect(V.KEYS_DISORDERED, "nobody", TaskReveal(UNKNOWN, (seal(ana), seal(ana))))
    ladder.expect(V.ACCOUNT_UNKNOWN, "nobody", TaskReveal(UNKNOWN, (seal(bea),)))
    ladder.expect(V.ASSIGNMENT_UNKNOWN, "ana", TaskReveal(UNKNOWN, (seal(bea),)))
    gone = private.assign(post(private), "ana")
    ladder.expect(V.NOT_THE_REQUESTER, "ana", TaskReveal(gone, (seal(bea),)))
    private.did("ana", TaskDecline(gone, "busy"))
    ladder.expect(V.ASSIGNMENT_CLOSED, "founder", TaskReveal(gone, (seal(bea),)))
    waiting = private.did("ana", TaskAccept(post(private), 100, ()))
    ladder.expect(V.WRONG_PHASE, "founder", TaskReveal(waiting, (seal(bea),)))
    private.close_epoch()
    ladder.expect(V.KEY_FOR_OTHERS, "founder", TaskReveal(waiting, (seal(bea),)))
    ladder.reach_top("founder", TaskReveal(waiting, (seal(ana),)))
    assert private.send("founder", TaskReveal(waiting, (seal(ana),))) == Verdict.WRONG_PHASE


def test_the_response_limit_runs_from_the_key(private: Stage) -> None:
    task = post(private)
    assignment = private.assign(task, "ana")
    assert private.state(task) == "KEYWAIT"
    assert private.send("ana", TaskStart(assignment)) == Verdict.WRONG_PHASE
    private.wait(HOUR_MS - 1)
    private.did("founder", TaskReveal(assignment, (seal(private.key("ana")),)))
    assert private.state(task) == "ASSIGNED"
    private.did("ana", TaskStart(assignment))
    assert private.send("ana", TaskDeliver(assignment, RESULT, None, ())) == (
        Verdict.RESULT_NOT_SEALED
    )
    private.did("ana", TaskDeliver(assignment, RESULT, COMMITMENT, (seal(UNKNOWN),)))
    row = private.market.assignments.get(assignment)
    assert row is not None
    assert (row.armed_ms, row.devices) == (private.now, (private.key("ana"),))


def test_a_device_that_joined_later_gets_no_key(private: Stage) -> None:
    assignment = private.assign(post(private), "ana")
    private.add_device("ana", "laptop")
    late = TaskReveal(assignment, (seal(private.key("laptop")),))
    assert private.send("founder", late) == Verdict.KEY_FOR_OTHERS


def test_a_key_that_is_withheld_frees_the_provider(private: Stage) -> None:
    task = post(private)
    private.assign(task, "ana")
    private.wait(HOUR_MS)
    assert private.state(task) == "VOID"
    assert (private.available("founder"), private.available("ana")) == (1_000, 10)
    assert get_score(private.market, private.key("founder"), "requester", private.now) == -10
    assert get_score(private.market, private.key("ana"), "provider", private.now) == 0


def test_no_key_is_awaited_that_the_posting_handed_out(private: Stage) -> None:
    ana, bea = private.key("ana"), private.key("bea")
    task = post(private, seal(ana), only=tuple(sorted((ana, bea))))
    private.assign(task, "ana")
    assert private.state(task) == "ASSIGNED"
    task = post(private, seal(ana), only=tuple(sorted((ana, bea))))
    private.assign(task, "bea")
    assert private.state(task) == "KEYWAIT"


def test_a_key_in_the_posting_for_another_device_of_the_provider_is_as_good(
    private: Stage,
) -> None:
    ana = private.key("ana")
    private.add_device("ana", "laptop")
    task = post(private, seal(private.key("laptop")), only=(ana,))
    private.assign(task, "ana")
    assert private.state(task) == "ASSIGNED"


def test_a_key_in_the_posting_for_a_device_that_was_revoked_is_revealed_again(
    private: Stage,
) -> None:
    ana, laptop = private.key("ana"), private.key("laptop")
    private.add_device("ana", "laptop")
    task = post(private, seal(laptop), only=(ana,))
    private.did("ana", DeviceRevoke(laptop))
    assignment = private.assign(task, "ana")
    assert private.state(task) == "KEYWAIT"
    private.did("founder", TaskReveal(assignment, (seal(ana),)))
    assert private.state(task) == "ASSIGNED"


@pytest.mark.parametrize(("is_revoked", "score"), [(False, -10), (True, 0)])
def test_nobody_has_to_reveal_where_the_verifier_took_its_word_back(
    *, is_revoked: bool, score: int
) -> None:
    vera = make_key("vera").public
    stage = Stage(verifiers=(vera,))
    stage.join("vera")
    stage.join("ana")
    word = stage.did("vera", Attest(stage.key("ana"), "confidential", stage.now + DAY_MS, "word"))
    seats = (Shard(1, PAYLOAD, COMMITMENT, ()),)
    task = stage.did("founder", make_task(privacy="confidential", verifier=vera, seats=seats))
    stage.assign(task, "ana")
    assert stage.state(task) == "KEYWAIT"
    if is_revoked:
        stage.did("vera", AttestRevoke(word))
    stage.wait(HOUR_MS)
    assert (stage.state(task), stage.available("founder")) == ("VOID", 1_000)
    assert get_score(stage.market, stage.key("founder"), "requester", stage.now) == score


def test_waiting_for_a_key_may_be_ended_without_blame(private: Stage) -> None:
    task = post(private)
    assignment = private.assign(task, "ana")
    private.did("ana", TaskDecline(assignment, "slow"))
    assert private.state(task) == "OPEN"
    assert get_score(private.market, private.key("ana"), "provider", private.now) == 0


def test_in_a_sandbox_the_key_is_awaited_at_once() -> None:
    stage = Stage(sandbox=True)
    stage.join("ana", grant=10)
    task = post(stage)
    stage.did("ana", TaskAccept(task, 100, ()))
    assert stage.state(task) == "KEYWAIT"
