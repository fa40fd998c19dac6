"""Changes of inputs: of plain bytes, of canonical values, of streams of frames.

Coverage finds its own way through a ladder of refusals once inputs keep their form: a value that
is encoded again after one item of it was changed is refused for the item, not for a length that no
longer fits.
"""

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final, cast

from synaptic_crdt.errors import MalformedInput
from synaptic_crdt.state.codec import Value, decode, encode_trusted
from synaptic_crdt.state.limits import MIB
from synaptic_crdt.sync.messages import LENGTH_BYTES
from tests.fuzzing.target import Change

_NUMBERS: Final = (
    -(2**63), -1, 0, 1, 2, 23, 24, 255, 256, 1023, 1024, 1025, 65_535, 65_536, 2**31, 2**32,
    2**40, 2**48 - 1, 2**53, 2**62, 2**63 - 1, 2**63,
)  # fmt: skip
_LENGTHS: Final = (0, 1, 16, 23, 24, 31, 32, 33, 63, 64, 65, 255, 256, 1024)
_WORDS: Final = ("", "a", "open", "member", "€", "\0", "x" * 300)


def change_bytes(data: bytes, random: Random) -> bytes:
    """Return bytes of which a few were flipped, put in, left out, repeated or moved."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        start = random.randint(0, len(changed))
        size = random.choice((1, 1, 2, 4, 8, 32))
        match random.randrange(5):
            case 0:
                changed[start:start] = random.randbytes(size)
            case 1:
                del changed[start : start + size]
            case 2:
                changed[start:start] = changed[start : start + size]
            case 3 if start < len(changed):
                changed[start] ^= 1 << random.randrange(8)
            case _:
                changed[start : start + size] = random.randbytes(len(changed[start : start + size]))
    return bytes(changed)


def change_text(data: bytes, random: Random) -> bytes:
    """Return a text of which words were left out, repeated or exchanged with numbers and others."""
    words = data.replace(b",", b" , ").replace(b":", b" : ").split(b" ")
    place = random.randrange(len(words))
    match random.randrange(5):
        case 0:
            del words[place]
        case 1:
            words.insert(place, random.choice(words))
        case 2:
            words[place] = str(random.choice(_NUMBERS)).encode()
        case 3:
            words[place] = random.choice((b"null", b"true", b"[]", b"{}", b'""', b'"*"', b"1e9"))
        case _:
            return change_bytes(data, random)
    return b" ".join(words)


def change_json(data: bytes, random: Random) -> bytes:
    """Return lines of JSON of which one differs in one place; of what is none, other text."""
    lines = data.splitlines() or [b""]
    place = random.randrange(len(lines))
    try:
        value = json.loads(lines[place])
    except (ValueError, RecursionError):
        return change_text(data, random)
    if not random.randrange(6):
        return change_text(data, random)
    changed = json.dumps(_change_member(value, random), default=bytes.hex, separators=(",", ":"))
    return b"\n".join([*lines[:place], changed.encode(), *lines[place + 1 :]])


def _change_member(value: Any, random: Random) -> Any:  # noqa: ANN401 - whatever JSON can hold
    if not isinstance(value, dict) or not value or not random.randrange(8):
        return change_item(cast("Value", value), random)
    members = cast("dict[str, Any]", value)
    key = random.choice(list(members))
    if not random.randrange(8):
        return {name: each for name, each in members.items() if name != key}
    return members | {key: _change_member(members[key], random)}


def change_value(data: bytes, random: Random) -> bytes:
    """Return the encoding of a value that differs in one place; of what is none, other bytes."""
    try:
        value = decode(data, MIB)
    except MalformedInput:
        return change_bytes(data, random)
    return encode_trusted(change_item(value, random))


def change_item(value: Value, random: Random) -> Value:
    """Return a value that differs in one place."""
    match value:
        case list() if value and random.randrange(5):
            place = random.randrange(len(value))
            return [*value[:place], change_item(value[place], random), *value[place + 1 :]]
        case list():
            return _change_list(value, random)
        case _ if not random.randrange(6):
            return make_item(random)
        case bool():
            return not value
        case int():
            return random.choice((value + 1, value - 1, -value, random.choice(_NUMBERS)))
        case bytes():
            return change_bytes(value, random)
        case str():
            return change_bytes(value.encode(errors="surrogatepass"), random).decode(
                errors="replace"
            )
        case _:
            return make_item(random)


def make_item(random: Random) -> Value:
    """Return a value that nobody expects."""
    empty: list[Value] = []
    makers: Sequence[Callable[[], Value]] = (
        lambda: random.choice(_NUMBERS),
        lambda: random.randbytes(random.choice(_LENGTHS)),
        lambda: random.choice(_WORDS),
        lambda: random.choice((True, False, None)),
        lambda: list(empty),
        lambda: [random.choice(_NUMBERS), bytes(32)],
    )
    return random.choice(makers)()


def _change_list(value: list[Value], random: Random) -> list[Value]:
    changed = list(value)
    place = random.randint(0, len(changed))
    match random.randrange(4):
        case 0:
            changed.insert(place, make_item(random))
        case 1:
            del changed[place : place + 1]
        case 2:
            changed[place:place] = changed[place : place + 1] * random.choice((1, 1, 8))
        case _:
            random.shuffle(changed)
    return changed


def split_frames(data: bytes) -> list[bytes]:
    """Return the payloads of frames; the last one may be cut short."""
    payloads: list[bytes] = []
    start = 0
    while start + LENGTH_BYTES <= len(data):
        size = int.from_bytes(data[start : start + LENGTH_BYTES], "big")
        start += LENGTH_BYTES
        payloads.append(data[start : start + size])
        start += size
    return payloads


def join_frames(payloads: Sequence[bytes]) -> bytes:
    """Return payloads as frames, each with its length before it."""
    return b"".join(len(each).to_bytes(LENGTH_BYTES, "big") + each for each in payloads)


def make_frames_change(
    head_bytes: int, collect: Callable[[], Sequence[bytes]], repair: Callable[[list[bytes]], object]
) -> Change:
    """Return a change of what has a head of some bytes, and then frames.

    ``collect`` returns streams with frames that may be put in; ``repair`` signs again, or counts
    again, so that a change is found only where it is asked for.
    """

    def change(data: bytes, random: Random) -> bytes:
        head, payloads = data[:head_bytes], split_frames(data[head_bytes:])
        if not payloads or not random.randrange(10):
            return change_bytes(data, random)
        if not random.randrange(8):
            head = bytes([random.randrange(256)]) + head[1:]
        if not random.randrange(20):
            head = change_bytes(head, random)
        for _ in range(random.choice((1, 1, 2, 3))):
            _change_frames(payloads, random, collect, head_bytes)
        if random.randrange(3):
            repair(payloads)
        return head + join_frames(payloads)

    return change


def _change_frames(
    payloads: list[bytes], random: Random, collect: Callable[[], Sequence[bytes]], head_bytes: int
) -> None:
    place = random.randint(0, len(payloads))
    if place == len(payloads) or not random.randrange(4):
        other = split_frames(random.choice(collect())[head_bytes:])
        start = random.randrange(len(other))
        payloads[place:place] = other[start : start + random.randint(1, 4)]
        return
    match random.randrange(6):
        case 0:
            del payloads[place]
        case 1:
            payloads[place:place] = payloads[place : place + random.randint(1, 3)]
        case 2:
            payloads.insert(random.randrange(len(payloads)), payloads.pop(place))
        case _:
            payloads[place] = change_value(payloads[place], random)
