"""Commands of a provider that offers work before anybody asks."""

from collections.abc import Sequence
from typing import Final

from synaptic_crdt.errors import UsageError
from synaptic_crdt.node.lookup import find_account, find_offer
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.outcomes import describe_outcome
from synaptic_crdt.node.wire import Json
from synaptic_crdt.rules.book_views import view_offer
from synaptic_crdt.rules.offer_operations import (
    OfferPost,
    OfferRenew,
    OfferTerms,
    OfferWithdraw,
    Presence,
)
from synaptic_crdt.rules.operations import Operation
from synaptic_crdt.rules.task_operations import Privacy
from synaptic_crdt.state.machine import Outcome

_SECOND_MS: Final = 1_000
_PRIVACIES: Final[tuple[Privacy, ...]] = ("confidential", "private", "public")


def post_offer(
    node: Node,
    *,
    kind: str,
    ask: int,
    units: int = 1,
    capabilities: Sequence[str] = (),
    expires_seconds: int = 86_400,
    listed: bool = False,
    response_seconds: int = 60,
    execution_seconds: int = 600,
    uptime_ppm: int = 0,
    penalty: int | None = None,
    bond: int = 0,
    privacies: Sequence[str] = ("public",),
    requester_min: int = 0,
    arbiters: Sequence[str] = (),
    evaluators: Sequence[str] = (),
    signers: Sequence[str] = (),
) -> Json:
    """Offer work; a penalty is accepted up to the ask unless told otherwise."""
    terms = OfferTerms(
        response_ms=response_seconds * _SECOND_MS,
        execution_ms=execution_seconds * _SECOND_MS,
        uptime_ppm=uptime_ppm,
        penalty=ask if penalty is None else penalty,
        bond=bond,
        privacies=_read_privacies(privacies),
        requester_min=requester_min,
        arbiters=_find_accounts(node, arbiters),
        evaluators=_find_accounts(node, evaluators),
        signers=_find_accounts(node, signers),
    )
    operation = OfferPost(
        kind=kind,
        capabilities=tuple(sorted(set(capabilities))),
        units=units,
        ask=ask,
        expiry_ms=node.get_wall_ms() + expires_seconds * _SECOND_MS,
        is_standing=not listed,
        terms=terms,
    )
    outcome = node.append(operation)
    return _tell_offer(node, outcome, outcome.entry.id)


def renew_offer(
    node: Node,
    *,
    offer: str,
    units: int | None = None,
    ask: int | None = None,
    expires_seconds: int = 86_400,
) -> Json:
    """Offer anew; figures that are not given stay as they were."""
    offer_id = find_offer(node, offer)
    row = node.market.contract.market.offers.get(offer_id)
    assert row is not None
    operation = OfferRenew(
        offer_id,
        row.units if units is None else units,
        row.ask if ask is None else ask,
        node.get_wall_ms() + expires_seconds * _SECOND_MS,
    )
    return _tell_offer(node, node.append(operation), offer_id)


def withdraw_offer(node: Node, *, offer: str) -> Json:
    """End an offer; what it has taken is still owed."""
    offer_id = find_offer(node, offer)
    return _tell_offer(node, node.append(OfferWithdraw(offer_id)), offer_id)


def show_presence(node: Node) -> Json:
    """Say that this account is at work."""
    operation: Operation = Presence()
    return describe_outcome(node, node.append(operation))


def _tell_offer(node: Node, outcome: Outcome, offer_id: bytes) -> Json:
    view = view_offer(node.market.contract.market, offer_id, node.replica.machine.now)
    return (view or {"offer": offer_id.hex()}) | describe_outcome(node, outcome)


def _read_privacies(names: Sequence[str]) -> tuple[Privacy, ...]:
    strange = sorted(set(names) - set(_PRIVACIES))
    if strange:
        raise UsageError(f"{strange[0]!r:.40} is no privacy: name {', '.join(_PRIVACIES)}")
    return tuple(privacy for privacy in _PRIVACIES if privacy in names)


def _find_accounts(node: Node, names: Sequence[str]) -> tuple[bytes, ...]:
    return tuple(sorted({find_account(node, name) for name in names}))
