"""Blobs on their way here: what has come of one, in a file of its own until all of it is there.

Pieces are appended in order, verified before. What of them the disk kept shows when the blob is gone
on with: each piece is verified again, and the first that is not sound is the end. So nothing is made
durable before the last piece; a process that is killed loses nothing, and a machine that loses power
loses some pieces, never their soundness.
"""

import os
from pathlib import Path
from typing import Final

from synaptic_crdt.errors import StoreFailed
from synaptic_crdt.folders import make_folder, sync_folder
from synaptic_crdt.state.limits import BLOB_PIECE_BYTES, HASH_BYTES
from synaptic_crdt.state.outline import hash_piece

_SUFFIX: Final = ".part"


class Partials:
    """The files of one folder that are not whole yet."""

    def __init__(self, folder: Path) -> None:
        self._folder: Final = folder

    def resume(self, name: bytes, outline: bytes) -> int:
        """Return how many of the first pieces are here and sound; what follows them is dropped.

        Raises ``StoreFailed``.
        """
        path = self._get_path(name)
        number = size = 0
        try:
            if not path.exists():
                return 0
            with path.open("r+b") as file:
                while piece := file.read(BLOB_PIECE_BYTES):
                    start = number * HASH_BYTES
                    if hash_piece(piece) != outline[start : start + HASH_BYTES]:
                        break
                    number += 1
                    size += len(piece)
                file.truncate(size)
        except OSError as error:
            raise StoreFailed(f"{path}: {error.strerror}") from error
        return number

    def append(self, name: bytes, number: int, piece: bytes) -> None:
        """Append the piece of this number. Raises ``StoreFailed``."""
        path = self._get_path(name)
        try:
            make_folder(self._folder, 0o700)
            flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
            with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
                file.seek(number * BLOB_PIECE_BYTES)
                file.write(piece)
                file.truncate()
        except OSError as error:
            raise StoreFailed(f"{path}: {error.strerror}; the blob is not here") from error

    def move(self, name: bytes, target: Path) -> None:
        """Make what is here durable and move it to where whole ones are. Raises ``StoreFailed``."""
        path = self._get_path(name)
        try:
            with path.open("rb") as file:
                os.fsync(file.fileno())
            path.replace(target)
            sync_folder(self._folder)
        except OSError as error:
            raise StoreFailed(f"{path}: {error.strerror}; the blob is not here") from error

    def _get_path(self, name: bytes) -> Path:
        return self._folder / f"{name.hex()}{_SUFFIX}"
