"""The secure channel of a link, sans-IO: bytes in, bytes out, and the device at the other end.

Both prefaces in the clear, so that another market or version gets a plain answer; then Noise XX
with both prefaces as prologue; then each end's *claim*: its device, and that device's signature
over the market, its own role and the hash of the handshake. So both ends know which device they
talk to, nobody stands in between, and a claim is good for one channel and one direction alone. The
listening end shows whose it is only to whom it let in. What follows are records, the last of which
is the end: a stream that is cut is never taken for one that ended.

Each channel has Noise keys of its own, which nobody keeps: identity is the device's signature.

Answers wrong peers and markets, reflection, replay, truncation and alteration.
"""

from collections.abc import Iterator
from enum import IntEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from synaptic_crdt.errors import LinkFailed, MalformedInput, NotAdmitted, SynapticError
from synaptic_crdt.state import limits
from synaptic_crdt.state.keys import make_seed, verify_signature
from synaptic_crdt.sync.membership import Access, Membership, Opening, Refusal
from synaptic_crdt.sync.messages import (
    PREFACE_BYTES,
    Hash,
    Message,
    Signature,
    check_preface,
    decode_one_of,
    encode_payload,
    make_preface,
)
from synaptic_crdt.sync.noise import (
    KEY_BYTES,
    MESSAGE_BYTES,
    TAG_BYTES,
    Cipher,
    Handshake,
    make_failure,
)

_LENGTH_BYTES: Final = 2
_RECORD_BYTES: Final = MESSAGE_BYTES - TAG_BYTES - 1
# The messages of the handshake, whose payloads are empty, have one size each.
_HANDSHAKE_SIZES: Final = (KEY_BYTES, 2 * KEY_BYTES + 2 * TAG_BYTES, KEY_BYTES + 2 * TAG_BYTES)
_INITIATOR: Final = b"initiator"
_RESPONDER: Final = b"responder"

_REFUSED_BY_US: Final = {
    Refusal.STRANGER: (
        "device {device} is no member here, as far as this home knows; if it was invited, sync"
        " with whoever invited it first"
    ),
    Refusal.REVOKED: "device {device} was revoked",
    Refusal.FULL: "there are too many links here",
    Refusal.WAIT: "device {device} broke the rules of links before, and is to wait",
}
_REFUSED_BY_THEM: Final = {
    Refusal.STRANGER: (
        "the other end does not know this device as a member; join with a ticket, or sync first"
        " with whoever made yours"
    ),
    Refusal.REVOKED: "the other end knows that this device was revoked; join with a new one",
    Refusal.FULL: "the other end has too many links; try again later",
    Refusal.WAIT: (
        "the other end has cut off this device for what it sent, and lets it in again after a while;"
        " if you changed nothing in this program, run `synaptic-crdt doctor`"
    ),
}


class Claim(Message, frozen=True, tag="claim"):
    """Which device an end is, signed for this channel, and what shows that it belongs here."""

    device: Hash
    signature: Signature
    openings: Annotated[tuple[Opening, ...], Meta(max_length=limits.OPENINGS)]


class Peer(msgspec.Struct, frozen=True):
    """The device at the other end, and what it may do."""

    device: bytes
    access: Access


class _Kind(IntEnum):
    """What a record is, by its first byte."""

    CLAIM = 0
    DATA = 1
    END = 2
    REFUSED = 3


class Channel:
    """One end. Send ``data_to_send`` and feed ``receive`` until it is open; then seal and take.

    After an error has been raised only ``data_to_send`` may be called: it tells the other end why.
    """

    def __init__(self, market: bytes, membership: Membership, *, is_initiator: bool) -> None:
        self._market: Final = market
        self._membership: Final = membership
        self._is_initiator: Final = is_initiator
        preface = make_preface(market)
        # Theirs has to be the same, or there is no handshake.
        self._handshake: Final = Handshake(
            is_initiator=is_initiator,
            prologue=preface + preface,
            static=make_seed(),
            ephemeral=make_seed(),
        )
        self._has_preface = False
        self._ciphers: tuple[Cipher, Cipher] | None = None
        self._peer: Peer | None = None
        self._buffer: Final = bytearray()
        self._outbox: Final = bytearray(preface)
        self._plain: Final = bytearray()
        self._steps = 0
        self.is_ended = False
        self._shake()

    @property
    def is_open(self) -> bool:
        """Did both ends show whose they are, and let each other in?"""
        return self._peer is not None

    @property
    def peer(self) -> Peer:
        """The device at the other end of an open channel."""
        assert self._peer is not None
        return self._peer

    @property
    def binding(self) -> bytes:
        """The hash of the handshake, which only the two ends of this channel have in common."""
        assert self._ciphers is not None
        return self._handshake.hash

    def data_to_send(self) -> bytes:
        """Return what has to be sent for the channel to open, or to tell why it does not."""
        data = bytes(self._outbox)
        self._outbox.clear()
        return data

    def seal(self, data: bytes) -> bytes:
        """Return what to send so that the other end takes ``data``."""
        assert self.is_open
        return b"".join(
            self._seal(_Kind.DATA, data[start : start + _RECORD_BYTES])
            for start in range(0, len(data), _RECORD_BYTES)
        )

    def seal_end(self) -> bytes:
        """Return the last thing to send."""
        return self._seal(_Kind.END, b"")

    def refuse(self, refusal: Refusal, device: bytes) -> NotAdmitted:
        """Tell the other end that its device is not let in; return the error that says so here."""
        self._outbox.extend(self._seal(_Kind.REFUSED, bytes([refusal.value])))
        return NotAdmitted(_REFUSED_BY_US[refusal].format(device=device.hex()[:16]))

    def take(self, limit: int | None = None) -> bytes:
        """Return what the other end sealed and nobody took yet, at most ``limit`` bytes of it."""
        data = bytes(self._plain[:limit])
        del self._plain[:limit]
        return data

    def receive(self, data: bytes) -> None:
        """Take bytes from the other end.

        Raises ``ChannelFailed``, ``NotAdmitted``, ``WrongMarket``, ``VersionMismatch`` or
        ``ProtocolViolation``.
        """
        self._buffer.extend(data)
        if not self._has_preface:
            if len(self._buffer) < PREFACE_BYTES:
                return
            check_preface(self._market, self._cut(PREFACE_BYTES))
            self._has_preface = True
        for message in self._take_messages():
            if self._ciphers is None:
                self._take_handshake(message)
            else:
                self._take_record(self._ciphers[1].decrypt(message))

    def receive_end(self) -> None:
        """Take note that no more bytes come. Raises ``LinkFailed`` unless the other end said so."""
        if not self.is_open:
            raise LinkFailed("the other end closed the link before it had shown whose it is")
        if not self.is_ended:
            raise LinkFailed("the link was cut; sync again")

    def _take_messages(self) -> Iterator[bytes]:
        while len(self._buffer) >= _LENGTH_BYTES:
            size = int.from_bytes(self._buffer[:_LENGTH_BYTES], "big")
            if self._ciphers is None and size != _HANDSHAKE_SIZES[self._steps]:
                raise make_failure()
            if len(self._buffer) < _LENGTH_BYTES + size:
                return
            yield self._cut(_LENGTH_BYTES + size)[_LENGTH_BYTES:]

    def _cut(self, size: int) -> bytes:
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def _take_handshake(self, message: bytes) -> None:
        self._handshake.read(message)
        self._steps += 1
        self._shake()
        if self._handshake.is_complete:
            self._ciphers = self._handshake.split()
            if self._is_initiator:
                self._say_claim()

    def _shake(self) -> None:
        if self._handshake.is_our_turn:
            self._outbox.extend(_frame(self._handshake.write()))
            self._steps += 1

    def _take_record(self, record: bytes) -> None:
        kind, content = record[:1], record[1:]
        if self.is_ended or not kind:
            raise make_failure()
        match kind[0]:
            case _Kind.CLAIM if not self.is_open:
                self._take_claim(content)
            case _Kind.DATA if self.is_open and content:
                self._plain.extend(content)
            case _Kind.END if self.is_open and not content:
                self.is_ended = True
            case _Kind.REFUSED:
                raise _read_refusal(content)
            case _:
                raise make_failure()

    def _take_claim(self, content: bytes) -> None:
        try:
            claim = decode_one_of(Claim, content)
        except MalformedInput as error:
            raise make_failure() from error
        assert isinstance(claim, Claim)
        message = self._make_message(is_initiator=not self._is_initiator)
        if not verify_signature(claim.device, "link", message, claim.signature):
            raise make_failure()
        judged = self._membership.judge(claim.device, claim.openings)
        if isinstance(judged, Refusal):
            raise self.refuse(judged, claim.device)
        self._peer = Peer(claim.device, judged)
        if not self._is_initiator:
            self._say_claim()

    def _say_claim(self) -> None:
        key = self._membership.key
        message = self._make_message(is_initiator=self._is_initiator)
        claim = Claim(
            device=key.public,
            signature=key.sign("link", message),
            openings=tuple(self._membership.get_openings()[: limits.OPENINGS]),
        )
        self._outbox.extend(self._seal(_Kind.CLAIM, encode_payload(claim)))

    def _make_message(self, *, is_initiator: bool) -> bytes:
        """Return what an end signs: never what the other end signs, so nothing can be sent back."""
        return self._market + (_INITIATOR if is_initiator else _RESPONDER) + self._handshake.hash

    def _seal(self, kind: _Kind, content: bytes) -> bytes:
        assert self._ciphers is not None
        return _frame(self._ciphers[0].encrypt(bytes([kind]) + content))


def _frame(message: bytes) -> bytes:
    return len(message).to_bytes(_LENGTH_BYTES, "big") + message


def _read_refusal(content: bytes) -> SynapticError:
    for refusal, words in _REFUSED_BY_THEM.items():
        if content == bytes([refusal.value]):
            return NotAdmitted(words)
    return make_failure()
