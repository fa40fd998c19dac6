"""Time that goes on from one thing to the next, in an order that a seed decides."""

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Final

Deed = Callable[[], None]


class Timeline:
    """What is to happen, by virtual time; at one time, in the order in which it was asked for."""

    def __init__(self) -> None:
        self.now_ms = 0
        self._asked = 0
        self._deeds: Final[list[tuple[int, int, Deed]]] = []

    def call_in(self, ms: int, deed: Deed) -> None:
        """Do something so many milliseconds from now."""
        heappush(self._deeds, (self.now_ms + ms, self._asked, deed))
        self._asked += 1

    def run_until(self, time_ms: int) -> None:
        """Do all that is due by then, and go on to then."""
        while self._deeds and self._deeds[0][0] <= time_ms:
            due_ms, _, deed = heappop(self._deeds)
            # Somebody may have let much time pass at once.
            self.now_ms = max(self.now_ms, due_ms)
            deed()
        self.now_ms = max(self.now_ms, time_ms)

    def run(self) -> None:
        """Do all there is, and what comes of it."""
        while self._deeds:
            self.run_until(self._deeds[0][0])
