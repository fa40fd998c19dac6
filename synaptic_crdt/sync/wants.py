"""What one side of a link lacks of the other: what to ask for, what is asked, what must wait.

Asks for nothing that is held, for at most four windows' worth of entries at a time, and for a
refused feed again only after another feed came. Nothing with a gap is kept: the rest is
asked for from our own end.

What is over quota is asked for again once more of its feed is named.

Answers feeds announced without end, withheld bodies, differences that never shrink (what was refused is not asked for again
while nothing changes), and one bad feed stopping the others (a forked feed is left out, alone).
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from synaptic_crdt.errors import ProtocolViolation
from synaptic_crdt.state import limits
from synaptic_crdt.state.feeds import Piece
from synaptic_crdt.state.replica import Replica
from synaptic_crdt.state.statements import FrontierItem
from synaptic_crdt.sync.budget import Names
from synaptic_crdt.sync.inspection import Admission
from synaptic_crdt.sync.messages import Want, Wanted
from synaptic_crdt.sync.named import get_named_position

_WINDOWS_ASKED: Final = 4
_RETRIED: Final = 64  # of those over quota, at a time: each may bring a piece for nothing


class _Asked(msgspec.Struct):
    """A want on its way: the next piece's first position, and the pieces still to come."""

    first: int
    pieces: int
    cost: int


class Wants:
    """Compares what the other side is known to have with what the replica holds."""

    def __init__(self, replica: Replica, names: Names) -> None:
        self._replica: Final = replica
        self._names: Final = names
        # By device: what the other side is known to have, and what it was told that we have.
        self._theirs: Final[dict[bytes, int]] = {}
        self._announced: Final[dict[bytes, int]] = {}
        self._lacking: Final[dict[bytes, None]] = {}
        self._asked: Final[dict[bytes, _Asked]] = {}
        self._cost = 0
        self._held: Final[dict[bytes, None]] = {}
        self._feeds = len(replica.feeds)
        # Over quota, by device: up to where it was named, and what counted, when it was left out.
        self._over: Final[dict[bytes, tuple[int, bytes]]] = {}
        # By device: up to where its feed was held, was fixed, and was awaited, when left out.
        self._left_out: Final[dict[bytes, tuple[int, int, FrontierItem | None]]] = {}
        # By device: from where on to ask for the branch that is awaited, which the other side has.
        self._followed: Final[dict[bytes, int]] = {}
        # By device: how often its feed was cut here, as far as it was noted.
        self._cuts: Final[dict[bytes, int]] = {
            device: cut.count for device, cut in replica.branches.cuts.items()
        }

    @property
    def is_settled(self) -> bool:
        """Is there nothing to ask for, and nothing asked?"""
        return not self._lacking and not self._asked

    @property
    def entries_held(self) -> int:
        """The number of entries that the other side has and that wait: for others to be admitted,
        or, being over quota, for a checkpoint.
        """
        return sum(
            max(self._theirs[device] - self._replica.get_feed(device).position, 0)
            for device in (*self._held, *self._over)
        )

    def check_room(self, device: bytes) -> None:
        """Check that the other side may name this feed.

        Raises ``ProtocolViolation`` when it is one more than a link remembers, ``LinkFailed`` when
        nobody here has heard of it, and of too many others that links announce.
        """
        if device in self._theirs:
            return
        if len(self._theirs) >= limits.LINK_FEEDS:
            raise ProtocolViolation(f"more than {limits.LINK_FEEDS} feeds on one link")
        if device not in self._replica.feeds:
            self._names.add()

    def get_theirs(self, device: bytes) -> int:
        """Return up to where the other side is known to hold a feed."""
        return self._theirs.get(device, 0)

    def note_theirs(self, device: bytes, position: int) -> None:
        """Remember that the other side has, or was just sent, a feed up to ``position``."""
        if position > self._theirs.get(device, 0):
            self._theirs[device] = position

    def announce(self, device: bytes, position: int) -> None:
        """Remember that the other side takes us to have a feed up to ``position``."""
        # Of a feed that gave way less may be told than was before, and asked for all the same.
        self._announced[device] = max(position, self._announced.get(device, 0))

    def note_asked(self, device: bytes, first: int) -> None:
        """Remember that the other side asks for a feed from ``first`` on, so it has no more."""
        if self._theirs.get(device, 0) >= first:
            self._theirs[device] = first - 1

    def get_announced(self, device: bytes) -> int:
        """Return up to where the other side may ask for a feed, even if it is cut since."""
        return self._announced.get(device, 0)

    def is_left_out(self, device: bytes) -> bool:
        """Is this feed forked as seen on this link?"""
        return device in self._left_out

    def leave_out(self, device: bytes) -> None:
        """Exchange nothing more of a feed on this link: the two sides hold two histories."""
        position = self._replica.get_feed(device).position
        fixed = self._replica.chain.get_fixed_position(device)
        self._left_out[device] = (position, fixed, self._replica.branches.get_awaited(device))
        self._held.pop(device, None)
        self._over.pop(device, None)
        self._lacking.pop(device, None)
        self._followed.pop(device, None)

    def follow(self, device: bytes, position: int, end: int) -> None:
        """Ask for a feed from ``position`` on: up to ``end`` theirs is the branch that is awaited."""
        for waiting in (self._left_out, self._held, self._over):
            waiting.pop(device, None)
        self._followed[device] = position
        self.note_theirs(device, end)
        self.add(device)

    def is_stale(self, piece: Piece) -> bool:
        """Was a piece asked for before it was known which branch is awaited?"""
        return self._followed.get(piece.device, piece.first) != piece.first

    def reconsider(self, piece: Piece) -> None:
        """Leave a feed out no longer if a piece goes on from where ours ends: theirs gave way."""
        feed = self._replica.get_feed(piece.device)
        if (piece.first, piece.predecessor) == (feed.position + 1, feed.head):
            self._left_out.pop(piece.device, None)

    def readmit(self) -> list[bytes]:
        """Exchange feeds again that were cut or decided since they were left out; return them."""
        readmitted = [device for device in self._left_out if self._is_decided(device)]
        for device in readmitted:
            del self._left_out[device]
            self.add(device)
        for device in [each for each in self._over if self._has_quota_again(each)][:_RETRIED]:
            del self._over[device]
            self.add(device)
        return readmitted

    def add(self, device: bytes) -> None:
        """Ask for a feed if the other side has more of it and nothing stands against it."""
        if (
            self._lacks(device)
            and device not in self._asked
            and device not in self._held
            and device not in self._over
            and device not in self._left_out
        ):
            self._lacking[device] = None

    def note_cut(self, device: bytes) -> None:
        """Take note that the other side may have no more of what is held here than a cut left."""
        cut = self._replica.branches.cuts.get(device)
        if cut is not None and cut.count != self._cuts.get(device, 0):
            self._cuts[device] = cut.count
            self._theirs[device] = min(self._theirs.get(device, 0), cut.position)

    def note_feeds(self) -> None:
        """Ask again for what had to wait if feeds came since: one of them may be an issuer's."""
        if len(self._replica.feeds) != self._feeds:
            self._release()

    def take_requests(self) -> Iterator[Want]:
        """Yield what to ask for now, within what may be on its way at a time."""
        rows: list[Wanted] = []
        while self._lacking and self._cost < limits.WANTS:
            device = next(iter(self._lacking))
            del self._lacking[device]
            # Another link may have brought it meanwhile.
            if self._lacks(device):
                rows.append(self._ask(device))
            if len(rows) == limits.PAGE_LEAVES:
                yield Want(feeds=tuple(rows))
                rows = []
        if rows:
            yield Want(feeds=tuple(rows))

    def is_next(self, device: bytes, first: int) -> bool:
        """Is a piece that begins at ``first`` the next one asked for of this feed?"""
        asked = self._asked.get(device)
        return asked is not None and asked.first == first

    def take_piece(self, piece: Piece) -> None:
        """Take note of a piece that came; count it if it was asked for."""
        self.note_theirs(piece.device, piece.last)
        # Whoever brought it takes us to have it, even where it was of a branch that lost.
        self.announce(piece.device, piece.last)
        if self.is_next(piece.device, piece.first):
            asked = self._asked[piece.device]
            asked.first = piece.last + 1
            asked.pieces -= 1
            if asked.pieces == 0:
                self._cost -= asked.cost
                del self._asked[piece.device]

    def note_gone(self, device: bytes) -> bool:
        """Take note that no more comes of what was asked of a feed; was anything asked?"""
        asked = self._asked.pop(device, None)
        if asked is None:
            return False
        self._cost -= asked.cost
        self._theirs[device] = asked.first - 1
        return True

    def has_gap(self, piece: Piece) -> bool:
        """Does a piece begin behind the end of what is held?"""
        return piece.first > self._replica.get_feed(piece.device).position + 1

    def settle(self, piece: Piece, admission: Admission) -> None:
        """Take note of what became of a piece that the other side sent."""
        device = piece.device
        is_stale = self.is_stale(piece)
        if not is_stale and device in self._followed:
            if admission in {Admission.ACCEPT, Admission.IGNORE}:
                self._followed[device] = piece.last + 1
            else:
                del self._followed[device]
        if admission is Admission.ACCEPT:
            # More of a feed that was there vouches for nobody.
            if piece.first == 1:
                self._release()
        elif admission is Admission.FORK:
            if not is_stale:
                self.leave_out(device)
        elif admission is Admission.OVER:
            self._over[device] = self._get_standing(device)
        elif admission is Admission.HOLD and not self.has_gap(piece):
            self._held[device] = None
        self.add(device)

    def _release(self) -> None:
        self._feeds = len(self._replica.feeds)
        held = tuple(self._held)
        self._held.clear()
        for device in held:
            self.add(device)

    def _lacks(self, device: bytes) -> bool:
        feed, theirs = self._replica.get_feed(device), self._theirs.get(device, 0)
        branches = self._replica.branches
        first = self._find_followed(device)
        if first is not None:
            return theirs >= first
        # Of a forked feed one branch is enough, whichever, until theirs is known to be awaited.
        return feed.lacks(theirs) and not branches.has_branch(device)

    def _find_followed(self, device: bytes) -> int | None:
        """Return from where on the branch that is awaited is to be asked for, if it is theirs."""
        if device in self._followed and not self._replica.branches.is_awaiting(device):
            del self._followed[device]
        return self._followed.get(device)

    def _get_standing(self, device: bytes) -> tuple[int, bytes]:
        chain = self._replica.chain
        return get_named_position(chain, device), chain.head

    def _has_quota_again(self, device: bytes) -> bool:
        """Is more of a feed named, or, of one that is not, anything that shares its quota?"""
        named, head = self._over[device]
        now, newest = self._get_standing(device)
        return now > named or (not named and newest != head)

    def _is_decided(self, device: bytes) -> bool:
        position, fixed, awaited = self._left_out[device]
        if self._replica.get_feed(device).position < position:
            return True
        is_awaited = self._replica.branches.get_awaited(device) not in (None, awaited)
        return is_awaited or self._replica.chain.get_fixed_position(device) > fixed

    def _ask(self, device: bytes) -> Wanted:
        first = self._find_followed(device) or self._replica.get_feed(device).position + 1
        last = self._theirs[device]
        # Pieces end where windows do, so this many are needed at least, and exist.
        windows = (last - 1) // limits.WINDOW_ENTRIES - (first - 1) // limits.WINDOW_ENTRIES + 1
        pieces = min(windows, _WINDOWS_ASKED)
        cost = min(last - first + 1, pieces * limits.WINDOW_ENTRIES)
        self._asked[device] = _Asked(first, pieces, cost)
        self._cost += cost
        return Wanted(device, first, pieces)
