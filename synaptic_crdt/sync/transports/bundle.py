"""Bundles: a market's document in one file, to be read in any order, by anybody, from any source.

Reading verifies everything before it admits anything: a flaw anywhere is an error, and nothing
has changed. What continues a feed that is not held far enough is reported as held; a feed with
two histories is left out and named; both leave the rest to be admitted. An auditor reads into a
replica made of the genesis inside, through a gate that keeps nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Final

import msgspec

from synaptic_crdt.errors import WrongMarket
from synaptic_crdt.state.feeds import Piece
from synaptic_crdt.state.hashes import compute_hash
from synaptic_crdt.state.replica import Replica
from synaptic_crdt.sync.gate import Gate
from synaptic_crdt.sync.inspection import Admission
from synaptic_crdt.sync.transports.bundle_format import (
    open_whole,
    read_genesis_record,
    read_records,
    write_file,
)
from synaptic_crdt.sync.transports.contents import Contents, Stretch

# Admitted in one transaction; a piece has at most 1 MiB, a checkpoint at most 512 KiB.
_BATCH_ENTRIES: Final = 1024
_BATCH_STATEMENTS: Final = 16


class FeedSummary(msgspec.Struct, frozen=True):
    """What a bundle holds of one feed."""

    device: bytes
    first: int
    last: int
    bytes: int


class BundleSummary(msgspec.Struct, frozen=True):
    """What a whole bundle holds; feeds in the order of admission where it was written."""

    genesis: bytes
    market: bytes
    feeds: tuple[FeedSummary, ...]
    entries: int
    statements: int
    bytes: int


class BundleReport(msgspec.Struct, frozen=True):
    """What became of the entries and statements of a bundle that was read."""

    entries_new: int
    entries_known: int
    entries_held: int
    statements_new: int
    forks: tuple[bytes, ...]


class Merged(msgspec.Struct, frozen=True):
    """What became of an open bundle, and what it holds of what is the same here.

    ``waits``: something in it stands on what is not held yet; it is to be read again then.
    """

    report: BundleReport
    contents: Contents
    waits: bool


def write_bundle(path: Path, replica: Replica, genesis: bytes) -> BundleSummary:
    """Write everything a replica holds to a file, atomically and durably.

    Raises ``StoreFailed``.
    """
    assert compute_hash("market", genesis) == replica.market
    write_file(path, replica, genesis)
    return show_bundle(path)


def read_bundle(path: Path, gate: Gate, tell: Callable[[int], None] | None = None) -> BundleReport:
    """Verify a bundle of the gate's market, then admit what is new in it.

    ``tell`` is told now and then how many bytes are done; every byte is read twice, and counts
    half each time.

    Raises ``MalformedInput``, ``Forged``, ``VersionMismatch`` or ``WrongMarket``: then nothing
    was admitted. Raises ``StoreFailed`` when the disk refuses.
    """
    with open_whole(path) as file:
        return merge(str(path), file, gate, tell).report


def merge(
    name: str, file: IO[bytes], gate: Gate, tell: Callable[[int], None] | None = None
) -> Merged:
    """Merge an open bundle that was checked and is at its first frame; see ``read_bundle``."""
    market = compute_hash("market", read_genesis_record(file))
    if market != gate.replica.market:
        raise WrongMarket(
            f"{name} is of market {market.hex()[:16]}, this one is"
            f" {gate.replica.market.hex()[:16]}; join that market in a home of its own"
        )
    records_start = file.tell()
    progress = _Progress(file, tell)
    ends, statements = _inspect_all(gate, progress.follow(read_records(file)))
    file.seek(records_start)
    report, waits = _admit_all(gate, progress.follow(read_records(file)))
    # A writer's own feed comes first, and may stand on others; a fork may be settled by a
    # checkpoint behind it: what waited is offered again.
    moved = True
    while moved and (waits or report.forks):
        file.seek(records_start)
        again, waits = _admit_all(gate, read_records(file))
        moved = again.entries_new > 0 or again.statements_new > 0
        report = _add_up(report, again)
    return Merged(report, _make_contents(gate.replica, report, ends, statements), waits)


def read_genesis(path: Path) -> bytes:
    """Return the genesis in a bundle, to make a replica of its market from nothing else.

    Raises ``MalformedInput`` or ``VersionMismatch``.
    """
    with open_whole(path) as file:
        return read_genesis_record(file)


def show_bundle(path: Path) -> BundleSummary:
    """Say what a bundle holds. Its checksum and form are checked, its seals are not.

    Raises ``MalformedInput`` or ``VersionMismatch``.
    """
    feeds: dict[bytes, FeedSummary] = {}
    statements = 0
    with open_whole(path) as file:
        genesis = read_genesis_record(file)
        for record in read_records(file):
            if isinstance(record, bytes):
                statements += 1
            else:
                feeds[record.device] = _summarize(feeds.get(record.device), record)
    return BundleSummary(
        genesis=genesis,
        market=compute_hash("market", genesis),
        feeds=tuple(feeds.values()),
        entries=sum(feed.last - feed.first + 1 for feed in feeds.values()),
        statements=statements,
        bytes=path.stat().st_size,
    )


def _summarize(before: FeedSummary | None, piece: Piece) -> FeedSummary:
    size = sum(map(len, piece.bodies))
    if before is None:
        return FeedSummary(piece.device, piece.first, piece.last, size)
    return FeedSummary(piece.device, before.first, piece.last, before.bytes + size)


class _Progress:
    """How far a file was read that is read twice."""

    def __init__(self, file: IO[bytes], tell: Callable[[int], None] | None) -> None:
        self._file: Final = file
        self._tell: Final = tell
        self._before = 0

    def follow(self, records: Iterable[Piece | bytes]) -> Iterator[Piece | bytes]:
        for record in records:
            yield record
            if self._tell is not None:
                self._tell((self._before + self._file.tell()) // 2)
        self._before = self._file.tell()


def _inspect_all(
    gate: Gate, records: Iterable[Piece | bytes]
) -> tuple[Mapping[bytes, tuple[int, int]], frozenset[bytes]]:
    """Verify everything; return the first and the last position of each feed, and statements."""
    inspection = gate.inspect()
    ends: dict[bytes, tuple[int, int]] = {}
    statements: set[bytes] = set()
    for record in records:
        if isinstance(record, bytes):
            statements.add(inspection.inspect_statement(record)[0].id)
        else:
            inspection.inspect_piece(record)
            first, _ = ends.get(record.device, (record.first, 0))
            ends[record.device] = first, record.last
    return ends, frozenset(statements)


def _admit_all(gate: Gate, records: Iterable[Piece | bytes]) -> tuple[BundleReport, bool]:
    """Admit what can be; return what became of it, and whether anything waits for something."""
    before = gate.entries_admitted
    entries = held = statements_new = 0
    waits = False
    forks: dict[bytes, None] = {}
    for pieces, statements in _batch(records):
        for piece, admission in zip(pieces, gate.admit_pieces(pieces), strict=True):
            if admission is Admission.FORK:
                forks[piece.device] = None
            # What follows a fork cannot be placed, but it does not wait for anything.
            if admission.is_to_wait and piece.device not in forks:
                held += len(piece.bodies)
            elif piece.device not in forks:
                entries += len(piece.bodies)
        admissions = gate.admit_statements(statements)
        statements_new += admissions.count(Admission.ACCEPT)
        waits = waits or held > 0 or any(each.is_to_wait for each in admissions)
    entries_new = gate.entries_admitted - before
    report = BundleReport(
        entries_new=entries_new,
        entries_known=entries - entries_new,
        entries_held=held,
        statements_new=statements_new,
        forks=tuple(forks),
    )
    return report, waits


def _make_contents(
    replica: Replica,
    report: BundleReport,
    ends: Mapping[bytes, tuple[int, int]],
    statements: frozenset[bytes],
) -> Contents:
    """Return what a bundle holds of feeds that are held as far as it goes."""
    feeds: dict[bytes, Stretch] = {}
    for device, (first, end) in ends.items():
        feed = replica.get_feed(device)
        # Of a closed feed nobody needs more than its end.
        last = min(end, feed.end)
        if first <= last and (end <= feed.position or feed.closed_position is not None):
            feeds[device] = Stretch(first, last, feed.get_id(last))
    for device in report.forks:
        feeds.pop(device, None)
    return Contents(feeds, statements)


def _add_up(before: BundleReport, again: BundleReport) -> BundleReport:
    """Return the report of reading a bundle once more."""
    return BundleReport(
        entries_new=before.entries_new + again.entries_new,
        entries_known=again.entries_known - before.entries_new,
        entries_held=again.entries_held,
        statements_new=before.statements_new + again.statements_new,
        forks=again.forks,
    )


def _batch(records: Iterable[Piece | bytes]) -> Iterator[tuple[list[Piece], list[bytes]]]:
    """Yield records in order, gathered into what one transaction takes."""
    pieces: list[Piece] = []
    statements: list[bytes] = []
    entries = 0
    for record in records:
        if isinstance(record, bytes):
            statements.append(record)
        else:
            pieces.append(record)
            entries += len(record.bodies)
        if entries >= _BATCH_ENTRIES or len(statements) >= _BATCH_STATEMENTS:
            yield pieces, statements
            pieces, statements, entries = [], [], 0
    yield pieces, statements
