"""A checkpoint's state over a link: in sections, cut and resumed, and from ends that lie."""

from collections.abc import Sequence

import pytest
import trio

from synaptic_crdt.errors import (
    Forged,
    LinkFailed,
    MalformedInput,
    ProtocolViolation,
    VersionMismatch,
    WrongMarket,
)
from synaptic_crdt.state.hashes import compute_hash
from synaptic_crdt.state.limits import BLOB_BYTES, BLOB_PIECE_BYTES
from synaptic_crdt.state.outline import count_pieces, make_outline, name_content
from synaptic_crdt.sync.blobs import NO_BLOBS, WantedBlob
from synaptic_crdt.sync.links import fetch_state, serve
from synaptic_crdt.sync.messages import Message, encode_frame, make_preface
from synaptic_crdt.sync.parts.blob_messages import BlobAsk, BlobGone, BlobOutline, BlobPiece
from synaptic_crdt.sync.parts.state_messages import Section, StateAsk, StateOffer
from synaptic_crdt.sync.state_fetch import StateFetch
from synaptic_crdt.sync.transports import tcp
from tests.sync.blob_shelf import Shelf, cut_frames, make_content
from tests.sync.conftest import MARKET, End, Peer
from tests.sync.linking import HERE, Log, accept, make_end

STATE = make_content(20 * BLOB_PIECE_BYTES + 3, seed=1)


def make_shelf(*sections: bytes) -> Shelf:
    shelf = Shelf(*sections)
    shelf.offered = list(sections)
    return shelf


class Newcomer:
    """The end that fetches, and where what it fetches goes."""

    def __init__(self, here: Shelf | None = None) -> None:
        self.here = here or Shelf()
        self.offers: list[StateOffer] = []
        self.fetch = StateFetch(MARKET, self.take)

    def take(self, offer: StateOffer) -> Shelf:
        self.offers.append(offer)
        self.here.wanted.clear()
        for section in offer.sections:
            self.here.wanted.append(WantedBlob(section.blob, section.size))
        return self.here


def carry(newcomer: Newcomer, server: End, frames: int = 10_000) -> None:
    """Carry so many frames to the newcomer, and whatever it says to the server."""
    while frames > 0 and not newcomer.fetch.is_finished:
        if data := newcomer.fetch.data_to_send():
            server.receive(data)
        data = server.take_output()
        if not data:
            return
        for chunk in cut_frames(data, is_first=len(server.sent) == 1)[:frames]:
            newcomer.fetch.receive(chunk)
            frames -= 1


def test_a_state_comes_in_its_sections() -> None:
    newcomer, server = Newcomer(), End(Peer(), blobs=make_shelf(STATE))
    carry(newcomer, server)
    assert newcomer.fetch.is_finished
    assert newcomer.here.whole == {name_content(STATE): STATE}
    assert newcomer.offers == [
        StateOffer(epoch=1, sections=(Section(name_content(STATE), len(STATE)),))
    ]
    assert newcomer.fetch.answers == count_pieces(len(STATE)) + 2
    # Who has everything leaves, and that is the end that is expected.
    server.session.receive_end()


def test_bytes_may_come_one_by_one() -> None:
    newcomer, server = Newcomer(), End(Peer(), blobs=make_shelf(b"state"))
    for _ in range(3):
        server.receive(newcomer.fetch.data_to_send())
        for byte in server.take_output():
            newcomer.fetch.receive(bytes([byte]))
    assert newcomer.fetch.is_finished


def test_a_link_cut_at_any_frame_goes_on_after_the_last_verified_piece() -> None:
    here, there = Shelf(), make_shelf(STATE)
    for frames in range(60):
        newcomer = Newcomer(here)
        carry(newcomer, End(Peer(), blobs=there), frames)
        newcomer.fetch.close()
        if newcomer.fetch.is_finished:
            break
    assert list(here.whole.values()) == [STATE]
    assert len(here.kept) == len(set(here.kept)) == count_pieces(len(STATE))


def test_who_offers_nothing_says_so() -> None:
    newcomer = Newcomer()
    with pytest.raises(LinkFailed, match="offers no state"):
        carry(newcomer, End(Peer()))
    assert NO_BLOBS.offer_state().sections == ()


def test_a_state_that_is_gone_meanwhile_is_told() -> None:
    there = make_shelf(STATE)
    newcomer, server = Newcomer(), End(Peer(), blobs=there)
    server.receive(newcomer.fetch.data_to_send())
    newcomer.fetch.receive(server.take_output())
    there.whole.clear()
    with pytest.raises(LinkFailed, match="no more"):
        carry(newcomer, server)


def start() -> tuple[Newcomer, End]:
    newcomer, server = Newcomer(), End(Peer())
    newcomer.fetch.data_to_send()
    newcomer.fetch.receive(server.take_output())
    return newcomer, server


WHOLE = Section(bytes(32), BLOB_BYTES)


@pytest.mark.parametrize(
    ("messages", "error"),
    [
        ([StateOffer(epoch=1, sections=(Section(bytes(32), 5), WHOLE))], ProtocolViolation),
        ([StateOffer(epoch=1, sections=(WHOLE,) * 1025)], MalformedInput),
        ([StateOffer(epoch=1, sections=(Section(bytes(32), BLOB_BYTES + 1),))], MalformedInput),
        ([StateOffer(epoch=1, sections=(Section(bytes(32), 0),))], MalformedInput),
        ([StateOffer(epoch=1, sections=(WHOLE,))] * 2, ProtocolViolation),
        ([BlobGone(blob=bytes(32))], ProtocolViolation),
        ([StateAsk()], MalformedInput),
    ],
)
def test_an_offer_that_cannot_be_ends_the_link(
    messages: Sequence[Message], error: type[Exception]
) -> None:
    newcomer, _ = start()
    with pytest.raises(error):
        newcomer.fetch.receive(b"".join(map(encode_frame, messages)))


@pytest.mark.parametrize(
    "lie",
    [
        BlobOutline(blob=name_content(STATE), hashes=make_outline(STATE)[:-32]),
        BlobOutline(blob=name_content(STATE), hashes=bytes(len(make_outline(STATE)))),
    ],
)
def test_a_wrong_section_is_found_as_it_comes(lie: Message) -> None:
    newcomer, _ = start()
    section = Section(name_content(STATE), len(STATE))
    newcomer.fetch.receive(encode_frame(StateOffer(epoch=1, sections=(section,))))
    newcomer.fetch.data_to_send()
    with pytest.raises(Forged):
        newcomer.fetch.receive(encode_frame(lie))


def test_a_wrong_piece_is_found_as_it_comes() -> None:
    newcomer, _ = start()
    name = name_content(STATE)
    offer = StateOffer(epoch=1, sections=(Section(name, len(STATE)),))
    outline = BlobOutline(blob=name, hashes=make_outline(STATE))
    newcomer.fetch.receive(encode_frame(offer))
    newcomer.fetch.data_to_send()
    newcomer.fetch.receive(encode_frame(outline))
    newcomer.fetch.data_to_send()
    with pytest.raises(Forged, match="piece 0"):
        newcomer.fetch.receive(
            encode_frame(BlobPiece(blob=name, number=0, data=bytes(BLOB_PIECE_BYTES)))
        )


def test_another_market_and_another_version_are_told_apart() -> None:
    preface = make_preface(MARKET)
    newcomer = Newcomer()
    newcomer.fetch.receive(preface[:5])
    newcomer.fetch.close()
    with pytest.raises(WrongMarket):
        Newcomer().fetch.receive(make_preface(compute_hash("market", b"other")))
    with pytest.raises(VersionMismatch):
        Newcomer().fetch.receive(preface[:8] + b"\xff\xff" + preface[10:])


def test_whoever_asks_for_a_state_may_do_nothing_else() -> None:
    newcomer, server = Newcomer(), End(Peer(), blobs=make_shelf(STATE))
    server.receive(newcomer.fetch.data_to_send())
    with pytest.raises(ProtocolViolation):
        server.receive(encode_frame(StateAsk()))


def test_whoever_leaves_before_it_is_answered_has_broken_off() -> None:
    newcomer, server = Newcomer(), End(Peer(), blobs=make_shelf(STATE))
    server.receive(newcomer.fetch.data_to_send())
    server.take_output()
    server.receive(encode_frame(BlobAsk(blob=name_content(STATE), first=0, count=1)))
    with pytest.raises(LinkFailed):
        server.session.receive_end()


@pytest.mark.anyio
async def test_a_newcomer_fetches_a_state_from_a_listening_peer() -> None:
    newcomer, log = Newcomer(), Log()
    end = make_end(Peer())._replace(blobs=make_shelf(STATE))
    async with trio.open_nursery() as nursery:

        async def listen(task_status: trio.TaskStatus[Sequence[str]]) -> None:
            await serve([HERE], end, on_event=log, task_status=task_status)

        (address,) = await nursery.start(listen)
        await fetch_state(address, make_end(Peer(), number=102), newcomer.fetch)
        nursery.cancel_scope.cancel()
    assert list(newcomer.here.whole.values()) == [STATE]


@pytest.mark.anyio
async def test_a_peer_that_leaves_is_told() -> None:
    newcomer = Newcomer()
    (door,) = await tcp.listen(HERE)
    async with door.listener, trio.open_nursery() as nursery:

        async def dial() -> None:
            with pytest.raises(LinkFailed, match="closed the link"):
                await fetch_state(door.address, make_end(Peer(), number=102), newcomer.fetch)

        nursery.start_soon(dial)
        async with await accept(door, Peer()) as stream:
            await stream.send_all(End(Peer()).take_output())
