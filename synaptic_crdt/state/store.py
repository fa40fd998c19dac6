"""One market's storage in SQLite: what is acknowledged as written survives power loss.

One connection, used by the process that owns the home's lock. Every write is one transaction,
durable when the call returns. Reading verifies nothing but the genesis; ``loading`` recomputes
every hash. What is read has the type it was written with, whatever became of the file.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from synaptic_crdt.errors import StoreDamaged, VersionMismatch
from synaptic_crdt.state.database import (
    POSITION_BITS,
    connected,
    failures_named,
    make_damaged,
    transaction,
)
from synaptic_crdt.state.feeds import Piece, Truncation
from synaptic_crdt.state.hashes import compute_body_hash, compute_entry_id, compute_hash
from synaptic_crdt.state.saved_states import SAVED_SCHEMA, SavedStates

FORMAT_VERSION: Final = 1
# The same, with entries whose bodies are archived: empty, which no body is.
ARCHIVED_VERSION: Final = 2

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

    def __init__(
        self, path: Path, connection: sqlite3.Connection, genesis: bytes, version: int
    ) -> None:
        self.path: Final = path
        self.genesis: Final = genesis
        self._connection: Final = connection
        self._version = version
        self._feed_numbers: Final = self._read_feeds()
        self.saved: Final = SavedStates(path, connection, self._feed_numbers)

    @classmethod
    def create(cls, path: Path, genesis: bytes) -> "Store":
        """Make the store of a market that this home does not hold yet, for its owner to read."""
        with failures_named(path), connected(path) as connection:
            path.chmod(0o600)
            connection.executescript("BEGIN IMMEDIATE;" + _SCHEMA + _VOID_SCHEMA + SAVED_SCHEMA)
            connection.execute(
                "INSERT INTO market VALUES (1, ?, ?, ?)",
                (FORMAT_VERSION, compute_hash("market", genesis), genesis),
            )
            connection.execute("COMMIT")
            return cls(path, connection, genesis, FORMAT_VERSION)

    @classmethod
    def open(cls, path: Path) -> "Store":
        """Open an existing store. Raises ``VersionMismatch`` for a newer format."""
        if not path.exists():
            raise StoreDamaged(f"{path} is missing; restore it, or join the market again")
        with failures_named(path), connected(path) as connection:
            row = connection.execute(
                "SELECT version, CAST(id AS BLOB), CAST(genesis AS BLOB) FROM market"
            ).fetchone()
            if row is None:
                raise StoreDamaged(f"{path} holds no market; restore it, or join it again")
            version, market, genesis = row
            if not isinstance(version, int):
                raise make_damaged(path, "its format has no number")
            if version not in {FORMAT_VERSION, ARCHIVED_VERSION}:
                raise VersionMismatch(
                    f"{path} has format {version}, this program knows up to"
                    f" {ARCHIVED_VERSION}; upgrade it"
                )
            if compute_hash("market", genesis or b"") != market:
                raise StoreDamaged(f"{path}: the genesis is altered; restore it, or join again")
            connection.executescript(_VOID_SCHEMA + SAVED_SCHEMA)
            return cls(path, connection, genesis, version)

    @property
    def is_archived(self) -> bool:
        """Are there entries whose bodies were moved to an archive, or never came here?"""
        return self._version == ARCHIVED_VERSION

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
        with failures_named(self.path):
            connection = self._connection
            new_feeds: dict[bytes, int] = {}
            with transaction(connection):
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
            self._feed_numbers.update(new_feeds)

    def write_seal(self, device: bytes, position: int, signature: bytes) -> None:
        """Write the seal of a feed at a position in place of one that was damaged."""
        number = self._feed_numbers[device]
        with failures_named(self.path), transaction(self._connection):
            self._connection.execute(
                "DELETE FROM seals WHERE feed = ? AND position = ?", (number, position)
            )
            self._connection.execute(
                "INSERT INTO seals VALUES (?, ?, ?)", (number, position, signature)
            )

    def archive(self, positions: Mapping[bytes, int]) -> int:
        """Let go of the bodies up to a position, by device; return how many. Hashes stay."""
        count = 0
        with failures_named(self.path), transaction(self._connection):
            self._set_version(ARCHIVED_VERSION)
            for device, position in positions.items():
                low = self._feed_numbers[device] << POSITION_BITS
                cursor = self._connection.execute(
                    "UPDATE entries SET body = x'' WHERE place > ? AND place <= ? AND body <> x''",
                    (low, low + position),
                )
                count += cursor.rowcount
        self._version = ARCHIVED_VERSION
        return count

    def restore(self, piece: Piece) -> int:
        """Take archived bodies back, of which the hashes are kept; return how many."""
        if piece.device not in self._feed_numbers:
            return 0
        place = (self._feed_numbers[piece.device] << POSITION_BITS) + piece.first
        with failures_named(self.path), transaction(self._connection):
            cursor = self._connection.executemany(
                "UPDATE entries SET body = ? WHERE place = ? AND body = x'' AND body_hash = ?",
                [
                    (body, place + offset, compute_body_hash(body))
                    for offset, body in enumerate(piece.bodies)
                ],
            )
            return cursor.rowcount

    def write_hashes(
        self, device: bytes, first: int, hashes: Sequence[bytes], signature: bytes
    ) -> None:
        """Write a sealed window of which the bodies are elsewhere."""
        new_feeds: dict[bytes, int] = {}
        with failures_named(self.path), transaction(self._connection):
            self._set_version(ARCHIVED_VERSION)
            number = self._get_number(device, new_feeds)
            place = (number << POSITION_BITS) + first
            self._connection.executemany(
                "INSERT INTO entries VALUES (?, ?, x'')",
                [(place + offset, body_hash) for offset, body_hash in enumerate(hashes)],
            )
            self._connection.execute(
                "INSERT INTO seals VALUES (?, ?, ?)", (number, first + len(hashes) - 1, signature)
            )
        self._version = ARCHIVED_VERSION
        self._feed_numbers.update(new_feeds)

    def get_archived_position(self, device: bytes) -> int:
        """Return up to where the bodies of a feed are archived."""
        if not self.is_archived:
            return 0
        low = self._feed_numbers[device] << POSITION_BITS
        with failures_named(self.path):
            (place,) = self._connection.execute(
                "SELECT max(place) FROM entries WHERE place BETWEEN ? AND ? AND body = x''",
                (low, low + (1 << POSITION_BITS) - 1),
            ).fetchone()
        return 0 if place is None else place - low

    def count_archived(self) -> int:
        """Return the number of entries whose bodies are archived."""
        if not self.is_archived:
            return 0
        with failures_named(self.path):
            query = "SELECT count(*) FROM entries WHERE body = x''"
            return self._connection.execute(query).fetchone()[0]

    def end_archive(self) -> None:
        """Take note that no body is archived any more."""
        with failures_named(self.path), transaction(self._connection):
            self._set_version(FORMAT_VERSION)
        self._version = FORMAT_VERSION

    def check_integrity(self) -> None:
        """Raise ``StoreDamaged`` when the database contradicts itself, as by a row gone missing.

        What it holds is not asked here: ``loading`` verifies that.
        """
        with failures_named(self.path):
            # The first few: a page is often named before the table that it belongs to.
            found = self._connection.execute("PRAGMA integrity_check(3)").fetchall()
        if found != [("ok",)]:
            raise make_damaged(self.path, "; ".join(" ".join(line.split()) for (line,) in found))

    def get_devices(self) -> list[bytes]:
        """Return the devices of all feeds, in order of admission."""
        return list(self._feed_numbers)

    def read_nameless_feeds(self) -> list[int]:
        """Return the numbers of feeds that have seals and no device: damage."""
        with failures_named(self.path):
            rows = self._connection.execute(
                "SELECT DISTINCT feed FROM seals WHERE feed NOT IN (SELECT feed FROM feeds)"
            )
            return [feed for (feed,) in rows]

    def read_bodies(self, device: bytes, start: int = 0) -> Iterator[tuple[int, bytes, bytes]]:
        """Yield (position, stored body hash, body) of a feed in order, after position ``start``."""
        low = self._feed_numbers[device] << POSITION_BITS
        with failures_named(self.path):
            yield from self._connection.execute(
                "SELECT place - :low, ifnull(CAST(body_hash AS BLOB), x''),"
                " ifnull(CAST(body AS BLOB), x'')"
                " FROM entries WHERE place > :start AND place < :end ORDER BY place",
                {"low": low, "start": low + start, "end": low + (1 << POSITION_BITS)},
            )

    def read_seals(self, device: bytes) -> list[tuple[int, bytes]]:
        """Return (position, signature) of a feed's kept seals, ascending."""
        with failures_named(self.path):
            return self._connection.execute(
                "SELECT ifnull(CAST(position AS INTEGER), 0), ifnull(CAST(signature AS BLOB), x'')"
                " FROM seals WHERE feed = ? ORDER BY position",
                (self._feed_numbers[device],),
            ).fetchall()

    def read_statements(self) -> list[tuple[int, bytes]]:
        """Return (number, statement) of all statements in the order they were first taken."""
        with failures_named(self.path):
            return self._connection.execute(
                "SELECT number, ifnull(CAST(statement AS BLOB), x'') FROM statements"
                " ORDER BY number"
            ).fetchall()

    def read_reversals(self) -> dict[bytes, bytes]:
        """Return the cause by entry of every reversal this home has seen."""
        with failures_named(self.path):
            return dict(self._connection.execute("SELECT entry, cause FROM reversals"))

    def read_void_entries(self) -> list[VoidEntry]:
        """Return what losing branches held here, by device and position."""
        with failures_named(self.path):
            rows = self._connection.execute(
                "SELECT ifnull(CAST(id AS BLOB), x''), ifnull(CAST(device AS BLOB), x''),"
                " ifnull(CAST(position AS INTEGER), 0),"
                " ifnull(CAST(predecessor AS BLOB), x''), ifnull(CAST(body AS BLOB), x'')"
                " FROM void_entries ORDER BY device, position, id"
            )
            return [VoidEntry(*row) for row in rows]

    def _set_version(self, version: int) -> None:
        self._connection.execute("UPDATE market SET version = ?", (version,))

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
        low, high = number << POSITION_BITS, (number + 1) << POSITION_BITS
        connection.execute(
            "DELETE FROM entries WHERE place > ? AND place < ?", (low + truncation.position, high)
        )
        connection.execute(
            "DELETE FROM seals WHERE feed = ? AND position > ?", (number, truncation.position)
        )

    def _write_piece(self, piece: Piece, new_feeds: dict[bytes, int]) -> None:
        connection = self._connection
        number = self._get_number(piece.device, new_feeds)
        place = (number << POSITION_BITS) + piece.first
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

    def _get_number(self, device: bytes, new_feeds: dict[bytes, int]) -> int:
        number = self._feed_numbers.get(device) or new_feeds.get(device)
        if number is None:
            cursor = self._connection.execute("INSERT INTO feeds (device) VALUES (?)", (device,))
            assert cursor.lastrowid is not None
            new_feeds[device] = number = cursor.lastrowid
        return number

    def _read_feeds(self) -> dict[bytes, int]:
        with failures_named(self.path):
            rows = self._connection.execute(
                "SELECT ifnull(CAST(device AS BLOB), x''), feed FROM feeds ORDER BY feed"
            )
            return dict(rows.fetchall())
