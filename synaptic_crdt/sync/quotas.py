"""Quotas: how much a replica takes of what nothing counts yet, whoever brings it.

They apply to what no checkpoint names that counts or waits to: what is named is always taken, so a
quota delays what is provisional and never parts what is decided. A device has a quota beyond what
is named of its feed. Feeds of which nothing is named yet share one more, by their *sponsor*: the
nearest device in their line of issuers of which something is named. So one member that invites a
crowd, which invites crowds of its own, uses up its own quota and no other's. Who opens an account
in an open market without an invitation shares one with all who do. It is far above what the rules
let in a day: they refuse the rest, everywhere the same, while a gate that counted as strictly would
leave out other strangers here than there.

A home takes all of its own feed back. Judges by what is held and by sizes alone, before anything
is hashed or verified. What is left out is asked for again when more of its feed is named. No clock
of this machine has a say.

Answers floods of entries, feeds, invitations and accounts.
"""

from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, NamedTuple

from synaptic_crdt.errors import Forged, MalformedInput
from synaptic_crdt.state import limits
from synaptic_crdt.state.feeds import Piece
from synaptic_crdt.state.held import Feed
from synaptic_crdt.state.replica import Replica
from synaptic_crdt.sync.issuers import IssuerFinder
from synaptic_crdt.sync.named import get_named_position

_DAY_MS: Final = 86_400_000
_TOLD: Final = 1_024  # feeds whose pieces were left out that are remembered, to tell people
_UNKNOWN: Final = -1


class Quota(NamedTuple):
    """How much is taken: windows beyond what is named of one feed; new feeds of one sponsor, and
    their bytes together; openings without an invitation in a day of market time.
    """

    windows: int = limits.QUOTA_WINDOWS
    feeds: int = limits.QUOTA_FEEDS
    size: int = limits.QUOTA_BYTES
    openings: int = limits.QUOTA_FEEDS


class _New(NamedTuple):
    """A feed of which nothing is named yet."""

    sponsor: bytes | None
    size: int


class _Total(NamedTuple):
    feeds: int = 0
    size: int = 0


class Quotas:
    """Keeps account of one replica's provisional feeds; follows what the gate takes."""

    def __init__(
        self,
        replica: Replica,
        find_issuer: IssuerFinder,
        quota: Quota,
        own_device: bytes | None = None,
    ) -> None:
        self._replica: Final = replica
        self._own_device: Final = own_device
        self._find_issuer: Final = find_issuer
        self._quota: Final = quota
        self._new: Final[dict[bytes, _New]] = {}
        self._totals: Final[dict[bytes | None, _Total]] = {}
        # Of openings without an invitation that were taken: the market's time then.
        self._openings: Final[deque[int]] = deque()
        self._left_out: Final[dict[bytes, str]] = {}
        self._view = _UNKNOWN
        self._head = b""

    @property
    def left_out(self) -> Mapping[bytes, str]:
        """By device, why a piece of its feed was left out, where no more of it came since."""
        return self._left_out

    def is_over(self, piece: Piece) -> bool:
        """Is more of a feed brought than is taken now? Nothing of the piece is verified."""
        feed = self._replica.get_feed(piece.device)
        # What is known, or comes after the end of a feed, costs nothing; a feed that begins is
        # judged when its issuer is known.
        is_free = piece.device == self._own_device or feed.closed_position is not None
        if is_free or not feed.position or piece.last <= feed.position:
            return False
        named = get_named_position(self._replica.chain, piece.device)
        if piece.first <= named:
            return False
        objection = self._find_objection(feed, named)
        return objection is not None and self._leave_out(piece.device, objection)

    def is_over_to_begin(self, device: bytes, issuer: bytes | None) -> bool:
        """Does a feed begin, vouched for by ``issuer``, that is one too many?"""
        if device == self._own_device or get_named_position(self._replica.chain, device):
            return False
        self._follow_chain()
        if issuer is None and self._count_openings() >= self._quota.openings:
            objection = f"{self._quota.openings} accounts were opened without an invitation today"
            return self._leave_out(device, objection)
        objection = self._find_objection_to_new(self._get_sponsor(issuer), 1)
        return objection is not None and self._leave_out(device, objection)

    def note_taken(self, feed: Feed, issuer: bytes | None, *, begins: bool) -> None:
        """Take note that a feed went on; ``issuer`` is that of a feed that begins."""
        self._left_out.pop(feed.device, None)
        if self._replica.chain.get_fixed_position(feed.device):
            return
        self._follow_chain()
        if begins:
            if issuer is None:
                self._openings.append(self._replica.chain.time_ms)
            self._put(feed, self._get_sponsor(issuer))
        elif (before := self._new.get(feed.device)) is not None:
            self._put(feed, before.sponsor)

    def forget(self) -> None:
        """Keep account anew from what is held: feeds were cut."""
        self._view = _UNKNOWN

    def _leave_out(self, device: bytes, objection: str) -> bool:
        if len(self._left_out) < _TOLD:
            self._left_out[device] = objection
        return True

    def _find_objection(self, feed: Feed, named: int) -> str | None:
        if len(feed.get_window_ends(named, feed.position)) >= self._quota.windows:
            return f"{feed.position - named} of its entries are in no checkpoint yet"
        if named:
            return None
        self._follow_chain()
        new = self._new.get(feed.device)
        return None if new is None else self._find_objection_to_new(new.sponsor, 0)

    def _find_objection_to_new(self, sponsor: bytes | None, more: int) -> str | None:
        total, quota = self._totals.get(sponsor, _Total()), self._quota
        if total.feeds + more <= quota.feeds and total.size < quota.size:
            return None
        by = "nobody" if sponsor is None else sponsor.hex()[:16]
        return (
            f"{total.feeds} feeds of {total.size} bytes that {by} vouches for are in no checkpoint"
            " yet"
        )

    def _get_sponsor(self, issuer: bytes | None) -> bytes | None:
        new = None if issuer is None else self._new.get(issuer)
        return issuer if new is None else new.sponsor

    def _count_openings(self) -> int:
        now = self._replica.chain.time_ms
        while self._openings and self._openings[0] <= now - _DAY_MS:
            self._openings.popleft()
        return len(self._openings)

    def _follow_chain(self) -> None:
        """Drop the account of feeds of which something is named by now; begin anew if need be."""
        chain = self._replica.chain
        if self._view != chain.view.number:
            self._new.clear()
            self._totals.clear()
            # In order of admission, so that issuers come first.
            for feed in self._replica.feeds.values():
                if feed.closed_position is None and not chain.get_fixed_position(feed.device):
                    self._put(feed, self._get_sponsor(self._read_issuer(feed)))
        elif self._head != chain.head:
            for device in [each for each in self._new if chain.get_fixed_position(each)]:
                self._take_out(device)
        self._view, self._head = chain.view.number, chain.head

    def _read_issuer(self, feed: Feed) -> bytes | None:
        # A feed may have been cut to nothing.
        for first in feed.entries[:1]:
            with suppress(Forged, MalformedInput):
                return self._find_issuer(feed.device, first.operation)
        return None

    def _put(self, feed: Feed, sponsor: bytes | None) -> None:
        if feed.device in self._new:
            self._take_out(feed.device)
        size = len(feed.get_window_ends(0, feed.position)) * limits.WINDOW_BYTES + feed.tip.bytes
        total = self._totals.get(sponsor, _Total())
        self._new[feed.device] = _New(sponsor, size)
        self._totals[sponsor] = _Total(total.feeds + 1, total.size + size)

    def _take_out(self, device: bytes) -> None:
        sponsor, size = self._new.pop(device)
        total = self._totals[sponsor]
        self._totals[sponsor] = _Total(total.feeds - 1, total.size - size)
        if total.feeds == 1:
            del self._totals[sponsor]
