from typing import Any

import pytest
from msgspec.structs import replace

from synaptic_crdt.rules.consents import make_consent
from synaptic_crdt.rules.limits import DAY_MS, HOUR_MS, MINUTE_MS
from synaptic_crdt.rules.offer_operations import (
    OfferPost,
    OfferRenew,
    OfferWithdraw,
    Presence,
)
from synaptic_crdt.rules.task_operations import ServiceLevel, TaskDeliver, TaskStart
from synaptic_crdt.rules.verdicts import Verdict
from tests.rules.conftest import RESULT, START_MS, Ladder, Stage, make_task
from tests.rules.offering import get_offer, make_offer

V = Verdict
MONTH_MS = 30 * DAY_MS
LATE_MS = START_MS + MONTH_MS


def test_post_ladder(stage: Stage) -> None:
    ladder = Ladder(stage, "offer.post")
    wrong: dict[str, Any] = {"kind": "no.such.kind", "is_standing": False}
    ladder.expect(V.KIND_INVALID, "nobody", make_offer(kind="No"))
    ladder.expect(V.CAPABILITIES_INVALID, "nobody", make_offer(capabilities=("b", "a")))
    for units in (0, 10**9 + 1):
        ladder.expect(V.OFFER_UNITS_OUT_OF_RANGE, "nobody", make_offer(units=units))
    for ask in (0, 10**12 + 1):
        ladder.expect(V.ASK_OUT_OF_RANGE, "nobody", make_offer(ask=ask))
    for duration in (999, MONTH_MS + 1):
        ladder.expect(V.RESPONSE_OUT_OF_RANGE, "nobody", make_offer(response_ms=duration))
    for duration in (999, MONTH_MS + 1):
        ladder.expect(V.EXECUTION_OUT_OF_RANGE, "nobody", make_offer(execution_ms=duration))
    ladder.expect(V.UPTIME_OUT_OF_RANGE, "nobody", make_offer(uptime_ppm=10**6 + 1))
    ladder.expect(V.PENALTY_OUT_OF_RANGE, "nobody", make_offer(penalty=-1))
    ladder.expect(V.OFFER_BOND_OUT_OF_RANGE, "nobody", make_offer(bond=10**12 + 1))
    for privacies in ((), ("public", "private"), ("public", "public")):
        ladder.expect(V.PRIVACIES_INVALID, "nobody", make_offer(privacies=privacies))
    ladder.expect(V.REQUESTER_MIN_OUT_OF_RANGE, "nobody", make_offer(requester_min=1_001))
    twice = (bytes(32), bytes(32))
    for name in ("arbiters", "evaluators", "signers"):
        lists: dict[str, Any] = {name: twice}
        ladder.expect(V.ACCOUNTS_DISORDERED, "nobody", make_offer(**lists))
    ladder.expect(V.ACCOUNT_UNKNOWN, "nobody", make_offer(**wrong))
    stage.join("watcher", role="auditor", opt_in=False)
    ladder.expect(V.KIND_UNKNOWN, "watcher", make_offer(**wrong))
    ladder.expect(V.AUDITOR_MAY_NOT, "watcher", make_offer(expiry_ms=stage.now))
    ana = stage.join("ana", opt_in=False)
    ladder.expect(V.NOT_OPTED_IN, "ana", make_offer(expiry_ms=stage.now))
    stage.market.consents.set(ana, replace(stage.market.get_consent(ana), terms=b"o" * 32))
    ladder.expect(V.TERMS_OLD, "ana", make_offer(expiry_ms=stage.now))
    stage.did("ana", make_consent(stage.genesis.terms))
    kinds = ("code.review", "text.answer", "text.summarize", "text.translate")
    offers = [stage.did("ana", make_offer(kind=kind)) for kind in kinds for _ in range(4)]
    ladder.expect(V.TOO_MANY_OFFERS, "ana", make_offer(expiry_ms=stage.now))
    stage.did("ana", OfferWithdraw(offers[0]))
    late = make_offer(kind="text.answer", expiry_ms=stage.now)
    ladder.expect(V.TOO_MANY_OFFERS_OF_KIND, "ana", late)
    ladder.expect(V.OFFER_TOO_SHORT, "ana", make_offer(kind="code.review", expiry_ms=stage.now))
    ladder.expect(V.OFFER_TOO_LONG, "ana", make_offer(kind="code.review", expiry_ms=LATE_MS + 1))
    offer = ladder.reach_top("ana", make_offer(kind="code.review", expiry_ms=LATE_MS))
    assert get_offer(stage, offer).number == 17


def test_renew_ladder(stage: Stage) -> None:
    ladder = Ladder(stage, "offer.renew")
    ladder.expect(V.OFFER_UNITS_OUT_OF_RANGE, "nobody", OfferRenew(bytes(32), 0, 0, 0))
    ladder.expect(V.ASK_OUT_OF_RANGE, "nobody", OfferRenew(bytes(32), 1, 0, 0))
    ladder.expect(V.ACCOUNT_UNKNOWN, "nobody", OfferRenew(bytes(32), 1, 1, 0))
    ana = stage.join("ana")
    ladder.expect(V.OFFER_UNKNOWN, "ana", OfferRenew(bytes(32), 1, 1, 0))
    offer = stage.did("ana", make_offer())
    stage.did("ana", OfferWithdraw(offer))
    renew = OfferRenew(offer, 1, 1, stage.now)
    ladder.expect(V.NOT_THE_OFFERER, "founder", renew)
    stage.did("ana", make_consent(None))
    ladder.expect(V.NOT_OPTED_IN, "ana", renew)
    stage.market.consents.set(ana, replace(stage.market.get_consent(ana), terms=b"o" * 32))
    ladder.expect(V.TERMS_OLD, "ana", renew)
    stage.did("ana", make_consent(stage.genesis.terms))
    ladder.expect(V.OFFER_ENDED, "ana", renew)
    offer = stage.did("ana", make_offer())
    ladder.expect(V.OFFER_TOO_SHORT, "ana", OfferRenew(offer, 1, 1, stage.now))
    ladder.expect(V.OFFER_TOO_LONG, "ana", OfferRenew(offer, 1, 1, stage.now + MONTH_MS + 1))
    ladder.reach_top("ana", OfferRenew(offer, 7, 9, stage.now + MONTH_MS))
    row = get_offer(stage, offer)
    assert (row.units, row.left, row.ask, row.turn) == (7, 7, 9, 3)


def test_withdraw_ladder(stage: Stage) -> None:
    ladder = Ladder(stage, "offer.withdraw")
    ladder.expect(V.ACCOUNT_UNKNOWN, "nobody", OfferWithdraw(bytes(32)))
    stage.join("ana")
    ladder.expect(V.OFFER_UNKNOWN, "ana", OfferWithdraw(bytes(32)))
    gone = stage.did("ana", make_offer())
    stage.did("ana", OfferWithdraw(gone))
    ladder.expect(V.NOT_THE_OFFERER, "founder", OfferWithdraw(gone))
    ladder.expect(V.OFFER_ENDED, "ana", OfferWithdraw(gone))
    ladder.reach_top("ana", OfferWithdraw(stage.did("ana", make_offer())))


def test_presence_ladder(stage: Stage) -> None:
    ladder = Ladder(stage, "presence")
    ladder.expect(V.ACCOUNT_UNKNOWN, "nobody", Presence())
    stage.join("ana")
    # A listed offer binds nobody: nobody counts on its owner.
    stage.did("ana", make_offer(is_standing=False))
    ladder.expect(V.NOTHING_TO_ATTEND, "ana", Presence())
    offer = stage.did("ana", make_offer())
    # Posting it has shown presence.
    ladder.expect(V.PRESENT_ALREADY, "ana", Presence())
    stage.wait(stage.genesis.slot_ms)
    stage.did("ana", OfferRenew(offer, 1, 1, LATE_MS))
    ladder.expect(V.PRESENT_ALREADY, "ana", Presence())
    stage.wait(stage.genesis.slot_ms)
    ladder.reach_top("ana", Presence())
    row = stage.market.presence.get(stage.key("ana"))
    assert row is not None
    assert row.count == 3


def test_work_that_asks_for_presence_may_be_attended(stage: Stage) -> None:
    stage.join("ana")
    service = ServiceLevel(MINUTE_MS, HOUR_MS, 500_000, 0, ())
    task = stage.did("founder", make_task(service=service))
    assignment = stage.assign(task, "ana")
    assert stage.send("ana", Presence()) == V.NOTHING_TO_ATTEND
    stage.did("ana", TaskStart(assignment))
    stage.wait(stage.genesis.slot_ms)
    stage.did("ana", Presence())
    stage.wait(stage.genesis.slot_ms)
    stage.did("ana", TaskDeliver(assignment, RESULT, None, ()))
    assert stage.send("ana", Presence()) == V.NOTHING_TO_ATTEND


def test_an_offer_ends_by_itself_and_makes_room(stage: Stage) -> None:
    stage.join("ana")
    offers = [stage.did("ana", make_offer(expiry_ms=stage.now + HOUR_MS)) for _ in range(4)]
    assert stage.send("ana", make_offer()) == V.TOO_MANY_OFFERS_OF_KIND
    stage.wait(HOUR_MS)
    assert {get_offer(stage, offer).state for offer in offers} == {"EXPIRED"}
    assert stage.send("ana", OfferRenew(offers[0], 1, 1, LATE_MS)) == V.OFFER_ENDED
    stage.did("ana", make_offer())


def test_a_renewal_moves_the_end_and_binds_the_renewing_device(stage: Stage) -> None:
    stage.join("ana")
    offer = stage.did("ana", make_offer(expiry_ms=stage.now + HOUR_MS))
    stage.add_device("ana", "desk")
    stage.did("desk", OfferRenew(offer, 1, 1, stage.now + 2 * HOUR_MS))
    stage.wait(HOUR_MS)
    row = get_offer(stage, offer)
    assert (row.state, row.device) == ("OPEN", stage.key("desk"))
    stage.wait(HOUR_MS)
    assert get_offer(stage, offer).state == "EXPIRED"


@pytest.mark.parametrize("change", [{"units": 10**9}, {"ask": 10**12}, {"bond": 10**12}])
def test_the_largest_figures_are_taken(stage: Stage, change: dict[str, Any]) -> None:
    stage.join("ana")
    post = make_offer(**change)
    assert isinstance(post, OfferPost)
    stage.did("ana", post)
