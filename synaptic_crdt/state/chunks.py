"""The frame of an Automerge file: chunks, each with a checksum of its own.

Where a file was damaged is found without opening it: the first chunk that is not what its checksum
was made of is named by its bytes. What is inside a chunk is not looked at; a checksum proves
nothing against whoever meant to alter the file, which the seals inside do.

The checksum of a compressed change covers what it is decompressed to, which only the library does,
in a process of its own: of such chunks only the frame is checked here.
"""

from hashlib import sha256
from typing import BinaryIO, Final

MAGIC: Final = b"\x85\x6f\x4a\x83"
CHECKSUM_BYTES: Final = 4

_COMPRESSED: Final = 2
_MORE: Final = 0x80
_LENGTH_BITS_MAX: Final = 63
_READ_BYTES: Final = 1 << 20


def find_broken_chunk(file: BinaryIO, size: int) -> str | None:
    """Return which bytes of a file of ``size`` bytes are no whole chunk, and why; None for none."""
    start = 0
    while True:
        flaw = _find_flaw(file, size)
        if flaw is not None:
            return f"bytes {start} to {max(file.tell(), start + 1) - 1}: {flaw}"
        start = file.tell()
        if start == size:
            return None


def _find_flaw(file: BinaryIO, size: int) -> str | None:
    """Read one chunk and return what is wrong with it."""
    if file.read(len(MAGIC)) != MAGIC:
        return "this is not how a chunk begins"
    checksum = file.read(CHECKSUM_BYTES)
    kind = file.read(1)
    length, encoded = _read_length(file)
    if length is None:
        return "its length cannot be read"
    if length > size - file.tell():
        ahead = length - (size - file.tell())
        file.seek(size)
        return f"it ends {ahead:,} bytes before its chunk does"
    hashed = sha256(kind + encoded)
    while length:
        data = file.read(min(length, _READ_BYTES))
        hashed.update(data)
        length -= len(data)
    is_checked = kind != bytes((_COMPRESSED,))
    if is_checked and hashed.digest()[:CHECKSUM_BYTES] != checksum:
        return "the checksum of this chunk does not fit"
    return None


def _read_length(file: BinaryIO) -> tuple[int | None, bytes]:
    """Return a LEB128 number, None when there is none, and its bytes."""
    length, encoded = 0, b""
    for shift in range(0, _LENGTH_BITS_MAX, 7):
        byte = file.read(1)
        encoded += byte
        if not byte:
            break
        length |= (byte[0] & 0x7F) << shift
        if not byte[0] & _MORE:
            return length, encoded
    return None, encoded
