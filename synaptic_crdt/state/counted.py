"""The counted checkpoints of one market, in order, and how far they fix each feed."""

from typing import Final

from synaptic_crdt.state.statements import Checkpoint


class Counted:
    """A list of checkpoints, each of which continues the one before and is well formed there."""

    __slots__ = ("_checkpoints", "_fixed", "_market", "_opened_ms")

    def __init__(self, market: bytes, opened_ms: int) -> None:
        self._market: Final = market
        self._opened_ms: Final = opened_ms
        self._checkpoints: Final[list[Checkpoint]] = []
        self._fixed: Final[dict[bytes, tuple[int, bytes]]] = {}

    @property
    def index(self) -> int:
        """The index of the newest counted checkpoint; 0 before the first."""
        return len(self._checkpoints)

    @property
    def head(self) -> bytes:
        """What the next checkpoint names as its previous one."""
        return self.get_id(self.index)

    @property
    def time_ms(self) -> int:
        """The time of the newest counted checkpoint; before the first, that of the genesis."""
        return self._checkpoints[-1].time if self._checkpoints else self._opened_ms

    def get(self, index: int) -> Checkpoint | None:
        """Return the counted checkpoint at ``index``, from 1."""
        return self._checkpoints[index - 1] if 1 <= index <= len(self._checkpoints) else None

    def get_id(self, index: int) -> bytes:
        """Return the id of the counted checkpoint at ``index``; at 0 the market id."""
        return self._checkpoints[index - 1].id if index else self._market

    def get_fixed(self, device: bytes) -> tuple[int, bytes]:
        """Return the position and the id up to which a device's feed is fixed; 0 when it is not."""
        return self._fixed.get(device, (0, b""))

    def find_flaw(self, checkpoint: Checkpoint) -> str | None:
        """Return why a checkpoint cannot be the next counted one, or None if it can."""
        assert checkpoint.index == self.index + 1
        if checkpoint.previous != self.head:
            return f"continues {checkpoint.previous.hex()[:16]}, not {self.head.hex()[:16]}"
        if checkpoint.time < self.time_ms:
            return f"time {checkpoint.time} is before {self.time_ms}, that of the last one"
        for item in checkpoint.frontier:
            fixed, _ = self.get_fixed(item.device)
            if item.position <= fixed:
                return (
                    f"feed {item.device.hex()[:16]} at {item.position} is not beyond its fixed"
                    f" position {fixed}"
                )
        return None

    def add(self, checkpoint: Checkpoint) -> None:
        """Count a checkpoint that has no flaw."""
        self._checkpoints.append(checkpoint)
        for item in checkpoint.frontier:
            self._fixed[item.device] = (item.position, item.id)

    def go_back(self, index: int) -> list[Checkpoint]:
        """Leave only the checkpoints up to ``index``; return the others."""
        undone = self._checkpoints[index:]
        if undone:
            del self._checkpoints[index:]
            self._fixed.clear()
            for checkpoint in self._checkpoints:
                for item in checkpoint.frontier:
                    self._fixed[item.device] = (item.position, item.id)
        return undone

    def copy(self) -> "Counted":
        """Return a list of its own."""
        copied = Counted(self._market, self._opened_ms)
        copied._checkpoints.extend(self._checkpoints)
        copied._fixed.update(self._fixed)
        return copied
