"""Slow, silent and half-gone peers, and links that come back: by a clock that jumps."""

import pytest
import trio
import trio.testing

from synaptic_crdt.errors import LinkFailed
from synaptic_crdt.state import limits
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.sync.differences import Alarm
from synaptic_crdt.sync.events import Reconciled
from synaptic_crdt.sync.happenings import Linked, Lost
from synaptic_crdt.sync.links import keep_link, serve, sync_once
from synaptic_crdt.sync.peer import GREETING_SECONDS, IDLE_SECONDS
from synaptic_crdt.sync.transports import tcp
from tests.sync.conftest import End, Peer, make_key
from tests.sync.linking import HERE, LinkEnd, Log, accept, make_end, wait_until_equal

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """A clock that jumps ahead whenever everybody waits for it."""
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0.05)}


async def test_a_silent_end_is_given_up() -> None:
    end = LinkEnd()
    ours, _theirs = trio.testing.memory_stream_pair()
    started = trio.current_time()
    await end.run(ours, Peer())
    assert isinstance(end.error, LinkFailed)
    assert "did nothing for 10 s" in str(end.error)
    assert trio.current_time() - started == pytest.approx(GREETING_SECONDS)


async def test_an_end_that_greets_and_trickles_is_given_up(founder: DeviceKey) -> None:
    first, second = Peer(), Peer()
    first.note(founder)
    session = End(first).session
    end = LinkEnd()
    ours, theirs = trio.testing.memory_stream_pair()

    async def trickle() -> None:
        await theirs.send_all(session.data_to_send())
        # A frame that is announced, and comes at a byte now and then, is no progress.
        await theirs.send_all((100_000).to_bytes(4, "big"))
        try:
            while True:
                await theirs.send_all(b"x")
                await trio.sleep(5)
        except trio.BrokenResourceError:
            pass

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trickle)
        nursery.start_soon(end.run, ours, second)
    assert isinstance(end.error, LinkFailed)
    assert "did nothing for 60 s" in str(end.error)
    assert trio.current_time() < IDLE_SECONDS + 20


async def test_an_end_that_does_not_read_is_given_up(founder: DeviceKey) -> None:
    first, second = Peer(), Peer()
    first.note(founder)
    end = LinkEnd()
    ours, theirs = trio.testing.lockstep_stream_pair()
    session = End(second).session

    async def greet_and_stop() -> None:
        await theirs.send_all(session.data_to_send())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(greet_and_stop)
        nursery.start_soon(end.run, ours, first)
    assert isinstance(end.error, LinkFailed)


async def test_a_link_that_waits_for_memory_goes_on_when_there_is_some(founder: DeviceKey) -> None:
    first, second = Peer(), Peer()
    first.note(founder, 20)
    budget = second.gate.budget
    assert budget.reserve(founder, limits.LINKS_BYTES)
    ends = LinkEnd(), LinkEnd()
    streams = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        for end, stream, peer in zip(ends, streams, (first, second), strict=True):
            nursery.start_soon(end.run, stream, peer)
        await trio.sleep(IDLE_SECONDS - 10)
        assert second.replica.entries == 0
        budget.give_back(limits.LINKS_BYTES)
    assert [end.error for end in ends] == [None, None]
    assert second.replica.entries == 20
    assert budget.used == 0


async def test_whoever_is_kept_waiting_gives_up_and_whoever_waits_for_memory_does_not(
    founder: DeviceKey,
) -> None:
    first, second = Peer(), Peer()
    first.note(founder, 20)
    assert second.gate.budget.reserve(founder, limits.LINKS_BYTES)
    ends = LinkEnd(), LinkEnd()
    ours, theirs = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ends[0].run, ours, first)
        nursery.start_soon(ends[1].run, theirs, second)
        await trio.sleep(2 * IDLE_SECONDS)
        assert "did nothing for 60 s" in str(ends[0].error)
        assert ends[1].error is None
        second.gate.budget.give_back(limits.LINKS_BYTES)
    # What had come whole before the other end left is kept.
    assert second.replica.entries == 20


async def test_a_live_link_may_rest(founder: DeviceKey) -> None:
    first, second = Peer(), Peer()
    ends = LinkEnd(), LinkEnd()
    streams = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        for end, stream, peer in zip(ends, streams, (first, second), strict=True):

            async def run(
                end: LinkEnd = end, stream: trio.abc.Stream = stream, peer: Peer = peer
            ) -> None:
                await end.run(stream, peer, live=True)

            nursery.start_soon(run)
        await ends[0].log.wait_for(Reconciled)
        await trio.sleep(10 * IDLE_SECONDS)
        first.note(founder)
        await wait_until_equal(first, second)
        await streams[0].aclose()
    assert ends[1].error is None


async def test_a_lost_live_link_is_made_again(founder: DeviceKey) -> None:
    first, second = Peer(founder), Peer(founder)
    log = Log()
    [door] = await tcp.listen(HERE)

    async def run_client() -> None:
        await keep_link(door.address, make_end(second), on_event=log)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_client)
        # The first link breaks before a word, the second is closed once both were done.
        await (await door.listener.accept()).aclose()
        await log.wait_for(Lost)
        stream = await accept(door, first)
        server = LinkEnd()
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as inner:

                async def run() -> None:
                    await server.run(stream, first, live=True)

                inner.start_soon(run)
                await server.log.wait_for(Reconciled)
                scope.cancel()
        await log.wait_for(Lost, 2)
        await door.listener.aclose()
        await log.wait_for(Lost, 5)
        nursery.cancel_scope.cancel()
    pauses = [lost.pause_seconds for lost in log.get(Lost) if isinstance(lost, Lost)]
    assert all(pause is not None for pause in pauses)
    assert len(log.get(Linked)) == 1
    # The pause doubles, give or take a half, and begins anew once a link was good.
    assert [0.25 * 2**n <= (pause or 0) <= 0.75 * 2**n for n, pause in zip((0, 0, 1, 2, 3), pauses, strict=True)] == [True] * 5  # fmt: skip


async def test_a_difference_that_stays_raises_an_alarm_once() -> None:
    first, second = Peer(), Peer()
    first.let_in_all().write(make_key(3), ["open", make_key(4).public])
    log = Log()
    async with trio.open_nursery() as nursery:
        [door] = await tcp.listen(HERE)

        async def run_server() -> None:
            async with door.listener:
                while True:
                    await LinkEnd().run(await accept(door, first), first)

        nursery.start_soon(run_server)

        async def run_client() -> None:
            await keep_link(door.address, make_end(second), on_event=log)

        nursery.start_soon(run_client)
        await log.wait_for(Reconciled, 4)
        nursery.cancel_scope.cancel()
    [alarm] = log.get(Alarm)
    assert isinstance(alarm, Alarm)
    assert alarm.ours.digest == second.replica.compute_digest()
    assert alarm.theirs.digest == first.replica.compute_digest()


async def test_a_live_link_that_makes_room_is_dialled_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("synaptic_crdt.sync.guests.LINKS_OF_DEVICE", 1)
    log, ours = Log(), Log()
    async with trio.open_nursery() as nursery:

        async def run(task_status: trio.TaskStatus[object]) -> None:
            await serve([HERE], make_end(Peer()), on_event=log, task_status=task_status)

        [address] = await nursery.start(run)

        async def stay() -> None:
            await keep_link(address, make_end(Peer()), on_event=ours)

        nursery.start_soon(stay)
        await log.wait_for(Linked)
        await sync_once(address, make_end(Peer()), on_event=Log())
        await ours.wait_for(Lost)
        await ours.wait_for(Linked, 2)
        nursery.cancel_scope.cancel()
    lost = log.get(Lost)[0]
    assert "needed for another link" in str(lost)
