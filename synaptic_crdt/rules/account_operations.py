"""What an account says of itself, and verifiers of others: name, consent, attestations.

The types are the format, as everywhere: see ``operations``.
"""

from typing import Literal

import msgspec

from synaptic_crdt.rules.fields import Hash


class AccountUpdate(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="account.update"
):
    """Take another name. Nothing depends on it: an account is named by its key."""

    name: str


class Caps(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """How much work an account takes at most, by its own will; null is no cap.

    The contract holds the account to it: whoever writes for it cannot take more.
    """

    tasks_per_day: int | None
    units_per_task: int | None
    open_assignments: int | None
    kinds: tuple[str, ...] | None


class Consent(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="consent"
):
    """Opt in to the terms of this hash, or out of all with null; and on which conditions.

    It stands as a whole in place of what the account said before.
    """

    terms: Hash | None
    caps: Caps
    requester_min: int
    blocked: tuple[Hash, ...]


class Attest(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="attest"
):
    """Vouch for an account, as a verifier; this entry's id names the attestation.

    Nothing is proven: the proof is the verifier's word.
    """

    account: Hash
    claim: str
    expiry_ms: int
    proof: Literal["word"]


class AttestRevoke(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="attest.revoke"
):
    """Take an attestation back."""

    attestation: Hash
