"""The market's tables: rows by key, sorted indexes, and a journal that undoes every change.

A table offers ``get``, ``set``, ``delete`` and ranges over the sorted indexes it declared. It has
no plain iteration, because the order of a dict after an undo differs from its order after a
straight fold, and no rule may depend on how a replica came to its state.

Rows are frozen records, keys are bytes or tuples of bytes, text and integers. What a table holds
is a function of the changes that were made and not undone, of nothing else.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby
from operator import itemgetter
from typing import Any, Final, Generic, TypeVar

import msgspec
from sortedcontainers import SortedList

from synaptic_crdt.state.codec import decode_trusted

Key = bytes | tuple[bytes | str | int, ...]
SortKey = tuple[Any, ...]


class Record(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A row: integers, booleans, bytes, text, None, and tuples or records of them."""


R = TypeVar("R", bound=Record)
Indexer = Callable[[Key, R], SortKey | None]
# For each change in turn: its table, its key, the row before. Flat, because it is long: a tuple
# for each change would take three times the memory, and time to look at when garbage is collected.
Journal = list[Any]
_JOURNAL_FIELDS: Final = 3


class Index(Generic[R]):
    """A sorted view of a table: one sort key a row; rows whose sort key is None are left out."""

    __slots__ = ("_first", "_indexer", "_sorted")

    def __init__(self, indexer: Indexer[R]) -> None:
        self._indexer: Final = indexer
        self._sorted: Final[SortedList[Any]] = SortedList()
        # The least item, once somebody asked for it. Before every entry somebody does.
        self._first: tuple[SortKey, Key] | None = None

    def first(self) -> tuple[SortKey, Key] | None:
        """Return the least (sort key, row key), or None when the index is empty."""
        if self._first is None and self._sorted:
            self._first = self._sorted[0]
        return self._first

    def ascend(
        self, low: SortKey | None = None, high: SortKey | None = None
    ) -> Iterator[tuple[SortKey, Key]]:
        """Yield (sort key, row key) in order, from ``low`` up to but not including ``high``.

        A bound may be a prefix of the sort keys. The table must not change while this runs.
        """
        return self._sorted.irange(
            None if low is None else (low,),
            None if high is None else (high,),
            inclusive=(True, False),
        )

    def __len__(self) -> int:
        return len(self._sorted)

    def load(self, rows: Mapping[Key, R]) -> None:
        """Begin anew with these rows."""
        indexer = self._indexer
        self._first = None
        self._sorted.clear()
        self._sorted.update(
            (sort_key, key)
            for key, row in rows.items()
            if (sort_key := indexer(key, row)) is not None
        )

    def replace(self, key: Key, old: R | None, new: R | None) -> None:
        """Follow one change of a row."""
        before = None if old is None else self._indexer(key, old)
        after = None if new is None else self._indexer(key, new)
        if before == after:
            return
        if before is not None:
            self._sorted.remove((before, key))
            if (before, key) == self._first:
                self._first = None
        if after is not None:
            self._sorted.add((after, key))
            if self._first is not None and (after, key) < self._first:
                self._first = (after, key)


class Table(Generic[R]):
    """Rows of one kind, by key. Every change goes through the journal of its ``Tables``."""

    __slots__ = (
        "_all",
        "_changed",
        "_followers",
        "_indexes",
        "_journal",
        "_row",
        "_rows",
        "get",
        "name",
    )

    def __init__(
        self,
        name: str,
        row: type[R],
        indexes: Mapping[str, Indexer[R]],
        fixed: Mapping[str, Indexer[R]],
        journal: Journal,
    ) -> None:
        self.name: Final = name
        self._row: Final = row
        self._rows: Final[dict[Key, R]] = {}
        self._indexes: Final = {
            index: Index(indexer) for index, indexer in (*indexes.items(), *fixed.items())
        }
        # Whom it concerns that a row comes or goes, and whom that one changes.
        self._all: Final = tuple(self._indexes.values())
        self._followers: Final = tuple(self._indexes[index] for index in indexes)
        self._journal: Final = journal
        self._changed: Final[set[Key]] = set()
        # Bound once: reading a row is the most frequent step of a fold.
        self.get: Final[Callable[[Key], R | None]] = self._rows.get

    def __len__(self) -> int:
        return len(self._rows)

    def set(self, key: Key, row: R) -> None:
        """Write a row, new or not."""
        old = self._rows.get(key)
        self._journal.extend((self, key, old))
        self._changed.add(key)
        self._rows[key] = row
        for index in self._all if old is None else self._followers:
            index.replace(key, old, row)

    def delete(self, key: Key) -> None:
        """Remove a row that exists."""
        old = self._rows.pop(key)
        self._journal.extend((self, key, old))
        self._changed.add(key)
        for index in self._all:
            index.replace(key, old, None)

    def load(self, rows: Iterable[tuple[bytes, bytes]]) -> None:
        """Begin anew with rows in bytes that were verified, each with its key."""
        self._rows.clear()
        self._changed.clear()
        kind, loaded = self._row, self._rows
        for key, row in rows:
            plain = decode_trusted(row)
            loaded[_load_key(key)] = msgspec.convert(plain, kind, builtin_types=(bytes,))
        for index in self._all:
            index.load(loaded)

    def index(self, name: str) -> Index[R]:
        """Return the declared index ``name``."""
        return self._indexes[name]

    def undo(self, key: Key, old: R | None) -> None:
        """Put back what was there before one change; the journal calls this, newest first."""
        new = self._rows.get(key)
        if old is None:
            self._rows.pop(key, None)
        else:
            self._rows[key] = old
        self._changed.add(key)
        stays = new is not None and old is not None
        for index in self._followers if stays else self._all:
            index.replace(key, new, old)

    def get_keys(self) -> Iterable[Key]:
        """Return all keys, in no promised order; for ``Tables.find_row`` alone."""
        return self._rows.keys()

    def get_items(self) -> Iterable[tuple[Key, R]]:
        """Return all rows, in no promised order; for whoever saves them alone."""
        return self._rows.items()

    def take_changed(self) -> list[Key]:
        """Return the keys touched since the last call, in no promised order, and forget them."""
        changed = list(self._changed)
        self._changed.clear()
        return changed


class Tables:
    """All tables of one market state, and the journal they share."""

    __slots__ = ("_journal", "_tables")

    def __init__(self) -> None:
        self._tables: Final[dict[str, Table[Any]]] = {}
        self._journal: Final[Journal] = []

    def declare(
        self,
        name: str,
        row: type[R],
        indexes: Mapping[str, Indexer[R]] | None = None,
        fixed: Mapping[str, Indexer[R]] | None = None,
    ) -> Table[R]:
        """Add an empty table of ``row`` records, with its sorted indexes by name.

        Those that are ``fixed`` sort by what never changes while a row is there: a change of one
        need not be looked at.
        """
        assert name not in self._tables, name
        assert issubclass(row, Record), row
        table: Table[R] = Table(name, row, indexes or {}, fixed or {}, self._journal)
        self._tables[name] = table
        return table

    def get_tables(self) -> Sequence[Table[Any]]:
        """Return all tables by ascending name."""
        return [self._tables[name] for name in sorted(self._tables)]

    def mark(self) -> int:
        """Return a place in the journal that ``undo_to`` can come back to."""
        return len(self._journal)

    def undo_to(self, mark: int) -> None:
        """Undo every change made since ``mark``, newest first."""
        journal = self._journal
        while len(journal) > mark:
            table, key, old = journal[-_JOURNAL_FIELDS:]
            del journal[-_JOURNAL_FIELDS:]
            table.undo(key, old)

    def forget_journal(self) -> None:
        """Make everything up to now permanent."""
        self._journal.clear()

    def load(
        self, rows: Iterable[tuple[str, bytes, bytes]], listed: Table[R]
    ) -> Sequence[tuple[bytes, R]]:
        """Begin anew with the verified rows of a whole state; return those of the table ``listed``.

        Rows are (table, key, row), each table's together; nothing of it is in the journal.
        """
        assert not self._journal
        by_table = {
            name: [(key, row) for _, key, row in group]
            for name, group in groupby(rows, key=itemgetter(0))
        }
        for name, table in self._tables.items():
            table.load(by_table.pop(name, ()))
        assert not by_table, sorted(by_table)
        return [(key, row) for key, row in listed.get_items() if isinstance(key, bytes)]

    def get_changes(
        self, *, is_first: bool
    ) -> list[tuple[Table[Any], Key, Record | None, Record | None]]:
        """Return the rows in the journal as they were and as they are now, in no promised order.

        With ``is_first`` all rows there are: a contract's first ones are in no journal.
        """
        if is_first:
            return [
                (table, key, None, row)
                for table in self._tables.values()
                for key, row in table.get_items()
            ]
        before: dict[tuple[str, Key], tuple[Table[Any], Record | None]] = {}
        for table, key, old in self._read_journal():
            before.setdefault((table.name, key), (table, old))
        return [(table, key, old, table.get(key)) for (_, key), (table, old) in before.items()]

    def find_row(self, is_sought: Callable[[str, Key], bool]) -> tuple[Table[Any], Key] | None:
        """Return table and key of the row that is sought, or was deleted since the last settling.

        Asks every row, in no promised order: one at most may be sought.
        """
        held = ((table, key) for table in self._tables.values() for key in table.get_keys())
        gone = ((table, key) for table, key, _ in self._read_journal())
        return next((row for row in chain(held, gone) if is_sought(row[0].name, row[1])), None)

    def get_settled(self, table: Table[R], key: Key) -> R | None:
        """Return the row as it was when the journal was last forgotten."""
        for changed, changed_key, old in self._read_journal():
            if changed is table and changed_key == key:
                return old  # type: ignore[return-value]
        return table.get(key)

    def _read_journal(self) -> Iterator[tuple[Table[Any], Key, Record | None]]:
        """Yield the changes since the journal was last forgotten, oldest first."""
        fields = iter(self._journal)
        return zip(fields, fields, fields, strict=True)


def _load_key(data: bytes) -> Key:
    key = decode_trusted(data)
    # Keys are bytes, or tuples of what is hashed and compared by its value.
    return key if isinstance(key, bytes) else tuple(key)  # type: ignore[return-value]
