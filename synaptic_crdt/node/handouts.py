"""Handing a checkpoint's state to newcomers over links: as a file, in sections that are served as blobs.

The file is what ``bundle write --state`` writes. It is made when the first newcomer asks, and serves
all who ask within ten minutes: what came since they get by syncing. The one before stays for those
who are at it. Sections are for whoever is let in, as the entries are that the state came of.

Answers newcomers who ask again and again.
"""

import time
from pathlib import Path
from typing import Final

from synaptic_crdt.errors import SynapticError
from synaptic_crdt.node.blob_files import BlobFile, outline_section
from synaptic_crdt.node.cold_start import write_state_file
from synaptic_crdt.node.node import Node
from synaptic_crdt.state.limits import BLOB_BYTES
from synaptic_crdt.state.outline import name_outline
from synaptic_crdt.sync.parts.state_messages import Section, StateOffer

_LASTING_SECONDS: Final = 600.0
_GENERATIONS: Final = 2
_NOTHING: Final = StateOffer(epoch=0, sections=())


class Handouts:
    """The states that are handed out now."""

    def __init__(self, node: Node) -> None:
        self._node: Final = node
        self._folder: Final = node.home.path / "handouts"
        self._offer = _NOTHING
        self._made_at = 0.0
        # By generation: where its file is, and its sections.
        self._generations: Final[dict[Path, dict[bytes, BlobFile]]] = {}

    def offer(self) -> StateOffer:
        """Return what may be fetched; nothing while no state of this home can be begun with."""
        is_old = time.monotonic() - self._made_at > _LASTING_SECONDS
        if is_old or not self._offer.sections:
            try:
                self._make()
            except (OSError, SynapticError):
                # Whoever asks may try another peer; here ``doctor`` says what is the matter.
                return _NOTHING
        return self._offer

    def find(self, name: bytes) -> BlobFile | None:
        """Return a section by its name."""
        for sections in self._generations.values():
            if name in sections:
                return sections[name]
        return None

    def _make(self) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        # Of an earlier process nobody knows the sections any more.
        for left in self._folder.iterdir():
            if left not in self._generations:
                left.unlink()
        path = self._folder / f"{time.time_ns()}.bundle"
        told = write_state_file(self._node, path=str(path))
        sections: dict[bytes, BlobFile] = {}
        listed: list[Section] = []
        for start in range(0, told["bytes"], BLOB_BYTES):
            outline = outline_section(path, start)
            assert outline is not None, path
            name = name_outline(outline)
            sections[name] = BlobFile(path, start, outline)
            listed.append(Section(name, min(BLOB_BYTES, told["bytes"] - start)))
        self._generations[path] = sections
        while len(self._generations) > _GENERATIONS:
            oldest = next(iter(self._generations))
            del self._generations[oldest]
            oldest.unlink(missing_ok=True)
        self._offer = StateOffer(epoch=told["epoch"], sections=tuple(listed))
        self._made_at = time.monotonic()
