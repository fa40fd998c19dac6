"""Files that are exchanged with others: written whole or not at all, and durable once they are
there; read only where reading has an end.
"""

import os
import stat
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from synaptic_crdt.errors import StoreFailed, UsageError
from synaptic_crdt.folders import sync_folder


def check_readable(path: Path) -> None:
    """Raise ``UsageError`` for what is no file with an end: a pipe could be waited on for ever.

    Raises ``OSError`` when there is nothing.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise UsageError(f"{path} is no ordinary file; name a bundle file or an Automerge file")


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
        sync_folder(path.parent)
    except OSError as error:
        raise StoreFailed(f"{path}: {error}; nothing was written") from error
