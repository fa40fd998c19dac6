"""The Automerge library, behind one door: joining changes to a file, and taking a file apart.

``join_changes`` is for our own changes alone. Files of others are opened by ``main``, in a process
of its own that ``confine`` has bound in memory and time: a few bytes can ask for hundreds of
megabytes here. It understands nothing, judges nothing, and passes on what it found, change by
change; whoever started it believes none of it.

The one module of the whole program that knows the library, which is a release candidate: what its
bytes are is checked by the tests, against ``changes``.
"""

import resource
import signal
import sys
from collections.abc import Iterable, Iterator
from typing import IO, BinaryIO, Final

from automerge import core

from synaptic_crdt.state import limits

# A change on its way out of the process: its actor, its length, the change itself.
_LENGTH_BYTES: Final = 4
_READ_BYTES: Final = 64 * limits.KIB


def join_changes(changes: Iterable[bytes]) -> bytes:
    """Return a file that holds our own changes, each after those on which it depends.

    The bytes depend on the order of the changes; what they mean does not.
    """
    return core.Document.load(b"".join(changes)).save()


def take_apart(file: BinaryIO, out: BinaryIO) -> None:
    """Write every change of a file to ``out``: those of others' shapes as empty ones.

    Raises whatever the library raises. Called in a process that was confined.
    """
    document = core.Document.load(file.read())
    for change in document.get_changes([]):
        raw, actor = change.raw_bytes, change.actor_id
        if len(actor) != limits.HASH_BYTES or len(raw) > limits.CHANGE_BYTES:
            raw, actor = b"", bytes(limits.HASH_BYTES)
        out.write(actor + len(raw).to_bytes(_LENGTH_BYTES, "big") + raw)
    out.flush()


def read_changes(file: IO[bytes], limit: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield actor and change as ``take_apart`` wrote them, and stop after ``limit`` bytes.

    A change that is cut short, or longer than any of ours, ends it: its process was ended.
    """
    while limit > 0:
        head = file.read(limits.HASH_BYTES + _LENGTH_BYTES)
        size = int.from_bytes(head[limits.HASH_BYTES :], "big")
        if len(head) < limits.HASH_BYTES + _LENGTH_BYTES or size > limits.CHANGE_BYTES:
            return
        change = file.read(size)
        if len(change) < size:
            return
        limit -= len(head) + size
        yield head[: limits.HASH_BYTES], change


def confine(memory_bytes: int, cpu_seconds: int, wall_seconds: int) -> None:
    """Let this process have so much memory and time, and write no file, from now on."""
    for what, limit in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        most = resource.getrlimit(what)[1]
        soft = limit if most == resource.RLIM_INFINITY else min(limit, most)
        resource.setrlimit(what, (soft, most))
    signal.alarm(wall_seconds)


def main() -> None:
    """Take the file on standard input apart, under the limits that the arguments name."""
    confine(*(int(argument) for argument in sys.argv[1:]))
    take_apart(sys.stdin.buffer, sys.stdout.buffer)
