"""The blobs of a home as its links see them: what is wanted, what may be served, what has come.

One for each process that owns a home, shared by all its links, so that no blob comes twice at a time.

Answers peers that fill a disk: nothing comes that nobody here wants, or a piece more of it than its
name has; and what is fetched is named in the market, with its size.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final

import trio

from synaptic_crdt.node.arrivals import Arrivals
from synaptic_crdt.node.blob_files import BlobFile
from synaptic_crdt.node.blob_rights import Needs, Rights
from synaptic_crdt.node.handouts import Handouts
from synaptic_crdt.node.node import Node
from synaptic_crdt.sync.blobs import HeldBlob, WantedBlob
from synaptic_crdt.sync.parts.state_messages import StateOffer

_QUIET_FACTOR: Final = (
    20  # looking takes a twentieth of the time at most, in however large a market
)
_OPEN_FILES: Final = 64  # whose outlines are remembered, 2 MiB in all


class BlobExchange(Arrivals):
    """See ``sync.blobs.Blobs``, which this is."""

    def __init__(self, node: Node) -> None:
        super().__init__(node.home.blobs_path)
        self._node: Final = node
        self._handouts: Final = Handouts(node)
        self._needs: Final = Needs(node)
        self.rights: Final = Rights(node)
        self.turn = 0
        # By name: what a person asked for.
        self._asked_for: Final[dict[bytes, WantedBlob]] = {}
        # What was wanted when it was last looked for, and how much was held then.
        self._wanted: Sequence[WantedBlob] = ()
        self._wanted_at: tuple[int, int] | None = None
        self._quiet_until = 0.0
        self._has_left = trio.Event()
        self._open: Final[dict[bytes, BlobFile]] = {}
        self._listeners: Final[list[Callable[[], None]]] = []

    def get_wanted(self) -> Sequence[WantedBlob]:
        """Return what is wanted here, the most urgent first."""
        replica = self._node.replica
        now = (replica.entries, replica.chain.index)
        # Every live link asks whenever anything has come.
        is_quiet = self._wanted_at is not None and time.monotonic() < self._quiet_until
        if self._wanted_at != now and not is_quiet:
            started = time.monotonic()
            named = {blob.name: blob for blob in (*self._asked_for.values(), *self._needs.find())}
            self._wanted = [blob for name, blob in named.items() if not self.has(name)]
            self._wanted_at = now
            ended = time.monotonic()
            self._quiet_until = ended + _QUIET_FACTOR * (ended - started)
        return self._wanted

    def ask_for(self, blob: WantedBlob) -> None:
        """Want a blob from here on, until it is here or this is taken back."""
        self._asked_for[blob.name] = blob
        self._wanted_at = None
        self.tell(is_new_turn=True)

    def forget(self, name: bytes) -> None:
        """Take back that a blob was asked for."""
        self._asked_for.pop(name, None)
        self._wanted_at = None

    async def wait_while_under_way(self, name: bytes) -> None:
        """Return when no link fetches a blob any more; one that stalls is given up by its link."""
        while name in self._under_way:
            await self._has_left.wait()

    def finish(self, blob: WantedBlob) -> None:
        """Put a blob where whole ones are, and tell who waits. Raises ``StoreFailed``."""
        super().finish(blob)
        self.forget(blob.name)
        self._node.gate.news.publish(())

    def leave(self, name: bytes) -> None:
        """Fetch a blob no longer; what is here of it stays."""
        super().leave(name)
        self._has_left.set()
        self._has_left = trio.Event()

    def offer_state(self) -> StateOffer:
        """Return the newest state that can be begun with; its sections are found as blobs are."""
        return self._handouts.offer()

    def find(self, name: bytes, device: bytes) -> HeldBlob | None:
        """Return a blob if it is here and a device may have it."""
        if (section := self._handouts.find(name)) is not None:
            return section
        if not self.has(name) or not self.rights.may_have(name, device):
            self._open.pop(name, None)
            return None
        held = self._open.get(name) or BlobFile.open(self._store.get_path(name), name)
        if held is not None:
            self._open[name] = held
            if len(self._open) > _OPEN_FILES:
                del self._open[next(iter(self._open))]
        return held

    def tell(self, *, is_new_turn: bool) -> None:
        """Let links see what is wanted; in a new turn they ask again for what was gone."""
        if is_new_turn:
            self.turn += 1
            self._wanted_at = None
        for listener in tuple(self._listeners):
            listener()

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` when more may be wanted here."""
        self._listeners.append(listener)

    def unsubscribe(self, listener: Callable[[], None]) -> None:
        """Stop calling ``listener``."""
        self._listeners.remove(listener)
