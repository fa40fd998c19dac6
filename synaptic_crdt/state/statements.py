"""Statements: records that verify by themselves. Seals belong to feeds; here are checkpoints.

A statement is canonical CBOR ``[kind, field, ..., signer, signature]``. Its id hashes everything
but the signature, since signatures are not unique. Fork proofs, cosignatures and handovers will
be further kinds of the same form.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from synaptic_crdt.errors import Forged, MalformedInput
from synaptic_crdt.state import limits
from synaptic_crdt.state.codec import Value, decode, encode_trusted
from synaptic_crdt.state.hashes import compute_hash
from synaptic_crdt.state.keys import DeviceKey, verify_signature

CHECKPOINT_TAG: Final = "checkpoint"

_TIME_MS_MAX: Final = limits.TIMESTAMP_MAX >> 16


class FrontierItem(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A feed that a checkpoint moves: everything up to ``position`` is included."""

    device: bytes
    position: int
    id: bytes


class Checkpoint(msgspec.Struct, frozen=True):
    """The sequencer's statement that fixes the order of a prefix, its time and its root.

    ``index`` counts from 1, ``previous`` is the id of the checkpoint before (the market id for
    the first), ``time`` is in ms, ``frontier`` is sorted by device, ``root`` is the state's.
    """

    view: int
    index: int
    previous: bytes
    time: int
    frontier: tuple[FrontierItem, ...]
    root: bytes
    signer: bytes
    signature: bytes
    id: bytes


def sign_checkpoint(
    market: bytes,
    key: DeviceKey,
    *,
    view: int,
    index: int,
    previous: bytes,
    time: int,
    frontier: Sequence[FrontierItem],
    root: bytes,
) -> Checkpoint:
    """Return a checkpoint signed by the sequencer's device key."""
    items = tuple(sorted(frontier, key=lambda item: item.device))
    checkpoint_id = _compute_id(market, view, index, previous, time, items, root, key.public)
    return Checkpoint(
        view=view,
        index=index,
        previous=previous,
        time=time,
        frontier=items,
        root=root,
        signer=key.public,
        signature=key.sign("checkpoint", checkpoint_id),
        id=checkpoint_id,
    )


def encode_statement(checkpoint: Checkpoint) -> bytes:
    """Return the bytes of a statement as they are stored and sent."""
    return encode_trusted(
        [
            *_make_fields(
                checkpoint.view,
                checkpoint.index,
                checkpoint.previous,
                checkpoint.time,
                checkpoint.frontier,
                checkpoint.root,
                checkpoint.signer,
            ),
            checkpoint.signature,
        ]
    )


def verify_statement(market: bytes, data: bytes) -> Checkpoint:
    """Return the checkpoint in ``data`` once its form and its signature hold.

    Raises ``MalformedInput`` or ``Forged``. Whether it counts is the chain's to say.
    """
    match decode(data, limits.STATEMENT_BYTES):
        case [
            "checkpoint",
            int(view),
            int(index),
            bytes(previous),
            int(time),
            list(items),
            bytes(root),
            bytes(signer),
            bytes(signature),
        ]:
            pass
        case [str(tag), *_]:
            raise MalformedInput(f"a statement of unknown kind or shape: {tag!r:.40}")
        case _:
            raise MalformedInput("a statement is [kind, field, ..., signer, signature]")
    _check_numbers(view, index, time)
    for name, value in (("previous", previous), ("root", root), ("signer", signer)):
        if len(value) != limits.HASH_BYTES:
            raise MalformedInput(f"checkpoint {index}: {name} has {len(value)} bytes, expected 32")
    frontier = _read_frontier(index, items)
    checkpoint_id = _compute_id(market, view, index, previous, time, frontier, root, signer)
    if not verify_signature(signer, CHECKPOINT_TAG, checkpoint_id, signature):
        raise Forged(f"checkpoint {index}: the signature of {signer.hex()[:16]} does not verify")
    return Checkpoint(
        view=view,
        index=index,
        previous=previous,
        time=time,
        frontier=frontier,
        root=root,
        signer=signer,
        signature=signature,
        id=checkpoint_id,
    )


def _check_numbers(view: int, index: int, time: int) -> None:
    # A bool matches int() in a pattern, so the exact type is asked for.
    if any(type(value) is not int for value in (view, index, time)):
        raise MalformedInput("checkpoint: view, index and time are integers")
    if view < 0 or index < 1 or not 0 <= time <= _TIME_MS_MAX:
        raise MalformedInput(
            f"checkpoint: view {view}, index {index} or time {time} is out of bounds"
        )


def _read_frontier(index: int, items: list[Value]) -> tuple[FrontierItem, ...]:
    if len(items) > limits.FRONTIER_ITEMS:
        raise MalformedInput(
            f"checkpoint {index}: {len(items)} feeds, limit {limits.FRONTIER_ITEMS}"
        )
    try:
        frontier = msgspec.convert(items, tuple[FrontierItem, ...], builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        raise MalformedInput(f"checkpoint {index}: frontier: {error}") from error
    previous = b""
    for item in frontier:
        if len(item.device) != limits.HASH_BYTES or len(item.id) != limits.HASH_BYTES:
            raise MalformedInput(f"checkpoint {index}: a frontier item with short hashes")
        if not 1 <= item.position <= limits.POSITION_MAX:
            raise MalformedInput(f"checkpoint {index}: position {item.position} out of bounds")
        if item.device <= previous:
            raise MalformedInput(f"checkpoint {index}: frontier is not strictly ascending")
        previous = item.device
    return frontier


def _make_fields(
    view: int,
    index: int,
    previous: bytes,
    time: int,
    frontier: Sequence[FrontierItem],
    root: bytes,
    signer: bytes,
) -> list[object]:
    items = [[item.device, item.position, item.id] for item in frontier]
    return [CHECKPOINT_TAG, view, index, previous, time, items, root, signer]


def _compute_id(
    market: bytes,
    view: int,
    index: int,
    previous: bytes,
    time: int,
    frontier: Sequence[FrontierItem],
    root: bytes,
    signer: bytes,
) -> bytes:
    fields = _make_fields(view, index, previous, time, frontier, root, signer)
    return compute_hash("checkpoint", market, encode_trusted(fields))
