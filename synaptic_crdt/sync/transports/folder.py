"""``dir:///path``: many peers, one dumb folder, whoever carries it from machine to machine.

Each peer writes files of its own and removes none but these, once all that is in them is in others.
A pass reads the files that it has not read, and writes what is held here and in none of the files
that are there. So what one peer wrote nobody repeats, and what somebody removed comes back with the
next pass of whoever has it. Small files of one writer are put together when there are several of a
size, as in a log-structured store, so their number grows with the logarithm of what they hold. What
another one has as well is left to the writer that comes first, so no two ever leave it to each
other.

What cannot be read, or stands on what is not held yet, waits: its name says which bytes it is to
have, and it is tried again after ever more passes, or when something else was admitted. What is
whole and a lie is named once and never read again. One bad file never stops the rest. See ``shelf``
for what is opened at all.
"""

from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Final

import msgspec
import trio

from synaptic_crdt.errors import (
    Forged,
    MalformedInput,
    NoReadKey,
    StoreFailed,
    SynapticError,
    UsageError,
    VersionMismatch,
    WrongMarket,
)
from synaptic_crdt.state import limits
from synaptic_crdt.state.feeds import Piece
from synaptic_crdt.state.hashes import compute_hash
from synaptic_crdt.state.statements import Statement, encode_statement
from synaptic_crdt.sync import addresses
from synaptic_crdt.sync.transports.bundle import merge
from synaptic_crdt.sync.transports.contents import (
    Contents,
    Coverage,
    Missing,
    Stretch,
    collect_pieces,
)
from synaptic_crdt.sync.transports.exchange import FileEnd, Passed, Skipped, Tally
from synaptic_crdt.sync.transports.known import Known, encode_known, recall
from synaptic_crdt.sync.transports.shelf import Found, Listing, Shelf, Unready

_LONGEST_WAIT_PASSES: Final = 64
_LONGEST_HELD_PASSES: Final = 8
_TOLD: Final = 256  # names that were told and are not told again
_CLASS_BITS: Final = 3  # of size: files that differ by less than a factor of eight
_LIES: Final = (Forged, MalformedInput, NoReadKey, UsageError, VersionMismatch, WrongMarket)


class _Waiting(msgspec.Struct, frozen=True):
    """A file to be tried again in pass ``due``.

    One that is not all there is tried before that when it changes. One that was read, and of which
    ``held`` entries could not be placed, is tried only if something else is held than when it was
    read; and before that, when another file brought something, ``progress`` being the number of
    files that did.
    """

    why: str
    found: Found
    progress: int
    tries: int
    due: int
    stamp: tuple[object, ...] | None = None
    held: int = 0


class FolderExchange:
    """One folder, and what is known of the files in it."""

    def __init__(self, address: str, end: FileEnd) -> None:
        """Raises ``UsageError`` for an address that is none."""
        self._path: Final = Path(addresses.parse_path(address, addresses.DIR))
        self._end: Final = end
        self._replica: Final = end.gate.replica
        self._writer: Final = compute_hash("writer", self._replica.market, end.device)
        remembered = b"" if end.memory is None else end.memory.load(address)
        self._address: Final = address
        self._remembered = remembered
        self._known: Final = recall(remembered, self._replica)
        self._waiting: Final[dict[str, _Waiting]] = {}
        self._refused: Final[dict[str, SynapticError]] = {}
        self._told: Final[dict[str, str]] = {}
        self._tally: Final = Tally()
        self._passes = 0
        self._progress = 0
        self._root: bytes | None = None
        # What was held, and which files there were, when nothing was left to write.
        self._settled: tuple[object, ...] | None = None
        self._is_complete = False
        self._is_tidy = False

    async def run_pass(self) -> Passed:
        """Read what is new in the folder, and write what it lacks; see ``Exchange``."""
        self._passes += 1
        stamp, sent = self._end.get_stamp(), self._tally.bytes_sent
        with Shelf(self._path, self._replica.market, self._writer) as shelf:
            listing = await trio.to_thread.run_sync(shelf.list_files)
            self._forget(listing)
            is_behind = await self._read_all(shelf, listing)
            error = None if is_behind else await self._write_all(shelf)
        has_moved = (stamp, sent) != (self._end.get_stamp(), self._tally.bytes_sent)
        if has_moved or self._root is None:
            self._root = self._replica.root
        held = sum(waiting.held for waiting in self._waiting.values())
        is_blind = any(
            isinstance(error, NoReadKey | VersionMismatch) for error in self._refused.values()
        )
        is_known = self._is_complete and not (is_behind or self._waiting or is_blind)
        report = self._tally.report(held=held, equal=is_known or None, root=self._root)
        return Passed(report, has_moved, is_behind, tuple(self._take_untold(listing)), error)

    def close(self) -> None:
        """Remember which files were read; see ``Exchange``."""
        now = encode_known(self._known)
        if self._end.memory is not None and now != self._remembered:
            self._end.memory.keep(self._address, now)
            self._remembered = now

    # -- reading -----------------------------------------------------------------------------

    def _forget(self, listing: Listing) -> None:
        """Forget what is gone."""
        for names in (self._known, self._waiting, self._refused):
            for name in [name for name in names if name not in listing.files]:
                del names[name]

    async def _read_all(self, shelf: Shelf, listing: Listing) -> bool:
        """Read what is to be read; return whether there is more than a pass may read."""
        room = limits.FOLDER_PASS_BYTES
        while chosen := self._choose(listing):
            for name in chosen:
                found = listing.files[name]
                if found.size > room:
                    return True
                room -= found.size
                await self._read(shelf, name, found)
        return False

    def _choose(self, listing: Listing) -> list[str]:
        """Return the files to read now, those that nobody has tried before the others."""
        stamp = self._end.get_stamp()
        new: list[str] = []
        again: list[str] = []
        for name, found in listing.files.items():
            waiting = self._waiting.get(name)
            if waiting is None:
                if name not in self._known and name not in self._refused:
                    new.append(name)
                continue
            is_due = self._passes >= waiting.due
            if waiting.stamp is None:
                is_due = is_due or waiting.found != found
            else:
                is_due = is_due and waiting.stamp != stamp
                is_due = is_due or waiting.progress != self._progress
            if is_due:
                again.append(name)
        return sorted(new) + sorted(again)

    async def _read(self, shelf: Shelf, name: str, found: Found) -> None:
        before = self._waiting.pop(name, None)
        try:
            data = await trio.to_thread.run_sync(shelf.read, name, found.size)
        except Unready as error:
            self._wait(name, str(error), found, before)
            return
        self._tally.bytes_received += len(data)
        try:
            with self._end.open(name, BytesIO(data)) as file:
                merged = merge(name, file, self._end.gate)
        except _LIES as error:
            self._refused[name] = error
            return
        self._tally.entries_received += merged.report.entries_new
        self._tally.statements_received += merged.report.statements_new
        self._progress += bool(merged.report.entries_new or merged.report.statements_new)
        is_whole = not merged.waits and not merged.report.forks
        self._known[name] = Known(merged.contents, len(data), is_whole)
        if merged.waits:
            held = merged.report.entries_held
            why = f"{held:,} entries, or statements, wait for what they follow, or are over quota"
            self._wait(name, why, found, before, held=held, stamp=self._end.get_stamp())

    def _wait(
        self,
        name: str,
        why: str,
        found: Found,
        before: _Waiting | None,
        *,
        held: int = 0,
        stamp: tuple[object, ...] | None = None,
    ) -> None:
        """Have a file wait: the longer, the more often it was tried in vain."""
        if before is None or before.found != found:
            before = _Waiting(why, found, 0, 0, 0)
        tries = before.tries + 1
        longest = _LONGEST_WAIT_PASSES if stamp is None else _LONGEST_HELD_PASSES
        due = self._passes + min(1 << min(before.tries, 10), longest)
        self._waiting[name] = _Waiting(why, found, self._progress, tries, due, stamp, held)

    def _take_untold(self, listing: Listing) -> Iterator[Skipped]:
        waiting = {name: each.why for name, each in self._waiting.items()}
        refused = {name: str(error) for name, error in self._refused.items()}
        skipped = dict(listing.ignored) | waiting | refused
        for name in [name for name in self._told if name not in skipped]:
            del self._told[name]
        for name, why in skipped.items():
            if len(self._told) < _TOLD and self._told.get(name) != why:
                self._told[name] = why
                yield Skipped(addresses.show_name(name), why)

    # -- writing -----------------------------------------------------------------------------

    async def _write_all(self, shelf: Shelf) -> StoreFailed | None:
        """Write what the folder lacks; return why not, as where it is there to be read only."""
        try:
            if not self._is_tidy:
                await trio.to_thread.run_sync(shelf.remove_leftovers)
                self._is_tidy = True
            await self._write_missing(shelf)
            await self._put_together(shelf)
        except StoreFailed as error:
            self._is_complete = False
            return error
        return None

    async def _write_missing(self, shelf: Shelf) -> None:
        if self._settled == self._get_situation():
            return
        missing = Coverage(self._replica, self._get_contents()).find_missing()
        written = await self._write(shelf, missing)
        self._tally.entries_sent += sum(
            stretch.last - stretch.first + 1
            for known in written.values()
            for stretch in known.contents.feeds.values()
        )
        self._tally.statements_sent += len(missing.statements)
        # What is archived here others have to write.
        coverage = Coverage(self._replica, self._get_contents())
        self._is_complete = coverage.find_missing().is_empty
        self._settled = self._get_situation()

    async def _put_together(self, shelf: Shelf) -> None:
        """Put together several small files of our own of about one size, and remove these."""
        classes: dict[int, list[str]] = {}
        for name, known in self._known.items():
            is_small = known.size < limits.FOLDER_FILL_BYTES
            if shelf.is_own(name) and known.is_whole and is_small:
                classes.setdefault(known.size.bit_length() // _CLASS_BITS, []).append(name)
        for names in classes.values():
            if len(names) >= limits.FOLDER_SMALL_FILES:
                await self._replace(shelf, names)

    async def _replace(self, shelf: Shelf, names: Sequence[str]) -> None:
        stay = [
            known.contents
            for name, known in self._known.items()
            if name not in names and (shelf.is_own(name) or shelf.comes_before_us(name))
        ]
        old = [self._known[name].contents for name in names]
        lacking = Coverage(self._replica, stay).find_lacking(old)
        if not all(self._is_at_hand(*stretch) for stretch in lacking.stretches):
            return
        written = await self._write(shelf, lacking)
        for name in names:
            if name not in written:
                await trio.to_thread.run_sync(shelf.remove, name)
                del self._known[name]
        self._settled = self._get_situation()

    async def _write(self, shelf: Shelf, missing: Missing) -> dict[str, Known]:
        """Write files, each closed when it is full; return what is in them by name."""
        written: dict[str, Known] = {}
        for pieces, statements in _fill(self._collect(missing), missing.statements):
            contents = self._describe(pieces, statements)
            name, size = await trio.to_thread.run_sync(self._write_one, shelf, pieces, statements)
            self._tally.bytes_sent += size
            written[name] = self._known[name] = Known(contents, size)
        return written

    def _write_one(
        self, shelf: Shelf, pieces: Sequence[Piece], statements: Sequence[Statement]
    ) -> tuple[str, int]:
        with shelf.write() as (file, publish):
            self._end.pour(file, pieces, statements)
            return publish(), file.tell()

    def _collect(self, missing: Missing) -> Iterator[Piece]:
        for device, first, last in missing.stretches:
            yield from collect_pieces(self._replica.get_feed(device), first, last)

    def _is_at_hand(self, device: bytes, first: int, last: int) -> bool:
        """Can all of a stretch be written here, or is some of it archived or damaged?"""
        pieces = collect_pieces(self._replica.get_feed(device), first, last)
        return max((piece.last for piece in pieces), default=0) >= last

    def _describe(self, pieces: Sequence[Piece], statements: Sequence[Statement]) -> Contents:
        feeds: dict[bytes, Stretch] = {}
        for piece in pieces:
            first = feeds[piece.device].first if piece.device in feeds else piece.first
            end = self._replica.get_feed(piece.device).get_id(piece.last)
            feeds[piece.device] = Stretch(first, piece.last, end)
        return Contents(feeds, frozenset(each.id for each in statements))

    def _get_contents(self) -> list[Contents]:
        return [known.contents for known in self._known.values()]

    def _get_situation(self) -> tuple[object, ...]:
        return self._end.get_stamp(), frozenset(self._known)


def _fill(
    pieces: Iterable[Piece], statements: Iterable[Statement]
) -> Iterator[tuple[list[Piece], list[Statement]]]:
    """Yield what goes into each file: pieces, and behind all of them statements."""
    batch: list[Piece] = []
    beside: list[Statement] = []
    size = 0
    for piece in pieces:
        batch.append(piece)
        size += sum(map(len, piece.bodies))
        if size >= limits.FOLDER_FILL_BYTES:
            yield batch, []
            batch, size = [], 0
    for statement in statements:
        beside.append(statement)
        size += len(encode_statement(statement))
        if size >= limits.FOLDER_FILL_BYTES:
            yield batch, beside
            batch, beside, size = [], [], 0
    if batch or beside:
        yield batch, beside
