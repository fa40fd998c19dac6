"""Several devices of one account: who may come, who may end whom, and what is shared."""

from msgspec.structs import replace

from synaptic_crdt.rules.certificates import get_paper_voucher, make_paper
from synaptic_crdt.rules.consents import make_consent
from synaptic_crdt.rules.limits import DEVICES
from synaptic_crdt.rules.operations import (
    AccountOpen,
    DeviceAdd,
    DeviceJoin,
    DeviceRevoke,
    InviteRevoke,
    TokenTransfer,
    TreasuryPay,
)
from synaptic_crdt.rules.task_operations import TaskAccept, TaskApprove, TaskDeliver, TaskStart
from synaptic_crdt.rules.verdicts import Verdict
from synaptic_crdt.rules.views import view_devices
from tests.rules.conftest import EXCHANGE, RESULT, Ladder, Stage, make_task


def make_join(stage: Stage, account: str, device: str, adder: str = "") -> DeviceJoin:
    voucher = stage.voucher(adder or account, account, device)
    return DeviceJoin(stage.key(account), EXCHANGE, voucher)


def open_with_paper(stage: Stage, name: str) -> DeviceJoin:
    """Open an account that names a paper device; return what that device will join with."""
    invite = stage.make_invite(name, grant=100)
    stage.did("founder", invite)
    opening = stage.ticket(invite, "founder", name)
    stage.key(f"{name}-paper")
    paper = make_paper(stage.market_id, stage.keys[name], stage.keys[f"{name}-paper"])
    stage.did(name, replace(opening, paper=paper))
    return DeviceJoin(stage.key(name), paper.exchange, get_paper_voucher(stage.key(name), paper))


def list_states(stage: Stage, account: str) -> list[tuple[str, str]]:
    return [
        (stage.names[bytes.fromhex(view["device"])], view["state"])
        for view in view_devices(stage.market, stage.key(account))
    ]


def test_add_ladder(stage: Stage) -> None:
    ladder = Ladder(stage, "device.add")
    good = DeviceAdd(stage.key("laptop"), EXCHANGE)
    ladder.expect(Verdict.ACCOUNT_UNKNOWN, "nobody", good)
    stage.join("ana")
    for known in ("founder", "ana"):
        ladder.expect(Verdict.DEVICE_EXISTS, "founder", DeviceAdd(stage.key(known), EXCHANGE))
    for number in range(DEVICES - 1):
        stage.did("founder", DeviceAdd(stage.key(f"device {number}"), EXCHANGE))
    ladder.expect(Verdict.DEVICE_EXISTS, "founder", DeviceAdd(stage.key("device 0"), EXCHANGE))
    ladder.expect(Verdict.TOO_MANY_DEVICES, "founder", good)
    stage.did("founder", DeviceRevoke(stage.key("device 0")))
    ladder.reach_top("founder", good)
    assert ("laptop", "ADDED") in list_states(stage, "founder")


def test_join_ladder(stage: Stage) -> None:
    ladder = Ladder(stage, "device.join")
    good = make_join(stage, "founder", "laptop")
    stage.join("ana")
    ladder.expect(Verdict.ACCOUNT_EXISTS, "founder", good)
    ladder.expect(Verdict.NOT_FIRST_ENTRY, "laptop", good, position=2)
    ladder.expect(Verdict.DEVICE_NOT_ADDED, "laptop", good, position=1)
    # By another account: the two have nothing to do with each other.
    stage.did("ana", DeviceAdd(stage.key("laptop"), EXCHANGE))
    ladder.expect(Verdict.DEVICE_NOT_ADDED, "laptop", good, position=1)
    stage.did("founder", DeviceAdd(stage.key("laptop"), EXCHANGE))
    by_ana = replace(good, voucher=stage.voucher("ana", "founder", "laptop"))
    other_exchange = replace(good, exchange=b"y" * 32)
    for lie in (by_ana, other_exchange):
        ladder.expect(Verdict.VOUCHER_MISMATCH, "laptop", lie, position=1)
    elsewhere = Stage(openings_per_day=1)
    elsewhere.key("laptop")
    for voucher in (
        replace(good.voucher, issued=2),
        stage.voucher("founder", "ana", "laptop"),
        stage.voucher("founder", "founder", "eve"),
        elsewhere.voucher("founder", "founder", "laptop"),
    ):
        lie = replace(good, voucher=voucher)
        ladder.expect(Verdict.VOUCHER_FORGED, "laptop", lie, position=1)
    stage.positions["laptop"] = 0
    ladder.reach_top("laptop", good)
    assert list_states(stage, "founder") == [("founder", "ACTIVE"), ("laptop", "ACTIVE")]
    # Who joined one account joins no other.
    assert stage.send("laptop", make_join(stage, "ana", "laptop")) == Verdict.ACCOUNT_EXISTS


def test_revoke_ladder(stage: Stage) -> None:
    ladder = Ladder(stage, "device.revoke")
    good = DeviceRevoke(stage.key("phone"))
    ladder.expect(Verdict.ACCOUNT_UNKNOWN, "nobody", good)
    stage.join("ana")
    for stranger in ("phone", "ana"):
        ladder.expect(Verdict.DEVICE_UNKNOWN, "founder", DeviceRevoke(stage.key(stranger)))
    stage.add_device("founder", "laptop")
    stage.add_device("founder", "phone")
    ladder.expect(Verdict.DEVICE_UNKNOWN, "ana", good)
    for older in ("founder", "laptop", "phone"):
        ladder.expect(Verdict.DEVICE_IS_OLDER, "phone", DeviceRevoke(stage.key(older)))
    stage.add_device("founder", "tablet")
    stage.did("founder", DeviceRevoke(stage.key("tablet")))
    ladder.expect(Verdict.ALREADY_REVOKED, "laptop", DeviceRevoke(stage.key("tablet")))
    entry = ladder.reach_top("laptop", good)
    assert stage.send("phone", make_consent(None)) == Verdict.DEVICE_REVOKED
    assert entry.hex() in stage.explain()


def test_whoever_adds_a_strangers_key_keeps_it_from_nothing(stage: Stage) -> None:
    stage.join("eve")
    stage.did("eve", DeviceAdd(stage.key("ana"), EXCHANGE))
    stage.did("eve", DeviceRevoke(stage.key("ana")))
    stage.did("eve", DeviceAdd(stage.key("ana"), EXCHANGE))
    stage.join("ana")
    assert stage.close_epoch() == {}
    assert list_states(stage, "ana") == [("ana", "ACTIVE")]
    stage.did("eve", DeviceRevoke(stage.key("ana")))
    stage.did("ana", make_consent(None))


def test_what_a_revoked_device_added_cannot_join_any_more(stage: Stage) -> None:
    stage.add_device("founder", "laptop")
    stage.did("laptop", DeviceAdd(stage.key("phone"), EXCHANGE))
    stage.did("founder", DeviceAdd(stage.key("tablet"), EXCHANGE))
    stage.did("founder", DeviceRevoke(stage.key("laptop")))
    join = make_join(stage, "founder", "phone", adder="laptop")
    assert stage.send("phone", join) == Verdict.DEVICE_NOT_ADDED
    stage.did("tablet", make_join(stage, "founder", "tablet"))


def test_what_a_revoked_device_let_in_is_ended_by_name(stage: Stage) -> None:
    stage.add_device("founder", "laptop")
    stage.add_device("laptop", "phone", "founder")
    stage.did("founder", DeviceRevoke(stage.key("laptop")))
    stage.did("phone", make_consent(None))
    stage.did("founder", DeviceRevoke(stage.key("phone")))
    assert stage.send("phone", make_consent(None)) == Verdict.DEVICE_REVOKED


def test_feeds_of_revoked_devices_end_with_the_epoch_and_once(stage: Stage) -> None:
    stage.add_device("founder", "laptop")
    stage.add_device("founder", "phone")
    assert stage.close_epoch() == {}
    by = [stage.did("founder", DeviceRevoke(stage.key(name))) for name in ("laptop", "phone")]
    ended = stage.close_epoch()
    assert ended == {stage.key("laptop"): by[0], stage.key("phone"): by[1]}
    assert stage.close_epoch() == {}
    assert list_states(stage, "founder")[1:] == [("laptop", "CLOSED"), ("phone", "CLOSED")]
    assert stage.send("phone", make_consent(None)) == Verdict.DEVICE_REVOKED
    again = DeviceRevoke(stage.key("phone"))
    assert stage.send("founder", again) == Verdict.ALREADY_REVOKED
    # The key is spent: who has it could have copies of it.
    assert stage.send("founder", DeviceAdd(again.device, EXCHANGE)) == Verdict.DEVICE_EXISTS


def test_paper_ends_a_stolen_machine_and_nothing_ends_the_paper(stage: Stage) -> None:
    join = open_with_paper(stage, "ana")
    paper = stage.key("ana-paper")
    assert list_states(stage, "ana") == [("ana", "ACTIVE"), ("ana-paper", "PAPER")]
    stage.add_device("ana", "phone")
    # Whoever has the machine can neither take the paper back nor use up the places.
    assert stage.send("ana", DeviceRevoke(paper)) == Verdict.DEVICE_IS_OLDER
    assert stage.send("ana", DeviceAdd(paper, EXCHANGE)) == Verdict.DEVICE_EXISTS
    for number in range(DEVICES - 3):
        stage.did("ana", DeviceAdd(stage.key(f"thief {number}"), EXCHANGE))
    stage.did("ana-paper", join)
    assert stage.send("ana", DeviceRevoke(paper)) == Verdict.DEVICE_IS_OLDER
    stage.did("ana-paper", DeviceRevoke(stage.key("ana")))
    stage.add_device("ana-paper", "laptop", "ana")
    assert stage.send("ana", TokenTransfer(stage.key("founder"), 1, b"", "")) == (
        Verdict.DEVICE_REVOKED
    )
    stage.did("laptop", TokenTransfer(stage.key("founder"), 100, b"", ""))
    assert list_states(stage, "ana") == [
        ("ana-paper", "ACTIVE"),
        ("ana", "REVOKED"),
        ("phone", "ACTIVE"),
        ("laptop", "ACTIVE"),
    ]


def test_paper_needs_the_word_of_the_account(stage: Stage) -> None:
    join = open_with_paper(stage, "ana")
    forged = replace(join, voucher=replace(join.voucher, signature=bytes(64)))
    assert stage.send("ana-paper", forged) == Verdict.VOUCHER_FORGED
    assert stage.send("eve", join) == Verdict.DEVICE_NOT_ADDED


def test_an_account_may_be_opened_without_paper() -> None:
    stage = Stage(openings_per_day=1)
    stage.did("ana", AccountOpen("ana", EXCHANGE, None, None, None))
    assert list_states(stage, "ana") == [("ana", "ACTIVE")]


def test_two_devices_spend_one_balance(stage: Stage) -> None:
    stage.join("ben")
    stage.add_device("founder", "laptop")
    payment = TokenTransfer(stage.key("ben"), 600, b"", "")
    stage.did("laptop", payment)
    assert stage.send("founder", payment) == Verdict.BALANCE_TOO_LOW
    assert (stage.available("founder"), stage.available("ben")) == (400, 600)
    # The devices' own names are no accounts.
    gift = TokenTransfer(stage.key("laptop"), 1, b"", "")
    assert stage.send("ben", gift) == Verdict.RECIPIENT_UNKNOWN
    own = TokenTransfer(stage.key("founder"), 1, b"", "")
    assert stage.send("laptop", own) == Verdict.RECIPIENT_IS_SENDER


def test_two_devices_are_one_provider_and_one_requester(stage: Stage) -> None:
    stage.join("ben")
    stage.add_device("founder", "laptop")
    stage.add_device("ben", "phone")
    task = stage.did("laptop", make_task())
    assert stage.send("founder", TaskAccept(task, 100, ())) == Verdict.PROVIDER_IS_REQUESTER
    assignment = stage.assign(task, "phone")
    stage.did("ben", TaskStart(assignment))
    delivery = stage.did("phone", TaskDeliver(assignment, RESULT, None, ()))
    stage.did("founder", TaskApprove(delivery, True, ()))
    assert stage.available("ben") == 100


def test_two_devices_have_one_voice_in_the_council() -> None:
    founder, other = Stage().key("founder"), Stage().key("other")
    stage = Stage(funds=0, council=tuple(sorted((founder, other))), council_needed=2)
    stage.add_device("founder", "laptop")
    vote = TreasuryPay(founder, 5, b"ref", "")
    stage.did("laptop", vote)
    assert stage.send("founder", vote) == Verdict.ALREADY_VOTED
    assert stage.available("founder") == 0


def test_an_invitation_is_the_accounts_but_signed_by_a_device(stage: Stage) -> None:
    stage.add_device("founder", "laptop")
    invite = stage.make_invite("ana", grant=5)
    stage.did("laptop", invite)
    wrong = stage.ticket(invite, "founder", "ana")
    assert stage.send("ana", wrong, position=1) == Verdict.CERTIFICATE_MISMATCH
    stage.positions["ana"] = 0
    stage.did("ana", stage.ticket(invite, "laptop", "ana"))
    other = stage.make_invite("ben", grant=5)
    stage.did("laptop", other)
    stage.did("founder", DeviceRevoke(stage.key("laptop")))
    assert stage.available("founder") == 990
    stage.did("founder", InviteRevoke(other.one_time))
    assert stage.available("founder") == 995
