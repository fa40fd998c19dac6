"""Pauses between tries: twice as long each time, up to a minute, each give or take a half.

So that who lost the same peer, folder or service does not come back with all others at once, and
what stays away costs little. Chance is asked here alone; it spreads, and hides nothing.
"""

import random
from typing import Final

LONGEST_SECONDS: Final = 60.0


class Pauses:
    """The pauses of one thing that is tried again and again."""

    def __init__(self, first_seconds: float) -> None:
        self._first_seconds: Final = first_seconds
        self._next_seconds = first_seconds

    def take_seconds(self) -> float:
        """Return how long to wait now; the next time it is twice as long."""
        seconds = self._next_seconds
        self._next_seconds = min(2 * seconds, LONGEST_SECONDS)
        return seconds * random.uniform(0.5, 1.5)  # noqa: S311 - no secret

    def begin_anew(self) -> None:
        """It went well: the next pause is the first one again."""
        self._next_seconds = self._first_seconds
