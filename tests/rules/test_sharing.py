import pytest
from msgspec.structs import replace

from synaptic_crdt.rules.market import get_rows
from synaptic_crdt.rules.task_operations import (
    KeyShare,
    SealedKey,
    TaskCancel,
    TaskDeliver,
    TaskReveal,
    TaskStart,
)
from synaptic_crdt.rules.verdicts import Verdict
from tests.rules.conftest import RESULT, Ladder, Stage, make_task

UNKNOWN = bytes(32)
BOX = bytes(80)
COMMITMENT = b"c" * 32


@pytest.fixture
def parties() -> Stage:
    """Ana asks, Ben works, Eve watches."""
    stage = Stage()
    stage.join("ana", grant=1_000)
    stage.join("ben", grant=100)
    stage.join("eve", role="auditor", opt_in=False)
    return stage


def post_private(stage: Stage) -> bytes:
    (shard,) = make_task().seats
    seats = (replace(shard, commitment=COMMITMENT),)
    return stage.did("ana", make_task(privacy="private", seats=seats))


def assign_private(stage: Stage) -> bytes:
    assignment = stage.assign(post_private(stage), "ben")
    stage.did("ana", TaskReveal(assignment, (SealedKey(stage.key("ben"), BOX),)))
    return assignment


def test_share_ladder(parties: Stage) -> None:
    stage = parties
    ladder = Ladder(stage, "key.share")
    eve = SealedKey(stage.key("eve"), BOX)
    stranger = SealedKey(stage.key("stranger"), BOX)
    public = stage.assign(stage.did("ana", make_task()), "ben")
    assignment = assign_private(stage)
    both = tuple(sorted((eve, stranger), key=lambda key: key.device))
    for keys in ((), (eve, eve), both[::-1], (eve,) * 65):
        ladder.expect(Verdict.KEYS_DISORDERED, "nobody", KeyShare(UNKNOWN, "payload", keys))
    op = KeyShare(UNKNOWN, "payload", both)
    ladder.expect(Verdict.ACCOUNT_UNKNOWN, "nobody", op)
    ladder.expect(Verdict.ASSIGNMENT_UNKNOWN, "eve", op)
    op = replace(op, assignment=public)
    ladder.expect(Verdict.KEY_DEVICE_UNKNOWN, "eve", op)
    assert stage.key("stranger").hex() in stage.explain()
    op = replace(op, keys=(eve,))
    ladder.expect(Verdict.NOT_A_PARTY, "eve", op)
    ladder.expect(Verdict.NO_KEY, "ana", op)
    ladder.expect(Verdict.NO_KEY, "ana", replace(op, assignment=assignment, content="result"))
    op = replace(op, assignment=assignment)
    for number in range(31):
        stage.did(("ana", "ben")[number % 2], op)
    last = stage.did("ben", op)
    ladder.expect(Verdict.TOO_MANY_KEY_SHARES, "ana", op)
    shares = get_rows(stage.market.key_shares, "assignment", assignment)
    rows = [(entry, row.number, row.account) for entry, row in shares]
    assert rows[-1] == (last, 32, stage.key("ben"))
    assert len(rows) == 32
    # Those of another assignment are counted by themselves.
    ladder.reach_top("ana", replace(op, assignment=assign_private(stage)))


def test_the_key_of_a_result_is_there_once_it_is_delivered_sealed(parties: Stage) -> None:
    stage = parties
    eve = SealedKey(stage.key("eve"), BOX)
    assignment = assign_private(stage)
    stage.did("ben", TaskStart(assignment))
    own = (SealedKey(stage.key("ana"), BOX),)
    stage.did("ben", TaskDeliver(assignment, RESULT, COMMITMENT, own))
    stage.did("ana", KeyShare(assignment, "result", (eve,)))
    stage.did("ben", KeyShare(assignment, "payload", (eve,)))


def test_a_public_result_has_no_key(parties: Stage) -> None:
    stage = parties
    assignment, _ = stage.deliver(stage.did("ana", make_task()), "ben")
    op = KeyShare(assignment, "result", (SealedKey(stage.key("eve"), BOX),))
    assert stage.send("ana", op) == Verdict.NO_KEY


def test_sharing_a_key_changes_nothing_else(parties: Stage) -> None:
    stage = parties
    assignment = assign_private(stage)
    before = stage.dump()
    stage.did("ana", KeyShare(assignment, "payload", (SealedKey(stage.key("eve"), BOX),)))
    after = stage.dump()
    assert {name for name in after if after[name] != before[name]} == {"key shares"}


def test_it_may_be_shared_after_the_end(parties: Stage) -> None:
    stage = parties
    task = post_private(stage)
    assignment = stage.assign(task, "ben")
    # The key was never revealed to the provider, and the work is void.
    stage.wait(make_task().reveal_ms)
    stage.did("ana", KeyShare(assignment, "payload", (SealedKey(stage.key("eve"), BOX),)))
    assert stage.send("ana", TaskCancel(task)) == Verdict.NOTHING_TO_CANCEL
