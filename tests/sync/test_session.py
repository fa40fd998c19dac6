"""Two sessions over a fake wire: they end equal, cheaply, however the bytes are cut."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synaptic_crdt.errors import LinkFailed
from synaptic_crdt.state import limits
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.sync.events import ForkFound, Greeted, Offered, Reconciled
from synaptic_crdt.sync.messages import PREFACE_BYTES
from synaptic_crdt.sync.parts.reconciling import Reconciling
from tests.sync.conftest import End, Peer, make_key, make_pieces, pump, sync


def assert_equal(first: Peer, second: Peer) -> None:
    assert first.replica.root == second.replica.root
    assert first.replica.get_leaves() == second.replica.get_leaves()
    assert first.replica.chain.head == second.replica.chain.head


def assert_reconciled(*ends: End) -> None:
    for end in ends:
        [reconciled] = end.get_events(Reconciled)
        assert isinstance(reconciled, Reconciled)
        assert reconciled.equal
        assert end.session.is_finished


def make_apart(founder: DeviceKey) -> tuple[Peer, Peer]:
    """Two peers who share a beginning and have each written and closed epochs since."""
    first, second = Peer(founder), Peer(founder)
    first.note(founder, 3)
    for number in range(2, 6):
        first.write(make_key(number), ["open", founder.public], ["note", number])
    first.close_epoch()
    second.copy_from(first)
    first.note(founder, 2)
    first.close_epoch()
    first.write(make_key(6), ["open", make_key(5).public])
    first.close_epoch()
    second.note(make_key(2), 5)
    second.write(make_key(7), ["open", make_key(2).public])
    return first, second


def test_two_empty_peers_are_done_at_once() -> None:
    ends = sync(Peer(), Peer())
    assert_reconciled(*ends)


def test_what_each_lacks_comes_from_the_other(founder: DeviceKey) -> None:
    first, second = make_apart(founder)
    ends = sync(first, second)
    assert_reconciled(*ends)
    assert_equal(first, second)
    assert first.replica.chain.index == 3
    assert ends[0].session.counts.entries_sent == ends[1].session.counts.entries_received == 3
    assert ends[1].session.counts.entries_sent == ends[0].session.counts.entries_received == 6
    assert ends[0].session.counts.statements_sent == 2
    assert ends[1].session.counts.statements_received == 2
    assert ends[0].session.counts.bytes_sent == ends[1].session.counts.bytes_received


def test_bytes_may_come_one_at_a_time(founder: DeviceKey) -> None:
    first, second = make_apart(founder)
    ends = sync(first, second, lambda data: [bytes([byte]) for byte in data])
    assert_reconciled(*ends)
    assert_equal(first, second)


@settings(max_examples=30)
@given(st.data())
def test_bytes_may_come_in_any_pieces(data: st.DataObject) -> None:
    def cut(sent: bytes) -> Sequence[bytes]:
        places = sorted(data.draw(st.sets(st.integers(0, len(sent)), max_size=8)))
        return [sent[a:b] for a, b in zip([0, *places], [*places, len(sent)], strict=True)]

    first, second = make_apart(make_key(1))
    ends = sync(first, second, cut)
    assert_reconciled(*ends)
    assert_equal(first, second)


def test_equal_peers_with_1000_feeds_exchange_once_and_little() -> None:
    first, second = Peer(), Peer()
    for number in range(1, 1001):
        first.note(make_key(number))
    second.copy_from(first)
    ends = End(first), End(second)
    # One exchange: what both sides say at once, and the answer to it.
    hellos = [end.take_output() for end in ends]
    ends[0].receive(hellos[1])
    ends[1].receive(hellos[0])
    dones = [end.take_output() for end in ends]
    ends[0].receive(dones[1])
    ends[1].receive(dones[0])
    assert_reconciled(*ends)
    for end in ends:
        assert end.session.counts.bytes_sent + end.session.counts.bytes_received < 1024


def test_1000_feeds_of_one_entry_take_few_exchanges() -> None:
    first, second = Peer(), Peer()
    for number in range(1, 1001):
        first.note(make_key(number))
    ends = End(first), End(second)
    exchanges = 0
    while not all(end.session.is_finished for end in ends):
        exchanges += 1
        for source, target in (ends, ends[::-1]):
            while data := source.take_output():
                target.receive(data)
    assert exchanges <= 4
    assert_equal(first, second)


def test_long_feeds_come_in_windows() -> None:
    first, second = Peer(), Peer()
    for number in range(1, 4):
        for _ in range(3):
            first.note(make_key(number), 2000, size=20)
    second.note(make_key(4), 40, size=60_000)
    assert_reconciled(*sync(first, second))
    assert_equal(first, second)
    assert second.replica.entries == 3 * 6000 + 40


def test_output_is_made_as_it_is_asked_for() -> None:
    first, second = Peer(), Peer()
    first.note(make_key(1), 600, size=60_000)
    ends = End(first), End(second)
    largest = 0
    moved = True
    while moved:
        moved = False
        for source, target in (ends, ends[::-1]):
            if data := source.take_output():
                moved = True
                largest = max(largest, len(data))
                target.receive(data)
                assert target.session.buffered <= limits.PIECE_BYTES + limits.FRAME_BYTES
    assert largest < 2 * limits.FRAME_BYTES
    assert_equal(first, second)


def split(data: bytes) -> list[bytes]:
    """Cut what one side says after its preface at every frame's end."""
    frames: list[bytes] = []
    while data:
        size = 4 + int.from_bytes(data[:4], "big")
        frames.append(data[:size])
        data = data[size:]
    return frames


def run_until(ends: tuple[End, End], frames: int) -> bool:
    """Carry frames both ways until ``frames`` were carried; was that before the end?"""
    carried = 0
    waiting: list[list[bytes]] = [[], []]
    has_preface = [False, False]
    while True:
        moved = False
        for number, source in enumerate(ends):
            while data := source.take_output():
                if not has_preface[number]:
                    has_preface[number] = True
                    waiting[number].append(data[:PREFACE_BYTES])
                    data = data[PREFACE_BYTES:]
                waiting[number].extend(split(data))
            if waiting[number]:
                if carried == frames:
                    return True
                ends[1 - number].receive(waiting[number].pop(0))
                carried += 1
                moved = True
        if not moved:
            return False


def test_a_cut_at_any_frame_loses_and_repeats_nothing(founder: DeviceKey) -> None:
    cut_at = 0
    while True:
        first, second = make_apart(founder)
        total = 9
        ends = End(first), End(second)
        was_cut = run_until(ends, cut_at)
        admitted = sum(end.session.counts.entries_received for end in ends)
        for end in ends:
            end.peer.gate.news.unsubscribe(end.session.note_news)
        again = sync(first, second)
        assert_equal(first, second)
        sent_again = sum(end.session.counts.entries_sent for end in again)
        assert sent_again == total - admitted
        if not was_cut:
            break
        cut_at += 1
    assert cut_at > 15


def test_a_feed_waits_for_its_issuers_and_then_comes(founder: DeviceKey) -> None:
    # The second peer announces only its rank, so the chain of invitations comes in order even
    # where devices sort against it; with ranks that lie it still comes, by asking again.
    first, second = Peer(), Peer()
    first.note(founder)
    keys = sorted((make_key(number) for number in range(2, 12)), key=lambda key: key.public)
    issuer = founder
    for key in reversed(keys):
        first.write(key, ["open", issuer.public])
        issuer = key
    ends = End(first), End(second)
    reconciling = ends[0].session._urgent[0]
    assert isinstance(reconciling, Reconciling)
    leaves = reconciling._leaves
    leaves[:] = [type(leaf)(leaf.device, leaf.position, leaf.id, 0, leaf.beyond) for leaf in leaves]
    pump(*ends)
    assert_equal(first, second)
    assert_reconciled(*ends)
    assert ends[1].session.counts.entries_held == 0


def test_ranks_bring_issuers_first(founder: DeviceKey) -> None:
    first, second = Peer(), Peer()
    first.note(founder)
    issuer = founder
    for number in range(2, 40):
        first.write(make_key(number), ["open", issuer.public])
        issuer = make_key(number)
    ends = sync(first, second)
    assert_equal(first, second)
    assert ends[0].session.counts.entries_sent == 39


def test_a_feed_without_an_admitted_issuer_is_held_and_reported(founder: DeviceKey) -> None:
    first, second = Peer(), Peer()
    stranger = make_key(9)
    first.note(founder)
    first.let_in_all().write(stranger, ["open", make_key(8).public], ["note", 1])
    first.note(make_key(3))
    ends = sync(first, second)
    [reconciled] = ends[1].get_events(Reconciled)
    assert isinstance(reconciled, Reconciled)
    assert not reconciled.equal
    assert ends[1].session.counts.entries_held == 2
    assert ends[1].session.counts.entries_received == 2
    # It was asked for again while others were admitted, and no more after that.
    assert ends[0].session.counts.entries_sent <= 6
    assert ends[1].session.is_finished


def test_a_held_feed_is_asked_for_again_when_a_feed_came_and_not_when_one_grew(
    founder: DeviceKey,
) -> None:
    first, second = Peer(), Peer()
    issuer, invited = make_key(2), make_key(3)
    first.note(founder)
    first.let_in_all().write(invited, ["open", issuer.public])
    ends = link(first, second)
    pump(*ends)
    sent = ends[0].session.counts.entries_sent
    for _ in range(5):
        first.note(founder)
        second.note(make_key(9))
        pump(*ends)
    # Of another writer's feed only the first entry let it be asked for again.
    assert ends[0].session.counts.entries_sent == sent + 5 + 1
    second.note(issuer)
    pump(*ends)
    assert_equal(first, second)


def test_a_restored_backup_gets_its_own_feed_back(founder: DeviceKey) -> None:
    first, second = Peer(), Peer()
    first.note(founder, 5)
    second.copy_from(first)
    restored = Peer()
    restored.gate.admit_piece(make_pieces(restored.replica, founder, *[["note", bytes(10)]] * 5)[0])
    first.note(founder, 2)
    assert_reconciled(*sync(first, restored))
    assert_equal(first, restored)


def test_the_clock_is_shown(founder: DeviceKey) -> None:
    ends = sync(Peer(founder), Peer(founder))
    assert ends[0].get_events(Greeted) == [Greeted("member", live=False, skew_ms=0)]


# -- forks -----------------------------------------------------------------------------------


def make_forked(length: int, other_length: int) -> tuple[Peer, Peer, DeviceKey]:
    """Two peers who were told two histories by one device, and share other feeds."""
    first, second = Peer(), Peer()
    forker = make_key(5)
    first.note(forker, 2)
    second.copy_from(first)
    first.write(forker, *[["note", 1]] * length)
    second.write(forker, *[["note", 2]] * other_length)
    first.note(make_key(6))
    second.note(make_key(7))
    return first, second, forker


@pytest.mark.parametrize(("length", "other_length"), [(1, 1), (1, 4), (4, 1)])
def test_a_fork_is_seen_and_stops_no_other_feed(length: int, other_length: int) -> None:
    first, second, forker = make_forked(length, other_length)
    ends = sync(first, second)
    forks = [event for end in ends for event in end.get_events(ForkFound)]
    assert {event.device for event in forks if isinstance(event, ForkFound)} == {forker.public}
    for peer, other in ((first, make_key(7)), (second, make_key(6))):
        assert peer.replica.get_feed(other.public).position == 1
        # The common prefix counts; what each of them holds behind it waits.
        assert peer.replica.branches.get_suspended_from(forker.public) == 3
        assert peer.replica.branches.get_counted_position(forker.public) == 2
    assert first.replica.get_feed(forker.public).position == 2 + length
    assert second.replica.get_feed(forker.public).position == 2 + other_length
    assert_reconciled(*ends)
    # From now on there is nothing to say about it.
    again = sync(first, second)
    assert_reconciled(*again)
    assert sum(end.session.counts.statements_sent for end in again) == 0
    assert sum(end.session.frames_received for end in again) == 4


def cut_small(data: bytes) -> Sequence[bytes]:
    """Cut small enough that no two pieces come together."""
    return [data[start : start + 1000] for start in range(0, len(data), 1000)]


def test_what_follows_a_fork_is_not_taken_to_the_gate() -> None:
    first, second = Peer(), Peer()
    forker = make_key(5)
    first.note(forker, 3000)
    second.write(forker, ["note", 2])
    ends = sync(first, second, cut_small)
    assert second.replica.entries == 1
    assert ends[1].get_events(ForkFound) == [ForkFound(forker.public, 1, is_fixed=False)]
    offered = ends[1].get_events(Offered)
    assert sum(len(event.pieces) for event in offered if isinstance(event, Offered)) == 1


def test_two_forks_of_one_feed_are_told_once() -> None:
    first, second = Peer(), Peer()
    forker = make_key(5)
    first.note(forker, 2)
    second.copy_from(first)
    ends = link(first, second)
    pump(*ends)
    second.write(forker, ["note", 1])
    first.write(forker, ["note", 2])
    data = ends[0].take_output()
    first.write(forker, ["note", 2])
    ends[1].receive(data + ends[0].take_output())
    assert ends[1].get_events(ForkFound) == [ForkFound(forker.public, 3, is_fixed=False)]


def test_one_fork_that_is_pushed_twice_at_once_is_told_once() -> None:
    first, second = Peer(), Peer()
    forker = make_key(5)
    first.note(forker, 2)
    second.copy_from(first)
    ends = link(first, second)
    pump(*ends)
    second.write(forker, ["note", 1])
    first.write(forker, ["note", 2])
    data = ends[0].take_output()
    ends[1].receive(data + data)
    assert ends[1].get_events(ForkFound) == [ForkFound(forker.public, 3, is_fixed=False)]


@pytest.mark.parametrize("extra", [0, 2])
def test_a_sequencer_that_signed_twice_is_proved_to_both(founder: DeviceKey, extra: int) -> None:
    first, second = Peer(founder), Peer(founder)
    first.note(founder)
    second.copy_from(first)
    first.close_epoch()
    second.note(make_key(2))
    second.close_epoch()
    for _ in range(extra):
        second.note(make_key(2))
        second.close_epoch()
    ends = sync(first, second)
    assert first.replica.is_halted
    assert second.replica.is_halted
    assert all(end.session.is_finished for end in ends)
    # Whoever knows nothing yet is shown the proof by either.
    third = Peer(founder)
    third.copy_from(first)
    assert third.replica.chain.index == 1
    sync(third, second)
    assert third.replica.is_halted


# -- live ------------------------------------------------------------------------------------


def link(first: Peer, second: Peer) -> tuple[End, End]:
    return End(first, live=True), End(second, live=True)


def pump_all(links: Sequence[tuple[End, End]]) -> None:
    before = -1
    while before != (now := sum(len(end.sent) for ends in links for end in ends)):
        before = now
        for ends in links:
            pump(*ends)


def test_live_news_run_through_a_chain_once(founder: DeviceKey) -> None:
    peers = [Peer(founder) for _ in range(3)]
    links = [link(peers[0], peers[1]), link(peers[1], peers[2])]
    pump_all(links)
    peers[0].note(founder, 2)
    pump_all(links)
    peers[2].write(make_key(2), ["open", founder.public])
    pump_all(links)
    peers[0].close_epoch()
    pump_all(links)
    for peer in peers[1:]:
        assert_equal(peers[0], peer)
    assert peers[2].replica.chain.index == 1
    # Every entry and checkpoint crossed every link once, in one direction.
    for left, right in links:
        assert left.session.counts.entries_sent == 2
        assert right.session.counts.entries_sent == 1
        assert left.session.counts.statements_sent == 1
        assert right.session.counts.statements_sent == 0


def test_live_news_run_around_a_ring_and_end(founder: DeviceKey) -> None:
    peers = [Peer(founder) for _ in range(3)]
    links = [link(peers[a], peers[b]) for a, b in ((0, 1), (1, 2), (2, 0))]
    pump_all(links)
    for number in range(5):
        peers[number % 3].note(make_key(10 + number))
    peers[0].close_epoch()
    pump_all(links)
    for peer in peers[1:]:
        assert_equal(peers[0], peer)


def test_what_came_during_the_first_exchange_is_pushed_after_it(founder: DeviceKey) -> None:
    first, second = Peer(founder), Peer(founder)
    first.note(founder, 3)
    ends = link(first, second)
    second_hello = ends[1].take_output()
    first.note(founder)
    first.note(make_key(2))
    ends[0].receive(second_hello)
    pump(*ends)
    first.note(founder)
    pump(*ends)
    assert_equal(first, second)
    assert not ends[0].session.is_finished


def test_a_push_with_a_gap_is_asked_for_from_our_end(founder: DeviceKey) -> None:
    first, second = Peer(founder), Peer(founder)
    first.note(founder)
    ends = link(first, second)
    pump(*ends)
    first.note(founder, 3)
    # The memory of what the other has is wrong, as after a push that it could not keep.
    ends[0].session._wants.note_theirs(founder.public, 3)
    pump(*ends)
    assert_equal(first, second)


def test_live_links_retry_held_feeds_when_another_link_brings_the_issuer(
    founder: DeviceKey,
) -> None:
    first, second, third = Peer(), Peer(), Peer()
    issuer, invited = make_key(2), make_key(3)
    third.note(issuer)
    first.note(founder)
    first.let_in_all().write(invited, ["open", issuer.public])
    ends = link(first, second)
    pump(*ends)
    assert ends[1].session.counts.entries_held == 1
    sync(third, second)
    pump(*ends)
    assert ends[1].session.counts.entries_held == 0
    assert_equal(first, second)


def test_a_forked_feed_is_not_pushed() -> None:
    first, second, forker = make_forked(1, 1)
    ends = link(first, second)
    pump(*ends)
    first.note(forker)
    pump(*ends)
    assert [end.session.counts.entries_sent for end in ends] == [1, 1]


def test_one_side_that_does_not_stay_ends_the_link(founder: DeviceKey) -> None:
    first, second = Peer(), Peer()
    first.note(founder)
    ends = End(first, live=True), End(second)
    pump(*ends)
    assert all(end.session.is_finished for end in ends)
    # Later news are for other links.
    second.note(make_key(2))
    assert ends[1].take_output() == b""


def test_what_another_link_brought_is_not_asked_for() -> None:
    first, second = Peer(), Peer()
    for number in range(1, 4):
        first.note(make_key(number), 2000)
    slow = End(first), End(second)
    data = slow[0].take_output(), slow[1].take_output()
    slow[0].receive(data[1])
    slow[1].receive(data[0])
    slow[1].receive(slow[0].take_output())
    sync(first, second)
    pump(*slow)
    assert_reconciled(*slow)
    assert slow[0].session.counts.entries_sent == 0


def test_many_large_checkpoints_come_in_several_frames(founder: DeviceKey) -> None:
    first, second = Peer(founder), Peer(founder)
    for _ in range(10):
        for number in range(1, 301):
            first.note(make_key(number))
        first.close_epoch()
    ends = sync(first, second)
    assert_equal(first, second)
    assert second.replica.chain.index == 10
    frames = split(b"".join(ends[0].sent)[PREFACE_BYTES:])
    assert len([frame for frame in frames if b"statements" in frame[:20]]) == 3


def test_of_statements_that_came_only_the_newest_are_remembered(
    founder: DeviceKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "REMEMBERED_STATEMENTS", 2)
    first, second = Peer(founder), Peer(founder)
    for _ in range(4):
        first.note(founder)
        first.close_epoch()
    ends = sync(first, second)
    assert_reconciled(*ends)
    assert len(ends[1].session._statements._received) == 2
    assert ends[1].session.counts.statements_sent == 0


class Mesh:
    """Three peers in a ring of live links, whose bytes wait until somebody carries them."""

    def __init__(self) -> None:
        self.founder = make_key(1)
        self.peers = [Peer(self.founder) for _ in range(3)]
        self.peers[0].note(self.founder)
        for peer in self.peers[1:]:
            peer.copy_from(self.peers[0])
        self.links = [self.join(number) for number in range(3)]
        self.waiting = [[bytearray(), bytearray()] for _ in range(3)]

    def join(self, number: int) -> tuple[End, End]:
        return link(self.peers[number], self.peers[(number + 1) % 3])

    def write(self, number: int, writer: int, count: int) -> None:
        # Every peer has devices of its own: nobody forks.
        key = make_key(10 + 3 * writer + number)
        peer = self.peers[number]
        if key.public not in peer.replica.feeds:
            peer.write(key, ["open", self.founder.public])
        peer.note(key, count)

    def carry(self, number: int, side: int, size: int) -> None:
        ends, waiting = self.links[number], self.waiting[number][side]
        waiting.extend(ends[side].take_output())
        ends[1 - side].receive(bytes(waiting[:size]))
        del waiting[:size]

    def cut(self, number: int) -> None:
        for end in self.links[number]:
            end.peer.gate.news.unsubscribe(end.session.note_news)
        self.links[number] = self.join(number)
        self.waiting[number] = [bytearray(), bytearray()]

    def settle(self) -> None:
        before = -1
        while before != (now := sum(len(end.sent) for ends in self.links for end in ends)):
            before = now
            for number in range(3):
                for side in range(2):
                    self.carry(number, side, 2**30)


SMALL = st.integers(0, 2)
STEPS = st.one_of(
    st.tuples(st.just("write"), SMALL, SMALL, st.integers(1, 3)),
    st.tuples(st.just("carry"), SMALL, st.integers(0, 1), st.integers(1, 400)),
    st.tuples(st.just("cut"), SMALL),
    st.tuples(st.just("close")),
)


@settings(max_examples=60)
@given(st.lists(STEPS, max_size=40))
def test_a_mesh_of_live_links_converges(steps: Sequence[tuple[str | int, ...]]) -> None:
    mesh = Mesh()
    for step in steps:
        match step:
            case ("write", int(number), int(writer), int(count)):
                mesh.write(number, writer, count)
            case ("carry", int(number), int(side), int(size)):
                mesh.carry(number, side, size)
            case ("cut", int(number)):
                mesh.cut(number)
            case _:
                mesh.peers[0].close_epoch()
    mesh.settle()
    for peer in mesh.peers[1:]:
        assert_equal(mesh.peers[0], peer)


# -- ends ------------------------------------------------------------------------------------


def test_an_end_before_both_are_done_is_a_failure(founder: DeviceKey) -> None:
    first, second = Peer(), Peer()
    first.note(founder)
    ends = End(first), End(second)
    ends[1].receive(ends[0].take_output())
    with pytest.raises(LinkFailed, match="before both were done"):
        ends[1].session.receive_end()


def test_an_end_after_both_are_done_is_none(founder: DeviceKey) -> None:
    for live in (False, True):
        ends = End(Peer(founder), live=live), End(Peer(founder), live=live)
        pump(*ends)
        for end in ends:
            end.session.receive_end()


def test_a_live_end_within_a_frame_is_a_failure(founder: DeviceKey) -> None:
    first, second = Peer(), Peer()
    ends = link(first, second)
    pump(*ends)
    first.note(founder)
    ends[1].receive(ends[0].take_output()[:-1])
    with pytest.raises(LinkFailed):
        ends[1].session.receive_end()
