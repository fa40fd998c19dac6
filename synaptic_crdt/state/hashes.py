"""Domain-separated hashing: one BLAKE3 ``derive_key`` context per kind of thing.

Equal bytes of two kinds never have equal hashes, so a hash says what it names. Every part but the
last has a fixed length, so that joining them is unambiguous.
"""

from collections.abc import Sequence
from typing import Final, Literal, get_args

from blake3 import blake3

HashKind = Literal[
    "market",
    "feed",
    "body",
    "entry",
    "tie",
    "checkpoint",
    "cosignature",
    "handover",
    "proposal",
    "fork",
    "row key",
    "leaf",
    "node",
    "root",
    "verdict leaf",
    "verdict node",
    "leaves",
    "leaf key",
    "leaf place",
    "leaf node",
    "statements",
    "heads",
    "digest",
    "statement",
    "match",
    "seat",
    "hold",
    "terms",
    "bundle",
    "file",
    "writer",
    "read key",
    "blob",
    "blob outline",
    "content key",
    "home",
    "saved",
    "ticket",
]

_CONTEXT_PREFIX: Final = "synaptic-crdt 1 "


def compute_hash(kind: HashKind, *parts: bytes) -> bytes:
    """Return the 32-byte BLAKE3 hash of the joined parts in the context of ``kind``."""
    hasher = _HASHERS[kind].copy()
    hasher.update(b"".join(parts))
    return hasher.digest()


def start_hash(kind: HashKind) -> blake3:
    """Return a hasher in the context of ``kind``, for what is too large to be held at once."""
    return _HASHERS[kind].copy()


def compute_body_hash(body: bytes) -> bytes:
    """Return ``H("body", body)``; spelled out because every entry passes here."""
    hasher = _BODY_HASHER.copy()
    hasher.update(body)
    return hasher.digest()


def compute_entry_id(predecessor: bytes, body_hash: bytes) -> bytes:
    """Return the chain id ``H("entry", predecessor, body_hash)`` of the next entry of a feed."""
    hasher = _ENTRY_HASHER.copy()
    hasher.update(predecessor + body_hash)
    return hasher.digest()


def compute_node(left: bytes, right: bytes) -> bytes:
    """Return ``H("node", left, right)``; spelled out because a state has as many as rows."""
    hasher = _NODE_HASHER.copy()
    hasher.update(left + right)
    return hasher.digest()


def compute_chain(predecessor: bytes, body_hashes: Sequence[bytes]) -> list[bytes]:
    """Return the chain ids of consecutive entries of a feed."""
    ids: list[bytes] = []
    for body_hash in body_hashes:
        predecessor = compute_entry_id(predecessor, body_hash)
        ids.append(predecessor)
    return ids


# A copy of a hasher that has taken in its context costs less than the context.
_HASHERS: Final = {
    kind: blake3(derive_key_context=_CONTEXT_PREFIX + kind) for kind in get_args(HashKind)
}
_BODY_HASHER: Final = _HASHERS["body"]
_ENTRY_HASHER: Final = _HASHERS["entry"]
_NODE_HASHER: Final = _HASHERS["node"]
