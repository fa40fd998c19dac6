"""What travels over an owner's socket: one JSON document a line, both ways, between processes of
one user on one machine.

The owner speaks first and names its protocol's version. A request is answered by any number of
events and then one result or one error; errors arrive as the exceptions they were.
"""

from collections.abc import Callable
from typing import Any, Final, Literal

import msgspec

from synaptic_crdt import errors
from synaptic_crdt.errors import LinkFailed, Refused, SynapticError, VersionMismatch
from synaptic_crdt.state.limits import MIB

OWNER_VERSION: Final = 1
REQUEST_BYTES: Final = 96 * MIB  # a task with the largest payload there is, in base64
ANSWER_BYTES: Final = 256 * MIB  # a whole log is the largest answer

# Told by a client to whoever started it: from here on it goes on by itself, or through another.
OWNER_ENDED: Final = "owner ended"

# Bytes that are no text, and brackets that are nested too deep, are none either.
_NOT_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

Json = dict[str, Any]
Emit = Callable[[Json], None]
Call = Literal["read", "append", "watch", "start"]


class Greeting(msgspec.Struct, frozen=True):
    """The owner's first line."""

    synaptic_crdt_owner: int


class Request(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a client wants: the name of a query, a command or a service, and its arguments.

    With ``lends_pipes`` its standard input and output come beside it, for the service to use.
    """

    call: Call
    name: str
    args: Json
    lends_pipes: bool = False


class Failure(msgspec.Struct, frozen=True):
    """An exception on its way to a client."""

    kind: str
    message: str
    verdict: str = ""
    explanation: str = ""


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of an answer: exactly one of the three is there."""

    event: Json | None = None
    result: Json | None = None
    failure: Failure | None = None


def encode_line(value: Greeting | Request | Answer) -> bytes:
    """Return one line, its end included."""
    return msgspec.json.encode(value) + b"\n"


def decode_greeting(line: bytes) -> None:
    """Raise ``VersionMismatch`` unless the owner speaks our version."""
    try:
        greeting = msgspec.json.decode(line, type=Greeting)
    except _NOT_JSON as error:
        raise VersionMismatch("the process that owns this home is not this program") from error
    if greeting.synaptic_crdt_owner != OWNER_VERSION:
        raise VersionMismatch(
            f"the process that owns this home speaks version {greeting.synaptic_crdt_owner}, this"
            f" one {OWNER_VERSION}; end it and try again"
        )


def decode_request(line: bytes) -> Request:
    """Return a request. Raises ``LinkFailed`` for anything else."""
    try:
        return msgspec.json.decode(line, type=Request)
    except _NOT_JSON as error:
        raise LinkFailed(f"not a request: {error}") from error


def decode_answer(line: bytes) -> Answer:
    """Return an answer. Raises ``LinkFailed`` for anything else."""
    try:
        return msgspec.json.decode(line, type=Answer)
    except _NOT_JSON as error:
        raise LinkFailed(f"not an answer: {error}") from error


def make_failure(error: SynapticError) -> Failure:
    """Return an exception as it travels."""
    if isinstance(error, Refused):
        return Failure("Refused", str(error), error.verdict, error.explanation)
    # A path in it may have bytes that no JSON has.
    message = str(error).encode(errors="backslashreplace").decode()
    return Failure(type(error).__name__, message)


def make_error(failure: Failure) -> SynapticError:
    """Return the exception that a failure was."""
    if failure.kind == "Refused":
        return Refused(failure.verdict, failure.explanation)
    kind = getattr(errors, failure.kind, SynapticError)
    if not (isinstance(kind, type) and issubclass(kind, SynapticError)):
        kind = SynapticError
    return kind(failure.message)
