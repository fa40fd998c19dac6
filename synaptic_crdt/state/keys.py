"""Device and exchange keys: signing, verifying, and keeping them encrypted at rest.

The only module of ``state/`` that touches cryptographic primitives. Every signature starts with a
fixed prefix for its kind, so that a signature over one kind of thing is never valid for another.
Verification is libsodium's alone: other implementations accept small-order forgeries it refuses.
"""

from typing import Final, Literal

import nacl.exceptions
import nacl.pwhash.argon2id
import nacl.secret
import nacl.signing
import nacl.utils

from synaptic_crdt.errors import KeyLocked
from synaptic_crdt.state import limits

SignatureKind = Literal[
    "seal", "checkpoint", "cosignature", "handover", "certificate", "invitation", "device", "link"
]

_SIGNATURE_PREFIX: Final = b"synaptic-crdt 1 "
_LOCKED_MAGIC: Final = b"synaptic-crdt key 1 locked\n"
_OPEN_MAGIC: Final = b"synaptic-crdt key 1 open\n"
_SALT_BYTES: Final = nacl.pwhash.argon2id.SALTBYTES
_SEED_BYTES: Final = 32


class DeviceKey:
    """The Ed25519 key of a device, made from a 32-byte seed."""

    __slots__ = ("_key", "public")

    def __init__(self, seed: bytes) -> None:
        self._key: Final = nacl.signing.SigningKey(seed)
        self.public: Final = bytes(self._key.verify_key)

    @property
    def seed(self) -> bytes:
        """The 32 secret bytes this key is made from."""
        return bytes(self._key)

    def sign(self, kind: SignatureKind, message: bytes) -> bytes:
        """Return the 64-byte signature over ``message`` as a thing of ``kind``."""
        return self._key.sign(_prefix(kind) + message).signature

    def get_exchange_public(self) -> bytes:
        """Return the X25519 public key that belongs to the same seed, 32 bytes."""
        return bytes(self._key.to_curve25519_private_key().public_key)


def verify_signature(device: bytes, kind: SignatureKind, message: bytes, signature: bytes) -> bool:
    """Is ``signature`` that of ``device`` over ``message`` as a thing of ``kind``?"""
    if len(device) != limits.HASH_BYTES or len(signature) != limits.SIGNATURE_BYTES:
        return False
    try:
        nacl.signing.VerifyKey(device).verify(_prefix(kind) + message, signature)
    except (nacl.exceptions.BadSignatureError, nacl.exceptions.ValueError):
        return False
    return True


def make_seed() -> bytes:
    """Return 32 fresh random bytes for a new key. Called by nodes, never by a fold."""
    return nacl.utils.random(_SEED_BYTES)


def lock_seed(seed: bytes, passphrase: str) -> bytes:
    """Return the bytes of a key file: encrypted by argon2id and XSalsa20-Poly1305.

    An empty passphrase leaves the seed in the clear: the file's mode is then its only guard.
    """
    if not passphrase:
        return _OPEN_MAGIC + seed
    salt = nacl.utils.random(_SALT_BYTES)
    return _LOCKED_MAGIC + salt + bytes(_make_box(passphrase, salt).encrypt(seed))


def unlock_seed(data: bytes, passphrase: str) -> bytes:
    """Return the seed of a key file's bytes.

    Raises ``KeyLocked`` when the passphrase is missing or wrong, or the bytes are no key file.
    """
    if data.startswith(_OPEN_MAGIC) and len(data) == len(_OPEN_MAGIC) + _SEED_BYTES:
        return data.removeprefix(_OPEN_MAGIC)
    if not data.startswith(_LOCKED_MAGIC):
        raise KeyLocked("not a key file of this program; restore it from your paper device")
    if not passphrase:
        raise KeyLocked("the device key is locked; give its passphrase in SYNAPTIC_PASSPHRASE")
    sealed = data.removeprefix(_LOCKED_MAGIC)
    salt, box = sealed[:_SALT_BYTES], sealed[_SALT_BYTES:]
    try:
        return _make_box(passphrase, salt).decrypt(box)
    except (nacl.exceptions.CryptoError, nacl.exceptions.ValueError, ValueError) as error:
        raise KeyLocked("the passphrase is wrong, or the key file is damaged") from error


def is_locked(data: bytes) -> bool:
    """Does this key file need a passphrase?"""
    return data.startswith(_LOCKED_MAGIC)


def _make_box(passphrase: str, salt: bytes) -> nacl.secret.SecretBox:
    key = nacl.pwhash.argon2id.kdf(
        nacl.secret.SecretBox.KEY_SIZE,
        # As the environment had it: bytes that are no UTF-8 are a passphrase too.
        passphrase.encode(errors="surrogateescape"),
        salt,
        opslimit=nacl.pwhash.argon2id.OPSLIMIT_INTERACTIVE,
        memlimit=nacl.pwhash.argon2id.MEMLIMIT_INTERACTIVE,
    )
    return nacl.secret.SecretBox(key)


def _prefix(kind: SignatureKind) -> bytes:
    return _SIGNATURE_PREFIX + kind.encode() + b"\n"
