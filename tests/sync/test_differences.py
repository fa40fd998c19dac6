"""An alarm for what stays different, and none for what moves."""

from synaptic_crdt.sync.differences import Alarm, Differences
from synaptic_crdt.sync.events import Reconciled
from synaptic_crdt.sync.messages import Done
from tests.sync.conftest import Peer, make_key, sync

OURS = Done(root=bytes(32), digest=bytes(32), index=1, entries=5)
THEIRS = Done(root=bytes(32), digest=bytes([1] * 32), index=1, entries=6)
MORE = Done(root=bytes(32), digest=bytes([2] * 32), index=1, entries=7)
ONE, OTHER = bytes([1] * 32), bytes([2] * 32)


def take(
    differences: Differences,
    times: int,
    *,
    ours: Done = OURS,
    theirs: Done = THEIRS,
    device: bytes = ONE,
    admitted: int = 9,
) -> list[Alarm | None]:
    event = Reconciled(ours, theirs, device)
    return [differences.take(event, admitted) for _ in range(times)]


def test_the_third_time_raises_it_once() -> None:
    alarm = Alarm(ONE, OURS, THEIRS)
    assert take(Differences(), 6) == [None, None, alarm, None, None, None]


def test_what_moves_on_either_side_begins_anew() -> None:
    for changes in ({"ours": MORE}, {"theirs": MORE}, {"admitted": 10}):
        differences = Differences()
        take(differences, 2)
        assert take(differences, 2, **changes) == [None, None]  # type: ignore[arg-type]
        assert take(differences, 1, **changes) != [None]  # type: ignore[arg-type]


def test_ends_that_are_equal_begin_anew() -> None:
    differences = Differences()
    take(differences, 2)
    assert take(differences, 1, theirs=OURS) == [None]
    assert take(differences, 2) == [None, None]


def test_each_device_has_a_difference_of_its_own() -> None:
    differences = Differences()
    for _ in range(2):
        take(differences, 1)
        take(differences, 1, device=OTHER)
    assert take(differences, 1) == [Alarm(ONE, OURS, THEIRS)]
    assert take(differences, 1, device=OTHER) == [Alarm(OTHER, OURS, THEIRS)]


def test_only_the_newest_devices_are_remembered() -> None:
    differences = Differences()
    take(differences, 2)
    for number in range(256):
        take(differences, 1, device=number.to_bytes(32, "big"))
    assert take(differences, 1) == [None]


def test_a_feed_that_nobody_here_vouches_for_is_such_a_difference() -> None:
    first, second = Peer(), Peer()
    first.let_in_all().write(make_key(3), ["open", make_key(4).public])
    alarms: list[Alarm | None] = []
    for _ in range(3):
        ends = sync(first, second)
        [event] = ends[1].get_events(Reconciled)
        assert isinstance(event, Reconciled)
        alarms.append(second.gate.differences.take(event, second.gate.entries_admitted))
    assert [alarm is None for alarm in alarms] == [True, True, False]
