"""The second door: plain values in, typed operations out, or the refusing verdict.

Every operation is an array of its tag and its fields, all of them, in this order: no defaults, no
maps, so one operation has one encoding. The types below are the format; what bounds a field, and
in which order the bounds are asked, stands in ``form.py``. An operation that passed is never
looked at again for its form. Those along the life of a task stand in ``task_operations.py``.

Failure here is a verdict and not an error: replicas of different versions hold the same entries.
"""

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from synaptic_crdt.rules.account_operations import AccountUpdate, Attest, AttestRevoke, Consent
from synaptic_crdt.rules.council_operations import MarketSet, TokenMint
from synaptic_crdt.rules.fields import Hash, Reference, Signature
from synaptic_crdt.rules.task_operations import (
    AssignmentExtend,
    AssignmentSettle,
    DisputeEvidence,
    DisputeOpen,
    DisputeRule,
    DisputeWithdraw,
    TaskAccept,
    TaskApprove,
    TaskCancel,
    TaskDecline,
    TaskDeliver,
    TaskFail,
    TaskImprove,
    TaskPost,
    TaskProgress,
    TaskReveal,
    TaskStart,
)
from synaptic_crdt.rules.verdicts import Refusal, Verdict
from synaptic_crdt.state.codec import Value

Role = Literal["member", "auditor"]


class Certificate(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """An inviter's word, outside the document, that the holder of a one-time key may come in.

    ``issued`` is the logical timestamp of the invitation, so that whoever joins writes later.
    """

    inviter: Hash
    one_time: Hash
    role: Role
    grant: int
    expiry_ms: int
    issued: int
    signature: Signature


class Paper(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A device kept on paper, added by the opening of its account and signed for by its opener."""

    device: Hash
    exchange: Hash
    signature: Signature


class Voucher(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The word of one device of an account that another may write for it; see ``certificates``.

    ``issued`` is the logical timestamp of the addition, so that whoever joins writes later.
    """

    adder: Hash
    issued: int
    signature: Signature


class AccountOpen(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="account.open"
):
    """Open an account named by the writing device; only the first entry of a feed can.

    ``proof`` is the one-time key's signature over the new device, as kind ``invitation``.
    """

    name: str
    exchange: Hash
    paper: Paper | None
    certificate: Certificate | None
    proof: Signature | None


class InviteIssue(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="invite.issue"
):
    """Let the holder of a one-time key open an account, with a grant held for it till then."""

    one_time: Hash
    role: Role
    grant: int
    expiry_ms: int
    from_treasury: bool


class InviteRevoke(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="invite.revoke"
):
    """Take back an invitation that nobody used; the grant returns."""

    one_time: Hash


class DeviceAdd(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="device.add"
):
    """Let another device join this account; ``exchange`` is its own key to be sealed to."""

    device: Hash
    exchange: Hash


class DeviceJoin(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="device.join"
):
    """Write for an account from now on; only the first entry of a feed can."""

    account: Hash
    exchange: Hash
    voucher: Voucher


class DeviceRevoke(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="device.revoke"
):
    """End a device of this account that joined later, or take back that it was added."""

    device: Hash


class TokenTransfer(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="token.transfer"
):
    """Give tokens to another account; the reference is for machines, the memo for people."""

    to: Hash
    amount: int
    reference: Reference
    memo: str


class TreasuryPay(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="treasury.pay"
):
    """Pay from the treasury once enough of the council wrote the very same operation.

    The reference tells payments apart: what was paid under it is not paid again.
    """

    to: Hash
    amount: int
    reference: Reference
    memo: str


class Feedback(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="feedback"
):
    """Say of the other party of settled work what it was like, from 1 to 5."""

    assignment: Hash
    rating: int
    comment: str


class ForkReport(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="fork.report"
):
    """Put on record that a device signed two histories; ``proof`` is that statement's bytes."""

    proof: bytes


Operation = (
    AccountOpen
    | AccountUpdate
    | InviteIssue
    | InviteRevoke
    | DeviceAdd
    | DeviceJoin
    | DeviceRevoke
    | Consent
    | Attest
    | AttestRevoke
    | TokenTransfer
    | TokenMint
    | TreasuryPay
    | MarketSet
    | TaskPost
    | TaskImprove
    | TaskCancel
    | TaskAccept
    | TaskDecline
    | TaskReveal
    | TaskStart
    | TaskProgress
    | TaskDeliver
    | TaskFail
    | TaskApprove
    | AssignmentExtend
    | AssignmentSettle
    | DisputeOpen
    | DisputeEvidence
    | DisputeRule
    | DisputeWithdraw
    | Feedback
    | ForkReport
)

OPERATIONS: Final[Mapping[str, type[Operation]]] = {
    "account.open": AccountOpen,
    "account.update": AccountUpdate,
    "invite.issue": InviteIssue,
    "invite.revoke": InviteRevoke,
    "device.add": DeviceAdd,
    "device.join": DeviceJoin,
    "device.revoke": DeviceRevoke,
    "consent": Consent,
    "attest": Attest,
    "attest.revoke": AttestRevoke,
    "token.transfer": TokenTransfer,
    "token.mint": TokenMint,
    "treasury.pay": TreasuryPay,
    "market.set": MarketSet,
    "task.post": TaskPost,
    "task.improve": TaskImprove,
    "task.cancel": TaskCancel,
    "task.accept": TaskAccept,
    "task.decline": TaskDecline,
    "task.reveal": TaskReveal,
    "task.start": TaskStart,
    "task.progress": TaskProgress,
    "task.deliver": TaskDeliver,
    "task.fail": TaskFail,
    "task.approve": TaskApprove,
    "assignment.extend": AssignmentExtend,
    "assignment.settle": AssignmentSettle,
    "dispute.open": DisputeOpen,
    "dispute.evidence": DisputeEvidence,
    "dispute.rule": DisputeRule,
    "dispute.withdraw": DisputeWithdraw,
    "feedback": Feedback,
    "fork.report": ForkReport,
}


def parse_operation(operation: list[Value]) -> Operation | Refusal:
    """Return the typed operation of ``[tag, field, ...]``, its bounds not yet asked."""
    tag = operation[0] if operation else None
    kind = OPERATIONS.get(tag) if isinstance(tag, str) else None
    if kind is None:
        return Refusal(Verdict.UNKNOWN_OPERATION, (f"{tag!s:.60}",))
    try:
        # Without this setting text would pass for the base64 of bytes.
        return msgspec.convert(operation, kind, builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        return Refusal(Verdict.MALFORMED, (_name_field(kind, str(error)),))


def encode_operation(operation: Operation) -> list[Value]:
    """Return ``[tag, field, ...]`` as it goes into a body."""
    return _to_list(msgspec.to_builtins(operation, builtin_types=(bytes,)))


def get_tag(operation: Operation) -> str:
    """Return the operation's name."""
    tag = operation.__struct_config__.tag
    assert isinstance(tag, str)
    return tag


def _to_list(value: list[Value]) -> list[Value]:
    return [_to_list(item) if isinstance(item, (list, tuple)) else item for item in value]  # type: ignore[arg-type]


def _name_field(kind: type[Operation], message: str) -> str:
    """Say the field's name where msgspec says its place in the array, the tag being place 0."""
    for place, field in enumerate(kind.__struct_fields__, start=1):
        message = message.replace(f"`$[{place}]", f"`{field}")
    return message
