"""The total order of entries, and effective time.

Order: (epoch, logical timestamp, ``H("tie", timestamp, device)``, id). Entries in no counted
checkpoint come last. "First valid acceptance by logical timestamp wins" is this order and
nothing else.
"""

from collections.abc import Iterable

from synaptic_crdt.state.clock import get_ms
from synaptic_crdt.state.feeds import Entry
from synaptic_crdt.state.hashes import compute_hash

OrderKey = tuple[int, bytes, bytes]


def compute_order(entry: Entry) -> OrderKey:
    """Return an entry's sort key within its epoch."""
    return (entry.time, compute_tie(entry.time, entry.device), entry.id)


def compute_tie(time: int, device: bytes) -> bytes:
    """Return what decides between equal timestamps: fixed before anybody can choose it freely."""
    return compute_hash("tie", time.to_bytes(8, "big"), device)


def has_equal_times(sorted_times: Iterable[int]) -> bool:
    """Do two neighbours of an ascending sequence of timestamps collide?

    They rarely do, and only then is the tie's hash worth computing.
    """
    previous = -1
    for time in sorted_times:
        if time == previous:
            return True
        previous = time
    return False


def compute_effective_ms(time: int, opened_ms: int, closed_ms: int | None) -> int:
    """Return an entry's effective time in ms, from its logical timestamp.

    ``opened_ms`` is the time of the checkpoint before its epoch, ``closed_ms`` that of the one
    that closes it, None in the provisional tail.
    """
    effective = max(get_ms(time), opened_ms)
    return effective if closed_ms is None else min(effective, closed_ms)
