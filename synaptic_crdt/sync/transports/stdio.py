"""``stdio:``: the link of a program that was started to be one end of it, as by ``exec:``.

It takes the place of the listening end: whoever started the program begins.
"""

import os
from typing import Final, NamedTuple

import trio

from synaptic_crdt.errors import UsageError
from synaptic_crdt.sync import addresses

ADDRESS: Final = f"{addresses.STDIO}:"


class Pipes(NamedTuple):
    """The descriptors to receive from and to send to; they stay open when the stream is closed."""

    receive: int
    send: int


STANDARD: Final = Pipes(0, 1)


def make_stream(address: str, pipes: Pipes | None) -> trio.abc.Stream:
    """Return the stream of a pair of pipes or sockets. Raises ``UsageError``."""
    if pipes is None:
        raise UsageError(f"whoever started this sync has lent no {ADDRESS}")
    if address != ADDRESS:
        raise UsageError(f"{address!r:.200} is not {ADDRESS}, which has nothing behind it")
    if any(os.isatty(descriptor) for descriptor in pipes):
        raise UsageError(
            f"{ADDRESS} is for a program that starts this one, such as"
            f' `synaptic-crdt sync "exec:ssh HOST synaptic-crdt sync {ADDRESS}"`;'
            " here is a terminal"
        )
    try:
        # First both, lest the copy of one gets the number that the other one lacks.
        for descriptor in pipes:
            os.fstat(descriptor)
        receive, send = (trio.lowlevel.FdStream(os.dup(descriptor)) for descriptor in pipes)
    except OSError as error:
        raise UsageError(f"{ADDRESS} is no pair of pipes: {error}") from error
    return trio.StapledStream(send, receive)
