import json

from synaptic_crdt.rules.operations import TokenTransfer
from synaptic_crdt.rules.task_operations import TaskAccept, TaskCancel
from synaptic_crdt.rules.task_views import (
    view_assignment,
    view_payload,
    view_result,
    view_task,
    view_tasks,
    view_work,
)
from synaptic_crdt.rules.views import view_accounts, view_invitations, view_supply, view_wallet
from tests.rules.conftest import PAYLOAD, Stage, make_task


def test_nobodys_wallet_is_empty_w2(stage: Stage) -> None:
    view = view_wallet(stage.market, bytes(32))
    assert {key: value for key, value in view.items() if value and key != "account"} == {}


def test_wallet_tells_final_from_pending(stage: Stage) -> None:
    ana = stage.join("ana", grant=30)
    stage.tables.forget_journal()
    stage.did("founder", TokenTransfer(ana, 50, b"", ""))
    task = stage.did("founder", make_task(bond=20))
    stage.did("ana", TaskAccept(task, 100, ()))
    founder, provider = (view_wallet(stage.market, stage.key(n)) for n in ("founder", "ana"))
    assert (founder["final"], founder["available"], founder["pending_out"]) == (1_000, 850, 150)
    assert (founder["escrow"], founder["pending_in"]) == (100, 0)
    assert (provider["final"], provider["available"], provider["pending_in"]) == (30, 60, 30)
    assert (provider["bonded"], provider["escrow"]) == (20, 0)
    parts = view_supply(stage.market)
    assert parts["balances"] + parts["holds"] + parts["treasury"] == parts["supply"]


def test_views_are_json(stage: Stage) -> None:
    stage.join("ana")
    task = stage.did("founder", make_task())
    stage.deliver(task, "ana")
    views = [
        view_accounts(stage.market),
        view_invitations(stage.market),
        view_tasks(stage.market),
        view_task(stage.market, task),
        view_work(stage.market, stage.key("ana")),
    ]
    assert json.loads(json.dumps(views)) == views


def test_task_names_everything_about_its_assignments(stage: Stage) -> None:
    stage.join("ana")
    task = stage.did("founder", make_task(units=(2,)))
    assignment, delivery = stage.deliver(task, "ana")
    view = view_task(stage.market, task)
    assert view is not None
    assert (view["status"], view["requester"]) == ("CLOSED", stage.key("founder").hex())
    (row,) = view["assignments"]
    assert row == view_assignment(stage.market, assignment)
    assert [row] == view_work(stage.market, stage.key("ana"))
    assert (row["status"], row["seat"], row["price"]) == ("DELIVERED", 0, 200)
    assert row["delivery"] == delivery.hex()
    (shard,) = view["shards"]
    assert (shard["state"], shard["escrow"], shard["deadline_ms"]) == (
        "DELIVERED",
        200,
        stage.now + 7_200_000,
    )


def test_payload_tells_where_its_bytes_are(stage: Stage) -> None:
    task = stage.did("founder", make_task(units=(1, 3)))
    view = view_payload(stage.market, task, 1)
    assert view is not None
    assert (view["entry"], view["units"], view["hash"]) == (task.hex(), 3, PAYLOAD.hash.hex())
    assert view_payload(stage.market, task, 2) is None


def test_what_is_unknown_has_no_view(stage: Stage) -> None:
    assert view_task(stage.market, bytes(32)) is None
    assert view_assignment(stage.market, bytes(32)) is None
    assert view_result(stage.market, bytes(32)) is None


def test_status_is_read_off_the_seats(stage: Stage) -> None:
    stage.join("ana")

    def status(task: bytes) -> str:
        view = view_task(stage.market, task)
        assert view is not None
        return view["status"]

    task = stage.did("founder", make_task(units=(1, 1)))
    assert status(task) == "OPEN"
    stage.did("ana", TaskAccept(task, 100, ()))
    assert status(task) == "MIN_REACHED"
    stage.did("founder", TaskCancel(task))
    assert status(task) == "CLOSED"
    stage.wait(86_400_000)
    assert status(task) == "CANCELLED"
    other = stage.did("founder", make_task())
    stage.wait(900_000)
    assert status(other) == "EXPIRED"
