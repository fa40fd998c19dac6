"""The first door: canonical CBOR in, plain values out. Frozen for ever; knows no operation.

Accepts integers in int64, byte strings, text, booleans, null and arrays of them, nothing else:
no maps, tags, floats, indefinite lengths, non-minimal heads or trailing bytes. Every accepted
input re-encodes to itself, so one value has one encoding and one hash.
"""

from typing import Final

import cbor2

from synaptic_crdt.errors import MalformedInput
from synaptic_crdt.state import limits

Value = int | bytes | str | bool | list["Value"] | None

_SHOWN_BYTES: Final = 16


def encode(value: object) -> bytes:
    """Return the one encoding of a value; tuples are written as arrays.

    Raises ``MalformedInput`` for what the format cannot carry.
    """
    if not _is_plain(value, limits.BODY_DEPTH):
        raise MalformedInput(
            f"cannot encode {value!r:.80}: only int64, bytes, text, bool, null and arrays up to"
            f" depth {limits.BODY_DEPTH} are allowed"
        )
    return cbor2.dumps(value)


def encode_trusted(value: object) -> bytes:
    """Encode a value that this program made and knows to be plain, without looking again."""
    return cbor2.dumps(value)


def decode(data: bytes, limit: int) -> Value:
    """Return the value of canonical bytes of at most ``limit`` bytes.

    Raises ``MalformedInput``.
    """
    if len(data) > limit:
        raise MalformedInput(f"{len(data)} bytes are over the limit of {limit} bytes")
    try:
        value = cbor2.loads(
            data,
            max_depth=limits.BODY_DEPTH,
            allow_indefinite=False,
            strict_hashable_types=True,
            allow_duplicate_keys=False,
            semantic_decoders=_BLOCKED_TAGS,
            tag_hook=_refuse_tag,
            object_hook=_refuse_map,
        )
        canonical = cbor2.dumps(value) == data
    except MalformedInput:
        raise
    except (cbor2.CBORError, ValueError, OverflowError, UnicodeError, RecursionError) as error:
        raise MalformedInput(f"not the strict CBOR of this format: {_describe(data)}") from error
    if not canonical or not _is_plain(value, limits.BODY_DEPTH):
        raise MalformedInput(f"not in canonical form: {_describe(data)}")
    return value


def decode_body(body: bytes) -> tuple[int, list[Value]]:
    """Return (timestamp, [tag, field, ...]) of an entry's body.

    Raises ``MalformedInput``; whether the operation is known or sensible is not asked here.
    """
    value = decode(body, limits.BODY_BYTES)
    match value:
        case [int(time), [str(), *_] as operation] if type(time) is int:
            if 0 <= time <= limits.TIMESTAMP_MAX:
                return time, operation
            raise MalformedInput(f"timestamp {time} is outside 0 to {limits.TIMESTAMP_MAX}")
        case _:
            raise MalformedInput(f"a body is [time, [tag, field, ...]], not {_describe(body)}")


def _is_plain(value: object, depth: int) -> bool:
    # Ordered by frequency. The exact type is asked for, so no subclass passes (a bool is not
    # an int here, and a cbor2 special value is nothing).
    kind = type(value)
    if kind is bytes or kind is str or kind is bool or value is None:
        return True
    if kind is int:
        return limits.INTEGER_MIN <= value <= limits.INTEGER_MAX  # type: ignore[operator]
    if (kind is list or kind is tuple) and depth > 0:
        for item in value:  # type: ignore[attr-defined]
            if not _is_plain(item, depth - 1):
                return False
        return True
    return False


def _refuse_tag(*_: object) -> object:
    raise MalformedInput("CBOR tags are not allowed")


def _refuse_map(*_: object) -> object:
    raise MalformedInput("CBOR maps are not allowed")


def _describe(data: bytes) -> str:
    shown = data[:_SHOWN_BYTES].hex()
    return f"{len(data)} bytes beginning with {shown}" if data else "0 bytes"


_BLOCKED_TAGS: Final = dict.fromkeys(range(0, 65_536), _refuse_tag)
