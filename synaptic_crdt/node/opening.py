"""Opening Automerge files of others: in a process of its own, and nothing of it is believed.

The process has no environment, no folder to write to, and limits on memory, time and output, since
a few bytes can ask the library for hundreds of megabytes. What it tells is sorted out here by
writing each change again; what is left of it is still unverified, and goes through the gate.

Answers decompression bombs, files that crash the library or keep it busy, and files of other
markets.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import IO, Final

from synaptic_crdt.errors import MalformedInput, StoreFailed
from synaptic_crdt.state import limits
from synaptic_crdt.state.chunks import MAGIC, find_broken_chunk
from synaptic_crdt.state.interchange import SortedDocument, sort_out
from synaptic_crdt.sync.files import check_readable

_PROGRAM: Final = "from synaptic_crdt.state.document import main; main()"


def is_document(path: Path) -> bool:
    """Does a file begin as Automerge files do? Raises ``UsageError`` or ``StoreFailed``."""
    try:
        check_readable(path)
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError as error:
        raise StoreFailed(f"{path}: {error}") from error


def open_document(path: Path, market: bytes | None) -> SortedDocument:
    """Return what is of use in an Automerge file of ``market`` (None: of any one market).

    Raises ``MalformedInput``, ``WrongMarket``, ``UsageError`` or ``StoreFailed``.
    """
    try:
        check_readable(path)
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > limits.DOCUMENT_BYTES:
                raise MalformedInput(
                    f"{path} has {size:,} bytes, limit {limits.DOCUMENT_BYTES:,}; carry so large a"
                    " market in a bundle"
                )
            flaw = find_broken_chunk(file, size)
            if flaw is not None:
                raise MalformedInput(f"{path} is damaged at {flaw}; get another copy")
            file.seek(0)
            changes = _take_apart(path, file, size)
    except OSError as error:
        raise StoreFailed(f"{path}: {error}") from error
    return sort_out(changes, market)


def _take_apart(path: Path, file: IO[bytes], size: int) -> list[tuple[bytes, bytes]]:
    # Imported here: no other command needs the library.
    from synaptic_crdt.state.document import read_changes

    memory = limits.OPENING_MEMORY_BYTES + limits.OPENING_MEMORY_FACTOR * size
    output = limits.OPENING_OUTPUT_BYTES + limits.OPENING_OUTPUT_FACTOR * size
    seconds = limits.OPENING_SECONDS + limits.OPENING_MIB_SECONDS * (size // limits.MIB)
    with subprocess.Popen(  # noqa: S603 - our own program and numbers
        # -I: neither the environment nor the folder it starts in can bring code of others.
        [sys.executable, "-I", "-c", _PROGRAM, str(memory), str(seconds), str(seconds)],
        stdin=file,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={},
        cwd="/",
    ) as process:
        assert process.stdout is not None
        try:
            changes = list(read_changes(process.stdout, output))
            has_more = bool(process.stdout.read(1))
        finally:
            process.kill()
    if has_more:
        raise MalformedInput(f"{path} holds over {output:,} bytes of changes; nothing was taken")
    if process.returncode < 0:
        raise MalformedInput(
            f"{path}: opening it takes over {memory:,} bytes or {seconds} s; nothing was taken"
        )
    if process.returncode != 0:
        raise MalformedInput(f"{path} is no Automerge document, or is damaged; get another copy")
    return changes
