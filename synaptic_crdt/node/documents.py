"""The market as an Automerge document: written for other programs, and read from anybody's file.

An exported file is made of what this node holds and of nothing else: no file of others is ever
merged into it. Of a file that is read, all that verifies is admitted, and what does not is named:
other than in a bundle, everybody who touched the file may have put something into it.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from synaptic_crdt.errors import Forged, MalformedInput
from synaptic_crdt.node.audit import Claim, audit_market
from synaptic_crdt.node.naming import PathText
from synaptic_crdt.node.node import Market, Node
from synaptic_crdt.node.opening import open_document
from synaptic_crdt.node.wire import Json
from synaptic_crdt.state.heads import compute_short_form
from synaptic_crdt.state.interchange import SortedDocument, SortedFeed, write_changes
from synaptic_crdt.state.keys import make_seed
from synaptic_crdt.sync.files import write_whole
from synaptic_crdt.sync.gate import Gate, KeepNothing
from synaptic_crdt.sync.inspection import Admission

# Admitted in one transaction, unless one feed alone has more; a checkpoint has at most 512 KiB.
_BATCH_ENTRIES: Final = 1024
_BATCH_STATEMENTS: Final = 16


class Reading(msgspec.Struct):
    """What became of what was of use in a file; feeds by their devices."""

    read: list[SortedFeed]
    held: list[SortedFeed]
    forked: list[SortedFeed]
    refused: list[SortedFeed]
    statements_new: int = 0
    statements_refused: int = 0


def write_document(node: Node, *, path: PathText) -> Json:
    """Write everything held to an Automerge file."""
    # Imported here: no other command needs the library.
    from synaptic_crdt.state.document import join_changes

    replica = node.replica
    changes = write_changes(
        node.market.id,
        node.market.genesis_bytes,
        replica.feeds.values(),
        replica.get_statements(),
        # An actor that never wrote before, so that nobody can have written in its place.
        exporter=make_seed(),
    )
    data = join_changes(changes)
    with write_whole(Path(path)) as file:
        file.write(data)
    return {
        "path": path,
        "market": node.market.id.hex(),
        "entries": sum(feed.sealed_position for feed in replica.feeds.values()),
        "bytes": len(data),
        **list_heads(node),
    }


def list_heads(node: Node) -> Json:
    """Return the heads of what is held, and their short form."""
    heads = node.market.compute_heads()
    return {"heads": compute_short_form(heads).hex(), "list": [head.hex() for head in heads]}


def read_document(node: Node, *, path: PathText) -> Json:
    """Admit from an Automerge file whatever verifies, and name what does not."""
    document = open_document(Path(path), node.market.id)
    before = node.gate.entries_admitted
    reading = admit_document(node.gate, document)
    root = node.replica.root
    node.keep_reversals()
    received = node.gate.entries_admitted - before
    return {
        "path": path,
        "received": received,
        "known": max(0, sum(map(_count, reading.read)) - received),
        "statements": reading.statements_new,
        "root": root.hex(),
        "entries": node.replica.entries,
        **_describe_rest(document, reading),
    }


def audit_document(path: Path, claim: Claim) -> Json:
    """Replay an Automerge file from its bytes alone; see ``audit.audit_market``."""
    document = open_document(path, None)
    market = Market(document.genesis)
    reading = admit_document(market.make_gate(KeepNothing()), document)
    return audit_market(market, (), claim) | _describe_rest(document, reading)


def admit_document(gate: Gate, document: SortedDocument) -> Reading:
    """Offer everything to the gate, again and again while that lets in something that waited.

    Raises ``StoreFailed``; lies are noted, and harm nobody but the feed they are in.
    """
    reading = Reading([], [], [], [])
    _admit_waiting(gate, document.feeds, reading)
    _admit_statements(gate, document.statements, reading)
    if reading.forked and reading.statements_new:
        # A checkpoint of this file may have settled what kept them out.
        waiting = [*reading.forked, *reading.held]
        reading.forked, reading.held = [], []
        _admit_waiting(gate, waiting, reading)
    return reading


def _admit_waiting(gate: Gate, waiting: Sequence[SortedFeed], reading: Reading) -> None:
    while waiting:
        reading.held = []
        for batch in _batch(waiting):
            _admit_feeds(gate, batch, reading)
        if len(reading.held) == len(waiting):
            break
        waiting = reading.held


def _admit_feeds(gate: Gate, feeds: Sequence[SortedFeed], reading: Reading) -> None:
    try:
        admissions = gate.admit_pieces([piece for feed in feeds for piece in feed.pieces])
    except (Forged, MalformedInput):
        if len(feeds) == 1:
            reading.refused.append(feeds[0])
            return
        # Who of them lied shows when they come one by one; what was admitted is then known.
        for feed in feeds:
            _admit_feeds(gate, [feed], reading)
        return
    told = iter(admissions)
    for feed in feeds:
        became = {next(told) for _ in feed.pieces}
        if Admission.FORK in became:
            reading.forked.append(feed)
        elif any(admission.is_to_wait for admission in became):
            reading.held.append(feed)
        else:
            reading.read.append(feed)


def _admit_statements(gate: Gate, statements: Sequence[bytes], reading: Reading) -> None:
    inspection = gate.inspect()
    sound: list[bytes] = []
    for statement in statements:
        try:
            inspection.inspect_statement(statement)
        except (Forged, MalformedInput):
            reading.statements_refused += 1
        else:
            sound.append(statement)
    # In files that were merged they stand in no order in which each could be placed.
    while sound:
        held: list[bytes] = []
        for start in range(0, len(sound), _BATCH_STATEMENTS):
            batch = sound[start : start + _BATCH_STATEMENTS]
            admissions = gate.admit_statements(batch)
            reading.statements_new += admissions.count(Admission.ACCEPT)
            held += [
                statement
                for statement, admission in zip(batch, admissions, strict=True)
                if admission is Admission.HOLD
            ]
        if len(held) == len(sound):
            break
        sound = held


def _batch(feeds: Iterable[SortedFeed]) -> Iterator[list[SortedFeed]]:
    batch: list[SortedFeed] = []
    entries = 0
    for feed in feeds:
        batch.append(feed)
        entries += _count(feed)
        if entries >= _BATCH_ENTRIES:
            yield batch
            batch, entries = [], 0
    yield batch


def _describe_rest(document: SortedDocument, reading: Reading) -> Json:
    return {
        "held": sum(map(_count, reading.held)),
        "forks": [feed.device.hex() for feed in reading.forked],
        "refused": [feed.device.hex() for feed in reading.refused],
        "statements_refused": reading.statements_refused,
        "unsealed": sum(feed.unsealed for feed in document.feeds),
        "strays": document.strays,
    }


def _count(feed: SortedFeed) -> int:
    return sum(len(piece.bodies) for piece in feed.pieces)
