"""The rows of what work leaves behind: scores, figures, ratings, trades. Under the state root.

Times are in ms of market time.
"""

from synaptic_crdt.state.tables import Record


class ScoreRow(Record, frozen=True, gc=False):
    """An account's two scores as they were last written; see ``reputation`` for reading them.

    The times say from when on a negative score recovers; 0 for one that is not negative.
    """

    provider: int
    provider_ms: int
    requester: int
    requester_ms: int


class FigureRow(Record, frozen=True, gc=False):
    """How often a provider's work of one kind was worth at least half its pay, and how often not."""

    settled: int
    failed: int


class MeetingRow(Record, frozen=True, gc=False):
    """When two groups last settled with each other, oldest first: no more than damping asks for."""

    times_ms: tuple[int, ...]


class RatingRow(Record, frozen=True, gc=False):
    """What one party of an assignment said of the other, and how many points that moved."""

    rating: int
    comment: str
    points: int
    rated_ms: int


class TradeRow(Record, frozen=True, gc=False):
    """Work paid in full and undisputed, by its assignment; ``groups`` are the two, ascending."""

    kind: str
    time_ms: int
    ask: int
    units: int
    groups: tuple[bytes, bytes]


class CandleRow(Record, frozen=True, gc=False):
    """The asks of one kind in one hour. ``volume`` is in units, ``value`` in tokens."""

    count: int
    volume: int
    value: int
    low: int
    high: int
    first: int
    last: int
