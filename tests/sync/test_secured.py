"""Streams inside the channel: deadlines, ends and cuts, by a clock that jumps."""

from typing import Final

import pytest
import trio
import trio.testing

from synaptic_crdt.errors import LinkFailed, NotAdmitted, SynapticError
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.sync.channel import Channel, Peer
from synaptic_crdt.sync.events import Reconciled
from synaptic_crdt.sync.membership import Access
from synaptic_crdt.sync.peer import run_link
from synaptic_crdt.sync.transports.secured import HANDSHAKE_SECONDS, SecuredStream, secure
from tests.sync import conftest
from tests.sync.conftest import CLOCK_MS, MARKET, make_key
from tests.sync.linking import Judged, LinkEnd, Log, ToyMembership

pytestmark = pytest.mark.anyio

KEYS: Final = make_key(1), make_key(2)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0.05)}


def make_channel(number: int, judged: Judged | None = None) -> Channel:
    return Channel(MARKET, ToyMembership(KEYS[number], judged), is_initiator=number == 0)


class Opener:
    """Opens the channel of one end and keeps what came of it."""

    def __init__(self) -> None:
        self.stream: SecuredStream | None = None
        self.error: SynapticError | None = None

    async def run(self, stream: trio.abc.Stream, channel: Channel) -> None:
        try:
            self.stream = await secure(stream, channel)
        except SynapticError as error:
            self.error = error


async def open_both(
    streams: tuple[trio.abc.Stream, trio.abc.Stream], judged: Judged | None = None
) -> tuple[Opener, Opener]:
    openers = Opener(), Opener()
    async with trio.open_nursery() as nursery:
        for number, (opener, stream) in enumerate(zip(openers, streams, strict=True)):
            nursery.start_soon(opener.run, stream, make_channel(number, judged))
    return openers


async def make_streams() -> tuple[SecuredStream, SecuredStream]:
    first, second = await open_both(trio.testing.memory_stream_pair())
    assert first.stream is not None
    assert second.stream is not None
    return first.stream, second.stream


async def test_bytes_go_both_ways_and_end() -> None:
    first, second = await make_streams()
    for source, target in ((first, second), (second, first)):
        await source.wait_send_all_might_not_block()
        await source.send_all(b"some bytes")
        assert await target.receive_some(4) == b"some"
        assert await target.receive_some() == b" bytes"
    await first.aclose()
    assert await second.receive_some() == b""
    assert await second.receive_some() == b""
    await second.aclose()
    with pytest.raises(trio.ClosedResourceError):
        await first.send_all(b"more")


async def test_a_stream_that_is_cut_has_not_ended() -> None:
    ours, theirs = trio.testing.memory_stream_pair()
    openers = await open_both((ours, theirs))
    assert openers[0].stream is not None
    await theirs.aclose()
    with pytest.raises(LinkFailed, match="cut"):
        await openers[0].stream.receive_some()


async def test_both_ends_say_that_they_end_even_when_they_are_stopped() -> None:
    first, second = await make_streams()
    with trio.CancelScope() as scope:
        scope.cancel()
        await first.aclose()
    assert await second.receive_some() == b""


async def make_stalled() -> tuple[SecuredStream, SecuredStream]:
    """Return two ends, of which the first never knows that what it sends is taken."""
    ours, theirs = trio.testing.memory_stream_pair()
    first, second = await open_both((ours, theirs))
    carry = ours.send_stream.send_all_hook
    assert carry is not None

    async def stall() -> None:
        await carry()
        await trio.sleep_forever()

    ours.send_stream.send_all_hook = stall
    assert first.stream is not None
    assert second.stream is not None
    return first.stream, second.stream


async def test_who_does_not_read_is_not_waited_for() -> None:
    first, _ = await make_stalled()
    started = trio.current_time()
    await first.aclose()
    assert trio.current_time() - started == pytest.approx(1)


async def test_after_a_record_that_was_cut_nothing_is_said() -> None:
    first, second = await make_stalled()
    with trio.move_on_after(1):
        await first.send_all(b"some")
    await first.aclose()
    assert await second.receive_some() == b"some"
    with pytest.raises(LinkFailed, match="cut"):
        await second.receive_some()


async def test_a_silent_end_is_given_up() -> None:
    ours, _theirs = trio.testing.memory_stream_pair()
    started = trio.current_time()
    opener = Opener()
    await opener.run(ours, make_channel(0))
    assert isinstance(opener.error, LinkFailed)
    assert "did nothing for 10 s" in str(opener.error)
    assert trio.current_time() - started == pytest.approx(HANDSHAKE_SECONDS)


async def test_an_end_that_trickles_is_given_up() -> None:
    ours, theirs = trio.testing.memory_stream_pair()
    opener = Opener()

    async def trickle() -> None:
        try:
            for byte in make_channel(1).data_to_send():
                await theirs.send_all(bytes([byte]))
                await trio.sleep(1)
        except trio.BrokenResourceError:
            pass

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trickle)
        nursery.start_soon(opener.run, ours, make_channel(0))
    assert isinstance(opener.error, LinkFailed)
    assert trio.current_time() <= HANDSHAKE_SECONDS + 1


async def test_a_refusal_reaches_the_other_end() -> None:
    openers = await open_both(trio.testing.memory_stream_pair(), {KEYS[1].public: Access.MEMBER})
    assert [type(opener.error) for opener in openers] == [NotAdmitted, NotAdmitted]


async def test_an_end_that_is_cancelled_closes_its_stream() -> None:
    ours, theirs = trio.testing.memory_stream_pair()
    with trio.move_on_after(1):
        await secure(ours, make_channel(0))
    await theirs.receive_some()
    assert await theirs.receive_some() == b""


async def test_a_reader_brings_nothing_but_its_own_feed(founder: DeviceKey) -> None:
    """Over a link of its own making; whatever else it has waits for whoever may bring it."""
    here, reader = conftest.Peer(founder), conftest.Peer(founder)
    reader.note(founder, 3)
    reader.note(make_key(2), 2)
    here.note(make_key(3))
    ends = LinkEnd(), LinkEnd()
    streams = trio.testing.memory_stream_pair()
    log = Log()

    async def run_here() -> None:
        await run_link(
            streams[0], here.gate, live=False, clock_ms=CLOCK_MS, on_event=log,
            peer=Peer(make_key(2).public, Access.READER),
        )  # fmt: skip

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_here)
        nursery.start_soon(ends[1].run, streams[1], reader)
    assert here.replica.get_feed(make_key(2).public).position == 2
    assert founder.public not in here.replica.feeds
    assert reader.replica.get_feed(make_key(3).public).position == 1
    [reconciled] = log.get(Reconciled)
    assert isinstance(reconciled, Reconciled)
    # Who it is the channel knows, whatever the session says.
    assert reconciled.device == make_key(2).public
    assert not reconciled.equal
