"""Content keys, and what they keep private: payloads on their way to a provider, results back.

Each payload and each result has a key of its own, drawn at random. What is public of it is its
commitment, ``H("content key", key)``; the key itself travels in boxes sealed to the exchange keys
of devices. Contents are padded to classes of size, and encrypted in chunks with
XChaCha20-Poly1305, in libsodium's stream construction: chunks that are cut, dropped, swapped or
repeated do not decrypt. Market, subject and shard are authenticated with every chunk, so that a
ciphertext is of no use in another place. A payload is encrypted before its task has an id, so its
subject is the requester's account; that of a result is its assignment.

A key is compared with its commitment before anything is decrypted with it: who handed out another
key is found out without a doubt. Keys never show when they are printed. Nothing here knows when a
key may be handed out, and nothing is kept.

Answers withheld, wrong and swapped keys, ciphertext copied from another task, cut or reordered
contents, and sizes that would tell contents apart. That a content exists, its media type and the
class of its size stay public.
"""

from collections.abc import Iterable, Mapping
from typing import Final, Literal, Self

import msgspec
import nacl.bindings as sodium
import nacl.exceptions
import nacl.public
import nacl.signing
import nacl.utils

from synaptic_crdt.errors import Forged, MalformedInput
from synaptic_crdt.rules.task_operations import SEALED_KEY_BYTES, SealedKey
from synaptic_crdt.state.hashes import compute_hash
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.limits import KIB

_KEY_BYTES: Final = sodium.crypto_secretstream_xchacha20poly1305_KEYBYTES
_HEADER_BYTES: Final = sodium.crypto_secretstream_xchacha20poly1305_HEADERBYTES
_TAG_BYTES: Final = sodium.crypto_secretstream_xchacha20poly1305_ABYTES
_MIDDLE: Final = sodium.crypto_secretstream_xchacha20poly1305_TAG_MESSAGE
_LAST: Final = sodium.crypto_secretstream_xchacha20poly1305_TAG_FINAL
_CHUNK_BYTES: Final = 64 * KIB
_SIZE_BYTES: Final = 8
_LEAST_BYTES: Final = 256


class Context(msgspec.Struct, frozen=True):
    """What a ciphertext belongs to: a requester's payload for a shard, or an assignment's result.

    ``market`` and ``subject`` are 32 bytes each.
    """

    market: bytes
    content: Literal["payload", "result"]
    subject: bytes
    shard: int = 0


class ContentKey:
    """The key of one content. Equal keys have equal commitments; the key is never shown."""

    __slots__ = ("_secret", "commitment")

    def __init__(self, secret: bytes) -> None:
        assert len(secret) == _KEY_BYTES
        self._secret: Final = secret
        self.commitment: Final = compute_commitment(secret)

    @classmethod
    def make(cls) -> Self:
        """Draw a new key."""
        return cls(nacl.utils.random(_KEY_BYTES))

    def seal(self, devices: Mapping[bytes, bytes]) -> tuple[SealedKey, ...]:
        """Return the key, sealed to devices given with their exchange keys, in ascending order."""
        return tuple(
            SealedKey(device, _seal(self._secret, devices[device])) for device in sorted(devices)
        )

    def encrypt(self, content: bytes, context: Context) -> bytes:
        """Return the ciphertext of a content, padded."""
        bound = _bind(context)
        padded = _pad(content)
        state = sodium.crypto_secretstream_xchacha20poly1305_state()
        pieces = [sodium.crypto_secretstream_xchacha20poly1305_init_push(state, self._secret)]
        for start in range(0, len(padded), _CHUNK_BYTES):
            tag = _LAST if start + _CHUNK_BYTES >= len(padded) else _MIDDLE
            chunk = padded[start : start + _CHUNK_BYTES]
            pieces.append(
                sodium.crypto_secretstream_xchacha20poly1305_push(state, chunk, bound, tag)
            )
        return b"".join(pieces)

    def decrypt(self, ciphertext: bytes, context: Context) -> bytes:
        """Return the content of a ciphertext.

        Raises ``Forged`` when it was not made with this key for this context, or is not whole;
        ``MalformedInput`` when whoever made it padded it otherwise.
        """
        bound = _bind(context)
        state = sodium.crypto_secretstream_xchacha20poly1305_state()
        header, rest = ciphertext[:_HEADER_BYTES], ciphertext[_HEADER_BYTES:]
        if len(header) < _HEADER_BYTES:
            raise Forged(f"a ciphertext of {len(ciphertext)} bytes is cut short")
        sodium.crypto_secretstream_xchacha20poly1305_init_pull(state, header, self._secret)
        pieces: list[bytes] = []
        tag = _MIDDLE
        for start in range(0, len(rest), _CHUNK_BYTES + _TAG_BYTES):
            if tag == _LAST:
                raise Forged("a ciphertext goes on behind its end")
            chunk = rest[start : start + _CHUNK_BYTES + _TAG_BYTES]
            try:
                piece, tag = sodium.crypto_secretstream_xchacha20poly1305_pull(state, chunk, bound)
            except (nacl.exceptions.CryptoError, ValueError) as error:
                raise Forged(
                    "a ciphertext does not decrypt: it was changed, or made with another key or for"
                    " another place"
                ) from error
            pieces.append(piece)
        if tag != _LAST:
            raise Forged("a ciphertext ends before its end: it was cut")
        return _unpad(b"".join(pieces))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ContentKey) and self.commitment == other.commitment

    def __hash__(self) -> int:
        return hash(self.commitment)

    def __repr__(self) -> str:
        return f"ContentKey(commitment={self.commitment.hex()})"

    def __reduce__(self) -> str:
        raise TypeError("a content key is not written anywhere")


def compute_commitment(secret: bytes) -> bytes:
    """Return what is public of a content key: ``H("content key", key)``, 32 bytes."""
    return compute_hash("content key", secret)


def open_key(keys: Iterable[SealedKey], device: DeviceKey, commitment: bytes) -> ContentKey | None:
    """Return the content key that was sealed to a device, or None when none was.

    Raises ``Forged`` when what was sealed is not the key that was committed to.
    """
    sealed = [key.sealed for key in keys if key.device == device.public]
    if not sealed:
        return None
    for box in sealed:
        secret = _open(box, device)
        if secret is not None and compute_commitment(secret) == commitment:
            return ContentKey(secret)
    raise Forged(
        "the key handed over is not the one committed to, so nothing was decrypted with it; decline"
        " the work, or dispute the result"
    )


def compute_padded_size(size: int) -> int:
    """Return the size of a content of ``size`` bytes with its padding.

    At least 256; beyond, all but the highest bits are rounded up: at most an eighth is added, and
    of a content of n bits' length only log log n of them show.
    """
    whole = size + _SIZE_BYTES
    if whole <= _LEAST_BYTES:
        return _LEAST_BYTES
    exponent = whole.bit_length() - 1
    low = (1 << (exponent - exponent.bit_length())) - 1
    return (whole + low) & ~low


def compute_ciphertext_size(size: int) -> int:
    """Return how many bytes the ciphertext of a content of ``size`` bytes has."""
    padded = compute_padded_size(size)
    return _HEADER_BYTES + padded + -(-padded // _CHUNK_BYTES) * _TAG_BYTES


def _pad(content: bytes) -> bytes:
    size = len(content).to_bytes(_SIZE_BYTES, "big")
    padding = compute_padded_size(len(content)) - _SIZE_BYTES - len(content)
    return size + content + bytes(padding)


def _unpad(padded: bytes) -> bytes:
    size = int.from_bytes(padded[:_SIZE_BYTES], "big")
    # The size is compared first: what it says may be anything.
    if size > len(padded) or len(padded) != compute_padded_size(size):
        raise MalformedInput(f"a content of {size} bytes is not padded to {len(padded)}")
    content, padding = padded[_SIZE_BYTES : _SIZE_BYTES + size], padded[_SIZE_BYTES + size :]
    if padding.strip(b"\0"):
        raise MalformedInput("the padding of a content holds something")
    return content


def _bind(context: Context) -> bytes:
    """Return what is authenticated with every chunk: parts of fixed length behind the first."""
    kind = f"synaptic-crdt 1 {context.content}\n".encode()
    return kind + context.market + context.subject + context.shard.to_bytes(_SIZE_BYTES, "big")


def _seal(secret: bytes, exchange: bytes) -> bytes:
    try:
        return nacl.public.SealedBox(nacl.public.PublicKey(exchange)).encrypt(secret)
    except nacl.exceptions.CryptoError:
        # Some 32 bytes are no key, and a box for them would be open to all. Whoever registered
        # such bytes cannot read anything, and must not keep others from doing their part.
        return nacl.utils.random(SEALED_KEY_BYTES)


def _open(box: bytes, device: DeviceKey) -> bytes | None:
    private = nacl.signing.SigningKey(device.seed).to_curve25519_private_key()
    try:
        return nacl.public.SealedBox(private).decrypt(box)
    except (nacl.exceptions.CryptoError, nacl.exceptions.ValueError, ValueError):
        return None
