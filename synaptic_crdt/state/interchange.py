"""A market's document as Automerge changes, and a market's document out of anybody's changes.

What ``write_changes`` gives holds all that its feeds can prove: their bodies, a seal for each
window and for the end, and the statements. What ``sort_out`` takes may hold anything at all: of
each device it keeps the changes that are, one after the other and to the byte, that device's feed;
of every other actor its statements. The rest is counted and forgotten, so deletions, overwrites,
squatted actors, concurrent lists and garbage in a file hurt only what they stand in the place of.

What comes out is unverified: seals, chains, entries and membership are the gate's to judge.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from synaptic_crdt.errors import MalformedInput, WrongMarket
from synaptic_crdt.state import limits
from synaptic_crdt.state.changes import (
    FeedChanges,
    StatementChanges,
    encode_root_change,
    get_change_hash,
    read_root_change,
)
from synaptic_crdt.state.codec import decode, decode_body, encode_trusted
from synaptic_crdt.state.feeds import Piece, compute_origin, find_window_ends, make_seal_message
from synaptic_crdt.state.hashes import compute_body_hash, compute_chain
from synaptic_crdt.state.held import Feed
from synaptic_crdt.state.keys import verify_signature

_SEAL_TAG: Final = "seal"

# A place in a feed, (device, position, chain id), and the signatures offered for it.
_Seals = dict[tuple[bytes, int, bytes], list[bytes]]


class SortedFeed(msgspec.Struct, frozen=True):
    """A feed found in a file, as pieces; ``unsealed`` entries after them have no seal in it."""

    device: bytes
    pieces: tuple[Piece, ...]
    unsealed: int


class SortedDocument(msgspec.Struct, frozen=True):
    """What is of use in a file: feeds in the order of their first entries' times, statements.

    ``strays`` is the number of changes that are neither.
    """

    market: bytes
    genesis: bytes
    feeds: tuple[SortedFeed, ...]
    statements: tuple[bytes, ...]
    strays: int


def write_changes(
    market: bytes,
    genesis: bytes,
    feeds: Iterable[Feed],
    statements: Iterable[bytes],
    exporter: bytes,
) -> Iterator[bytes]:
    """Yield the changes of a document, each after the one on which it depends.

    ``exporter`` is a random actor of 32 bytes that never wrote before: it writes the statements.
    """
    root_change = encode_root_change(market, genesis)
    root = get_change_hash(root_change)
    yield root_change
    seals: list[bytes] = []
    for feed in feeds:
        changes = FeedChanges(market, root, feed.device)
        # Of a closed feed, as much as it takes to show where it ends.
        while (
            changes.position < feed.end
            and (piece := feed.get_piece(changes.position + 1)) is not None
        ):
            yield from changes.write(piece.bodies)
            seals.append(_encode_seal(feed.get_id(piece.last), piece))
    writer = StatementChanges(market, root, exporter)
    # A key that is written again would be another change than this one.
    for statement in dict.fromkeys((*seals, *statements)):
        yield writer.write(statement)


def sort_out(changes: Iterable[tuple[bytes, bytes]], market: bytes | None) -> SortedDocument:
    """Return what is of use among anybody's changes, given as (actor, change).

    Each actor's changes come in the order in which it claims to have made them. Raises
    ``WrongMarket`` when they are no document of ``market`` (None: of any one market), and
    ``MalformedInput`` when they are of none, or of several.
    """
    by_actor: dict[bytes, list[bytes]] = {}
    for actor, change in changes:
        by_actor.setdefault(actor, []).append(change)
    market, genesis = _find_market(by_actor, market)
    root = get_change_hash(encode_root_change(market, genesis))
    read = 1
    bodies_by_device: dict[bytes, list[bytes]] = {}
    statements: list[bytes] = []
    for actor, raw in by_actor.items():
        bodies = _read_while(FeedChanges(market, root, actor), raw)
        found = [] if bodies else _read_while(StatementChanges(market, root, actor), raw)
        if bodies:
            bodies_by_device[actor] = bodies
        statements += found
        read += len(bodies) + len(found)
    seals, others = _split_statements(statements)
    feeds = [
        _cut(market, device, bodies, seals)
        for device, bodies in sorted(bodies_by_device.items(), key=_get_order)
    ]
    return SortedDocument(
        market=market,
        genesis=genesis,
        feeds=tuple(feeds),
        statements=tuple(others),
        strays=sum(map(len, by_actor.values())) - read,
    )


def _find_market(
    by_actor: Mapping[bytes, Sequence[bytes]], market: bytes | None
) -> tuple[bytes, bytes]:
    """Return market id and genesis of the document."""
    roots = [read_root_change(changes[0]) for changes in by_actor.values()]
    found = dict(root for root in roots if root is not None)
    if market is not None and market in found:
        return market, found[market]
    if not found:
        raise MalformedInput("an Automerge document, but of no market: it has no root change")
    if market is not None:
        named = ", ".join(sorted(other.hex()[:16] for other in found))
        raise WrongMarket(f"the document is of market {named}, this one is {market.hex()[:16]}")
    if len(found) > 1:
        raise MalformedInput(f"a document of {len(found)} markets; nobody makes such a thing")
    return next(iter(found.items()))


def _read_while(reader: FeedChanges | StatementChanges, changes: Sequence[bytes]) -> list[bytes]:
    """Return what an actor wrote, up to the first change that does not follow."""
    values: list[bytes] = []
    for change in changes:
        value = reader.read(change)
        if value is None:
            break
        values.append(value)
    return values


def _get_order(item: tuple[bytes, Sequence[bytes]]) -> tuple[int, bytes]:
    """Issuers write before those they invited: feeds go by the time of their first entry."""
    device, bodies = item
    try:
        time, _ = decode_body(bodies[0])
    except MalformedInput:
        # The gate will refuse it, and nobody waits for it.
        time = limits.TIMESTAMP_MAX
    return time, device


def _split_statements(statements: Iterable[bytes]) -> tuple[_Seals, list[bytes]]:
    """Return the seals by their place, and every other statement once."""
    seals: _Seals = {}
    others: dict[bytes, None] = {}
    for statement in statements:
        match _decode_statement(statement):
            case ["seal", int(position), bytes(chain_id), bytes(device), bytes(signature)]:
                seals.setdefault((device, position, chain_id), []).append(signature)
            case _:
                others[statement] = None
    return seals, list(others)


def _decode_statement(statement: bytes) -> object:
    try:
        return decode(statement, limits.STATEMENT_BYTES)
    except MalformedInput:
        # No seal; what else it may be is for the gate to say.
        return None


def _encode_seal(chain_id: bytes, piece: Piece) -> bytes:
    """Return the seal at a piece's end as a statement: kind, fields, signer, signature."""
    return encode_trusted([_SEAL_TAG, piece.last, chain_id, piece.device, piece.signature])


def _cut(market: bytes, device: bytes, bodies: Sequence[bytes], seals: _Seals) -> SortedFeed:
    """Cut a feed into pieces, one a window, as far as seals for them are there."""
    origin = compute_origin(market, device)
    ids = compute_chain(origin, [compute_body_hash(body) for body in bodies])
    pieces: list[Piece] = []
    start = 0
    for end in find_window_ends(bodies):
        sealed = _find_seal(market, device, ids, start, end, seals)
        if sealed is None:
            break
        last, signature = sealed
        predecessor = ids[start - 1] if start else origin
        pieces.append(Piece(device, start + 1, predecessor, tuple(bodies[start:last]), signature))
        start = last
        if last < end:
            break
    return SortedFeed(device, tuple(pieces), len(bodies) - start)


def _find_seal(
    market: bytes, device: bytes, ids: Sequence[bytes], start: int, end: int, seals: _Seals
) -> tuple[int, bytes] | None:
    """Return the last position after ``start`` and up to ``end`` that a seal vouches for."""
    for position in range(end, start, -1):
        chain_id = ids[position - 1]
        for signature in seals.get((device, position, chain_id), ()):
            message = make_seal_message(market, position, chain_id)
            if verify_signature(device, "seal", message, signature):
                return position, signature
    return None
