"""Our own bytes of changes against those of the library, and nothing else read as ours."""

from collections.abc import Sequence

import pytest
from automerge import core
from hypothesis import given, settings
from hypothesis import strategies as st

from synaptic_crdt.state import limits
from synaptic_crdt.state.changes import (
    FeedChanges,
    StatementChanges,
    encode_root_change,
    get_change_hash,
    read_root_change,
)
from synaptic_crdt.state.hashes import compute_hash

GENESIS = b"a genesis"
MARKET = compute_hash("market", GENESIS)
ROOT_CHANGE = encode_root_change(MARKET, GENESIS)
ROOT = get_change_hash(ROOT_CHANGE)
DEVICE = bytes(range(100, 132))

# Around each length at which a number in a change takes one byte more.
SIZES = st.one_of(
    st.integers(1, 300),
    st.sampled_from([*range(1020, 1030), *range(16_000, 16_400, 7), *range(16_380, 16_388)]),
    st.sampled_from([limits.BODY_BYTES - 1, limits.BODY_BYTES]),
)
BORDERS = (1, 2, 59, 60, 61, 123, 124, 127, 128, 8_187, 8_188, 8_189, 16_379, 16_383, 16_384)


def make_value(size: int) -> bytes:
    return (b"%d " % size * size)[:size]


def make_root(genesis: bytes) -> tuple[core.Document, bytes, bytes]:
    """Return a document that the library made, and its maps of feeds and statements."""
    document = core.Document(compute_hash("market", genesis))
    with document.transaction() as writing:
        writing.put(core.ROOT, "genesis", core.ScalarType.Bytes, genesis)
        feeds = writing.put_object(core.ROOT, "feeds", core.ObjType.Map)
        statements = writing.put_object(core.ROOT, "statements", core.ObjType.Map)
    return document, feeds, statements


def write_feed_by_library(device: bytes, bodies: Sequence[bytes]) -> "list[core.Change]":
    document, feeds, _ = make_root(GENESIS)
    document.set_actor(device)
    entries = b""
    for index, body in enumerate(bodies):
        with document.transaction() as writing:
            if index == 0:
                entries = writing.put_object(feeds, device.hex(), core.ObjType.List)
            writing.insert(entries, index, core.ScalarType.Bytes, body)
    return document.get_changes([])[1:]


def write_statements_by_library(actor: bytes, statements: Sequence[bytes]) -> "list[core.Change]":
    document, _, place = make_root(GENESIS)
    document.set_actor(actor)
    for statement in statements:
        name = compute_hash("statement", statement).hex()
        with document.transaction() as writing:
            writing.put(place, name, core.ScalarType.Bytes, statement)
    return document.get_changes([])[1:]


def raw(changes: "Sequence[core.Change]") -> list[bytes]:
    return [change.raw_bytes for change in changes]


@given(SIZES)
def test_the_root_change_is_the_library_s(size: int) -> None:
    genesis = make_value(size)
    document, _, _ = make_root(genesis)
    (theirs,) = document.get_changes([])
    ours = encode_root_change(compute_hash("market", genesis), genesis)
    assert ours == theirs.raw_bytes
    assert get_change_hash(ours) == theirs.hash
    assert read_root_change(ours) == (compute_hash("market", genesis), genesis)


def test_a_genesis_over_its_limit_is_not_read() -> None:
    genesis = bytes(limits.GENESIS_BYTES + 1)
    assert read_root_change(encode_root_change(compute_hash("market", genesis), genesis)) is None


def test_a_root_change_of_another_market_than_its_genesis_is_not_read() -> None:
    assert read_root_change(encode_root_change(bytes(32), GENESIS)) is None


@given(st.binary(min_size=32, max_size=32), st.lists(SIZES, min_size=1, max_size=6))
@settings(max_examples=200)
def test_the_changes_of_a_feed_are_the_library_s(device: bytes, sizes: Sequence[int]) -> None:
    bodies = [make_value(size) for size in sizes]
    theirs = write_feed_by_library(device, bodies)
    writing, reading, counting = (FeedChanges(MARKET, ROOT, device) for _ in range(3))
    ours = writing.write(bodies)
    assert ours == raw(theirs)
    assert [reading.read(change) for change in ours] == bodies
    counting.pass_over(bodies)
    for changes in (writing, reading, counting):
        assert (changes.position, changes.head) == (len(bodies), theirs[-1].hash)


def test_the_changes_of_a_long_feed_are_the_library_s() -> None:
    bodies = [b"%d" % number for number in range(BORDERS[-1] + 10)]
    ours = FeedChanges(MARKET, ROOT, DEVICE).write(bodies)
    theirs = write_feed_by_library(DEVICE, bodies)
    assert ours == raw(theirs)
    counting = FeedChanges(MARKET, ROOT, DEVICE)
    for border in BORDERS:
        counting.pass_over(bodies[counting.position : border])
        assert counting.head == theirs[border - 1].hash


@given(st.binary(min_size=32, max_size=32), st.lists(SIZES, min_size=1, max_size=5, unique=True))
def test_the_changes_of_statements_are_the_library_s(actor: bytes, sizes: Sequence[int]) -> None:
    statements = [make_value(size) for size in sizes]
    writing, reading = (StatementChanges(MARKET, ROOT, actor) for _ in range(2))
    ours = [writing.write(statement) for statement in statements]
    assert ours == raw(write_statements_by_library(actor, statements))
    assert [reading.read(change) for change in ours] == statements


def test_the_changes_of_many_statements_are_the_library_s() -> None:
    statements = [b"%d" % number for number in range(200)]
    writing = StatementChanges(MARKET, ROOT, DEVICE)
    ours = [writing.write(statement) for statement in statements]
    assert ours == raw(write_statements_by_library(DEVICE, statements))


@pytest.mark.parametrize("size", [1, 100, 1_000])
def test_no_changed_bit_is_read(size: int) -> None:
    first, second = FeedChanges(MARKET, ROOT, DEVICE).write([make_value(size), b"more"])
    statement = StatementChanges(MARKET, ROOT, DEVICE).write(make_value(size))
    for bit in range(len(statement) * 8):
        assert StatementChanges(MARKET, ROOT, DEVICE).read(flip(statement, bit)) is None
    for bit in range(len(first) * 8):
        assert FeedChanges(MARKET, ROOT, DEVICE).read(flip(first, bit)) is None
    for bit in range(len(second) * 8):
        changes = FeedChanges(MARKET, ROOT, DEVICE)
        assert changes.read(first) is not None
        assert changes.read(flip(second, bit)) is None
        assert changes.position == 1
    for bit in range(len(ROOT_CHANGE) * 8):
        assert read_root_change(flip(ROOT_CHANGE, bit)) is None


@pytest.mark.parametrize("cut", [0, 1, 8, 40, 100])
def test_no_cut_change_is_read(cut: int) -> None:
    (change,) = FeedChanges(MARKET, ROOT, DEVICE).write([bytes(200)])
    statement = StatementChanges(MARKET, ROOT, DEVICE).write(bytes(200))
    assert FeedChanges(MARKET, ROOT, DEVICE).read(change[:cut]) is None
    assert FeedChanges(MARKET, ROOT, DEVICE).read(change + bytes(cut + 1)) is None
    assert StatementChanges(MARKET, ROOT, DEVICE).read(statement[:cut]) is None
    assert read_root_change(ROOT_CHANGE[:cut]) is None


def test_a_change_of_another_place_is_not_read() -> None:
    first, second, third = FeedChanges(MARKET, ROOT, DEVICE).write([b"1", b"2", b"3"])
    for others in (
        FeedChanges(MARKET, ROOT, bytes(32)),
        FeedChanges(bytes(32), ROOT, DEVICE),
        FeedChanges(MARKET, bytes(32), DEVICE),
    ):
        assert others.read(first) is None
    changes = FeedChanges(MARKET, ROOT, DEVICE)
    assert changes.read(second) is None
    assert changes.read(first) == b"1"
    assert changes.read(first) is None
    assert changes.read(third) is None
    assert changes.read(second) == b"2"


def flip(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)
