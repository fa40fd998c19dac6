"""Names that their author chooses: nobody's may get in the way of anybody else's."""

from msgspec.structs import replace

from synaptic_crdt.rules.limits import DAY_MS, HOUR_MS, MINUTE_MS
from synaptic_crdt.rules.operations import InviteRevoke
from synaptic_crdt.rules.verdicts import Verdict
from synaptic_crdt.rules.views import view_invitations
from tests.rules.conftest import Stage, compute_id, make_task
from tests.rules.offering import make_offer


def test_an_invitation_named_like_an_offer_ends_in_its_own_time_and_so_does_the_offer(
    stage: Stage,
) -> None:
    stage.join("ana", grant=100)
    stage.join("bea")
    offer = stage.did("bea", make_offer(expiry_ms=stage.now + DAY_MS))
    invite = replace(stage.make_invite("mallory", grant=100), one_time=offer)
    stage.did("ana", invite)
    stage.wait(HOUR_MS)
    row = stage.market.offers.get(offer)
    assert row is not None
    assert row.state == "OPEN"
    assert stage.available("ana") == 100
    stage.wait(DAY_MS - HOUR_MS)
    row = stage.market.offers.get(offer)
    assert row is not None
    assert row.state == "EXPIRED"


def test_an_invitation_named_like_a_task_does_not_move_its_opening(stage: Stage) -> None:
    stage.join("ana", grant=100)
    task = stage.did("founder", make_task(priority_ms=MINUTE_MS))
    stage.did("ana", replace(stage.make_invite("mallory", grant=100), one_time=task))
    assert stage.timers.get(task) == stage.now + MINUTE_MS
    stage.did("ana", InviteRevoke(task))
    assert stage.timers.get(task) == stage.now + MINUTE_MS
    assert stage.available("ana") == 100


def test_an_offer_named_like_an_invitation_does_not_keep_its_grant(stage: Stage) -> None:
    stage.join("ana", grant=100)
    stage.join("bea")
    # What an accomplice writes later is known before: its device may hold it back.
    coming = compute_id(stage.entries + 2)
    stage.did("ana", replace(stage.make_invite("mallory", grant=100), one_time=coming))
    assert stage.did("bea", make_offer(expiry_ms=stage.now + DAY_MS)) == coming
    stage.wait(HOUR_MS)
    assert stage.available("ana") == 100


def test_nobody_keeps_an_invitation_from_being_issued_by_issuing_its_key_first(
    stage: Stage,
) -> None:
    stage.join("ana", grant=100)
    stage.join("mallory")
    invite = stage.make_invite("zoe", grant=100)
    stage.did("mallory", replace(invite, grant=0))
    stage.did("ana", invite)
    assert stage.send("ana", invite) == Verdict.INVITATION_EXISTS
    stage.did("zoe", stage.ticket(invite, "ana", "zoe"))
    assert stage.available("zoe") == 100
    states = [(view["inviter"], view["state"]) for view in view_invitations(stage.market)]
    assert states[-2:] == [
        (stage.key("mallory").hex(), "OPEN"),
        (stage.key("ana").hex(), "USED"),
    ]


def test_a_ticket_is_for_the_invitation_of_who_signed_it(stage: Stage) -> None:
    stage.join("ana", grant=100)
    stage.join("bea")
    invite = stage.make_invite("zoe", grant=100)
    ticket = stage.ticket(invite, "bea", "zoe")
    assert stage.send("zoe", ticket, position=1) == Verdict.INVITATION_UNKNOWN
    stage.did("ana", invite)
    assert stage.send("zoe", ticket, position=1) == Verdict.CERTIFICATE_MISMATCH
    stranger = stage.ticket(invite, "zoe", "zoe")
    assert stage.send("zoe", stranger, position=1) == Verdict.CERTIFICATE_MISMATCH
