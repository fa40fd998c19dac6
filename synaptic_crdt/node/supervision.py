"""Keeping the parts of a lasting service alive: one that fails is told, and run again later.

The pause doubles up to a minute, differs a little each time, and is short again once a part has
run for longer than the longest pause. No failure of one part ends another, not even a mistake of
ours; being stopped ends all of them. What waiting does not cure is left to whoever reads: the part
stands on the board with its error.
"""

from collections.abc import Awaitable, Callable
from typing import Final, cast

import trio

from synaptic_crdt.errors import SynapticError, UsageError
from synaptic_crdt.node.board import Board
from synaptic_crdt.node.wire import Emit
from synaptic_crdt.sync.pauses import LONGEST_SECONDS, Pauses

Part = Callable[[], Awaitable[None]]

FAILED: Final = "service failed"

_FIRST_PAUSE_SECONDS: Final = 1.0


async def supervise(
    board: Board, emit: Emit, name: str, part: Part, *, is_strict: bool = False
) -> None:
    """Run a part until it ends by itself, however often it fails.

    With ``is_strict``, raises the ``UsageError`` of its first run: then it was asked for what
    cannot be.
    """
    pauses = Pauses(_FIRST_PAUSE_SECONDS)
    with board.running(name) as service:
        while True:
            began = trio.current_time()
            service.retry_ms = None
            try:
                await part()
            # The last resort: what else goes on here is not to end by a mistake in one part.
            except Exception as failure:
                if (
                    is_strict
                    and not service.failures
                    and isinstance(find_first(failure), UsageError)
                ):
                    raise
                error = describe_failure(failure)
            else:
                return
            if trio.current_time() - began > LONGEST_SECONDS:
                pauses.begin_anew()
            seconds = pauses.take_seconds()
            board.note_failure(service, error, seconds)
            emit({"event": FAILED, "service": name, "error": error, "retry_seconds": seconds})
            await trio.sleep(seconds)


def describe_failure(failure: BaseException) -> str:
    """Return in one line what went wrong first: our own errors as they are, others by kind."""
    failure = find_first(failure)
    told = (str(failure).splitlines() or [""])[0]
    if isinstance(failure, SynapticError):
        return told
    return f"a mistake in this program, not yours ({type(failure).__name__}: {told})"


def find_first(failure: BaseException) -> BaseException:
    """Return the first exception in groups of groups, or the exception itself."""
    if isinstance(failure, BaseExceptionGroup):
        return find_first(cast("BaseExceptionGroup[BaseException]", failure).exceptions[0])
    return failure
