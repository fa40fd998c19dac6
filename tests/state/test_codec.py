"""The first door lets one encoding of each plain value through, and nothing else."""

import time
import tracemalloc
from typing import Any, cast

import cbor2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from synaptic_crdt.errors import MalformedInput
from synaptic_crdt.state import limits
from synaptic_crdt.state.codec import Value, decode, decode_body, encode, encode_trusted
from synaptic_crdt.state.feeds import encode_body

LIMIT = limits.BODY_BYTES

scalars = (
    st.integers(limits.INTEGER_MIN, limits.INTEGER_MAX)
    | st.binary(max_size=300)
    | st.text(max_size=80)
    | st.booleans()
    | st.none()
)
plain_values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=6), max_leaves=12)

# Heads at which the encoding grows by a byte, on both sides of zero.
EDGES = [
    sign * (edge + step)
    for edge in (0, 24, 1 << 8, 1 << 16, 1 << 32, 1 << 62)
    for step in (-1, 0, 1)
    for sign in (1, -1)
]


@given(plain_values)
def test_decoding_an_encoding_gives_the_value(value: object) -> None:
    assert decode(encode(value), LIMIT) == value


@pytest.mark.parametrize("number", [*EDGES, limits.INTEGER_MIN, limits.INTEGER_MAX])
def test_every_size_of_integer_passes(number: int) -> None:
    assert decode(encode(number), LIMIT) == number


@pytest.mark.parametrize("length", [0, 23, 24, 255, 256, 65_530])
@pytest.mark.parametrize("unit", [b"a", "a"])
def test_every_size_of_string_passes(length: int, unit: bytes | str) -> None:
    assert decode(encode(unit * length), LIMIT) == unit * length


def test_the_longest_heads_of_lengths_pass() -> None:
    assert decode(encode(bytes(70_000)), 1 << 20) == bytes(70_000)
    assert decode(encode([0] * 70_000), 1 << 20) == [0] * 70_000


def test_text_is_measured_in_bytes() -> None:
    text = "é" * 12  # 24 bytes: the first length with a longer head
    assert decode(encode(text), LIMIT) == text


def mutate(draw: st.DrawFn, data: bytes) -> bytes:
    """Return bytes a few small changes away from an encoding: most are refused, some are not."""
    changed = bytearray(data)
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(changed)))
        match draw(st.sampled_from(["flip", "insert", "drop"])):
            case "flip" if place < len(changed):
                changed[place] ^= 1 << draw(st.integers(0, 7))
            case "insert":
                changed.insert(place, draw(st.integers(0, 255)))
            case _:
                del changed[place : place + 1]
    return bytes(changed)


near_encodings = st.composite(lambda draw: mutate(draw, encode(draw(plain_values))))()


@given(st.binary(max_size=64) | near_encodings)
@example(b"")
def test_what_is_accepted_is_the_only_encoding(data: bytes) -> None:
    try:
        value = decode(data, LIMIT)
    except MalformedInput:
        return
    # The door compares lengths; this compares with an encoder that knows nothing of them.
    assert cbor2.dumps(value) == data
    assert encode(value) == data


@given(near_encodings)
def test_what_is_refused_has_no_plain_value_or_another_encoding(data: bytes) -> None:
    try:
        decode(data, LIMIT)
    except MalformedInput:
        try:
            value = cbor2.loads(data)
            again = encode(value)
        except (cbor2.CBORError, ValueError, TypeError, OverflowError, MalformedInput):
            return
        assert again != data


@given(st.binary(max_size=40))
def test_a_body_of_random_bytes_raises_nothing_else(data: bytes) -> None:
    try:
        decode_body(data)
    except MalformedInput:
        return


@pytest.mark.parametrize("first", range(256))
def test_every_first_byte_alone(first: int) -> None:
    data = bytes([first])
    if first < 24 or 0x20 <= first < 0x38 or first in {0x40, 0x60, 0x80, 0xF4, 0xF5, 0xF6}:
        assert encode(decode(data, LIMIT)) == data
    else:
        with pytest.raises(MalformedInput):
            decode(data, LIMIT)


MALFORMED = {
    "empty": "",
    "trailing byte": "00 00",
    "trailing value": "80 f6",
    "break alone": "ff",
    "map": "a0",
    "map with text key": "a1 61 61 01",
    "map with integer key": "a1 01 01",
    "map in an array": "82 00 a1 61 61 01",
    "map twice the same key": "a2 61 61 01 61 61 02",
    "half float": "f9 3c 00",
    "float": "fa 3f 80 00 00",
    "double": "fb 3f f0 00 00 00 00 00 00",
    "not a number": "f9 7e 00",
    "indefinite array": "9f 00 ff",
    "indefinite bytes": "5f 41 00 ff",
    "indefinite text": "7f 61 61 ff",
    "indefinite map": "bf ff",
    "integer with 1 spare byte": "18 17",
    "integer with 2 spare bytes": "19 00 ff",
    "integer with 4 spare bytes": "1a 00 00 ff ff",
    "integer with 8 spare bytes": "1b 00 00 00 00 ff ff ff ff",
    "negative with a spare byte": "38 17",
    "bytes with a spare length": "58 01 00",
    "text with a spare length": "78 01 61",
    "array with a spare length": "98 01 00",
    "spare head inside an array": "81 18 17",
    "integer of 64 bits": "1b 80 00 00 00 00 00 00 00",
    "negative of 64 bits": "3b 80 00 00 00 00 00 00 00",
    "undefined": "f7",
    "unassigned simple value": "e0",
    "simple value of two bytes": "f8 20",
    "false in two bytes": "f8 14",
    "reserved head 28": "1c",
    "reserved head 29": "1d",
    "reserved head 30": "1e",
    "cut integer": "19 01",
    "cut bytes": "42 00",
    "cut text": "62 61",
    "cut array": "82 00",
    "text that is no UTF-8": "61 ff",
    "text with a surrogate": "63 ed a0 80",
    "text with an overlong form": "62 c0 80",
    "small bignum": "c2 41 01",
    "negative bignum": "c3 41 01",
    "date": "c0 74 32 30 31 33 2d 30 33 2d 32 31 54 32 30 3a 30 34 3a 30 30 5a",
    "epoch": "c1 00",
    "fraction": "c4 82 21 19 6a b3",
    "shareable": "d8 1c 00",
    "shared reference": "82 d8 1c 80 d8 1d 00",
    "string reference": "d9 01 00 82 61 61 d8 19 00",
    "rational": "d8 1e 82 01 02",
    "regular expression": "d8 23 62 28 28",
    "MIME message": "d8 24 60",
    "set": "d9 01 02 80",
    "self-described": "d9 d9 f7 00",
    "unknown tag": "da 7f ff ff ff 00",
    "greatest tag": "db ff ff ff ff ff ff ff ff 00",
    "tag in an array": "81 c1 00",
    "nested too deep": "81" * 9 + "00",
    "nested far too deep": "81" * 60_000,
    "length beyond the input": "9b 00 00 00 7f ff ff ff ff",
    "bytes beyond the input": "5b 00 00 00 7f ff ff ff ff",
    "length beyond any input": "9b ff ff ff ff ff ff ff ff",
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_bytes_are_refused(data: str) -> None:
    with pytest.raises(MalformedInput):
        decode(bytes.fromhex(data), LIMIT)


@pytest.mark.parametrize("content", ["00", "60", "40", "80", "82 01 02"])
def test_no_tag_is_looked_into(content: str) -> None:
    for tag in [*range(400), 1_000, 55_799, 65_535, 65_536, 2**32, 2**64 - 1]:
        tagged = bytearray(cbor2.dumps(tag))
        tagged[0] |= 0xC0  # the head of an integer, made that of a tag
        with pytest.raises(MalformedInput, match=f"semantic tag {tag}"):
            decode(bytes(tagged) + bytes.fromhex(content), LIMIT)


def test_the_limit_comes_before_anything_else() -> None:
    with pytest.raises(MalformedInput, match="65537 bytes are over the limit of 65536"):
        decode(bytes(LIMIT + 1), LIMIT)


def test_depth_is_allowed_up_to_the_limit() -> None:
    deepest = bytes.fromhex("81" * limits.BODY_DEPTH + "00")
    assert encode(decode(deepest, LIMIT)) == deepest


def test_a_map_of_colliding_keys_is_cheap_to_refuse() -> None:
    # CPython hashes integers modulo 2^61 - 1; these all collide.
    keys = (b"\x1b" + (i * (2**61 - 1) % 2**64).to_bytes(8, "big") + b"\x00" for i in range(40_000))
    data = b"\xb9" + (40_000).to_bytes(2, "big") + b"".join(keys)
    start = time.perf_counter()
    with pytest.raises(MalformedInput):
        decode(data, limits.STATEMENT_BYTES)
    # Quadratic work would take seconds.
    assert time.perf_counter() - start < 0.5


UNENCODABLE: dict[str, Any] = {
    "float": 0.5,
    "map": {},
    "set": frozenset[int](),
    "too large": limits.INTEGER_MAX + 1,
    "too small": limits.INTEGER_MIN - 1,
    "lone surrogate": "a\ud800",
    "lone surrogate in an array": [["\udfff"]],
    "bytearray": bytearray(b"a"),
    "object": object(),
    "not a plain integer": type("Number", (int,), {})(1),
    "float in an array": [1, [2.0]],
    "too deep": [[[[[[[[[]]]]]]]]],
}


@pytest.mark.parametrize("value", UNENCODABLE.values(), ids=UNENCODABLE.keys())
def test_what_the_format_cannot_carry_is_not_encoded(value: object) -> None:
    with pytest.raises(MalformedInput):
        encode(value)
    with pytest.raises(MalformedInput):
        encode_body(1, ["tag", cast("Value", value)])


def test_tuples_are_written_as_arrays() -> None:
    assert encode((1, (2,))) == encode([1, [2]]) == encode_trusted([1, [2]])


@pytest.mark.parametrize(
    "value",
    [
        None,
        5,
        [],
        [1],
        [1, "tag"],
        [1, ["tag"], 2],
        ["1", ["tag"]],
        [None, ["tag"]],
        [True, ["tag"]],
        [False, ["tag"]],
        [1, []],
        [1, [2]],
        [1, [b"tag"]],
        [1, [["tag"]]],
        [-1, ["tag"]],
        [limits.INTEGER_MIN, ["tag"]],
    ],
    ids=repr,
)
def test_a_body_is_a_time_and_an_operation(value: object) -> None:
    with pytest.raises(MalformedInput):
        decode_body(encode(value))


@pytest.mark.parametrize("time", [0, 1, limits.TIMESTAMP_MAX])
def test_a_body_gives_time_and_operation(time: int) -> None:
    assert decode_body(encode([time, ["tag", 1, [None]]])) == (time, ["tag", 1, [None]])


def test_equal_tags_are_one_string() -> None:
    (_, one), (_, other) = (decode_body(encode([n, ["a tag", n]])) for n in range(2))
    assert one[0] is other[0]


def test_tags_that_senders_invent_are_not_kept() -> None:
    tracemalloc.start()
    for n in range(300):
        decode_body(encode([1, [f"{n}" + "x" * 60_000]]))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 8 * limits.MIB  # of 18


def test_a_timestamp_beyond_the_limit_is_refused() -> None:
    data = b"\x82\x1b" + (limits.TIMESTAMP_MAX + 1).to_bytes(8, "big") + encode(["tag"])
    with pytest.raises(MalformedInput):
        decode_body(data)


def test_a_body_has_its_own_limit() -> None:
    room = limits.BODY_BYTES - len(encode_body(1, ["tag", bytes(60_000)])) + 60_000
    assert len(encode_body(1, ["tag", bytes(room)])) == limits.BODY_BYTES
    with pytest.raises(MalformedInput):
        encode_body(1, ["tag", bytes(room + 1)])
