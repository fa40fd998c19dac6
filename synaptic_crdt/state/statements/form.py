"""The form that every statement has: canonical CBOR ``[kind, field, ..., signer, signature]``.

A statement's id hashes everything but the signature, since signatures are not unique; the
signature is over the id. A kind adds the shape and the bounds of its own fields.
"""

from collections.abc import Sequence
from typing import Literal

from synaptic_crdt.errors import Forged, MalformedInput
from synaptic_crdt.state import limits
from synaptic_crdt.state.codec import Value, encode_trusted
from synaptic_crdt.state.hashes import compute_hash
from synaptic_crdt.state.keys import verify_signature

SignedKind = Literal["checkpoint", "cosignature", "handover"]


def compute_statement_id(kind: SignedKind, market: bytes, fields: Sequence[object]) -> bytes:
    """Return the id of a statement, from all its fields but the signature."""
    return compute_hash(kind, market, encode_trusted(list(fields)))


def check_signed(kind: SignedKind, statement_id: bytes, signer: bytes, signature: bytes) -> None:
    """Raise ``Forged`` unless ``signer`` signed a statement of this id."""
    if not verify_signature(signer, kind, statement_id, signature):
        raise Forged(f"{kind}: the signature of {signer.hex()[:16]} does not verify")


def check_counts(kind: SignedKind, **values: Value) -> None:
    """Raise ``MalformedInput`` unless every value is an integer from 0 on."""
    for name, value in values.items():
        # A bool matches int() in a pattern, so the exact type is asked for.
        if type(value) is not int or value < 0:
            raise MalformedInput(f"{kind}: {name} {value!r:.40} is no integer from 0 on")


def check_hashes(kind: SignedKind, **values: Value) -> None:
    """Raise ``MalformedInput`` unless every value is a string of 32 bytes."""
    for name, value in values.items():
        if not isinstance(value, bytes) or len(value) != limits.HASH_BYTES:
            raise MalformedInput(f"{kind}: {name} is not a string of 32 bytes")
