from synaptic_crdt.rules.limits import DAY_MS
from synaptic_crdt.rules.operations import AccountOpen, TreasuryPay
from synaptic_crdt.rules.verdicts import Verdict
from synaptic_crdt.rules.views import view_supply
from tests.rules.conftest import EXCHANGE, Ladder, Stage, make_key


def make_council_stage() -> Stage:
    """Three on the council, two needed; the council's accounts come in by an open door."""
    council = [make_key(name).public for name in ("founder", "bea", "cid")]
    stage = Stage(
        funds=0,
        council=council,
        council_needed=2,
        openings_per_day=10,
        supply=1_000,
        treasury_day_cap=400,
    )
    for name in ("bea", "cid", "dot"):
        stage.did(name, AccountOpen(name, EXCHANGE, None, None, None))
    return stage


def test_repair_ladder() -> None:
    stage = make_council_stage()
    ladder = Ladder(stage, "treasury.pay")
    nobody, dot = stage.key("nobody"), stage.key("dot")
    long = "m" * 257
    ladder.expect(Verdict.AMOUNT_ZERO, "nobody", TreasuryPay(nobody, 0, b"", long))
    ladder.expect(Verdict.AMOUNT_OUT_OF_RANGE, "nobody", TreasuryPay(nobody, 2**53, b"", long))
    ladder.expect(Verdict.MEMO_LENGTH, "nobody", TreasuryPay(nobody, 401, b"", long))
    ladder.expect(Verdict.ACCOUNT_UNKNOWN, "nobody", TreasuryPay(nobody, 401, b"", ""))
    ladder.expect(Verdict.RECIPIENT_UNKNOWN, "dot", TreasuryPay(nobody, 401, b"", ""))
    ladder.expect(Verdict.NOT_COUNCIL, "dot", TreasuryPay(dot, 401, b"", ""))
    stage.did("bea", TreasuryPay(dot, 1, b"", ""))
    stage.did("cid", TreasuryPay(dot, 1, b"", ""))
    ladder.expect(Verdict.ALREADY_DECIDED, "founder", TreasuryPay(dot, 1, b"", ""))
    stage.did("bea", TreasuryPay(dot, 400, b"", ""))
    ladder.expect(Verdict.ALREADY_VOTED, "bea", TreasuryPay(dot, 400, b"", ""))
    assert stage.explain().endswith("1 of 2 so far")
    ladder.expect(Verdict.TREASURY_OVER_DAY_CAP, "cid", TreasuryPay(dot, 400, b"", ""))
    assert stage.explain() == "the treasury gives no more today: needs 400, 399 left of 400 a day"
    stage.did("bea", TreasuryPay(dot, 399, b"", ""))
    stage.did("cid", TreasuryPay(dot, 399, b"", ""))
    stage.wait(DAY_MS)
    stage.did("cid", TreasuryPay(dot, 400, b"", ""))
    stage.wait(DAY_MS)
    stage.did("bea", TreasuryPay(dot, 201, b"", ""))
    ladder.expect(Verdict.TREASURY_TOO_LOW, "founder", TreasuryPay(dot, 201, b"", ""))
    stage.did("bea", TreasuryPay(dot, 200, b"", ""))
    ladder.reach_top("founder", TreasuryPay(dot, 200, b"", ""))
    assert view_supply(stage.market) == {
        "supply": 1_000,
        "balances": 1_000,
        "holds": 0,
        "treasury": 0,
    }


def test_voices_for_different_payments_do_not_add_up() -> None:
    stage = make_council_stage()
    stage.did("bea", TreasuryPay(stage.key("dot"), 10, b"one", ""))
    stage.did("cid", TreasuryPay(stage.key("dot"), 10, b"two", ""))
    assert stage.available("dot") == 0


def test_treasury_grant_needs_the_council_too() -> None:
    stage = make_council_stage()
    invite = stage.make_invite("eve", grant=100, from_treasury=True)
    stage.did("bea", invite)
    assert len(stage.market.invitations) == 0
    stage.did("cid", invite)
    # Who proposed it made the certificate that came with the ticket.
    assert stage.send("eve", stage.ticket(invite, "cid", "eve")) == Verdict.CERTIFICATE_MISMATCH
    stage.did("fay", stage.ticket(invite, "bea", "fay"))
    assert stage.available("fay") == 100
    over = stage.make_invite("gus", grant=301, from_treasury=True)
    stage.did("bea", over)
    assert stage.send("cid", over) == Verdict.TREASURY_OVER_DAY_CAP
