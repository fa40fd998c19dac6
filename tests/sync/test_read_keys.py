"""Files that are encrypted by a market's read key: opened by who has it, and only as they were."""

from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synaptic_crdt.errors import Forged, MalformedInput, NoReadKey, SynapticError, VersionMismatch
from synaptic_crdt.sync.read_keys import (
    READ_KEY_BYTES,
    ReadKeys,
    compute_name,
    is_sealed,
    make_read_key,
    open_read_key,
    seal_read_key,
)
from tests.sync.conftest import MARKET, make_key

SECRET = bytes(range(READ_KEY_BYTES))
KEYS = ReadKeys(MARKET, [SECRET])
CHUNK = 65_536
HEAD_BYTES = 21 + 2 + 16


def seal(plain: bytes, keys: ReadKeys = KEYS) -> bytes:
    sealed = BytesIO()
    keys.seal(BytesIO(plain), sealed)
    return sealed.getvalue()


def unseal(sealed: bytes, keys: ReadKeys = KEYS) -> bytes:
    plain = BytesIO()
    keys.unseal("x.bundle", BytesIO(sealed), plain)
    return plain.getvalue()


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_what_was_sealed_opens_whatever_its_size(size: int) -> None:
    plain = bytes(i % 251 for i in range(size))
    sealed = seal(plain)
    assert is_sealed(sealed)
    assert unseal(sealed) == plain
    # Twice the same is never the same bytes.
    assert seal(plain) != sealed


def test_a_home_reads_by_all_of_its_keys_and_writes_by_the_first() -> None:
    new = make_read_key()
    both = ReadKeys(MARKET, [new, SECRET])
    assert unseal(seal(b"old"), both) == b"old"
    assert unseal(seal(b"new", both), ReadKeys(MARKET, [new])) == b"new"
    with pytest.raises(NoReadKey, match=compute_name(MARKET, new).hex()):
        unseal(seal(b"new", both))


def test_without_a_key_nothing_opens() -> None:
    assert not ReadKeys(MARKET, [])
    with pytest.raises(NoReadKey, match="read-key take"):
        unseal(seal(b"secret"), ReadKeys(MARKET, []))


def test_a_key_of_another_market_is_another_key() -> None:
    """Even when its bytes are the same: the market is part of its name, and of every chunk."""
    other = ReadKeys(bytes(32), [SECRET])
    sealed = seal(b"secret")
    with pytest.raises(NoReadKey):
        unseal(sealed, other)
    name = compute_name(bytes(32), SECRET)
    renamed = sealed[: HEAD_BYTES - 16] + name + sealed[HEAD_BYTES:]
    with pytest.raises(Forged, match="does not decrypt"):
        unseal(renamed, other)


@given(st.integers(min_value=0), st.integers(0, 7))
def test_no_bit_can_be_changed(where: int, bit: int) -> None:
    sealed = bytearray(seal(b"some words" * 7000))
    sealed[where % len(sealed)] ^= 1 << bit
    with pytest.raises((Forged, MalformedInput, NoReadKey, VersionMismatch)):
        unseal(bytes(sealed))


@pytest.mark.parametrize(
    "size", [0, 5, HEAD_BYTES, HEAD_BYTES + 24, HEAD_BYTES + 25, HEAD_BYTES + 24 + CHUNK + 17]
)
def test_a_file_that_was_cut_does_not_open(size: int) -> None:
    with pytest.raises((Forged, MalformedInput)):
        unseal(seal(b"x" * 2 * CHUNK)[:size])


def test_nothing_can_be_added_or_taken_from_another_file() -> None:
    first, second = seal(b"a" * 2 * CHUNK), seal(b"b" * 2 * CHUNK)
    middle = HEAD_BYTES + 24 + CHUNK + 17
    for forged in (first + b"x", first + first[HEAD_BYTES:], first[:middle] + second[middle:]):
        with pytest.raises(Forged, match="altered or cut"):
            unseal(forged)


def test_another_version_is_told_apart() -> None:
    sealed = seal(b"words")
    with pytest.raises(VersionMismatch, match="version 2"):
        unseal(sealed[:22] + b"\x02" + sealed[23:])


@given(st.binary(max_size=200))
def test_whatever_comes_it_is_one_of_our_errors(rest: bytes) -> None:
    with pytest.raises(SynapticError):
        unseal(seal(b"")[:HEAD_BYTES] + rest)


def test_a_key_is_handed_to_one_device() -> None:
    device, other = make_key(1), make_key(2)
    box = seal_read_key(SECRET, device.get_exchange_public())
    assert open_read_key(box, device) == SECRET
    for wrong, reader in ((box, other), (box[:-1], device), (b"", device)):
        with pytest.raises(Forged, match="sealed to another device"):
            open_read_key(wrong, reader)
    with pytest.raises(Forged, match="has 32 bytes"):
        open_read_key(seal_read_key(b"short", device.get_exchange_public()), device)
    with pytest.raises(MalformedInput, match="no exchange key"):
        seal_read_key(SECRET, bytes(32))
