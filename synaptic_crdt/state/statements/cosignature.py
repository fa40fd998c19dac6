"""A cosignature: a witness recomputed a checkpoint and found it right.

It names the view and the index beside the checkpoint, so that a witness that signs two of one
index is found out by its own two statements, whoever holds the checkpoints.
"""

from typing import Final

import msgspec

from synaptic_crdt.errors import MalformedInput
from synaptic_crdt.state.codec import Value
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.statements.checkpoint import Checkpoint
from synaptic_crdt.state.statements.form import (
    check_counts,
    check_hashes,
    check_signed,
    compute_statement_id,
)

TAG: Final = "cosignature"


class Cosignature(msgspec.Struct, frozen=True):
    """A witness's signature under the checkpoint of one view and index."""

    view: int
    index: int
    checkpoint: bytes
    signer: bytes
    signature: bytes
    id: bytes


def sign_cosignature(
    market: bytes, key: DeviceKey, *, view: int, index: int, checkpoint: bytes
) -> Cosignature:
    """Return a cosignature by a witness's device key."""
    statement_id = compute_statement_id(TAG, market, [TAG, view, index, checkpoint, key.public])
    signature = key.sign(TAG, statement_id)
    return Cosignature(view, index, checkpoint, key.public, signature, statement_id)


def cosign_checkpoint(market: bytes, key: DeviceKey, checkpoint: Checkpoint) -> Cosignature:
    """Return a witness's cosignature of a checkpoint."""
    return sign_cosignature(
        market, key, view=checkpoint.view, index=checkpoint.index, checkpoint=checkpoint.id
    )


def get_fields(statement: Cosignature) -> list[object]:
    """Return the fields of a cosignature as they are encoded."""
    return [
        TAG,
        statement.view,
        statement.index,
        statement.checkpoint,
        statement.signer,
        statement.signature,
    ]


def verify_cosignature(market: bytes, fields: list[Value]) -> Cosignature:
    """Return the cosignature of decoded fields. Raises ``MalformedInput`` or ``Forged``."""
    match fields:
        case [_, int(view), int(index), bytes(checkpoint), bytes(signer), bytes(signature)]:
            pass
        case _:
            raise MalformedInput("a cosignature of another shape")
    check_counts(TAG, view=view, index=index)
    check_hashes(TAG, checkpoint=checkpoint, signer=signer)
    if index < 1:
        raise MalformedInput("cosignature: index 0 is that of no checkpoint")
    statement_id = compute_statement_id(TAG, market, fields[:-1])
    check_signed(TAG, statement_id, signer, signature)
    return Cosignature(view, index, checkpoint, signer, signature, statement_id)
