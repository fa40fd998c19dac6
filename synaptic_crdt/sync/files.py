"""Files that are written for others: whole or not at all, and durable once they are there."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from synaptic_crdt.errors import StoreFailed


@contextmanager
def write_whole(path: Path) -> Generator[BinaryIO]:
    """Yield a file to write to, which takes the place of ``path`` if nothing goes wrong.

    Nobody ever sees half of it. Raises ``StoreFailed``.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            with part.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except OSError as error:
        raise StoreFailed(f"{path}: {error}; nothing was written") from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
