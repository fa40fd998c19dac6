"""The secure channel around a link: handshakes, records, claims."""

from collections.abc import Sequence
from typing import Any, Final, cast

from synaptic_crdt.errors import (
    ChannelFailed,
    LinkFailed,
    MalformedInput,
    NotAdmitted,
    ProtocolViolation,
    VersionMismatch,
    WrongMarket,
)
from synaptic_crdt.state import limits
from synaptic_crdt.state.codec import Value, decode, encode_trusted
from synaptic_crdt.sync.channel import Channel, Claim
from synaptic_crdt.sync.membership import Access, Opening
from synaptic_crdt.sync.messages import encode_payload, make_preface
from synaptic_crdt.sync.noise import MESSAGE_BYTES, TAG_BYTES, Cipher
from tests.fuzzing.changes import change_value
from tests.fuzzing.target import Target
from tests.sync.conftest import MARKET, make_key
from tests.sync.linking import ToyMembership

_BLAMED: Final = (
    ChannelFailed,
    LinkFailed,
    NotAdmitted,
    ProtocolViolation,
    VersionMismatch,
    WrongMarket,
)


def run_channel(data: bytes) -> None:
    """Feed an end of the secure channel; it opens for nobody but who showed a device.

    An input is [is the end the one that dialled, is the handshake done, [item, ...]]: an item that
    is bytes comes as a record that decrypts, bytes in an array come as they are, and anything else
    stands for an honest claim.
    """
    match read_script(data):
        case [bool(dials), bool(is_shaken), [*items]]:
            pass
        case _:
            return
    end, other = make_channel(1, dials=dials), make_channel(2, dials=not dials)
    try:
        if is_shaken:
            shake(end, other)
        for item in items:
            feed(end, other, item)
            assert not end.is_open or end.peer.device == make_key(2).public
            assert len(end.take(64)) <= 64
        end.receive_end()
    except _BLAMED:
        end.data_to_send()


def read_script(data: bytes) -> Value:
    try:
        return decode(data, limits.MIB)
    except MalformedInput:
        return None


def make_channel(number: int, *, dials: bool) -> Channel:
    membership = ToyMembership(make_key(number), {make_key(2).public: Access.MEMBER})
    return Channel(MARKET, membership, is_initiator=dials)


def shake(end: Channel, other: Channel) -> None:
    """Carry the handshake both ways, and no claim."""
    claimed: list[bytes] = []
    cast("Any", other)._take_record = claimed.append
    cast("Any", other)._say_claim = lambda: None
    for _ in range(3):
        end.receive(other.data_to_send())
        other.receive(end.data_to_send())


def feed(end: Channel, other: Channel, item: Value) -> None:
    ciphers: tuple[Cipher, Cipher] | None = cast("Any", other)._ciphers
    match item:
        case [bytes(raw), *_]:
            end.receive(raw)
        case bytes(record) if ciphers is not None and len(record) < MESSAGE_BYTES - TAG_BYTES:
            end.receive(wrap(ciphers[0].encrypt(record)))
        case _ if ciphers is not None:
            end.receive(wrap(ciphers[0].encrypt(make_claim(other))))
        case _:
            end.receive(b"")


def wrap(message: bytes) -> bytes:
    return len(message).to_bytes(2, "big") + message


def make_claim(other: Channel) -> bytes:
    key = make_key(2)
    internals = cast("Any", other)
    message = internals._make_message(is_initiator=internals._is_initiator)
    claim = Claim(device=key.public, signature=key.sign("link", message), openings=())
    return b"\0" + encode_payload(claim)


def make_scripts() -> Sequence[bytes]:
    claim = Claim(device=bytes(32), signature=bytes(64), openings=(Opening(bytes(32), b"x"),))
    records: Sequence[Sequence[object]] = (
        [None, b"\1data", b"\2"],
        [b"\0" + encode_payload(claim)],
        [b"\3\1"],
        [None, b"\1data", [b"\0\x10" + bytes(16)]],
    )
    scripts = [[dials, True, items] for dials in (True, False) for items in records]
    raw = [[make_preface(MARKET) + bytes([0, size]) + bytes(size)] for size in (32, 96, 64)]
    return list(map(encode_trusted, [*scripts, *([False, False, [each]] for each in raw)]))


CHANNEL_TARGETS: Final = (Target("channel", run_channel, make_scripts, change_value, weight=3),)
