"""Feeds as a replica holds them: entries, where their windows end, and the seals that are kept."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from typing import Final

from synaptic_crdt.state.feeds import Entry, Piece, Tip, compute_origin
from synaptic_crdt.state.shelf import Front, HeldEntries, Shelf


class Feed:
    """The verified entries of one device, its newest seal and the seals of its windows' ends."""

    __slots__ = (
        "_is_end_verified",
        "_window_ends",
        "closed_position",
        "device",
        "entries",
        "origin",
        "sealed_position",
        "seals",
        "tip",
    )

    def __init__(self, market: bytes, device: bytes) -> None:
        self.device: Final = device
        self.origin: Final = compute_origin(market, device)
        self.tip = Tip(device, 0, self.origin, -1)
        self.entries: Final = HeldEntries()
        self.seals: Final[dict[int, bytes]] = {}
        self.sealed_position = 0
        # Where the market ended this feed; what is held beyond is void and only carries its seal.
        self.closed_position: int | None = None
        self._window_ends: Final[list[int]] = []
        self._is_end_verified = True

    @property
    def position(self) -> int:
        """The position of the newest entry; 0 when there is none."""
        return self.tip.position

    @property
    def head(self) -> bytes:
        """The chain id up to and including the newest entry."""
        return self.tip.head

    @property
    def end(self) -> int:
        """The position up to which the feed is part of the document, as far as it is held."""
        return self.position if self.closed_position is None else self.closed_position

    def lacks(self, position: int) -> bool:
        """Is there more to hold of a feed that goes up to ``position`` elsewhere?"""
        return self.closed_position is None and position > self.position

    def get_id(self, position: int) -> bytes:
        """Return the chain id at a held position; position 0 is the feed's origin."""
        return self.entries.get_id(position) if position else self.origin

    def begin_after(
        self, front: Front, tip: Tip, window_ends: Sequence[int], seals: Mapping[int, bytes]
    ) -> None:
        """Begin with what is in storage up to ``tip``, and the seals that are kept of it."""
        self.entries.begin_after(front)
        self.tip = tip
        self.seals.update(seals)
        self.sealed_position = max(seals, default=0)
        self._window_ends.extend(window_ends)
        self._is_end_verified = False

    def leave(self, shelf: Shelf, position: int) -> None:
        """Hold no more the entries up to ``position``: they are in storage, and stay there."""
        front = self.entries.front
        if position <= (0 if front is None else front.end):
            return
        ends = self._window_ends
        start = 0 if front is None else bisect_right(ends, front.end)
        kept = ends[start - 1] if start else 0
        # The last mark stays until its window has ended.
        new = dict.fromkeys((*ends[start : bisect_right(ends, position)], position))
        marks = [(end, self.get_id(end)) for end in new]
        if front is None:
            front = Front(shelf, self.device, marks, self.seals)
        else:
            front.extend(marks, kept)
        self.entries.begin_after(front)

    def verify_end(self) -> None:
        """Read the last window once, if the end of the feed was taken from a saved state.

        Whoever goes on from there relies on its time and size. Raises ``StoreDamaged``.
        """
        if not self._is_end_verified:
            start = self._window_ends[-1] if self._window_ends else 0
            size = sum(map(len, self.entries.get_bodies(start, self.position)))
            assert size == self.tip.bytes
            self._is_end_verified = True

    def get_window_ends(self, start: int, stop: int) -> Sequence[int]:
        """Return the ends of windows after position ``start`` up to ``stop``."""
        ends = self._window_ends
        return ends[bisect_right(ends, start) : bisect_right(ends, stop)]

    def extend(self, entries: Sequence[Entry], tip: Tip, signature: bytes | None) -> None:
        """Append verified entries that end at ``tip``, sealed there by ``signature``.

        Without a signature they are sound entries of a feed whose storage is damaged: they are
        folded, but offered to nobody.
        """
        assert entries[0].position == self.position + 1
        assert entries[-1].id == tip.head
        replaced = self.get_passing_seal()
        self.entries.extend(entries)
        self.tip = tip
        if tip.is_window_end:
            self._window_ends.append(tip.position)
        if signature is not None:
            if replaced is not None:
                del self.seals[replaced]
            self.seals[tip.position] = signature
            self.sealed_position = tip.position

    def truncate(self, position: int) -> list[Entry]:
        """Take away and return the entries after ``position``, and the seals over them.

        What is left may end in entries that no kept seal covers, until the feed goes on: so it
        does at once.
        """
        self.tip = self.get_tip(position)
        taken = self.entries.cut(position)
        for end in [end for end in self.seals if end > position]:
            del self.seals[end]
        self.sealed_position = max(self.seals, default=0)
        del self._window_ends[bisect_right(self._window_ends, position) :]
        return taken

    def get_tip(self, position: int) -> Tip:
        """Return the end of the feed as it would be if it were no longer than to ``position``."""
        ends = self._window_ends[: bisect_right(self._window_ends, position)]
        size = sum(map(len, self.entries.get_bodies(ends[-1] if ends else 0, position)))
        time = self.entries[position - 1].time if position else -1
        return Tip(self.device, position, self.get_id(position), time, size)

    def get_passing_seal(self) -> int | None:
        """Return the position of the seal that the next one makes superfluous, if any."""
        newest, ends = self.sealed_position, self._window_ends
        index = bisect_left(ends, newest)
        is_kept = newest == 0 or (index < len(ends) and ends[index] == newest)
        return None if is_kept else newest

    def get_piece(self, first: int) -> Piece | None:
        """Return the longest piece that begins at ``first``.

        None when nothing sealed follows, when the seal of its window was damaged in storage, or
        when its bodies are archived.
        """
        if not 1 <= first <= self.sealed_position:
            return None
        ends = self._window_ends
        index = bisect_left(ends, first)
        last = ends[index] if index < len(ends) else self.sealed_position
        signature = self.seals.get(last)
        if signature is None:
            return None
        if not self.entries.has_bodies(first - 1, last):
            return None
        return Piece(
            device=self.device,
            first=first,
            predecessor=self.get_id(first - 1),
            bodies=tuple(self.entries.get_bodies(first - 1, last)),
            signature=signature,
        )
