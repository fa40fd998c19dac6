"""Opening a store: every hash is recomputed and every newest seal verified before use.

What verifies is loaded. Torn or tampered entries are named by feed and position; the sound front
of their feed stays usable, the rest waits until a peer repairs it. Nothing is deleted.
"""

from collections.abc import Sequence

import msgspec

from synaptic_crdt.errors import Forged, MalformedInput
from synaptic_crdt.state.feeds import Entry, Feed, advance_tip, decode_entries, make_seal_message
from synaptic_crdt.state.hashes import compute_body_hash, compute_entry_id
from synaptic_crdt.state.keys import verify_signature
from synaptic_crdt.state.replica import Replica
from synaptic_crdt.state.statements import verify_statement
from synaptic_crdt.state.store import Store


class Damage(msgspec.Struct, frozen=True):
    """A stored thing that does not verify: ``device`` and ``position``, or a statement."""

    device: bytes
    position: int
    reason: str

    def __str__(self) -> str:
        if not self.device:
            return f"statement {self.position}: {self.reason}"
        return f"feed {self.device.hex()} position {self.position}: {self.reason}"


class _Row(msgspec.Struct, frozen=True):
    position: int
    body_hash: bytes
    body: bytes


def load_replica(store: Store, replica: Replica) -> tuple[Damage, ...]:
    """Fill an empty replica from a store; return what is damaged in it."""
    damages: list[Damage] = []
    for device in store.get_devices():
        rows = [_Row(*row) for row in store.read_bodies(device)]
        damage = _load_feed(replica, device, rows, store.read_seals(device))
        if damage is not None:
            damages.append(damage)
    for number, statement in enumerate(store.read_statements(), 1):
        try:
            replica.add_checkpoint(verify_statement(replica.market, statement))
        except (Forged, MalformedInput) as error:
            damages.append(Damage(b"", number, str(error)))
            break
    return tuple(damages)


def _load_feed(
    replica: Replica, device: bytes, rows: Sequence[_Row], seals: Sequence[tuple[int, bytes]]
) -> Damage | None:
    feed = replica.get_feed(device)
    damage = _find_damage(replica.market, feed, rows, seals)
    sound = len(rows) if damage is None else damage.position - 1
    ids = _compute_ids(feed, [compute_body_hash(row.body) for row in rows[:sound]])
    try:
        entries = decode_entries(feed.tip, ids, [row.body for row in rows[:sound]])
    except MalformedInput as error:
        return Damage(device, 1, f"{error}; the rest of the feed is unusable")
    _extend_by_seals(replica, feed, entries, seals)
    return damage


def _find_damage(
    market: bytes, feed: Feed, rows: Sequence[_Row], seals: Sequence[tuple[int, bytes]]
) -> Damage | None:
    """Return the first damaged position, or None when the newest seal covers every body."""
    last, signature = seals[-1] if seals else (0, b"")
    is_whole = len(rows) == last and all(
        row.position == position for position, row in enumerate(rows, 1)
    )
    if is_whole and last:
        ids = _compute_ids(feed, [compute_body_hash(row.body) for row in rows])
        if _is_sealed(market, feed.device, last, ids[-1], signature):
            return None
    return _name_damage(market, feed, rows, seals)


def _name_damage(
    market: bytes, feed: Feed, rows: Sequence[_Row], seals: Sequence[tuple[int, bytes]]
) -> Damage:
    last = seals[-1][0] if seals else 0
    for position, row in enumerate(rows, 1):
        if row.position != position:
            return _trust_front(market, feed, rows, seals, position, "the entry is missing")
        if compute_body_hash(row.body) != row.body_hash:
            return _trust_front(market, feed, rows, seals, position, "the body is altered")
    if len(rows) < last:
        return _trust_front(market, feed, rows, seals, len(rows) + 1, "the entry is missing")
    sealed = _get_sealed_front(market, feed, rows, seals, len(rows))
    return Damage(feed.device, sealed + 1, "no valid seal covers the entries from here on")


def _trust_front(
    market: bytes,
    feed: Feed,
    rows: Sequence[_Row],
    seals: Sequence[tuple[int, bytes]],
    position: int,
    reason: str,
) -> Damage:
    """Return the damage at ``position`` if what stands before it can be trusted, else earlier.

    The stored body hashes, when they chain up to the newest seal, vouch for every other body.
    """
    last, signature = seals[-1] if seals else (0, b"")
    if len(rows) == last and position <= last:
        ids = _compute_ids(feed, [row.body_hash for row in rows])
        if _is_sealed(market, feed.device, last, ids[-1], signature):
            return Damage(feed.device, position, reason)
    sealed = _get_sealed_front(market, feed, rows, seals, position - 1)
    if sealed == position - 1:
        return Damage(feed.device, position, reason)
    return Damage(
        feed.device, sealed + 1, f"no valid seal up to position {position}, where {reason}"
    )


def _get_sealed_front(
    market: bytes,
    feed: Feed,
    rows: Sequence[_Row],
    seals: Sequence[tuple[int, bytes]],
    limit: int,
) -> int:
    """Return the newest position up to ``limit`` that a valid seal covers; 0 for none."""
    ids = _compute_ids(feed, [compute_body_hash(row.body) for row in rows[:limit]])
    for position, signature in reversed(seals):
        if position <= len(ids) and _is_sealed(
            market, feed.device, position, ids[position - 1], signature
        ):
            return position
    return 0


def _extend_by_seals(
    replica: Replica, feed: Feed, entries: Sequence[Entry], seals: Sequence[tuple[int, bytes]]
) -> None:
    start = 0
    for position, signature in seals:
        if start < position <= len(entries):
            segment = entries[start:position]
            replica.extend(feed, segment, advance_tip(feed.tip, segment), signature)
            start = position
    if start < len(entries):
        front = entries[start:]
        replica.extend(feed, front, advance_tip(feed.tip, front), None)


def _compute_ids(feed: Feed, body_hashes: Sequence[bytes]) -> list[bytes]:
    ids: list[bytes] = []
    chain_id = feed.origin
    for body_hash in body_hashes:
        chain_id = compute_entry_id(chain_id, body_hash)
        ids.append(chain_id)
    return ids


def _is_sealed(
    market: bytes, device: bytes, position: int, chain_id: bytes, signature: bytes
) -> bool:
    message = make_seal_message(market, position, chain_id)
    return verify_signature(device, "seal", message, signature)
