"""What becomes of entries: their outcomes in the fold, and the rows by which the root binds them."""

from collections.abc import Iterable
from typing import Final, Protocol

import msgspec

from synaptic_crdt.state import merkle
from synaptic_crdt.state.feeds import Entry
from synaptic_crdt.state.tables import Record

UNFOLDED: Final = -1
# Was folded, and taken out of the fold again.
WITHDRAWN: Final = -2


class FeedRow(Record, frozen=True, gc=False):
    """How far a device's feed is folded into the state, and whether it is closed for ever."""

    position: int
    id: bytes
    closed: bool


class EpochRow(Record, frozen=True, gc=False):
    """A closed epoch: its time in ms, its number of entries, the root of their verdicts."""

    time: int
    entries: int
    verdicts: bytes


class Outcome(msgspec.Struct, gc=False):
    """An entry in its place, and what became of it there. Only the machine writes it.

    ``epoch`` is 0 while provisional; ``now`` is its effective time in ms.
    """

    entry: Entry
    operation: object
    verdict: int = UNFOLDED
    epoch: int = 0
    now: int = 0

    @property
    def place(self) -> "Place":
        """Where it stands, without what it says."""
        entry = self.entry
        return Place(entry.device, entry.position, entry.id, self.verdict, self.epoch)


class Place(msgspec.Struct, frozen=True, gc=False):
    """What a root binds of an entry: who wrote it, where in the feed, and what became of it.

    Known also of an entry whose body is not held any more. ``epoch`` is 0 while provisional.
    """

    device: bytes
    position: int
    id: bytes
    verdict: int
    epoch: int


class Judged(Protocol):
    """Anything that says what became of an entry, and when it was settled."""

    @property
    def verdict(self) -> int:
        """The verdict's number."""
        ...

    @property
    def epoch(self) -> int:
        """The epoch that includes the entry; 0 for none."""
        ...


def make_epoch_key(epoch: int) -> bytes:
    """Return the key of a closed epoch's row."""
    return epoch.to_bytes(8, "big")


def compute_verdict_leaves(places: Iterable[Place]) -> list[bytes]:
    """Return the leaves of an epoch's verdict tree, in order."""
    return [
        merkle.compute_verdict_leaf(place.device, place.position, place.id, place.verdict)
        for place in places
    ]
