"""Who writes without end is read no faster than others can follow; nobody else waits for it."""

from functools import partial

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from synaptic_crdt.sync.allowance import REMEMBERED, Allowance, Pace
from synaptic_crdt.sync.channel import Peer as Other
from synaptic_crdt.sync.gate import Gate, KeepNothing
from synaptic_crdt.sync.membership import Access
from synaptic_crdt.sync.peer import run_link
from synaptic_crdt.sync.quotas import Quota
from tests.sync.conftest import CLOCK_MS, Peer, find_issuer, make_key
from tests.sync.linking import LinkEnd, Log

pytestmark = pytest.mark.anyio

WRITER, READER = make_key(1), make_key(2)
ENTRIES = 8_192


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """A clock that jumps ahead whenever everybody waits for it."""
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0.05)}


@given(st.lists(st.tuples(st.integers(0, 100), st.floats(0, 3)), max_size=40))
def test_what_is_taken_is_never_more_than_an_allowance(asked: list[tuple[int, float]]) -> None:
    now, taken = 0.0, 0
    allowance = Allowance(10, 5.0, now)
    for tries, pause in asked:
        now += pause
        taken += sum(allowance.try_take(now) for _ in range(tries))
        assert taken <= 10 + 5 * now + 1e-6


def test_what_is_over_is_waited_for() -> None:
    allowance = Allowance(10, 5.0, 0.0)
    allowance.take(20, 0.0)
    assert allowance.get_seconds(0.0) == 2
    assert allowance.get_seconds(1.0) == 1
    assert not allowance.try_take(2.0)
    assert allowance.try_take(2.2)


def test_no_number_of_devices_is_remembered() -> None:
    pace = Pace()
    for number in range(3 * REMEMBERED):
        pace.note(number.to_bytes(32, "big"), 10_000, 0.0)
    waiting = [
        pace.get_seconds(number.to_bytes(32, "big"), 0.0) for number in range(3 * REMEMBERED)
    ]
    assert sum(map(bool, waiting)) == REMEMBERED


async def bring_all(*, beside_another: bool, counted: bool = False) -> float:
    """Let one peer bring what it wrote to another one; return how many seconds that took."""
    source, target = Peer(WRITER), Peer(WRITER)
    source.note(WRITER, ENTRIES, size=200)
    if counted:
        source.close_epoch()
    gate = target.gate = Gate(target.replica, KeepNothing(), find_issuer, quota=Quota())
    streams = trio.testing.memory_stream_pair()
    begun = trio.current_time()

    async with trio.open_nursery() as nursery:
        if beside_another:
            third, idle = Peer(WRITER), trio.testing.memory_stream_pair()
            for stream, peer in zip(idle, (third, target), strict=True):
                nursery.start_soon(partial(LinkEnd().run, stream, peer, live=True))
            await trio.testing.wait_all_tasks_blocked()
        async with trio.open_nursery() as bringing:
            bringing.start_soon(LinkEnd().run, streams[0], source)
            device = Other(READER.public, Access.MEMBER)
            await run_link(
                streams[1], gate, live=False, clock_ms=CLOCK_MS, on_event=Log(), peer=device
            )
        seconds = trio.current_time() - begun
        nursery.cancel_scope.cancel()
    assert target.replica.entries == ENTRIES
    return seconds


async def test_who_brings_much_is_read_at_a_pace_while_there_are_others() -> None:
    # Half of it at once, and a part of the other half at 512 a second.
    assert await bring_all(beside_another=True) > 3


async def test_who_is_alone_is_not_waited_for() -> None:
    assert await bring_all(beside_another=False) < 2


async def test_what_a_checkpoint_names_comes_as_fast_as_it_can() -> None:
    assert await bring_all(beside_another=True, counted=True) < 2
