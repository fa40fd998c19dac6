"""Noise_XX_25519_ChaChaPoly_BLAKE2s, to the letter of the Noise specification, revision 34.

Bytes in, bytes out: the handshake of three messages between ends that know nothing of each other,
and the two ciphers it ends in. Whose the static keys are is not asked here; ``hash`` is the
channel binding that others sign. Primitives are libsodium's, and BLAKE2s the standard library's.

Answers eavesdroppers, alteration, replay, reflection and keys of small order. Every failure is one
``ChannelFailed``; after it the object must be dropped.
"""

import hmac
from hashlib import blake2s
from typing import Final

import nacl.exceptions
from nacl.bindings import (
    crypto_aead_chacha20poly1305_ietf_decrypt,
    crypto_aead_chacha20poly1305_ietf_encrypt,
    crypto_scalarmult,
    crypto_scalarmult_base,
)

from synaptic_crdt.errors import ChannelFailed

KEY_BYTES: Final = 32
TAG_BYTES: Final = 16
MESSAGE_BYTES: Final = 65_535  # of one Noise message, whatever it holds

# The last number is reserved by the specification, and no message ever has it.
NONCES: Final = 2**64 - 1

# Longer than a hash, so the handshake begins with the hash of the name.
_PROTOCOL_NAME: Final = b"Noise_XX_25519_ChaChaPoly_BLAKE2s"
_PATTERN: Final = (("e",), ("e", "ee", "s", "es"), ("s", "se"))
_NONCE_PADDING: Final = bytes(4)


class Cipher:
    """One direction: ChaCha20-Poly1305 under one key, its messages numbered from 0."""

    __slots__ = ("_key", "nonce")

    def __init__(self, key: bytes) -> None:
        self._key: Final = key
        self.nonce = 0

    def encrypt(self, plaintext: bytes, associated: bytes = b"") -> bytes:
        """Return the next message, with its tag."""
        message = crypto_aead_chacha20poly1305_ietf_encrypt(
            plaintext, associated, self._get_nonce(), self._key
        )
        self.nonce += 1
        return message

    def decrypt(self, message: bytes, associated: bytes = b"") -> bytes:
        """Return the plaintext of the next message. Raises ``ChannelFailed``."""
        if len(message) < TAG_BYTES:
            raise make_failure()
        try:
            plaintext = crypto_aead_chacha20poly1305_ietf_decrypt(
                message, associated, self._get_nonce(), self._key
            )
        except nacl.exceptions.CryptoError as error:
            raise make_failure() from error
        self.nonce += 1
        return plaintext

    def _get_nonce(self) -> bytes:
        if self.nonce >= NONCES:
            raise make_failure()
        return _NONCE_PADDING + self.nonce.to_bytes(8, "little")


class Handshake:
    """One end of a handshake: write and read in turn, the initiator first, then ``split``.

    Keys are X25519 secrets of 32 random bytes; each of them is for one handshake only here.
    """

    def __init__(
        self, *, is_initiator: bool, prologue: bytes, static: bytes, ephemeral: bytes
    ) -> None:
        self._is_initiator: Final = is_initiator
        self._static: Final = static
        self._ephemeral: Final = ephemeral
        self._remote_static = b""
        self._remote_ephemeral = b""
        self._steps = 0
        self.hash = blake2s(_PROTOCOL_NAME).digest()
        self._chaining_key = self.hash
        self._cipher: Cipher | None = None
        self._mix_hash(prologue)

    @property
    def is_complete(self) -> bool:
        """Were all three messages exchanged, so that ``hash`` binds the channel?"""
        return self._steps == len(_PATTERN)

    @property
    def is_our_turn(self) -> bool:
        """Is the next message ours to write?"""
        return not self.is_complete and (self._steps % 2 == 0) == self._is_initiator

    def write(self, payload: bytes = b"") -> bytes:
        """Return the next message of the handshake."""
        assert self.is_our_turn
        parts: list[bytes] = []
        for token in _PATTERN[self._steps]:
            match token:
                case "e":
                    public = crypto_scalarmult_base(self._ephemeral)
                    self._mix_hash(public)
                    parts.append(public)
                case "s":
                    parts.append(self._encrypt(crypto_scalarmult_base(self._static)))
                case _:
                    self._mix_shared(token)
        parts.append(self._encrypt(payload))
        self._steps += 1
        return b"".join(parts)

    def read(self, message: bytes) -> bytes:
        """Return the payload of the other end's message. Raises ``ChannelFailed``."""
        assert not self.is_our_turn
        assert not self.is_complete
        rest = message
        for token in _PATTERN[self._steps]:
            match token:
                case "e":
                    self._remote_ephemeral, rest = _cut(rest, KEY_BYTES)
                    self._mix_hash(self._remote_ephemeral)
                case "s":
                    encrypted, rest = _cut(rest, KEY_BYTES + TAG_BYTES)
                    self._remote_static = self._decrypt(encrypted)
                case _:
                    self._mix_shared(token)
        payload = self._decrypt(rest)
        self._steps += 1
        return payload

    def split(self) -> tuple[Cipher, Cipher]:
        """Return the ciphers of what we send and of what we receive from here on."""
        assert self.is_complete
        ours, theirs = (Cipher(key) for key in _derive_two(self._chaining_key, b""))
        return (ours, theirs) if self._is_initiator else (theirs, ours)

    def _mix_shared(self, token: str) -> None:
        """Mix the secret that a static or ephemeral key of each end makes: initiator's first."""
        first, second = token if self._is_initiator else reversed(token)
        secret = self._ephemeral if first == "e" else self._static
        public = self._remote_ephemeral if second == "e" else self._remote_static
        try:
            shared = crypto_scalarmult(secret, public)
        except nacl.exceptions.RuntimeError as error:
            # A key of small order: whatever our secret is, all would know what is shared.
            raise make_failure() from error
        self._chaining_key, key = _derive_two(self._chaining_key, shared)
        self._cipher = Cipher(key)

    def _mix_hash(self, data: bytes) -> None:
        self.hash = blake2s(self.hash + data).digest()

    def _encrypt(self, plaintext: bytes) -> bytes:
        data = plaintext if self._cipher is None else self._cipher.encrypt(plaintext, self.hash)
        self._mix_hash(data)
        return data

    def _decrypt(self, data: bytes) -> bytes:
        plaintext = data if self._cipher is None else self._cipher.decrypt(data, self.hash)
        self._mix_hash(data)
        return plaintext


def make_failure() -> ChannelFailed:
    """Return the one error of this module: what exactly failed helps nobody but an attacker."""
    return ChannelFailed(
        "the secure channel failed: what came was altered, or is not from this peer; sync again"
    )


def _cut(data: bytes, size: int) -> tuple[bytes, bytes]:
    if len(data) < size:
        raise make_failure()
    return data[:size], data[size:]


def _derive_two(chaining_key: bytes, material: bytes) -> tuple[bytes, bytes]:
    """HKDF with two outputs, as the specification has it."""
    temporary = hmac.digest(chaining_key, material, blake2s)
    first = hmac.digest(temporary, b"\x01", blake2s)
    return first, hmac.digest(temporary, first + b"\x02", blake2s)
