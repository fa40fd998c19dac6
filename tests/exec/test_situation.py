"""What a desk of the real market shows the planner."""

from synaptic_crdt.exec.executors.rehearsal import RehearsalExecutor
from synaptic_crdt.exec.policy import Load
from synaptic_crdt.exec.situation import survey
from synaptic_crdt.rules.limits import DAY_MS
from tests.exec.conftest import Bench, PeerDesk


def test_a_task_is_shown_while_it_has_free_seats_of_somebody_else() -> None:
    bench = Bench(RehearsalExecutor())
    task = bench.requester.post(units=(1, 2), price=7)
    bench.scenario.sync()
    assert survey(PeerDesk(bench.requester)).tasks == ()
    (shown,) = survey(bench.desk).tasks
    assert shown.task == task.entry.id
    assert shown.requester == bench.requester.id
    assert (shown.kind, shown.limit) == ("text.answer", 7)
    assert shown.media_types == ("text/plain",)
    other = bench.scenario.add()
    bench.scenario.sync()
    other.accept(task, ask=7)
    bench.scenario.sync()
    assert len(survey(bench.desk).tasks) == 1
    other.accept(task, ask=7)
    bench.scenario.sync()
    assert survey(bench.desk).tasks == ()


def test_work_is_shown_from_acceptance_to_delivery() -> None:
    bench = Bench(RehearsalExecutor())
    task = bench.requester.post(data=b"count", execution_ms=9_000, units=(3,))
    bench.scenario.sync()
    assert survey(bench.desk).load == Load(0, 0)
    assignment = bench.provider.accept(task)
    (work,) = survey(bench.desk).work
    assert (work.assignment, work.task) == (assignment.entry.id, task.entry.id)
    assert (work.state, work.is_final, work.started_ms) == ("PENDING", False, 0)
    assert (work.payload, work.media_type, work.units) == (b"count", "text/plain", 3)
    bench.scenario.settle()
    (work,) = survey(bench.desk).work
    assert (work.state, work.is_final) == ("ASSIGNED", True)
    bench.provider.start(assignment)
    (work,) = survey(bench.desk).work
    assert (work.state, work.execution_ms) == ("STARTED", 9_000)
    assert work.started_ms == bench.desk.get_wall_ms()
    assert survey(bench.desk).load == Load(1, 1)
    bench.provider.deliver(assignment)
    assert survey(bench.desk).work == ()
    assert survey(bench.desk).load == Load(1, 0)


def test_what_has_ended_is_no_work_but_counts_for_its_day() -> None:
    bench = Bench(RehearsalExecutor())
    task = bench.requester.post()
    bench.scenario.sync()
    bench.provider.decline(bench.provider.accept(task))
    assert survey(bench.desk).work == ()
    assert survey(bench.desk).load == Load(1, 0)
    bench.scenario.wait(DAY_MS)
    assert survey(bench.desk).load == Load(0, 0)
    # Free again, though not for who gave it back: that is the contract's to say.
    assert [shown.task for shown in survey(bench.desk).tasks] == [task.entry.id]


def test_the_work_of_others_is_theirs() -> None:
    bench = Bench(RehearsalExecutor())
    other = bench.scenario.add()
    task = bench.requester.post()
    bench.scenario.sync()
    other.accept(task)
    bench.scenario.sync()
    assert survey(bench.desk).work == ()
    own = bench.requester.post()
    bench.scenario.sync()
    bench.provider.accept(own)
    assert len(survey(bench.desk).work) == 1
    # What another device of the account accepted is that device's.
    bench.desk.device = b"d" * 32
    assert survey(bench.desk).work == ()
    assert survey(bench.desk).load == Load(0, 0)


def test_what_was_given_back_is_not_ours_again_when_another_takes_it() -> None:
    bench = Bench(RehearsalExecutor())
    other = bench.scenario.add()
    task = bench.requester.post()
    bench.scenario.sync()
    bench.provider.decline(bench.provider.accept(task))
    bench.scenario.sync()
    other.accept(task)
    bench.scenario.sync()
    assert survey(bench.desk).work == ()
