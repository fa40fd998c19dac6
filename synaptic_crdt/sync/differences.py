"""Differences that stay: when the same two ends part for the third time as they met before.

Where nothing moves on either side, something that one of them has does not pass the other's gate,
or one of them does not tell the truth about what it has. Neither end can know which; a person can
look. Bounded: the newest devices are remembered.
"""

from typing import Final

import msgspec

from synaptic_crdt.sync.events import Reconciled
from synaptic_crdt.sync.messages import Done

_REPEATS: Final = 3
_DEVICES: Final = 256


class Alarm(msgspec.Struct, frozen=True):
    """The same difference to a device stayed three times, with nothing admitted on either side."""

    device: bytes
    ours: Done
    theirs: Done


class _Seen(msgspec.Struct):
    ours: Done
    theirs: Done
    admitted: int
    times: int


class Differences:
    """What was seen of each device that this end has exchanged entries with."""

    def __init__(self) -> None:
        self._seen: Final[dict[bytes, _Seen]] = {}

    def take(self, event: Reconciled, admitted: int) -> Alarm | None:
        """Take note of how a session ended; return an alarm the third time that it is the same.

        ``admitted`` counts what was ever admitted here, from whomever. What the other end has
        admitted shows in what it says that it holds.
        """
        last = self._seen.pop(event.device, None)
        if event.equal:
            return None
        now = (event.ours, event.theirs, admitted)
        if last is None or (last.ours, last.theirs, last.admitted) != now:
            last = _Seen(*now, 0)
        last.times += 1
        self._seen[event.device] = last
        if len(self._seen) > _DEVICES:
            del self._seen[next(iter(self._seen))]
        return Alarm(event.device, event.ours, event.theirs) if last.times == _REPEATS else None
