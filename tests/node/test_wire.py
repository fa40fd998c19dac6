"""The lines between an owner and its clients: what is none is told as such, whatever its bytes."""

from collections.abc import Callable

import pytest

from synaptic_crdt.errors import LinkFailed, SynapticError, VersionMismatch
from synaptic_crdt.node.wire import decode_answer, decode_greeting, decode_request

NO_LINES = {
    "nothing": b"",
    "no JSON": b"hello",
    "no text": b'{"result":{"\xbe":1}}',
    "brackets without end": b'{"result":{"a":' + b"[" * 100_000,
    "half a letter": b'{"failure":{"kind":"\\ud800","message":"',
}


@pytest.mark.parametrize(
    ("decode", "error"),
    [
        (decode_answer, LinkFailed),
        (decode_request, LinkFailed),
        (decode_greeting, VersionMismatch),
    ],
)
@pytest.mark.parametrize("name", NO_LINES)
def test_what_is_no_line_is_told(
    decode: Callable[[bytes], object], error: type[SynapticError], name: str
) -> None:
    with pytest.raises(error):
        decode(NO_LINES[name])
