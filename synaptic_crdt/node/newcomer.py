"""Fetching a checkpoint's state over a link, for a home that is about to join.

What arrives lies in the home's ``incoming`` folder, so that an attempt that was cut goes on where it
stopped, if the same state is offered again. It is put together into the file that ``join --state``
takes, and is believed no more than such a file.
"""

import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

import trio

from synaptic_crdt.errors import LinkFailed, StoreFailed, SynapticError, UsageError
from synaptic_crdt.node.arrivals import Arrivals
from synaptic_crdt.node.home import Home
from synaptic_crdt.node.membership import MarketMembership
from synaptic_crdt.node.node import Market
from synaptic_crdt.rules.operations import AccountOpen, encode_operation
from synaptic_crdt.state.clock import pack_timestamp
from synaptic_crdt.state.feeds import encode_body, seal_bodies
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.sync.addresses import is_exchanged
from synaptic_crdt.sync.blobs import NoBlobs, WantedBlob
from synaptic_crdt.sync.gate import KeepNothing
from synaptic_crdt.sync.links import LocalEnd, fetch_state
from synaptic_crdt.sync.parts.state_messages import StateOffer
from synaptic_crdt.sync.state_fetch import StateFetch

_COPY_BYTES: Final = 1024 * 1024


def fetch_checkpoint(
    home: Home, key: DeviceKey, genesis: bytes, opening: AccountOpen, addresses: Sequence[str]
) -> Path:
    """Return a file with a checkpoint's state, from the first address that has one.

    ``opening`` shows the other end that this device may come in. Raises ``UsageError`` when no
    address can be dialled, or what went wrong with the last one.
    """
    market = Market(genesis)
    _open_feed(market, key, opening)
    membership = MarketMembership(market.genesis, market.id, market.replica, key)
    end = LocalEnd(market.make_gate(KeepNothing(), key.public), membership, lambda: 0)
    failure: SynapticError = UsageError(
        "the ticket has no address to begin from; ask for one that has, or for a file from `bundle"
        " write --state`, and give it as --state"
    )
    for address in addresses:
        if is_exchanged(address):
            continue
        try:
            return trio.run(partial(_fetch, home, end, address))
        except SynapticError as error:
            failure = error
    raise failure


def _open_feed(market: Market, key: DeviceKey, opening: AccountOpen) -> None:
    """Hold the device's opening in memory, to be shown; the true one is written when it joins."""
    certificate = opening.certificate
    time = pack_timestamp(market.genesis.created_ms)
    body = encode_body(
        max(time, certificate.issued + 1 if certificate else 0), encode_operation(opening)
    )
    gate = market.make_gate(KeepNothing(), key.public)
    for piece in seal_bodies(market.id, key, market.replica.get_feed(key.public).tip, [body]):
        gate.admit_piece(piece)


async def _fetch(home: Home, end: LocalEnd, address: str) -> Path:
    offered: list[_Incoming] = []

    def take(offer: StateOffer) -> _Incoming:
        offered.append(_Incoming(home.incoming_path, offer))
        return offered[-1]

    await fetch_state(address, end, StateFetch(end.gate.replica.market, take))
    (incoming,) = offered
    return incoming.put_together()


class _Incoming(Arrivals, NoBlobs):
    """The sections of one offer on their way here."""

    def __init__(self, folder: Path, offer: StateOffer) -> None:
        super().__init__(folder)
        self._wanted: Final = [WantedBlob(section.blob, section.size) for section in offer.sections]
        # Twice: as sections, and as the file that they make.
        if not self.has_room(2 * sum(blob.size for blob in self._wanted)):
            size = sum(blob.size for blob in self._wanted)
            raise StoreFailed(
                f"{folder}: the state of {size:,} bytes that is offered does not fit on this disk;"
                " nothing was taken"
            )
        names = {blob.name.hex() for blob in self._wanted}
        for left in folder.glob("*"):
            if left.name.split(".")[0] not in names:
                left.unlink()

    def get_wanted(self) -> Sequence[WantedBlob]:
        """Return the sections that are not here."""
        return [blob for blob in self._wanted if not self.has(blob.name)]

    def put_together(self) -> Path:
        """Return the file that the sections make. Raises ``LinkFailed`` or ``StoreFailed``."""
        if self.get_wanted():
            raise LinkFailed("the disk has filled up meanwhile; make room, and join again")
        path = self._folder / "state.bundle"
        try:
            with path.open("wb") as target:
                for blob in self._wanted:
                    with self._store.get_path(blob.name).open("rb") as source:
                        shutil.copyfileobj(source, target, _COPY_BYTES)
        except OSError as error:
            raise StoreFailed(f"{path}: {error.strerror}") from error
        return path
