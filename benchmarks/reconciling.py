"""Bytes and round trips of a session against what differs, counted, not timed.

``python -m benchmarks.reconciling`` prints the table that docs/session.md shows.
"""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from benchmarks.figures import Figure, print_figures
from benchmarks.histories import make_key, open_market
from synaptic_crdt.node.node import Market
from synaptic_crdt.rules.operations import AccountOpen, TokenTransfer, encode_operation
from synaptic_crdt.state import limits
from synaptic_crdt.state.clock import pack_timestamp
from synaptic_crdt.state.feeds import encode_body, seal_bodies
from synaptic_crdt.sync.channel import Channel
from synaptic_crdt.sync.events import Offered
from synaptic_crdt.sync.gate import Gate, KeepNothing
from synaptic_crdt.sync.membership import Access, Opening
from synaptic_crdt.sync.session import Session

_FEEDS: Final = 1_000
_ENTRIES: Final = 100_000
_DIFFERENCES: Final = (0, 1, 10, 100, 1_000)
_MEMO: Final = "x" * 200  # makes a body of about 250 bytes


class Cost(msgspec.Struct, frozen=True):
    """What one session took: of both sides, and there and back.

    ``channel`` are the bytes that open the secure channel; ``records`` the session's with what
    the channel adds to each; ``round_trips`` are the session's, without the channel's two.
    """

    session: int
    records: int
    channel: int
    round_trips: float


def print_reconciling() -> None:
    """Count and print the figures for a thousand feeds, and the table."""
    costs = _count_all(_ENTRIES)
    none, one = costs[0], costs[1]
    print_figures(
        f"{_ENTRIES:,} entries in {_FEEDS:,} feeds, both sides together",
        [
            Figure("nothing to do", none.records, "bytes", 1_024, is_floor=False),
            Figure("the same", none.round_trips, "round trips", 1, is_floor=False),
            Figure("1 new entry", one.records, "bytes", 8_192, is_floor=False),
            Figure("the same", one.round_trips, "round trips", 3, is_floor=False),
            Figure(
                "the same, with the channel", one.records + one.channel, "bytes", 8_192,
                is_floor=False,
            ),
        ],
    )  # fmt: skip
    print(f"  and the channel, with openings of one entry: {none.channel:,} bytes\n")
    print("  feeds that differ   bytes   round trips   each")
    for count, cost in zip(_DIFFERENCES, costs, strict=True):
        each = f"{(cost.records - none.records) // count:,}" if count else ""
        print(f"  {count:>17,} {cost.records:>7,} {cost.round_trips:>13} {each:>6}")


def _count_all(entries: int) -> Sequence[Cost]:
    with TemporaryDirectory() as folder, open_market(Path(folder) / "founder") as node:
        sides = [Market(node.market.genesis_bytes).make_gate(KeepNothing()) for _ in range(2)]
        start_ms = node.get_wall_ms()
    for number in range(1, _FEEDS + 1):
        _write(sides, number, start_ms, entries // _FEEDS)
    costs: list[Cost] = []
    for count in _DIFFERENCES:
        for number in range(1, count + 1):
            _write(sides[:1], number, start_ms, 1)
        costs.append(_sync(*sides))
    return costs


def _write(gates: Sequence[Gate], number: int, start_ms: int, count: int) -> None:
    """Append entries to a feed, on all sides the same; the first one opens an account."""
    key = make_key(number)
    replica = gates[0].replica
    tip = replica.get_feed(key.public).tip
    opening = AccountOpen("bench", key.get_exchange_public(), None, None, None)
    transfer = TokenTransfer(make_key(1 + number % _FEEDS).public, 1, b"", _MEMO)
    bodies = [
        encode_body(
            pack_timestamp(start_ms + position),
            encode_operation(opening if position == 1 else transfer),
        )
        for position in range(tip.position + 1, tip.position + count + 1)
    ]
    pieces = seal_bodies(replica.market, key, tip, bodies)
    for gate in gates:
        gate.admit_pieces(pieces)


def _sync(first: Gate, second: Gate) -> Cost:
    gates = first, second
    channels = [_make_channel(gate, is_initiator=gate is first) for gate in gates]
    opened = 0
    while not all(channel.is_open for channel in channels):
        for channel, other in (channels, channels[::-1]):
            data = channel.data_to_send()
            opened += len(data)
            other.receive(data)
    sessions = [_make_session(gate, number) for number, gate in enumerate(gates)]
    exchanges = records = 0
    while not all(session.is_finished for session in sessions):
        said = [b"".join(iter(session.data_to_send, b"")) for session in sessions]
        exchanges += 1
        for number, data in enumerate(said):
            if data:
                records += len(channels[number].seal(data))
                _take(sessions[1 - number], gates[1 - number], data)
    records += sum(len(channel.seal_end()) for channel in channels)
    assert first.replica.root == second.replica.root
    size = sum(session.counts.bytes_sent for session in sessions)
    return Cost(session=size, records=records, channel=opened, round_trips=exchanges / 2)


def _take(session: Session, gate: Gate, data: bytes) -> None:
    session.receive(data)
    for event in session.take_events():
        if isinstance(event, Offered):
            statements = gate.admit_statements(event.statements)
            session.settle(gate.admit_pieces(event.pieces), statements)


def _make_session(gate: Gate, number: int) -> Session:
    nonce = bytes([number]) * limits.NONCE_BYTES
    return Session(
        gate.replica, live=False, role="member", clock_ms=0, nonce=nonce, budget=gate.budget
    )


def _make_channel(gate: Gate, *, is_initiator: bool) -> Channel:
    market = gate.replica.market
    return Channel(market, _Member(gate, 1 + is_initiator), is_initiator=is_initiator)


class _Member:
    """Shows the opening of its own feed, and lets in whoever comes."""

    def __init__(self, gate: Gate, number: int) -> None:
        self.key: Final = make_key(number)
        self._gate: Final = gate

    def get_openings(self) -> Sequence[Opening]:
        body = self._gate.replica.get_feed(self.key.public).entries[0].body
        return (Opening(self.key.public, body),)

    def judge(self, device: bytes, openings: Sequence[Opening]) -> Access:
        del device, openings
        return Access.MEMBER


if __name__ == "__main__":
    print_reconciling()
