"""Two shapes of credentials to which the contract gives no effect, in whatever field they stand.

(a) ``sk-ant-`` and at least 40 bytes of ``A-Z a-z 0-9 _ -``: an API key. (b) ``-----BEGIN ``, at
most 64 bytes of ``A-Z``, ``0-9`` and space, ``PRIVATE KEY-----``: the first line of a private key.
Compared bytewise, within one text or byte field. Every byte is looked at once, whatever the field
holds. What is found is named by its place; its value goes nowhere.

Exact and few on purpose: this must mean the same everywhere and for ever. It is the last net, not
the first: what looks like a secret in any other way is the business of its author's own node.

Answers entries of forged clients that carry credentials, and fields crafted to be slow.
"""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from synaptic_crdt.state.codec import Value

CredentialShape = Literal["API key", "private key"]
# Places in the operation's array and in the arrays within it; the tag's is 0.
Path = tuple[int, ...]

_KEY_ANCHOR: Final = b"sk-ant-"
_KEY_RUN: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
_KEY_RUN_BYTES: Final = 40
_PEM_ANCHOR: Final = b"-----BEGIN "
_PEM_RUN: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 "
_PEM_LABEL_BYTES: Final = 64
_PEM_END: Final = b"PRIVATE KEY"
_PEM_TAIL: Final = b"-----"

_HYPHEN: Final = 0x2D
# Nothing shorter can hold either shape, and most fields are shorter.
_LEAST: Final = min(
    len(_KEY_ANCHOR) + _KEY_RUN_BYTES, len(_PEM_ANCHOR) + len(_PEM_END) + len(_PEM_TAIL)
)


class Credential(msgspec.Struct, frozen=True):
    """Where a credential begins: which field, at which byte of its UTF-8, and which shape."""

    path: Path
    offset: int
    shape: CredentialShape


def find_credential(values: Sequence[Value]) -> Credential | None:
    """Return the first credential in the text and byte fields of an array, in their order."""
    # Every entry passes here, so what most fields have not is asked first: both shapes are long
    # and have a hyphen, and looking for one byte is the cheapest search there is.
    for place, value in enumerate(values):
        if isinstance(value, bytes):
            if len(value) < _LEAST or _HYPHEN not in value:
                continue
            found = _search(value)
        elif isinstance(value, str):
            if len(value) < _LEAST or "-" not in value:
                continue
            found = _search(value.encode())
        elif isinstance(value, list):
            found = find_credential(value)
        else:
            continue
        if found is not None:
            return Credential((place, *found.path), found.offset, found.shape)
    return None


def _search(data: bytes) -> Credential | None:
    """Return the first credential of a field."""
    key, pem = _find_key(data), _find_pem(data)
    if key < 0 and pem < 0:
        return None
    if pem < 0 or 0 <= key < pem:
        return Credential((), key, "API key")
    return Credential((), pem, "private key")


def _find_key(data: bytes) -> int:
    """Return where an API key begins, or -1."""
    start = data.find(_KEY_ANCHOR)
    while start >= 0:
        begin = start + len(_KEY_ANCHOR)
        run = _measure_run(data, begin, _KEY_RUN_BYTES, _KEY_RUN)
        if run == _KEY_RUN_BYTES:
            return start
        # Another anchor within the run would end with it, and be shorter still.
        start = data.find(_KEY_ANCHOR, begin + run)
    return -1


def _find_pem(data: bytes) -> int:
    """Return where the first line of a private key begins, or -1."""
    start = data.find(_PEM_ANCHOR)
    while start >= 0:
        begin = start + len(_PEM_ANCHOR)
        run = _measure_run(data, begin, _PEM_LABEL_BYTES + len(_PEM_END), _PEM_RUN)
        end = begin + run
        if data.endswith(_PEM_END, begin, end) and data.startswith(_PEM_TAIL, end):
            return start
        start = data.find(_PEM_ANCHOR, end)
    return -1


def _measure_run(data: bytes, begin: int, most: int, alphabet: bytes) -> int:
    """Return how many bytes from ``begin`` on, at most ``most``, are of an alphabet."""
    piece = data[begin : begin + most]
    return len(piece) - len(piece.lstrip(alphabet))
