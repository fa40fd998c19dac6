"""Opening a store: a saved state is verified, and what lies behind it is used unread; of the rest,
every hash is recomputed and every seal verified. Without a saved state that is everything.

What verifies is loaded. Torn or tampered entries are named by feed and position; the sound front
of their feed stays usable, the rest waits until a peer repairs it. Nothing is deleted.

Answers torn writes, bit rot and edited files. A tail that is gone together with its seals cannot
be seen from the store alone: peers that hold it show it.
"""

from collections.abc import Container, Mapping, Sequence
from itertools import takewhile
from typing import Literal

import msgspec

from synaptic_crdt.errors import BodyArchived, Forged, MalformedInput, StoreDamaged
from synaptic_crdt.state.checkpoints import CheckpointChain
from synaptic_crdt.state.feeds import Entry, decode_entries, make_seal_message, split_at_seals
from synaptic_crdt.state.hashes import compute_body_hash, compute_chain
from synaptic_crdt.state.held import Feed
from synaptic_crdt.state.keys import verify_signature
from synaptic_crdt.state.replica import Replica
from synaptic_crdt.state.resuming import Base, find_base
from synaptic_crdt.state.shelf import Shelf
from synaptic_crdt.state.statements import (
    ChainStatement,
    Checkpoint,
    Cosignature,
    ForkProof,
    verify_statement,
)
from synaptic_crdt.state.store import Store

# Bodies by device and position.
Archived = Mapping[tuple[bytes, int], bytes]


class Damage(msgspec.Struct, frozen=True):
    """A stored thing that does not verify.

    ``entry``: the feed of ``device`` is usable before ``position`` only. ``hash``, ``seal``: all
    of it is usable. ``void``: that entry, which a fork made void, is lost. ``feed``: feed number
    ``position`` has lost its device. ``statement``: the one numbered ``position``. ``saved``: what
    was saved was set aside, and every entry verified and folded again.
    """

    kind: Literal["entry", "hash", "seal", "feed", "statement", "void", "saved"]
    device: bytes
    position: int
    reason: str

    def __str__(self) -> str:
        if self.kind == "saved":
            return f"saved state: {self.reason}; everything was verified and folded anew"
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
    """A feed as it was read: its unbroken front after a position, and why that ends early, if so."""

    start: int
    bodies: Sequence[bytes]
    body_hashes: Sequence[bytes]
    seals: Mapping[int, bytes]
    end: str | None


def load_replica(store: Store, replica: Replica) -> tuple[Damage, ...]:
    """Fill an empty replica from a store and its saved states; return what is damaged in it.

    Raises ``StoreDamaged`` when bodies are archived that cannot be done without.
    """
    damages, forks = _load_chain(store, replica)
    base, flaw = None, store.saved.find_flaw()
    try:
        base = None if flaw else find_base(store.saved, replica.chain, store.get_devices())
    except StoreDamaged as error:
        flaw = str(error)
    if base is None and store.is_archived:
        raise StoreDamaged(
            f"{store.path}: saved state: {flaw or 'no counted checkpoint claims it'}; it cannot be"
            " made again while entries before it are archived: read them back with"
            " `synaptic-crdt archive restore FILE`"
        )
    if flaw:
        store.saved.clear()
    replica.begin_with(store.saved)
    if base is not None:
        replica.begin_at(base.state, store.saved)
    shelf = Shelf(replica.market, store.saved)
    damages += _load_rest(store, replica, base and (base, shelf), forks)
    # What is damaged in storage is sound in memory alone, as far as it is.
    if not damages:
        replica.leave_final(shelf)
    if flaw:
        damages.append(Damage("saved", b"", 0, flaw))
    replica.keep_closed()
    return tuple(damages)


def replay_store(store: Store, replica: Replica, archived: Archived) -> tuple[Damage, ...]:
    """Fill an empty replica from a store's entries alone; return what is damaged in it.

    ``archived`` are the bodies that were moved to archives, by device and position. Raises
    ``BodyArchived`` for one that is in none.
    """
    damages, forks = _load_chain(store, replica)
    return (*damages, *_load_rest(store, replica, None, forks, archived))


def _load_rest(
    store: Store,
    replica: Replica,
    base: tuple[Base, Shelf] | None,
    forks: Sequence[ForkProof],
    archived: Archived | None = None,
) -> list[Damage]:
    """Load what a base and its shelf leave: entries and forks; and follow what counts."""
    damages: list[Damage] = [
        Damage("feed", b"", number, "the store has lost the device whose entries these are")
        for number in store.read_nameless_feeds()
    ]
    damages += [
        Damage("void", entry.device, entry.position, "what a fork made void is altered")
        for entry in store.read_void_entries()
        if not entry.is_sound
    ]
    for device in store.get_devices():
        feed = replica.get_feed(device)
        if base is not None:
            state, shelf = base
            state.place(shelf, feed, store.read_seals(device))
        stored = _read_feed(store, feed, archived or {})
        damages += _load_feed(replica, feed, stored)
    replica.follow()
    # What a fork means depends on all that counts.
    for proof in forks:
        replica.add_statement(proof)
    return damages


def _read_feed(store: Store, feed: Feed, archived: Archived) -> _Stored:
    """Read what is stored of a feed beyond what is held of it already."""
    start, device = feed.position, feed.device
    bodies: list[bytes] = []
    body_hashes: list[bytes] = []
    seals: dict[int, bytes] = {}
    end: str | None = None
    try:
        seals.update(item for item in store.read_seals(device) if item[0] > start or not start)
        for position, body_hash, body in store.read_bodies(device, start):
            if position != start + len(bodies) + 1:
                end = "the entry is missing"
                break
            if not body and store.is_archived:
                if (device, position) not in archived:
                    raise BodyArchived(
                        f"feed {device.hex()} position {position}: the body was moved to an"
                        " archive that was not named; name each with --archive FILE"
                    )
                body = archived[device, position]  # noqa: PLW2901
            bodies.append(body)
            body_hashes.append(body_hash)
    except StoreDamaged as error:
        end = str(error)
    if end is None and start + len(bodies) < max(seals, default=0):
        end = "the entry is missing"
    return _Stored(start, bodies, body_hashes, seals, end)


def _load_feed(replica: Replica, feed: Feed, stored: _Stored) -> list[Damage]:
    start = stored.start
    found = [compute_body_hash(body) for body in stored.bodies]
    ids = compute_chain(feed.head, found)
    seals = _verify_seals(replica.market, feed, stored.seals, ids)
    altered = start + _count_equal(stored.body_hashes, found)
    sound = start + len(ids)
    damages: list[Damage] = []
    # What a saved state includes is vouched for by its root.
    is_vouched = sound in seals or 0 < sound == start
    if stored.end is not None or not is_vouched:
        sound, reason = _find_front(
            replica.market, feed, stored, altered, max(seals, default=start)
        )
        damages.append(Damage("entry", feed.device, sound + 1, reason))
    elif altered < sound:
        damages.append(Damage("hash", feed.device, altered + 1, "the stored hash is altered"))
    try:
        entries = decode_entries(feed.tip, ids[: sound - start], stored.bodies[: sound - start])
    except MalformedInput as error:
        # Sealed by its device and admitted by no program that keeps the format.
        entries, damages = [], [Damage("entry", feed.device, start + 1, str(error))]
    damages += _extend(feed, entries, seals)
    if feed.position:
        replica.hold(feed, entries)
    return damages


def _find_front(
    market: bytes, feed: Feed, stored: _Stored, altered: int, sealed: int
) -> tuple[int, str]:
    """Return up to where a damaged feed can be trusted, and what is wrong behind that.

    ``altered`` is the position before the first body that does not have its stored hash,
    ``sealed`` the newest position whose valid seal covers all bodies up to it.
    """
    end = stored.start + len(stored.bodies)
    newest = max(stored.seals, default=0)
    if altered < newest <= end:
        # The stored hashes, when they chain up to the newest seal, vouch for each other body.
        ids = compute_chain(feed.head, stored.body_hashes[: newest - stored.start])
        if newest in _verify_seals(market, feed, {newest: stored.seals[newest]}, ids):
            return altered, "the body is altered"
    if altered < end:
        broken, reason = altered + 1, "the body or its stored hash is altered"
    elif stored.end is not None:
        broken, reason = altered + 1, stored.end
    else:
        return sealed, "no valid seal covers the entries from here on"
    if sealed + 1 < broken:
        reason = f"no valid seal up to position {broken}, where {reason}"
    return sealed, reason


def _extend(feed: Feed, entries: Sequence[Entry], seals: Mapping[int, bytes]) -> list[Damage]:
    """Append the sound entries to their feed; return the windows whose seals are damaged."""
    damages: list[Damage] = []
    for stretch, tip in split_at_seals(feed.tip, entries, seals):
        signature = seals.get(tip.position)
        feed.extend(stretch, tip, signature)
        if signature is None and tip.is_window_end:
            reason = "no valid seal of this window; it cannot be passed on"
            damages.append(Damage("seal", feed.device, tip.position, reason))
    return damages


def _load_chain(store: Store, replica: Replica) -> tuple[list[Damage], list[ForkProof]]:
    """Fill the chain of an empty replica, which then has to follow it; return the forks, too."""
    damages: list[Damage] = []
    forks: list[ForkProof] = []
    verified: list[tuple[int, ChainStatement]] = []
    for number, data in store.read_statements():
        try:
            statement = verify_statement(replica.market, data)
        except (Forged, MalformedInput) as error:
            damages.append(Damage("statement", b"", number, str(error)))
            continue
        if isinstance(statement, ForkProof):
            forks.append(statement)
        else:
            verified.append((number, statement))
    # In an order in which each can be placed, whatever was repaired and stands behind its
    # successors; the proofs of signing twice last, since less counts after them.
    waiting = sorted(verified, key=_get_place)
    takes_conflicts = False
    while True:
        left = [item for item in waiting if not _place(replica, item[1], takes_conflicts)]
        if len(left) == len(waiting) and takes_conflicts:
            break
        takes_conflicts = len(left) == len(waiting)
        waiting = left
    _add_once_more(replica.chain, [statement for _, statement in verified])
    # A view may wait for a checkpoint that never came, and what was signed in it with it; the chain
    # says so itself, and nothing is signed meanwhile.
    awaited = replica.chain.awaited
    # And of what one signer made many of, some gave way to others.
    stored = {replica.market, *(statement.id for _, statement in verified)}
    lost = [
        (number, statement)
        for number, statement in waiting
        if (awaited is None or statement.view < awaited.number)
        and not _may_give_way(replica.chain, statement, stored)
    ]
    if lost:
        number, statement = lost[0]
        damages.append(Damage("statement", b"", number, _explain_waiting(statement)))
    return damages, forks


def _add_once_more(chain: CheckpointChain, statements: Sequence[ChainStatement]) -> None:
    """Add again what had no place before all that counts was known, and has one now."""
    checkpoints = [each for each in statements if isinstance(each, Checkpoint)]
    cosignatures = [each for each in statements if isinstance(each, Cosignature)]
    chain.cosignatures.note_lies(cosignatures)
    # What was cosigned beside what counts is evidence, once the proof of signing twice is held; and
    # what somebody cosigned is kept beside others.
    for statement in (*checkpoints, *cosignatures, *checkpoints):
        chain.add(statement)


def _may_give_way(
    chain: CheckpointChain, statement: ChainStatement, stored: Container[bytes]
) -> bool:
    """Has a statement that is not kept all that it stands on, so that others are in its place?"""
    match statement:
        case Checkpoint():
            return statement.previous in stored
        case Cosignature():
            return chain.views.get(statement.view) is not None
        case _:
            return False


def _place(replica: Replica, statement: ChainStatement, takes_conflicts: bool) -> bool:  # noqa: FBT001
    """Add a statement if it has its place now; has it?"""
    judgement = replica.chain.judge(statement)
    if judgement == "too early" or (judgement == "conflict" and not takes_conflicts):
        return False
    replica.chain.add(statement)
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


def _explain_waiting(statement: ChainStatement) -> str:
    if isinstance(statement, Checkpoint):
        return f"checkpoint {statement.index}: one before it is missing or damaged"
    return "what it stands on is missing or damaged"


def _verify_seals(
    market: bytes, feed: Feed, seals: Mapping[int, bytes], ids: Sequence[bytes]
) -> dict[int, bytes]:
    """Return the seals that vouch for the chain ``ids`` of the entries after those of a feed."""
    start = feed.position
    return {
        position: signature
        for position, signature in seals.items()
        if start < position <= start + len(ids)
        and verify_signature(
            feed.device,
            "seal",
            make_seal_message(market, position, ids[position - start - 1]),
            signature,
        )
    }


def _count_equal(stored: Sequence[bytes], found: Sequence[bytes]) -> int:
    """Return how many of the first hashes are as they were stored."""
    if stored == found:
        return len(found)
    pairs = zip(stored, found, strict=True)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
