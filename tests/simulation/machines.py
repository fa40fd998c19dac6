"""Homes of a simulation: their disks lose power, and they start again from what those hold."""

from collections.abc import Sequence
from typing import Final

from synaptic_crdt.node.node import Market
from synaptic_crdt.state.held import Feed
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.loading import load_replica
from synaptic_crdt.state.machine import Outcome
from tests.simulation.disk import Disk
from tests.simulation.homes import Home, World


class Unable(Exception):
    """A device cannot write: its feed has ended, or is not agreed upon."""


class Machine(Home):
    """A home whose disk is simulated, as far as what becomes of its writes."""

    def __init__(self, world: "World", key: DeviceKey, *, is_copy: bool = False) -> None:
        super().__init__(world, key, is_copy=is_copy)
        self.disk: Final = Disk(self._store)
        self.gate = self.market.make_gate(self.disk, own_device=key.public)
        self.restarts = 0
        # The newest checkpoint that was final here, and how many times any was taken back.
        self._final: tuple[int, bytes] = (0, b"")

    def publish(self, bodies: Sequence[bytes]) -> list[Outcome]:
        """Seal and admit as any node does. Raises ``Unable`` where a node would refuse."""
        if self.replica.get_feed(self.id).position and not self.can_write:
            raise Unable
        return super().publish(bodies)

    def restart(self) -> None:
        """Begin anew with what is on the disk, which has to be all that was acknowledged."""
        ends = {
            device: (feed.position, feed.tip.head) for device, feed in self.replica.feeds.items()
        }
        statements = set(self.replica.get_statements())
        self._store = self.disk.restart()
        market = Market(self._store.genesis)
        damages = load_replica(self._store, market.replica)
        if damages:
            raise AssertionError(f"damaged by losing power: {damages}")
        void = {entry.id for entry in self._store.read_void_entries()}
        lost = [
            (device.hex(), position)
            for device, (position, head) in ends.items()
            if head not in void and not _has(market.replica.get_feed(device), position, head)
        ]
        # What landed without being acknowledged may have made void what counted before.
        after = set(market.replica.get_statements())
        if not after - statements:
            lost += [(each.hex(), 0) for each in statements - after]
        if lost:
            raise AssertionError(f"acknowledged, and lost with the power: {lost}")
        self.market = market
        self.gate = market.make_gate(self.disk, own_device=self.id)
        self.restarts += 1

    def find_revoked(self) -> tuple[int, bytes] | None:
        """Return a checkpoint that was final here once and is not any more; look at it later."""
        replica = self.replica
        index, checkpoint = self._final
        newest = replica.final_epoch
        is_revoked = newest < index or (index and replica.chain.get_id(index) != checkpoint)
        revoked = self._final if is_revoked else None
        self._final = newest, replica.chain.get_id(newest)
        return revoked


class SimulatedWorld(World):
    """A market of machines in a folder."""

    def make_peer(self, key: DeviceKey) -> Machine:
        return Machine(self, key)

    @property
    def machines(self) -> list[Machine]:
        """The peers, which are machines."""
        return [peer for peer in self.peers if isinstance(peer, Machine)]


def _has(feed: Feed, position: int, head: bytes) -> bool:
    return feed.position >= position and feed.get_id(position) == head
