"""Histories to measure with: an open market whose accounts send each other tokens."""

import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from synaptic_crdt.node.founding import found_market
from synaptic_crdt.node.home import Home
from synaptic_crdt.node.node import Node
from synaptic_crdt.rules.operations import (
    AccountOpen,
    Operation,
    TokenTransfer,
    encode_operation,
)
from synaptic_crdt.state.clock import pack_timestamp
from synaptic_crdt.state.feeds import Piece, encode_body, seal_bodies
from synaptic_crdt.state.keys import DeviceKey

# Apart in time by this many counter ticks, so that the feeds interleave in the order.
_STEP = 65_536 // 8


@contextmanager
def open_market(folder: Path, *, sandbox: bool = False) -> Generator[Node]:
    """Yield the founder's node of a new open market."""
    home = Home(folder)
    wall_ms = time.time_ns() // 1_000_000
    found_market(
        home,
        "",
        name="Bench",
        account_name="founder",
        is_open=True,
        sandbox=sandbox,
        wall_ms=wall_ms,
    )
    node = Node.open(home, "")
    # No market fills at once as one that is measured does.
    node.gate.quotas = None
    try:
        yield node
    finally:
        node.close()


def make_key(number: int) -> DeviceKey:
    """Return the key of a benchmark's device."""
    return DeviceKey(number.to_bytes(32, "big"))


def make_transfers(node: Node, devices: int, entries: int, memo: str = "") -> list[Piece]:
    """Return sealed pieces of ``devices`` new accounts that send tokens in a ring.

    The first entry of each opens its account; the founder's own feed is left alone. Transfers
    of accounts without tokens are refused, so each is first given some by the founder.
    """
    keys = [make_key(number) for number in range(1, devices + 1)]
    start_ms = node.get_wall_ms() + 1_000
    pieces: list[Piece] = []
    for key in keys:
        opening = AccountOpen("bench", key.get_exchange_public(), None, None, None)
        pieces += _seal(node, key, [opening], start_ms)
    node.gate.admit_pieces(pieces)
    fund_each(node, keys)
    bulk: list[Piece] = []
    each = max(1, entries // devices - 1)
    for place, key in enumerate(keys):
        to = keys[(place + 1) % devices].public
        operations = [TokenTransfer(to, 1, b"", memo)] * each
        bulk += _seal(node, key, operations, start_ms + 10_000)
    return bulk


def fund_each(node: Node, keys: list[DeviceKey]) -> None:
    """Let the founder send every account tokens to send on."""
    for key in keys:
        node.append_unasked(TokenTransfer(key.public, 5_000, b"", ""))


def _seal(
    node: Node, key: DeviceKey, operations: Sequence[Operation], start_ms: int
) -> tuple[Piece, ...]:
    tip = node.replica.get_feed(key.public).tip
    start = pack_timestamp(start_ms)
    bodies = [
        encode_body(start + place * _STEP, encode_operation(operation))
        for place, operation in enumerate(operations)
    ]
    return seal_bodies(node.market.id, key, tip, bodies)
