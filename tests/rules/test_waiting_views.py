"""What is told of a seat that lives, state by state, and of one that ended in silence."""

from typing import Any

import pytest

from synaptic_crdt.rules.limits import DAY_MS, HOUR_MS, MINUTE_MS
from synaptic_crdt.rules.task_operations import (
    DisputeOpen,
    DisputeRule,
    Metric,
    Release,
    Score,
    ServiceLevel,
    Shard,
    TaskAccept,
    TaskApprove,
    TaskCancel,
    TaskDecline,
    TaskFail,
    TaskImprove,
    TaskStart,
)
from synaptic_crdt.rules.task_views import view_task
from tests.rules.conftest import PAYLOAD, Stage, make_task

SERVICE = ServiceLevel(MINUTE_MS, HOUR_MS, 0, 10, (Metric("accuracy", 900_000),))


@pytest.fixture
def court() -> Stage:
    stage = Stage()
    stage.join("ana", grant=50)
    stage.join("kim")
    stage.join("lea")
    return stage


def post(stage: Stage, **fields: Any) -> bytes:  # noqa: ANN401 - any of a task's
    arbiters = tuple(sorted((stage.key("kim"), stage.key("lea"))))
    fields = {"arbiters": arbiters, "quorum": 2, "bond": 20, "service": SERVICE} | fields
    return stage.did("founder", make_task(**fields))


def read(stage: Stage, task: bytes) -> str:
    """What the first seat waits for, without the time; the time is that of its timer."""
    view = view_task(stage.market, task)
    assert view is not None
    told, _, time = view["shards"][0]["waits_for"].rpartition(" at 20")
    assert time.endswith("Z")
    return told


def read_ends(stage: Stage, task: bytes) -> tuple[str, str]:
    """What is told of the end of the first seat and of the first assignment, values alone."""
    view = view_task(stage.market, task)
    assert view is not None
    assert view["shards"][0]["waits_for"] == "" or view["shards"][0]["state"] == "OPEN"
    seat: str = view["shards"][0]["explanation"]
    work: str = view["assignments"][0]["explanation"] if view["assignments"] else ""
    return seat.partition(": ")[2], work.partition(": ")[2]


def test_from_the_posting_to_the_ruling(court: Stage) -> None:
    task = post(court)
    assert read(court, task) == "waits for a provider, at up to 100 a unit; its window ends"
    assignment = court.did("ana", TaskAccept(task, 100, ()))
    assert (
        read(court, task) == "waits for a checkpoint to make the acceptance final; void without one"
    )
    court.close_epoch()
    assert read(court, task) == "waits for the provider to start, late after 1 min; abandoned"
    court.did("ana", TaskStart(assignment))
    assert read(court, task) == "the provider is at work, late after 1 h; abandoned"


def test_from_the_delivery_to_the_ruling(court: Stage) -> None:
    task = post(court)
    _, delivery = court.deliver(task, "ana")
    assert read(court, task) == "waits for 1 to approve, 0 did; silence approves"
    low = (Score("accuracy", 1),)
    court.did("founder", TaskApprove(delivery, approve=True, scores=low))
    assert read(court, task) == (
        "proposed: 100 %, missed accuracy; the provider may agree or dispute, and silence agrees"
    )
    court.did("ana", DisputeOpen(delivery, "unfair", "", ()))
    court.did("kim", DisputeRule(delivery, 0))
    assert read(court, task) == "waits for 2 rulings, has 1; decided by default"


def test_what_is_proposed_after_a_rejection(court: Stage) -> None:
    task = post(court)
    _, delivery = court.deliver(task, "ana")
    court.did("founder", TaskApprove(delivery, approve=False, scores=()))
    assert read(court, task) == (
        "proposed: 0 %; the provider may agree or dispute, and silence agrees"
    )


def test_reserved_and_awaiting_a_key_and_a_date(court: Stage) -> None:
    task = post(court, units=(1, 1), providers_min=2)
    court.did("ana", TaskAccept(task, 100, ()))
    assert read(court, task) == "waits until 2 providers want the task; its window ends"
    sealed = (Shard(1, PAYLOAD, b"c" * 32, ()),)
    private = post(court, seats=sealed, privacy="private")
    court.assign(private, "ana")
    assert read(court, private) == "waits for the requester to reveal the key; void without it"
    locked = post(court, release=Release("requester", (), 1, DAY_MS), bond=0)
    _, delivery = court.deliver(locked, "ana")
    court.did("founder", TaskApprove(delivery, approve=True, scores=()))
    assert read(court, locked) == "was approved; paid"


def test_silence_ends_with_how_long_it_was_and_what_moved(court: Stage) -> None:
    task = post(court, redispatch=0)
    court.assign(task, "ana")
    court.wait(DAY_MS)
    assert read_ends(court, task) == (
        "100 to the requester",
        "11 min, 20 of the bond to the requester",
    )
    task = post(court, redispatch=0)
    court.did("ana", TaskStart(court.assign(task, "ana")))
    court.wait(DAY_MS)
    assert read_ends(court, task) == (
        "100 to the requester",
        "4 h, 20 of the bond to the requester",
    )


def test_who_gives_up_is_told_where_the_bond_went(court: Stage) -> None:
    task = post(court)
    court.did("ana", TaskDecline(court.assign(task, "ana"), "busy"))
    assert read_ends(court, task) == ("", "20 of the bond to the provider")
    task = post(court)
    assignment = court.assign(task, "ana")
    court.did("ana", TaskStart(assignment))
    court.did("ana", TaskFail(assignment, "other"))
    assert read_ends(court, task) == (
        "",
        "10 of the bond to the requester, 10 of the bond to the provider",
    )
    without = post(court, bond=0)
    court.did("ana", TaskDecline(court.assign(without, "ana"), "busy"))
    assert read_ends(court, without) == ("", "")


def test_a_window_that_ended_tells_how_many_were_missing(court: Stage) -> None:
    task = post(court, units=(1, 1), providers_min=2)
    court.did("ana", TaskAccept(task, 100, ()))
    court.wait(HOUR_MS)
    assert read_ends(court, task) == (
        "100 to the requester",
        "15 min, 2 providers needed, 20 of the bond to the provider",
    )


def test_what_returned_is_told_by_the_price_of_that_time(court: Stage) -> None:
    task = post(court, units=(2, 1), bond=0)
    court.assign(task, "ana")
    court.did("founder", TaskCancel(task))
    better = TaskImprove(task, 300, 300, 300, 0, 15 * MINUTE_MS, -1_000, MINUTE_MS, HOUR_MS, 10)
    court.did("founder", better)
    view = view_task(court.market, task)
    assert view is not None
    assert view["shards"][1]["explanation"].endswith(": 100 to the requester")
