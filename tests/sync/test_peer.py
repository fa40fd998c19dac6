"""Links over real streams: two tasks, and real TCP on loopback."""

import pytest
import trio
import trio.testing

from synaptic_crdt.errors import Forged, LinkFailed, NotAdmitted, StoreFailed, WrongMarket
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.sync.events import ForkFound, Greeted, Reconciled
from synaptic_crdt.sync.happenings import Left, Linked, Lost, SyncReport
from synaptic_crdt.sync.links import keep_link, serve, sync_once
from synaptic_crdt.sync.transports import tcp
from tests.sync.conftest import Peer, make_key
from tests.sync.linking import HERE, LinkEnd, Log, make_end, run_two, wait_until_equal

pytestmark = pytest.mark.anyio


async def test_two_peers_sync_over_a_stream(founder: DeviceKey) -> None:
    first, second = Peer(founder), Peer(founder)
    first.note(founder, 3)
    first.close_epoch()
    second.note(make_key(2))
    ends = await run_two(first, second)
    for end in ends:
        assert end.report is not None
        assert end.report.equal
        assert end.report.root == first.replica.root
        assert end.report.rejected == 0
        assert end.log.events[-1] == end.report
        assert len(end.log.get(Greeted)) == len(end.log.get(Reconciled)) == 1
    assert ends[1].report is not None
    assert ends[1].report.counts.entries_received == 3


async def test_one_end_in_another_market_tells_both(founder: DeviceKey) -> None:
    ends = await run_two(Peer(founder), Peer(founder, market=bytes(32)))
    assert [type(end.error) for end in ends] == [WrongMarket, WrongMarket]


async def test_a_fork_is_told(founder: DeviceKey) -> None:
    first, second = Peer(), Peer()
    first.write(founder, ["note", 1])
    second.write(founder, ["note", 2])
    ends = await run_two(first, second)
    for end in ends:
        assert end.log.get(ForkFound) == [ForkFound(founder.public, 1, is_fixed=False)]
        assert end.report is not None
        assert end.report.equal is True


async def test_a_forger_is_cut_off_and_counted(founder: DeviceKey) -> None:
    first, second = Peer(), Peer()
    first.note(founder)
    feed = first.replica.get_feed(founder.public)
    feed.seals[1] = bytes(64)
    ends = await run_two(first, second)
    assert isinstance(ends[1].error, Forged)
    assert isinstance(ends[0].error, LinkFailed)
    [*_, report] = ends[1].log.get(SyncReport)
    assert isinstance(report, SyncReport)
    assert report.rejected == 1
    assert report.equal is None
    assert second.replica.entries == 0


async def test_a_full_disk_ends_the_link_with_its_own_words(founder: DeviceKey) -> None:
    class FullDisk:
        def write(self, **_: object) -> None:
            raise StoreFailed("no space left")

    first, second = Peer(), Peer(writer=FullDisk())
    first.note(founder)
    ends = await run_two(first, second)
    assert isinstance(ends[1].error, StoreFailed)
    assert second.replica.entries == 0


async def test_an_end_that_closes_early_is_a_failure() -> None:
    end = LinkEnd()
    ours, theirs = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(end.run, ours, Peer())
        await theirs.aclose()
    assert isinstance(end.error, LinkFailed)


async def test_news_reach_the_other_end_of_a_live_link(founder: DeviceKey) -> None:
    first, second = Peer(founder), Peer(founder)
    log = Log()
    async with trio.open_nursery() as nursery:

        async def run_server(task_status: trio.TaskStatus[object]) -> None:
            await serve(
                [HERE], make_end(first), on_event=Log(),
                task_status=task_status,
            )  # fmt: skip

        [address] = await nursery.start(run_server)

        async def run_client() -> None:
            await keep_link(address, make_end(second), on_event=log)

        nursery.start_soon(run_client)
        await log.wait_for(Reconciled)
        first.note(founder)
        second.note(make_key(2))
        await wait_until_equal(first, second)
        nursery.cancel_scope.cancel()


async def test_waiting_does_not_cure_a_wrong_market() -> None:
    first, second = Peer(), Peer(market=bytes(32))
    log = Log()
    async with trio.open_nursery() as nursery:

        async def run_server(task_status: trio.TaskStatus[object]) -> None:
            await serve([HERE], make_end(first), on_event=log, task_status=task_status)

        [address] = await nursery.start(run_server)
        with pytest.raises(WrongMarket):
            await keep_link(address, make_end(second), on_event=Log())
        await log.wait_for(Lost)
        nursery.cancel_scope.cancel()
    [lost] = log.get(Lost)
    assert isinstance(lost, Lost)
    assert isinstance(lost.error, WrongMarket)
    assert lost.pause_seconds is None


async def test_too_many_links_are_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synaptic_crdt.sync.guests.LINKS", 1)
    first = Peer()
    log = Log()
    async with trio.open_nursery() as nursery:

        async def run_server(task_status: trio.TaskStatus[object]) -> None:
            await serve([HERE], make_end(first), on_event=log, task_status=task_status)

        [address] = await nursery.start(run_server)

        async def stay() -> None:
            await keep_link(address, make_end(Peer()), on_event=Log())

        nursery.start_soon(stay)
        await log.wait_for(Linked)
        with pytest.raises(NotAdmitted, match="too many links"):
            await sync_once(address, make_end(Peer()), on_event=Log())
        await log.wait_for(Lost)
        nursery.cancel_scope.cancel()
    [lost] = log.get(Lost)
    assert isinstance(lost, Lost)
    assert "too many links here" in str(lost.error)


async def test_of_too_many_strangers_the_oldest_makes_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("synaptic_crdt.sync.guests.STRANGERS", 1)
    log = Log()
    async with trio.open_nursery() as nursery:

        async def run_server(task_status: trio.TaskStatus[object]) -> None:
            await serve([HERE], make_end(Peer()), on_event=log, task_status=task_status)

        [address] = await nursery.start(run_server)
        async with await tcp.dial(address) as silent:
            assert await silent.receive_some(8)
            report = await sync_once(address, make_end(Peer()), on_event=Log())
            assert report.equal
            await log.wait_for(Lost)
        nursery.cancel_scope.cancel()
    [lost] = log.get(Lost)
    assert "others waited for its place" in str(lost)


async def test_a_live_link_that_is_stopped_is_told_from_one_that_is_lost() -> None:
    log, ours = Log(), Log()
    async with trio.open_nursery() as nursery:

        async def run_server(task_status: trio.TaskStatus[object]) -> None:
            await serve([HERE], make_end(Peer()), on_event=log, task_status=task_status)

        [address] = await nursery.start(run_server)
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as inner:

                async def stay() -> None:
                    await keep_link(address, make_end(Peer()), on_event=ours)

                inner.start_soon(stay)
                await ours.wait_for(Reconciled)
                await log.wait_for(Reconciled)
                scope.cancel()
        await log.wait_for(Left)
        nursery.cancel_scope.cancel()
    assert not log.get(Lost)
