"""One connection to SQLite, and the names of its failures."""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from synaptic_crdt.errors import StoreDamaged, StoreFailed

# A feed's entries stand together: the key of an entry is feed number * 2^40 + position.
POSITION_BITS: Final = 40

_REFUSED_BY_DISK: Final = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
}


@contextmanager
def connected(path: Path) -> Generator[sqlite3.Connection]:
    """Yield a new connection; it stays open unless something fails."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        # Exclusive, since one process owns the store and a WAL written by two connections can
        # be corrupted by a known defect of SQLite before 3.51.3.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA trusted_schema = OFF")
        yield connection
    except BaseException:
        connection.close()
        raise


@contextmanager
def failures_named(path: Path) -> Generator[None]:
    """Raise ``StoreFailed`` when the disk refuses, ``StoreDamaged`` when what it holds is damaged."""
    try:
        yield
    except sqlite3.ProgrammingError:
        # Our own mistake, such as using a store that was closed.
        raise
    except sqlite3.DatabaseError as error:
        # Text that is no UTF-8, where the schema is damaged, is refused without a code.
        code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
        if code & 0xFF in _REFUSED_BY_DISK:
            raise StoreFailed(
                f"{path}: {error}; nothing was acknowledged, check the disk's space and rights"
            ) from error
        raise make_damaged(path, error) from error
    except (OverflowError, UnicodeDecodeError) as error:
        # The number of a feed that was never given, or what stood in place of the schema.
        raise make_damaged(path, error) from error


def make_damaged(path: Path, error: Exception | str) -> StoreDamaged:
    """Return what to raise of a database that is not readable any more."""
    return StoreDamaged(
        f"{path}: {error}; keep the file, and restore a copy or join the market again"
    )


@contextmanager
def transaction(connection: sqlite3.Connection) -> Generator[None]:
    """Make everything that is done inside durable on leaving, or nothing of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
