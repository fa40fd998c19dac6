"""The number of each entry in the market's order, by its id, at eight bytes an entry.

Four bytes of the id are kept, so what is found is a guess: whoever asked has to look whether the
entry of that number has the whole id.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Final

_PREFIX_BYTES: Final = 4
_NUMBER_BITS: Final = 32


class Numbering:
    """Numbers ids from 0 on, in the order in which they come."""

    __slots__ = ("_count", "_runs")

    def __init__(self) -> None:
        # Sorted; each at least twice as long as the next, so that there are few to look into and
        # each id is seldom moved.
        self._runs: Final[list[array[int]]] = []
        self._count = 0

    def extend(self, ids: Iterable[bytes]) -> None:
        """Number the next ids."""
        run = [_get_prefix(each) | number for number, each in enumerate(ids, self._count)]
        self._count += len(run)
        run.sort()
        while self._runs and len(self._runs[-1]) < 2 * len(run):
            run = sorted([*self._runs.pop(), *run])
        self._runs.append(array("Q", run))

    def find(self, entry_id: bytes) -> Iterator[int]:
        """Yield the numbers of the entries whose ids begin as this one does."""
        prefix = _get_prefix(entry_id)
        for run in self._runs:
            for place in range(bisect_left(run, prefix), len(run)):
                if run[place] >> _NUMBER_BITS != prefix >> _NUMBER_BITS:
                    break
                yield run[place] - prefix


def _get_prefix(entry_id: bytes) -> int:
    return int.from_bytes(entry_id[:_PREFIX_BYTES].ljust(_PREFIX_BYTES, b"\0")) << _NUMBER_BITS
