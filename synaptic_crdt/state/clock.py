"""Hybrid logical timestamps: 48 bits of milliseconds, 16 bits of counter, in one integer.

A timestamp orders entries; it is not evidence of when something happened. The contract measures
effective time, which checkpoints bound.
"""

from typing import Final

from synaptic_crdt.errors import UsageError
from synaptic_crdt.state import limits

COUNTER_BITS: Final = 16


def pack_timestamp(ms: int, counter: int = 0) -> int:
    """Return the timestamp of a millisecond since 1970 and a counter below 65,536."""
    return ms << COUNTER_BITS | counter


def get_ms(timestamp: int) -> int:
    """Return the milliseconds since 1970 of a timestamp."""
    return timestamp >> COUNTER_BITS


def next_timestamp(wall_ms: int, own_last: int, newest_seen: int, newest_named: int) -> int:
    """Return the timestamp a writer gives its next entry: one tick after all it must follow.

    ``newest_seen`` is the newest timestamp of others that is at most 60 s ahead of the wall
    clock (``follows_clock`` says which are), so nobody can drag a writer into the future;
    ``newest_named`` is the newest of the entries that the new one names.
    Raises ``UsageError`` when there is no later timestamp.
    """
    timestamp = max(pack_timestamp(wall_ms), own_last, newest_seen, newest_named) + 1
    if timestamp > limits.TIMESTAMP_MAX:
        raise UsageError(f"no timestamp after {timestamp - 1}: set this machine's clock")
    return timestamp


def follows_clock(timestamp: int, wall_ms: int) -> bool:
    """Is ``timestamp`` at most 60 s ahead of the wall clock?"""
    return get_ms(timestamp) <= wall_ms + limits.CLOCK_SKEW_MS
