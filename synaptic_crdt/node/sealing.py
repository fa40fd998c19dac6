"""Payloads and results on their way out: scanned, encrypted, placed, and their keys handed out.

What is private is scanned for secrets before it is encrypted, since nobody can afterwards. What
does not fit into an entry is kept in the home as a blob. A key is kept before the entry that
commits to it is written, or money could be locked for what nobody can open. Nothing here decides
when a key may be handed out.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from synaptic_crdt.errors import UsageError
from synaptic_crdt.exec.leaks import check_leaks
from synaptic_crdt.exec.payloads import ContentKey
from synaptic_crdt.node.contents import (
    find_key,
    find_payload,
    find_result,
    get_blob_store,
    get_key_ring,
    name_payload,
    name_result,
)
from synaptic_crdt.node.node import Node
from synaptic_crdt.rules.devices import get_active_devices
from synaptic_crdt.rules.limits import BLOB_LEAST_BYTES, KEYS, RESULT_BYTES
from synaptic_crdt.rules.seats.seat import get_seat, get_task
from synaptic_crdt.rules.task_form import compute_payload_hash, make_payload
from synaptic_crdt.rules.task_operations import (
    SEALED_KEY_BYTES,
    KeyShare,
    Payload,
    Shard,
    SharedContent,
    TaskDeliver,
    TaskReveal,
)
from synaptic_crdt.state.limits import HASH_BYTES, KIB

# Of all payloads of a task together, so that its entry has room for the rest.
_INLINE_BYTES: Final = RESULT_BYTES
# Of all boxes of keys in a posting together, out of that room: some 140 of them.
_BOXES_BYTES: Final = 16 * KIB
_BOX_BYTES: Final = HASH_BYTES + SEALED_KEY_BYTES + 5  # with the heads that an encoding has

# Devices with their exchange keys.
Exchanges = Mapping[bytes, bytes]


class Draft(msgspec.Struct, frozen=True):
    """A payload or result in plain, as its author gave it."""

    media_type: str
    data: bytes


class Readers(msgspec.Struct, frozen=True):
    """Accounts that are handed a key, and their devices with the exchange keys of these."""

    accounts: tuple[bytes, ...]
    exchanges: Exchanges


class Prepared(msgspec.Struct, frozen=True):
    """Shards ready to be posted, and what must be kept here before that."""

    shards: tuple[Shard, ...]
    blobs: tuple[bytes, ...]
    keys: tuple[ContentKey, ...]

    def keep(self, node: Node) -> None:
        """Keep blobs and keys, durably."""
        _keep(node, self.blobs, self.keys)


def choose_readers(node: Node, accounts: Iterable[bytes], shards: int) -> Readers:
    """Return those of some accounts whose devices a posting of so many shards has boxes for.

    All devices of an account or none: the first whose devices do not fit, and no later one that does.
    """
    market = node.market.contract.market
    room = min(KEYS, _BOXES_BYTES // _BOX_BYTES // shards)
    chosen: list[bytes] = []
    exchanges: dict[bytes, bytes] = {}
    for account in accounts:
        own = _get_exchanges(node, get_active_devices(market, account))
        if len(exchanges) + len(own) > room:
            break
        chosen.append(account)
        exchanges |= own
    return Readers(tuple(chosen), exchanges)


def prepare_shards(
    node: Node,
    drafts: Sequence[tuple[int, Draft]],
    *,
    is_private: bool,
    readers: Exchanges | None = None,
) -> Prepared:
    """Return shards for (units, payload); with a key of its own each if they are private.

    ``readers`` are devices that get the keys with the posting itself. Raises ``PolicyRefused`` when a payload holds what looks like a secret.
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
        Draft(draft.media_type, key.encrypt(draft.data, name_payload(node, node.account, place)))
        for place, ((_, draft), key) in enumerate(zip(drafts, keys, strict=True))
    ]
    boxes = readers or {}
    payloads, blobs = _place(sealed, _INLINE_BYTES - len(boxes) * len(drafts) * _BOX_BYTES)
    shards = [
        Shard(units, payload, key.commitment, key.seal(boxes))
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
    ciphertext = key.encrypt(draft.data, name_result(node, assignment_id))
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
    key = get_key_ring(node).get(commitment) if commitment else None
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
        sealed = find_payload(node, seat.task, seat.number)
    else:
        sealed = find_result(node, row.delivery) if row.delivery else None
    key = None if sealed is None else find_key(node, sealed)
    if key is None:
        raise UsageError(
            f"this home has no key of the {content} of assignment {assignment_id.hex()[:12]}: it is"
            " public, or not there yet, or sealed to others"
        )
    devices = _list_devices(node, [to])
    return KeyShare(assignment_id, content, key.seal(_get_exchanges(node, devices)))


def _place(
    drafts: Sequence[Draft], room: int = _INLINE_BYTES
) -> tuple[list[Payload], tuple[bytes, ...]]:
    """Return payloads, and those of them that travel on their own: the largest, as need be."""
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
    store, ring = get_blob_store(node), get_key_ring(node)
    for blob in blobs:
        store.put(blob)
    for key in keys:
        ring.keep(key)


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
