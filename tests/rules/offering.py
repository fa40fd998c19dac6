"""Offers that fit what ``make_task`` posts, unless told otherwise."""

from typing import Any, Final

from msgspec.structs import replace

from synaptic_crdt.rules.limits import DAY_MS, HOUR_MS, MINUTE_MS
from synaptic_crdt.rules.offer_operations import OfferPost, OfferTerms
from synaptic_crdt.rules.offer_rows import OfferRow
from synaptic_crdt.rules.rows import AssignmentRow
from tests.rules.conftest import START_MS, Stage

TERMS: Final = OfferTerms(
    response_ms=MINUTE_MS,
    execution_ms=HOUR_MS,
    uptime_ppm=1_000_000,
    penalty=100,
    bond=100,
    privacies=("confidential", "private", "public"),
    requester_min=0,
    arbiters=(),
    evaluators=(),
    signers=(),
)


def make_offer(
    *,
    units: int = 10,
    ask: int = 100,
    is_standing: bool = True,
    kind: str = "text.answer",
    expiry_ms: int = START_MS + 30 * DAY_MS,
    capabilities: tuple[str, ...] = (),
    **terms: Any,  # noqa: ANN401 - any of the terms
) -> OfferPost:
    return OfferPost(
        kind=kind,
        capabilities=capabilities,
        units=units,
        ask=ask,
        expiry_ms=expiry_ms,
        is_standing=is_standing,
        terms=replace(TERMS, **terms),
    )


def stand(stage: Stage, name: str, **changes: Any) -> bytes:  # noqa: ANN401 - see make_offer
    """Post a standing offer."""
    return stage.did(name, make_offer(**changes))


def get_offer(stage: Stage, offer: bytes) -> OfferRow:
    row = stage.market.offers.get(offer)
    assert row is not None
    return row


def get_holder(stage: Stage, task: bytes, number: int = 0) -> str:
    """Who has a seat; nobody is the empty name."""
    row = find_assignment(stage, task, number)
    return "" if row is None else stage.names[row.provider]


def find_assignment(stage: Stage, task: bytes, number: int = 0) -> AssignmentRow | None:
    seat = stage.market.seats.get(task + bytes((number,)))
    assert seat is not None
    return stage.market.assignments.get(seat.assignment)
