"""Frames of Automerge files: what is broken is named by its bytes, what is whole by nothing."""

from io import BytesIO

import pytest
from automerge import core

from synaptic_crdt.state.changes import encode_root_change
from synaptic_crdt.state.chunks import find_broken_chunk

MARKET = bytes(32)


def find(data: bytes) -> str | None:
    return find_broken_chunk(BytesIO(data), len(data))


def make_file() -> bytes:
    return core.Document.load(encode_root_change(MARKET, b"genesis" * 40)).save()


def test_files_and_single_changes_are_whole() -> None:
    change = encode_root_change(MARKET, b"genesis")
    for data in (change, make_file(), change + make_file() + change):
        assert find(data) is None


def test_every_altered_byte_is_within_the_named_chunk() -> None:
    front, data = encode_root_change(MARKET, b"genesis"), make_file()
    for offset in range(len(data)):
        altered = bytearray(data)
        altered[offset] ^= (0x01, 0x80, 0xFF)[offset % 3]
        told = find(front + altered)
        assert told is not None
        assert told.startswith(f"bytes {len(front)} to ")
        last = int(told.removeprefix(f"bytes {len(front)} to ").partition(":")[0])
        assert len(front) + offset <= last


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "bytes 0 to 0: this is not how a chunk begins"),
        (make_file() + b"x", f"bytes {len(make_file())} to {len(make_file())}: this is not how"),
        (make_file()[:4], "bytes 0 to 3: its length cannot be read"),
        (make_file()[:8] + b"\x00" + b"\xff" * 20, "its length cannot be read"),
        (make_file()[:-7], "it ends 7 bytes before its chunk does"),
    ],
)
def test_what_is_cut_or_longer_is_named(data: bytes, told: str) -> None:
    found = find(data)
    assert found is not None
    assert told in found


def test_of_a_compressed_change_only_the_frame_is_checked() -> None:
    chunk = make_file()[:4] + bytes(4) + b"\x02\x03abc"
    assert find(chunk) is None
    assert find(chunk[:-1]) == f"bytes 0 to {len(chunk) - 2}: it ends 1 bytes before its chunk does"


def test_long_chunks_are_read_in_parts() -> None:
    data = core.Document.load(encode_root_change(MARKET, bytes(range(256)) * 10_000)).save()
    assert find(data) is None
    assert find(data[:-1] + bytes((data[-1] ^ 1,))) is not None
