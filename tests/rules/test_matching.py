"""Standing offers and open tasks meet, whichever came first."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from synaptic_crdt.rules.consents import NO_CAPS, make_consent
from synaptic_crdt.rules.limits import DAY_MS, HOUR_MS, LOOKS, MINUTE_MS, SECOND_MS
from synaptic_crdt.rules.market import ONLY
from synaptic_crdt.rules.matching import compute_assignment_id
from synaptic_crdt.rules.offer_operations import OfferRenew, OfferWithdraw, Presence
from synaptic_crdt.rules.score_rows import ScoreRow
from synaptic_crdt.rules.task_operations import (
    Metric,
    Release,
    ServiceLevel,
    TaskAccept,
    TaskApprove,
    TaskCancel,
    TaskDecline,
    TaskDeliver,
    TaskFail,
    TaskImprove,
    TaskPost,
    TaskStart,
)
from synaptic_crdt.rules.verdicts import Verdict
from tests.rules.conftest import RESULT, START_MS, Stage, make_task
from tests.rules.offering import find_assignment, get_holder, get_offer, make_offer, stand

LATE_MS = START_MS + 30 * DAY_MS


@pytest.mark.parametrize("offer_first", [True, False])
def test_either_may_come_first(stage: Stage, *, offer_first: bool) -> None:
    stage.join("ana")
    if offer_first:
        offer = stand(stage, "ana", ask=40)
        task = stage.did("founder", make_task(units=(3,)))
    else:
        task = stage.did("founder", make_task(units=(3,)))
        offer = stage.did("ana", make_offer(ask=40))
    row = find_assignment(stage, task)
    assert row is not None
    assert (row.provider, row.offer, row.ask) == (stage.key("ana"), offer, 40)
    assert stage.state(task) == "PENDING"
    assert get_offer(stage, offer).left == 7
    seat = stage.market.seats.get(task + b"\0")
    assert seat is not None
    assert seat.assignment == compute_assignment_id(task, offer, 0, 0)


def test_matched_work_goes_its_way(stage: Stage) -> None:
    ana = stage.join("ana")
    offer = stand(stage, "ana", ask=40)
    task = stage.did("founder", make_task(units=(3,)))
    stage.close_epoch()
    assignment = compute_assignment_id(task, offer, 0, 0)
    stage.did("ana", TaskStart(assignment))
    delivery = stage.did("ana", TaskDeliver(assignment, RESULT, None, ()))
    stage.did("founder", TaskApprove(delivery, approve=True, scores=()))
    assert stage.market.get_available(ana) == 120
    # What was settled is used up, until the offer is renewed.
    assert get_offer(stage, offer).left == 7


def test_the_cheapest_offer_is_first_and_then_the_oldest_turn(stage: Stage) -> None:
    for name in ("ana", "bea", "cid"):
        stage.join(name)
    dear, cheap, later = (
        stand(stage, name, ask=ask, units=1)
        for name, ask in (("ana", 60), ("bea", 50), ("cid", 50))
    )
    takers = [get_holder(stage, stage.did("founder", make_task())) for _ in range(3)]
    assert takers == ["bea", "cid", "ana"]
    # Renewed, the oldest of all stands behind.
    for name, offer in (("bea", cheap), ("ana", dear), ("cid", later)):
        stage.did(name, OfferRenew(offer, 1, 50, LATE_MS))
    takers = [get_holder(stage, stage.did("founder", make_task())) for _ in range(3)]
    assert takers == ["bea", "ana", "cid"]


def test_an_offer_takes_the_best_paid_task_first_and_then_the_oldest(stage: Stage) -> None:
    stage.join("ana")
    posts = [make_task(price=price) for price in (50, 70, 60, 70)]
    tasks = [stage.did("founder", post) for post in posts]
    for expected in (1, 3, 2, 0):
        stage.did("ana", make_offer(ask=50, units=1))
        holders = [get_holder(stage, task) for task in tasks]
        assert holders[expected] == "ana"
        assert holders.count("ana") == [1, 3, 2, 0].index(expected) + 1


def test_an_offer_takes_as_many_seats_and_tasks_as_it_has_units_for(stage: Stage) -> None:
    stage.join("ana")
    large = stage.did("founder", make_task(units=(2, 9, 2), price=20))
    small = stage.did("founder", make_task(units=(3, 2), price=10))
    offer = stage.did("ana", make_offer(ask=10, units=8))
    assert [get_holder(stage, large, seat) for seat in range(3)] == ["ana", "", "ana"]
    assert [get_holder(stage, small, seat) for seat in range(2)] == ["ana", ""]
    assert get_offer(stage, offer).left == 1


def test_seats_are_shared_among_offers(stage: Stage) -> None:
    stage.join("ana")
    stage.join("bea")
    stand(stage, "ana", units=1)
    stand(stage, "bea", units=1)
    task = stage.did("founder", make_task(units=(1, 1), providers_min=2))
    assert [get_holder(stage, task, seat) for seat in range(2)] == ["ana", "bea"]
    assert stage.state(task) == "PENDING"


def test_one_reserved_seat_for_each_provider(stage: Stage) -> None:
    stage.join("ana")
    offer = stand(stage, "ana")
    task = stage.did("founder", make_task(units=(1, 1), providers_min=2))
    assert (stage.state(task, 0), stage.state(task, 1)) == ("RESERVED", "OPEN")
    # Nobody else comes: the units return, and the offer stands as before.
    stage.wait(15 * MINUTE_MS)
    assert stage.state(task, 0) == "VOID"
    assert (get_offer(stage, offer).left, get_offer(stage, offer).rest) == (10, "")


# -- the terms of an offer ---------------------------------------------------------------------


def test_terms_that_just_fit(stage: Stage) -> None:
    stage.join("ana", grant=5)
    service = ServiceLevel(MINUTE_MS, HOUR_MS, 500_000, 7, ())
    terms = {"response_ms": MINUTE_MS, "execution_ms": HOUR_MS, "uptime_ppm": 500_000}
    stand(stage, "ana", **terms, penalty=7, bond=5, privacies=("public",))
    task = stage.did("founder", make_task(service=service, bond=5))
    assert get_holder(stage, task) == "ana"


@pytest.mark.parametrize(
    "terms",
    [
        {"response_ms": MINUTE_MS + 1},
        {"execution_ms": HOUR_MS + 1},
        {"uptime_ppm": 499_999},
        {"penalty": 6},
        {"bond": 4},
        {"privacies": ("confidential", "private")},
        {"requester_min": 1},
    ],
)
def test_terms_that_do_not_fit(stage: Stage, terms: dict[str, Any]) -> None:
    stage.join("ana", grant=5)
    offer = stand(stage, "ana", **terms)
    service = ServiceLevel(MINUTE_MS, HOUR_MS, 500_000, 7, ())
    task = stage.did("founder", make_task(service=service, bond=5))
    assert stage.state(task) == "OPEN"
    # That is no fault of its owner's.
    assert get_offer(stage, offer).rest == ""
    stage.did("ana", TaskAccept(task, 100, ()))


@pytest.mark.parametrize("judge", ["arbiters", "evaluators", "signers"])
@pytest.mark.parametrize("is_known", [True, False])
def test_other_judges_only_by_name(stage: Stage, judge: str, *, is_known: bool) -> None:
    stage.join("ana")
    eve = stage.join("eve")
    changes: dict[str, Any] = {
        "arbiters": {"arbiters": (eve,), "quorum": 1},
        "evaluators": {"evaluator": eve},
        "signers": {"release": Release("quorum", (eve,), 1, 0)},
    }[judge]
    stand(stage, "ana", **({judge: (eve,)} if is_known else {}))
    task = stage.did("founder", make_task(**changes))
    assert get_holder(stage, task) == ("ana" if is_known else "")


def test_the_markets_arbiters_are_always_accepted(stage: Stage) -> None:
    stage.join("ana")
    stage.join("eve")
    stage.did("founder", make_task(price=1))
    stand(stage, "ana")
    stage.did("founder", make_task(price=1))
    founder = stage.key("founder")
    task = stage.did("founder", make_task(arbiters=(founder,), quorum=1))
    assert get_holder(stage, task) == "ana"


def test_a_task_of_several_metrics_is_taken(stage: Stage) -> None:
    stage.join("ana")
    stand(stage, "ana")
    service = ServiceLevel(MINUTE_MS, HOUR_MS, 0, 7, (Metric("accuracy", 900_000),))
    assert get_holder(stage, stage.did("founder", make_task(service=service))) == "ana"


# -- the ladder, for offers --------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"price": 99},
        {"kind": "code.review"},
        {"capabilities": ("rust",)},
        {"reputation_min": 1},
        {"auction": "dutch"},
        {"units": (11,), "price": 10},
    ],
)
def test_tasks_that_an_offer_does_not_reach(stage: Stage, changes: dict[str, Any]) -> None:
    stage.join("ana")
    offer = stand(stage, "ana", capabilities=("java", "python"))
    task = stage.did("founder", make_task(**changes))
    assert stage.state(task) == "OPEN"
    assert get_offer(stage, offer).rest == ""
    other = stage.did("founder", make_task(capabilities=("python",)))
    assert get_holder(stage, other) == "ana"


def test_an_offer_takes_no_dutch_task_when_it_comes_later(stage: Stage) -> None:
    stage.join("ana")
    task = stage.did("founder", make_task(auction="dutch"))
    stage.did("ana", make_offer())
    assert stage.state(task) == "OPEN"


def test_nobody_is_matched_with_itself(stage: Stage) -> None:
    stage.did("founder", make_consent(stage.genesis.terms))
    stand(stage, "founder")
    assert stage.state(stage.did("founder", make_task())) == "OPEN"


def test_lists_hold_for_offers(stage: Stage) -> None:
    ana, bea = stage.join("ana"), stage.join("bea")
    stand(stage, "ana", ask=1)
    stand(stage, "bea", ask=2)
    assert get_holder(stage, stage.did("founder", make_task(exclude=(ana,)))) == "bea"
    assert get_holder(stage, stage.did("founder", make_task(only=(bea,)))) == "bea"


def test_a_listed_offer_binds_nobody(stage: Stage) -> None:
    stage.join("ana")
    stand(stage, "ana", kind="code.review")
    task = stage.did("founder", make_task())
    stage.did("ana", make_offer(is_standing=False))
    assert stage.state(task) == "OPEN"
    assert stage.state(stage.did("founder", make_task())) == "OPEN"


def test_a_withdrawn_offer_binds_nobody(stage: Stage) -> None:
    stage.join("ana")
    offer = stand(stage, "ana")
    stage.did("ana", OfferWithdraw(offer))
    assert stage.state(stage.did("founder", make_task())) == "OPEN"


def test_reputation_spreads_what_an_offer_may_ask(stage: Stage) -> None:
    ana, bea = stage.join("ana"), stage.join("bea")
    stage.market.scores.set(ana, ScoreRow(provider=0, provider_ms=0, requester=0, requester_ms=0))
    stage.market.scores.set(bea, ScoreRow(provider=150, provider_ms=0, requester=0, requester_ms=0))
    stand(stage, "ana", ask=60)
    stand(stage, "bea", ask=140)
    post = make_task(price_low=50, price_max=200)
    # The cheaper one asks more than a newcomer is given.
    assert get_holder(stage, stage.did("founder", post)) == "bea"


# -- when a match is looked for ------------------------------------------------------------------


@pytest.mark.parametrize("offer_first", [True, False])
@pytest.mark.parametrize("score", [99, 100])
def test_the_well_known_go_first(stage: Stage, score: int, *, offer_first: bool) -> None:
    ana = stage.join("ana")
    stage.market.scores.set(ana, ScoreRow(score, 0, 0, 0))
    post = make_task(priority_ms=5 * SECOND_MS)
    if offer_first:
        stand(stage, "ana")
        task = stage.did("founder", post)
    else:
        task = stage.did("founder", post)
        stand(stage, "ana")
    assert get_holder(stage, task) == ("ana" if score == 100 else "")
    stage.wait(5 * SECOND_MS - 1)
    assert get_holder(stage, task) == ("ana" if score == 100 else "")
    stage.wait(1)
    assert get_holder(stage, task) == "ana"


def test_a_task_may_be_gone_before_it_opens_to_all(stage: Stage) -> None:
    stage.join("ana")
    stand(stage, "ana")
    task = stage.did("founder", make_task(priority_ms=5 * SECOND_MS))
    stage.did("founder", TaskCancel(task))
    stage.wait(5 * SECOND_MS)
    assert stage.state(task) == "CANCELLED"


@pytest.mark.parametrize("how", ["declined", "declined late", "failed", "not started", "too slow"])
def test_a_seat_that_comes_back_is_matched_again(stage: Stage, how: str) -> None:
    stage.join("ana")
    stage.join("bea")
    first = stand(stage, "ana", ask=10)
    second = stand(stage, "bea", ask=20)
    task = stage.did("founder", make_task())
    assignment = compute_assignment_id(task, first, 0, 0)
    if how != "declined":
        stage.close_epoch()
    if how in {"failed", "too slow"}:
        stage.did("ana", TaskStart(assignment))
    if how.startswith("declined"):
        stage.did("ana", TaskDecline(assignment, "busy"))
    elif how == "failed":
        stage.did("ana", TaskFail(assignment, "broken"))
    else:
        # Bea is there through it all.
        while stage.state(task) in {"ASSIGNED", "STARTED"} and get_holder(stage, task) == "ana":
            stage.wait(stage.genesis.slot_ms)
            stage.send("bea", Presence())
    row = find_assignment(stage, task)
    assert row is not None
    assert (stage.names[row.provider], row.offer) == ("bea", second)
    assert get_offer(stage, first).left == 10
    ended = stage.market.assignments.get(assignment)
    assert ended is not None
    assert ended.end


def test_a_bettered_task_is_matched_at_its_new_place(stage: Stage) -> None:
    stage.join("ana")
    stand(stage, "ana", ask=60)
    task = stage.did("founder", make_task(price=50))
    other = stage.did("founder", make_task(price=55))
    assert stage.state(task) == "OPEN"
    better = TaskImprove(task, 60, 60, 60, 0, 15 * MINUTE_MS, -1_000, MINUTE_MS, HOUR_MS, 0)
    stage.did("founder", better)
    assert (get_holder(stage, task), get_holder(stage, other)) == ("ana", "")


# -- offers that nobody keeps --------------------------------------------------------------------


def test_an_absent_owner_is_not_matched_until_it_renews(stage: Stage) -> None:
    stage.join("ana")
    offer = stand(stage, "ana")
    stage.wait(2 * stage.genesis.slot_ms)
    task = stage.did("founder", make_task())
    assert stage.state(task) == "OPEN"
    assert get_offer(stage, offer).rest == "absent"
    # It costs nothing else; and only its owner can tell that it is back for good.
    assert stage.market.scores.get(stage.key("ana")) is None
    stage.did("ana", Presence())
    assert stage.state(stage.did("founder", make_task())) == "OPEN"
    stage.did("ana", OfferRenew(offer, 1, 100, LATE_MS))
    assert get_holder(stage, task) == "ana"


def test_presence_keeps_an_offer_in_the_book(stage: Stage) -> None:
    stage.join("ana")
    stand(stage, "ana")
    for _ in range(3):
        stage.wait(stage.genesis.slot_ms)
        stage.did("ana", Presence())
    stage.wait(stage.genesis.slot_ms)
    assert get_holder(stage, stage.did("founder", make_task())) == "ana"


@pytest.mark.parametrize(("slots", "is_matched"), [(0, True), (1, True), (2, False)])
def test_presence_counts_in_its_slot_and_the_next(
    stage: Stage, slots: int, *, is_matched: bool
) -> None:
    stage.join("ana")
    stand(stage, "ana")
    slot_ms = stage.genesis.slot_ms
    # The last moment of that slot.
    stage.wait((slots + 1) * slot_ms - stage.now % slot_ms - 1)
    task = stage.did("founder", make_task())
    assert (get_holder(stage, task) == "ana") == is_matched


def make_poor(stage: Stage) -> TaskPost:
    del stage
    return make_task(bond=1)


def opt_out(stage: Stage) -> TaskPost:
    stage.did("ana", make_consent(None))
    return make_task()


def change_terms(stage: Stage) -> TaskPost:
    parameters = stage.market.get_parameters()
    stage.market.parameters.set(ONLY, replace(parameters, terms=b"n" * 32))
    return make_task()


def cap_kinds(stage: Stage) -> TaskPost:
    return cap(stage, kinds=("code.review",))


def cap_day(stage: Stage) -> TaskPost:
    return cap(stage, tasks_per_day=0)


def cap_open(stage: Stage) -> TaskPost:
    return cap(stage, open_assignments=0)


def cap(stage: Stage, **caps: Any) -> TaskPost:  # noqa: ANN401 - any of the caps
    stage.did("ana", make_consent(stage.genesis.terms, caps=replace(NO_CAPS, **caps)))
    return make_task()


def load(stage: Stage) -> TaskPost:
    task = stage.did("founder", make_task(units=(1,) * 10, price=1, kind="code.review"))
    for _ in range(10):
        stage.did("ana", TaskAccept(task, 1, ()))
    return make_task()


@pytest.mark.parametrize(
    ("spoil", "verdict"),
    [
        (make_poor, Verdict.BOND_SHORT),
        (opt_out, Verdict.NOT_OPTED_IN),
        (change_terms, Verdict.TERMS_OLD),
        (cap_kinds, Verdict.OWN_CAP_KINDS),
        (cap_day, Verdict.OWN_CAP_DAY),
        (cap_open, Verdict.OWN_CAP_OPEN),
        (load, Verdict.TOO_MANY_ASSIGNMENTS),
    ],
)
def test_an_offer_that_its_owner_cannot_keep_leaves_the_book(
    stage: Stage,
    spoil: Callable[[Stage], TaskPost],
    verdict: Verdict,
) -> None:
    stage.join("ana")
    offer = stand(stage, "ana")
    task = stage.did("founder", spoil(stage))
    assert stage.state(task) == "OPEN"
    assert get_offer(stage, offer).rest == verdict.name
    assert len(stage.market.offers.index("book")) == 0
    assert len(stage.market.offers.index("kind")) == 1


def test_no_dead_offers_stand_before_those_that_live(stage: Stage) -> None:
    """More of them than one look sees: each is asked once, and is gone."""
    for number in range(LOOKS // 4 + 1):
        stage.join(f"gone {number}")
        for _ in range(4):
            stage.did(f"gone {number}", make_offer(ask=1))
    stage.wait(2 * stage.genesis.slot_ms)
    stage.join("ana")
    stand(stage, "ana", ask=2)
    assert get_holder(stage, stage.did("founder", make_task())) == ""
    assert len(stage.market.offers.index("book")) == 5
    assert get_holder(stage, stage.did("founder", make_task())) == "ana"


def test_units_come_back_to_an_offer_once_and_never_beyond_what_it_offers(stage: Stage) -> None:
    stage.join("ana")
    offer = stand(stage, "ana", units=2)
    task = stage.did("founder", make_task(units=(2,)))
    assert len(stage.market.offers.index("book")) == 0
    stage.did("ana", OfferRenew(offer, 1, 100, LATE_MS))
    stage.did("ana", TaskDecline(compute_assignment_id(task, offer, 0, 0), "busy"))
    assert get_offer(stage, offer).left == 1


def test_used_up_it_is_back_as_soon_as_something_returns(stage: Stage) -> None:
    stage.join("ana")
    offer = stand(stage, "ana", units=2)
    task = stage.did("founder", make_task(units=(2,)))
    assert stage.state(stage.did("founder", make_task())) == "OPEN"
    stage.did("ana", TaskDecline(compute_assignment_id(task, offer, 0, 0), "busy"))
    assert get_offer(stage, offer).left == 2
    assert get_holder(stage, stage.did("founder", make_task(units=(2,)))) == "ana"
