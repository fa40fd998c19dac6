"""Transports that yield no stream: a place to read from and to write to, in passes.

Nobody is at the other end, so there is no session: what lies there is read through the gate like
anything else, and what the place lacks is written. A newcomer is a module with a class that has
``run_pass``, and a line in ``sync/exchanges.py``.
"""

import tempfile
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import IO, Final, NamedTuple, Protocol

import msgspec

from synaptic_crdt.errors import StoreFailed
from synaptic_crdt.state.feeds import Piece
from synaptic_crdt.state.statements import Statement, encode_statement
from synaptic_crdt.sync.events import Counts
from synaptic_crdt.sync.gate import Gate
from synaptic_crdt.sync.happenings import SyncReport
from synaptic_crdt.sync.read_keys import SEALED_HEAD_BYTES, ReadKeys, is_sealed
from synaptic_crdt.sync.transports.bundle_format import check_whole, pour_records

_IN_MEMORY_BYTES: Final = 1 << 24


class Skipped(msgspec.Struct, frozen=True):
    """Something that was left alone, for now or for good, and why."""

    name: str
    why: str


class Passed(msgspec.Struct, frozen=True):
    """What all passes so far have moved.

    ``has_moved``: this one found something new, or wrote something. ``is_behind``: there is more
    to read than one pass may, so another one is to follow at once. ``skipped``: what was left alone
    and was not told before. ``error``: why nothing could be written; what was read is admitted.
    """

    report: SyncReport
    has_moved: bool
    is_behind: bool
    skipped: tuple[Skipped, ...]
    error: StoreFailed | None = None


class Memory(Protocol):
    """Where a home keeps what it knows of a place from one time to the next."""

    def load(self, address: str) -> bytes:
        """Return what was kept of an address, nothing if nothing was."""
        ...

    def keep(self, address: str, data: bytes) -> None:
        """Keep what is known of an address. Raises ``StoreFailed``."""
        ...


class FileEnd(NamedTuple):
    """This end of every exchange: what it holds, who it is, and which keys it reads by.

    ``seals``: what it writes is encrypted by the first of the keys.
    """

    gate: Gate
    genesis: bytes
    device: bytes
    keys: ReadKeys
    seals: bool
    memory: Memory | None = None

    def get_stamp(self) -> tuple[object, ...]:
        """Return what is another one once anything else is held."""
        replica = self.gate.replica
        chain = replica.chain
        beside = tuple(each.id for each in replica.get_beside())
        return self.gate.entries_admitted, replica.entries, chain.head, beside

    @contextmanager
    def open(self, name: str, file: IO[bytes]) -> Generator[IO[bytes]]:
        """Yield the bundle in an open file, decrypted and checked, at its first frame.

        Raises ``MalformedInput``, ``Forged``, ``VersionMismatch``, ``NoReadKey`` or
        ``UsageError``.
        """
        head = file.read(SEALED_HEAD_BYTES)
        file.seek(0)
        if not is_sealed(head):
            check_whole(name, file)
            yield file
            return
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES) as plain:
            self.keys.unseal(name, file, plain)
            plain.seek(0)
            check_whole(name, plain)
            yield plain

    def pour(
        self, file: IO[bytes], pieces: Iterable[Piece], statements: Iterable[Statement]
    ) -> None:
        """Write a bundle into an open file, encrypted if this end does so."""
        encoded = map(encode_statement, statements)
        if not self.seals:
            pour_records(file, self.genesis, pieces, encoded)
            return
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES) as plain:
            pour_records(plain, self.genesis, pieces, encoded)
            plain.seek(0)
            self.keys.seal(plain, file)


class Tally:
    """What passes have moved, in the words of links."""

    def __init__(self) -> None:
        self.entries_sent = 0
        self.entries_received = 0
        self.statements_sent = 0
        self.statements_received = 0
        self.bytes_sent = 0
        self.bytes_received = 0

    def report(self, *, held: int, equal: bool | None, root: bytes | None) -> SyncReport:
        """Return the report as it is now."""
        counts = Counts(
            self.entries_sent,
            self.entries_received,
            held,
            self.statements_sent,
            self.statements_received,
            self.bytes_sent,
            self.bytes_received,
        )
        return SyncReport(counts, 0, equal, root)


class Exchange(Protocol):
    """One place, for as long as somebody keeps it in step."""

    async def run_pass(self) -> Passed:
        """Read what is new there, and write what it lacks.

        Raises a ``SynapticError`` when the place is not there or cannot be read; what was read
        before stays admitted.
        """
        ...

    def close(self) -> None:
        """Keep what is worth knowing the next time. Raises ``StoreFailed``."""
        ...
