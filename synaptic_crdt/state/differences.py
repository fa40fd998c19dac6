"""Where two states part that should be equal: the first row that is in one of them otherwise.

Two trees of one process are walked together, and only where their hashes differ; of two roots
alone nothing more can be said than that they differ.
"""

import msgspec

from synaptic_crdt.state import merkle
from synaptic_crdt.state.machine import Machine
from synaptic_crdt.state.tables import Key


class Difference(msgspec.Struct, frozen=True):
    """The first row, in the order of the tree, that two states do not have in common.

    ``one`` and ``other`` are its fields in either state, None where it is missing.
    """

    table: str
    key: Key
    one: object
    other: object


def find_difference(one: Machine, other: Machine) -> Difference | None:
    """Return the first row in which the current states of two machines differ; None for none.

    Epochs and market time are no rows: they may differ all the same.
    """
    place = merkle.find_first_difference(one.get_current().tree, other.get_current().tree)
    if place is None:
        return None
    rows: list[object] = []
    name: tuple[str, Key] | None = None
    for machine in (one, other):
        found = machine.tables.find_row(
            lambda table, key: merkle.compute_row_key(table, key) == place
        )
        row = None
        if found is not None:
            name = found[0].name, found[1]
            row = found[0].get(found[1])
        rows.append(merkle.to_plain(row))
    # In one of the two it is, or its leaf would not be in a tree.
    assert name is not None
    return Difference(*name, *rows)
