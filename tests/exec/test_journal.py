"""The journal of a worker: what it keeps, what it sets aside, and what it goes on with."""

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synaptic_crdt.errors import StoreFailed
from synaptic_crdt.exec.events import Delivered, Failed, Resumed, Started
from synaptic_crdt.exec.executors.base import Result
from synaptic_crdt.exec.executors.rehearsal import RehearsalExecutor
from synaptic_crdt.exec.journal import Begun, Finished, Journal
from synaptic_crdt.node.home import write_privately
from synaptic_crdt.rules.task_operations import TaskStart
from synaptic_crdt.state.keys import DeviceKey
from tests.exec.conftest import AUTO, Bench
from tests.exec.test_worker import DONE, Scripted

DEVICE = DeviceKey(bytes(range(32)))
MARKET = b"m" * 32
JOB, OTHER = b"\x01" * 32, b"\x02" * 32


def make(folder: Path, device: DeviceKey = DEVICE) -> Journal:
    return Journal(folder / "journal", device, MARKET, write_privately)


def get_file(folder: Path) -> Path:
    (path,) = (folder / "journal").iterdir()
    return path


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return make(tmp_path)


def test_nothing_is_known_of_what_was_not_begun(journal: Journal, tmp_path: Path) -> None:
    assert journal.find(JOB) is None
    assert not (tmp_path / "journal").exists()


def test_a_job_goes_from_begun_to_finished_to_nothing(journal: Journal, tmp_path: Path) -> None:
    journal.begin(JOB, 5)
    assert make(tmp_path).find(JOB) == Begun(5)
    journal.finish(JOB, 7, DONE)
    assert make(tmp_path).find(JOB) == Finished(7, DONE)
    assert journal.find(OTHER) is None
    journal.forget(JOB)
    assert make(tmp_path).find(JOB) is None


@given(data=st.binary(min_size=1, max_size=2_000), media_type=st.text(max_size=60))
def test_a_result_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, media_type: str
) -> None:
    folder = tmp_path_factory.mktemp("any")
    journal = make(folder)
    journal.begin(JOB, 1)
    journal.finish(JOB, 2, Result(media_type, data))
    assert make(folder).find(JOB) == Finished(2, Result(media_type, data))


def damage_nothing_known(data: bytes) -> bytes:
    return b"\xff" * len(data)


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def empty(_: bytes) -> bytes:
    return b""


def flip_the_last_bit(data: bytes) -> bytes:
    return data[:-1] + bytes((data[-1] ^ 1,))


def drop_the_ciphertext(data: bytes) -> bytes:
    return data.partition(b"\n")[0] + b"\n"


@pytest.mark.parametrize(
    "harm", [damage_nothing_known, cut, empty, flip_the_last_bit, drop_the_ciphertext]
)
def test_what_is_damaged_is_named_set_aside_and_counts_as_begun(
    journal: Journal, tmp_path: Path, harm: Callable[[bytes], bytes]
) -> None:
    journal.begin(JOB, 5)
    journal.finish(JOB, 7, DONE)
    path = get_file(tmp_path)
    path.write_bytes(harm(path.read_bytes()))
    found = journal.find(JOB)
    assert isinstance(found, Begun)
    assert str(path) in found.damage
    assert get_file(tmp_path).name == path.name + ".damaged"
    # Told once; and still no reason to pay again.
    assert journal.find(JOB) == Begun(0)
    journal.forget(JOB)
    assert journal.find(JOB) is None


def test_a_result_of_another_assignment_device_or_market_is_none(tmp_path: Path) -> None:
    journal = make(tmp_path)
    journal.begin(JOB, 5)
    journal.finish(JOB, 7, DONE)
    path = get_file(tmp_path)
    kept = path.read_bytes()
    moved = path.with_name(OTHER.hex() + ".job")
    moved.write_bytes(kept)
    assert isinstance(journal.find(OTHER), Begun)
    stranger = DeviceKey(bytes(32))
    assert isinstance(make(tmp_path, stranger).find(JOB), Begun)
    path.write_bytes(kept)
    abroad = Journal(tmp_path / "journal", DEVICE, b"n" * 32, write_privately)
    assert isinstance(abroad.find(JOB), Begun)


def test_what_is_over_is_swept_and_so_is_what_would_be_too_much(
    journal: Journal, tmp_path: Path
) -> None:
    jobs = [bytes((number // 256, number % 256)) * 16 for number in range(300)]
    for number, job in enumerate(jobs):
        journal.begin(job, 5)
        os.utime(tmp_path / "journal" / f"{job.hex()}.job", (number, number))
    (tmp_path / "journal" / "notes.txt").write_text("mine")
    journal.sweep(lambda job: job == jobs[-1])
    left = {path.name for path in (tmp_path / "journal").iterdir()}
    assert left == {f"{job.hex()}.job" for job in jobs[43:-1]} | {"notes.txt"}


def test_nothing_is_begun_that_cannot_be_put_on_record(journal: Journal, tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("in the way")
    with pytest.raises(StoreFailed, match="nothing was begun"):
        journal.begin(JOB, 5)
    with pytest.raises(StoreFailed, match="no work is begun"):
        journal.find(JOB)


# -- what a worker does with it ------------------------------------------------------------------

pytestmark = pytest.mark.anyio


async def start_by_hand(bench: Bench) -> bytes:
    """A seat that is final and started, as a worker that died left it."""
    task = bench.requester.post(data=b"count the vowels")
    bench.settle()
    assignment = bench.provider.accept(task).entry.id
    bench.settle()
    await bench.desk.append(TaskStart(assignment))
    bench.settle()
    return assignment


async def test_a_result_that_was_kept_is_delivered_and_nothing_is_run() -> None:
    executor = Scripted(DONE)
    bench = Bench(executor)
    assignment = await start_by_hand(bench)
    bench.journal.begin(assignment, 1)
    bench.journal.finish(assignment, 2, Result("text/plain", b"from before"))
    await bench.work(once=True)
    assert executor.jobs == []
    assert [event.size for event in bench.get_events(Delivered)] == [len(b"from before")]
    assert bench.journal.find(assignment) is None


@pytest.mark.parametrize("switch", ["pause", "stop"])
async def test_a_result_that_was_kept_is_delivered_while_work_is_paused(switch: str) -> None:
    bench = Bench(Scripted(DONE), msgspec.structs.replace(AUTO, switch=switch))
    assignment = await start_by_hand(bench)
    bench.journal.begin(assignment, 1)
    bench.journal.finish(assignment, 2, DONE)
    await bench.work(once=True)
    assert len(bench.get_events(Delivered)) == 1


async def test_a_run_that_was_cut_off_is_failed_and_not_paid_for_again() -> None:
    executor = Scripted(DONE)
    bench = Bench(executor)
    assignment = await start_by_hand(bench)
    bench.journal.begin(assignment, 1)
    await bench.work(once=True)
    assert executor.jobs == []
    assert [event.reason for event in bench.get_events(Failed)] == ["interrupted"]
    assert "repeat_interrupted" in bench.get_events(Resumed)[0].how
    assert bench.journal.find(assignment) is None


async def test_a_run_that_was_cut_off_is_repeated_where_it_costs_nothing() -> None:
    bench = Bench(RehearsalExecutor())
    assignment = await start_by_hand(bench)
    bench.journal.begin(assignment, 1)
    await bench.work(once=True)
    assert bench.get_words() == ["resumed", "started", "delivered"]


async def test_a_run_that_was_cut_off_is_repeated_where_the_policy_says_so() -> None:
    bench = Bench(Scripted(DONE), msgspec.structs.replace(AUTO, repeat_interrupted=True))
    assignment = await start_by_hand(bench)
    bench.journal.begin(assignment, 1)
    await bench.work(once=True)
    assert bench.get_words() == ["resumed", "started", "delivered"]


async def test_a_damaged_record_is_told_and_not_paid_for_again() -> None:
    executor = Scripted(DONE)
    bench = Bench(executor)
    assignment = await start_by_hand(bench)
    bench.journal.begin(assignment, 1)
    path = bench.journal.get_path(assignment)
    path.write_bytes(b"{")
    await bench.work(once=True)
    assert executor.jobs == []
    assert str(path)[:40] in bench.get_events(Resumed)[0].how


async def test_paused_work_waits_and_nothing_is_accepted_until_it_goes_on() -> None:
    executor = Scripted(DONE)
    bench = Bench(executor, msgspec.structs.replace(AUTO, switch="pause"))
    assignment = await start_by_hand(bench)
    bench.requester.post(data=b"another")
    bench.settle()
    changes = iter([bench.policy] * 5 + [AUTO] * 1_000)
    bench.policy_source = lambda: next(changes)
    await bench.work(once=True)
    assert bench.get_words()[:2] == ["waiting", "passed over"]
    assert bench.get_events(Started)[0].assignment == assignment


async def test_the_kill_switch_ends_what_runs_at_once() -> None:
    executor = Scripted(DONE, seconds=300)
    bench = Bench(executor)
    await start_by_hand(bench)
    changes = iter([AUTO] * 3)
    stopped = msgspec.structs.replace(AUTO, switch="stop")
    bench.policy_source = lambda: next(changes, stopped)
    await bench.work(once=True)
    assert [event.reason for event in bench.get_events(Failed)] == ["stopped"]
    assert executor.running == 0
