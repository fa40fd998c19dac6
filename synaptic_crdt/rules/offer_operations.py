"""What a provider offers without waiting for a task, and that it is there to keep its word.

As in ``operations.py``: all fields, always, in this order. Lists that mean sets are strictly
ascending; ratios are in ppm.
"""

import msgspec

from synaptic_crdt.rules.fields import Hash
from synaptic_crdt.rules.task_operations import Privacy


class OfferTerms(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Which tasks an offer is meant for: limits at least so long, stakes at most so high.

    The market's arbiters are accepted always; any other judge of a task only by name.
    """

    response_ms: int
    execution_ms: int
    uptime_ppm: int
    penalty: int
    bond: int
    privacies: tuple[Privacy, ...]
    requester_min: int
    arbiters: tuple[Hash, ...]
    evaluators: tuple[Hash, ...]
    signers: tuple[Hash, ...]


class OfferPost(
    msgspec.Struct,
    frozen=True,
    array_like=True,
    forbid_unknown_fields=True,
    kw_only=True,
    tag="offer.post",
):
    """Offer so many units of a kind of work for ``ask`` each; this entry's id names the offer.

    A standing one is bound by the next task that fits; a listed one is only read by people.
    """

    kind: str
    capabilities: tuple[str, ...]
    units: int
    ask: int
    expiry_ms: int
    is_standing: bool
    terms: OfferTerms


class OfferRenew(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="offer.renew"
):
    """Offer anew, behind all others of the same ask: so many units, for so much, so long."""

    offer: Hash
    units: int
    ask: int
    expiry_ms: int


class OfferWithdraw(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="offer.withdraw"
):
    """Offer no more; what was taken already is still owed."""

    offer: Hash


class Presence(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="presence"
):
    """Show that the account is at work in this slot of market time."""
