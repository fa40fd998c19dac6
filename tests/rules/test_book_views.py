from synaptic_crdt.rules.book_views import view_book, view_offer, view_offers
from synaptic_crdt.rules.consents import make_consent
from synaptic_crdt.rules.limits import DAY_MS, MINUTE_MS
from synaptic_crdt.rules.offer_operations import OfferRenew, OfferWithdraw
from synaptic_crdt.rules.task_operations import TaskDecline
from tests.rules.conftest import START_MS, Stage, make_task
from tests.rules.offering import make_offer, stand

LATE_MS = START_MS + 30 * DAY_MS


def get_status(stage: Stage, offer: bytes) -> tuple[str, str, str]:
    view = view_offer(stage.market, offer, stage.now)
    assert view is not None
    return view["status"], view["reason"], view["explanation"]


def test_an_offer_says_what_may_come_of_it(stage: Stage) -> None:
    stage.join("ana")
    assert view_offer(stage.market, bytes(32), stage.now) is None
    listed = stage.did("ana", make_offer(is_standing=False))
    assert get_status(stage, listed) == ("listed", "", "")
    offer = stand(stage, "ana", units=1)
    assert get_status(stage, offer) == ("standing", "", "")
    stage.did("founder", make_task())
    assert get_status(stage, offer) == ("used up", "", "")
    stage.did("ana", OfferRenew(offer, 1, 100, LATE_MS))
    stage.wait(2 * stage.genesis.slot_ms)
    stage.did("founder", make_task())
    assert get_status(stage, offer) == (
        "resting",
        "absent",
        "its owner showed no presence when a task came: renew it",
    )
    stage.did("ana", OfferWithdraw(offer))
    assert get_status(stage, offer)[0] == "withdrawn"
    stage.wait(30 * DAY_MS)
    assert get_status(stage, listed)[0] == "expired"
    views = view_offers(stage.market, stage.key("ana"), stage.now)
    assert [view["offer"] for view in views] == [listed.hex(), offer.hex()]
    assert view_offers(stage.market, stage.key("founder"), stage.now) == []


def test_an_offer_whose_owner_may_not_work_says_why(stage: Stage) -> None:
    stage.join("ana")
    offer = stand(stage, "ana")
    stage.did("ana", make_consent(None))
    stage.did("founder", make_task())
    status, reason, explanation = get_status(stage, offer)
    assert (status, reason) == ("resting", "NOT_OPTED_IN")
    assert explanation.endswith("mend that and renew it")


def test_the_book_of_a_kind(stage: Stage) -> None:
    stage.join("ana")
    low = stage.did("founder", make_task(price=10, units=(2, 3)))
    high = stage.did("founder", make_task(price=20, price_max=60, auction="dutch"))
    offer = stand(stage, "ana", ask=70)
    stage.wait(5 * MINUTE_MS)
    book = view_book(stage.market, stage.now, "text.answer")
    (kind,) = book["kinds"]
    assert [row["task"] for row in kind["auctions"]] == [high.hex(), low.hex()]
    # A third of the window has passed.
    assert [row["limit"] for row in kind["auctions"]] == [33, 10]
    assert [row["free"] for row in kind["auctions"]] == [1, 2]
    assert [row["offer"] for row in kind["offers"]] == [offer.hex()]
    figures = (kind["units_asked"], kind["units_offered"], kind["best_price"], kind["lowest_ask"])
    assert figures == (6, 10, 60, 70)
    assert len(view_book(stage.market, stage.now)["kinds"]) == 4


def test_the_lowest_ask_is_anybodys_and_only_what_stands_is_offered(stage: Stage) -> None:
    stage.join("ana")
    stand(stage, "ana", ask=80, units=5)
    stage.did("ana", make_offer(is_standing=False, ask=90, units=7))
    stand(stage, "ana", ask=75, units=2)
    (kind,) = view_book(stage.market, stage.now, "text.answer")["kinds"]
    assert (kind["units_offered"], kind["lowest_ask"]) == (7, 75)


def test_an_auction_closes_with_its_first_seat(stage: Stage) -> None:
    stage.join("ana")
    task = stage.did("founder", make_task(units=(1, 1)))
    first = stage.assign(task, "ana")
    stage.wait(MINUTE_MS // 2)
    stage.did("ana", TaskDecline(first, "busy"))
    (kind,) = view_book(stage.market, stage.now, "text.answer")["kinds"]
    (auction,) = kind["auctions"]
    assert (auction["free"], auction["closes_ms"]) == (2, START_MS + 15 * MINUTE_MS)
