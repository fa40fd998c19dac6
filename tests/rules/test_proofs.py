"""What proven rows say, and that rows which do not make up a statement are shown as rows."""

from typing import Any, Final

import pytest

from synaptic_crdt.rules.proofs import (
    name_assignment,
    name_balance,
    name_task,
    view_entry,
    view_rows,
)
from synaptic_crdt.rules.task_operations import TaskAccept, TaskCancel
from synaptic_crdt.rules.task_views import view_assignment, view_task
from synaptic_crdt.state.merkle import to_plain
from synaptic_crdt.state.proofs import ProvenEntry, ProvenRow
from synaptic_crdt.state.proving import RowName
from synaptic_crdt.state.tables import Key, Table
from tests.rules.conftest import Stage, make_task

NOBODY: Final = bytes([7]) * 32


def read(table: Table[Any], key: Key) -> Any:  # noqa: ANN401 - a row of any table
    return table.get(key)


def show(names: list[RowName]) -> list[ProvenRow]:
    """Return what a proof of these rows says, as they are now."""
    rows: list[ProvenRow] = []
    for table, key in names:
        row = table.get(key)
        plain: Any = None if row is None else to_plain(row)
        rows.append(ProvenRow(table.name, key, plain))
    return rows


@pytest.fixture
def task(stage: Stage) -> bytes:
    stage.join("ana")
    return stage.did("founder", make_task(units=(2, 3)))


def test_a_balance(stage: Stage) -> None:
    ana = stage.join("ana", grant=30)
    for account, available in ((ana, 30), (NOBODY, 0)):
        rows = show(name_balance(stage.market, account, read))
        assert view_rows(rows) == {
            "about": "balance",
            "account": account.hex(),
            "exists": available > 0,
            "available": available,
        }


def test_a_task_with_all_its_seats(stage: Stage, task: bytes) -> None:
    assignment = stage.did("ana", TaskAccept(task, 100, ()))
    view = view_rows(show(name_task(stage.market, task, read)))
    known = view_task(stage.market, task)
    assert known is not None
    for field in ("task", "status", "requester", "kind", "title", "price", "posted_ms"):
        assert view[field] == known[field]
    assert [(seat["seat"], seat["units"], seat["state"]) for seat in view["seats"]] == [
        (shard["seat"], shard["units"], shard["state"]) for shard in known["shards"]
    ]
    assert view["seats"][0]["assignment"] == assignment.hex()


def test_a_seat_that_ended_tells_what_went_back(stage: Stage, task: bytes) -> None:
    stage.did("founder", TaskCancel(task))
    seats = view_rows(show(name_task(stage.market, task, read)))["seats"]
    assert [seat["explanation"].rpartition(": ")[2] for seat in seats] == [
        "200 to the requester",
        "300 to the requester",
    ]


def test_an_assignment(stage: Stage, task: bytes) -> None:
    assignment, _ = stage.deliver(task, "ana")
    view = view_rows(show(name_assignment(stage.market, assignment, read)))
    known = view_assignment(stage.market, assignment)
    assert known is not None
    assert (view.pop("about"), view.pop("exists")) == ("assignment", True)
    assert view == {name: known[name] for name in view}
    assert view["status"] == "DELIVERED"


def test_what_is_not_there(stage: Stage) -> None:
    for name, about in ((name_task, "task"), (name_assignment, "assignment")):
        view = view_rows(show(name(stage.market, NOBODY, read)))
        assert view == {"about": about, about: NOBODY.hex(), "exists": False}


def test_rows_that_make_no_statement_are_shown_as_they_are(stage: Stage, task: bytes) -> None:
    assignment, _ = stage.deliver(task, "ana")
    market = stage.market
    posted = show(name_task(market, task, read))
    taken = show(name_assignment(market, assignment, read))
    balance = show(name_balance(market, stage.key("ana"), read))
    strange = [
        posted[:2],  # a seat is missing
        [posted[0], posted[2], posted[1]],  # seats out of order
        [*posted, *balance],
        [posted[0], *taken[:1], posted[2]],
        [ProvenRow("tasks", task, ["text"]), *posted[1:]],
        [posted[0], ProvenRow("seats", posted[1].key, ["text"]), posted[2]],
        [posted[0], ProvenRow("seats", posted[1].key, None), posted[2]],
        [ProvenRow("tasks", (task, 1), None)],
        [ProvenRow("tasks", task, None), *balance],
        taken[:1],
        [taken[0], posted[2]],
        [taken[0], ProvenRow("seats", taken[1].key, ["text"])],
        [ProvenRow("assignments", (task, 1), None)],
        [ProvenRow("assignments", assignment, None), *balance],
        [ProvenRow("assignments", assignment, [1])],
        [*balance, *balance],
        [ProvenRow("balances", (task, 1), None)],
        [ProvenRow("balances", task, ["text"])],
        show([(market.money, b"")]),
    ]
    for rows in strange:
        view = view_rows(rows)
        assert view["about"] == "rows", rows
        assert [row["table"] for row in view["rows"]] == [row.table for row in rows]
    assert view_rows(strange[-1])["rows"] == [
        {"table": "money", "key": "", "row": to_plain(market.get_money())}
    ]
    shown = view_rows([ProvenRow("holds", (task, "escrow"), [b"\x01", [None, True]])])
    assert shown["rows"][0]["key"] == [task.hex(), "escrow"]
    assert shown["rows"][0]["row"] == ["01", [None, True]]


@pytest.mark.parametrize(
    ("verdict", "name"), [(0, "APPLIED"), (600, "BALANCE_TOO_LOW"), (99_999, "99999")]
)
def test_an_entry(verdict: int, name: str) -> None:
    view = view_entry(
        ProvenEntry(
            epoch=5,
            time_ms=9,
            included=3,
            closed_ms=7,
            index=1,
            count=4,
            device=NOBODY,
            position=2,
            id=bytes(32),
            time=6 << 16,
            operation=["consent", None],
            verdict=verdict,
        )
    )
    assert view["verdict"] == name
    assert view["explanation"]
    assert (view["epoch"], view["index"], view["entries"], view["time_ms"]) == (3, 1, 4, 6)
    assert view["operation"] == "consent"
