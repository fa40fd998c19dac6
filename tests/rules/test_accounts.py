from typing import Any

from msgspec.structs import replace

from synaptic_crdt.rules.account_operations import AccountUpdate
from synaptic_crdt.rules.certificates import make_certificate, make_proof
from synaptic_crdt.rules.limits import DAY_MS, HOUR_MS
from synaptic_crdt.rules.operations import AccountOpen, InviteRevoke, Paper
from synaptic_crdt.rules.verdicts import Verdict
from synaptic_crdt.rules.views import view_account
from tests.rules.conftest import EXCHANGE, Ladder, Stage


def test_repair_ladder(stage: Stage) -> None:
    ladder = Ladder(stage, "account.open")
    plain = AccountOpen("ana", EXCHANGE, Paper(b"p" * 32, EXCHANGE, bytes(64)), None, None)
    invite = stage.make_invite("ana", grant=7)
    good = stage.ticket(invite, "founder", "ana")
    assert good.certificate is not None
    once = stage.keys["once-ana"]

    def certify(**changes: object) -> AccountOpen:
        fields: dict[str, Any] = {
            "one_time": once.public,
            "role": "member",
            "grant": 7,
            "expiry_ms": invite.expiry_ms,
            "issued": 1,
        } | changes
        certificate = make_certificate(stage.market_id, stage.keys["founder"], **fields)
        return replace(good, certificate=certificate)

    ladder.expect(Verdict.NAME_LENGTH, "founder", replace(plain, name=""))
    ladder.expect(Verdict.NAME_LENGTH, "founder", replace(plain, name="é" * 33))
    ladder.expect(Verdict.CERTIFICATE_INCOMPLETE, "founder", replace(plain, proof=bytes(64)))
    ladder.expect(Verdict.CERTIFICATE_INCOMPLETE, "founder", replace(good, proof=None))
    ladder.expect(Verdict.ACCOUNT_EXISTS, "founder", plain)
    ladder.expect(Verdict.NOT_FIRST_ENTRY, "ana", plain, position=2)
    ladder.expect(Verdict.CERTIFICATE_MISSING, "ana", plain, position=1)
    open_door = Stage(openings_per_day=1)
    open_door.did("bea", plain)
    ladder.expect(Verdict.OPENINGS_OVER_RATE, "cid", plain, stage=open_door)
    ladder.expect(Verdict.INVITATION_UNKNOWN, "ana", good, position=1)
    used = stage.make_invite("used")
    stage.did("founder", used)
    stage.did("used", stage.ticket(used, "founder", "used"))
    ladder.expect(Verdict.INVITATION_USED, "ana", stage.ticket(used, "founder", "ana"), position=1)
    revoked = stage.make_invite("revoked")
    stage.did("founder", revoked)
    stage.did("founder", InviteRevoke(revoked.one_time))
    ladder.expect(
        Verdict.INVITATION_REVOKED, "ana", stage.ticket(revoked, "founder", "ana"), position=1
    )
    expired = stage.make_invite("expired", expiry_ms=stage.now + 1)
    stage.did("founder", expired)
    stage.wait(1)
    ladder.expect(
        Verdict.INVITATION_EXPIRED, "ana", stage.ticket(expired, "founder", "ana"), position=1
    )
    stage.did("founder", invite)
    for changes in ({"role": "auditor"}, {"grant": 8}, {"expiry_ms": invite.expiry_ms + 1}):
        ladder.expect(Verdict.CERTIFICATE_MISMATCH, "ana", certify(**changes), position=1)
    foreign = make_certificate(
        stage.market_id,
        stage.keys["used"],
        one_time=once.public,
        role="member",
        grant=7,
        expiry_ms=invite.expiry_ms,
        issued=1,
    )
    ladder.expect(
        Verdict.CERTIFICATE_MISMATCH, "ana", replace(good, certificate=foreign), position=1
    )
    forged = replace(good.certificate, issued=good.certificate.issued + 1)
    ladder.expect(Verdict.CERTIFICATE_FORGED, "ana", replace(good, certificate=forged), position=1)
    stolen = make_proof(stage.market_id, once, stage.key("eve"))
    ladder.expect(Verdict.PROOF_FORGED, "ana", replace(good, proof=stolen), position=1)
    elsewhere = make_proof(bytes(32), once, stage.key("ana"))
    ladder.expect(Verdict.PROOF_FORGED, "ana", replace(good, proof=elsewhere), position=1)
    stage.positions["ana"] = 0
    assert stage.available("founder") == 993
    ladder.reach_top("ana", good)
    assert stage.available("ana") == 7


def test_certificate_of_another_market_opens_nothing(stage: Stage) -> None:
    elsewhere = Stage(openings_per_day=1)
    invite = stage.make_invite("ana")
    elsewhere.key("once-ana")
    ticket = elsewhere.ticket(invite, "founder", "ana")
    stage.did("founder", invite)
    assert stage.send("ana", ticket) == Verdict.CERTIFICATE_FORGED


def test_openings_are_counted_by_market_day() -> None:
    stage = Stage(openings_per_day=2)
    plain = AccountOpen("somebody", EXCHANGE, None, None, None)
    stage.did("ana", plain)
    stage.did("bea", plain)
    assert stage.send("cid", plain) == Verdict.OPENINGS_OVER_RATE
    # An invitation does not count against the rate.
    stage.join("dot")
    stage.wait(DAY_MS)
    stage.did("eve", plain)


def test_account_shows_who_invited_it(stage: Stage) -> None:
    ana = stage.join("ana", opt_in=False)
    view = view_account(stage.market, ana)
    assert view is not None
    assert view["inviter"] == stage.key("founder").hex()
    assert (view["number"], view["name"], view["opted_in"]) == (2, "ana", False)
    assert view_account(stage.market, stage.key("nobody")) is None


def test_late_joiner_gets_nothing_and_the_grant_is_back(stage: Stage) -> None:
    invite = stage.make_invite("ana", grant=100)
    stage.did("founder", invite)
    stage.wait(HOUR_MS)
    assert stage.available("founder") == 1_000
    ticket = stage.ticket(invite, "founder", "ana")
    assert stage.send("ana", ticket) == Verdict.INVITATION_EXPIRED


def test_rename_ladder(stage: Stage) -> None:
    ladder = Ladder(stage, "account.update")
    ladder.expect(Verdict.NAME_LENGTH, "nobody", AccountUpdate(""))
    ladder.expect(Verdict.NAME_LENGTH, "nobody", AccountUpdate("é" * 33))
    assert stage.explain().endswith("66 bytes, allowed 1 to 64")
    ladder.expect(Verdict.ACCOUNT_UNKNOWN, "nobody", AccountUpdate("ana"))
    ladder.reach_top("founder", AccountUpdate("é" * 32))
    view = view_account(stage.market, stage.key("founder"))
    assert view is not None
    assert (view["name"], view["number"], view["available"]) == ("é" * 32, 1, 1_000)
