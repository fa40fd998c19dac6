"""The directories in which programs work: fresh, private, and gone afterwards whatever was done.

What a crash left behind is removed when the place is opened; one owner has a home at a time, so
nobody works there then. Answers trees that are too deep to walk, forbid themselves, or point
elsewhere: a link is removed and never followed.
"""

import os
import tempfile
from pathlib import Path
from typing import Final

from synaptic_crdt.errors import StoreFailed

_PRIVATE: Final = 0o700


class Workplace:
    """Where directories to work in are made. Opening it removes those of the past."""

    def __init__(self, path: Path) -> None:
        self._path: Final = path
        path.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        path.chmod(_PRIVATE)
        empty(path)

    def make_directory(self) -> Path:
        """Make a directory of mode 0700 with a name of its own.

        Raises ``StoreFailed`` when it cannot be made.
        """
        try:
            return Path(tempfile.mkdtemp(dir=self._path))
        except OSError as error:
            raise StoreFailed(f"{self._path}: {error.strerror}; no job was begun") from error


def remove(directory: Path) -> None:
    """Remove a directory with all that is in it; what is large takes its time."""
    empty(directory)
    directory.rmdir()


def empty(top: Path) -> None:
    """Remove all that is in a directory.

    Directories are moved up to the top before they are emptied, so no path is ever long.
    """
    moved = 0
    while entries := list(os.scandir(top)):
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                Path(entry.path).unlink()
                continue
            Path(entry.path).chmod(_PRIVATE)
            for inner in list(os.scandir(entry.path)):
                if inner.is_dir(follow_symlinks=False):
                    # Its own entry for its parent changes, so it must let us.
                    Path(inner.path).chmod(_PRIVATE)
                    moved += 1
                    Path(inner.path).rename(top / f".moved-{moved}-{os.urandom(8).hex()}")
                else:
                    Path(inner.path).unlink()
            Path(entry.path).rmdir()
