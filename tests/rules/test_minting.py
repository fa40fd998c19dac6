"""New tokens: for the treasury, by the council, within what the genesis allows."""

from synaptic_crdt.rules.council_operations import TokenMint
from synaptic_crdt.rules.verdicts import Verdict
from synaptic_crdt.rules.views import view_parameters, view_supply
from tests.rules.conftest import Ladder, Stage, make_key, make_task

FOUNDER, BEA = make_key("founder").public, make_key("bea").public


def test_repair_ladder() -> None:
    stage = Stage(
        funds=0,
        council=[FOUNDER, BEA],
        council_needed=2,
        supply=100,
        treasury_day_cap=0,
        mint_cap=50,
    )
    stage.join_by("founder", "bea")
    stage.join_by("founder", "ana")
    ladder = Ladder(stage, "token.mint")
    long = "m" * 257
    ladder.expect(Verdict.AMOUNT_ZERO, "nobody", TokenMint(0, b"", long))
    ladder.expect(Verdict.AMOUNT_OUT_OF_RANGE, "nobody", TokenMint(2**53, b"", long))
    ladder.expect(Verdict.MEMO_LENGTH, "nobody", TokenMint(51, b"", long))
    ladder.expect(Verdict.ACCOUNT_UNKNOWN, "nobody", TokenMint(51, b"", ""))
    ladder.expect(Verdict.NOT_COUNCIL, "ana", TokenMint(51, b"", ""))
    for name in ("founder", "bea"):
        stage.did(name, TokenMint(20, b"", ""))
    ladder.expect(Verdict.ALREADY_DECIDED, "bea", TokenMint(20, b"", ""))
    stage.did("bea", TokenMint(31, b"", ""))
    ladder.expect(Verdict.ALREADY_VOTED, "bea", TokenMint(31, b"", ""))
    ladder.expect(Verdict.MINT_OVER_CAP, "founder", TokenMint(31, b"", ""))
    assert stage.explain().endswith("needs 31, 30 left of 50")
    stage.did("bea", TokenMint(30, b"", ""))
    assert view_supply(stage.market)["supply"] == 120
    ladder.reach_top("founder", TokenMint(30, b"", ""))
    parts = view_supply(stage.market)
    assert (parts["supply"], parts["treasury"]) == (150, 150)
    assert view_parameters(stage.market)["mintable"] == 0


def test_without_a_cap_in_the_genesis_nothing_is_minted(stage: Stage) -> None:
    assert stage.send("founder", TokenMint(1, b"", "")) == Verdict.MINT_OVER_CAP


def test_what_was_minted_counts_as_supply() -> None:
    stage = Stage(supply=100, funds=100, treasury_day_cap=100, mint_cap=1)
    assert stage.send("founder", make_task(price=101)) == Verdict.LOCK_OVER_SUPPLY
    stage.did("founder", TokenMint(1, b"", ""))
    assert stage.send("founder", make_task(price=101)) == Verdict.BALANCE_TOO_LOW
