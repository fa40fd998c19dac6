"""Payloads and results as this home can read them: found, and opened with the key it was given.

A key is compared with its commitment before anything is decrypted with it, and a blob with its name
whenever it is read. How contents are made and handed out is in ``sealing``.
"""

from collections.abc import Iterator
from typing import Literal

import msgspec

from synaptic_crdt.errors import Forged
from synaptic_crdt.exec.payloads import ContentKey, Context, open_key
from synaptic_crdt.node.blobs import BlobStore
from synaptic_crdt.node.key_ring import KeyRing
from synaptic_crdt.node.node import Node
from synaptic_crdt.rules.devices import get_active_devices
from synaptic_crdt.rules.market import get_rows
from synaptic_crdt.rules.operations import parse_operation
from synaptic_crdt.rules.seats.seat import get_seat_id
from synaptic_crdt.rules.task_operations import (
    KeyShare,
    Payload,
    SealedKey,
    SharedContent,
    TaskDeliver,
    TaskPost,
    TaskReveal,
)

Reach = Literal["open", "missing", "sealed", "unreadable"]


class Content(msgspec.Struct, frozen=True):
    """A payload or result as it can be read here.

    ``data`` is there when it is open; a missing one has not come yet, for a sealed one this device
    was given no key, and an unreadable one is not what it should be.
    """

    reach: Reach
    data: bytes = b""


class Sealed(msgspec.Struct, frozen=True):
    """A payload or result as it travels, its commitment if it is private, and the boxes of its key."""

    payload: Payload
    commitment: bytes | None
    keys: tuple[SealedKey, ...]
    context: Context


def open_payload(node: Node, task_id: bytes, seat_number: int) -> Content:
    """Return what a seat is to work on.

    Raises ``Forged`` or ``MalformedInput`` when the key that was handed over, or the content, is
    not what was committed to; ``StoreDamaged`` when it has been damaged here.
    """
    return _open(node, find_payload(node, task_id, seat_number))


def open_result(node: Node, delivery_id: bytes) -> Content:
    """Return a result by its delivery; raises as ``open_payload`` does."""
    return _open(node, find_result(node, delivery_id))


def get_blob_store(node: Node) -> BlobStore:
    """Return where this home keeps what is too large for an entry."""
    return BlobStore(node.home.blobs_path)


def explain_keys(node: Node, task_id: bytes) -> str:
    """Say why a posting that hands out its key hands none to this device; empty when it does.

    Also when it hands out none to this account: then one is revealed later.
    """
    posting = _get_posting(node, task_id)
    own = set(get_active_devices(node.market.contract.market, node.account))
    for number, shard in enumerate(posting.seats):
        if shard.commitment is None or not any(key.device in own for key in shard.keys):
            continue
        try:
            key = open_key(shard.keys, node.key, shard.commitment)
        except Forged:
            return f"the key that its posting hands out for seat {number} is not the right one"
        if key is None:
            return "its posting hands the key to other devices of this account"
    return ""


def find_payload(node: Node, task_id: bytes, seat_number: int) -> Sealed:
    """Return what a seat is to work on, as it travels."""
    market = node.market.contract.market
    task = market.tasks.get(task_id)
    assert task is not None
    # All copies of a replicated task work on the same.
    place = 0 if task.mode == "replicate" else seat_number
    shard = _get_posting(node, task_id).seats[place]
    return Sealed(
        shard.payload,
        shard.commitment,
        (*shard.keys, *_list_handed_over(node, get_seat_id(task_id, seat_number))),
        name_payload(node, task.requester, place),
    )


def find_result(node: Node, delivery_id: bytes) -> Sealed:
    """Return a result by its delivery, as it travels."""
    operation = _get_operation(node, delivery_id)
    assert isinstance(operation, TaskDeliver)
    return Sealed(
        operation.result,
        operation.commitment,
        (*operation.keys, *_list_shared(node, operation.assignment, "result")),
        name_result(node, operation.assignment),
    )


def find_key(node: Node, sealed: Sealed) -> ContentKey | None:
    """Return the key of what is sealed, if this device made it or was given it.

    Raises ``Forged`` when it was given a wrong one.
    """
    if sealed.commitment is None:
        return None
    own = get_key_ring(node).get(sealed.commitment)
    return own or open_key(sealed.keys, node.key, sealed.commitment)


def get_key_ring(node: Node) -> KeyRing:
    """Return where this home keeps the keys that its device made."""
    return KeyRing(node.home.keys_path, node.key)


def name_payload(node: Node, requester: bytes, place: int) -> Context:
    """Return what a payload is bound to: its requester, and its place among the shards."""
    return Context(node.market.id, "payload", requester, place)


def name_result(node: Node, assignment_id: bytes) -> Context:
    """Return what a result is bound to: its assignment."""
    return Context(node.market.id, "result", assignment_id)


def _open(node: Node, sealed: Sealed) -> Content:
    key = find_key(node, sealed)
    if key is None and sealed.commitment is not None:
        return Content("sealed")
    data = sealed.payload.inline
    if data is None:
        data = get_blob_store(node).get(sealed.payload.hash)
    if data is None:
        return Content("missing")
    return Content("open", data if key is None else key.decrypt(data, sealed.context))


def _list_handed_over(node: Node, seat_id: bytes) -> Iterator[SealedKey]:
    """Yield the boxes of a seat's key: those of its providers, and those of others."""
    for assignment_id, row in get_rows(node.market.contract.market.assignments, "seat", seat_id):
        if row.revealed:
            operation = _get_operation(node, row.revealed)
            assert isinstance(operation, TaskReveal)
            yield from operation.keys
        yield from _list_shared(node, assignment_id, "payload")


def _list_shared(node: Node, assignment_id: bytes, content: SharedContent) -> Iterator[SealedKey]:
    shares = get_rows(node.market.contract.market.key_shares, "assignment", assignment_id)
    for entry_id, row in shares:
        if row.content == content:
            operation = _get_operation(node, entry_id)
            assert isinstance(operation, KeyShare)
            yield from operation.keys


def _get_posting(node: Node, task_id: bytes) -> TaskPost:
    operation = _get_operation(node, task_id)
    assert isinstance(operation, TaskPost)
    return operation


def _get_operation(node: Node, entry_id: bytes) -> object:
    outcome = node.replica.machine.get_outcome(entry_id)
    assert outcome is not None, entry_id
    return parse_operation(outcome.entry.operation)
