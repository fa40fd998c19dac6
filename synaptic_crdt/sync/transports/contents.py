"""What files hold of a market, and what is held here that no file of a set brings.

Of each file only what is the same here counts: what it says of a feed that went another way here,
or that is not held here yet, is as if it were not in it. So whoever asks what is missing never
takes a stranger's word for anything.
"""

from bisect import insort
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

import msgspec

from synaptic_crdt.state.feeds import Piece
from synaptic_crdt.state.held import Feed
from synaptic_crdt.state.replica import Replica
from synaptic_crdt.state.statements import Statement


class Stretch(NamedTuple):
    """Consecutive entries of one feed, and the chain id of the last one."""

    first: int
    last: int
    id: bytes


class Contents(msgspec.Struct, frozen=True):
    """What one file holds: stretches by device, and the ids of statements."""

    feeds: Mapping[bytes, Stretch]
    statements: frozenset[bytes]


class Missing(msgspec.Struct, frozen=True):
    """What is to be written: (device, first, last) in the order of admission, and statements."""

    stretches: tuple[tuple[bytes, int, int], ...]
    statements: tuple[Statement, ...]

    @property
    def is_empty(self) -> bool:
        """Is there nothing to write?"""
        return not self.stretches and not self.statements


class Coverage:
    """What files hold together, of what is the same here."""

    def __init__(self, replica: Replica, files: Iterable[Contents]) -> None:
        self._replica: Final = replica
        self._stretches: Final[dict[bytes, list[tuple[int, int]]]] = {}
        self._statements: Final[set[bytes]] = set()
        for contents in files:
            self.add(contents)

    def add(self, contents: Contents) -> None:
        """Take one more file into account."""
        for device, first, last in _find_common(self._replica, contents):
            insort(self._stretches.setdefault(device, []), (first, last))
        self._statements.update(contents.statements)

    def find_missing(self) -> Missing:
        """Return what is sealed and held here and in none of the files."""
        held = ((feed.device, 1, get_sealed_end(feed)) for feed in self._replica.feeds.values())
        return self._find(held, None)

    def find_lacking(self, files: Iterable[Contents]) -> Missing:
        """Return what of some files is held here and in none of the files of this coverage."""
        ends: dict[bytes, tuple[int, int]] = {}
        statements: set[bytes] = set()
        for contents in files:
            statements |= contents.statements
            for device, first, last in _find_common(self._replica, contents):
                before = ends.get(device, (first, last))
                ends[device] = min(before[0], first), max(before[1], last)
        held = ((device, *ends[device]) for device in self._replica.feeds if device in ends)
        return self._find(held, statements)

    def _find(
        self, held: Iterable[tuple[bytes, int, int]], among: Container[bytes] | None
    ) -> Missing:
        stretches = [
            (device, *gap)
            for device, first, last in held
            if (gap := self._find_gap(device, first, last)) is not None
        ]
        statements = [
            statement
            for statement in self._replica.walk_statements()
            if statement.id not in self._statements and (among is None or statement.id in among)
        ]
        return Missing(tuple(stretches), tuple(statements))

    def _find_gap(self, device: bytes, first: int, last: int) -> tuple[int, int] | None:
        """Return the shortest stretch with all positions between two that no file has."""
        gaps: list[tuple[int, int]] = []
        follows = first
        for begins, ends in (*self._stretches.get(device, ()), (last + 1, last + 1)):
            if follows <= last and begins > follows:
                gaps.append((follows, min(begins - 1, last)))
            follows = max(follows, ends + 1)
        return (gaps[0][0], gaps[-1][1]) if gaps else None


def collect_pieces(feed: Feed, first: int, last: int) -> Iterator[Piece]:
    """Yield the pieces of a stretch, the last one up to its seal, as far as bodies are at hand."""
    position = first - 1
    while position < last and (piece := feed.get_piece(position + 1)) is not None:
        yield piece
        position = piece.last


def get_sealed_end(feed: Feed) -> int:
    """Return up to where a feed can be given to others."""
    return min(feed.sealed_position, feed.end)


def is_held(replica: Replica, contents: Contents) -> bool:
    """Are all stretches of a file the same here?"""
    return sum(1 for _ in _find_common(replica, contents)) == len(contents.feeds)


def _find_common(replica: Replica, contents: Contents) -> Iterator[tuple[bytes, int, int]]:
    """Yield the stretches (device, first, last) of a file that are the same here."""
    for device, stretch in contents.feeds.items():
        feed = replica.get_feed(device)
        # What was remembered of a file may be damaged: a stretch is one of positions there are.
        is_stretch = 1 <= stretch.first <= stretch.last <= feed.position
        if is_stretch and feed.get_id(stretch.last) == stretch.id:
            yield device, stretch.first, stretch.last
