"""Serving blobs from files: a piece at a time, verified before it goes out.

What the disk has made of a file is never sent: its outline has to have its name, and each piece its
hash in the outline.
"""

from pathlib import Path
from typing import Final

from synaptic_crdt.state.limits import BLOB_BYTES, BLOB_PIECE_BYTES, HASH_BYTES
from synaptic_crdt.state.outline import hash_piece, name_outline


class BlobFile:
    """A blob that is a file, or a section of one."""

    def __init__(self, path: Path, start: int, outline: bytes) -> None:
        self.outline: Final = outline
        self._path: Final = path
        self._start: Final = start

    @classmethod
    def open(cls, path: Path, name: bytes) -> "BlobFile | None":
        """Return the blob in a file; None when there is none, or it is not what it is named for."""
        outline = outline_section(path, 0)
        if outline is None or name_outline(outline) != name:
            return None
        return cls(path, 0, outline)

    def read_piece(self, number: int) -> bytes | None:
        """Return a piece by its number; None when there is none, or it is not sound any more."""
        expected = self.outline[number * HASH_BYTES : (number + 1) * HASH_BYTES]
        piece = b""
        try:
            with self._path.open("rb") as file:
                file.seek(self._start + number * BLOB_PIECE_BYTES)
                piece = file.read(BLOB_PIECE_BYTES)
        except OSError:
            return None
        return piece if expected and hash_piece(piece) == expected else None


def outline_section(path: Path, start: int) -> bytes | None:
    """Return the outline of up to 64 MiB of a file from ``start`` on; None when it has none."""
    hashes: list[bytes] = []
    try:
        with path.open("rb") as file:
            file.seek(start)
            for _ in range(BLOB_BYTES // BLOB_PIECE_BYTES):
                piece = file.read(BLOB_PIECE_BYTES)
                if not piece:
                    break
                hashes.append(hash_piece(piece))
    except OSError:
        return None
    return b"".join(hashes) or None
