"""The handshake between two ends, with another implementation, and against whoever interferes."""

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

import pytest

from synaptic_crdt.errors import ChannelFailed
from synaptic_crdt.sync.noise import MESSAGE_BYTES, NONCES, Cipher, Handshake

# Without annotations, and so not imported like a module of which types are known.
OTHER: Final[Any] = import_module("noise.connection")

NAME: Final = b"Noise_XX_25519_ChaChaPoly_BLAKE2s"
PROLOGUE: Final = b"both prefaces"
PAYLOADS: Final = (b"", b"two", bytes(1000))
MESSAGES: Final = 3

# What one end sends as its public key when it wants the shared secret to be known to all.
LOW_ORDER: Final = [
    bytes(32),
    (1).to_bytes(32, "little"),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    (2**255 - 20).to_bytes(32, "little"),
    (2**255 - 19).to_bytes(32, "little"),
    (2**255 - 18).to_bytes(32, "little"),
]


def make_end(number: int, prologue: bytes = PROLOGUE) -> Handshake:
    """The first end begins; each has keys of its own, the same in every test."""
    return Handshake(
        is_initiator=number == 0,
        prologue=prologue,
        static=bytes([10 + number] * 32),
        ephemeral=bytes([20 + number] * 32),
    )


def make_ends() -> list[Handshake]:
    return [make_end(number) for number in range(2)]


def shake(
    ends: list[Handshake], interfere: Callable[[int, bytes], bytes] = lambda _, data: data
) -> None:
    for step in range(MESSAGES):
        message = ends[step % 2].write(PAYLOADS[step])
        assert ends[1 - step % 2].read(interfere(step, message)) == PAYLOADS[step]


def test_two_ends_agree_on_hash_and_ciphers() -> None:
    ends = make_ends()
    assert [end.is_our_turn for end in ends] == [True, False]
    shake(ends)
    assert [end.is_our_turn for end in ends] == [False, False]
    assert all(end.is_complete for end in ends)
    assert ends[0].hash == ends[1].hash
    (send, receive), (send_back, receive_back) = (end.split() for end in ends)
    for _ in range(3):
        assert receive_back.decrypt(send.encrypt(b"there")) == b"there"
        assert receive.decrypt(send_back.encrypt(b"back")) == b"back"


class Theirs:
    """An end of an independent implementation, as far as it is compared with ours."""

    def __init__(self, number: int, prologue: bytes = PROLOGUE) -> None:
        connection = OTHER.NoiseConnection.from_name(NAME)
        if number == 0:
            connection.set_as_initiator()
        else:
            connection.set_as_responder()
        connection.set_prologue(prologue)
        connection.set_keypair_from_private_bytes(OTHER.Keypair.STATIC, bytes([30 + number] * 32))
        connection.start_handshake()
        self.connection: Final[Any] = connection

    def write(self, payload: bytes) -> bytes:
        return bytes(self.connection.write_message(payload))

    def read(self, message: bytes) -> bytes:
        return bytes(self.connection.read_message(message))


@pytest.mark.parametrize("ours_is", [0, 1], ids=["initiator", "responder"])
def test_another_implementation_understands_us(ours_is: int) -> None:
    ours, theirs = make_end(ours_is), Theirs(1 - ours_is)
    ends = [ours, theirs] if ours_is == 0 else [theirs, ours]
    for step in range(MESSAGES):
        message = ends[step % 2].write(PAYLOADS[step])
        assert ends[1 - step % 2].read(message) == PAYLOADS[step]
    assert theirs.connection.get_handshake_hash() == ours.hash
    send, receive = ours.split()
    largest = bytes(MESSAGE_BYTES - 16)
    for data in (b"", b"some", largest):
        assert theirs.connection.decrypt(send.encrypt(data)) == data
        assert receive.decrypt(bytes(theirs.connection.encrypt(data))) == data


@pytest.mark.parametrize("ours_is", [0, 1], ids=["initiator", "responder"])
def test_another_implementation_with_another_prologue_is_refused(ours_is: int) -> None:
    ours, theirs = make_end(ours_is), Theirs(1 - ours_is, b"another market")
    message = (ours if ours_is == 0 else theirs).write(b"")
    if ours_is == 0:
        theirs.read(message)
        with pytest.raises(ChannelFailed):
            ours.read(theirs.write(b""))
    else:
        ours.read(message)
        with pytest.raises(Exception, match=r"^$"):
            theirs.read(ours.write(b""))


def test_ends_with_different_prologues_never_agree() -> None:
    with pytest.raises(ChannelFailed):
        shake([make_end(0), make_end(1, b"another market")])


def get_sizes() -> list[int]:
    sizes: list[int] = []

    def note(_: int, message: bytes) -> bytes:
        sizes.append(len(message))
        return message

    shake(make_ends(), note)
    return sizes


SIZES: Final = get_sizes()


@pytest.mark.parametrize("step", range(MESSAGES))
def test_a_flipped_bit_anywhere_is_noticed(step: int) -> None:
    # The highest bit of a public key changes nothing about the secret: the hash notices it.
    for place in range(SIZES[step]):
        for bit in (1, 0x80):

            def flip(at: int, message: bytes, place: int = place, bit: int = bit) -> bytes:
                if at != step:
                    return message
                return message[:place] + bytes([message[place] ^ bit]) + message[place + 1 :]

            with pytest.raises(ChannelFailed):
                shake(make_ends(), flip)


@pytest.mark.parametrize("step", range(MESSAGES))
def test_a_message_that_is_cut_short_is_noticed(step: int) -> None:
    # Of the first message only the key: its payload is neither encrypted nor ours to judge.
    for size in range(32 if step == 0 else SIZES[step]):
        with pytest.raises(ChannelFailed):
            shake(make_ends(), lambda at, data, size=size: data[:size] if at == step else data)


@pytest.mark.parametrize("step", [1, 2])
def test_a_message_that_goes_on_is_noticed(step: int) -> None:
    with pytest.raises(ChannelFailed):
        shake(make_ends(), lambda at, data: data + b"\0" if at == step else data)


def test_our_own_messages_are_not_taken_back() -> None:
    first = make_end(0)
    with pytest.raises(ChannelFailed):
        first.read(first.write())
    _, second = first, make_end(1)
    second.read(make_end(0).write())
    answer = second.write()
    with pytest.raises(ChannelFailed):
        second.read(answer)


def test_a_recorded_handshake_cannot_be_replayed() -> None:
    said: list[bytes] = []
    shake(make_ends(), lambda _, message: said.append(message) or message)
    fresh = Handshake(
        is_initiator=False, prologue=PROLOGUE, static=bytes([11] * 32), ephemeral=bytes([99] * 32)
    )
    fresh.read(said[0])
    fresh.write()
    with pytest.raises(ChannelFailed):
        fresh.read(said[2])


@pytest.mark.parametrize("key", LOW_ORDER, ids=lambda key: key.hex()[:8])
def test_keys_of_small_order_are_refused(key: bytes) -> None:
    responder = make_end(1)
    responder.read(key)
    with pytest.raises(ChannelFailed):
        responder.write()
    initiator = make_end(0)
    initiator.write()
    with pytest.raises(ChannelFailed):
        initiator.read(key + bytes(64))


def test_messages_come_once_and_in_order() -> None:
    key = bytes(range(32))
    sender = Cipher(key)
    first, second = sender.encrypt(b"first"), sender.encrypt(b"second")
    for order in ((second,), (first, first), (first, second, first)):
        receiver = Cipher(key)
        with pytest.raises(ChannelFailed):
            [receiver.decrypt(message) for message in order]
    with pytest.raises(ChannelFailed):
        Cipher(key).decrypt(b"shorter than")


def test_the_last_number_is_never_used() -> None:
    sender, receiver = Cipher(bytes(32)), Cipher(bytes(32))
    sender.nonce = receiver.nonce = NONCES - 1
    last = sender.encrypt(b"last")
    assert receiver.decrypt(last) == b"last"
    with pytest.raises(ChannelFailed):
        sender.encrypt(b"one more")
    with pytest.raises(ChannelFailed):
        receiver.decrypt(last)
