"""Statements: records that verify by themselves, in no feed and in no fold.

Seals belong to feeds. The others share one form (see ``form``) and one door, here: whatever
passes ``verify_statement`` is of a known kind, has its shape and its bounds, and is signed by its
signer. Whether that signer had any business to sign it is the replica's to say.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from synaptic_crdt.errors import MalformedInput
from synaptic_crdt.state import limits
from synaptic_crdt.state.codec import Value, decode, encode_trusted
from synaptic_crdt.state.statements import checkpoint, cosignature, fork, handover
from synaptic_crdt.state.statements.checkpoint import (
    Checkpoint,
    FrontierItem,
    sign_checkpoint,
)
from synaptic_crdt.state.statements.cosignature import (
    Cosignature,
    cosign_checkpoint,
    sign_cosignature,
)
from synaptic_crdt.state.statements.fork import Branch, ForkProof, make_fork_proof
from synaptic_crdt.state.statements.handover import (
    Handover,
    Proposal,
    make_proposal,
    sign_handover,
)

__all__ = [
    "Branch",
    "ChainStatement",
    "Checkpoint",
    "Cosignature",
    "ForkProof",
    "FrontierItem",
    "Handover",
    "Proposal",
    "Statement",
    "cosign_checkpoint",
    "encode_statement",
    "find_cosigned",
    "make_fork_proof",
    "make_proposal",
    "sign_checkpoint",
    "sign_cosignature",
    "sign_handover",
    "stands_before_checkpoints",
    "verify_statement",
]

# What checkpoints and views are judged by; and beside it, what stands for itself.
ChainStatement = Checkpoint | Cosignature | Handover
Statement = ChainStatement | ForkProof

_READERS: Final[Mapping[str, Callable[[bytes, list[Value]], Statement]]] = {
    checkpoint.TAG: checkpoint.verify_checkpoint,
    cosignature.TAG: cosignature.verify_cosignature,
    fork.TAG: fork.verify_fork_proof,
    handover.TAG: handover.verify_handover,
}


def encode_statement(statement: Statement) -> bytes:
    """Return the bytes of a statement as they are stored and sent."""
    match statement:
        case Checkpoint():
            fields = checkpoint.get_fields(statement)
        case Cosignature():
            fields = cosignature.get_fields(statement)
        case ForkProof():
            fields = fork.get_fields(statement)
        case _:
            fields = handover.get_fields(statement)
    return encode_trusted(fields)


def find_cosigned(signer: bytes, statements: Iterable[bytes]) -> dict[tuple[int, int], bytes]:
    """Return, by view and index, which checkpoint a device cosigned in verified statements."""
    found: dict[tuple[int, int], bytes] = {}
    for data in statements:
        match decode(data, limits.STATEMENT_BYTES):
            case [cosignature.TAG, int(view), int(index), bytes(checkpoint), by, _] if by == signer:
                found[view, index] = checkpoint
            case _:
                pass
    return found


def stands_before_checkpoints(statement: Statement) -> bool:
    """May a counted checkpoint stand on this one? The others are judged by what counts."""
    return isinstance(statement, Cosignature | Handover)


def verify_statement(market: bytes, data: bytes) -> Statement:
    """Return the statement in ``data`` once its form and its signature hold.

    Raises ``MalformedInput`` or ``Forged``.
    """
    fields = decode(data, limits.STATEMENT_BYTES)
    match fields:
        case [str(tag), *_] if (reader := _READERS.get(tag)) is not None:
            return reader(market, fields)
        case [str(tag), *_]:
            raise MalformedInput(f"a statement of unknown kind: {tag!r:.40}")
        case _:
            raise MalformedInput("a statement is [kind, field, ..., signer, signature]")
