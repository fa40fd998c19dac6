"""Opening a store: every hash is recomputed and every seal verified before use.

What verifies is loaded. Torn or tampered entries are named by feed and position; the sound front
of their feed stays usable, the rest waits until a peer repairs it. Nothing is deleted.

Answers torn writes, bit rot and edited files. A tail that is gone together with its seals cannot
be seen from the store alone: peers that hold it show it.

A feed that was truncated may end in entries that no seal covers until its fixed branch arrives.
What vouches for them meanwhile is the entry that followed them, which is kept as void.
"""

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Literal

import msgspec

from synaptic_crdt.errors import Forged, MalformedInput, StoreDamaged
from synaptic_crdt.state.feeds import Entry, Feed, decode_entries, make_seal_message, split_at_seals
from synaptic_crdt.state.hashes import compute_body_hash, compute_chain
from synaptic_crdt.state.keys import verify_signature
from synaptic_crdt.state.replica import Replica
from synaptic_crdt.state.statements import (
    ChainStatement,
    Checkpoint,
    Cosignature,
    ForkProof,
    Statement,
    verify_statement,
)
from synaptic_crdt.state.store import Store, VoidEntry


class Damage(msgspec.Struct, frozen=True):
    """A stored thing that does not verify.

    ``entry``: the feed of ``device`` is usable before ``position`` only. ``hash``, ``seal``: all
    of it is usable. ``void``: that entry, which a fork made void, is lost. ``feed``: feed number
    ``position`` has lost its device. ``statement``: the one numbered ``position``.
    """

    kind: Literal["entry", "hash", "seal", "feed", "statement", "void"]
    device: bytes
    position: int
    reason: str

    def __str__(self) -> str:
        if self.kind in {"feed", "statement"}:
            return f"{self.kind} {self.position}: {self.reason}"
        return (
            f"feed {self.device.hex() or '(of no device)'} position {self.position}: {self.reason}"
        )

    def forbids_writing(self, device: bytes) -> bool:
        """Could ``device`` fork its own feed by writing before this is repaired?

        Where nothing of a feed verifies, its device's name may be what is damaged.
        """
        return self.kind == "feed" or (
            self.kind == "entry" and (self.device == device or self.position == 1)
        )


class _Stored(msgspec.Struct, frozen=True):
    """A feed as it was read: its unbroken front, and why that ends early, if it does."""

    bodies: Sequence[bytes]
    body_hashes: Sequence[bytes]
    seals: Mapping[int, bytes]
    void: Sequence[VoidEntry]
    end: str | None


def load_replica(store: Store, replica: Replica) -> tuple[Damage, ...]:
    """Fill an empty replica from a store; return what is damaged in it."""
    damages: list[Damage] = [
        Damage("feed", b"", number, "the store has lost the device whose entries these are")
        for number in store.read_nameless_feeds()
    ]
    void = store.read_void_entries()
    damages += [
        Damage("void", entry.device, entry.position, "what a fork made void is altered")
        for entry in void
        if not entry.is_sound
    ]
    for device in store.get_devices():
        feed = replica.get_feed(device)
        stored = _read_feed(store, device, [entry for entry in void if entry.device == device])
        damages += _load_feed(replica, feed, stored)
    damages += _load_statements(store, replica)
    # A crash may have come between a checkpoint and what became void by it.
    if truncations := replica.branches.take_truncations():
        store.write(truncations=truncations)
    return tuple(damages)


def _read_feed(store: Store, device: bytes, void: Sequence[VoidEntry]) -> _Stored:
    bodies: list[bytes] = []
    body_hashes: list[bytes] = []
    seals: dict[int, bytes] = {}
    end: str | None = None
    try:
        seals.update(store.read_seals(device))
        for position, body_hash, body in store.read_bodies(device):
            if position != len(bodies) + 1:
                end = "the entry is missing"
                break
            bodies.append(body)
            body_hashes.append(body_hash)
    except StoreDamaged as error:
        end = str(error)
    if end is None and len(bodies) < max(seals, default=0):
        end = "the entry is missing"
    return _Stored(bodies, body_hashes, seals, void, end)


def _load_feed(replica: Replica, feed: Feed, stored: _Stored) -> list[Damage]:
    found = [compute_body_hash(body) for body in stored.bodies]
    ids = compute_chain(feed.origin, found)
    seals = _verify_seals(replica.market, feed.device, stored.seals, ids)
    altered = _count_equal(stored.body_hashes, found)
    sound = len(ids)
    damages: list[Damage] = []
    is_vouched = sound in seals or _ends_before_void(feed.origin, ids, stored.void)
    if stored.end is not None or not is_vouched:
        sound, reason = _find_front(replica.market, feed, stored, altered, max(seals, default=0))
        damages.append(Damage("entry", feed.device, sound + 1, reason))
    elif altered < sound:
        damages.append(Damage("hash", feed.device, altered + 1, "the stored hash is altered"))
    try:
        entries = decode_entries(feed.tip, ids[:sound], stored.bodies[:sound])
    except MalformedInput as error:
        # Sealed by its device and admitted by no program that keeps the format.
        return [Damage("entry", feed.device, 1, str(error))]
    return damages + _extend(replica, feed, entries, seals)


def _ends_before_void(origin: bytes, ids: Sequence[bytes], void: Sequence[VoidEntry]) -> bool:
    """Was a feed truncated to the entries ``ids``: is what followed them kept as void?"""
    end = ids[-1] if ids else origin
    return any(
        entry.position == len(ids) + 1 and entry.predecessor == end and entry.is_sound
        for entry in void
    )


def _find_front(
    market: bytes, feed: Feed, stored: _Stored, altered: int, sealed: int
) -> tuple[int, str]:
    """Return up to where a damaged feed can be trusted, and what is wrong behind that.

    ``altered`` is the number of bodies before the first that does not have its stored hash,
    ``sealed`` the newest position whose valid seal covers all bodies up to it.
    """
    newest = max(stored.seals, default=0)
    if altered < newest <= len(stored.bodies):
        # The stored hashes, when they chain up to the newest seal, vouch for each other body.
        ids = compute_chain(feed.origin, stored.body_hashes[:newest])
        if newest in _verify_seals(market, feed.device, {newest: stored.seals[newest]}, ids):
            return altered, "the body is altered"
    if altered < len(stored.bodies):
        broken, reason = altered + 1, "the body or its stored hash is altered"
    elif stored.end is not None:
        broken, reason = altered + 1, stored.end
    else:
        return sealed, "no valid seal covers the entries from here on"
    if sealed + 1 < broken:
        reason = f"no valid seal up to position {broken}, where {reason}"
    return sealed, reason


def _extend(
    replica: Replica, feed: Feed, entries: Sequence[Entry], seals: Mapping[int, bytes]
) -> list[Damage]:
    """Hand the sound entries to the replica; return the windows whose seals are damaged."""
    damages: list[Damage] = []
    for stretch, tip in split_at_seals(feed.tip, entries, seals):
        signature = seals.get(tip.position)
        replica.extend(feed, stretch, tip, signature)
        if signature is None and tip.is_window_end:
            reason = "no valid seal of this window; it cannot be passed on"
            damages.append(Damage("seal", feed.device, tip.position, reason))
    return damages


def _load_statements(store: Store, replica: Replica) -> list[Damage]:
    damages: list[Damage] = []
    verified: list[tuple[int, Statement]] = []
    for number, data in store.read_statements():
        try:
            verified.append((number, verify_statement(replica.market, data)))
        except (Forged, MalformedInput) as error:
            damages.append(Damage("statement", b"", number, str(error)))
    # In an order in which each can be placed, whatever was repaired and stands behind its
    # successors; the proofs of signing twice last, since less counts after them.
    waiting = [(number, each) for number, each in verified if not isinstance(each, ForkProof)]
    waiting.sort(key=_get_place)
    takes_conflicts = False
    while True:
        left = [item for item in waiting if not _place(replica, item[1], takes_conflicts)]
        if len(left) == len(waiting) and takes_conflicts:
            break
        takes_conflicts = len(left) == len(waiting)
        waiting = left
    # What a fork means depends on all that counts.
    for _, statement in verified:
        if isinstance(statement, ForkProof):
            replica.add_statement(statement)
    # A view may wait for a checkpoint that never came, and what was signed in it with it; the chain
    # says so itself, and nothing is signed meanwhile.
    awaited = replica.chain.awaited
    lost = [item for item in waiting if awaited is None or item[1].view < awaited.number]
    if lost:
        number, statement = lost[0]
        damages.append(Damage("statement", b"", number, _explain_waiting(statement)))
    return damages


def _place(replica: Replica, statement: ChainStatement, takes_conflicts: bool) -> bool:  # noqa: FBT001
    """Add a statement if it has its place now; has it?"""
    judgement = replica.chain.judge(statement)
    if judgement == "too early" or (judgement == "conflict" and not takes_conflicts):
        return False
    replica.add_statement(statement)
    return True


def _get_place(item: tuple[int, ChainStatement]) -> tuple[int, int, int]:
    number, statement = item
    match statement:
        case Checkpoint():
            return statement.index, 0, number
        case Cosignature():
            return statement.index, 1, number
        case _:
            return 0, statement.view, number


def _explain_waiting(statement: Statement) -> str:
    if isinstance(statement, Checkpoint):
        return f"checkpoint {statement.index}: one before it is missing or damaged"
    return "what it stands on is missing or damaged"


def _verify_seals(
    market: bytes, device: bytes, seals: Mapping[int, bytes], ids: Sequence[bytes]
) -> dict[int, bytes]:
    """Return the seals that vouch for the chain ``ids`` of a feed's first entries."""
    return {
        position: signature
        for position, signature in seals.items()
        if 1 <= position <= len(ids)
        and verify_signature(
            device, "seal", make_seal_message(market, position, ids[position - 1]), signature
        )
    }


def _count_equal(stored: Sequence[bytes], found: Sequence[bytes]) -> int:
    """Return how many of the first hashes are as they were stored."""
    if stored == found:
        return len(found)
    pairs = zip(stored, found, strict=True)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
