from msgspec.structs import replace

from synaptic_crdt.rules.limits import DAY_MS
from synaptic_crdt.rules.operations import InviteRevoke
from synaptic_crdt.rules.verdicts import Verdict
from synaptic_crdt.rules.views import view_invitations, view_wallet
from tests.rules.conftest import Ladder, Stage


def test_issue_ladder(stage: Stage) -> None:
    ladder = Ladder(stage, "invite.issue")
    stage.join("watcher", role="auditor", opt_in=False)
    stage.join("ana", grant=10)
    taken = stage.make_invite("taken")
    stage.did("founder", taken)
    wrong = replace(taken, grant=-1, from_treasury=True, expiry_ms=stage.now)
    ladder.expect(Verdict.GRANT_OUT_OF_RANGE, "nobody", wrong)
    ladder.expect(Verdict.GRANT_OUT_OF_RANGE, "nobody", replace(wrong, grant=2**53))
    wrong = replace(wrong, grant=10**6)
    ladder.expect(Verdict.ACCOUNT_UNKNOWN, "nobody", wrong)
    ladder.expect(Verdict.AUDITOR_MAY_NOT, "watcher", wrong)
    ladder.expect(Verdict.NOT_COUNCIL, "ana", wrong)
    ladder.expect(Verdict.INVITATION_EXISTS, "founder", wrong)
    wrong = replace(wrong, one_time=stage.key("once-bea"))
    ladder.expect(Verdict.EXPIRY_TOO_SOON, "founder", wrong)
    late = stage.now + 30 * DAY_MS + 1
    ladder.expect(Verdict.EXPIRY_TOO_LATE, "founder", replace(wrong, expiry_ms=late))
    wrong = replace(wrong, expiry_ms=late - 1)
    ladder.expect(Verdict.TREASURY_OVER_DAY_CAP, "founder", wrong)
    stage.wait(DAY_MS)
    ladder.expect(Verdict.TREASURY_TOO_LOW, "founder", wrong)
    wrong = replace(wrong, from_treasury=False)
    ladder.expect(Verdict.BALANCE_TOO_LOW, "founder", wrong)
    ladder.reach_top("founder", replace(wrong, grant=1_000))
    assert view_wallet(stage.market, stage.key("founder"))["granted"] == 1_000


def test_revoke_ladder(stage: Stage) -> None:
    ladder = Ladder(stage, "invite.revoke")
    stage.join("ana")
    used, revoked, expired, good = (
        stage.make_invite(name, grant=100) for name in ("used", "revoked", "expired", "good")
    )
    expired = replace(expired, expiry_ms=stage.now + 1)
    ladder.expect(Verdict.ACCOUNT_UNKNOWN, "nobody", InviteRevoke(used.one_time))
    ladder.expect(Verdict.INVITATION_UNKNOWN, "ana", InviteRevoke(used.one_time))
    for invite in (used, revoked, expired, good):
        stage.did("founder", invite)
    ladder.expect(Verdict.NOT_THE_INVITER, "ana", InviteRevoke(used.one_time))
    stage.did("used", stage.ticket(used, "founder", "used"))
    ladder.expect(Verdict.INVITATION_USED, "founder", InviteRevoke(used.one_time))
    stage.did("founder", InviteRevoke(revoked.one_time))
    ladder.expect(Verdict.INVITATION_REVOKED, "founder", InviteRevoke(revoked.one_time))
    stage.wait(1)
    ladder.expect(Verdict.INVITATION_EXPIRED, "founder", InviteRevoke(expired.one_time))
    assert stage.available("founder") == 800
    ladder.reach_top("founder", InviteRevoke(good.one_time))
    assert stage.available("founder") == 900
    states = [view["state"] for view in view_invitations(stage.market)]
    assert states == ["USED", "USED", "REVOKED", "EXPIRED", "REVOKED"]


def test_unused_treasury_grant_returns_to_the_treasury(stage: Stage) -> None:
    stage.did("founder", stage.make_invite("ana", grant=500, from_treasury=True))
    assert stage.market.get_money().held == 500
    stage.wait(DAY_MS)
    assert stage.market.get_money().treasury == 1_000_000 - 1_000
