"""Two states that are not the same: the first row in which they differ, and what it is in each."""

from synaptic_crdt.state import merkle
from synaptic_crdt.state.differences import find_difference
from synaptic_crdt.state.machine import Machine
from synaptic_crdt.state.tables import Key
from tests.state.conftest import OPENED_MS, Writer, admit, make_replica


def write(writer: Writer, amount: int) -> None:
    writer.write((OPENED_MS + writer.feed.position, ("mint", amount)))


def test_equal_states_do_not_differ() -> None:
    one, other = make_replica(), make_replica()
    assert find_difference(one.machine, other.machine) is None
    writer = Writer(1)
    write(writer, 5)
    for replica in (one, other):
        piece = writer.feed.get_piece(1)
        assert piece is not None
        admit(replica, [piece])
    assert find_difference(one.machine, other.machine) is None


def test_the_row_that_comes_first_in_the_tree_is_named_with_both_of_its_values() -> None:
    one, other = make_replica(), make_replica()
    ours, theirs = Writer(1), Writer(2)
    write(ours, 5)
    write(theirs, 7)
    for replica, writer in ((one, ours), (other, theirs)):
        piece = writer.feed.get_piece(1)
        assert piece is not None
        admit(replica, [piece])
    found = find_difference(one.machine, other.machine)
    back = find_difference(other.machine, one.machine)
    assert found is not None
    assert back is not None
    assert (found.table, found.key) == (back.table, back.key)
    assert (found.one, found.other) == (back.other, back.one)
    assert found.one != found.other
    places = [
        merkle.compute_row_key(table.name, key)
        for machine in (one.machine, other.machine)
        for table in machine.tables.get_tables()
        for key in table.get_keys()
        if _get_row(one.machine, table.name, key) != _get_row(other.machine, table.name, key)
    ]
    assert merkle.compute_row_key(found.table, found.key) == min(places)


def _get_row(machine: Machine, name: str, key: Key) -> object:
    [table] = [each for each in machine.tables.get_tables() if each.name == name]
    return table.get(key)
