"""What a session tells its driver, and the counts of what moved."""

from typing import Final, Literal

import msgspec

from synaptic_crdt.state import limits
from synaptic_crdt.state.feeds import Piece
from synaptic_crdt.sync.messages import Done

Role = Literal["member", "auditor"]

NOBODY: Final = bytes(limits.HASH_BYTES)


class Greeted(msgspec.Struct, frozen=True):
    """The other side said hello. Its clock is ahead of ours by ``skew_ms``."""

    role: str
    live: bool
    skew_ms: int


class Offered(msgspec.Struct, frozen=True):
    """Pieces and statements to take to the gate; to be answered with ``settle``."""

    pieces: tuple[Piece, ...]
    statements: tuple[bytes, ...]


class ForkFound(msgspec.Struct, frozen=True):
    """The two sides hold two histories of a feed, which part at ``position``.

    The proof is on its way to the gate or known. ``is_fixed``: theirs has the id that a
    checkpoint fixes and that is awaited here, so the gate is to give way to it.
    """

    device: bytes
    position: int
    is_fixed: bool


class Reconciled(msgspec.Struct, frozen=True):
    """Both sides are done, holding ``ours`` and ``theirs``; the other is ``device``, it says."""

    ours: Done
    theirs: Done
    device: bytes

    @property
    def equal(self) -> bool:
        """Do both sides hold the same entries, in the same state?"""
        return self.ours == self.theirs


Event = Greeted | Offered | ForkFound | Reconciled


class Counts(msgspec.Struct, frozen=True):
    """What moved over a link so far.

    Received are those that were new here; held are those that the other side has and that wait
    for others to be admitted.
    """

    entries_sent: int
    entries_received: int
    entries_held: int
    statements_sent: int
    statements_received: int
    bytes_sent: int
    bytes_received: int
