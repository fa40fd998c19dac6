"""The disk of a simulated home: it fills up, loses power in the middle of a write, and comes back.

Real stores, on real files. A write that is acknowledged was synced, and stays whatever happens. Of
one that was not, any part may be on the disk when the power is gone: the files as they were at the
last sync, with any sectors of what was being written, in whichever order they landed. SQLite
promises to come back to before or after that write, and the home is asked for nothing less.

What SQLite syncs within a write is respected: the log before it is moved over to the database, and
the head of a log that begins anew before what follows in it.
"""

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from random import Random
from typing import Any, Final

from synaptic_crdt.state.store import Store

_SECTOR_BYTES: Final = 512
_LOG_HEAD_BYTES: Final = 32
# So few that the log is moved over, and begins anew, many times in the life of a small home.
_LOG_PAGES: Final = 24
_PAGES_MAX: Final = 1 << 30

Files = Mapping[Path, bytes]


class Fate(Enum):
    """What becomes of one write."""

    FULL = "disk full"
    BEFORE = "power lost before a write"
    TORN = "power lost during a write"
    AFTER = "power lost before a write was acknowledged"


class PowerLost(Exception):
    """A home stands still until it is started again, and remembers nothing but its disk."""

    def __init__(self, disk: "Disk", fate: Fate) -> None:
        super().__init__(f"{disk.path.name}: {fate.value}")
        self.disk: Final = disk
        self.fate: Final = fate


class Disk:
    """What a gate writes to; the next write meets the fate that was set, if any."""

    def __init__(self, store: Store) -> None:
        self.path: Final = store.path
        self.store = store
        self._fate: tuple[Fate, Random] | None = None
        # What lost its power leaves these files, and writes no more.
        self._end: tuple[PowerLost, Files] | None = None
        self._set_up()

    @property
    def is_dead(self) -> bool:
        """Is the power gone?"""
        return self._end is not None

    def destine(self, fate: Fate, chance: Random) -> None:
        """Let the next write meet a fate."""
        self._fate = fate, chance

    def spare(self) -> None:
        """Let the next write meet no fate."""
        self._fate = None

    def write(self, **things: Any) -> None:  # noqa: ANN401 - whatever a store writes
        """Write as a store does. Raises ``StoreFailed``, or ``PowerLost``."""
        if self._end is not None:
            raise self._end[0]
        if self._fate is None:
            self.store.write(**things)
            return
        (fate, chance), self._fate = self._fate, None
        if fate is Fate.FULL:
            self._limit(1)
            try:
                self.store.write(**things)
            finally:
                self._limit(_PAGES_MAX)
            return
        before = self._read_files()
        if fate is not Fate.BEFORE:
            self.store.write(**things)
        after = self._read_files()
        remains = self._tear(before, after, chance) if fate is Fate.TORN else after
        lost = PowerLost(self, fate)
        self._end = lost, remains
        raise lost

    def restart(self) -> Store:
        """Open the store again, from nothing but its files."""
        # Closing tidies up, which whoever lost its power did not: so the files are put back.
        self.store.close()
        if self._end is not None:
            _, remains = self._end
            for path in (self.path, self._log):
                path.unlink(missing_ok=True)
            for path, data in remains.items():
                path.write_bytes(data)
        self._fate = self._end = None
        self.store = Store.open(self.path)
        self._set_up()
        return self.store

    @property
    def _log(self) -> Path:
        return self.path.with_name(self.path.name + "-wal")

    def _set_up(self) -> None:
        self.store._connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")

    def _limit(self, pages: int) -> None:
        self.store._connection.execute(f"PRAGMA max_page_count = {pages}")

    def _read_files(self) -> Files:
        return {path: path.read_bytes() for path in (self.path, self._log) if path.exists()}

    def _tear(self, before: Files, after: Files, chance: Random) -> Files:
        log_before, log_after = before.get(self._log, b""), after.get(self._log, b"")
        database_before, database_after = before[self.path], after[self.path]
        if database_before != database_after:
            return {
                self.path: _mix(database_before, database_after, chance),
                self._log: log_after,
            }
        head = log_after[:_LOG_HEAD_BYTES]
        log_before = head + log_before[len(head) :]
        return {self.path: database_after, self._log: _mix(log_before, log_after, chance)}


def _mix(before: bytes, after: bytes, chance: Random) -> bytes:
    """Return what was written over ``before``, as far as it landed."""
    landed = chance.choice((0.1, 0.5, 0.9, 0.98))
    mixed = bytearray(before)
    for start in range(0, len(after), _SECTOR_BYTES):
        sector = after[start : start + _SECTOR_BYTES]
        if before[start : start + len(sector)] != sector and chance.random() < landed:
            # What lies before it and never landed reads as zeros.
            mixed.extend(bytes(max(0, start - len(mixed))))
            mixed[start : start + len(sector)] = sector
    return bytes(mixed)
