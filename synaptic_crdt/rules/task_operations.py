"""The operations along the life of a task, from its posting to the end of a dispute.

As in ``operations.py``: all fields, always, in this order. Lists that mean sets are strictly
ascending; ratios and scores are in ppm.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from synaptic_crdt.rules.fields import Hash

Mode = Literal["split", "replicate"]
Privacy = Literal["public", "private", "confidential"]
AuctionKind = Literal["first-accept", "dutch"]
SharedContent = Literal["payload", "result"]
Policy = Literal["requester", "both", "quorum"]

# A content key of 32 bytes, sealed to an exchange key: an ephemeral key, the key, a tag.
SEALED_KEY_BYTES: Final = 80
SealedBytes = Annotated[bytes, Meta(min_length=SEALED_KEY_BYTES, max_length=SEALED_KEY_BYTES)]

# The asset that everything is paid in, the only one so far: the market's token.
TOKEN: Final = 0


class Payload(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Input or result of a piece of work; ``inline`` is null when it travels on its own.

    Of what is private, all four describe the ciphertext, but the media type, which is public.
    """

    media_type: str
    size: int
    hash: Hash
    inline: bytes | None


class SealedKey(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A content key, sealed to the exchange key of one device."""

    device: Hash
    sealed: SealedBytes


class Shard(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One piece of the work. ``commitment`` is that of its content key, null when public.

    ``keys`` hands that key to devices of accounts of an ``only`` list; else it is revealed later.
    """

    units: int
    payload: Payload
    commitment: Hash | None
    keys: tuple[SealedKey, ...]


class Metric(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A figure of quality, and the least score in ppm that does not violate it."""

    slug: str
    minimum_ppm: int


class Score(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a judge found for a metric, in ppm."""

    slug: str
    value_ppm: int


class ServiceLevel(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Limits for response, execution, presence and quality; ``penalty`` is of one violation.

    ``uptime_ppm`` is the least share of presence slots between start and delivery; 0 asks none.
    """

    response_ms: int
    execution_ms: int
    uptime_ppm: int
    penalty: int
    metrics: tuple[Metric, ...]


class Release(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Whose signatures release the pay, and how long after delivery not before.

    ``requester``: its own, or the named evaluator's; ``both``: that and the provider's;
    ``quorum``: so many of the named signers', a list that is empty otherwise.
    """

    policy: Policy
    signers: tuple[Hash, ...]
    needed: int
    not_before_ms: int


class TaskPost(
    msgspec.Struct,
    frozen=True,
    array_like=True,
    forbid_unknown_fields=True,
    kw_only=True,
    tag="task.post",
):
    """Ask for work and lock price_max x units of every seat.

    ``split`` has one seat for each shard and one copy; ``replicate`` one shard in several copies.
    """

    # What is to be done.
    kind: str
    title: str
    criteria: str
    after: tuple[Hash, ...]
    mode: Mode
    copies: int
    seats: tuple[Shard, ...]
    privacy: Privacy
    verifier: Hash | None
    # For how much.
    asset: int
    auction: AuctionKind
    price_low: int
    price: int
    price_max: int
    bond: int
    # By whom.
    providers_min: int
    window_ms: int
    priority_ms: int
    capabilities: tuple[str, ...]
    reputation_min: int
    only: tuple[Hash, ...]
    exclude: tuple[Hash, ...]
    redispatch: int
    # How well, and who says so.
    service: ServiceLevel
    release: Release
    evaluator: Hash | None
    reveal_ms: int
    review_ms: int
    # Who rules when they disagree; the market's arbiters when the list is empty.
    arbiters: tuple[Hash, ...]
    quorum: int


class TaskImprove(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="task.improve"
):
    """Better a task for its providers: no figure may be worse than it was, one must be better."""

    task: Hash
    price_low: int
    price: int
    price_max: int
    bond: int
    window_ms: int
    reputation_min: int
    response_ms: int
    execution_ms: int
    penalty: int


class TaskCancel(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="task.cancel"
):
    """Close the seats that nobody works on."""

    task: Hash


class TaskAccept(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="task.accept"
):
    """Take the lowest free seat for ``ask`` a unit; this entry's id names the assignment.

    ``capabilities`` are what the provider says it is able to do.
    """

    task: Hash
    ask: int
    capabilities: tuple[str, ...]


class TaskDecline(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="task.decline"
):
    """Give back an assignment before work on it began."""

    assignment: Hash
    reason: str


class TaskReveal(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="task.reveal"
):
    """Hand the content key to the provider: sealed to devices recorded at its acceptance."""

    assignment: Hash
    keys: tuple[SealedKey, ...]


class KeyShare(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="key.share"
):
    """Hand the key of a payload or of a result to others, as a party: to an arbiter, an auditor."""

    assignment: Hash
    content: SharedContent
    keys: tuple[SealedKey, ...]


class TaskStart(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="task.start"
):
    """State that the payload is in hand and readable, and begin."""

    assignment: Hash


class TaskProgress(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="task.progress"
):
    """Say how far the work is."""

    assignment: Hash
    done_ppm: int


class TaskDeliver(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="task.deliver"
):
    """Hand over the result; this entry's id names the delivery.

    A sealed result has the commitment of its content key, and that key sealed for its readers.
    """

    assignment: Hash
    result: Payload
    commitment: Hash | None
    keys: tuple[SealedKey, ...]


class TaskFail(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="task.fail"
):
    """Admit that begun work will not be delivered; half the bond is the price of saying so."""

    assignment: Hash
    reason: str


class TaskApprove(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="task.approve"
):
    """Approve or reject a delivery, named by its entry's id, with scores by metric or without.

    The provider's own approval of what is held agrees to the proposal.
    """

    delivery: Hash
    approve: bool
    scores: tuple[Score, ...]


class AssignmentExtend(
    msgspec.Struct,
    frozen=True,
    array_like=True,
    forbid_unknown_fields=True,
    tag="assignment.extend",
):
    """Give one assignment so much more time for execution."""

    assignment: Hash
    extension_ms: int


class AssignmentSettle(
    msgspec.Struct,
    frozen=True,
    array_like=True,
    forbid_unknown_fields=True,
    tag="assignment.settle",
):
    """Name a share of the pay that would do; settled once both parties name the same."""

    assignment: Hash
    share_ppm: int


class DisputeOpen(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="dispute.open"
):
    """Let arbiters decide on a delivery; ``evidence`` are hashes of what speaks for the author."""

    delivery: Hash
    reason: str
    statement: str
    evidence: tuple[Hash, ...]


class DisputeEvidence(
    msgspec.Struct,
    frozen=True,
    array_like=True,
    forbid_unknown_fields=True,
    tag="dispute.evidence",
):
    """Add evidence to one's own side."""

    delivery: Hash
    evidence: tuple[Hash, ...]


class DisputeRule(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="dispute.rule"
):
    """As an arbiter, say which share of the pay the provider has earned, quality included."""

    delivery: Hash
    share_ppm: int


class DisputeWithdraw(
    msgspec.Struct,
    frozen=True,
    array_like=True,
    forbid_unknown_fields=True,
    tag="dispute.withdraw",
):
    """Give in, as the party that opened the dispute."""

    delivery: Hash
