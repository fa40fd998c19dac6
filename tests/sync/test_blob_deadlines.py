"""Whoever owes a blob or a state and lets it wait: by a clock that jumps."""

from contextlib import suppress

import pytest
import trio
import trio.testing

from synaptic_crdt.errors import LinkFailed
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.sync.links import fetch_state
from synaptic_crdt.sync.peer import IDLE_SECONDS, run_link
from synaptic_crdt.sync.state_fetch import StateFetch
from synaptic_crdt.sync.transports import tcp
from tests.sync.blob_shelf import Shelf, make_content
from tests.sync.conftest import CLOCK_MS, MARKET, End, Peer
from tests.sync.linking import HERE, Log, accept, make_end

pytestmark = pytest.mark.anyio

LARGE = make_content(200_000)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """A clock that jumps ahead whenever everybody waits for it."""
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0.05)}


async def test_whoever_brings_news_and_withholds_a_blob_is_given_up(founder: DeviceKey) -> None:
    here, log = Shelf(), Log()
    there = End(Peer(), live=True)
    ours, theirs = trio.testing.memory_stream_pair()

    async def withhold() -> None:
        await theirs.send_all(there.take_output())
        while not there.session.is_reconciled:
            there.receive(bytes(await theirs.receive_some()))
            await theirs.send_all(there.take_output())
        here.want(LARGE)
        while True:
            there.peer.note(founder)
            try:
                await theirs.send_all(there.take_output())
            except trio.BrokenResourceError:
                return
            await trio.sleep(10)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(withhold)
        with pytest.raises(LinkFailed, match="nothing about a blob for 60 s"):
            await run_link(
                ours, Peer().gate, live=True, clock_ms=CLOCK_MS, on_event=log, blobs=here
            )
    # Another link may fetch it now.
    assert not here.under_way
    assert trio.current_time() < 4 * IDLE_SECONDS


async def test_whoever_offers_a_state_and_trickles_is_given_up() -> None:
    fetch = StateFetch(MARKET, lambda _: Shelf())
    fetch_ended = trio.Event()
    (door,) = await tcp.listen(HERE)

    async def dial() -> None:
        with pytest.raises(LinkFailed, match="answered nothing for 60 s"):
            await fetch_state(door.address, make_end(Peer(), number=102), fetch)
        fetch_ended.set()

    async with door.listener, trio.open_nursery() as nursery:
        nursery.start_soon(dial)
        async with await accept(door, Peer()) as stream:
            await stream.send_all(End(Peer()).take_output() + (10_000).to_bytes(4, "big"))
            while not fetch_ended.is_set():
                # A frame that is announced, and comes at a byte now and then, is no progress.
                with suppress(trio.BrokenResourceError):
                    await stream.send_all(b"x")
                await trio.sleep(5)
    assert trio.current_time() < 2 * IDLE_SECONDS
