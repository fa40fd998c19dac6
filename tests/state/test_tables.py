"""Tables hold what was changed and not undone; indexes agree with the rows."""

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from synaptic_crdt.state.tables import Record, Table, Tables


class Row(Record, frozen=True):
    rank: int
    shown: bool


keys = st.binary(min_size=1, max_size=1) | st.tuples(st.sampled_from([b"a", b"b"]))
byte_keys = st.sampled_from([bytes([n]) for n in range(12)])
ranks = st.integers(0, 4)


class TablesAgainstDicts(RuleBasedStateMachine):
    """Two real tables with one journal, beside dicts that are copied whole."""

    @initialize()
    def start(self) -> None:
        self.tables = Tables()
        self.rows: list[Table[Row]] = [
            self.tables.declare("first", Row, {"rank": lambda key, row: (row.rank, key)}),
            self.tables.declare(
                "second", Row, {"shown": lambda _, row: (row.rank,) if row.shown else None}
            ),
        ]
        self.model: list[dict[Any, Row]] = [{}, {}]
        self.settled: list[dict[Any, Row]] = [{}, {}]
        self.taken: list[dict[Any, Row]] = [{}, {}]
        self.marks: list[tuple[int, list[dict[Any, Row]]]] = []

    def copy(self) -> list[dict[Any, Row]]:
        return [dict(rows) for rows in self.model]

    @rule(which=st.integers(0, 1), key=byte_keys, rank=ranks, shown=st.booleans())
    def set_row(self, which: int, key: bytes, rank: int, *, shown: bool) -> None:
        self.rows[which].set(key, Row(rank, shown))
        self.model[which][key] = Row(rank, shown)

    @rule(which=st.integers(0, 1), data=st.data())
    def delete_row(self, which: int, data: st.DataObject) -> None:
        if self.model[which]:
            key = data.draw(st.sampled_from(sorted(self.model[which])))
            self.rows[which].delete(key)
            del self.model[which][key]

    @rule()
    def mark(self) -> None:
        self.marks.append((self.tables.mark(), self.copy()))

    @precondition(lambda self: bool(self.marks))
    @rule(data=st.data())
    def undo(self, data: st.DataObject) -> None:
        place = data.draw(st.integers(0, len(self.marks) - 1))
        mark, model = self.marks[place]
        del self.marks[place:]
        self.tables.undo_to(mark)
        self.model = [dict(rows) for rows in model]

    @rule()
    def forget(self) -> None:
        self.tables.forget_journal()
        self.marks.clear()
        self.settled = self.copy()

    @rule(which=st.integers(0, 1))
    def take_changed(self, which: int) -> None:
        changed = set(self.rows[which].take_changed())
        before, now = self.taken[which], self.model[which]
        assert changed >= {k for k in before.keys() | now.keys() if before.get(k) != now.get(k)}
        assert not self.rows[which].take_changed()
        self.taken[which] = dict(now)

    @rule(which=st.integers(0, 1), low=ranks, high=ranks)
    def read_a_range(self, which: int, low: int, high: int) -> None:
        (index,) = self.rows[which]._indexes.values()
        found = [key for _, key in index.ascend((low,), (high,))]
        assert found == [key for sort, key in self.sort(which) if low <= sort[0] < high]

    def sort(self, which: int) -> list[tuple[Any, bytes]]:
        if which == 0:
            return sorted(((row.rank, key), key) for key, row in self.model[0].items())
        return sorted(((row.rank,), key) for key, row in self.model[1].items() if row.shown)

    @invariant()
    def rows_agree(self) -> None:
        for which, name in ((0, "rank"), (1, "shown")):
            table, model, settled = self.rows[which], self.model[which], self.settled[which]
            assert len(table) == len(model)
            for key in (bytes([n]) for n in range(12)):
                assert table.get(key) == model.get(key)
                assert self.tables.get_settled(table, key) == settled.get(key)
            index = table.index(name)
            assert list(index.ascend()) == self.sort(which)
            assert len(index) == len(self.sort(which))

    @rule(which=st.integers(0, 1))
    def read_the_first(self, which: int) -> None:
        (index,) = self.rows[which]._indexes.values()
        assert index.first() == next(iter(self.sort(which)), None)


TestTables = TablesAgainstDicts.TestCase
TestTables.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_tables_come_by_name() -> None:
    tables = Tables()
    for name in ("b", "c", "a"):
        tables.declare(name, Row)
    assert [table.name for table in tables.get_tables()] == ["a", "b", "c"]


def test_a_table_has_no_plain_iteration() -> None:
    table: Any = Tables().declare("rows", Row)
    with pytest.raises(TypeError):
        iter(table)


def test_bounds_may_be_prefixes_of_sort_keys() -> None:
    table = Tables().declare("rows", Row, {"by": lambda key, row: (row.rank, key)})
    for n, rank in enumerate((1, 2, 2, 3)):
        table.set(bytes([n]), Row(rank, shown=True))
    index = table.index("by")
    assert [key[0] for _, key in index.ascend((2,), (3,))] == [1, 2]
    assert [key[0] for _, key in index.ascend((2, b"\x02"))] == [2, 3]
    assert [key[0] for _, key in index.ascend(None, (2, b"\x02"))] == [0, 1]


def test_deleting_what_is_not_there_is_our_mistake() -> None:
    with pytest.raises(KeyError):
        Tables().declare("rows", Row).delete(b"a")


def test_a_fixed_index_follows_rows_that_come_and_go() -> None:
    tables = Tables()
    table = tables.declare("rows", Row, fixed={"key": lambda key, _: (key,)})
    index = table.index("key")
    table.set(b"b", Row(1, shown=True))
    mark = tables.mark()
    table.set(b"b", Row(2, shown=True))
    table.set(b"a", Row(1, shown=True))
    assert [key for _, key in index.ascend()] == [b"a", b"b"]
    table.delete(b"b")
    assert [key for _, key in index.ascend()] == [b"a"]
    tables.undo_to(mark)
    assert [key for _, key in index.ascend()] == [b"b"]
    assert table.get(b"b") == Row(1, shown=True)
