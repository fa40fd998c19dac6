"""What happens on links, as whoever follows them is told.

Apart from the links themselves: a command that only shows how they are loads nothing that makes
them.
"""

import msgspec

from synaptic_crdt.errors import SynapticError
from synaptic_crdt.sync.differences import Alarm
from synaptic_crdt.sync.events import Counts, ForkFound, Greeted, Reconciled


class SyncReport(msgspec.Struct, frozen=True):
    """What a link has moved so far, and whether both ends hold the same (None: not known).

    ``rejected`` counts the lies that ended the link.
    """

    counts: Counts
    rejected: int
    equal: bool | None
    root: bytes | None


class LeftOut(msgspec.Struct, frozen=True):
    """More of a device's feed came than can be taken now, and why; once for each feed of a link."""

    device: bytes
    reason: str


LinkEvent = LeftOut | Greeted | ForkFound | Reconciled | Alarm | SyncReport


class Linked(msgspec.Struct, frozen=True):
    """A link was made, with a device that showed that it belongs to the market."""

    device: bytes


class Lost(msgspec.Struct, frozen=True):
    """A link could not be made, or broke; it is made again after ``pause_seconds``, if ever.

    ``wait_seconds``: how long whoever came is served less, or not at all, for what it did.
    """

    error: SynapticError
    pause_seconds: float | None
    wait_seconds: float = 0.0


class Left(msgspec.Struct, frozen=True):
    """A link that somebody else had made ended in good order."""


Happening = LinkEvent | Linked | Lost | Left
