"""Read keys: what keeps a market's files from whoever merely carries them.

A folder or a file has nobody at its other end who could show who it is, so what lies there is
encrypted by a key of the market that its members have from their tickets: XChaCha20-Poly1305 in
libsodium's stream construction, chunk by chunk. The head of a file names the key and nothing else;
it, the version and the market are authenticated with every chunk, so that a file of one market is
none of another, and one that was altered, cut, or put together from two does not open.

Answers curious and malicious carriers. Does not hide how large a file is and when it changes, and
does not keep out who once had the key: what has been shown to a member stays known to it. Nothing
is taken for true because it was encrypted: what is inside passes the gate like anything else.
"""

from collections.abc import Sequence
from typing import IO, Final

import nacl.bindings as sodium
import nacl.exceptions
import nacl.public
import nacl.signing
import nacl.utils

from synaptic_crdt.errors import Forged, MalformedInput, NoReadKey, VersionMismatch
from synaptic_crdt.state.hashes import compute_hash
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.limits import KIB

READ_KEY_BYTES: Final = sodium.crypto_secretstream_xchacha20poly1305_KEYBYTES

_MAGIC: Final = b"synaptic-crdt sealed\n"
_VERSION: Final = 1
_VERSION_BYTES: Final = 2
_NAME_BYTES: Final = 16
SEALED_HEAD_BYTES: Final = len(_MAGIC) + _VERSION_BYTES + _NAME_BYTES
_NONCE_BYTES: Final = sodium.crypto_secretstream_xchacha20poly1305_HEADERBYTES
_TAG_BYTES: Final = sodium.crypto_secretstream_xchacha20poly1305_ABYTES
_MIDDLE: Final = sodium.crypto_secretstream_xchacha20poly1305_TAG_MESSAGE
_LAST: Final = sodium.crypto_secretstream_xchacha20poly1305_TAG_FINAL
_CHUNK_BYTES: Final = 64 * KIB


class ReadKeys:
    """The read keys of one market that a home has, the one that it writes with first."""

    def __init__(self, market: bytes, secrets: Sequence[bytes]) -> None:
        self._market: Final = market
        self._secrets: Final = {compute_name(market, secret): secret for secret in secrets}

    def __bool__(self) -> bool:
        return bool(self._secrets)

    def seal(self, plain: IO[bytes], sealed: IO[bytes]) -> None:
        """Encrypt a file by the first key, from where it is to its end."""
        name, secret = next(iter(self._secrets.items()))
        head = _MAGIC + _VERSION.to_bytes(_VERSION_BYTES, "big") + name
        bound = head + self._market
        state = sodium.crypto_secretstream_xchacha20poly1305_state()
        nonce = sodium.crypto_secretstream_xchacha20poly1305_init_push(state, secret)
        sealed.write(head + nonce)
        chunk = plain.read(_CHUNK_BYTES)
        while True:
            follows = plain.read(_CHUNK_BYTES)
            tag = _MIDDLE if follows else _LAST
            sealed.write(
                sodium.crypto_secretstream_xchacha20poly1305_push(state, chunk, bound, tag)
            )
            if not follows:
                return
            chunk = follows

    def unseal(self, name: str, sealed: IO[bytes], plain: IO[bytes]) -> None:
        """Decrypt a file that ``is_sealed``, from its beginning; ``name`` is for the words.

        Raises ``NoReadKey``, ``Forged``, ``MalformedInput`` or ``VersionMismatch``. What was
        written to ``plain`` before that is to be dropped.
        """
        head = sealed.read(SEALED_HEAD_BYTES)
        nonce = sealed.read(_NONCE_BYTES)
        if not is_sealed(head) or len(nonce) < _NONCE_BYTES:
            raise MalformedInput(f"{name} is cut short; get another copy")
        version = int.from_bytes(head[len(_MAGIC) : -_NAME_BYTES], "big")
        if version != _VERSION:
            raise VersionMismatch(
                f"{name} is encrypted in version {version}, this program knows {_VERSION}; upgrade"
            )
        key_name = head[-_NAME_BYTES:]
        secret = self._secrets.get(key_name)
        if secret is None:
            raise NoReadKey(
                f"{name} is encrypted by the read key {key_name.hex()}, which this home lacks; ask"
                " a member for it (`read-key show`), and give it to `read-key take`"
            )
        state = sodium.crypto_secretstream_xchacha20poly1305_state()
        sodium.crypto_secretstream_xchacha20poly1305_init_pull(state, nonce, secret)
        tag = _MIDDLE
        while tag != _LAST:
            chunk = sealed.read(_CHUNK_BYTES + _TAG_BYTES)
            try:
                piece, tag = sodium.crypto_secretstream_xchacha20poly1305_pull(
                    state, chunk, head + self._market
                )
            except (nacl.exceptions.CryptoError, ValueError) as error:
                raise _make_failure(name) from error
            plain.write(piece)
        if sealed.read(1):
            raise _make_failure(name)


def is_sealed(head: bytes) -> bool:
    """Is this how an encrypted file begins?"""
    return head[:SEALED_HEAD_BYTES].startswith(_MAGIC) and len(head) >= SEALED_HEAD_BYTES


def make_read_key() -> bytes:
    """Return a new read key."""
    return nacl.utils.random(READ_KEY_BYTES)


def seal_read_key(secret: bytes, exchange: bytes) -> bytes:
    """Return a read key as only the device with an exchange key can open it.

    Raises ``MalformedInput`` when that is no key.
    """
    try:
        return nacl.public.SealedBox(nacl.public.PublicKey(exchange)).encrypt(secret)
    except nacl.exceptions.CryptoError as error:
        raise MalformedInput(f"{exchange.hex()[:16]} is no exchange key of a device") from error


def open_read_key(box: bytes, device: DeviceKey) -> bytes:
    """Return the read key that was sealed to a device. Raises ``Forged``."""
    private = nacl.signing.SigningKey(device.seed).to_curve25519_private_key()
    try:
        secret = nacl.public.SealedBox(private).decrypt(box)
    except (nacl.exceptions.CryptoError, ValueError) as error:
        raise Forged("this read key was sealed to another device, or is damaged") from error
    if len(secret) != READ_KEY_BYTES:
        raise Forged(f"a read key has {READ_KEY_BYTES} bytes, this one {len(secret)}")
    return secret


def compute_name(market: bytes, secret: bytes) -> bytes:
    """Return what names a read key of a market in the heads of files, and tells nothing of it."""
    return compute_hash("read key", market, secret)[:_NAME_BYTES]


def _make_failure(name: str) -> Forged:
    return Forged(f"{name} does not decrypt: it was altered or cut; get another copy")
