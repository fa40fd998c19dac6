"""The rows of offers, and of the turns in which they stand. Under the state root.

Times are in ms of market time.
"""

from typing import Literal

from synaptic_crdt.rules.offer_operations import OfferTerms
from synaptic_crdt.state.tables import Record

OfferState = Literal["OPEN", "WITHDRAWN", "EXPIRED"]


class OfferRow(Record, frozen=True, gc=False):
    """An offer, by its entry's id; the timer of the same name ends it. Kept when it has ended.

    ``left`` of its units are not taken. Among offers of one ask the lower ``turn`` comes first.
    ``rest`` says why it is not matched until it is renewed, empty while it is: the name of the
    verdict that its owner met, or ``absent``.
    """

    number: int
    account: bytes
    device: bytes
    kind: str
    capabilities: tuple[str, ...]
    units: int
    left: int
    ask: int
    is_standing: bool
    terms: OfferTerms
    turn: int
    posted_ms: int
    expiry_ms: int
    state: OfferState
    rest: str


def is_booked(offer: OfferRow) -> bool:
    """Would the next task that fits bind this offer?"""
    return offer.is_standing and offer.state == "OPEN" and not offer.rest and offer.left > 0


class TurnRow(Record, frozen=True, gc=False):
    """How often an offer was posted or renewed: the newest turn that was given out."""

    count: int
