"""Back-off: who misbehaved waits, the longer the more often, and is forgiven in the end.

A value: told what happened and when, in seconds of any clock that does not jump. Bounded: of too
many, the ones whose wait is over first are forgotten. Nothing here decides what is admitted.
"""

from typing import Final, Generic, NamedTuple, TypeVar

REMEMBERED: Final = 1_024

_FIRST_SECONDS: Final = 1.0

Who = TypeVar("Who")


class Waiting(NamedTuple):
    """How often somebody misbehaved since it last did well, and until when it is to wait."""

    times: int
    until: float


class Backoff(Generic[Who]):
    """Remembers whoever misbehaved: addresses, or devices."""

    def __init__(self, longest_seconds: float) -> None:
        self._longest: Final = longest_seconds
        self._waiting: Final[dict[Who, Waiting]] = {}

    def note_bad(self, who: Who, now: float) -> None:
        """Take note that somebody misbehaved: its wait begins, twice as long as the last one."""
        times = self._get_times(who, now) + 1
        # Doubling is stopped long before a number overflows.
        seconds = min(_FIRST_SECONDS * 2 ** min(times - 1, 32), self._longest)
        self._waiting.pop(who, None)
        self._waiting[who] = Waiting(times, now + seconds)
        if len(self._waiting) > REMEMBERED:
            del self._waiting[min(self._waiting, key=lambda each: self._waiting[each].until)]

    def note_good(self, who: Who) -> None:
        """Take note that somebody did well: all is forgotten."""
        self._waiting.pop(who, None)

    def get_seconds(self, who: Who, now: float) -> float:
        """Return how long somebody is still to wait; 0 when it is not."""
        waiting = self._waiting.get(who)
        return 0.0 if waiting is None else max(waiting.until - now, 0.0)

    def _get_times(self, who: Who, now: float) -> int:
        """Return how often somebody misbehaved; who kept quiet for the longest wait is forgiven."""
        waiting = self._waiting.get(who)
        if waiting is None or now > waiting.until + self._longest:
            return 0
        return waiting.times
