"""States as they are kept and passed on: rows in bytes, verified against a root before use.

A state is never folded upon unless its rows have the root that a counted checkpoint claims. That
is asked of the bytes as they are, so nothing in them is looked at before. Who may claim a root is
the checkpoint chain's to say.

Answers saved and received states that were altered, cut short or padded: all of it hashes to the
root, or none of it is used.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from synaptic_crdt.errors import Forged, MalformedInput
from synaptic_crdt.state import limits, merkle
from synaptic_crdt.state.codec import decode, decode_trusted, encode_trusted
from synaptic_crdt.state.hashes import compute_hash
from synaptic_crdt.state.outcomes import FeedRow
from synaptic_crdt.state.tables import Key, Record, Table

# The name of a table, a row's key and the row, both encoded.
SavedRow = tuple[str, bytes, bytes]
# A row before and after; None where there is none.
RowChange = tuple[str, bytes, bytes | None, bytes | None]

_ROW_OVERHEAD: Final = 128  # the name of a table and the heads of three fields


class SavedState(msgspec.Struct, frozen=True):
    """All rows of a state whose root was verified, at the end of an epoch."""

    epoch: int
    time_ms: int
    rows: Sequence[SavedRow]
    tree: merkle.Node

    def get_feeds(self) -> dict[bytes, FeedRow]:
        """Return how far each feed is included."""
        return {
            decode_trusted(key): msgspec.convert(
                decode_trusted(row), FeedRow, builtin_types=(bytes,)
            )
            for table, key, row in self.rows
            if table == "feeds"
        }


class ClosedEpoch(msgspec.Struct, frozen=True):
    """What an epoch that closed adds to what is kept.

    ``checkpoint`` is the id of the one that closed it, ``root`` the root that was computed here,
    ``outcomes`` what ``encode_outcomes`` made; ``windows`` are the ends of windows, as (device,
    position, chain id), that it includes.
    """

    number: int
    checkpoint: bytes
    root: bytes
    outcomes: bytes
    changes: Sequence[RowChange]
    windows: Sequence[tuple[bytes, int, bytes]]


def encode_changes(
    changes: Iterable[tuple[Table[Any], Key, Record | None, Record | None]],
) -> list[RowChange]:
    """Return changes of rows in bytes."""
    return [
        (table.name, encode_trusted(key), _encode_row(old), _encode_row(new))
        for table, key, old, new in changes
        if old != new
    ]


def verify_state(
    market: bytes, epoch: int, time_ms: int, rows: Sequence[SavedRow], root: bytes
) -> SavedState:
    """Return the state once its rows have the root claimed. Raises ``Forged``."""
    tree = merkle.update_tree(None, _compute_leaves(rows))
    computed = merkle.compute_state_root(market, epoch, time_ms, tree)
    if computed != root:
        raise Forged(
            f"the state at checkpoint {epoch} has root {computed.hex()}, the checkpoint claims"
            f" {root.hex()}; nothing of it was used"
        )
    return SavedState(epoch, time_ms, rows, tree)


def encode_chunks(rows: Iterable[SavedRow]) -> Iterator[bytes]:
    """Yield rows, which ascend by table and key, in chunks of bounded size."""
    chunk: list[SavedRow] = []
    size = 0
    for row in rows:
        row_size = len(row[1]) + len(row[2]) + _ROW_OVERHEAD
        if chunk and size + row_size > limits.STATE_CHUNK_BYTES:
            yield encode_trusted(chunk)
            chunk, size = [], 0
        chunk.append(row)
        size += row_size
    assert chunk, "a state has a row of its newest epoch"
    yield encode_trusted(chunk)


class StateAssembly:
    """Puts a state together from chunks in order, each checked for its form as it comes."""

    def __init__(self) -> None:
        self._rows: Final[list[SavedRow]] = []

    @property
    def rows(self) -> Sequence[SavedRow]:
        """The rows that came so far; nothing says yet that they are any state's."""
        return self._rows

    def add(self, chunk: bytes) -> None:
        """Take the next chunk, all keys and rows in it plain values. Raises ``MalformedInput``."""
        rows = decode(chunk, limits.STATE_CHUNK_BYTES + limits.STATE_ROW_BYTES)
        if not isinstance(rows, list) or not rows:
            raise MalformedInput("a chunk of a state without rows")
        for row in rows:
            match row:
                case [str(table), bytes(key), bytes(value)]:
                    # They are not looked at again before they are loaded.
                    decode(key, limits.STATE_ROW_BYTES)
                    decode(value, limits.STATE_ROW_BYTES)
                    self._append((table, key, value))
                case _:
                    raise MalformedInput("a row of a state is [table, key, row]")

    def _append(self, row: SavedRow) -> None:
        # So that nothing comes twice, of which only one could be under the root.
        if self._rows and self._rows[-1][:2] >= row[:2]:
            raise MalformedInput(f"a state's rows do not ascend, in table {row[0]:.40}")
        self._rows.append(row)


def _compute_leaves(rows: Iterable[SavedRow]) -> dict[bytes, bytes | None]:
    """Return the leaf of each row by its place, as ``merkle.compute_leaf`` would."""
    leaves: dict[bytes, bytes | None] = {}
    name, head = "", b""
    for table, key, value in rows:
        if table != name:
            # An array of two, of which the name is the first.
            name, head = table, encode_trusted([table, b""])[:-1]
        place = compute_hash("row key", head, key)
        leaves[place] = compute_hash("leaf", place, value)
    return leaves


def _encode_row(row: Record | None) -> bytes | None:
    return None if row is None else merkle.encode_row(row)
