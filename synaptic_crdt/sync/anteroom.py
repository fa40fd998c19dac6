"""Where who comes waits for its turn, before anything is computed or kept for it.

One is let through every few turns of the scheduler, so that links which stand, and who is in the
middle of showing whose it is, always have more turns than who comes. Hosts go first from which a
device of the market came before, each host in its turn, and of a host who came last: who came
earlier has more likely gone. Of too many the oldest goes, of the host that has the most.

While few come nobody waits. Answers floods of connections that make this end compute.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

import trio

from synaptic_crdt.errors import LinkFailed

PLACES: Final = 256  # each a connection and a task, and nothing else
_TURNS: Final = 4  # of the scheduler, between one and the next


class Anteroom:
    """Lets those who come through one by one, while ``run`` runs."""

    def __init__(self, is_good: Callable[[str], bool]) -> None:
        """``is_good`` tells whether a device of the market came from a host before."""
        self._is_good: Final = is_good
        # By host, in turn: who waits, the newest at the end.
        self._waiting: Final[dict[str, deque[_Visitor]]] = {}
        self._count = 0
        self._has_come = trio.Event()

    async def wait(self, host: str) -> None:
        """Wait for the turn of somebody from a host. Raises ``LinkFailed`` when it has to go."""
        visitor = _Visitor()
        if self._count == PLACES:
            self._put_out()
        self._waiting.setdefault(host, deque()).append(visitor)
        self._count += 1
        self._has_come.set()
        try:
            await visitor.is_called.wait()
        finally:
            if not visitor.is_called.is_set():
                self._remove(host, visitor)
        if visitor.is_out:
            raise LinkFailed("too many come at a time; try again")

    async def run(self) -> None:
        """Let one through after the other, until cancelled."""
        while True:
            await self._has_come.wait()
            self._call_next()
            if not self._count:
                self._has_come = trio.Event()
            for _ in range(_TURNS):
                await trio.lowlevel.checkpoint()

    def _call_next(self) -> None:
        if not self._waiting:
            return
        host = next(filter(self._is_good, self._waiting), next(iter(self._waiting)))
        waiting = self._waiting.pop(host)
        waiting.pop().is_called.set()
        self._count -= 1
        if waiting:
            # Behind the others.
            self._waiting[host] = waiting

    def _put_out(self) -> None:
        host = max(self._waiting, key=lambda each: len(self._waiting[each]))
        visitor = self._waiting[host][0]
        self._remove(host, visitor)
        visitor.is_out = True
        visitor.is_called.set()

    def _remove(self, host: str, visitor: "_Visitor") -> None:
        waiting = self._waiting[host]
        waiting.remove(visitor)
        self._count -= 1
        if not waiting:
            del self._waiting[host]


class _Visitor:
    """Somebody who waits."""

    __slots__ = ("is_called", "is_out")

    def __init__(self) -> None:
        self.is_called: Final = trio.Event()
        self.is_out = False
