"""Domain-separated hashing: one BLAKE3 ``derive_key`` context per kind of thing.

Equal bytes of two kinds never have equal hashes, so a hash says what it names. Every part but the
last has a fixed length, so that joining them is unambiguous.
"""

from typing import Final, Literal

from blake3 import blake3

HashKind = Literal[
    "market",
    "feed",
    "body",
    "entry",
    "tie",
    "checkpoint",
    "row key",
    "leaf",
    "node",
    "root",
    "verdict leaf",
    "verdict node",
    "leaves",
    "heads",
    "match",
    "seat",
    "hold",
    "terms",
    "bundle",
    "blob",
    "home",
    "ticket",
]

_CONTEXT_PREFIX: Final = "synaptic-crdt 1 "


def compute_hash(kind: HashKind, *parts: bytes) -> bytes:
    """Return the 32-byte BLAKE3 hash of the joined parts in the context of ``kind``."""
    return blake3(b"".join(parts), derive_key_context=_CONTEXT_PREFIX + kind).digest()


def compute_body_hash(body: bytes) -> bytes:
    """Return ``H("body", body)``; spelled out because every entry passes here."""
    return blake3(body, derive_key_context="synaptic-crdt 1 body").digest()


def compute_entry_id(predecessor: bytes, body_hash: bytes) -> bytes:
    """Return the chain id ``H("entry", predecessor, body_hash)`` of the next entry of a feed."""
    return blake3(predecessor + body_hash, derive_key_context="synaptic-crdt 1 entry").digest()
