"""From a document to what happens in which order, at which time: written a second time, plainly.

Knows feeds as lists of bodies and checkpoints as (time, positions); computes every id, place and
effective time from scratch. Nothing of the machine, the replica or the rules is used.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synaptic_crdt.state.codec import decode
from synaptic_crdt.state.hashes import compute_hash

Feeds = Mapping[bytes, Sequence[bytes]]
# The time in ms, and up to which position it includes each feed that it moves.
Closing = tuple[int, Mapping[bytes, int]]


@dataclass(frozen=True)
class Placed:
    """An entry in its place; ``epoch`` is 0 for what no checkpoint includes."""

    id: bytes
    device: bytes
    position: int
    epoch: int
    time: int
    now: int
    operation: list[Any]


@dataclass(frozen=True)
class EpochEnd:
    """The end of an epoch, after its entries."""

    epoch: int
    now: int


def arrange(
    market: bytes, created_ms: int, feeds: Feeds, closings: Sequence[Closing]
) -> list[Placed | EpochEnd]:
    """Return all entries and ends of epochs in the order in which they happen."""
    times = [created_ms, *(time for time, _ in closings)]
    entries: list[Placed] = []
    for device, bodies in feeds.items():
        name = compute_hash("feed", market, device)
        for position, body in enumerate(bodies, start=1):
            name = compute_hash("entry", name, compute_hash("body", body))
            entries.append(_place(name, device, position, body, times, closings))
    happening: list[Placed | EpochEnd] = []
    for epoch in range(1, len(closings) + 1):
        happening += sorted((e for e in entries if e.epoch == epoch), key=_get_order)
        happening.append(EpochEnd(epoch, times[epoch]))
    return happening + sorted((e for e in entries if e.epoch == 0), key=_get_order)


def _place(
    name: bytes,
    device: bytes,
    position: int,
    body: bytes,
    times: Sequence[int],
    closings: Sequence[Closing],
) -> Placed:
    time, operation = _read(body)
    epoch = 0
    for index, (_, positions) in enumerate(closings, start=1):
        if position <= positions.get(device, 0):
            epoch = index
            break
    now = max(time >> 16, times[epoch - 1] if epoch else times[-1])
    if epoch:
        now = min(now, times[epoch])
    return Placed(name, device, position, epoch, time, now, operation)


def _read(body: bytes) -> tuple[int, list[Any]]:
    value: Any = decode(body, len(body))
    time, operation = value
    return time, operation


def _get_order(entry: Placed) -> tuple[int, bytes, bytes]:
    tie = compute_hash("tie", entry.time.to_bytes(8, "big"), entry.device)
    return (entry.time, tie, entry.id)
