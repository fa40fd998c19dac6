"""Being there for others: presence in every slot, and standing offers put back into the book.

Work in hand that asks for presence gets it. Offers are kept only if the policy says so, and only
those of this device, which would do the work. An offer that left the book for another reason than
absence waits for its owner: renewing it would change nothing of that reason.
"""

from collections.abc import Callable, Iterator

import msgspec

from synaptic_crdt.exec.policy import Policy, explain_idleness
from synaptic_crdt.rules.market import Market, get_rows
from synaptic_crdt.rules.offer_book import ABSENT
from synaptic_crdt.rules.offer_operations import OfferRenew, Presence
from synaptic_crdt.rules.offer_rows import OfferRow
from synaptic_crdt.rules.operations import Operation
from synaptic_crdt.rules.presence import get_slot


class Attendance(msgspec.Struct, frozen=True):
    """What somebody counts on: offers of this device, and work that asks for presence.

    ``is_seen`` says that this slot needs no more presence; ``absent`` would put offers back.
    """

    is_seen: bool = True
    has_offers: bool = False
    is_watched: bool = False
    absent: tuple[OfferRenew, ...] = ()


def survey_attendance(market: Market, account: bytes, device: bytes, wall_ms: int) -> Attendance:
    """Return who counts on this device, at this moment of its clock."""
    offers: list[tuple[bytes, OfferRow]] = [
        (key, row)
        for key, row in get_rows(market.offers, "account", account)
        if row.is_standing and row.device == device
    ]
    row = market.presence.get(account)
    return Attendance(
        is_seen=row is not None and row.slot >= get_slot(market, wall_ms),
        has_offers=bool(offers),
        is_watched=next(get_rows(market.assignments, "watched", account), None) is not None,
        absent=tuple(
            OfferRenew(key, row.units, row.ask, row.expiry_ms)
            for key, row in offers
            if row.rest == ABSENT
        ),
    )


def plan_attendance(
    attendance: Attendance,
    policy: Policy,
    preview: Callable[[Operation], str | None],
    *,
    is_sandbox: bool,
) -> Iterator[Presence | OfferRenew]:
    """Yield what to sign, of that which the contract would apply."""
    if explain_idleness(policy, is_sandbox=is_sandbox) is not None:
        return
    wanted: list[Presence | OfferRenew] = []
    # Who pauses takes its offers out of the book; work in hand is still attended to.
    keeps_offers = policy.keep_offers and policy.switch == "on"
    if keeps_offers:
        wanted.extend(attendance.absent)
    is_counted_on = attendance.is_watched or (keeps_offers and attendance.has_offers)
    # Renewing an offer shows presence by itself.
    if is_counted_on and not attendance.is_seen and not wanted:
        wanted.append(Presence())
    for operation in wanted:
        if preview(operation) is None:
            yield operation
