"""Allowances: so much at once, and more as time goes by.

Values: told what is taken and when, in seconds of any clock that does not jump. They say how fast
something is done, never what is admitted.
"""

from typing import Final

REMEMBERED: Final = 1_024

# Of what no checkpoint names yet, while several links stand: what a link asks for at a time, and
# then about as much as one that is folded beside everything else costs a tenth of a processor.
_ENTRIES: Final = 4_096
_ENTRIES_PER_SECOND: Final = 512.0


class Allowance:
    """So many at once, and so many more each second."""

    __slots__ = ("_at", "_left", "_most", "_per_second")

    def __init__(self, most: int, per_second: float, now: float) -> None:
        self._most: Final = most
        self._per_second: Final = per_second
        self._left = float(most)
        self._at = now

    def try_take(self, now: float) -> bool:
        """Take one, if one is left."""
        if self.get_seconds(now, least=1):
            return False
        self._left -= 1
        return True

    def take(self, count: int, now: float) -> None:
        """Take so many, also if fewer are left: then it takes longer until some are."""
        self._fill(now)
        self._left -= count

    def get_seconds(self, now: float, least: int = 0) -> float:
        """Return how long it takes until so many are left; 0 when they are."""
        self._fill(now)
        return max((least - self._left) / self._per_second, 0.0)

    def _fill(self, now: float) -> None:
        self._left = min(self._left + (now - self._at) * self._per_second, self._most)
        self._at = now


class Pace:
    """How fast devices bring entries that no checkpoint names, over whatever links.

    Answers members that write more than others can take in: they fill their own buffers.
    """

    def __init__(self) -> None:
        # By device, the one that was heard of last at the end.
        self._devices: Final[dict[bytes, Allowance]] = {}

    def note(self, device: bytes, entries: int, now: float) -> None:
        """Take note that a device brought so many."""
        allowance = self._devices.pop(device, None)
        self._devices[device] = allowance or Allowance(_ENTRIES, _ENTRIES_PER_SECOND, now)
        self._devices[device].take(entries, now)
        if len(self._devices) > REMEMBERED:
            del self._devices[next(iter(self._devices))]

    def get_seconds(self, device: bytes, now: float) -> float:
        """Return how long a device is to wait before it brings more."""
        allowance = self._devices.get(device)
        return 0.0 if allowance is None else allowance.get_seconds(now)
