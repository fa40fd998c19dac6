"""Who is thought of how, a second time: the whole past is kept and gone through at every question.

No score is ever written down: what happened is, with its time, and asking adds it all up again.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from tests.ledger.words import DAY, MONTH

HOUR: Final = 3_600_000
Pair = frozenset[bytes]


@dataclass(frozen=True)
class Trade:
    """Work that was paid in full."""

    assignment: bytes
    kind: str
    time: int
    ask: int
    units: int
    pair: Pair


@dataclass
class Scores:
    """What settlements, failures and words left behind."""

    founder: bytes
    is_open: bool
    floor: int
    inviters: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])
    events: list[tuple[bytes, str, int, int]] = field(default_factory=list[Any])
    meetings: list[tuple[Pair, int]] = field(default_factory=list[Any])
    ends: list[tuple[bytes, str, bool]] = field(default_factory=list[Any])
    ratings: dict[tuple[bytes, str], int] = field(default_factory=dict[Any, int])
    trades: list[Trade] = field(default_factory=list[Trade])

    def get_group(self, account: bytes) -> bytes:
        """Walk up to whom the founder invited, or nobody did."""
        while not self.is_open and self.inviters.get(account, self.founder) != self.founder:
            account = self.inviters[account]
        return account

    def count_meetings(self, pair: Pair, now: int) -> int:
        """Return how many settlements of two groups are less than 30 days old."""
        return sum(each == pair and now - time < MONTH for each, time in self.meetings)

    def get_score(self, account: bytes, side: str, now: int) -> int:
        """Live through every day again."""
        score, next_rise = 0, 0
        moments = [(t, points) for a, s, t, points in self.events if (a, s) == (account, side)]
        for time, points in [*moments, (now, 0)]:
            while score < 0 and next_rise <= time:
                score, next_rise = score + 1, next_rise + DAY
            if score >= 0:
                next_rise = time + DAY
            score = min(1_000, max(-1_000, score + points))
        return score

    def settle(
        self,
        assignment: bytes,
        parties: tuple[bytes, bytes],
        terms: tuple[str, int, int],
        *,
        share: int,
        is_early: bool,
        faults: int,
        now: int,
        ruling: str = "",
        has_gains: bool = True,
    ) -> None:
        """A provider and a requester are done with each other; terms are kind, ask, units.

        The ruling is how a dispute was ended: ruled, silent (no arbiter spoke), withdrawn; or none.
        """
        provider, requester = parties
        kind, ask, units = terms
        pair = frozenset(self.get_group(account) for account in parties)
        half = 2 ** self.count_meetings(pair, now)
        points, asked = 0, 0
        if ask * units >= self.floor and ruling != "silent" and has_gains:
            asked = 2 // half
            if share >= 500_000:
                points = 10 // half + (2 // half if is_early else 0)
        points -= min(20, 5 * faults)
        if ruling == "ruled" and share <= 250_000:
            points -= 25
        if ruling == "ruled" and share >= 750_000:
            asked -= 25
        self.events.append((provider, "provider", now, points))
        self.events.append((requester, "requester", now, asked))
        self.meetings.append((pair, now))
        self.ends.append((provider, kind, share >= 500_000))
        if share == 1_000_000 and not ruling:
            self.trades.append(Trade(assignment, kind, now, ask, units, pair))

    def lose(self, provider: bytes, kind: str, end: str, now: int) -> None:
        """Work was taken on and not done."""
        self.events.append((provider, "provider", now, -5 if end == "FAILED" else -20))
        self.ends.append((provider, kind, False))

    def decline(self, provider: bytes, now: int) -> None:
        """Work was assigned and given back."""
        self.events.append((provider, "provider", now, -2))

    def withhold(self, requester: bytes, now: int) -> None:
        """A key was promised and not revealed."""
        self.events.append((requester, "requester", now, -10))

    def fork(self, account: bytes, now: int) -> None:
        """A device of the account has two histories."""
        self.events.extend((account, side, now, -25) for side in ("provider", "requester"))

    def rate(
        self, assignment: bytes, parties: tuple[bytes, bytes], said: tuple[str, int, int], now: int
    ) -> None:
        """One party has a word on the other: said of which side, from 1 to 5, of work worth."""
        side, rating, worth = said
        provider, requester = parties
        pair = frozenset(self.get_group(account) for account in parties)
        half = 2 ** min(4, self.count_meetings(pair, now) - 1)
        good, bad = (5, 10) if side == "provider" else (1, 5)
        points = 0
        if rating >= 4 and worth >= self.floor:
            points = good // half
        elif rating <= 2:
            points = -(bad // half)
        rated = provider if side == "provider" else requester
        self.events.append((rated, side, now, points))
        self.ratings[assignment, side] = rating

    def count_ends(self) -> dict[tuple[bytes, str], tuple[int, int]]:
        """Return how often work was done and how often not, by provider and kind."""
        keys = {(provider, kind) for provider, kind, _ in self.ends}
        return {
            key: (self.ends.count((*key, True)), self.ends.count((*key, False))) for key in keys
        }

    def get_recent(self, now: int) -> set[Trade]:
        """Return the trades of the last 24 hours."""
        return {trade for trade in self.trades if now - trade.time < DAY}

    def draw_candles(self, now: int) -> dict[tuple[str, int], list[int]]:
        """Return count, volume, value, low, high, first, last of every hour of 30 days."""
        return {key: list(_draw(asks)) for key, asks in self._sort_by_hour(now).items()}

    def _sort_by_hour(self, now: int) -> dict[tuple[str, int], list[tuple[int, int]]]:
        asks: dict[tuple[str, int], list[tuple[int, int]]] = {}
        for trade in self.trades:
            hour = trade.time // HOUR
            if hour >= (now - MONTH) // HOUR:
                asks.setdefault((trade.kind, hour), []).append((trade.ask, trade.units))
        return asks


def _draw(asks: list[tuple[int, int]]) -> Iterator[int]:
    yield len(asks)
    yield sum(units for _, units in asks)
    yield sum(ask * units for ask, units in asks)
    yield min(ask for ask, _ in asks)
    yield max(ask for ask, _ in asks)
    yield asks[0][0]
    yield asks[-1][0]
