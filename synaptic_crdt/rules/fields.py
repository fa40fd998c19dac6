"""What a field may look like, byte by byte: no regular expression, no Unicode property.

Those differ between Python versions, and a rule may not.
"""

from typing import Annotated, Final

from msgspec import Meta

from synaptic_crdt.rules import limits
from synaptic_crdt.state.limits import HASH_BYTES, SIGNATURE_BYTES

# A device key, an account, an id or a hash.
Hash = Annotated[bytes, Meta(min_length=HASH_BYTES, max_length=HASH_BYTES)]
Signature = Annotated[bytes, Meta(min_length=SIGNATURE_BYTES, max_length=SIGNATURE_BYTES)]
Reference = Annotated[bytes, Meta(max_length=limits.REFERENCE_BYTES)]

_SLUG_FIRST: Final = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789")
_SLUG_REST: Final = _SLUG_FIRST | frozenset(b".-")
_SYMBOL: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_PRINTABLE: Final = frozenset(range(0x20, 0x7F))


def is_slug(text: str) -> bool:
    """Is it ``[a-z0-9][a-z0-9.-]{0,47}``?"""
    data = text.encode()
    return (
        1 <= len(data) <= limits.SLUG_BYTES
        and data[0] in _SLUG_FIRST
        and _SLUG_REST.issuperset(data)
    )


def is_symbol(text: str) -> bool:
    """Is it one to eight of ``A-Z`` and ``0-9``?"""
    data = text.encode()
    return 1 <= len(data) <= limits.SYMBOL_BYTES and _SYMBOL.issuperset(data)


def is_media_type(text: str) -> bool:
    """Is it up to 64 printable ASCII characters, at least one?"""
    data = text.encode()
    return 1 <= len(data) <= limits.MEDIA_TYPE_BYTES and _PRINTABLE.issuperset(data)


def has_length(text: str, low: int, high: int) -> bool:
    """Has it from ``low`` to ``high`` bytes of UTF-8?"""
    return low <= len(text.encode()) <= high
