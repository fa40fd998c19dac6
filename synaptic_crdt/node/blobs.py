"""Contents that are too large for an entry, by their hashes: one file each, in the home.

A content is written whole or not at all, readable by its owner alone, and is verified whenever it
is read: damage is named and never handed on. The folder is its own index. Which contents a market
still needs is not decided here, and nothing is ever removed by itself.

Answers torn writes, bit rot, files put in another's place, and files without an end.
"""

from pathlib import Path
from typing import Final

from synaptic_crdt.errors import MalformedInput, StoreDamaged, StoreFailed
from synaptic_crdt.folders import make_folder
from synaptic_crdt.node.home import write_privately
from synaptic_crdt.rules.limits import BLOB_BYTES
from synaptic_crdt.rules.task_form import compute_payload_hash
from synaptic_crdt.state.limits import HASH_BYTES

_SUFFIX: Final = ".blob"


class BlobStore:
    """The contents kept in one folder, which is made when the first one comes."""

    def __init__(self, folder: Path) -> None:
        self._folder: Final = folder

    def put(self, data: bytes) -> bytes:
        """Keep a content, durably; return its hash. Raises ``MalformedInput`` or ``StoreFailed``."""
        if len(data) > BLOB_BYTES:
            raise MalformedInput(f"{len(data):,} bytes are more than a content has: {BLOB_BYTES:,}")
        name = compute_payload_hash(data)
        path = self.get_path(name)
        if not path.exists():
            try:
                make_folder(self._folder, 0o700)
            except OSError as error:
                raise StoreFailed(f"{self._folder}: {error.strerror}") from error
            write_privately(path, data)
        return name

    def get(self, name: bytes) -> bytes | None:
        """Return a content by its hash, or None when it is not here.

        Raises ``StoreDamaged`` when the file has become something else.
        """
        path = self.get_path(name)
        try:
            # Of a file that was put there by others no more is read than a content has.
            with path.open("rb") as file:
                data = file.read(BLOB_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreDamaged(f"{path}: {error.strerror}; get it again from a peer") from error
        if compute_payload_hash(data) != name:
            raise StoreDamaged(
                f"{path} is not the content it is named for; remove it, and get it again from a"
                " peer"
            )
        return data

    def has(self, name: bytes) -> bool:
        """Is there a file for a content? Whether it is sound shows when it is read."""
        return self.get_path(name).is_file()

    def list(self) -> tuple[bytes, ...]:
        """Return the hashes of what is kept, in ascending order."""
        names = (path.name.removesuffix(_SUFFIX) for path in self._folder.glob(f"*{_SUFFIX}"))
        return tuple(sorted(bytes.fromhex(name) for name in names if _is_name(name)))

    def get_path(self, name: bytes) -> Path:
        """Return where a content is, or would be."""
        return self._folder / f"{name.hex()}{_SUFFIX}"


def _is_name(text: str) -> bool:
    return len(text) == 2 * HASH_BYTES and all(letter in "0123456789abcdef" for letter in text)
