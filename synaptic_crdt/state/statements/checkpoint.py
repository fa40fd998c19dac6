"""A checkpoint: the sequencer's statement that fixes the order of a prefix, its time and root.

Judged here by its own bytes alone. Whether it counts is the chain's to say.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from synaptic_crdt.errors import MalformedInput
from synaptic_crdt.state import limits
from synaptic_crdt.state.codec import Value
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.statements.form import (
    check_counts,
    check_hashes,
    check_signed,
    compute_statement_id,
)

TAG: Final = "checkpoint"

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
    fields = _make_fields(view, index, previous, time, items, root, key.public)
    checkpoint_id = compute_statement_id(TAG, market, fields)
    return Checkpoint(
        view=view,
        index=index,
        previous=previous,
        time=time,
        frontier=items,
        root=root,
        signer=key.public,
        signature=key.sign(TAG, checkpoint_id),
        id=checkpoint_id,
    )


def get_fields(statement: Checkpoint) -> list[object]:
    """Return the fields of a checkpoint as they are encoded."""
    fields = _make_fields(
        statement.view,
        statement.index,
        statement.previous,
        statement.time,
        statement.frontier,
        statement.root,
        statement.signer,
    )
    return [*fields, statement.signature]


def verify_checkpoint(market: bytes, fields: list[Value]) -> Checkpoint:
    """Return the checkpoint of decoded fields. Raises ``MalformedInput`` or ``Forged``."""
    match fields:
        case [
            _,
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
        case _:
            raise MalformedInput("a checkpoint of another shape")
    check_counts(TAG, view=view, index=index, time=time)
    check_hashes(TAG, previous=previous, root=root, signer=signer)
    if index < 1 or time > _TIME_MS_MAX:
        raise MalformedInput(f"checkpoint: index {index} or time {time} is out of bounds")
    frontier = _read_frontier(index, items)
    checkpoint_id = compute_statement_id(TAG, market, fields[:-1])
    check_signed(TAG, checkpoint_id, signer, signature)
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
    return [TAG, view, index, previous, time, items, root, signer]
