"""Taking a piece apart into frames of a bounded size, and putting it together again."""

from collections.abc import Sequence
from typing import Final

from synaptic_crdt.errors import MalformedInput
from synaptic_crdt.state import limits
from synaptic_crdt.state.feeds import Piece
from synaptic_crdt.sync.messages import Bodies, Header


class Assembly:
    """The bodies of one piece so far: never more than its header announced."""

    def __init__(self, header: Header) -> None:
        self._header: Final = header
        self._bodies: Final[list[bytes]] = []
        self.size = 0

    def add(self, bodies: Sequence[bytes]) -> Piece | None:
        """Take the next bodies; return the piece once it is complete.

        Raises ``MalformedInput`` when they are not what the header announced.
        """
        header = self._header
        self._bodies.extend(bodies)
        self.size += sum(map(len, bodies))
        is_complete = len(self._bodies) == header.count
        is_over = len(self._bodies) > header.count or self.size > header.size
        if is_over or (is_complete and self.size != header.size):
            raise MalformedInput(
                f"feed {header.device.hex()[:16]}: {len(self._bodies)} bodies of {self.size} bytes"
                f" came, {header.count} of {header.size} bytes were announced"
            )
        if not is_complete:
            return None
        bodies = tuple(self._bodies)
        return Piece(header.device, header.first, header.predecessor, bodies, header.signature)


def take_apart(piece: Piece) -> list[Header | Bodies]:
    """Return the header and the frames of bodies that carry a piece."""
    header = Header(
        device=piece.device,
        first=piece.first,
        predecessor=piece.predecessor,
        count=len(piece.bodies),
        size=sum(map(len, piece.bodies)),
        signature=piece.signature,
    )
    parts: list[Header | Bodies] = [header]
    batch: list[bytes] = []
    size = 0
    for body in piece.bodies:
        batch.append(body)
        size += len(body)
        if size >= limits.FRAME_FILL_BYTES:
            parts.append(Bodies(bodies=tuple(batch)))
            batch, size = [], 0
    if batch:
        parts.append(Bodies(bodies=tuple(batch)))
    return parts
