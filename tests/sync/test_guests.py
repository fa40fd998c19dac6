"""Who is served at a time: no crowd of connections keeps an honest peer out, and liars wait."""

from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from synaptic_crdt.errors import Forged, LinkFailed, NotAdmitted
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.sync import guests as module
from synaptic_crdt.sync.addresses import get_host
from synaptic_crdt.sync.backoff import REMEMBERED, Backoff
from synaptic_crdt.sync.guests import Guest, Guests
from synaptic_crdt.sync.happenings import Lost
from synaptic_crdt.sync.links import serve, sync_once
from synaptic_crdt.sync.membership import Refusal
from synaptic_crdt.sync.transports import tcp
from tests.sync.conftest import Peer
from tests.sync.linking import HERE, Log, make_end

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """A clock that stands still until it is told to jump."""
    return "trio", {"clock": trio.testing.MockClock()}


def jump(seconds: float) -> None:
    clock = trio.lowlevel.current_clock()
    assert isinstance(clock, trio.testing.MockClock)
    clock.jump(seconds)


MEMBER, OTHER, NEWCOMER, THIRD = (bytes([number]) * 32 for number in range(4))


def is_known(device: bytes) -> bool:
    return device != NEWCOMER


@contextmanager
def take(guests: Guests, device: bytes, host: str = "host") -> Generator[Guest]:
    guest = guests.make_guest(host, device)
    assert isinstance(guest, Guest)
    try:
        with guests.keep_link(guest):
            yield guest
    except LinkFailed:
        assert guest.scope.cancelled_caught


def test_a_wait_doubles_up_to_the_longest_and_is_forgiven() -> None:
    backoff = Backoff[str](8.0)
    waits: list[float] = []
    for _ in range(5):
        backoff.note_bad("who", 100.0)
        waits.append(backoff.get_seconds("who", 100.0))
    assert waits == [1, 2, 4, 8, 8]
    assert backoff.get_seconds("who", 108.0) == 0
    backoff.note_bad("who", 117.0)
    assert backoff.get_seconds("who", 117.0) == 1
    backoff.note_good("who")
    assert backoff.get_seconds("who", 117.0) == 0


def test_a_wait_that_grew_for_long_overflows_nothing() -> None:
    backoff = Backoff[str](3_600.0)
    for _ in range(2_000):
        backoff.note_bad("who", 0.0)
    assert backoff.get_seconds("who", 0.0) == 3_600


@pytest.mark.untraced
@given(st.lists(st.tuples(st.integers(0, 3_000), st.floats(0, 1_000)), max_size=60))
def test_no_number_of_liars_is_remembered(told: list[tuple[int, float]]) -> None:
    backoff = Backoff[int](60.0)
    for number in range(REMEMBERED):
        backoff.note_bad(10_000 + number, 2_000.0)
    backoff.note_bad(0, 3_000.0)
    for number, now in told:
        backoff.note_bad(number + 1, now)
    # Whose wait is over first is forgotten first.
    assert backoff.get_seconds(0, 3_000.0) == 1
    everybody = range(20_000)
    assert sum(backoff.get_seconds(who, 0.0) > 0 for who in everybody) <= REMEMBERED


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("tcp://10.0.0.1:7700", "10.0.0.1"),
        ("tcp://[::1]:7700", "[::1]"),
        ("unix:///run/a:b.sock, process 7", "unix"),
        ("tcp://gone", "tcp://gone"),
    ],
)
def test_a_host_is_an_address_without_its_port(address: str, host: str) -> None:
    assert get_host(address) == host


async def test_of_a_device_the_link_that_moved_least_recently_makes_room() -> None:
    guests = Guests(is_known)
    async with AsyncExitStack() as stack:
        own: list[Guest] = []
        for _ in range(module.LINKS_OF_DEVICE):
            own.append(stack.enter_context(take(guests, MEMBER)))
            jump(1)
        own[0].note_moved()
        stack.enter_context(take(guests, MEMBER))
        assert [each.scope.cancel_called for each in own] == [False, True, False, False]


async def test_a_member_takes_the_place_of_somebody_of_whom_nothing_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LINKS", 2)
    guests = Guests(is_known)
    with take(guests, MEMBER) as member, take(guests, NEWCOMER) as newcomer:
        assert guests.make_guest("host", bytes([2]) * 32) is Refusal.FULL
        with take(guests, OTHER):
            assert newcomer.scope.cancel_called
            assert not member.scope.cancel_called
            assert guests.make_guest("host", THIRD) is Refusal.FULL


async def test_who_moved_nothing_for_a_minute_makes_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LINKS", 2)
    guests = Guests(is_known)
    with take(guests, MEMBER) as silent, take(guests, OTHER) as busy:
        silent.is_at_rest = busy.is_at_rest = True
        jump(59)
        busy.note_moved()
        assert guests.make_guest("host", NEWCOMER) is Refusal.FULL
        jump(1)
        with take(guests, NEWCOMER):
            assert silent.scope.cancel_called
            assert not busy.scope.cancel_called


async def test_who_is_not_done_and_moves_nothing_makes_room_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LINKS", 2)
    guests = Guests(is_known)
    with take(guests, MEMBER) as stalled, take(guests, OTHER) as done:
        done.is_at_rest = True
        jump(10)
        with take(guests, THIRD):
            assert stalled.scope.cancel_called
            assert not done.scope.cancel_called


async def test_a_host_that_holds_all_places_keeps_nobody_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LINKS", 4)
    guests = Guests(is_known)
    async with AsyncExitStack() as stack:
        crowd = [
            stack.enter_context(take(guests, bytes([number]) * 32, "crowd"))
            for number in range(10, 14)
        ]
        honest = stack.enter_context(take(guests, MEMBER, "home"))
        another = stack.enter_context(take(guests, OTHER, "home"))
        assert [each.scope.cancel_called for each in crowd] == [True, True, False, False]
        # Each has its share, and those who came do not push each other out.
        assert guests.make_guest("crowd", bytes([14]) * 32) is Refusal.FULL
        assert guests.make_guest("home", THIRD) is Refusal.FULL
        assert not honest.scope.cancel_called
        assert not another.scope.cancel_called


async def test_a_crowd_takes_no_place_of_others_that_say_nothing_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LINKS", 3)
    guests = Guests(is_known)
    with (
        take(guests, MEMBER, "home") as honest,
        take(guests, OTHER, "crowd") as first,
        take(guests, THIRD, "crowd") as second,
    ):
        honest.is_at_rest = True
        jump(3_600)
        first.note_moved()
        with take(guests, bytes([10]) * 32, "crowd"):
            assert second.scope.cancel_called
            assert not first.scope.cancel_called
            assert not honest.scope.cancel_called


async def test_who_lied_waits_longer_each_time() -> None:
    guests = Guests(is_known)
    waits: list[float] = []
    for _ in range(3):
        guest = guests.make_guest("host", MEMBER)
        assert isinstance(guest, Guest)
        with pytest.raises(Forged), guests.keep_link(guest):
            raise Forged("a lie")
        assert guests.make_guest("host", MEMBER) is Refusal.WAIT
        waits.append(guests.get_wait_seconds("host", MEMBER))
        jump(waits[-1])
    assert waits == pytest.approx([1, 2, 4])
    with take(guests, MEMBER):
        assert guests.get_wait_seconds("host", MEMBER) == 0


async def test_a_cut_link_is_no_lie() -> None:
    guests = Guests(is_known)
    guest = guests.make_guest("host", MEMBER)
    assert isinstance(guest, Guest)
    with pytest.raises(LinkFailed), guests.keep_link(guest):
        raise LinkFailed("cut")
    assert guests.get_wait_seconds("host", MEMBER) == 0


async def test_a_bad_host_keeps_a_few_places_and_honest_peers_behind_it_get_in() -> None:
    guests = Guests(is_known)
    with pytest.raises(NotAdmitted), guests.keep_stranger("host"):
        raise NotAdmitted("a stranger")
    assert guests.get_wait_seconds("host", None) > 0
    left: list[str] = []

    async def stay(name: str, host: str, task_status: trio.TaskStatus[object]) -> None:
        try:
            with guests.keep_stranger(host):
                task_status.started()
                await trio.sleep_forever()
        except LinkFailed:
            left.append(name)

    async with trio.open_nursery() as nursery:
        for name in ("first", "second"):
            await nursery.start(stay, name, "host")
        await nursery.start(stay, "elsewhere", "another host")
        with guests.keep_stranger("host"):
            await trio.testing.wait_all_tasks_blocked()
            assert left == ["first"]
        # It showed whose it was, and so the host is a good one again.
        assert guests.get_wait_seconds("host", None) == 0
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def serving(peer: Peer, log: Log) -> AsyncGenerator[str]:
    async with trio.open_nursery() as nursery:

        async def run(task_status: trio.TaskStatus[object]) -> None:
            await serve([HERE], make_end(peer), on_event=log, task_status=task_status)

        [address] = await nursery.start(run)
        yield address
        nursery.cancel_scope.cancel()


async def test_a_crowd_of_silent_connections_keeps_nobody_out() -> None:
    log = Log()
    async with serving(Peer(), log) as address, AsyncExitStack() as stack:
        for _ in range(3 * module.STRANGERS):
            silent = await stack.enter_async_context(await tcp.dial(address))
            # Of who says nothing at all the system does not even tell.
            await silent.send_all(b"s")
            assert await silent.receive_some(8)
        report = await sync_once(address, make_end(Peer()), on_event=Log())
        assert report.equal


async def test_a_liar_is_turned_away_when_it_comes_again(founder: DeviceKey) -> None:
    liar, log = Peer(), Log()
    liar.note(founder)
    liar.replica.get_feed(founder.public).seals[1] = bytes(64)
    async with serving(Peer(), log) as address:
        for error in (LinkFailed, NotAdmitted):
            with pytest.raises(error):
                await sync_once(address, make_end(liar), on_event=Log())
        await log.wait_for(Lost, 2)
        # Others come and go meanwhile.
        report = await sync_once(address, make_end(Peer(), number=102), on_event=Log())
        assert report.equal
    lied, turned_away = log.get(Lost)
    assert isinstance(lied, Lost)
    assert isinstance(lied.error, Forged)
    assert lied.wait_seconds > 0
    assert "is to wait" in str(turned_away)
