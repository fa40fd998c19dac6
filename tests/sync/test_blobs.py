"""Blobs between two sessions: whole, cut, refused, and from ends that lie."""

from collections.abc import Sequence

import pytest

from synaptic_crdt.errors import Forged, LinkFailed, MalformedInput, ProtocolViolation
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.limits import (
    BLOB_BYTES,
    BLOB_PIECE_BYTES,
    BLOB_PIECES_ASKED,
    HASH_BYTES,
)
from synaptic_crdt.state.outline import count_pieces, make_outline, name_content
from synaptic_crdt.sync.blobs import NO_BLOBS, WantedBlob
from synaptic_crdt.sync.messages import Message, encode_frame
from synaptic_crdt.sync.parts.blob_messages import BlobAsk, BlobGone, BlobOutline, BlobPiece
from tests.sync.blob_shelf import Shelf, cut_frames, make_content
from tests.sync.conftest import End, Peer, make_key, pump, sync

SMALL = make_content(2_000, seed=1_000_000)
LARGE = make_content(3 * BLOB_PIECE_BYTES + 5, seed=2_000_000)
HUGE = make_content(40 * BLOB_PIECE_BYTES, seed=3_000_000)
NAME = name_content(LARGE)
READER = make_key(7).public


def meet(here: Shelf, there: Shelf, *, live: bool = False) -> tuple[End, End]:
    ends = (
        End(Peer(), live=live, blobs=here),
        End(Peer(), live=live, blobs=there, other=READER),
    )
    here.subscribe(ends[0].session.note_wanted)
    pump(*ends)
    return ends


@pytest.mark.parametrize(
    "size",
    [1, 2_000, BLOB_PIECE_BYTES, BLOB_PIECE_BYTES + 1, 2 * BLOB_PIECE_BYTES, 40 * BLOB_PIECE_BYTES],
)
def test_what_is_wanted_comes_before_both_are_done(size: int) -> None:
    content = make_content(size)
    here = Shelf().want(content)
    ends = meet(here, Shelf(content))
    assert here.whole == {name_content(content): content}
    assert all(end.session.is_finished for end in ends)
    assert not here.under_way


def test_many_come_at_a_time(founder: DeviceKey) -> None:
    contents = [make_content(2_000, seed) for seed in range(50)] + [LARGE, HUGE]
    here, first, second = Shelf().want(*contents), Peer(), Peer()
    first.note(founder, 20)
    ends = End(first, blobs=here), End(second, blobs=Shelf(*contents))
    pump(*ends)
    assert set(here.whole.values()) == set(contents)
    assert second.replica.root == first.replica.root


def test_both_sides_fetch_at_once() -> None:
    here, there = Shelf(SMALL).want(LARGE), Shelf(LARGE).want(SMALL)
    ends = meet(here, there)
    assert here.whole == there.whole
    assert all(end.session.is_finished for end in ends)


def test_what_is_not_there_or_not_for_us_is_gone_and_asked_for_once() -> None:
    here, there = Shelf().want(LARGE, SMALL), Shelf(LARGE)
    there.readers = set()
    ends = meet(here, there)
    assert all(end.session.is_finished for end in ends)
    assert not here.whole
    assert not here.under_way
    assert ends[0].session.blob_answers == 2
    there.readers = {READER}
    meet(here, there)
    assert list(here.whole) == [NAME]


def test_a_home_without_blobs_has_none_and_wants_none() -> None:
    blob = WantedBlob(NAME, len(LARGE))
    for listen in (NO_BLOBS.subscribe, NO_BLOBS.unsubscribe):
        listen(lambda: None)
    assert NO_BLOBS.turn == 0
    assert not NO_BLOBS.get_wanted()
    assert not NO_BLOBS.begin(blob)
    assert NO_BLOBS.resume(blob, b"") == 0
    NO_BLOBS.keep(blob, b"")
    NO_BLOBS.finish(blob)
    NO_BLOBS.leave(NAME)
    assert NO_BLOBS.find(NAME, READER) is None
    here = Shelf().want(LARGE)
    assert all(end.session.is_finished for end in (*sync(Peer(), Peer()),))
    ends = End(Peer(), blobs=here), End(Peer())
    pump(*ends)
    assert not here.whole


def test_a_live_link_brings_what_becomes_wanted() -> None:
    here, there = Shelf(), Shelf(LARGE)
    ends = meet(here, there, live=True)
    here.want(LARGE, SMALL)
    pump(*ends)
    assert list(here.whole) == [NAME]
    assert ends[0].session.blob_answers == count_pieces(len(LARGE)) + 2
    # What was gone is asked for again in the next turn, and not before.
    there.whole[name_content(SMALL)] = SMALL
    here.want()
    pump(*ends)
    assert list(here.whole) == [NAME]
    here.begin_turn()
    pump(*ends)
    assert list(here.whole) == [NAME, name_content(SMALL)]


def test_what_becomes_wanted_meanwhile_comes_after() -> None:
    here = Shelf()
    ends = meet(here, Shelf(LARGE, SMALL), live=True)
    here.want(LARGE)
    ends[1].receive(ends[0].take_output())
    here.want(SMALL)
    pump(*ends)
    assert set(here.whole.values()) == {LARGE, SMALL}


def test_one_blob_comes_over_one_link_at_a_time() -> None:
    here, there = Shelf().want(LARGE), Shelf(LARGE)
    first, _ = start_asking(here)
    second = End(Peer(), blobs=here), End(Peer(), blobs=there)
    pump(*second)
    assert not here.whole
    assert all(end.session.is_finished for end in second)
    # The link that had begun breaks: then another one goes on.
    first.session.close()
    meet(here, there)
    assert here.whole


def test_what_was_begun_and_not_asked_for_is_left_too() -> None:
    # The outline comes, and the link ends before its pieces were asked for.
    here = Shelf().want(LARGE)
    end, _ = start_asking(here)
    end.receive(encode_frame(BlobOutline(blob=NAME, hashes=make_outline(LARGE))))
    end.session.close()
    assert not here.under_way


@pytest.mark.parametrize("live", [False, True])
def test_a_link_cut_at_any_frame_goes_on_after_the_last_verified_piece(live: bool) -> None:
    content = make_content(20 * BLOB_PIECE_BYTES + 1)
    here, there = Shelf().want(content, SMALL), Shelf(content, SMALL)
    for frames in range(60):
        ends = End(Peer(), live=live, blobs=here), End(Peer(), live=live, blobs=there)
        carry_frames(*ends, frames)
        for end in ends:
            end.session.close()
        if len(here.whole) == 2:
            break
    assert set(here.whole.values()) == {content, SMALL}
    # No piece that was verified came a second time.
    assert len(here.kept) == len(set(here.kept)) == 22


def carry_frames(here: End, there: End, frames: int) -> None:
    """Carry so many frames to ``here``, and whatever it says to ``there``, then no more."""
    while frames > 0:
        if data := here.take_output():
            there.receive(data)
        data = there.take_output()
        if not data:
            return
        for chunk in cut_frames(data, is_first=len(there.sent) == 1)[:frames]:
            here.receive(chunk)
            frames -= 1


def start_asking(here: Shelf) -> tuple[End, bytes]:
    """Return an end that has just asked for what it wants, and what it said."""
    end = End(Peer(), blobs=here)
    end.receive(End(Peer()).take_output())
    return end, end.take_output()


def start_asking_pieces() -> End:
    end, _ = start_asking(Shelf().want(LARGE))
    end.receive(encode_frame(BlobOutline(blob=NAME, hashes=make_outline(LARGE))))
    end.take_output()
    return end


def make_piece(number: int, **changes: object) -> BlobPiece:
    start = number * BLOB_PIECE_BYTES
    fields = {"blob": NAME, "number": number, "data": LARGE[start : start + BLOB_PIECE_BYTES]}
    return BlobPiece(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (BlobOutline(blob=NAME, hashes=bytes(4 * HASH_BYTES)), Forged),
        (BlobOutline(blob=NAME, hashes=make_outline(LARGE)[:-1]), Forged),
        (BlobOutline(blob=NAME, hashes=make_outline(LARGE) * 2), Forged),
        (BlobOutline(blob=NAME, hashes=NAME), Forged),
        (BlobOutline(blob=bytes(32), hashes=make_outline(LARGE)), ProtocolViolation),
        (BlobGone(blob=bytes(32)), ProtocolViolation),
        (make_piece(0), ProtocolViolation),
    ],
)
def test_a_lie_where_an_outline_was_asked_for_ends_the_link(
    message: Message, error: type[Exception]
) -> None:
    here = Shelf().want(LARGE)
    end, _ = start_asking(here)
    with pytest.raises(error):
        end.receive(encode_frame(message))
    assert not here.kept


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (make_piece(0, data=bytes(BLOB_PIECE_BYTES)), Forged),
        (make_piece(0, data=LARGE[: BLOB_PIECE_BYTES - 1]), Forged),
        (make_piece(0, blob=bytes(32)), ProtocolViolation),
        (make_piece(1), ProtocolViolation),
        (BlobOutline(blob=NAME, hashes=make_outline(LARGE)), ProtocolViolation),
    ],
)
def test_a_lie_where_pieces_were_asked_for_ends_the_link(
    message: Message, error: type[Exception]
) -> None:
    with pytest.raises(error):
        start_asking_pieces().receive(encode_frame(message))


def test_a_lie_is_found_at_the_first_wrong_piece_and_what_came_before_stays() -> None:
    here = Shelf().want(LARGE)
    end, _ = start_asking(here)
    end.receive(encode_frame(BlobOutline(blob=NAME, hashes=make_outline(LARGE))))
    end.take_output()
    end.receive(encode_frame(make_piece(0)))
    with pytest.raises(Forged, match="piece 1"):
        end.receive(encode_frame(make_piece(1, data=bytes(BLOB_PIECE_BYTES))))
    end.session.close()
    assert here.kept == [(NAME, 0)]
    meet(here, Shelf(LARGE))
    assert here.kept == [(NAME, number) for number in range(4)]


def test_more_than_was_asked_for_is_refused() -> None:
    end = start_asking_pieces()
    for number in range(4):
        end.receive(encode_frame(make_piece(number)))
    with pytest.raises(ProtocolViolation):
        end.receive(encode_frame(make_piece(3)))


def test_pieces_beyond_those_asked_for_at_a_time_are_refused() -> None:
    here = Shelf().want(HUGE)
    name = name_content(HUGE)
    end, _ = start_asking(here)
    end.receive(encode_frame(BlobOutline(blob=name, hashes=make_outline(HUGE))))
    end.take_output()

    def send(number: int) -> None:
        start = number * BLOB_PIECE_BYTES
        data = HUGE[start : start + BLOB_PIECE_BYTES]
        end.receive(encode_frame(BlobPiece(blob=name, number=number, data=data)))

    for number in range(BLOB_PIECES_ASKED):
        send(number)
    # The next ones are wanted, but nobody has asked for them yet.
    with pytest.raises(ProtocolViolation):
        send(BLOB_PIECES_ASKED)


@pytest.mark.parametrize(
    "message",
    [
        BlobOutline(blob=NAME, hashes=make_outline(LARGE)),
        make_piece(0),
        BlobGone(blob=NAME),
    ],
)
def test_what_nobody_asked_for_ends_the_link(message: Message) -> None:
    end = End(Peer(), blobs=Shelf())
    end.receive(End(Peer()).take_output())
    with pytest.raises(ProtocolViolation, match="came where"):
        end.receive(encode_frame(message))


def test_a_huge_announcement_is_refused_before_it_is_read() -> None:
    end = End(Peer(), blobs=Shelf())
    end.receive(End(Peer()).take_output())
    with pytest.raises(MalformedInput):
        end.receive((BLOB_BYTES).to_bytes(4, "big"))


@pytest.mark.parametrize(
    ("first", "count"), [(-1, 1), (1024, 1), (0, BLOB_PIECES_ASKED + 1), (0, -1)]
)
def test_an_ask_beyond_the_bounds_is_refused(first: int, count: int) -> None:
    end = End(Peer(), blobs=Shelf(LARGE))
    end.receive(End(Peer()).take_output())
    with pytest.raises(MalformedInput):
        end.receive(encode_frame(BlobAsk(blob=NAME, first=first, count=count)))


def test_more_asks_than_may_be_on_their_way_end_the_link() -> None:
    end = End(Peer(), blobs=Shelf())
    end.receive(End(Peer()).take_output())
    asks = [BlobAsk(blob=bytes([n]) * 32, first=0, count=0) for n in range(BLOB_PIECES_ASKED + 1)]
    with pytest.raises(ProtocolViolation, match="at a time"):
        end.receive(b"".join(map(encode_frame, asks)))


def test_pieces_that_do_not_exist_are_gone() -> None:
    end = End(Peer(), blobs=Shelf(LARGE))
    end.receive(End(Peer()).take_output())
    end.take_output()
    end.receive(encode_frame(BlobAsk(blob=NAME, first=3, count=2)))
    answer = end.take_output()
    assert answer == encode_frame(make_piece(3)) + encode_frame(BlobGone(blob=NAME))


def test_whoever_is_done_while_it_waits_for_a_blob_has_broken_off() -> None:
    end, _ = start_asking(Shelf().want(LARGE))
    with pytest.raises(LinkFailed):
        end.session.receive_end()


def test_whoever_is_done_asks_no_more() -> None:
    ends = meet(Shelf(), Shelf(LARGE))
    with pytest.raises(ProtocolViolation):
        ends[1].receive(encode_frame(BlobAsk(blob=NAME, first=0, count=0)))


def test_blobs_and_entries_take_turns(founder: DeviceKey) -> None:
    here, there = Peer(), Peer()
    ends = End(here, live=True), End(there, live=True, blobs=Shelf(HUGE))
    pump(*ends)
    ends[1].receive(encode_frame(BlobAsk(blob=name_content(HUGE), first=0, count=16)))
    there.note(founder, 3)
    first = ends[1].take_output()
    # The new entries do not wait for a megabyte of blobs.
    assert b"bodies" in first
    assert b"blob piece" in first


def test_who_asks_is_answered_once_its_own_entries_have_come(founder: DeviceKey) -> None:
    # What lets the reader have it is the entry that it brings over this very link.
    asking, asked = Peer(), Peer()
    asking.note(founder)
    here, there = Shelf().want(LARGE), Shelf(LARGE)
    there.readers = set()

    def let_in(_: Sequence[bytes]) -> None:
        there.readers = {READER}

    asked.gate.news.subscribe(let_in)
    first, second = End(asking, blobs=here), End(asked, blobs=there, other=READER)
    second.receive(first.take_output())
    first.receive(second.take_output())
    said = first.take_output()
    # It lacks nothing itself, so it asks before anybody has asked for its entry.
    assert b"blob ask" in said
    second.receive(said)
    assert there.readers == set()
    pump(first, second)
    assert list(here.whole) == [NAME]
