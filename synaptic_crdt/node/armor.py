"""Armor: what people carry from one machine to another, as one line of text that cannot be garbled.

Each kind of text has a prefix of its own. What follows is URL-safe base64 of canonical CBOR and
four check bytes, so that a text that lost a piece on its way is told from one that never was one.
"""

import base64
import binascii
from typing import Any, Final, TypeVar

import msgspec

from synaptic_crdt.errors import MalformedInput, UsageError
from synaptic_crdt.state import limits
from synaptic_crdt.state.codec import decode, encode
from synaptic_crdt.state.hashes import compute_hash

_CHECK_BYTES: Final = 4
_TEXT_BYTES: Final = 2 * limits.GENESIS_BYTES

S = TypeVar("S", bound=msgspec.Struct)


def encode_armor(prefix: str, content: msgspec.Struct) -> str:
    """Return the text of a structure."""
    data = encode(msgspec.to_builtins(content, builtin_types=(bytes,)))
    check = compute_hash("ticket", data)[:_CHECK_BYTES]
    return prefix + base64.urlsafe_b64encode(data + check).decode().rstrip("=")


def decode_armor(prefix: str, kind: type[S], what: str, text: str) -> S:
    """Return the structure of a text. Raises ``UsageError`` saying what is wrong with it."""
    text = "".join(text.split())
    if not text.startswith(prefix):
        raise UsageError(f"a {what} begins with {prefix}, this with {text[:12]!r}")
    if len(text) > _TEXT_BYTES:
        raise UsageError(f"a {what} of {len(text)} characters is over the limit of {_TEXT_BYTES}")
    encoded = text.removeprefix(prefix)
    try:
        raw = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise UsageError(f"this {what} has characters that no {what} has; copy it again") from error
    data, check = raw[:-_CHECK_BYTES], raw[-_CHECK_BYTES:]
    if compute_hash("ticket", data)[:_CHECK_BYTES] != check:
        raise UsageError(f"this {what} is incomplete or mistyped; copy it again as a whole")
    try:
        value: Any = decode(data, _TEXT_BYTES)
        return msgspec.convert(value, kind, builtin_types=(bytes,))
    except (msgspec.ValidationError, MalformedInput) as error:
        raise UsageError(f"this {what} is not one this program can use: {error}") from error
