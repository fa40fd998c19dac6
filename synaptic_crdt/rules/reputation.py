"""Reputation: what work and its payment add to two scores, one as provider, one as requester.

Guarantees that a score stays from -1,000 to 1,000, starts at 0 for everybody, and that every event
costs the same few reads and writes, however long the history. A negative score rises by one a day;
that is computed when it is read, so time alone writes nothing.

Answers two accounts that praise each other: whatever is gained, and what bad feedback costs, is
halved for every settlement between their groups within 30 days and gone after four; and work
worth less than the market's floor gains nothing. Does not answer friends who are invited apart.
"""

from typing import Final

import msgspec
from msgspec.structs import replace

from synaptic_crdt.rules import limits
from synaptic_crdt.rules.groups import get_group
from synaptic_crdt.rules.market import Market, drop_oldest
from synaptic_crdt.rules.rows import Side
from synaptic_crdt.rules.score_rows import FigureRow, MeetingRow, ScoreRow

Pair = tuple[bytes, bytes]

_BEGINNING: Final = ScoreRow(provider=0, provider_ms=0, requester=0, requester_ms=0)

# As provider.
SETTLED: Final = 10
STARTED_EARLY: Final = 2
VIOLATION: Final = -5
VIOLATIONS_AT_MOST: Final = -20
FAILED: Final = -5
DECLINED: Final = -2
ABANDONED: Final = -20
RULED_LOW: Final = -25
# As requester.
SETTLED_REQUEST: Final = 2
KEY_WITHHELD: Final = -10
RULED_HIGH: Final = -25
# As either, by what it wrote as.
FORKED: Final = -25

TIERS: Final = (
    (900, "Legendary"),
    (500, "Expert"),
    (250, "Trusted"),
    (100, "Reliable"),
    (50, "Standard"),
    (0, "New"),
)
LOWEST_TIER: Final = "Risky"


class Settled(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A settlement as reputation sees it.

    ``price`` is ask x units; ``violations`` are those that cost money; ``is_ruled`` says that
    arbiters named the share; ``has_gains`` is false when they were silent.
    """

    provider: bytes
    requester: bytes
    kind: str
    price: int
    share_ppm: int
    is_early: bool
    violations: int
    is_ruled: bool = False
    has_gains: bool = True


def get_score(market: Market, account: bytes, side: Side, now: int) -> int:
    """Return a score as it is at ``now``."""
    row = market.scores.get(account) or _BEGINNING
    if side == "provider":
        return compute_score(row.provider, row.provider_ms, now)
    return compute_score(row.requester, row.requester_ms, now)


def get_figures(market: Market, account: bytes, kind: str) -> FigureRow:
    """Return how a provider's work of one kind ended."""
    return market.figures.get((account, kind)) or FigureRow(settled=0, failed=0)


def compute_score(score: int, since_ms: int, now: int) -> int:
    """Return a score written at some time as it is at ``now``: a negative one rises, up to 0."""
    return score if score >= 0 else min(0, score + (now - since_ms) // limits.DAY_MS)


def compute_limit(low: int, price: int, high: int, *, score: int, figures: FigureRow) -> int:
    """Return the highest ask a unit that a provider of this reputation may name.

    The price, weighed by the score as a percentage from 50 to 200 and by how much of the
    provider's work of the kind was settled, within what the requester allows.
    """
    weight = max(limits.WEIGHT_MIN, min(limits.WEIGHT_MAX, score))
    settled = figures.settled + limits.HEAD_START
    closed = settled + figures.failed
    return max(low, min(high, price * weight * settled // (100 * closed)))


def compute_tier(score: int) -> str:
    """Return the name of the tier that a score is in."""
    return next((tier for least, tier in TIERS if score >= least), LOWEST_TIER)


def note_settled(market: Market, settled: Settled, now: int) -> None:
    """Work was settled: both parties gain, less what its faults and the ruling cost."""
    pair = get_pair(market, settled.provider, settled.requester)
    damping = min(limits.DAMPING_MAX, count_meetings(market, pair, now))
    is_gaining = settled.has_gains and settled.price >= market.genesis.gain_floor
    is_half = settled.share_ppm >= limits.MILLION // 2
    gained = lost = asked = 0
    if is_gaining and is_half:
        gained = (SETTLED >> damping) + (STARTED_EARLY >> damping if settled.is_early else 0)
    if is_gaining:
        asked = SETTLED_REQUEST >> damping
    lost = max(VIOLATIONS_AT_MOST, VIOLATION * settled.violations)
    if settled.is_ruled and settled.share_ppm <= limits.MILLION // 4:
        lost += RULED_LOW
    if settled.is_ruled and settled.share_ppm >= 3 * limits.MILLION // 4:
        asked += RULED_HIGH
    add_points(market, settled.provider, "provider", gained + lost, now)
    add_points(market, settled.requester, "requester", asked, now)
    _count_end(market, settled.provider, settled.kind, is_settled=is_half)
    _note_meeting(market, pair, now)


def note_failed(market: Market, provider: bytes, kind: str, now: int) -> None:
    """A provider admitted that it will not deliver."""
    add_points(market, provider, "provider", FAILED, now)
    _count_end(market, provider, kind, is_settled=False)


def note_abandoned(market: Market, provider: bytes, kind: str, now: int) -> None:
    """A provider let a hard limit pass in silence."""
    add_points(market, provider, "provider", ABANDONED, now)
    _count_end(market, provider, kind, is_settled=False)


def note_declined(market: Market, provider: bytes, now: int) -> None:
    """A provider gave back, before beginning, what was assigned to it."""
    add_points(market, provider, "provider", DECLINED, now)


def note_key_withheld(market: Market, requester: bytes, now: int) -> None:
    """A requester did not reveal the key of a private task that was accepted."""
    add_points(market, requester, "requester", KEY_WITHHELD, now)


def note_fork(market: Market, account: bytes, now: int) -> None:
    """A device of the account signed two histories: it could have cheated either side."""
    add_points(market, account, "provider", FORKED, now)
    add_points(market, account, "requester", FORKED, now)


def add_points(market: Market, account: bytes, side: Side, points: int, now: int) -> None:
    """Add to a score, within its bounds; what it recovered of the running day is not lost."""
    if points == 0:
        return
    row = market.scores.get(account) or _BEGINNING
    if side == "provider":
        score, since_ms = _add(row.provider, row.provider_ms, points, now)
        market.scores.set(account, replace(row, provider=score, provider_ms=since_ms))
    else:
        score, since_ms = _add(row.requester, row.requester_ms, points, now)
        market.scores.set(account, replace(row, requester=score, requester_ms=since_ms))


def get_pair(market: Market, one: bytes, other: bytes) -> Pair:
    """Return the groups of two accounts, the lesser first; they may be the same."""
    first, second = get_group(market, one), get_group(market, other)
    return (first, second) if first <= second else (second, first)


def count_meetings(market: Market, pair: Pair, now: int) -> int:
    """Return how often two groups settled within 30 days; not beyond what damping asks for."""
    row = market.meetings.get(pair)
    if row is None:
        return 0
    return sum(now < time_ms + limits.MONTH_MS for time_ms in row.times_ms)


def _add(score: int, since_ms: int, points: int, now: int) -> tuple[int, int]:
    read = compute_score(score, since_ms, now)
    changed = max(-limits.SCORE_MAX, min(limits.SCORE_MAX, read + points))
    if changed >= 0:
        return changed, 0
    return changed, since_ms + (read - score) * limits.DAY_MS if read < 0 else now


def _count_end(market: Market, provider: bytes, kind: str, *, is_settled: bool) -> None:
    figures = get_figures(market, provider, kind)
    market.figures.set(
        (provider, kind),
        FigureRow(figures.settled + is_settled, figures.failed + (not is_settled)),
    )


def _note_meeting(market: Market, pair: Pair, now: int) -> None:
    row = market.meetings.get(pair)
    times_ms = () if row is None else row.times_ms
    market.meetings.set(pair, MeetingRow((*times_ms, now)[-limits.MEETINGS :]))
    drop_oldest(market.meetings, "day", (now - limits.MONTH_MS) // limits.DAY_MS - 1)
