"""Which checkpoints count, and how far they fix each feed. Judged without folding anything.

A checkpoint is well formed when it is the sequencer's, continues the counted one, time does not
go back, and each item extends that device's fixed head. With no witnesses it then counts at once.
Two different ones of one index are proof that the sequencer signed twice: the market is halted.
"""

from collections.abc import Sequence
from typing import Final, Literal

from synaptic_crdt.errors import Forged, MalformedInput
from synaptic_crdt.state.statements import Checkpoint, Statement

Judgement = Literal["counts", "kept", "known", "too early", "conflict", "void"]

# What a statement can be judged that is worth keeping.
KEPT: Final = frozenset({"counts", "kept", "conflict"})


class CheckpointChain:
    """The counted checkpoints of one market, in order, and the feeds' fixed positions."""

    __slots__ = ("_conflict", "_counted", "_fixed", "_market", "_opened_ms", "_sequencer")

    def __init__(self, market: bytes, sequencer: bytes | None, opened_ms: int) -> None:
        self._market: Final = market
        self._sequencer: Final = sequencer
        self._opened_ms: Final = opened_ms
        self._counted: Final[list[Checkpoint]] = []
        self._conflict: Checkpoint | None = None
        self._fixed: Final[dict[bytes, tuple[int, bytes]]] = {}

    @property
    def sequencer(self) -> bytes | None:
        """The device that signs checkpoints; None in a sandbox market."""
        return self._sequencer

    @property
    def index(self) -> int:
        """The index of the newest counted checkpoint; 0 before the first."""
        return len(self._counted)

    @property
    def head(self) -> bytes:
        """What the next checkpoint names as its previous one."""
        return self.get_id(self.index)

    @property
    def time_ms(self) -> int:
        """The time of the newest counted checkpoint; before the first, that of the genesis."""
        return self._counted[-1].time if self._counted else self._opened_ms

    @property
    def conflicts(self) -> Sequence[Checkpoint]:
        """What the sequencer signed beside a counted checkpoint: evidence, never obeyed."""
        return () if self._conflict is None else (self._conflict,)

    def get(self, index: int) -> Checkpoint | None:
        """Return the counted checkpoint at ``index``, from 1."""
        return self._counted[index - 1] if 1 <= index <= len(self._counted) else None

    def get_id(self, index: int) -> bytes:
        """Return the id of the counted checkpoint at ``index``; at 0 the market id."""
        return self._counted[index - 1].id if index else self._market

    def get_fixed_position(self, device: bytes) -> int:
        """Return up to where counted checkpoints fix a device's feed; 0 when they do not."""
        return self._fixed.get(device, (0, b""))[0]

    def get_beside(self) -> Sequence[Statement]:
        """Return what is kept beside the counted checkpoints, in an order to add it."""
        if self._conflict is None:
            return ()
        counted = self.get(self._conflict.index)
        assert counted is not None
        return (counted, self._conflict)

    def judge(self, statement: Statement) -> Judgement:
        """Say what a verified statement is to this chain, without taking it.

        Raises ``Forged`` when its signer had no business to sign it, ``MalformedInput`` when it
        breaks a rule of form that its signer could not have broken by accident.
        """
        if not isinstance(statement, Checkpoint):
            raise Forged(f"signed by {statement.signer.hex()[:16]}, who is no witness here")
        return self._judge_checkpoint(statement)

    def add(self, statement: Statement) -> Judgement:
        """Take a verified statement if it is worth keeping, and say what it is, as ``judge``."""
        judgement = self.judge(statement)
        if judgement == "conflict":
            assert isinstance(statement, Checkpoint)
            self._conflict = statement
        elif judgement == "counts":
            assert isinstance(statement, Checkpoint)
            self._count(statement)
        return judgement

    def _judge_checkpoint(self, checkpoint: Checkpoint) -> Judgement:
        if checkpoint.signer != self._sequencer:
            raise Forged(
                f"checkpoint {checkpoint.index}: signed by {checkpoint.signer.hex()[:16]}, who is"
                " not this market's sequencer"
            )
        if checkpoint.view != 0:
            raise MalformedInput(
                f"checkpoint {checkpoint.index}: view {checkpoint.view}, expected 0"
            )
        counted = self.get(checkpoint.index)
        if counted is not None and counted.id == checkpoint.id:
            return "known"
        # One proof is enough. Until a handover nothing else can be judged, and a sequencer that
        # goes on signing fills nobody's disk.
        if self._conflict is not None:
            return "known" if self._conflict.id == checkpoint.id else "too early"
        if counted is not None:
            return "conflict"
        if checkpoint.index > self.index + 1:
            return "too early"
        self._check_well_formed(checkpoint)
        return "counts"

    def _count(self, checkpoint: Checkpoint) -> None:
        self._counted.append(checkpoint)
        for item in checkpoint.frontier:
            self._fixed[item.device] = (item.position, item.id)

    def copy(self) -> "CheckpointChain":
        """Return a chain of its own, to judge what follows without taking it."""
        copied = CheckpointChain(self._market, self._sequencer, self._opened_ms)
        copied._counted.extend(self._counted)
        copied._conflict = self._conflict
        copied._fixed.update(self._fixed)
        return copied

    def _check_well_formed(self, checkpoint: Checkpoint) -> None:
        name = f"checkpoint {checkpoint.index}"
        if checkpoint.previous != self.head:
            raise MalformedInput(
                f"{name}: continues {checkpoint.previous.hex()[:16]}, not {self.head.hex()[:16]}"
            )
        if checkpoint.time < self.time_ms:
            raise MalformedInput(
                f"{name}: time {checkpoint.time} is before {self.time_ms}, that of the last one"
            )
        for item in checkpoint.frontier:
            fixed = self.get_fixed_position(item.device)
            if item.position <= fixed:
                raise MalformedInput(
                    f"{name}: feed {item.device.hex()[:16]} at {item.position} is not beyond its"
                    f" fixed position {fixed}"
                )
