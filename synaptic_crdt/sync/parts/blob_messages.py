"""What two peers say to each other about blobs, all of it bounded."""

from typing import Annotated

from msgspec import Meta

from synaptic_crdt.state import limits
from synaptic_crdt.sync.messages import Hash, Message

Number = Annotated[int, Meta(ge=0, lt=limits.BLOB_PIECES)]


class BlobAsk(Message, frozen=True, tag="blob ask"):
    """Asks for ``count`` pieces of a blob from number ``first`` on, or, with none, its outline."""

    blob: Hash
    first: Number
    count: Annotated[int, Meta(ge=0, le=limits.BLOB_PIECES_ASKED)]


class BlobOutline(Message, frozen=True, tag="blob outline"):
    """Answers an ask: the hashes of all pieces of the blob, joined, whose hash is its name."""

    blob: Hash
    hashes: Annotated[bytes, Meta(min_length=1, max_length=limits.BLOB_PIECES * limits.HASH_BYTES)]


class BlobPiece(Message, frozen=True, tag="blob piece"):
    """Answers an ask, one piece after the other."""

    blob: Hash
    number: Number
    data: Annotated[bytes, Meta(min_length=1, max_length=limits.BLOB_PIECE_BYTES)]


class BlobGone(Message, frozen=True, tag="blob gone"):
    """Answers an ask, or the rest of it: the blob is not here, or not for who asks."""

    blob: Hash
