"""Floods by members whose program keeps every rule of links, and who write what hurts most.

Each is a function that runs until cancelled.

All of them hold the market in memory, as any replica does, and push what they write over a link.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final

import trio

from synaptic_crdt.node.node import Market
from synaptic_crdt.rules.operations import Operation
from synaptic_crdt.state.clock import pack_timestamp
from synaptic_crdt.state.feeds import Piece
from synaptic_crdt.state.keys import DeviceKey, make_seed
from synaptic_crdt.sync.channel import Channel
from synaptic_crdt.sync.events import Reconciled
from synaptic_crdt.sync.gate import KeepNothing
from synaptic_crdt.sync.peer import LinkEvent, run_link
from synaptic_crdt.sync.transports.secured import secure
from tests.flooding.dialling import GONE, Anybody, Target
from tests.flooding.scene import (
    invite,
    make_member_key,
    make_opening,
    make_transfer,
    seal,
)

_YEAR_MS: Final = 31_536_000_000
_PAUSE_SECONDS: Final = 0.05
_BATCH: Final = 64
_WINDOW: Final = 1_024


async def write_past(target: Target) -> None:
    """Write entries as old as their feeds allow, which go before all that is provisional."""
    await _write(target, lambda writer: writer.write_batch(-_YEAR_MS))


async def write_ahead(target: Target) -> None:
    """Write entries with times a year ahead, so that all others go before them."""
    await _write(target, lambda writer: writer.write_batch(_YEAR_MS))


async def write_over_quota(target: Target) -> None:
    """Write more than is taken of what nobody counted, a window of entries at a time."""
    await _write(target, lambda writer: writer.write_batch(0, "x" * 100, _WINDOW))


async def invite_crowds(target: Target) -> None:
    """Invite, and open accounts by these invitations, as many as may be."""
    await _write(target, lambda writer: writer.write_accounts())


async def fork(target: Target) -> None:
    """Sign two histories, and send them over two links."""

    async def run(number: int) -> None:
        writer = _Writer(target, fork_number=number)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(writer.keep_link)
            await writer.has_all.wait()
            while True:
                writer.write_fork()
                await trio.sleep(_PAUSE_SECONDS)

    async with trio.open_nursery() as nursery:
        for number in range(2):
            nursery.start_soon(run, number)


class _Writer:
    def __init__(self, target: Target, fork_number: int = 0) -> None:
        self._target: Final = target
        self._key: Final = make_member_key(0)
        self._market: Final = Market(target.scene.genesis)
        self._gate: Final = self._market.make_gate(KeepNothing(), self._key.public)
        # What it sends, it takes itself.
        self._gate.quotas = None
        self._fork_number: Final = fork_number
        self._turn = 0
        self.has_all: Final = trio.Event()

    async def keep_link(self) -> None:
        """Keep a live link, over which everything goes that is written here."""
        while True:
            try:
                await self._run_link()
            except* GONE as group:
                self._target.told[f"{group.exceptions[0]}"[:70]] += 1
            await trio.sleep(_PAUSE_SECONDS)

    def write_batch(self, from_now_ms: int, memo: str = "", count: int = _BATCH) -> None:
        """Append some entries to the feed of the member whose turn it is."""
        self._turn += 1
        number = self._turn % min(self._target.scene.members, 32)
        operations: list[Operation] = [make_transfer(self._key.public, memo)] * count
        now_ms = time.time_ns() // 1_000_000
        self._append(make_member_key(number), operations, now_ms + from_now_ms)

    def write_accounts(self) -> None:
        """Invite some devices, and let each of them open its account."""
        self._turn += 1
        market, inviter = self._market.id, make_member_key(self._turn % 16)
        feed = self._gate.replica.get_feed(inviter.public)
        start_ms = feed.tip.time >> 16
        pieces: list[Piece] = []
        operations: list[Operation] = []
        for place in range(8):
            key = DeviceKey(make_seed())
            issued = pack_timestamp(start_ms + 1) + place
            operation, certificate = invite(market, inviter, key, issued, start_ms)
            operations.append(operation)
            opening = make_opening(market, key, certificate)
            tip = self._gate.replica.get_feed(key.public).tip
            pieces += seal(market, key, tip, [opening], start_ms + 2)
        self._take((*seal(market, inviter, feed.tip, operations, start_ms + 1), *pieces))

    def write_fork(self) -> None:
        """Append to the next member's feed what the other writer appends otherwise."""
        self._turn += 1
        key = make_member_key(32 + self._turn % max(self._target.scene.members - 32, 1))
        operation = make_transfer(key.public, str(self._fork_number))
        self._append(key, [operation], 0)

    def _append(self, key: DeviceKey, operations: list[Operation], start_ms: int) -> None:
        tip = self._gate.replica.get_feed(key.public).tip
        self._take(seal(self._market.id, key, tip, operations, start_ms))

    def _take(self, pieces: Sequence[Piece]) -> None:
        self._gate.admit_pieces(pieces)
        self._target.told["entries"] += sum(len(piece.bodies) for piece in pieces)

    async def _run_link(self) -> None:
        stream = await self._target.dial()
        channel = Channel(self._market.id, Anybody(self._key), is_initiator=True)
        secured = await secure(stream, channel)
        self._target.told["links"] += 1
        await run_link(
            secured, self._gate, live=True, clock_ms=0, on_event=self._note, peer=secured.peer
        )

    def _note(self, event: LinkEvent) -> None:
        if isinstance(event, Reconciled):
            self.has_all.set()
            self._target.is_ready.set()


async def _write(target: Target, write: Callable[[_Writer], None]) -> None:
    writer = _Writer(target)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(writer.keep_link)
        await writer.has_all.wait()
        while True:
            write(writer)
            await trio.sleep(_PAUSE_SECONDS)
