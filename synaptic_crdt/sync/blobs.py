"""What a home's blobs are to a link: asked of the node, which knows what it wants and who may read.

A blob is a content that is too large for an entry, by its name, which is the root of a tree over its
pieces (``state/outline.py``). Links move pieces and verify them; which blobs are wanted here, who
may have those that are held here, and where they lie, is the node's business.
"""

from collections.abc import Callable, Sequence
from typing import Final, Protocol

import msgspec

from synaptic_crdt.sync.parts.state_messages import StateOffer


class WantedBlob(msgspec.Struct, frozen=True):
    """A blob that is not here, with its size as whoever named it has said it."""

    name: bytes
    size: int


class HeldBlob(Protocol):
    """A blob that is here, as it is served: nothing of it that is damaged."""

    @property
    def outline(self) -> bytes:
        """The hashes of its pieces, joined."""
        ...

    def read_piece(self, number: int) -> bytes | None:
        """Return a piece by its number; None when there is none, or it is not sound any more."""
        ...


class Blobs(Protocol):
    """The blobs of one home, shared by all its links."""

    @property
    def turn(self) -> int:
        """Counts up when what was nowhere to be had is to be asked for again."""
        ...

    def get_wanted(self) -> Sequence[WantedBlob]:
        """Return what is wanted here, the most urgent first."""
        ...

    def begin(self, blob: WantedBlob) -> bool:
        """Begin to fetch a blob, or go on; False if it is here, or comes over another link."""
        ...

    def resume(self, blob: WantedBlob, outline: bytes) -> int:
        """Return how many of the first pieces of a blob that was begun are here, and sound."""
        ...

    def keep(self, blob: WantedBlob, piece: bytes) -> None:
        """Keep the next piece of a blob that was begun, which is verified.

        Raises ``StoreFailed``.
        """
        ...

    def finish(self, blob: WantedBlob) -> None:
        """Take note that all pieces are here. Raises ``StoreFailed``."""
        ...

    def leave(self, name: bytes) -> None:
        """Fetch a blob no longer; what is here of it stays."""
        ...

    def find(self, name: bytes, device: bytes) -> HeldBlob | None:
        """Return a blob if it is here and a device may have it."""
        ...

    def offer_state(self) -> StateOffer:
        """Return the newest state that can be begun with; its sections are found as blobs are."""
        ...

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` when more may be wanted here."""
        ...

    def unsubscribe(self, listener: Callable[[], None]) -> None:
        """Stop calling ``listener``."""
        ...


class NoBlobs:
    """What a home that keeps none is to a link."""

    @property
    def turn(self) -> int:
        """Ask for nothing again."""
        return 0

    def get_wanted(self) -> Sequence[WantedBlob]:
        """Return nothing."""
        return ()

    def begin(self, blob: WantedBlob) -> bool:
        """Fetch nothing."""
        del blob
        return False

    def resume(self, blob: WantedBlob, outline: bytes) -> int:
        """Hold nothing."""
        del blob, outline
        return 0

    def keep(self, blob: WantedBlob, piece: bytes) -> None:
        """Keep nothing."""

    def finish(self, blob: WantedBlob) -> None:
        """Finish nothing."""

    def leave(self, name: bytes) -> None:
        """Leave nothing."""

    def find(self, name: bytes, device: bytes) -> HeldBlob | None:
        """Find nothing."""
        del name, device

    def offer_state(self) -> StateOffer:
        """Offer nothing."""
        return StateOffer(epoch=0, sections=())

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Never call."""

    def unsubscribe(self, listener: Callable[[], None]) -> None:
        """Never call."""


NO_BLOBS: Final = NoBlobs()
