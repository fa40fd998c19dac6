"""Disputes: who may open, argue, decide and end one, and where the money goes."""

from typing import Any

import pytest
from msgspec.structs import replace

from synaptic_crdt.rules.limits import DAY_MS, MILLION
from synaptic_crdt.rules.reputation import get_score
from synaptic_crdt.rules.task_operations import (
    AssignmentSettle,
    DisputeEvidence,
    DisputeOpen,
    DisputeRule,
    DisputeWithdraw,
    Release,
    TaskApprove,
)
from synaptic_crdt.rules.verdicts import Verdict
from tests.rules.conftest import Ladder, Stage, make_task

UNKNOWN = b"u" * 32
V = Verdict
HASHES = tuple(number.to_bytes(32) for number in range(10))


def claim(delivery: bytes, evidence: tuple[bytes, ...] = ()) -> DisputeOpen:
    return DisputeOpen(delivery, "garbage", "It is noise.", evidence)


@pytest.fixture
def court() -> Stage:
    """A requester and a provider with bond, three arbiters of groups of their own."""
    stage = Stage()
    stage.join("ana", grant=50)
    for name in ("kim", "leo", "mia"):
        stage.join(name)
    return stage


def post(stage: Stage, **fields: Any) -> bytes:  # noqa: ANN401 - any of a task's
    names = sorted(stage.key(name) for name in ("kim", "leo", "mia"))
    chosen: dict[str, Any] = {"arbiters": tuple(names), "quorum": 2, "bond": 20} | fields
    return stage.did("founder", make_task(**chosen))


def hold(stage: Stage, **fields: Any) -> bytes:  # noqa: ANN401 - any of a task's
    _, delivery = stage.deliver(post(stage, **fields), "ana")
    stage.did("founder", TaskApprove(delivery, approve=False, scores=()))
    return delivery


def wallets(stage: Stage) -> tuple[int, int]:
    assert stage.market.get_money().held == 0
    return stage.available("founder"), stage.available("ana")


def scores(stage: Stage) -> tuple[int, int]:
    return (
        get_score(stage.market, stage.key("founder"), "requester", stage.now),
        get_score(stage.market, stage.key("ana"), "provider", stage.now),
    )


def test_open_ladder(court: Stage) -> None:
    ladder = Ladder(court, "dispute.open")
    wrong = DisputeOpen(UNKNOWN, "Bad", "x" * 1_001, HASHES[::-1])
    ladder.expect(V.REASON_INVALID, "nobody", wrong)
    wrong = replace(wrong, reason="garbage")
    ladder.expect(V.STATEMENT_LENGTH, "nobody", wrong)
    wrong = replace(wrong, statement="x" * 1_000)
    ladder.expect(V.EVIDENCE_DISORDERED, "nobody", wrong)
    ladder.expect(V.EVIDENCE_DISORDERED, "nobody", replace(wrong, evidence=HASHES[:9]))
    wrong = replace(wrong, evidence=HASHES[:8])
    ladder.expect(V.ACCOUNT_UNKNOWN, "nobody", wrong)
    ladder.expect(V.DELIVERY_UNKNOWN, "kim", wrong)
    done = post(court)
    _, delivery = court.deliver(done, "ana")
    ladder.expect(V.NOT_A_PARTY, "kim", claim(delivery))
    court.did("founder", TaskApprove(delivery, approve=True, scores=()))
    ladder.expect(V.ASSIGNMENT_CLOSED, "founder", claim(delivery))
    held = hold(court)
    ladder.expect(V.WRONG_PHASE, "founder", claim(held))
    _, delivery = court.deliver(post(court, price=court.available("founder"), bond=0), "ana")
    ladder.expect(V.DEPOSIT_SHORT, "founder", claim(delivery))
    ladder.reach_top("ana", claim(held))
    assert court.state(_task_of(court, held)) == "DISPUTED"


def _task_of(stage: Stage, delivery: bytes) -> bytes:
    row = stage.market.deliveries.get(delivery)
    assert row is not None
    assignment = stage.market.assignments.get(row.assignment)
    assert assignment is not None
    return assignment.seat[:32]


def test_evidence_ladder(court: Stage) -> None:
    ladder = Ladder(court, "dispute.evidence")
    ladder.expect(V.EVIDENCE_DISORDERED, "nobody", DisputeEvidence(UNKNOWN, ()))
    ladder.expect(V.EVIDENCE_DISORDERED, "nobody", DisputeEvidence(UNKNOWN, HASHES[1::-1]))
    ladder.expect(V.ACCOUNT_UNKNOWN, "nobody", DisputeEvidence(UNKNOWN, HASHES[:1]))
    ladder.expect(V.DELIVERY_UNKNOWN, "kim", DisputeEvidence(UNKNOWN, HASHES[:1]))
    held = hold(court)
    ladder.expect(V.DISPUTE_UNKNOWN, "kim", DisputeEvidence(held, HASHES[:1]))
    court.did("ana", claim(held, HASHES[:3]))
    ladder.expect(V.NOT_A_PARTY, "kim", DisputeEvidence(held, HASHES[:1]))
    other = hold(court)
    court.did("ana", claim(other))
    court.did("ana", DisputeWithdraw(other))
    ladder.expect(V.ASSIGNMENT_CLOSED, "ana", DisputeEvidence(other, HASHES[:1]))
    court.did("ana", DisputeEvidence(held, HASHES[2:8]))
    ladder.expect(V.TOO_MUCH_EVIDENCE, "ana", DisputeEvidence(held, HASHES[8:]))
    ladder.reach_top("founder", DisputeEvidence(held, HASHES[8:]))
    row = court.market.disputes.get(held)
    assert row is not None
    assert (row.provider_evidence, row.requester_evidence) == (HASHES[:8], HASHES[8:])


def test_rule_ladder(court: Stage) -> None:
    ladder = Ladder(court, "dispute.rule")
    ladder.expect(V.SHARE_OUT_OF_RANGE, "nobody", DisputeRule(UNKNOWN, MILLION + 1))
    ladder.expect(V.ACCOUNT_UNKNOWN, "nobody", DisputeRule(UNKNOWN, 5))
    ladder.expect(V.DELIVERY_UNKNOWN, "ana", DisputeRule(UNKNOWN, 5))
    held = hold(court)
    ladder.expect(V.DISPUTE_UNKNOWN, "ana", DisputeRule(held, 5))
    court.did("ana", claim(held))
    ladder.expect(V.NOT_AN_ARBITER, "ana", DisputeRule(held, 5))
    other = hold(court)
    court.did("ana", claim(other))
    court.did("ana", DisputeWithdraw(other))
    ladder.expect(V.ASSIGNMENT_CLOSED, "kim", DisputeRule(other, 5))
    court.did("kim", DisputeRule(held, 5))
    ladder.expect(V.ALREADY_RULED, "kim", DisputeRule(held, 6))
    ladder.reach_top("leo", DisputeRule(held, 6))
    assert court.send("mia", DisputeRule(held, 6)) == V.ASSIGNMENT_CLOSED


def test_withdraw_ladder(court: Stage) -> None:
    ladder = Ladder(court, "dispute.withdraw")
    ladder.expect(V.ACCOUNT_UNKNOWN, "nobody", DisputeWithdraw(UNKNOWN))
    ladder.expect(V.DELIVERY_UNKNOWN, "ana", DisputeWithdraw(UNKNOWN))
    held = hold(court)
    ladder.expect(V.DISPUTE_UNKNOWN, "ana", DisputeWithdraw(held))
    court.did("ana", claim(held))
    ladder.expect(V.NOT_THE_OPENER, "founder", DisputeWithdraw(held))
    ladder.expect(V.NOT_THE_OPENER, "kim", DisputeWithdraw(held))
    other = hold(court)
    court.did("ana", claim(other))
    court.did("ana", DisputeWithdraw(other))
    ladder.expect(V.ASSIGNMENT_CLOSED, "ana", DisputeWithdraw(other))
    ladder.reach_top("ana", DisputeWithdraw(held))


def test_the_lower_median_of_two_decides(court: Stage) -> None:
    """The provider's deposit moves by what it lost."""
    held = hold(court)
    court.did("ana", claim(held))
    court.did("kim", DisputeRule(held, 700_000))
    court.did("leo", DisputeRule(held, 500_000))
    # Half of 100, less half of the deposit of 10.
    assert wallets(court) == (1_000 - 45, 50 + 45)


def test_a_requesters_deposit_is_shared_by_the_ruling(court: Stage) -> None:
    _, delivery = court.deliver(post(court), "ana")
    court.did("founder", claim(delivery))
    assert court.market.get_money().held == 100 + 20 + 10
    court.did("kim", DisputeRule(delivery, 800_000))
    court.did("leo", DisputeRule(delivery, 900_000))
    assert wallets(court) == (1_000 - 88, 50 + 88)
    # The requester was mostly wrong; the provider gained as after any success.
    assert scores(court) == (2 - 25, 10 + 2)


def test_nothing_earned_costs_the_bond(court: Stage) -> None:
    _, delivery = court.deliver(post(court), "ana")
    court.did("founder", claim(delivery))
    court.did("kim", DisputeRule(delivery, 0))
    court.did("mia", DisputeRule(delivery, 0))
    assert wallets(court) == (1_020, 30)
    assert scores(court) == (2, -25)


def test_a_requester_that_withdraws_pays_all_and_its_deposit(court: Stage) -> None:
    _, delivery = court.deliver(post(court), "ana")
    court.did("founder", claim(delivery))
    court.did("founder", DisputeWithdraw(delivery))
    assert wallets(court) == (890, 160)


def test_a_provider_that_withdraws_takes_what_was_proposed(court: Stage) -> None:
    held = hold(court)
    court.did("ana", claim(held))
    court.did("ana", DisputeWithdraw(held))
    assert wallets(court) == (1_000, 50)


def test_without_a_ruling_a_rejected_provider_is_paid(court: Stage) -> None:
    held = hold(court)
    court.did("ana", claim(held))
    court.did("kim", DisputeRule(held, 0))
    court.wait(3 * DAY_MS)
    assert wallets(court) == (900, 150)
    assert scores(court) == (0, 0)


@pytest.mark.parametrize(("evaluator", "paid"), [("kim", 0), ("founder", 100), ("pal", 100)])
def test_without_a_ruling_an_independent_proposal_stands(
    court: Stage, evaluator: str, paid: int
) -> None:
    court.join("jon")
    court.join_by("ana", "pal")
    _, delivery = court.deliver(post(court, evaluator=court.key(evaluator)), "ana")
    court.did(evaluator, TaskApprove(delivery, approve=False, scores=()))
    court.did("ana", claim(delivery))
    court.wait(3 * DAY_MS)
    assert wallets(court) == (1_000 - paid, 50 + paid)


def test_an_independent_quorums_proposal_stands(court: Stage) -> None:
    court.join("jon")
    release = Release("quorum", (court.key("jon"),), 1, 0)
    _, delivery = court.deliver(post(court, release=release), "ana")
    court.did("jon", TaskApprove(delivery, approve=False, scores=()))
    court.did("ana", claim(delivery))
    court.wait(3 * DAY_MS)
    assert wallets(court) == (1_000, 50)


def test_a_quorum_of_which_one_is_a_partys_proposes_in_vain(court: Stage) -> None:
    court.join("jon")
    court.join_by("ana", "pal")
    signers = tuple(sorted(court.key(name) for name in ("jon", "pal")))
    release = Release("quorum", signers, 1, 0)
    _, delivery = court.deliver(post(court, release=release), "ana")
    for signer in ("jon", "pal"):
        court.did(signer, TaskApprove(delivery, approve=False, scores=()))
    court.did("ana", claim(delivery))
    court.wait(3 * DAY_MS)
    assert wallets(court) == (900, 150)


def test_the_evaluator_does_not_judge_itself_as_an_arbiter(court: Stage) -> None:
    _, delivery = court.deliver(post(court, evaluator=court.key("kim")), "ana")
    court.did("kim", TaskApprove(delivery, approve=False, scores=()))
    court.did("ana", claim(delivery))
    assert court.send("kim", DisputeRule(delivery, 0)) == V.NOT_AN_ARBITER
    dispute = court.market.disputes.get(delivery)
    assert dispute is not None
    assert set(dispute.arbiters) == {court.key("leo"), court.key("mia")}


def test_nobody_with_a_stake_decides(court: Stage) -> None:
    """An arbiter of the provider's group is none; of fewer than the quorum, all decide."""
    court.join_by("ana", "pal")
    arbiters = tuple(sorted(court.key(name) for name in ("kim", "pal")))
    held = hold(court, arbiters=arbiters, quorum=2)
    court.did("ana", claim(held))
    assert court.send("pal", DisputeRule(held, MILLION)) == V.NOT_AN_ARBITER
    court.did("kim", DisputeRule(held, 300_000))
    assert wallets(court) == (1_000 - 23, 50 + 23)


def test_with_nobody_to_decide_the_default_comes_at_once(court: Stage) -> None:
    """The market's arbiter is the founder here, who is a party."""
    _, delivery = court.deliver(post(court, arbiters=(), quorum=0), "ana")
    court.did("founder", claim(delivery))
    assert wallets(court) == (890, 160)


def test_an_arbiter_without_an_account_is_none() -> None:
    stage = Stage(arbiters=[b"z" * 32])
    stage.join("ana")
    _, delivery = stage.deliver(stage.did("founder", make_task()), "ana")
    stage.did("founder", claim(delivery))
    assert wallets(stage) == (890, 110)


def test_the_parties_may_agree_in_the_middle_of_a_dispute(court: Stage) -> None:
    _, delivery = court.deliver(post(court), "ana")
    row = court.market.deliveries.get(delivery)
    assert row is not None
    court.did("founder", claim(delivery))
    court.did("ana", AssignmentSettle(row.assignment, 600_000))
    assert court.state(_task_of(court, delivery)) == "DISPUTED"
    court.did("founder", AssignmentSettle(row.assignment, 600_000))
    assert wallets(court) == (940, 110)
    dispute = court.market.disputes.get(delivery)
    assert dispute is not None
    assert dispute.ended_ms == court.now
