"""What a store keeps of closed epochs: the newest state, how to go back, and every outcome.

All of it can be made again from the entries. It is written after them, an epoch or more at a time,
in one transaction; whatever cannot be read or does not verify is set aside and said, and what the
entries come to is folded anew.

The newest state is kept as rows, and of the newest 64 epochs what each of them changed. So the
state can go back as far when a handover undoes epochs, without the entries before.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from synaptic_crdt.errors import Forged, StoreDamaged, StoreFailed
from synaptic_crdt.state import limits
from synaptic_crdt.state.checkpoints import CheckpointChain
from synaptic_crdt.state.database import POSITION_BITS, failures_named, transaction
from synaptic_crdt.state.hashes import compute_hash
from synaptic_crdt.state.heads import KeptHead
from synaptic_crdt.state.saved import ClosedEpoch, SavedRow, SavedState, verify_state
from synaptic_crdt.state.shelf import Mark
from synaptic_crdt.state.statements import Checkpoint

SAVED_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS saved_epochs (
    epoch INTEGER PRIMARY KEY, checkpoint BLOB NOT NULL, root BLOB NOT NULL,
    outcomes BLOB NOT NULL, checksum BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS saved_rows (
    name TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL,
    PRIMARY KEY (name, key)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS saved_changes (
    epoch INTEGER NOT NULL, name TEXT NOT NULL, key BLOB NOT NULL, before BLOB,
    PRIMARY KEY (epoch, name, key)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS saved_windows (
    feed INTEGER NOT NULL, position INTEGER NOT NULL, id BLOB NOT NULL, epoch INTEGER NOT NULL,
    PRIMARY KEY (feed, position)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS saved_heads (
    feed INTEGER PRIMARY KEY, position INTEGER NOT NULL, id BLOB NOT NULL, head BLOB NOT NULL,
    checksum BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS saved_flaws (reason TEXT NOT NULL) STRICT;
"""


# Rows by table and key, None for one that is gone.
_Rows = dict[tuple[str, bytes], bytes | None]


# Device, position and chain id.
_Window = tuple[bytes, int, bytes]


class _Head(msgspec.Struct, frozen=True):
    """What is kept of an epoch beside its outcomes."""

    checkpoint: bytes
    root: bytes


class SavedStates:
    """The kept states of one store, and its entries as far as they lie behind them."""

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        feed_numbers: dict[bytes, int],
    ) -> None:
        self._path: Final = path
        self._connection: Final = connection
        self._feed_numbers: Final = feed_numbers
        self._heads: list[_Head] = []

    @property
    def epoch(self) -> int:
        """The newest epoch that is kept."""
        return len(self._heads)

    # -- writing -----------------------------------------------------------------------------

    def keep(self, epochs: Sequence[ClosedEpoch]) -> None:
        """Keep consecutive epochs, in place of those of their numbers.

        What cannot be kept costs time at the next opening alone.
        """
        try:
            self.save(epochs)
        except StoreFailed:
            # Whoever writes an entry next is told; what was kept before is as it was.
            return

    def save(self, epochs: Sequence[ClosedEpoch]) -> None:
        """Keep consecutive epochs, in place of those of the same numbers. Durable on return."""
        first, last = epochs[0].number, epochs[-1].number
        # Some before could not be kept: all of them are, after the next opening.
        if first > len(self._heads) + 1:
            return
        with failures_named(self._path), transaction(self._connection):
            # From the first one on, whatever is there is of something that was lost.
            if first == 1 or first <= len(self._heads):
                self._go_back(first - 1)
            rows: _Rows = {}
            for epoch in epochs:
                self._insert(epoch, keeps_changes=epoch.number > last - limits.SAVED_STATES)
                rows.update(((name, key), after) for name, key, _, after in epoch.changes)
            self._write_rows(rows)
            self._connection.execute(
                "DELETE FROM saved_changes WHERE epoch <= ?", (last - limits.SAVED_STATES,)
            )
        del self._heads[first - 1 :]
        self._heads += [_Head(epoch.checkpoint, epoch.root) for epoch in epochs]

    def adopt(
        self,
        rows: Sequence[SavedRow],
        outcomes: Sequence[bytes],
        windows: Mapping[bytes, Sequence[Mark]],
        checkpoints: Sequence[Checkpoint],
    ) -> None:
        """Keep what somebody says epochs came to, for ``find_state`` to judge; nothing is kept yet.

        That a root was computed is said by its checkpoint alone: none is known to differ.
        """
        ends = [
            (device, position, chain_id)
            for device, marks in windows.items()
            for position, chain_id in marks
        ]
        # In which epoch a window ended is not known; by the last of them all did.
        last = checkpoints[-1].index
        epochs = [
            ClosedEpoch(
                number=checkpoint.index,
                checkpoint=checkpoint.id,
                root=checkpoint.root,
                outcomes=each,
                changes=(),
                windows=ends if checkpoint.index == last else (),
            )
            for checkpoint, each in zip(checkpoints, outcomes, strict=True)
        ]
        with failures_named(self._path), transaction(self._connection):
            for epoch in epochs:
                self._insert(epoch, keeps_changes=False)
            self._connection.executemany("INSERT INTO saved_rows VALUES (?, ?, ?)", rows)

    def save_heads(self, heads: Sequence[KeptHead]) -> None:
        """Keep how far the heads of the document were counted."""
        with failures_named(self._path), transaction(self._connection):
            self._connection.executemany(
                "INSERT OR REPLACE INTO saved_heads VALUES (?, ?, ?, ?, ?)",
                [
                    (self._feed_numbers[each.device], each.position, each.id, each.head, _sum(each))
                    for each in heads
                ],
            )

    def clear(self) -> None:
        """Let go of everything that is kept; nothing of it is needed where the entries are."""
        with failures_named(self._path), transaction(self._connection):
            for table in ("epochs", "rows", "changes", "windows", "heads", "flaws"):
                self._connection.execute(f"DELETE FROM saved_{table}")  # noqa: S608 - our own names
        self._heads.clear()

    def report(self, reason: str) -> StoreDamaged:
        """Take note of damage that shows while reading; return what to raise."""
        with failures_named(self._path):
            self._connection.execute("INSERT INTO saved_flaws VALUES (?)", (reason,))
        return StoreDamaged(
            f"{self._path}: {reason}; what was saved is not used any more, the next command"
            " verifies every entry and says what can be repaired"
        )

    # -- reading -----------------------------------------------------------------------------

    def find_state(self, chain: CheckpointChain) -> SavedState | None:
        """Return the newest kept state that a counted checkpoint claims; None when there is none.

        Raises ``StoreDamaged`` when what is kept does not verify.
        """
        self._heads = self._read_heads()
        newest = len(self._heads)
        for epoch in range(newest, self._find_oldest() - 1, -1):
            checkpoint, head = chain.get(epoch), self._heads[epoch - 1]
            if checkpoint is None or checkpoint.id != head.checkpoint:
                continue
            if checkpoint.root == head.root:
                return self._verify(chain, checkpoint)
        return None

    def check_states(self, chain: CheckpointChain) -> None:
        """Verify every state that a counted checkpoint claims. Raises ``StoreDamaged``."""
        newest = len(self._heads)
        for epoch in range(self._find_oldest(), newest + 1):
            checkpoint, head = chain.get(epoch), self._heads[epoch - 1]
            if checkpoint is not None and checkpoint.id == head.checkpoint:
                self._verify(chain, checkpoint)

    def find_flaw(self) -> str | None:
        """Return what showed to be damaged while it was read, if anything did."""
        with failures_named(self._path):
            row = self._connection.execute("SELECT reason FROM saved_flaws").fetchone()
        return None if row is None else row[0]

    def read_roots(self, epoch: int) -> Sequence[bytes]:
        """Return the roots that were computed of the epochs up to one."""
        return [head.root for head in self._heads[:epoch]]

    def read_outcomes(self, epoch: int) -> bytes:
        """Return the outcomes of an epoch as they were encoded; empty when they are gone."""
        row = self._read_one("SELECT outcomes FROM saved_epochs WHERE epoch = ?", (epoch,))
        return b"" if row is None else row[0]

    def read_body(self, device: bytes, position: int) -> bytes | None:
        """Return a body, empty when it is archived, None when it is gone."""
        row = self._read_one(
            "SELECT ifnull(CAST(body AS BLOB), x'') FROM entries WHERE place = ?",
            (self._get_place(device, position),),
        )
        return None if row is None else row[0]

    def read_stretch(self, device: bytes, first: int, last: int) -> list[tuple[bytes, bytes]]:
        """Return (body hash, body) of consecutive entries, as far as they are there."""
        with failures_named(self._path):
            rows = self._connection.execute(
                "SELECT place, ifnull(CAST(body_hash AS BLOB), x''),"
                " ifnull(CAST(body AS BLOB), x'')"
                " FROM entries WHERE place BETWEEN ? AND ? ORDER BY place",
                (self._get_place(device, first), self._get_place(device, last)),
            ).fetchall()
        start = self._get_place(device, first)
        found: list[tuple[bytes, bytes]] = []
        for place, body_hash, body in rows:
            if place != start + len(found):
                break
            found.append((body_hash, body))
        return found

    def read_windows(self) -> dict[bytes, list[Mark]]:
        """Return the ends of windows that closed epochs include, with their chain ids, by device.

        ``find_state`` has verified them with what their epochs came to.
        """
        windows: dict[bytes, list[Mark]] = {}
        for ended in self._read_windows().values():
            for device, position, chain_id in ended:
                windows.setdefault(device, []).append((position, chain_id))
        for marks in windows.values():
            marks.sort()
        return windows

    def read_heads(self) -> list[KeptHead]:
        """Return how far the heads were counted; what was altered since is left out."""
        devices = {number: device for device, number in self._feed_numbers.items()}
        kept: list[KeptHead] = []
        with failures_named(self._path):
            for feed, position, chain_id, head, checksum in self._connection.execute(
                "SELECT ifnull(CAST(feed AS INTEGER), 0), ifnull(CAST(position AS INTEGER), 0),"
                " CAST(id AS BLOB), CAST(head AS BLOB), CAST(checksum AS BLOB)"
                " FROM saved_heads ORDER BY feed"
            ):
                each = KeptHead(devices.get(feed, b""), position, chain_id, head)
                if each.device and _sum(each) == checksum:
                    kept.append(each)
        return kept

    def read_size(self, device: bytes, first: int, last: int) -> int:
        """Return the bytes of the bodies at positions ``first`` to ``last``."""
        places = self._get_place(device, first), self._get_place(device, last)
        row = self._read_one(
            "SELECT ifnull(sum(length(body)), 0) FROM entries WHERE place BETWEEN ? AND ?", places
        )
        assert row is not None
        return row[0]

    def _verify(self, chain: CheckpointChain, checkpoint: Checkpoint) -> SavedState:
        epoch, root = checkpoint.index, self._heads[checkpoint.index - 1].root
        try:
            rows = self._read_rows(epoch)
            return verify_state(chain.get_id(0), epoch, checkpoint.time, rows, root)
        except Forged as error:
            raise StoreDamaged(str(error)) from error

    # -- within a transaction ----------------------------------------------------------------

    def _insert(self, epoch: ClosedEpoch, *, keeps_changes: bool) -> None:
        execute, executemany = self._connection.execute, self._connection.executemany
        fields = (epoch.number, epoch.checkpoint, epoch.root, epoch.outcomes)
        checksum = _compute_sum(*fields, epoch.windows)
        execute("INSERT INTO saved_epochs VALUES (?, ?, ?, ?, ?)", (*fields, checksum))
        executemany(
            "INSERT INTO saved_windows VALUES (?, ?, ?, ?)",
            [
                (self._feed_numbers[device], position, chain_id, epoch.number)
                for device, position, chain_id in epoch.windows
            ],
        )
        if keeps_changes:
            executemany(
                "INSERT INTO saved_changes VALUES (?, ?, ?, ?)",
                [(epoch.number, name, key, before) for name, key, before, _ in epoch.changes],
            )

    def _go_back(self, epoch: int) -> None:
        """Undo what is kept of the epochs after one, which lies within reach, or of all."""
        execute = self._connection.execute
        if epoch:
            rows: _Rows = {}
            rows.update(((name, key), row) for name, key, row in self._read_before(epoch))
            self._write_rows(rows)
        else:
            execute("DELETE FROM saved_rows")
        for table in ("epochs", "changes", "windows"):
            execute(f"DELETE FROM saved_{table} WHERE epoch > ?", (epoch,))  # noqa: S608 - our own names

    def _write_rows(self, rows: _Rows) -> None:
        written = [(name, key, row) for (name, key), row in rows.items() if row is not None]
        deleted = [name for name, row in rows.items() if row is None]
        executemany = self._connection.executemany
        executemany("INSERT OR REPLACE INTO saved_rows VALUES (?, ?, ?)", written)
        executemany("DELETE FROM saved_rows WHERE name = ? AND key = ?", deleted)

    # -- reading what is kept ----------------------------------------------------------------

    def _read_heads(self) -> list[_Head]:
        heads: list[_Head] = []
        windows = self._read_windows()
        with failures_named(self._path):
            for number, *fields, checksum in self._connection.execute(
                "SELECT ifnull(CAST(epoch AS INTEGER), 0), CAST(checkpoint AS BLOB), CAST(root AS BLOB),"
                " CAST(outcomes AS BLOB), CAST(checksum AS BLOB)"
                " FROM saved_epochs ORDER BY epoch"
            ):
                checkpoint, root, outcomes = fields
                if number != len(heads) + 1 or None in fields:
                    raise StoreDamaged(f"what epoch {len(heads) + 1} came to is missing")
                ended = windows.pop(number, [])
                if _compute_sum(number, checkpoint, root, outcomes, ended) != checksum:
                    raise StoreDamaged(f"what epoch {number} came to is altered")
                heads.append(_Head(checkpoint, root))
        if windows:
            raise StoreDamaged("windows are named of epochs that are not kept")
        return heads

    def _read_windows(self) -> dict[int, list[_Window]]:
        """Return the ends of windows by the epoch that includes them."""
        devices = {number: device for device, number in self._feed_numbers.items()}
        windows: dict[int, list[_Window]] = {}
        with failures_named(self._path):
            for feed, position, chain_id, epoch in self._connection.execute(
                "SELECT ifnull(CAST(feed AS INTEGER), 0), ifnull(CAST(position AS INTEGER), 0),"
                " ifnull(CAST(id AS BLOB), x''), ifnull(CAST(epoch AS INTEGER), 0)"
                " FROM saved_windows"
            ):
                ended = windows.setdefault(epoch, [])
                ended.append((devices.get(feed, b""), position, chain_id))
        return windows

    def _read_rows(self, epoch: int) -> list[SavedRow]:
        """Return the rows of the state at the end of an epoch within reach, by table and key."""
        with failures_named(self._path):
            rows: list[SavedRow] = self._connection.execute(
                "SELECT CAST(name AS TEXT), ifnull(CAST(key AS BLOB), x''), ifnull(CAST(value AS BLOB), x'')"
                " FROM saved_rows ORDER BY name, key"
            ).fetchall()
        if epoch == len(self._heads):
            return rows
        held: _Rows = {(name, key): row for name, key, row in rows}
        held.update(((name, key), row) for name, key, row in self._read_before(epoch))
        return sorted((name, key, row) for (name, key), row in held.items() if row is not None)

    def _find_oldest(self) -> int:
        """Return the first epoch that the state can go back to."""
        row = self._read_one("SELECT CAST(min(epoch) AS INTEGER) FROM saved_changes", ())
        assert row is not None
        # Every epoch changes something, if only the table of epochs.
        return max(len(self._heads) if row[0] is None else row[0] - 1, 1)

    def _read_before(self, epoch: int) -> list[tuple[str, bytes, bytes | None]]:
        """Return the rows that changed since an epoch as they were at its end, last word last."""
        with failures_named(self._path):
            return self._connection.execute(
                "SELECT CAST(name AS TEXT), CAST(key AS BLOB), CAST(before AS BLOB) FROM saved_changes"
                " WHERE epoch > ? ORDER BY epoch DESC",
                (epoch,),
            ).fetchall()

    def _read_one(self, query: str, arguments: tuple[int, ...]) -> tuple[Any, ...] | None:
        with failures_named(self._path):
            return self._connection.execute(query, arguments).fetchone()

    def _get_place(self, device: bytes, position: int) -> int:
        return (self._feed_numbers[device] << POSITION_BITS) + position


def _compute_sum(
    number: int, checkpoint: bytes, root: bytes, outcomes: bytes, windows: Sequence[_Window]
) -> bytes:
    ended = [
        part
        for device, position, chain_id in sorted(windows)
        for part in (device, _encode(position), chain_id)
    ]
    return compute_hash("saved", _encode(number), checkpoint, root, outcomes, *ended)


def _sum(kept: KeptHead) -> bytes:
    return compute_hash("saved", _encode(kept.position), kept.device, kept.id, kept.head)


def _encode(number: int) -> bytes:
    # A damaged one may be negative.
    return number.to_bytes(8, "big", signed=True)
