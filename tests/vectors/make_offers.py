"""The vectors of offers: offers and tasks that find each other, and forms of offers.

As ``make_market``, which these belong to: ``market-offers.json`` is such a market, piece by piece;
``offer-forms.json`` are operations whose own bytes decide their verdict.

``python -m tests.vectors.make_offers`` writes a file that is not there yet.
"""

import json
from typing import Any, Final

from msgspec.structs import replace

from synaptic_crdt.rules.book_views import view_book
from synaptic_crdt.rules.market import get_rows
from synaptic_crdt.rules.offer_operations import (
    OfferPost,
    OfferRenew,
    OfferWithdraw,
    Presence,
)
from synaptic_crdt.rules.operations import Operation, encode_operation
from synaptic_crdt.rules.task_operations import ServiceLevel, TaskDecline
from synaptic_crdt.state.codec import encode
from tests.simulation.scenario import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    SECOND_MS,
    Scenario,
    make_offer,
    make_post,
)
from tests.vectors.make_market import (
    FOLDER,
    Listener,
    check_agreement,
    describe_story,
    judge,
)

_HASH: Final = b"\xaa" * 32


def make_vectors() -> dict[str, dict[str, Any]]:
    """Return the content of every file by its name, as the code has it now."""
    return {"market-offers.json": make_offers(), "offer-forms.json": make_forms()}


def make_forms() -> dict[str, Any]:
    """Return operations by name with the verdict that their form alone gives."""
    arrays = {name: encode_operation(operation) for name, operation in _list_forms().items()}
    return {
        name: {
            "operation": encode(array).hex(),
            "verdict": judge(array).value,
            "name": judge(array).name,
        }
        for name, array in arrays.items()
    }


def make_offers() -> dict[str, Any]:
    """Return a market of two providers whose offers are matched, left, given back and renewed."""
    scenario = Scenario(fund=50_000)
    requester, cheap, dear = scenario.add(5_000), scenario.add(), scenario.add()
    listener = Listener(scenario)
    scenario.sync()
    listener.hear(*scenario.peers)
    listener.close()
    ends_ms = scenario.wall_ms + DAY_MS
    # A task waits for an offer; an offer for a task, with the time of priority between them.
    first = requester.post(units=(2, 3), price=50)
    scenario.sync()
    low = cheap.write(make_offer(ask=30, units=4, expiry_ms=ends_ms))
    high = dear.write(make_offer(ask=40, units=9, expiry_ms=ends_ms))
    scenario.sync()
    listener.hear(requester, cheap, dear)
    requester.write(replace(make_post(units=(2,), price=50), priority_ms=5 * SECOND_MS))
    scenario.wait(MINUTE_MS)
    listener.hear(requester)
    listener.close()
    # Given back, a seat goes to the next; the one who gave it back has its units again.
    seat = cheap.market.contract.market.seats.get(first.entry.id + b"\0")
    assert seat is not None
    cheap.write(TaskDecline(seat.assignment, "busy"))
    listener.hear(cheap)
    listener.close()
    # Two slots later nobody is there; a task that comes then finds nobody.
    scenario.wait(2 * listener.market.genesis.slot_ms)
    requester.post(price=50)
    scenario.sync()
    cheap.write(Presence())
    dear.write(OfferRenew(high.entry.id, 2, 45, ends_ms))
    cheap.write(OfferWithdraw(low.entry.id))
    cheap.write(OfferWithdraw(low.entry.id))
    listener.hear(requester, cheap, dear)
    strict = ServiceLevel(MINUTE_MS, HOUR_MS, 1, 0, ())
    requester.write(replace(make_post(price=60), service=strict))
    requester.write(replace(make_post(price=10), auction="dutch", price_max=90))
    listener.hear(requester)
    listener.close()
    check_agreement(scenario, listener)
    market = listener.market.contract.market
    return describe_story(scenario, listener) | {
        "matches": {
            key.hex(): [row.offer.hex(), row.seat.hex(), row.ask, row.end]
            for key, row in get_rows(market.assignments, "provider")
        },
        "offers": {
            key.hex(): [row.state, row.rest, row.left, row.turn]
            for key, row in get_rows(market.offers, "number")
        },
        "book": view_book(market, listener.market.replica.machine.now, "text.answer"),
    }


def _list_forms() -> dict[str, Operation]:
    """Return offers at their bounds and beyond, one thing changed in each."""
    post = make_offer(expiry_ms=10**12, capabilities=("java", "python"))
    return {
        "offer": post,
        "listed offer": replace(post, is_standing=False),
        "renewal": OfferRenew(_HASH, 10**9, 10**12, 10**12),
        "withdrawal": OfferWithdraw(_HASH),
        "presence": Presence(),
        "offer of a kind with a capital": replace(post, kind="Kind"),
        "offer of capabilities out of order": replace(post, capabilities=("python", "java")),
        "offer of no units": replace(post, units=0),
        "renewal of too many units": OfferRenew(_HASH, 10**9 + 1, 1, 1),
        "offer for nothing": replace(post, ask=0),
        "renewal for too much": OfferRenew(_HASH, 1, 10**12 + 1, 1),
        "offer to respond at once": _change(post, response_ms=999),
        "offer to execute at once": _change(post, execution_ms=999),
        "offer of more than all presence": _change(post, uptime_ppm=10**6 + 1),
        "offer of a penalty below nothing": _change(post, penalty=-1),
        "offer of a bond below nothing": _change(post, bond=-1),
        "offer of a bond beyond all prices": _change(post, bond=10**12 + 1),
        "offer for no privacy": _change(post, privacies=()),
        "offer for privacies out of order": _change(post, privacies=("public", "private")),
        "offer to requesters beyond all scores": _change(post, requester_min=1_001),
        "offer to signers named twice": _change(post, signers=(_HASH, _HASH)),
    }


def _change(post: OfferPost, **terms: Any) -> OfferPost:  # noqa: ANN401 - any of the terms
    return replace(post, terms=replace(post.terms, **terms))


if __name__ == "__main__":
    for file, content in make_vectors().items():
        if not (FOLDER / file).exists():
            (FOLDER / file).write_text(json.dumps(content, indent=1) + "\n", "utf-8")
