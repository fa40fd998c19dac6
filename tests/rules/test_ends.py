"""What the rows say of work as it goes on and when it has ended: reasons, times, money back."""

import pytest

from synaptic_crdt.rules.limits import DAY_MS, HOUR_MS, MILLION, MINUTE_MS
from synaptic_crdt.rules.rows import AssignmentRow, SeatRow
from synaptic_crdt.rules.task_operations import (
    AssignmentExtend,
    AssignmentSettle,
    DisputeOpen,
    Release,
    SealedKey,
    Shard,
    TaskAccept,
    TaskApprove,
    TaskCancel,
    TaskDecline,
    TaskProgress,
    TaskReveal,
    TaskStart,
)
from synaptic_crdt.rules.task_views import view_task
from synaptic_crdt.rules.verdicts import Verdict
from tests.rules.conftest import PAYLOAD, Stage, make_task

COMMITMENT = b"c" * 32


@pytest.fixture
def busy() -> Stage:
    stage = Stage()
    stage.join("ana", grant=50)
    stage.join("bea", grant=50)
    return stage


def get_row(stage: Stage, assignment: bytes) -> AssignmentRow:
    row = stage.market.assignments.get(assignment)
    assert row is not None
    return row


def get_seat(stage: Stage, task: bytes) -> SeatRow:
    seat = stage.market.seats.get(task + bytes(1))
    assert seat is not None
    return seat


def get_status(stage: Stage, task: bytes) -> str:
    view = view_task(stage.market, task)
    assert view is not None
    return view["status"]


def test_a_reserved_seat_is_given_back_when_its_task_is_cancelled(busy: Stage) -> None:
    task = busy.did("founder", make_task(units=(1, 1), providers_min=2, bond=50))
    assignment = busy.did("ana", TaskAccept(task, 100, ()))
    assert (busy.available("ana"), get_status(busy, task)) == (0, "OPEN")
    busy.did("founder", TaskCancel(task))
    row = get_row(busy, assignment)
    assert (row.end, row.reason, row.ended_ms) == ("VOID", "cancelled", busy.now)
    assert (busy.state(task), get_seat(busy, task).assignment) == ("CANCELLED", b"")
    assert get_status(busy, task) == "CANCELLED"
    assert (busy.available("ana"), busy.available("founder")) == (50, 1_000)


def test_too_few_providers_leave_a_task_open_and_then_void(busy: Stage) -> None:
    task = busy.did("founder", make_task(units=(1, 1), providers_min=2))
    assignment = busy.did("ana", TaskAccept(task, 100, ()))
    assert [busy.state(task, number) for number in (0, 1)] == ["RESERVED", "OPEN"]
    assert get_status(busy, task) == "OPEN"
    busy.wait(15 * MINUTE_MS)
    assert [busy.state(task, number) for number in (0, 1)] == ["VOID", "VOID"]
    assert get_status(busy, task) == "EXPIRED"
    assert get_row(busy, assignment).reason == "window-ended"


def test_who_is_never_made_final_is_let_go_after_the_longest_wait(busy: Stage) -> None:
    busy.wait(MINUTE_MS)
    task = busy.did("founder", make_task(bond=50))
    busy.wait(MINUTE_MS)
    assignment = busy.did("ana", TaskAccept(task, 100, ()))
    busy.wait(DAY_MS - 1)
    assert (busy.state(task), busy.available("ana")) == ("PENDING", 0)
    busy.wait(1)
    row = get_row(busy, assignment)
    assert (row.end, row.reason, row.ended_ms) == ("VOID", "not-final", busy.now)
    assert (busy.state(task), busy.available("ana")) == ("VOID", 50)


def test_only_work_that_asks_for_presence_counts_it(busy: Stage) -> None:
    assignment = busy.assign(busy.did("founder", make_task()), "ana")
    busy.did("ana", TaskStart(assignment))
    assert get_row(busy, assignment).present == 0
    assert busy.market.presence.get(busy.key("ana")) is None


def test_a_key_that_never_came_is_the_reason(busy: Stage) -> None:
    seats = (Shard(1, PAYLOAD, COMMITMENT, ()),)
    task = busy.did("founder", make_task(privacy="private", seats=seats))
    assignment = busy.assign(task, "ana")
    busy.wait(HOUR_MS)
    row = get_row(busy, assignment)
    assert (row.end, row.reason, row.revealed) == ("VOID", "key-withheld", b"")
    assert busy.state(task) == "VOID"


def test_who_revealed_a_key_is_kept(busy: Stage) -> None:
    seats = (Shard(1, PAYLOAD, COMMITMENT, ()),)
    assignment = busy.assign(busy.did("founder", make_task(privacy="private", seats=seats)), "ana")
    entry = busy.did("founder", TaskReveal(assignment, (SealedKey(busy.key("ana"), bytes(80)),)))
    assert get_row(busy, assignment).revealed == entry


def test_progress_is_counted_and_the_last_word_kept(busy: Stage) -> None:
    assignment = busy.assign(busy.did("founder", make_task()), "ana")
    busy.did("ana", TaskStart(assignment))
    for done_ppm in (300_000, 250_000):
        busy.did("ana", TaskProgress(assignment, done_ppm))
    row = get_row(busy, assignment)
    assert (row.progress, row.done_ppm) == (2, 250_000)


def test_an_extension_of_work_in_hand_moves_the_end_of_patience(busy: Stage) -> None:
    task = busy.did("founder", make_task(bond=50))
    assignment = busy.assign(task, "ana")
    busy.did("ana", TaskStart(assignment))
    busy.did("founder", AssignmentExtend(assignment, HOUR_MS))
    # Four times one hour without it, four times two with it.
    busy.wait(8 * HOUR_MS - 1)
    assert busy.state(task) == "STARTED"
    busy.wait(1)
    row = get_row(busy, assignment)
    assert (row.end, row.reason, row.penalty) == ("ABANDONED", "not-delivered", 50)


def test_who_does_not_start_is_abandoned_at_the_hard_limit(busy: Stage) -> None:
    task = busy.did("founder", make_task(bond=50))
    assignment = busy.assign(task, "ana")
    # The response limit of a minute: four of them are less than ten more.
    busy.wait(11 * MINUTE_MS - 1)
    assert busy.state(task) == "ASSIGNED"
    busy.wait(1)
    assert get_row(busy, assignment).reason == "not-started"
    assert (busy.available("ana"), busy.available("founder")) == (0, 950)


def test_what_is_locked_until_a_date_is_paid_on_it(busy: Stage) -> None:
    task = busy.did("founder", make_task(release=Release("requester", (), 1, DAY_MS)))
    assignment, delivery = busy.deliver(task, "ana")
    busy.did("founder", TaskApprove(delivery, approve=True, scores=()))
    assert (busy.state(task), get_status(busy, task)) == ("TIMELOCKED", "CLOSED")
    assert busy.send("founder", DisputeOpen(delivery, "late", "", ())) == Verdict.WRONG_PHASE
    busy.wait(DAY_MS - 1)
    assert busy.available("ana") == 50
    busy.wait(1)
    row = get_row(busy, assignment)
    assert (row.reason, row.paid, row.ended_ms) == ("time-locked", 100, busy.now)
    assert get_status(busy, task) == "DONE"


@pytest.mark.parametrize(("share", "trades"), [(MILLION, 1), (MILLION - 1, 0)])
def test_a_full_share_without_a_dispute_is_a_trade(busy: Stage, share: int, trades: int) -> None:
    assignment = busy.assign(busy.did("founder", make_task()), "ana")
    for name in ("founder", "ana"):
        busy.did(name, AssignmentSettle(assignment, share))
    assert get_row(busy, assignment).reason == "both-named"
    assert len(busy.market.trades) == trades


def test_a_deposit_is_of_the_whole_price_rounded_up_and_may_be_all_there_is(busy: Stage) -> None:
    task = busy.did("founder", make_task(price=33, units=(3,)))
    _, delivery = busy.deliver(task, "ana", ask=33)
    # A tenth of 99, rounded up.
    busy.did("founder", make_task(price=1_000 - 99 - 10))
    assert busy.available("founder") == 10
    busy.did("founder", DisputeOpen(delivery, "garbage", "", ()))
    row = busy.market.disputes.get(delivery)
    assert row is not None
    assert (row.number, row.deposit, row.ended_ms) == (1, 10, busy.now)


def test_what_the_opener_shows_stands_on_its_own_side(busy: Stage) -> None:
    busy.join("kim")
    judged = make_task(price=1, arbiters=(busy.key("kim"),), quorum=1)
    evidence = (b"1" * 32, b"2" * 32)
    for number, opener in enumerate(("founder", "ana"), start=1):
        _, delivery = busy.deliver(busy.did("founder", judged), "ana", ask=1)
        if opener == "ana":
            busy.did("founder", TaskApprove(delivery, approve=False, scores=()))
        busy.did(opener, DisputeOpen(delivery, "garbage", "", evidence))
        row = busy.market.disputes.get(delivery)
        assert row is not None
        # One token is the least that is risked.
        assert (row.number, row.opener, row.deposit) == (
            number,
            "requester" if opener == "founder" else "provider",
            1,
        )
        shown = (row.requester_evidence, row.provider_evidence)
        assert shown == ((evidence, ()) if opener == "founder" else ((), evidence))


def test_assignments_begin_with_nothing_done(busy: Stage) -> None:
    task = busy.did("founder", make_task(units=(1, 1), bond=7))
    for number, name in enumerate(("ana", "bea"), start=1):
        accepted = busy.did(name, TaskAccept(task, 90, ()))
        assert get_row(busy, accepted) == AssignmentRow(
            number=number,
            seat=task + bytes((number - 1,)),
            provider=busy.key(name),
            device=busy.key(name),
            offer=b"",
            ask=90,
            bond=7,
            devices=(),
            accepted_ms=busy.now,
            armed_ms=0,
            started_ms=0,
            delivered_ms=0,
            ended_ms=0,
            extended_ms=0,
            present=0,
            low_uptime=False,
            progress=0,
            done_ppm=0,
            revealed=b"",
            delivery=b"",
            end="",
            reason="",
            note="",
            share_ppm=0,
            paid=0,
            fee=0,
            penalty=0,
        )


def test_a_seat_that_was_given_back_has_no_holder(busy: Stage) -> None:
    task = busy.did("founder", make_task())
    busy.did("ana", TaskDecline(busy.assign(task, "ana"), "busy"))
    seat = get_seat(busy, task)
    assert (seat.state, seat.assignment, seat.excluded) == ("OPEN", b"", (busy.key("ana"),))
    assert (seat.attempts, seat.declined, seat.reopened) == (1, 1, 0)
