"""Putting an announced piece together from the frames that bring its bodies."""

from collections.abc import Sequence
from typing import Final

from synaptic_crdt.errors import ProtocolViolation
from synaptic_crdt.state.feeds import Piece
from synaptic_crdt.sync.messages import Header


class Assembly:
    """The bodies of one piece so far: never more than its header announced."""

    def __init__(self, header: Header) -> None:
        self._header: Final = header
        self._bodies: Final[list[bytes]] = []
        self.size = 0

    def add(self, bodies: Sequence[bytes]) -> Piece | None:
        """Take the next bodies; return the piece once it is complete.

        Raises ``ProtocolViolation`` when they are not what the header announced.
        """
        header = self._header
        self._bodies.extend(bodies)
        self.size += sum(map(len, bodies))
        is_complete = len(self._bodies) == header.count
        is_over = len(self._bodies) > header.count or self.size > header.size
        if is_over or (is_complete and self.size != header.size):
            raise ProtocolViolation(
                f"feed {header.device.hex()[:16]}: {len(self._bodies)} bodies of {self.size} bytes"
                f" came, {header.count} of {header.size} bytes were announced"
            )
        if not is_complete:
            return None
        bodies = tuple(self._bodies)
        return Piece(header.device, header.first, header.predecessor, bodies, header.signature)
