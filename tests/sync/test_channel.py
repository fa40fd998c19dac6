"""The secure channel, two ends and whoever stands between them."""

from collections.abc import Callable
from contextlib import suppress
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synaptic_crdt.errors import (
    ChannelFailed,
    LinkFailed,
    NotAdmitted,
    ProtocolViolation,
    VersionMismatch,
    WrongMarket,
)
from synaptic_crdt.sync.channel import Channel, Peer
from synaptic_crdt.sync.membership import Access, Opening, Refusal
from synaptic_crdt.sync.messages import PREFACE_BYTES
from tests.sync.conftest import MARKET, make_key
from tests.sync.linking import Judged, ToyMembership

KEYS: Final = make_key(1), make_key(2)
OTHER: Final = bytes(32)

Interfere = Callable[[int, bytes], bytes]


def leave(_: int, data: bytes) -> bytes:
    return data


def make_channel(number: int, judged: Judged | None = None, market: bytes = MARKET) -> Channel:
    membership = ToyMembership(KEYS[number], judged)
    return Channel(market, membership, is_initiator=number == 0)


def make_channels() -> tuple[Channel, Channel]:
    return make_channel(0), make_channel(1)


def connect(ends: tuple[Channel, Channel], interfere: Interfere = leave) -> None:
    """Carry bytes both ways until neither end has more to say: the channel is open, or failed."""
    moved = True
    while moved:
        moved = False
        for number, (source, target) in enumerate((ends, ends[::-1])):
            if data := interfere(number, source.data_to_send()):
                target.receive(data)
                moved = True


def make_open() -> tuple[Channel, Channel]:
    ends = make_channels()
    connect(ends)
    return ends


def test_both_ends_know_whom_they_talk_to() -> None:
    first, second = make_open()
    assert first.is_open
    assert second.is_open
    assert first.peer == Peer(KEYS[1].public, Access.MEMBER)
    assert second.peer == Peer(KEYS[0].public, Access.MEMBER)
    assert first.binding == second.binding
    assert make_open()[0].binding != first.binding


def test_bytes_arrive_byte_by_byte() -> None:
    ends = make_channels()
    moved = True
    while moved:
        moved = False
        for source, target in (ends, ends[::-1]):
            for byte in source.data_to_send():
                target.receive(bytes([byte]))
                moved = True
    large = bytes(range(256)) * 1_000
    for source, target in (ends, ends[::-1]):
        for byte in source.seal(large):
            target.receive(bytes([byte]))
        assert target.take(10) == large[:10]
        assert target.take() == large[10:]
        assert target.take() == b""


def test_openings_are_shown_to_the_other_end() -> None:
    membership = ToyMembership(KEYS[1])
    connect((make_channel(0), Channel(MARKET, membership, is_initiator=False)))
    assert membership.shown == [Opening(KEYS[0].public, b"toy")]


def test_nothing_of_the_listening_end_is_shown_to_a_stranger() -> None:
    first, second = make_channel(0), make_channel(1, {})
    with pytest.raises(NotAdmitted, match="is no member here"):
        connect((first, second))
    assert not second.is_open
    with pytest.raises(NotAdmitted, match="does not know this device as a member"):
        first.receive(second.data_to_send())
    assert not first.is_open


def test_a_stranger_who_listens_is_told_so() -> None:
    first, second = make_channel(0, {}), make_channel(1)
    with pytest.raises(NotAdmitted, match=KEYS[1].public.hex()[:16]):
        connect((first, second))
    # It had let us in already.
    assert second.is_open
    with pytest.raises(NotAdmitted, match="does not know this device"):
        second.receive(first.data_to_send())


@pytest.mark.parametrize("refusal", Refusal)
def test_every_refusal_has_words_at_both_ends(refusal: Refusal) -> None:
    first, second = make_channel(0), make_channel(1, {KEYS[0].public: refusal})
    with pytest.raises(NotAdmitted) as here:
        connect((first, second))
    with pytest.raises(NotAdmitted) as there:
        first.receive(second.data_to_send())
    assert str(here.value) != str(there.value)


def test_a_reader_is_let_in_as_one() -> None:
    ends = make_channel(0), make_channel(1, {KEYS[0].public: Access.READER})
    connect(ends)
    assert ends[1].peer.access is Access.READER


def test_another_market_is_told_at_both_ends() -> None:
    first, second = make_channel(0), make_channel(1, market=OTHER)
    from_first, from_second = first.data_to_send(), second.data_to_send()
    with pytest.raises(WrongMarket):
        first.receive(from_second)
    with pytest.raises(WrongMarket):
        second.receive(from_first)


def test_markets_whose_names_begin_alike_are_not_mistaken() -> None:
    with pytest.raises(ChannelFailed):
        connect((make_channel(0), make_channel(1, market=MARKET[:8] + bytes(24))))


@pytest.mark.parametrize(
    ("place", "error"),
    [(0, ProtocolViolation), (9, VersionMismatch), (PREFACE_BYTES - 1, WrongMarket)],
)
def test_another_preface_gets_a_plain_answer(place: int, error: type[Exception]) -> None:
    preface = bytearray(make_channel(1).data_to_send())
    preface[place] ^= 1
    with pytest.raises(error):
        make_channel(0).receive(bytes(preface))


def count_flights() -> list[tuple[int, int]]:
    """Return (sender, size) of all that is sent until the channel is open."""
    flights: list[tuple[int, int]] = []

    def note(number: int, data: bytes) -> bytes:
        if data:
            flights.append((number, len(data)))
        return data

    connect(make_channels(), note)
    return flights


FLIGHTS: Final = count_flights()


def test_a_channel_is_open_after_four_flights() -> None:
    assert [number for number, _ in FLIGHTS] == [0, 1, 0, 1]
    assert sum(size for _, size in FLIGHTS) < 800


@pytest.mark.parametrize("flight", range(len(FLIGHTS)))
def test_no_bit_can_be_flipped(flight: int) -> None:
    for place in range(FLIGHTS[flight][1]):
        left = flight

        def flip(_: int, data: bytes, place: int = place) -> bytes:
            nonlocal left
            if not data:
                return data
            left -= 1
            if left != -1:
                return data
            return data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :]

        ends = make_channels()
        try:
            connect(ends, flip)
        except (ChannelFailed, WrongMarket, VersionMismatch, ProtocolViolation):
            continue
        # A length that was made larger: both wait for what never comes.
        assert not all(end.is_open for end in ends)
        with pytest.raises(LinkFailed):
            ends[FLIGHTS[flight][0] ^ 1].receive_end()


def test_a_length_beyond_the_handshake_is_refused_at_once() -> None:
    first = make_channel(0)
    first.receive(make_channel(1).data_to_send())
    with pytest.raises(ChannelFailed):
        first.receive(b"\xff\xff")


def test_what_was_cut_is_told_from_what_ended() -> None:
    for end in make_channels():
        with pytest.raises(LinkFailed, match="before it had shown"):
            end.receive_end()
    first, second = make_open()
    sealed = first.seal(b"some")
    second.receive(sealed)
    with pytest.raises(LinkFailed, match="cut"):
        second.receive_end()
    assert not second.is_ended
    second.receive(first.seal_end())
    assert second.is_ended
    second.receive_end()
    assert second.take() == b"some"


def test_nothing_comes_after_the_end() -> None:
    first, second = make_open()
    second.receive(first.seal_end())
    with pytest.raises(ChannelFailed):
        second.receive(first.seal(b"more"))


def test_what_an_end_sent_is_not_taken_back_by_it() -> None:
    first, _ = make_open()
    with pytest.raises(ChannelFailed):
        first.receive(first.seal(b"mirror"))
    first = make_channel(0)
    with pytest.raises(ChannelFailed):
        first.receive(first.data_to_send())


def test_two_ends_that_both_listen_or_both_dial_fail() -> None:
    with pytest.raises(ChannelFailed):
        connect((make_channel(0), make_channel(0)))
    ends = make_channel(1), make_channel(1)
    connect(ends)
    assert not any(end.is_open for end in ends)


@pytest.mark.parametrize("damage", ["replay", "drop", "swap", "flip"])
def test_records_come_once_whole_and_in_order(damage: str) -> None:
    first, second = make_open()
    one, two = first.seal(b"one"), first.seal(b"two")
    said = {
        "replay": one + one,
        "drop": two,
        "swap": two + one,
        "flip": one[:-1] + bytes([one[-1] ^ 1]),
    }[damage]
    with pytest.raises(ChannelFailed):
        second.receive(said)


def test_records_of_another_channel_are_refused() -> None:
    with pytest.raises(ChannelFailed):
        make_open()[1].receive(make_open()[0].seal(b"recorded"))


def test_somebody_between_is_found_whatever_it_can_sign() -> None:
    # Two handshakes, each sound, with a device that is let in on both sides; what the ends sign is
    # about different channels, so passing it on convinces nobody.
    between = ToyMembership(make_key(3))
    ends = make_channels()
    inner = (
        Channel(MARKET, between, is_initiator=False),
        Channel(MARKET, between, is_initiator=True),
    )
    connect((ends[0], inner[0]))
    connect((inner[1], ends[1]))
    assert ends[0].peer.device == ends[1].peer.device == make_key(3).public


class Liar(Channel):
    """An end that claims what it likes inside a sound handshake."""

    claim: bytes = b""

    def _say_claim(self) -> None:
        # A claim, as the first byte says.
        record = bytes([0]) + self.claim
        assert self._ciphers is not None
        message = self._ciphers[0].encrypt(record)
        self._outbox.extend(len(message).to_bytes(2, "big") + message)


def take_claim(end: Channel) -> bytes:
    """Return the claim that an end makes to an honest one, as it is encoded."""
    taken: list[bytes] = []

    class Listener(Channel):
        def _take_claim(self, content: bytes) -> None:
            taken.append(content)
            super()._take_claim(content)

    connect((end, Listener(MARKET, ToyMembership(KEYS[1]), is_initiator=False)))
    return taken[0]


@pytest.mark.parametrize("claim", [b"", b"\x80", b"\xff" * 40], ids=["none", "empty", "rubbish"])
def test_a_claim_that_is_none_fails(claim: bytes) -> None:
    liar = Liar(MARKET, ToyMembership(KEYS[0]), is_initiator=True)
    liar.claim = claim
    with pytest.raises(ChannelFailed):
        connect((liar, make_channel(1)))


def test_a_recorded_claim_is_not_taken_in_another_channel() -> None:
    liar = Liar(MARKET, ToyMembership(make_key(3)), is_initiator=True)
    liar.claim = take_claim(make_channel(0))
    with pytest.raises(ChannelFailed):
        connect((liar, make_channel(1)))


def test_a_claim_is_not_taken_from_the_other_role() -> None:
    class Mirror(Channel):
        """A listening end that says the very thing that it was told."""

        def _take_claim(self, content: bytes) -> None:
            assert self._ciphers is not None
            message = self._ciphers[0].encrypt(bytes([0]) + content)
            self._outbox.extend(len(message).to_bytes(2, "big") + message)

    mirror = Mirror(MARKET, ToyMembership(KEYS[1]), is_initiator=False)
    with pytest.raises(ChannelFailed):
        connect((make_channel(0), mirror))


@pytest.mark.parametrize(
    "record",
    [b"", b"\x01", b"\x02x", b"\x03", b"\x03\x00", b"\x03\x01\x01", b"\x00", b"\x04"],
    ids=bytes.hex,
)
def test_records_that_are_none_fail(record: bytes) -> None:
    class Odd(Channel):
        def seal(self, data: bytes) -> bytes:
            assert self._ciphers is not None
            message = self._ciphers[0].encrypt(data)
            return len(message).to_bytes(2, "big") + message

    odd = Odd(MARKET, ToyMembership(KEYS[0]), is_initiator=True)
    second = make_channel(1)
    connect((odd, second))
    with pytest.raises(ChannelFailed):
        second.receive(odd.seal(record))


@pytest.mark.parametrize("kind", [1, 2], ids=["data", "end"])
def test_nothing_is_taken_before_the_claim(kind: int) -> None:
    class Hasty(Channel):
        def _say_claim(self) -> None:
            assert self._ciphers is not None
            message = self._ciphers[0].encrypt(bytes([kind]) + b"x" * (2 - kind))
            self._outbox.extend(len(message).to_bytes(2, "big") + message)

    with pytest.raises(ChannelFailed):
        connect((Hasty(MARKET, ToyMembership(KEYS[0]), is_initiator=True), make_channel(1)))


@given(number=st.sampled_from([0, 1]), chunks=st.lists(st.binary(max_size=200), max_size=8))
def test_bytes_from_anybody_raise_nothing_unexpected(number: int, chunks: list[bytes]) -> None:
    end = make_channel(number)
    preface = make_channel(1 - number).data_to_send()[:PREFACE_BYTES]
    try:
        for chunk in [preface, *chunks]:
            end.receive(chunk)
        end.receive_end()
    except (ChannelFailed, LinkFailed):
        pass
    assert not end.is_open


@given(st.lists(st.binary(min_size=1, max_size=100), max_size=4))
def test_records_of_anything_raise_nothing_unexpected(records: list[bytes]) -> None:
    """From an end that finished a sound handshake and has not shown whose it is."""

    class Odd(Channel):
        def _say_claim(self) -> None:
            assert self._ciphers is not None
            for record in records:
                message = self._ciphers[0].encrypt(record)
                self._outbox.extend(len(message).to_bytes(2, "big") + message)

    with suppress(ChannelFailed, NotAdmitted):
        connect((Odd(MARKET, ToyMembership(KEYS[0]), is_initiator=True), make_channel(1)))
