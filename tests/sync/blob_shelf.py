"""The blobs of a home in memory: what a node does on disk, and ends that lie."""

from collections.abc import Callable, Sequence
from typing import Final

from synaptic_crdt.state.limits import BLOB_PIECE_BYTES
from synaptic_crdt.state.outline import make_outline, name_content
from synaptic_crdt.sync.blobs import HeldBlob, WantedBlob
from synaptic_crdt.sync.messages import LENGTH_BYTES, PREFACE_BYTES
from synaptic_crdt.sync.parts.state_messages import Section, StateOffer


def make_content(size: int, seed: int = 0) -> bytes:
    """Return bytes of which no two pieces are the same."""
    return b"".join(
        (seed + number).to_bytes(4, "big") * (BLOB_PIECE_BYTES // 4)
        for number in range(size // BLOB_PIECE_BYTES + 1)
    )[:size]


def cut_frames(data: bytes, *, is_first: bool) -> Sequence[bytes]:
    """Return whole frames one by one; the first comes with the preface before it."""
    frames: list[bytes] = []
    begin, end = 0, PREFACE_BYTES if is_first else 0
    while end < len(data):
        end += LENGTH_BYTES + int.from_bytes(data[end : end + LENGTH_BYTES], "big")
        frames.append(data[begin:end])
        begin = end
    return frames


class HeldContent:
    def __init__(self, data: bytes) -> None:
        self.data: Final = data

    @property
    def outline(self) -> bytes:
        return make_outline(self.data)

    def read_piece(self, number: int) -> bytes | None:
        start = number * BLOB_PIECE_BYTES
        return self.data[start : start + BLOB_PIECE_BYTES] or None


class Shelf:
    """Whole blobs by name, parts of others, and a note of every piece that was kept."""

    def __init__(self, *contents: bytes) -> None:
        self.whole: Final = {name_content(data): data for data in contents}
        self.parts: Final[dict[bytes, bytearray]] = {}
        self.wanted: Final[list[WantedBlob]] = []
        self.under_way: Final[set[bytes]] = set()
        self.kept: Final[list[tuple[bytes, int]]] = []
        self.readers: set[bytes] | None = None
        self.turn = 0
        # The sections of a state, to whoever asks for one.
        self.offered: list[bytes] = []
        self._listeners: Final[list[Callable[[], None]]] = []

    def want(self, *contents: bytes) -> "Shelf":
        self.wanted.extend(WantedBlob(name_content(data), len(data)) for data in contents)
        for listener in tuple(self._listeners):
            listener()
        return self

    def begin_turn(self) -> None:
        self.turn += 1
        self.want()

    def get_wanted(self) -> Sequence[WantedBlob]:
        return [blob for blob in self.wanted if blob.name not in self.whole]

    def begin(self, blob: WantedBlob) -> bool:
        if blob.name in self.under_way or blob.name in self.whole:
            return False
        self.under_way.add(blob.name)
        self.parts.setdefault(blob.name, bytearray())
        return True

    def resume(self, blob: WantedBlob, outline: bytes) -> int:
        assert outline
        return len(self.parts[blob.name]) // BLOB_PIECE_BYTES

    def keep(self, blob: WantedBlob, piece: bytes) -> None:
        part = self.parts[blob.name]
        self.kept.append((blob.name, len(part) // BLOB_PIECE_BYTES))
        part.extend(piece)

    def finish(self, blob: WantedBlob) -> None:
        self.whole[blob.name] = bytes(self.parts.pop(blob.name))
        self.leave(blob.name)

    def leave(self, name: bytes) -> None:
        self.under_way.discard(name)

    def find(self, name: bytes, device: bytes) -> HeldBlob | None:
        if name not in self.whole or (self.readers is not None and device not in self.readers):
            return None
        return HeldContent(self.whole[name])

    def offer_state(self) -> StateOffer:
        sections = tuple(Section(name_content(data), len(data)) for data in self.offered)
        return StateOffer(epoch=len(sections), sections=sections)

    def subscribe(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)

    def unsubscribe(self, listener: Callable[[], None]) -> None:
        self._listeners.remove(listener)
