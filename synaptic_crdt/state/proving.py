"""Making proofs from a machine: of its newest state, or of the last closed epoch's end.

What is made here verifies with ``proofs.verify_proof`` under the root of that state, or it is our
own mistake. Proofs take the logarithm of the state's size, but for one case: that a row is absent
may need a look at every row, since the tree knows the rows by the hashes of their keys alone.
"""

from collections.abc import Sequence
from typing import Any, cast

from synaptic_crdt.state import merkle
from synaptic_crdt.state.machine import Machine, Version
from synaptic_crdt.state.outcomes import Outcome, compute_verdict_leaves, make_epoch_key
from synaptic_crdt.state.proofs import (
    NO_ROWS,
    EntryProof,
    OtherRow,
    PlainRow,
    RowProof,
    RowsProof,
)
from synaptic_crdt.state.tables import Key, Record, Table

# A row's name: its table and key.
RowName = tuple[Table[Any], Key]


def compute_version_root(market: bytes, version: Version) -> bytes:
    """Return the state root of a version."""
    return merkle.compute_state_root(market, version.epoch, version.time_ms, version.tree)


def get_row(machine: Machine, version: Version, table: Table[Any], key: Key) -> Record | None:
    """Return a row as it is in a version; the newest must still be the newest."""
    return machine.tables.get_settled(table, key) if version.is_closed else table.get(key)


def prove_rows(machine: Machine, version: Version, names: Sequence[RowName]) -> RowsProof:
    """Return the proof of what rows hold in a version, or that they are not there."""
    rows = tuple(_prove_row(machine, version, table, key) for table, key in names)
    return RowsProof(version.epoch, version.time_ms, rows)


def prove_entry(
    machine: Machine, version: Version, outcome: Outcome, predecessor: bytes
) -> EntryProof:
    """Return the receipt of an entry of a closed epoch; it shows no other entry.

    ``predecessor`` is the chain id before it in its feed.
    """
    entry = outcome.entry
    included = machine.get_epoch(outcome.epoch)
    leaves = compute_verdict_leaves(included)
    index = next(index for index, other in enumerate(included) if other.id == entry.id)
    key = make_epoch_key(outcome.epoch)
    return EntryProof(
        epoch=version.epoch,
        time_ms=version.time_ms,
        epoch_row=_prove_row(machine, version, machine.epochs, key),
        device=entry.device,
        position=entry.position,
        predecessor=predecessor,
        body=entry.body,
        verdict=outcome.verdict,
        index=index,
        siblings=tuple(merkle.find_verdict(leaves, index)),
    )


def _prove_row(machine: Machine, version: Version, table: Table[Any], key: Key) -> RowProof:
    place = merkle.compute_row_key(table.name, key)
    siblings, end = merkle.find_place(version.tree, place)
    shown = tuple(NO_ROWS if item == merkle.EMPTY_HASH else item for item in siblings)
    row = get_row(machine, version, table, key)
    if row is not None:
        assert end is not None
        assert end[1] == place, (table.name, key)
        return RowProof(table.name, key, _to_plain(row), shown, None)
    other = None if end is None else _show_other(machine, version, end[1])
    return RowProof(table.name, key, None, shown, other)


def _show_other(machine: Machine, version: Version, place: bytes) -> OtherRow:
    found = machine.tables.find_row(lambda table, key: merkle.compute_row_key(table, key) == place)
    assert found is not None, place
    row = get_row(machine, version, *found)
    assert row is not None, place
    return OtherRow(place, _to_plain(row))


def _to_plain(row: Record) -> PlainRow:
    return cast("PlainRow", merkle.to_plain(row))
