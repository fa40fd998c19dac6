"""Feeds written offline and merged at once; the root after one entry in a large state."""

import time
from collections.abc import Iterable, Sequence
from itertools import count
from statistics import median
from typing import Final

from benchmarks.figures import Figure, measure_median, print_figures
from benchmarks.histories import make_key
from synaptic_crdt.node.node import Market
from synaptic_crdt.rules.genesis import encode_genesis, make_genesis
from synaptic_crdt.rules.limits import OPENINGS_MAX
from synaptic_crdt.rules.operations import (
    AccountOpen,
    Operation,
    TokenTransfer,
    TreasuryPay,
    encode_operation,
)
from synaptic_crdt.state.clock import pack_timestamp
from synaptic_crdt.state.feeds import Piece, encode_body, seal_bodies
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.sync.gate import KeepNothing

_CREATED_MS: Final = 1_700_000_000_000
_FEEDS, _EACH = 10, 1_000
_ACCOUNTS = 100_000
_ROOTS = 200
_RUNS = 5
_FOUNDER: Final = make_key(2**31)


def print_merging() -> None:
    """Measure and print everything about merges and roots."""
    print_figures(
        f"{_FEEDS} feeds of {_EACH:,} entries, written offline, merged at once", _measure_merge()
    )
    print_figures(f"state root in a state of {_ACCOUNTS:,} accounts", [_measure_root()])


class _Offline:
    """A market in memory, and what its devices write without meeting."""

    def __init__(self) -> None:
        genesis = make_genesis(
            name="Bench",
            symbol="SYN",
            founder=_FOUNDER.public,
            recovery=_FOUNDER.public,
            created_ms=_CREATED_MS,
            openings_per_day=OPENINGS_MAX,
            treasury_day_cap=10**9,
        )
        self.market: Final = Market(encode_genesis(genesis))
        self._gate: Final = self.market.make_gate(KeepNothing())
        payment = TreasuryPay(_FOUNDER.public, 10**8, bytes(32), "bench")
        self.admit(self.write(_FOUNDER, [_open(_FOUNDER), payment], 1))

    def write(
        self, key: DeviceKey, operations: Iterable[Operation], start_ms: int, step_ms: int = 1
    ) -> tuple[Piece, ...]:
        """Return operations as sealed pieces that go on where a device's feed ends here.

        ``start_ms`` counts from the founding; each entry comes ``step_ms`` after the one before.
        """
        bodies = [
            encode_body(
                pack_timestamp(_CREATED_MS + start_ms + place * step_ms), encode_operation(one)
            )
            for place, one in enumerate(operations)
        ]
        tip = self.market.replica.get_feed(key.public).tip
        return seal_bodies(self.market.id, key, tip, bodies)

    def admit(self, pieces: Sequence[Piece]) -> bytes:
        """Verify pieces and fold them; return the root."""
        self._gate.admit_pieces(pieces)
        return self.market.replica.root


def _measure_merge() -> list[Figure]:
    together = median(_time_merge(_FEEDS, _EACH) for _ in range(_RUNS))
    alone = median(_time_merge(1, _FEEDS * _EACH) for _ in range(_RUNS))
    entries = _FEEDS * _EACH
    return [
        Figure("ten feeds at once", entries / together, "entries/s", 60_000, is_floor=True),
        Figure("one feed of as many entries", entries / alone, "entries/s", 60_000, is_floor=True),
        Figure(
            "an entry of ten feeds to one of one", together / alone, "times", 1.2, is_floor=False
        ),
    ]


def _time_merge(feeds: int, each: int) -> float:
    """Return the seconds it takes to verify, decode and fold offline feeds that interleave."""
    offline = _Offline()
    keys = [make_key(number) for number in range(1, feeds + 1)]
    offline.admit([piece for key in keys for piece in offline.write(key, [_open(key)], 10)])
    funds = [TokenTransfer(key.public, 10**6, b"", "") for key in keys]
    offline.admit(offline.write(_FOUNDER, funds, 20))
    gift = TokenTransfer(_FOUNDER.public, 1, b"", "")
    pieces = [
        piece
        for place, key in enumerate(keys)
        for piece in offline.write(key, [gift] * each, 1_000 + place, feeds)
    ]
    start = time.perf_counter()
    offline.admit(pieces)
    return time.perf_counter() - start


def _measure_root() -> Figure:
    offline = _Offline()
    keys = (make_key(number) for number in range(1, _ACCOUNTS + 1))
    offline.admit([piece for key in keys for piece in offline.write(key, [_open(key)], 10)])
    gifts = (TokenTransfer(make_key(number).public, 1, b"", "") for number in range(1, _ROOTS + 1))
    times = count(1_000)

    def fold_one() -> None:
        offline.admit(offline.write(_FOUNDER, [next(gifts)], next(times)))

    seconds = measure_median(fold_one, _ROOTS)
    return Figure(
        "one entry: sealed, verified, folded, and the root", seconds * 1e3, "ms", 1, is_floor=False
    )


def _open(key: DeviceKey) -> AccountOpen:
    return AccountOpen("bench", key.get_exchange_public(), None, None, None)
