"""Peers that are slow, silent, flooding, lying or gone, all at once; and late entries in crowds.

Honest peers keep their service, and what a peer costs does not grow with what it sends.
"""

from collections import Counter

import pytest
import trio
import trio.testing

from synaptic_crdt.errors import Forged, LinkFailed
from synaptic_crdt.state.feeds import Piece
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.limits import WINDOW_ENTRIES
from synaptic_crdt.sync.channel import Channel
from synaptic_crdt.sync.gate import Gate, KeepNothing
from synaptic_crdt.sync.happenings import LeftOut, Linked, Lost
from synaptic_crdt.sync.inspection import Admission
from synaptic_crdt.sync.links import serve, sync_once
from synaptic_crdt.sync.quotas import Quota
from synaptic_crdt.sync.session import Session
from synaptic_crdt.sync.transports import tcp
from synaptic_crdt.sync.transports.secured import SecuredStream, secure
from tests.sync.conftest import (
    CLOCK_MS,
    NONCE,
    End,
    Peer,
    ToyContract,
    find_issuer,
    make_key,
    make_pieces,
    pump,
)
from tests.sync.linking import HERE, LinkEnd, Log, ToyMembership, make_end

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """A clock that stands still: nothing here ends because time passes."""
    return "trio", {"clock": trio.testing.MockClock()}


class Folds:
    """Counts how often entries are applied, by the contract that applies them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._counts: Counter[int] = Counter()
        apply = ToyContract.apply

        def count(contract: ToyContract, *args: object) -> int:
            self._counts[id(contract)] += 1
            return apply(contract, *args)  # type: ignore[arg-type]

        monkeypatch.setattr(ToyContract, "apply", count)

    def watch(self, peer: Peer) -> int:
        """Return which contract is this peer's, when it is the first one that folds."""
        assert peer.replica.root
        [(contract, _)] = self._counts.items()
        return contract

    def take(self, contract: int) -> int:
        return self._counts[contract]


def test_late_entries_of_a_link_are_folded_once_however_many_pieces_bring_them(
    founder: DeviceKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    folds = Folds(monkeypatch)
    hub = Peer()
    hub.note(founder, 500)
    contract = folds.watch(hub)
    source = Peer()
    # All of them are as old as what the hub holds, so each one sorts before its end.
    for number in range(2, 8):
        source.note(make_key(number), WINDOW_ENTRIES + 10)
    before = folds.take(contract)
    pump(End(source), End(hub))
    assert hub.replica.root == source.replica.root
    assert hub.replica.entries == 500 + 6 * (WINDOW_ENTRIES + 10)
    assert folds.take(contract) - before <= hub.replica.entries


async def test_late_entries_of_many_links_are_folded_once_a_link_at_most(
    founder: DeviceKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    folds = Folds(monkeypatch)
    hub = Peer()
    hub.note(founder, 100)
    contract = folds.watch(hub)
    others = [Peer() for _ in range(4)]
    for number, other in enumerate(others, 2):
        other.note(make_key(number), WINDOW_ENTRIES + 10)
    before = folds.take(contract)
    async with trio.open_nursery() as nursery:
        for other in others:
            ours, theirs = trio.testing.memory_stream_pair()
            nursery.start_soon(LinkEnd().run, ours, hub)
            nursery.start_soon(LinkEnd().run, theirs, other)
    assert hub.replica.entries == 100 + 4 * (WINDOW_ENTRIES + 10)
    assert folds.take(contract) - before <= len(others) * hub.replica.entries


async def dial(address: str, peer: Peer, number: int) -> SecuredStream:
    """Return a link that shows whose it is, and does nothing more by itself."""
    channel = Channel(peer.replica.market, ToyMembership(make_key(number)), is_initiator=True)
    return await secure(await tcp.dial(address), channel)


async def greet_and_never_read(stream: SecuredStream, peer: Peer) -> None:
    """Say hello, and leave all that comes where it is."""
    session = Session(
        peer.replica, live=True, role="member", clock_ms=CLOCK_MS, nonce=NONCE,
        budget=peer.gate.budget,
    )  # fmt: skip
    await stream.send_all(session.data_to_send())


def make_flood() -> Peer:
    flooder = Peer()
    flooder.note(make_key(7), 3 * WINDOW_ENTRIES)
    return flooder


async def test_honest_peers_keep_their_service_among_all_others(founder: DeviceKey) -> None:
    hub, log = Peer(founder), Log()
    hub.gate = Gate(hub.replica, KeepNothing(), find_issuer, None, Quota(windows=1))
    for number in range(20, 24):
        hub.note(make_key(number), 15, 60_000)
    liar, member = Peer(founder), Peer(founder)
    liar.note(make_key(3))
    liar.replica.get_feed(make_key(3).public).seals[1] = bytes(64)
    async with trio.open_nursery() as nursery:

        async def run(task_status: trio.TaskStatus[object]) -> None:
            await serve([HERE], make_end(hub), on_event=log, task_status=task_status)

        [address] = await nursery.start(run)
        silent = await tcp.dial(address)
        idle = await dial(address, Peer(founder), 201)
        slow = await dial(address, Peer(founder), 202)
        await greet_and_never_read(slow, Peer(founder))
        gone = await dial(address, Peer(founder), 203)
        await trio.aclose_forcefully(gone)
        with pytest.raises(LinkFailed):
            await sync_once(address, make_end(liar, number=204), on_event=Log())
        flood = await sync_once(address, make_end(make_flood(), number=205), on_event=Log())
        assert flood.equal is False
        for _ in range(3):
            member.note(make_key(2))
            report = await sync_once(address, make_end(member, number=206), on_event=Log())
            assert report.equal
        await log.wait_for(Lost, 2)
        for stream in (silent, idle, slow):
            await trio.aclose_forcefully(stream)
        nursery.cancel_scope.cancel()
    assert hub.replica.get_feed(make_key(7).public).position == WINDOW_ENTRIES
    assert member.replica.root == hub.replica.root
    # The log says what happened.
    assert len(log.get(Linked)) == 8
    assert {type(event.error) for event in log.get(Lost) if isinstance(event, Lost)} >= {
        Forged,
        LinkFailed,
    }
    [left_out] = log.get(LeftOut)
    assert isinstance(left_out, LeftOut)
    assert left_out.device == make_key(7).public


def test_a_flood_of_pushes_over_quota_is_not_kept(founder: DeviceKey) -> None:
    """A live member pushes without end: what is kept here is its quota."""
    hub, flooder = Peer(founder), Peer(founder)
    hub.gate = Gate(hub.replica, KeepNothing(), find_issuer, None, Quota(windows=1))
    ends = End(flooder, live=True), End(hub, live=True)
    pump(*ends)
    for _ in range(4):
        flooder.note(make_key(7), WINDOW_ENTRIES)
        pump(*ends)
        assert ends[1].session.buffered == 0
    assert hub.replica.get_feed(make_key(7).public).position == WINDOW_ENTRIES
    # Its other side goes on, too.
    hub.note(founder)
    pump(*ends)
    assert flooder.replica.get_feed(founder.public).position == 1


def test_pieces_of_a_crowd_that_nobody_vouches_for_are_not_kept(founder: DeviceKey) -> None:
    hub = Peer(founder)
    hub.note(founder)
    admissions: Counter[Admission] = Counter()
    for number in range(300, 340):
        [piece] = make_pieces(hub.replica, make_key(number), ["open", make_key(299).public])
        assert isinstance(piece, Piece)
        admissions[hub.gate.admit_piece(piece)] += 1
    assert admissions == {Admission.HOLD: 40}
    assert list(hub.replica.feeds) == [founder.public]
