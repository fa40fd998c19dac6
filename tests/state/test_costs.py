"""What a step of the fold costs depends on what it concerns, not on all that is held.

Counted in calls of functions, Python's own among them, never in time.
"""

from collections.abc import Callable

import pytest

from synaptic_crdt.state.machine import Machine
from tests.rules.test_bounded import count_calls
from tests.state.conftest import OPENED_MS, Writer, make_machine

FEW, MANY = 200, 2_000


def hold(count: int) -> tuple[Machine, Writer]:
    """A machine that holds as many provisional entries, none of them folded."""
    machine, writer = make_machine(), Writer(1)
    write(machine, writer, *range(0, 10 * count, 10))
    return machine, writer


def write(machine: Machine, writer: Writer, *times_ms: int) -> None:
    writer.write(*[(OPENED_MS + time_ms, ["mint", 1]) for time_ms in times_ms])
    machine.add(writer.feed.entries[-len(times_ms) :])


def close_in_front(machine: Machine, writer: Writer) -> Callable[[], object]:
    """Close the second of many epochs, as when a history is folded from its beginning."""
    machine.stage_epoch({writer.device: 10}, OPENED_MS + 100)
    machine.commit_epoch()

    def close() -> None:
        machine.stage_epoch({writer.device: 20}, OPENED_MS + 200)
        machine.commit_epoch()

    return close


def fold_late(machine: Machine, writer: Writer) -> Callable[[], object]:
    """Fold one entry that comes twenty places late."""
    machine.fold()
    write(machine, Writer(2), 10 * (len(writer.feed.entries) - 20))
    return machine.fold


def root_again(machine: Machine, writer: Writer) -> Callable[[], object]:
    """Compute the root after one more entry."""
    assert machine.root
    write(machine, writer, 10**6)
    return lambda: machine.root


def preview_next(machine: Machine, writer: Writer) -> Callable[[], object]:
    """Ask for the verdict of the next entry."""
    machine.fold()
    time = (OPENED_MS + 10**6) << 16
    return lambda: machine.preview(time, writer.device, 10**6, ("mint", 1))


@pytest.mark.parametrize("prepare", [close_in_front, fold_late, root_again, preview_next])
def test_a_step_costs_the_same_however_much_is_held(
    prepare: Callable[[Machine, Writer], Callable[[], object]],
) -> None:
    few, many = (count_calls(prepare(*hold(count))) for count in (FEW, MANY))
    # Finding a place among more, and a path in a deeper tree, take some steps more.
    assert many <= few + few // 2 + 20
