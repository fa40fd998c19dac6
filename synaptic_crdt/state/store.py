"""One market's storage in SQLite: what is acknowledged as written survives power loss.

One connection, used by the process that owns the home's lock. Every write is one transaction,
durable when the call returns. Reading verifies nothing but the genesis; ``loading`` recomputes
every hash. What is read has the type it was written with, whatever became of the file.
"""

import sqlite3
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from synaptic_crdt.errors import StoreDamaged, StoreFailed, VersionMismatch
from synaptic_crdt.state.feeds import Piece, Truncation
from synaptic_crdt.state.hashes import compute_body_hash, compute_entry_id, compute_hash

FORMAT_VERSION: Final = 1

# A feed's entries stand together: the key of an entry is feed number * 2^40 + position.
_POSITION_BITS: Final = 40
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
_SCHEMA: Final = """
CREATE TABLE market (only INTEGER PRIMARY KEY CHECK (only = 1), version INTEGER NOT NULL,
                     id BLOB NOT NULL, genesis BLOB NOT NULL) STRICT;
CREATE TABLE feeds (feed INTEGER PRIMARY KEY AUTOINCREMENT,
                    device BLOB NOT NULL UNIQUE) STRICT;
CREATE TABLE entries (place INTEGER PRIMARY KEY, body_hash BLOB NOT NULL,
                      body BLOB NOT NULL) STRICT;
CREATE TABLE seals (feed INTEGER NOT NULL, position INTEGER NOT NULL, signature BLOB NOT NULL,
                    PRIMARY KEY (feed, position)) STRICT, WITHOUT ROWID;
CREATE TABLE statements (number INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE,
                         statement BLOB NOT NULL) STRICT;
CREATE TABLE reversals (entry BLOB PRIMARY KEY, cause BLOB NOT NULL) STRICT, WITHOUT ROWID;
"""
# Made when it is missing, so that stores of before open.
_VOID_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS void_entries (
    id BLOB PRIMARY KEY, device BLOB NOT NULL, position INTEGER NOT NULL,
    predecessor BLOB NOT NULL, body BLOB NOT NULL
) STRICT, WITHOUT ROWID;
"""


class VoidEntry(msgspec.Struct, frozen=True):
    """An entry that lay on the losing branch of a fork when its feed was truncated."""

    id: bytes
    device: bytes
    position: int
    predecessor: bytes
    body: bytes

    @property
    def is_sound(self) -> bool:
        """Are these the bytes that its id names?"""
        return compute_entry_id(self.predecessor, compute_body_hash(self.body)) == self.id


class Store:
    """An open store.

    Raises ``StoreFailed`` when the disk refuses, ``StoreDamaged`` when the database itself is
    not readable any more.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, genesis: bytes) -> None:
        self.path: Final = path
        self.genesis: Final = genesis
        self._connection: Final = connection
        self._feed_numbers: Final = self._read_feeds()

    @classmethod
    def create(cls, path: Path, genesis: bytes) -> "Store":
        """Make the store of a market that this home does not hold yet, for its owner to read."""
        with _failures_named(path), _connected(path) as connection:
            path.chmod(0o600)
            connection.executescript("BEGIN IMMEDIATE;" + _SCHEMA + _VOID_SCHEMA)
            connection.execute(
                "INSERT INTO market VALUES (1, ?, ?, ?)",
                (FORMAT_VERSION, compute_hash("market", genesis), genesis),
            )
            connection.execute("COMMIT")
            return cls(path, connection, genesis)

    @classmethod
    def open(cls, path: Path) -> "Store":
        """Open an existing store. Raises ``VersionMismatch`` for a newer format."""
        if not path.exists():
            raise StoreDamaged(f"{path} is missing; restore it, or join the market again")
        with _failures_named(path), _connected(path) as connection:
            row = connection.execute(
                "SELECT version, CAST(id AS BLOB), CAST(genesis AS BLOB) FROM market"
            ).fetchone()
            if row is None:
                raise StoreDamaged(f"{path} holds no market; restore it, or join it again")
            version, market, genesis = row
            if not isinstance(version, int):
                raise _make_damaged(path, "its format has no number")
            if version != FORMAT_VERSION:
                raise VersionMismatch(
                    f"{path} has format {version}, this program knows {FORMAT_VERSION}; upgrade it"
                )
            if compute_hash("market", genesis or b"") != market:
                raise StoreDamaged(f"{path}: the genesis is altered; restore it, or join again")
            connection.executescript(_VOID_SCHEMA)
            return cls(path, connection, genesis)

    def close(self) -> None:
        """Close the connection; what was written stays written."""
        self._connection.close()

    def write(
        self,
        *,
        pieces: Sequence[Piece] = (),
        statements: Sequence[tuple[bytes, bytes]] = (),
        reversals: Sequence[tuple[bytes, bytes]] = (),
        replaced_seals: Sequence[tuple[bytes, int]] = (),
        truncations: Sequence[Truncation] = (),
        dropped_statements: Sequence[bytes] = (),
    ) -> None:
        """Write verified things in one transaction, durable on return.

        ``statements`` are (id, bytes), ``reversals`` (entry, cause), ``replaced_seals``
        (device, position) of seals that a newer one made superfluous, ``dropped_statements`` the
        ids of those that another made superfluous. Truncations come before pieces.
        """
        with _failures_named(self.path):
            connection = self._connection
            new_feeds: dict[bytes, int] = {}
            connection.execute("BEGIN IMMEDIATE")
            try:
                for device, position in replaced_seals:
                    connection.execute(
                        "DELETE FROM seals WHERE feed = ? AND position = ?",
                        (self._feed_numbers[device], position),
                    )
                for truncation in truncations:
                    self._truncate(truncation)
                for piece in pieces:
                    self._write_piece(piece, new_feeds)
                # One that was damaged is written anew in its place.
                connection.executemany(
                    "INSERT INTO statements (id, statement) VALUES (?, ?)"
                    " ON CONFLICT (id) DO UPDATE SET statement = excluded.statement",
                    statements,
                )
                connection.executemany(
                    "DELETE FROM statements WHERE id = ?", [(one,) for one in dropped_statements]
                )
                connection.executemany("INSERT OR REPLACE INTO reversals VALUES (?, ?)", reversals)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            self._feed_numbers.update(new_feeds)

    def check_integrity(self) -> None:
        """Raise ``StoreDamaged`` when the database contradicts itself, as by a row gone missing.

        What it holds is not asked here: ``loading`` verifies that.
        """
        with _failures_named(self.path):
            # The first few: a page is often named before the table that it belongs to.
            found = self._connection.execute("PRAGMA integrity_check(3)").fetchall()
        if found != [("ok",)]:
            raise _make_damaged(self.path, "; ".join(" ".join(line.split()) for (line,) in found))

    def get_devices(self) -> list[bytes]:
        """Return the devices of all feeds, in order of admission."""
        return list(self._feed_numbers)

    def read_nameless_feeds(self) -> list[int]:
        """Return the numbers of feeds that have seals and no device: damage."""
        with _failures_named(self.path):
            rows = self._connection.execute(
                "SELECT DISTINCT feed FROM seals WHERE feed NOT IN (SELECT feed FROM feeds)"
            )
            return [feed for (feed,) in rows]

    def read_bodies(self, device: bytes) -> Iterator[tuple[int, bytes, bytes]]:
        """Yield (position, stored body hash, body) of a feed in order."""
        low = self._feed_numbers[device] << _POSITION_BITS
        with _failures_named(self.path):
            yield from self._connection.execute(
                "SELECT place - :low, ifnull(CAST(body_hash AS BLOB), x''),"
                " ifnull(CAST(body AS BLOB), x'')"
                " FROM entries WHERE place > :low AND place < :end ORDER BY place",
                {"low": low, "end": low + (1 << _POSITION_BITS)},
            )

    def read_seals(self, device: bytes) -> list[tuple[int, bytes]]:
        """Return (position, signature) of a feed's kept seals, ascending."""
        with _failures_named(self.path):
            return self._connection.execute(
                "SELECT ifnull(CAST(position AS INTEGER), 0), ifnull(CAST(signature AS BLOB), x'')"
                " FROM seals WHERE feed = ? ORDER BY position",
                (self._feed_numbers[device],),
            ).fetchall()

    def read_statements(self) -> list[tuple[int, bytes]]:
        """Return (number, statement) of all statements in the order they were first taken."""
        with _failures_named(self.path):
            return self._connection.execute(
                "SELECT number, ifnull(CAST(statement AS BLOB), x'') FROM statements"
                " ORDER BY number"
            ).fetchall()

    def read_reversals(self) -> dict[bytes, bytes]:
        """Return the cause by entry of every reversal this home has seen."""
        with _failures_named(self.path):
            return dict(self._connection.execute("SELECT entry, cause FROM reversals"))

    def read_void_entries(self) -> list[VoidEntry]:
        """Return what losing branches held here, by device and position."""
        with _failures_named(self.path):
            rows = self._connection.execute(
                "SELECT ifnull(CAST(id AS BLOB), x''), ifnull(CAST(device AS BLOB), x''),"
                " ifnull(CAST(position AS INTEGER), 0),"
                " ifnull(CAST(predecessor AS BLOB), x''), ifnull(CAST(body AS BLOB), x'')"
                " FROM void_entries ORDER BY device, position, id"
            )
            return [VoidEntry(*row) for row in rows]

    def _truncate(self, truncation: Truncation) -> None:
        connection = self._connection
        number = self._feed_numbers[truncation.device]
        predecessors = [truncation.head, *(entry.id for entry in truncation.void[:-1])]
        connection.executemany(
            "INSERT OR REPLACE INTO void_entries VALUES (?, ?, ?, ?, ?)",
            [
                (entry.id, entry.device, entry.position, predecessor, entry.body)
                for predecessor, entry in zip(predecessors, truncation.void, strict=True)
            ],
        )
        low, high = number << _POSITION_BITS, (number + 1) << _POSITION_BITS
        connection.execute(
            "DELETE FROM entries WHERE place > ? AND place < ?", (low + truncation.position, high)
        )
        connection.execute(
            "DELETE FROM seals WHERE feed = ? AND position > ?", (number, truncation.position)
        )

    def _write_piece(self, piece: Piece, new_feeds: dict[bytes, int]) -> None:
        connection = self._connection
        number = self._feed_numbers.get(piece.device) or new_feeds.get(piece.device)
        if number is None:
            cursor = connection.execute("INSERT INTO feeds (device) VALUES (?)", (piece.device,))
            assert cursor.lastrowid is not None
            new_feeds[piece.device] = number = cursor.lastrowid
        place = (number << _POSITION_BITS) + piece.first
        # Damaged rows are written anew when their feed is repaired from a peer.
        connection.executemany(
            "INSERT OR REPLACE INTO entries VALUES (?, ?, ?)",
            [
                (place + offset, compute_body_hash(body), body)
                for offset, body in enumerate(piece.bodies)
            ],
        )
        # Then, too, seals may stand where this one covers the feed.
        connection.execute(
            "DELETE FROM seals WHERE feed = ? AND position BETWEEN ? AND ?",
            (number, piece.first, piece.last),
        )
        connection.execute(
            "INSERT INTO seals VALUES (?, ?, ?)", (number, piece.last, piece.signature)
        )

    def _read_feeds(self) -> dict[bytes, int]:
        with _failures_named(self.path):
            rows = self._connection.execute(
                "SELECT ifnull(CAST(device AS BLOB), x''), feed FROM feeds ORDER BY feed"
            )
            return dict(rows.fetchall())


@contextmanager
def _connected(path: Path) -> Generator[sqlite3.Connection]:
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
def _failures_named(path: Path) -> Generator[None]:
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
        raise _make_damaged(path, error) from error
    except (OverflowError, UnicodeDecodeError) as error:
        # The number of a feed that was never given, or what stood in place of the schema.
        raise _make_damaged(path, error) from error


def _make_damaged(path: Path, error: Exception | str) -> StoreDamaged:
    return StoreDamaged(
        f"{path}: {error}; keep the file, and restore a copy or join the market again"
    )
