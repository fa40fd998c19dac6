"""Where a replica can begin without folding: a saved state, and the feeds as far as it goes.

The root of the state binds the end of every feed in it; what continues a feed needs besides the
time of its last entry and how full its window is, which are read from the bodies. They stay in
the store when others are archived: an archive takes whole windows before the last entry's.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from synaptic_crdt.errors import MalformedInput, StoreDamaged
from synaptic_crdt.state.checkpoints import CheckpointChain
from synaptic_crdt.state.codec import decode_body
from synaptic_crdt.state.feeds import Tip
from synaptic_crdt.state.hashes import compute_body_hash
from synaptic_crdt.state.held import Feed
from synaptic_crdt.state.outcomes import FeedRow
from synaptic_crdt.state.saved import SavedState
from synaptic_crdt.state.saved_states import SavedStates
from synaptic_crdt.state.shelf import Front, Mark, Shelf


class Base:
    """A verified state, and where each of its feeds goes on."""

    def __init__(
        self,
        state: SavedState,
        tips: Mapping[bytes, Tip],
        windows: Mapping[bytes, Sequence[Mark]],
    ) -> None:
        self.state: Final = state
        self._tips: Final = tips
        self._windows: Final = windows

    def place(self, shelf: Shelf, feed: Feed, seals: Sequence[tuple[int, bytes]]) -> None:
        """Let an empty feed begin with what the state includes of it, if it does.

        ``seals`` are those kept of it. They are verified when what they cover is read.
        """
        tip = self._tips.get(feed.device)
        if tip is None:
            return
        marks = [mark for mark in self._windows.get(feed.device, ()) if mark[0] <= tip.position]
        ends = [position for position, _ in marks]
        if not marks or marks[-1][0] < tip.position:
            marks.append((tip.position, tip.head))
        kept = {position: seal for position, seal in seals if 0 < position <= tip.position}
        front = Front(shelf, feed.device, marks, feed.seals)
        feed.begin_after(front, tip, ends, kept)


def find_base(saved: SavedStates, chain: CheckpointChain, devices: Sequence[bytes]) -> Base | None:
    """Return the newest state that a counted checkpoint claims, if one is saved.

    Raises ``StoreDamaged`` when what is saved does not verify.
    """
    state = saved.find_state(chain)
    if state is None:
        return None
    feeds, windows = state.get_feeds(), saved.read_windows()
    if not feeds.keys() <= set(devices):
        raise StoreDamaged("it includes a feed that the store has lost")
    tips = {
        device: _read_tip(saved, device, row, windows.get(device, ()))
        for device, row in feeds.items()
    }
    return Base(state, tips, windows)


def _read_tip(saved: SavedStates, device: bytes, row: FeedRow, windows: Sequence[Mark]) -> Tip:
    last = row.position
    name = f"feed {device.hex()} position {last}"
    stretch = saved.read_stretch(device, last, last)
    if not stretch or compute_body_hash(stretch[0][1]) != stretch[0][0]:
        raise StoreDamaged(f"{name}: the entry is altered or missing")
    try:
        time, _ = decode_body(stretch[0][1])
    except MalformedInput as error:
        raise StoreDamaged(f"{name}: {error}") from error
    window = max((position for position, _ in windows if position <= last), default=0)
    size = 0 if window == last else saved.read_size(device, window + 1, last)
    return Tip(device, last, row.id, time, size)
