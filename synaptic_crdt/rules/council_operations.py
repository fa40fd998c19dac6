"""What the council alone decides: parameters and new tokens. Payments are in ``operations``.

Equal entries are voices for one decision; the reference tells decisions apart.
"""

import msgspec

from synaptic_crdt.rules.fields import Hash, Reference
from synaptic_crdt.rules.genesis import Kind


class Arbitration(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Who judges disputes, and how many of them must agree to have judged."""

    accounts: tuple[Hash, ...]
    quorum: int


class MarketSet(
    msgspec.Struct,
    frozen=True,
    array_like=True,
    forbid_unknown_fields=True,
    kw_only=True,
    tag="market.set",
):
    """Change parameters of the market; null leaves one as it is."""

    kinds: tuple[Kind, ...] | None
    terms: Hash | None
    fee_ppm: int | None
    arbiters: Arbitration | None
    verifiers: tuple[Hash, ...] | None
    rules: int | None
    reference: Reference


class TokenMint(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="token.mint"
):
    """Make new tokens for the treasury, within what the genesis allows."""

    amount: int
    reference: Reference
    memo: str
