"""``file:///path``: one bundle that is read, merged, and written again with all that is held here.

For a stick, or a file that goes back and forth. It is replaced whole, and only when it lacks
something; what somebody else wrote meanwhile is read first. A file of which something cannot be
placed here is left as it is: writing over it would lose that.
"""

from pathlib import Path
from typing import Final, NamedTuple

from synaptic_crdt.errors import StoreFailed
from synaptic_crdt.sync import addresses
from synaptic_crdt.sync.files import check_readable, write_whole
from synaptic_crdt.sync.transports.bundle import Merged, merge
from synaptic_crdt.sync.transports.bundle_format import get_pieces
from synaptic_crdt.sync.transports.contents import Contents, Coverage, Missing
from synaptic_crdt.sync.transports.exchange import FileEnd, Passed, Skipped, Tally

_ATTEMPTS: Final = 3
_NOTHING: Final = Contents({}, frozenset())


class _Seen(NamedTuple):
    """A file as it was read: what changes when it is written to."""

    size: int
    inode: int
    changed_ns: int


class _Changed(Exception):
    """Somebody else wrote the file meanwhile."""


class FileExchange:
    """One file, and how it was when it was last read or written."""

    def __init__(self, address: str, end: FileEnd) -> None:
        """Raises ``UsageError`` for an address that is none."""
        self._path: Final = Path(addresses.parse_path(address, addresses.FILE))
        self._end: Final = end
        self._tally: Final = Tally()
        self._settled: tuple[object, ...] | None = None
        self._passed: Passed | None = None

    async def run_pass(self) -> Passed:
        """Read the file if it is there, and write what it lacks; see ``Exchange``."""
        try:
            if self._passed is None or self._settled != self._get_situation():
                self._passed = self._exchange()
                self._settled = self._get_situation()
                return self._passed
        except OSError as error:
            raise StoreFailed(f"{self._path}: {error.strerror}") from error
        return Passed(self._passed.report, has_moved=False, is_behind=False, skipped=())

    def close(self) -> None:
        """Nothing is remembered of a file; see ``Exchange``."""

    def _exchange(self) -> Passed:
        for _ in range(_ATTEMPTS):
            seen = self._look()
            merged = None if seen is None else self._read()
            replica = self._end.gate.replica
            if merged is not None and merged.waits:
                held = merged.report.entries_held
                why = (
                    f"{held:,} entries, or statements, stand on what is not held here, or are over quota;"
                    " it is left as it is, so that they are not lost: sync with whoever wrote it"
                )
                report = self._tally.report(held=held, equal=None, root=replica.root)
                return Passed(report, True, False, (Skipped(str(self._path), why),))
            contents = _NOTHING if merged is None else merged.contents
            missing = Coverage(replica, [contents]).find_missing()
            try:
                if merged is None or not missing.is_empty:
                    self._write(seen, missing)
            except _Changed:
                continue
            report = self._tally.report(held=0, equal=True, root=replica.root)
            return Passed(report, True, False, ())
        raise StoreFailed(f"{self._path}: others write it all the time; sync again")

    def _read(self) -> Merged:
        check_readable(self._path)
        with self._path.open("rb") as file:
            with self._end.open(str(self._path), file) as plain:
                merged = merge(str(self._path), plain, self._end.gate)
            self._tally.bytes_received += file.seek(0, 2)
        self._tally.entries_received += merged.report.entries_new
        self._tally.statements_received += merged.report.statements_new
        return merged

    def _write(self, seen: _Seen | None, missing: Missing) -> None:
        """Write everything, if the file is as it was. Raises ``_Changed``."""
        replica = self._end.gate.replica
        with write_whole(self._path) as file:
            self._end.pour(file, get_pieces(replica), replica.walk_statements())
            size = file.tell()
            if self._look() != seen:
                raise _Changed
        self._tally.bytes_sent += size
        self._tally.entries_sent += sum(last - first + 1 for _, first, last in missing.stretches)
        self._tally.statements_sent += len(missing.statements)

    def _look(self) -> _Seen | None:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        return _Seen(found.st_size, found.st_ino, found.st_mtime_ns)

    def _get_situation(self) -> tuple[object, ...]:
        return self._look(), self._end.get_stamp()
