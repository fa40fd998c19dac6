"""One budget of memory for what all links of a process have begun to bring.

A piece's bytes are reserved when its header comes, before any of its bodies is taken, and given
back once the gate has judged it. What finds no room waits, and its link is not read on meanwhile:
whoever sends fills its own buffers. Whoever waits longest goes first, and what has begun has room
to end, so nobody waits for ever.

Names of what nobody here has heard of are counted, too: each link remembers a few of them as it
likes, and what is beyond that all links share. There, nobody waits: the link ends, and is made again
when others have ended.

Answers many links that announce much at a time.
"""

from collections.abc import Callable
from typing import Final

from synaptic_crdt.errors import LinkFailed
from synaptic_crdt.state import limits


class Budget:
    """Bytes that may be reserved, shared by whoever reserves; and names, which are few bytes each."""

    def __init__(self, size: int) -> None:
        self._size: Final = size
        # Of those that links have beyond their own.
        self.names_shared = 0
        self._used = 0
        self._waiting: Final[dict[object, None]] = {}
        self._listeners: Final[list[Callable[[], None]]] = []

    @property
    def is_shared(self) -> bool:
        """Are there several links?"""
        return len(self._listeners) > 1

    @property
    def used(self) -> int:
        """The bytes that are reserved."""
        return self._used

    def reserve(self, owner: object, size: int) -> bool:
        """Reserve bytes; if there is no room, ``owner`` waits, and has to ask again."""
        self._waiting.setdefault(owner)
        if next(iter(self._waiting)) is not owner or self._used + size > self._size:
            return False
        self._used += size
        self.leave(owner)
        return True

    def give_back(self, size: int) -> None:
        """Give back bytes that were reserved."""
        self._used -= size
        self._tell()

    def leave(self, owner: object) -> None:
        """Wait no longer."""
        self._waiting.pop(owner, None)
        self._tell()

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` whenever those who wait are to ask again."""
        self._listeners.append(listener)

    def unsubscribe(self, listener: Callable[[], None]) -> None:
        """Stop calling ``listener``."""
        self._listeners.remove(listener)

    def _tell(self) -> None:
        if self._waiting:
            for listener in tuple(self._listeners):
                listener()


class Names:
    """How many names of what is not known here one link remembers."""

    def __init__(self, budget: Budget) -> None:
        self._budget: Final = budget
        self._count = 0

    def add(self, count: int = 1) -> None:
        """Make room for so many more. Raises ``LinkFailed`` when there is none."""
        more = max(self._count + count - max(self._count, limits.LINK_NAMES), 0)
        if self._budget.names_shared + more > limits.SHARED_NAMES:
            raise LinkFailed(
                "the links here announce too much at a time that is new; sync again later"
            )
        self._count += count
        self._budget.names_shared += more

    def close(self) -> None:
        """Give back all: the link has ended."""
        self._budget.names_shared -= max(self._count - limits.LINK_NAMES, 0)
        self._count = 0
