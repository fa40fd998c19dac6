from itertools import pairwise

import pytest

from synaptic_crdt.rules.operations import Role, TokenTransfer
from synaptic_crdt.rules.verdicts import Verdict
from tests.rules.conftest import Ladder, Stage, make_task


def test_repair_ladder(stage: Stage) -> None:
    ana, nobody, founder = stage.join("ana"), stage.key("nobody"), stage.key("founder")
    ladder = Ladder(stage, "token.transfer")
    long = "m" * 257
    ladder.expect(Verdict.AMOUNT_ZERO, "nobody", TokenTransfer(nobody, 0, b"", long))
    ladder.expect(Verdict.AMOUNT_OUT_OF_RANGE, "nobody", TokenTransfer(nobody, -1, b"", long))
    ladder.expect(Verdict.AMOUNT_OUT_OF_RANGE, "nobody", TokenTransfer(nobody, 2**53, b"", long))
    ladder.expect(Verdict.MEMO_LENGTH, "nobody", TokenTransfer(nobody, 2**53 - 1, b"", long))
    ladder.expect(Verdict.MEMO_LENGTH, "nobody", TokenTransfer(nobody, 1_001, b"", "é" * 129))
    ladder.expect(Verdict.ACCOUNT_UNKNOWN, "nobody", TokenTransfer(nobody, 1_001, b"", "é" * 128))
    ladder.expect(Verdict.RECIPIENT_UNKNOWN, "founder", TokenTransfer(nobody, 1_001, b"", ""))
    ladder.expect(Verdict.RECIPIENT_IS_SENDER, "founder", TokenTransfer(founder, 1_001, b"", ""))
    ladder.expect(Verdict.BALANCE_TOO_LOW, "founder", TokenTransfer(ana, 1_001, b"", ""))
    assert stage.explain() == "insufficient balance: needs 1001, available 1000"
    ladder.reach_top("founder", TokenTransfer(ana, 1_000, b"r" * 32, "all of it"))
    assert (stage.available("founder"), stage.available("ana")) == (0, 1_000)


def test_locked_tokens_cannot_be_spent_w10() -> None:
    stage = Stage(funds=100)
    ana = stage.join("ana")
    stage.did("founder", make_task(price=60))
    assert stage.send("founder", TokenTransfer(ana, 50, b"", "")) == Verdict.BALANCE_TOO_LOW
    assert stage.explain() == "insufficient balance: needs 50, available 40"


def test_chain_of_transfers_w16() -> None:
    stage = Stage(funds=0)
    names = [f"account {number}" for number in range(100)]
    for name in names:
        stage.join(name, grant=1_000, opt_in=False)
    for sender, recipient in pairwise(names):
        stage.did(sender, TokenTransfer(stage.key(recipient), 10, b"", ""))
    balances = [stage.available(name) for name in names]
    assert balances == [990, *([1_000] * 98), 1_010]


@pytest.mark.parametrize("role", ["member", "auditor"])
def test_whoever_holds_tokens_may_give_them_away(stage: Stage, role: Role) -> None:
    stage.join("ana", grant=5, role=role, opt_in=False)
    stage.did("ana", TokenTransfer(stage.key("founder"), 5, b"", ""))
    assert stage.available("ana") == 0
