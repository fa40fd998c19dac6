"""The bytes of a bundle file, and nothing of what they mean for a replica.

Magic, version, then frames as on a link: the genesis, pieces in the order of admission (so issuers
come first), statements; an empty frame; and the BLAKE3 hash of all before it. Every version keeps
the frames and the hash, so that a damaged file is never taken for a newer one.
"""

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import IO, Final

from synaptic_crdt.errors import MalformedInput, StoreFailed, UsageError, VersionMismatch
from synaptic_crdt.state import limits
from synaptic_crdt.state.feeds import Piece
from synaptic_crdt.state.hashes import start_hash
from synaptic_crdt.state.replica import Replica
from synaptic_crdt.sync.assembly import Assembly, take_apart
from synaptic_crdt.sync.files import check_readable, write_whole
from synaptic_crdt.sync.messages import (
    LENGTH_BYTES,
    Bodies,
    Header,
    Message,
    decode_one_of,
    encode_frame,
)
from synaptic_crdt.sync.read_keys import SEALED_HEAD_BYTES, is_sealed

BUNDLE_VERSION: Final = 1
STATE_VERSION: Final = 2  # of files that begin at a checkpoint's state

_MAGIC: Final = b"synaptic-crdt bundle\n"
_VERSION_BYTES: Final = 2
_END: Final = bytes(LENGTH_BYTES)

# How every bundle with a whole history begins.
HEAD: Final = _MAGIC + BUNDLE_VERSION.to_bytes(_VERSION_BYTES, "big")
_NAMES: Final = {
    BUNDLE_VERSION: "a bundle with the whole history",
    STATE_VERSION: "a bundle that begins at a state",
}


class GenesisRecord(Message, frozen=True, tag="genesis"):
    """The first frame: the record whose hash is the market id."""

    genesis: bytes


class StatementRecord(Message, frozen=True, tag="statement"):
    """One statement."""

    statement: bytes


def write_file(path: Path, replica: Replica, genesis: bytes) -> None:
    """Write everything a replica holds; nobody ever sees half of the file.

    Raises ``StoreFailed``.
    """
    write_records(path, genesis, get_pieces(replica), replica.get_statements())


def write_records(
    path: Path, genesis: bytes, pieces: Iterable[Piece], statements: Iterable[bytes]
) -> None:
    """Write pieces, each feed's without a gap, and statements to a file; nobody sees half of it.

    Raises ``StoreFailed``.
    """
    with write_whole(path) as file:
        pour_records(file, genesis, pieces, statements)


def pour_records(
    file: IO[bytes], genesis: bytes, pieces: Iterable[Piece], statements: Iterable[bytes]
) -> None:
    """Write a bundle of pieces, each feed's without a gap, and statements to an open file."""
    frames: Iterator[Message] = chain(
        [GenesisRecord(genesis=genesis)],
        (message for piece in pieces for message in take_apart(piece)),
        (StatementRecord(statement=statement) for statement in statements),
    )
    pour_frames(file, BUNDLE_VERSION, frames)


def write_frames(path: Path, version: int, frames: Iterable[Message]) -> None:
    """Write a bundle of a version, of which the genesis is the first frame.

    Raises ``StoreFailed``.
    """
    with write_whole(path) as file:
        pour_frames(file, version, frames)


def pour_frames(file: IO[bytes], version: int, frames: Iterable[Message]) -> None:
    """Write a bundle of a version to an open file."""
    hasher = start_hash("bundle")
    head = _MAGIC + version.to_bytes(_VERSION_BYTES, "big")
    for data in chain([head], map(encode_frame, frames), [_END]):
        hasher.update(data)
        file.write(data)
    file.write(hasher.digest())


@contextmanager
def open_whole(path: Path, expected: int = BUNDLE_VERSION) -> Generator[IO[bytes]]:
    """Open a bundle whose magic, frames, hash and version were checked, at its first frame.

    Raises ``MalformedInput``, ``VersionMismatch``, ``UsageError`` or ``StoreFailed``.
    """
    try:
        check_readable(path)
        with path.open("rb") as file:
            if is_sealed(file.read(SEALED_HEAD_BYTES)):
                raise UsageError(
                    f"{path} is encrypted by a read key; `synaptic-crdt sync file://{path}` merges"
                    " it into a home that has the key, and `bundle write` there makes one for all"
                )
            file.seek(0)
            check_whole(str(path), file, expected)
            yield file
    except FileNotFoundError as error:
        raise UsageError(f"{path}: {error.strerror}; name a bundle file") from error
    except OSError as error:
        raise StoreFailed(f"{path}: {error}") from error


def check_whole(name: str, file: IO[bytes], expected: int = BUNDLE_VERSION) -> None:
    """Check magic, frames, hash and version of an open bundle; it then is at its first frame.

    Raises ``MalformedInput``, ``VersionMismatch`` or ``UsageError``.
    """
    version = _check_frames(name, file)
    if version not in _NAMES:
        raise VersionMismatch(
            f"{name} has version {version}, this program knows up to {STATE_VERSION}; upgrade it"
        )
    if version != expected:
        raise UsageError(
            f"{name} is {_NAMES[version]}, and {_NAMES[expected]} is needed here; the one"
            " is for `bundle read` and `audit`, the other for `join --state`"
        )
    file.seek(len(HEAD))


def read_genesis_record(file: IO[bytes]) -> bytes:
    """Return the genesis, which comes first. Raises ``MalformedInput``."""
    record = decode_one_of(GenesisRecord, read_frame(file))
    assert isinstance(record, GenesisRecord)
    if len(record.genesis) > limits.GENESIS_BYTES:
        raise MalformedInput(
            f"a genesis of {len(record.genesis)} bytes, limit {limits.GENESIS_BYTES}"
        )
    return record.genesis


def read_records(file: IO[bytes]) -> Iterator[Piece | bytes]:
    """Yield the pieces, each feed's without a gap, and then the statements.

    Raises ``MalformedInput``.
    """
    follows: dict[bytes, int] = {}
    has_statements = False
    while payload := read_frame(file):
        record = decode_one_of(Header | StatementRecord, payload)
        if isinstance(record, StatementRecord):
            has_statements = True
            yield record.statement
            continue
        assert isinstance(record, Header)
        if has_statements or follows.get(record.device, record.first) != record.first:
            raise MalformedInput(
                f"feed {record.device.hex()[:16]}: the piece at {record.first} is out of order"
            )
        piece = read_bodies(file, Assembly(record))
        follows[piece.device] = piece.last + 1
        yield piece


def get_pieces(replica: Replica) -> Iterator[Piece]:
    """Yield all that is held of every feed, feeds in the order of admission.

    Raises ``BodyArchived`` where a body is not at hand.
    """
    for feed in replica.feeds.values():
        position = 0
        # Of a closed feed, as much as it takes to show where it ends.
        while position < feed.end and (piece := feed.get_piece(position + 1)) is not None:
            yield piece
            position = piece.last
        if position < feed.end:
            # Raises ``BodyArchived`` where that is why.
            feed.entries.get_bodies(position, position + 1)


def _check_frames(path: str, file: IO[bytes]) -> int:
    """Check everything but what the frames say; return the version."""
    hasher = start_hash("bundle")
    head = file.read(len(HEAD))
    if len(head) < len(HEAD) or not head.startswith(_MAGIC):
        raise MalformedInput(f"{path} is not a bundle, or is damaged at its beginning")
    hasher.update(head)
    while payload := read_frame(file):
        hasher.update(len(payload).to_bytes(LENGTH_BYTES, "big"))
        hasher.update(payload)
    hasher.update(_END)
    checksum = file.read(limits.HASH_BYTES)
    if checksum != hasher.digest():
        raise MalformedInput(f"{path} is damaged: its checksum does not fit; get another copy")
    if file.read(1):
        raise MalformedInput(f"{path} goes on after its end; get another copy")
    return int.from_bytes(head[len(_MAGIC) :], "big")


def read_frame(file: IO[bytes]) -> bytes:
    """Return the next frame's payload, empty at the end; its length is checked before it."""
    prefix = file.read(LENGTH_BYTES)
    size = int.from_bytes(prefix, "big")
    if size > limits.FRAME_BYTES:
        raise MalformedInput(f"a frame of {size} bytes, limit {limits.FRAME_BYTES}")
    payload = file.read(size)
    if len(prefix) < LENGTH_BYTES or len(payload) < size:
        raise MalformedInput("the bundle is cut short; get another copy")
    return payload


def read_bodies(file: IO[bytes], assembly: Assembly) -> Piece:
    """Return the piece whose bodies come next. Raises ``MalformedInput``."""
    piece = None
    while piece is None:
        part = decode_one_of(Bodies, read_frame(file))
        assert isinstance(part, Bodies)
        piece = assembly.add(part.bodies)
    return piece
