"""A checkpoint's bytes verify by themselves, or are refused; one checkpoint has one encoding."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synaptic_crdt.errors import Forged, MalformedInput
from synaptic_crdt.state import limits
from synaptic_crdt.state.codec import decode, encode_trusted
from synaptic_crdt.state.hashes import compute_hash
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.statements import (
    Checkpoint,
    FrontierItem,
    encode_statement,
    sign_checkpoint,
    verify_statement,
)
from tests.state.conftest import MARKET

KEY = DeviceKey(bytes([9]) * 32)
ITEMS = [
    FrontierItem(bytes([3]) * 32, 7, bytes([4]) * 32),
    FrontierItem(bytes([1]) * 32, 1, bytes([2]) * 32),
]


def sign(frontier: list[FrontierItem] = ITEMS) -> Checkpoint:
    return sign_checkpoint(
        MARKET,
        KEY,
        view=0,
        index=1,
        previous=MARKET,
        time=5_000,
        frontier=frontier,
        root=bytes([8]) * 32,
    )


def get_fields() -> list[Any]:
    fields = decode(encode_statement(sign()), limits.STATEMENT_BYTES)
    assert isinstance(fields, list)
    return fields


def sign_fields(fields: list[Any]) -> bytes:
    """Sign what a careless or hostile sequencer could have put together."""
    checkpoint_id = compute_hash("checkpoint", MARKET, encode_trusted(fields[:-1]))
    return encode_trusted([*fields[:-1], KEY.sign("checkpoint", checkpoint_id)])


def test_a_signed_checkpoint_comes_back_equal() -> None:
    checkpoint = sign()
    assert verify_statement(MARKET, encode_statement(checkpoint)) == checkpoint
    assert [item.device[0] for item in checkpoint.frontier] == [1, 3]  # sorted


def test_signing_the_fields_again_gives_the_same_bytes() -> None:
    assert sign_fields(get_fields()) == encode_statement(sign())


def test_the_signature_is_no_part_of_the_id() -> None:
    fields = get_fields()[:-1]
    assert sign().id == compute_hash("checkpoint", MARKET, encode_trusted(fields))


def test_a_checkpoint_of_another_market_is_forged() -> None:
    with pytest.raises(Forged):
        verify_statement(bytes(32), encode_statement(sign()))


def test_every_changed_bit_is_found() -> None:
    data = encode_statement(sign([]))
    for bit in range(len(data) * 8):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises((Forged, MalformedInput)):
            verify_statement(MARKET, bytes(changed))


CHANGED: dict[str, tuple[int, Any]] = {
    "kind": (0, "seal"),
    "kind of another type": (0, 1),
    "negative view": (1, -1),
    "view of another type": (1, None),
    "view as a boolean": (1, False),
    "index zero": (2, 0),
    "index as a boolean": (2, True),
    "short previous": (3, bytes(31)),
    "long previous": (3, bytes(33)),
    "previous as text": (3, "a" * 32),
    "negative time": (4, -1),
    "time beyond any timestamp": (4, 2**47),
    "time as a boolean": (4, True),
    "frontier of another type": (5, b""),
    "short root": (6, bytes(31)),
    "short signer": (7, bytes(31)),
}
DEVICE, ID = bytes([1]) * 32, bytes([2]) * 32
FRONTIERS: dict[str, list[Any]] = {
    "item without an id": [[DEVICE, 1]],
    "item with a fourth field": [[DEVICE, 1, ID, 0]],
    "item of another type": [5],
    "short device": [[DEVICE[1:], 1, ID]],
    "device as text": [["a" * 32, 1, ID]],
    "short id": [[DEVICE, 1, ID[1:]]],
    "position zero": [[DEVICE, 0, ID]],
    "position too large": [[DEVICE, limits.POSITION_MAX + 1, ID]],
    "position as a boolean": [[DEVICE, True, ID]],
    "position as text": [[DEVICE, "1", ID]],
    "a device twice": [[DEVICE, 1, ID], [DEVICE, 2, ID]],
    "descending": [[DEVICE, 1, ID], [bytes(32), 1, ID]],
    "too many": [[n.to_bytes(32, "big"), 1, ID] for n in range(1, limits.FRONTIER_ITEMS + 2)],
}


@pytest.mark.parametrize(("place", "value"), CHANGED.values(), ids=CHANGED.keys())
def test_a_malformed_field_is_refused_although_signed(place: int, value: object) -> None:
    fields = get_fields()
    fields[place] = value
    with pytest.raises(MalformedInput):
        verify_statement(MARKET, sign_fields(fields))


@pytest.mark.parametrize("frontier", FRONTIERS.values(), ids=FRONTIERS.keys())
def test_a_malformed_frontier_is_refused_although_signed(frontier: list[Any]) -> None:
    fields = get_fields()
    fields[5] = frontier
    with pytest.raises(MalformedInput):
        verify_statement(MARKET, sign_fields(fields))


SHAPES: dict[str, Callable[[list[Any]], Any]] = {
    "a field more": lambda fields: [*fields, 0],
    "a field less": lambda fields: fields[:-1],
    "nothing": lambda _: [],
    "no array": lambda _: 5,
    "kind alone": lambda fields: fields[:1],
    "short signature": lambda fields: [*fields[:-1], fields[-1][:-1]],
    "no signature": lambda fields: [*fields[:-1], None],
}


@pytest.mark.parametrize("change", SHAPES.values(), ids=SHAPES.keys())
def test_another_shape_is_refused(change: Callable[[list[Any]], Any]) -> None:
    with pytest.raises((MalformedInput, Forged)):
        verify_statement(MARKET, encode_trusted(change(get_fields())))


def test_a_full_frontier_fits() -> None:
    items = [
        FrontierItem(n.to_bytes(32, "big"), limits.POSITION_MAX, bytes([255]) * 32)
        for n in range(1, limits.FRONTIER_ITEMS + 1)
    ]
    checkpoint = sign(items)
    assert verify_statement(MARKET, encode_statement(checkpoint)) == checkpoint


def test_the_size_is_limited_before_decoding() -> None:
    with pytest.raises(MalformedInput, match="over the limit"):
        verify_statement(MARKET, bytes(limits.STATEMENT_BYTES + 1))


@given(st.binary(max_size=200))
def test_random_bytes_raise_nothing_else(data: bytes) -> None:
    with pytest.raises((MalformedInput, Forged)):
        verify_statement(MARKET, data)
