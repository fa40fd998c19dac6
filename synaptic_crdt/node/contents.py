"""Payloads and results as this home has them: encrypted on their way out, opened on their way in.

What is private is scanned for secrets before it is encrypted, since nobody can afterwards. What
does not fit into an entry is kept in the home as a blob. A key is kept before the entry that
commits to it is written, or money could be locked for what nobody can open.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal

import msgspec

from synaptic_crdt.errors import UsageError
from synaptic_crdt.exec.leaks import check_leaks
from synaptic_crdt.exec.payloads import ContentKey, Context, open_key
from synaptic_crdt.node.blobs import BlobStore
from synaptic_crdt.node.key_ring import KeyRing
from synaptic_crdt.node.node import Node
from synaptic_crdt.rules.devices import get_active_devices
from synaptic_crdt.rules.limits import BLOB_LEAST_BYTES, KEYS, RESULT_BYTES
from synaptic_crdt.rules.market import get_rows
from synaptic_crdt.rules.operations import parse_operation
from synaptic_crdt.rules.seats.seat import get_seat, get_seat_id, get_task
from synaptic_crdt.rules.task_form import compute_payload_hash, make_payload
from synaptic_crdt.rules.task_operations import (
    KeyShare,
    Payload,
    SealedKey,
    Shard,
    SharedContent,
    TaskDeliver,
    TaskPost,
    TaskReveal,
)

# Of all payloads of a task together, so that its entry has room for the rest.
_INLINE_BYTES: Final = RESULT_BYTES

Reach = Literal["open", "missing", "sealed", "unreadable"]


class Draft(msgspec.Struct, frozen=True):
    """A payload or result in plain, as its author gave it."""

    media_type: str
    data: bytes


class Content(msgspec.Struct, frozen=True):
    """A payload or result as it can be read here.

    ``data`` is there when it is open; a missing one has not come yet, for a sealed one this device
    was given no key, and an unreadable one is not what it should be.
    """

    reach: Reach
    data: bytes = b""


class _Sealed(msgspec.Struct, frozen=True):
    """A payload or result as it travels, its commitment if it is private, and the boxes of its key."""

    payload: Payload
    commitment: bytes | None
    keys: tuple[SealedKey, ...]
    context: Context


class Prepared(msgspec.Struct, frozen=True):
    """Shards ready to be posted, and what must be kept here before that."""

    shards: tuple[Shard, ...]
    blobs: tuple[bytes, ...]
    keys: tuple[ContentKey, ...]

    def keep(self, node: Node) -> None:
        """Keep blobs and keys, durably."""
        _keep(node, self.blobs, self.keys)


def prepare_shards(
    node: Node, drafts: Sequence[tuple[int, Draft]], *, is_private: bool
) -> Prepared:
    """Return shards for (units, payload); with a key of its own each if they are private.

    Raises ``PolicyRefused`` when a payload holds what looks like a secret.
    """
    plain = {f"seats[{place}].payload": draft.data for place, (_, draft) in enumerate(drafts)}
    check_leaks(plain, node.allowed_secrets)
    if not is_private:
        payloads, blobs = _place([draft for _, draft in drafts])
        shards = [
            Shard(units, payload, None, ())
            for (units, _), payload in zip(drafts, payloads, strict=True)
        ]
        return Prepared(tuple(shards), blobs, ())
    keys = tuple(ContentKey.make() for _ in drafts)
    sealed = [
        Draft(draft.media_type, key.encrypt(draft.data, _name_payload(node, node.account, place)))
        for place, ((_, draft), key) in enumerate(zip(drafts, keys, strict=True))
    ]
    payloads, blobs = _place(sealed)
    shards = [
        Shard(units, payload, key.commitment, ())
        for (units, _), payload, key in zip(drafts, payloads, keys, strict=True)
    ]
    return Prepared(tuple(shards), blobs, keys)


def make_delivery(node: Node, assignment_id: bytes, draft: Draft) -> TaskDeliver:
    """Return the delivery of a result, sealed to its readers where it must be; keep its parts.

    Raises ``PolicyRefused`` when it holds what looks like a secret.
    """
    check_leaks({"result": draft.data}, node.allowed_secrets)
    market = node.market.contract.market
    row = market.assignments.get(assignment_id)
    assert row is not None, assignment_id
    task = get_task(market, get_seat(market, row.seat))
    if task.privacy == "public" and task.mode == "split":
        (payload,), blobs = _place([draft])
        _keep(node, blobs, ())
        return TaskDeliver(assignment_id, payload, None, ())
    key = ContentKey.make()
    ciphertext = key.encrypt(draft.data, _name_result(node, assignment_id))
    (payload,), blobs = _place([Draft(draft.media_type, ciphertext)])
    _keep(node, blobs, (key,))
    readers = [task.requester, task.evaluator, row.provider, *task.release.signers]
    sealed = key.seal(_get_exchanges(node, _list_devices(node, readers)))
    return TaskDeliver(assignment_id, payload, key.commitment, sealed)


def make_reveal(node: Node, assignment_id: bytes) -> TaskReveal:
    """Return the revelation of a seat's key to the devices of its provider.

    Raises ``UsageError`` when there is no such key in this home.
    """
    market = node.market.contract.market
    row = market.assignments.get(assignment_id)
    assert row is not None, assignment_id
    commitment = get_seat(market, row.seat).shard.commitment
    key = _get_key_ring(node).get(commitment) if commitment else None
    if key is None:
        what = "this home did not make the key" if commitment else "the task is public"
        raise UsageError(
            f"assignment {assignment_id.hex()[:12]} awaits no key that could be revealed here:"
            f" {what}"
        )
    return TaskReveal(assignment_id, key.seal(_get_exchanges(node, row.devices)))


def make_share(node: Node, assignment_id: bytes, content: SharedContent, to: bytes) -> KeyShare:
    """Return the handing over of a key to the devices of another account.

    Raises ``UsageError`` when this home has no such key, ``Forged`` when it was given a wrong one.
    """
    market = node.market.contract.market
    row = market.assignments.get(assignment_id)
    assert row is not None, assignment_id
    seat = get_seat(market, row.seat)
    if content == "payload":
        sealed = _find_payload(node, seat.task, seat.number)
    else:
        sealed = _find_result(node, row.delivery) if row.delivery else None
    key = None if sealed is None else _find_key(node, sealed)
    if key is None:
        raise UsageError(
            f"this home has no key of the {content} of assignment {assignment_id.hex()[:12]}: it is"
            " public, or not there yet, or sealed to others"
        )
    devices = _list_devices(node, [to])
    return KeyShare(assignment_id, content, key.seal(_get_exchanges(node, devices)))


def open_payload(node: Node, task_id: bytes, seat_number: int) -> Content:
    """Return what a seat is to work on.

    Raises ``Forged`` or ``MalformedInput`` when the key that was handed over, or the content, is
    not what was committed to; ``StoreDamaged`` when it has been damaged here.
    """
    return _open(node, _find_payload(node, task_id, seat_number))


def open_result(node: Node, delivery_id: bytes) -> Content:
    """Return a result by its delivery; raises as ``open_payload`` does."""
    return _open(node, _find_result(node, delivery_id))


def get_blob_store(node: Node) -> BlobStore:
    """Return where this home keeps what is too large for an entry."""
    return BlobStore(node.home.blobs_path)


def _find_payload(node: Node, task_id: bytes, seat_number: int) -> _Sealed:
    market = node.market.contract.market
    task = market.tasks.get(task_id)
    operation = _get_operation(node, task_id)
    assert isinstance(operation, TaskPost)
    assert task is not None
    # All copies of a replicated task work on the same.
    place = 0 if task.mode == "replicate" else seat_number
    shard = operation.seats[place]
    return _Sealed(
        shard.payload,
        shard.commitment,
        (*shard.keys, *_list_handed_over(node, get_seat_id(task_id, seat_number))),
        _name_payload(node, task.requester, place),
    )


def _find_result(node: Node, delivery_id: bytes) -> _Sealed:
    operation = _get_operation(node, delivery_id)
    assert isinstance(operation, TaskDeliver)
    return _Sealed(
        operation.result,
        operation.commitment,
        (*operation.keys, *_list_shared(node, operation.assignment, "result")),
        _name_result(node, operation.assignment),
    )


def _open(node: Node, sealed: _Sealed) -> Content:
    key = _find_key(node, sealed)
    if key is None and sealed.commitment is not None:
        return Content("sealed")
    data = sealed.payload.inline
    if data is None:
        data = get_blob_store(node).get(sealed.payload.hash)
    if data is None:
        return Content("missing")
    return Content("open", data if key is None else key.decrypt(data, sealed.context))


def _find_key(node: Node, sealed: _Sealed) -> ContentKey | None:
    if sealed.commitment is None:
        return None
    own = _get_key_ring(node).get(sealed.commitment)
    return own or open_key(sealed.keys, node.key, sealed.commitment)


def _place(drafts: Sequence[Draft]) -> tuple[list[Payload], tuple[bytes, ...]]:
    """Return payloads, and those of them that travel on their own: the largest, as need be."""
    room = _INLINE_BYTES
    inline: set[int] = set()
    for place in sorted(range(len(drafts)), key=lambda place: len(drafts[place].data)):
        size = len(drafts[place].data)
        room -= size
        if room >= 0 or size < BLOB_LEAST_BYTES:
            inline.add(place)
    payloads = [
        make_payload(draft.media_type, draft.data)
        if place in inline
        else Payload(draft.media_type, len(draft.data), compute_payload_hash(draft.data), None)
        for place, draft in enumerate(drafts)
    ]
    return payloads, tuple(draft.data for place, draft in enumerate(drafts) if place not in inline)


def _keep(node: Node, blobs: Iterable[bytes], keys: Iterable[ContentKey]) -> None:
    store, ring = get_blob_store(node), _get_key_ring(node)
    for blob in blobs:
        store.put(blob)
    for key in keys:
        ring.keep(key)


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


def _list_devices(node: Node, accounts: Iterable[bytes]) -> list[bytes]:
    """Return the devices of accounts, in this order of accounts, as many as one list holds."""
    market = node.market.contract.market
    devices = (
        device
        for account in dict.fromkeys(accounts)
        for device in get_active_devices(market, account)
    )
    return list(devices)[:KEYS]


def _get_exchanges(node: Node, devices: Iterable[bytes]) -> dict[bytes, bytes]:
    table = node.market.contract.market.devices
    rows = {device: table.get(device) for device in devices}
    # One that was revoked since may be a thief's.
    return {
        device: row.exchange
        for device, row in rows.items()
        if row is not None and row.state == "ACTIVE"
    }


def _get_operation(node: Node, entry_id: bytes) -> object:
    outcome = node.replica.machine.get_outcome(entry_id)
    assert outcome is not None, entry_id
    return parse_operation(outcome.entry.operation)


def _get_key_ring(node: Node) -> KeyRing:
    return KeyRing(node.home.keys_path, node.key)


def _name_payload(node: Node, requester: bytes, place: int) -> Context:
    return Context(node.market.id, "payload", requester, place)


def _name_result(node: Node, assignment_id: bytes) -> Context:
    return Context(node.market.id, "result", assignment_id)
