"""The first door: canonical CBOR in, plain values out. Frozen for ever; knows no operation.

Accepts integers in int64, byte strings, text, booleans, null and arrays of them, nothing else:
no maps, tags, floats, indefinite lengths, non-minimal heads or trailing bytes. Every accepted
input re-encodes to itself, so one value has one encoding and one hash.

That is checked by length: of all encodings of such a value, its only one with minimal heads is
the shortest, so bytes of that length, all of them read, are that encoding.
"""

from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any, Final

import cbor2

from synaptic_crdt.errors import MalformedInput
from synaptic_crdt.state import limits

Value = int | bytes | str | bool | list["Value"] | None

_SHOWN_BYTES: Final = 16
# Asked of every field of every entry: a name of this module is found sooner than one of another.
_INTEGER_MIN: Final = limits.INTEGER_MIN
_INTEGER_MAX: Final = limits.INTEGER_MAX
# Below each of these, a length or an integer takes that many bytes more than the one before.
_HEAD_1_END: Final = 24
_HEAD_2_END: Final = 1 << 8
_HEAD_3_END: Final = 1 << 16
_HEAD_5_END: Final = 1 << 32


def encode(value: object) -> bytes:
    """Return the one encoding of a value; tuples are written as arrays.

    Raises ``MalformedInput`` for what the format cannot carry.
    """
    try:
        _measure((value,), limits.BODY_DEPTH)
    except (MalformedInput, UnicodeError) as error:
        raise MalformedInput(f"cannot encode {value!a:.80}: {error}") from error
    return cbor2.dumps(value)


def encode_trusted(value: object) -> bytes:
    """Encode a value that this program made and knows to be plain, without looking again."""
    return cbor2.dumps(value)


def decode_trusted(data: bytes) -> Any:  # noqa: ANN401 - as it was encoded
    """Decode what this program encoded, and whose hash was verified, without looking again."""
    return cbor2.loads(data)


def decode(data: bytes, limit: int) -> Value:
    """Return the value of canonical bytes of at most ``limit`` bytes.

    Raises ``MalformedInput``.
    """
    if len(data) > limit:
        raise MalformedInput(f"{len(data)} bytes are over the limit of {limit} bytes")
    try:
        value = _load(data)
        size = _measure((value,), limits.BODY_DEPTH)
    except (cbor2.CBORError, MalformedInput) as error:
        raise MalformedInput(f"{error}: {_describe(data)}") from error
    if size != len(data):
        raise MalformedInput(f"not the shortest form of one value: {_describe(data)}")
    return value


def decode_body(body: bytes) -> tuple[int, list[Value]]:
    """Return (timestamp, [tag, field, ...]) of an entry's body.

    Raises ``MalformedInput``; whether the operation is known or sensible is not asked here.
    """
    value = decode(body, limits.BODY_BYTES)
    # Plain comparisons: every entry passes here, and a pattern costs three times as much.
    if type(value) is list and len(value) == 2:  # noqa: PLR2004
        time, operation = value
        # A bool is no timestamp, so the exact type is asked for.
        if type(time) is int and type(operation) is list and operation:
            if type(operation[0]) is not str:
                raise MalformedInput(f"an operation begins with its tag: {_describe(body)}")
            if not 0 <= time <= limits.TIMESTAMP_MAX:
                raise MalformedInput(f"timestamp {time} is outside 0 to {limits.TIMESTAMP_MAX}")
            operation[0] = _share_tag(operation[0])
            return time, operation
    raise MalformedInput(f"a body is [time, [tag, field, ...]], not {_describe(body)}")


@lru_cache(maxsize=64)
def _share_tag(tag: str) -> str:
    """Return one string for equal tags, so that it is in memory once and not once an entry.

    Not ``intern``: CPython 3.12 keeps what was interned for ever, and tags are a sender's to
    choose.
    """
    return tag


def _measure(items: Sequence[Any], depth: int) -> int:  # noqa: C901, PLR0912
    """Return how many bytes the items take in the one encoding; refuse what has none.

    One ladder, since a call for each item of each entry would double its cost.
    """
    size = 0
    for item in items:
        # The exact type is asked for, so no subclass passes. In order of frequency.
        kind = type(item)  # pyright: ignore[reportUnknownVariableType]
        if kind is bytes:
            head = len(item)
            size += head
        elif kind is int:
            if not _INTEGER_MIN <= item <= _INTEGER_MAX:
                raise MalformedInput("an integer outside int64")
            head = item if item >= 0 else ~item
        elif kind is str:
            head = len(item) if item.isascii() else len(item.encode())
            size += head
        elif kind is bool or item is None:
            size += 1
            continue
        elif kind is list or kind is tuple:
            if not depth:
                raise MalformedInput(f"arrays nested deeper than {limits.BODY_DEPTH}")
            head = len(item)
            size += _measure(item, depth - 1)
        else:
            raise MalformedInput(f"no {kind.__name__} is allowed")
        if head < _HEAD_1_END:
            size += 1
        elif head < _HEAD_2_END:
            size += 2
        elif head < _HEAD_3_END:
            size += 3
        else:
            size += 5 if head < _HEAD_5_END else 9
    return size


def _refuse(*_: object) -> object:
    # The library names the tag, or says that it is a map.
    raise MalformedInput("only integers, bytes, text, booleans, null and arrays are allowed")


def _describe(data: bytes) -> str:
    shown = data[:_SHOWN_BYTES].hex()
    return f"{len(data)} bytes beginning with {shown}" if data else "0 bytes"


# Some of the library's tags import or run code; the hook is only asked about those it does not
# know, so all that could ever be registered are blocked one by one.
_load: Final = partial(
    cbor2.loads,
    max_depth=limits.BODY_DEPTH,
    allow_indefinite=False,
    # Integer keys could be chosen to collide: a map that has any is refused at the first.
    strict_hashable_types=True,
    allow_duplicate_keys=False,
    semantic_decoders=dict.fromkeys(range(65_536), _refuse),
    tag_hook=_refuse,
    object_hook=_refuse,
)
