"""Links that break anywhere, and frames that come twice, late or in part: resumed, all is equal."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synaptic_crdt.errors import SynapticError
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.replica import Replica
from synaptic_crdt.sync.events import Reconciled
from synaptic_crdt.sync.messages import PREFACE_BYTES
from tests.sync.conftest import End, Peer, make_key, sync

FOUNDER = make_key(1)


def make_small() -> tuple[Peer, Peer]:
    """Each has an entry and a checkpoint, or a feed, that the other lacks."""
    first, second = Peer(FOUNDER), Peer(FOUNDER)
    first.note(FOUNDER)
    first.close_epoch()
    second.note(make_key(2))
    return first, second


def make_large() -> tuple[Peer, Peer]:
    """Each has windows of entries that the other lacks, in feeds that stand on each other."""
    first, second = Peer(FOUNDER), Peer(FOUNDER)
    first.note(FOUNDER, 1030)
    second.copy_from(first)
    first.note(FOUNDER, 1100)
    first.close_epoch()
    issuer = FOUNDER
    for number in range(2, 6):
        second.write(make_key(number), ["open", issuer.public], *[["note", number]] * 9)
        issuer = make_key(number)
    return first, second


def open_ends(peers: tuple[Peer, Peer]) -> tuple[End, End]:
    return End(peers[0]), End(peers[1])


def close(ends: Sequence[End]) -> None:
    for end in ends:
        end.session.close()
        end.peer.gate.news.unsubscribe(end.session.note_news)


def carry(ends: tuple[End, End], room: int, *, by_frame: bool, order: Sequence[int]) -> int:
    """Carry bytes, or whole frames, both ways until so many were carried; return how many were."""
    waiting = [bytearray(), bytearray()]
    has_preface = [False, False]
    carried = 0
    while carried < room:
        for number in (0, 1):
            waiting[number] += b"".join(iter(ends[number].take_output, b""))
        source = next((number for number in order if waiting[number]), None)
        if source is None:
            return carried
        size = min(len(waiting[source]), room - carried)
        if by_frame:
            size = get_frame_size(waiting[source], is_first=not has_preface[source])
            has_preface[source] = True
        ends[1 - source].receive(bytes(waiting[source][:size]))
        del waiting[source][:size]
        carried += 1 if by_frame else size
    return carried


def get_frame_size(data: bytes | bytearray, *, is_first: bool) -> int:
    return PREFACE_BYTES if is_first else 4 + int.from_bytes(data[:4], "big")


def get_positions(replica: Replica) -> dict[bytes, int]:
    return {device: feed.position for device, feed in replica.feeds.items()}


def assert_resumes(peers: tuple[Peer, Peer]) -> None:
    """Sync again: all becomes equal, and nothing that was verified is sent once more."""
    before = [get_positions(peer.replica) for peer in peers]
    ends = sync(*peers)
    for end in ends:
        [event] = end.get_events(Reconciled)
        assert isinstance(event, Reconciled)
        assert event.equal
    assert peers[0].replica.root == peers[1].replica.root
    after = get_positions(peers[0].replica)
    assert after == get_positions(peers[1].replica)
    for number in (0, 1):
        lacked = sum(end - before[1 - number].get(device, 0) for device, end in after.items())
        assert ends[number].session.counts.entries_sent == lacked


def count_cuts(
    make: Callable[[], tuple[Peer, Peer]], order: tuple[int, int], *, by_frame: bool
) -> int:
    """Cut a sync in every place in turn, and let each resume; return in how many."""
    cut = 0
    while True:
        peers = make()
        ends = open_ends(peers)
        carried = carry(ends, cut, by_frame=by_frame, order=order)
        close(ends)
        assert_resumes(peers)
        if carried < cut:
            return cut
        cut += 1


@pytest.mark.untraced
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_cut_at_any_byte_resumes_without_a_verified_piece_sent_again(
    order: tuple[int, int],
) -> None:
    assert count_cuts(make_small, order, by_frame=False) > 1000


@pytest.mark.untraced
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_cut_at_any_frame_resumes_without_a_verified_piece_sent_again(
    order: tuple[int, int],
) -> None:
    assert count_cuts(make_large, order, by_frame=True) > 20


def test_a_link_may_be_cut_again_and_again() -> None:
    peers = make_large()
    for cut in range(3, 30):
        ends = open_ends(peers)
        carry(ends, cut, by_frame=True, order=(0, 1))
        close(ends)
    assert_resumes(peers)


# -- what comes twice, late, or in part ------------------------------------------------------


def record() -> Sequence[bytes]:
    """What the first of two small peers says in a session, frame by frame."""
    first, second = make_small()
    ends = open_ends((first, second))
    carry(ends, 10**9, by_frame=False, order=(0, 1))
    data = b"".join(ends[0].sent)
    frames = [data[:PREFACE_BYTES]]
    data = data[PREFACE_BYTES:]
    while data:
        size = get_frame_size(data, is_first=False)
        frames.append(data[:size])
        data = data[size:]
    return frames


FRAMES = record()
PLACES = st.integers(1, len(FRAMES) - 1)


def replay(frames: Sequence[bytes]) -> tuple[Peer, SynapticError | None]:
    """Say these to an end that holds what the second peer held; return what came of it."""
    _, second = make_small()
    end = End(second)
    error: SynapticError | None = None
    try:
        for data in frames:
            b"".join(iter(end.take_output, b""))
            end.receive(data)
    except SynapticError as failure:
        error = failure
    close([end])
    return second, error


def assert_sound(second: Peer, *, key: DeviceKey = FOUNDER) -> None:
    """Whatever came, nothing is held that was not said, and an honest link brings the rest."""
    first, _ = make_small()
    held = second.replica.get_feed(key.public)
    assert held.position in {0, 1}
    assert held.get_id(held.position) == first.replica.get_feed(key.public).get_id(held.position)
    assert_resumes((first, second))


def test_what_was_recorded_is_sound() -> None:
    second, error = replay(FRAMES)
    assert error is None
    assert second.replica.get_feed(FOUNDER.public).position == 1
    assert_sound(second)


@settings(max_examples=40)
@given(PLACES, PLACES)
def test_a_frame_that_comes_twice_does_no_harm(place: int, again: int) -> None:
    frames = list(FRAMES)
    frames.insert(max(place, again), FRAMES[min(place, again)])
    second, _ = replay(frames)
    assert_sound(second)


@settings(max_examples=40)
@given(st.permutations(range(1, len(FRAMES))))
def test_frames_in_another_order_do_no_harm(order: Sequence[int]) -> None:
    second, _ = replay([FRAMES[0], *(FRAMES[place] for place in order)])
    assert_sound(second)


@settings(max_examples=40)
@given(PLACES, st.integers(0, 200))
def test_a_frame_of_which_the_end_is_lost_does_no_harm(place: int, kept: int) -> None:
    frames = list(FRAMES)
    frames[place] = frames[place][: kept % len(frames[place])]
    second, _ = replay(frames)
    assert_sound(second)


@settings(max_examples=40)
@given(st.sets(PLACES))
def test_frames_that_are_lost_do_no_harm(lost: set[int]) -> None:
    second, _ = replay([data for place, data in enumerate(FRAMES) if place not in lost])
    assert_sound(second)
