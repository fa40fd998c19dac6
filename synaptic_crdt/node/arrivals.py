"""Blobs that arrive in a folder: each in a part of its own until all of it is there, then under its name.

Nothing is begun that would leave less than 256 MiB of the disk free.
"""

import shutil
from pathlib import Path
from typing import Final

from synaptic_crdt.node.blobs import BlobStore
from synaptic_crdt.node.partials import Partials
from synaptic_crdt.state.limits import MIB
from synaptic_crdt.sync.blobs import WantedBlob

_FREE_BYTES: Final = 256 * MIB


class Arrivals:
    """What is on its way into one folder; the half of ``sync.blobs.Blobs`` that fetches."""

    def __init__(self, folder: Path) -> None:
        self._store: Final = BlobStore(folder)
        self._folder: Final = folder
        self._partials: Final = Partials(folder)
        # By name: the next piece of what is on its way.
        self._under_way: Final[dict[bytes, int]] = {}

    def has(self, name: bytes) -> bool:
        """Is a blob here?"""
        return self._store.has(name)

    def has_room(self, size: int) -> bool:
        """Does the disk hold so many bytes more?"""
        return shutil.disk_usage(self._folder.parent).free >= size + _FREE_BYTES

    def begin(self, blob: WantedBlob) -> bool:
        """Begin to fetch a blob, or go on; False if it is here, or comes over another link."""
        if blob.name in self._under_way or self.has(blob.name) or not self.has_room(blob.size):
            return False
        self._under_way[blob.name] = 0
        return True

    def resume(self, blob: WantedBlob, outline: bytes) -> int:
        """Return how many of the first pieces of a blob that was begun are here, and sound.

        Raises ``StoreFailed``.
        """
        number = self._under_way[blob.name] = self._partials.resume(blob.name, outline)
        return number

    def keep(self, blob: WantedBlob, piece: bytes) -> None:
        """Keep the next piece of a blob that was begun. Raises ``StoreFailed``."""
        self._partials.append(blob.name, self._under_way[blob.name], piece)
        self._under_way[blob.name] += 1

    def finish(self, blob: WantedBlob) -> None:
        """Put a blob where whole ones are. Raises ``StoreFailed``."""
        self._partials.move(blob.name, self._store.get_path(blob.name))
        self.leave(blob.name)

    def leave(self, name: bytes) -> None:
        """Fetch a blob no longer; what is here of it stays."""
        self._under_way.pop(name, None)
