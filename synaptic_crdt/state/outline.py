"""How a content is named: by a tree of hashes over its pieces, so that each piece can be verified.

A content of up to 64 KiB is one piece, and is named by its hash. A larger one is cut into pieces of
64 KiB, the last as long as what is left, and is named by the hash of its *outline*, the hashes of
its pieces one after the other. With the outline, 32 bytes a piece, whoever fetches a content knows
at the first wrong piece that it was lied to, and goes on later where it stopped.

The size says how many pieces there are, and is said by whoever names the content. An outline of
another length, or of pieces of other sizes, names nothing that anybody could serve.
"""

from synaptic_crdt.state.hashes import compute_hash
from synaptic_crdt.state.limits import BLOB_PIECE_BYTES, HASH_BYTES


def name_content(data: bytes) -> bytes:
    """Return the 32-byte name of a content."""
    return name_outline(make_outline(data))


def make_outline(data: bytes) -> bytes:
    """Return the hashes of a content's pieces, joined."""
    starts = range(0, max(len(data), 1), BLOB_PIECE_BYTES)
    return b"".join(hash_piece(data[start : start + BLOB_PIECE_BYTES]) for start in starts)


def name_outline(outline: bytes) -> bytes:
    """Return the name of the content whose pieces have these hashes."""
    # What is one piece is named by that piece's hash: there is nothing to go on with.
    return outline if len(outline) == HASH_BYTES else compute_hash("blob outline", outline)


def hash_piece(piece: bytes) -> bytes:
    """Return the hash of one piece."""
    return compute_hash("blob", piece)


def count_pieces(size: int) -> int:
    """Return how many pieces a content of ``size`` bytes has, at least one."""
    return max(1, -(-size // BLOB_PIECE_BYTES))


def get_piece_size(size: int, number: int) -> int:
    """Return the size of a piece, counted from 0, of a content of ``size`` bytes."""
    return min(BLOB_PIECE_BYTES, size - number * BLOB_PIECE_BYTES)
