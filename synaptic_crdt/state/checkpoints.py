"""Which checkpoints count, and how far they fix each feed. Judged without folding anything.

A checkpoint is well formed when it is the view's sequencer's, continues the counted one, time
does not go back, and each item extends that device's fixed head. It counts when a majority of the
view's witnesses cosigned it or one that follows it, with no witnesses at once; and when a handover
goes on from it. What counts is then a matter of what is held, not of the order in which it came,
as long as no majority of witnesses lies.

Two well-formed ones of one index, neither cosigned by a majority, halt the market until a handover
names the one to go on from; until then each replica keeps what it counted first, so a stolen
sequencer's key undoes nothing. A handover makes void whatever its view before signed beyond the
checkpoint that it goes on from.

What is kept beside the counted ones follows from what is held, too, whatever came first: two
replicas that show each other theirs end with the same, and show it to each other no more. Of what
one signer can make any number of, that of least id is kept, so there is an end to it as well.
"""

from collections.abc import Iterator, Sequence
from typing import Final, Literal

from synaptic_crdt.errors import Forged, MalformedInput
from synaptic_crdt.state import limits
from synaptic_crdt.state.cosignatures import Cosignatures
from synaptic_crdt.state.counted import Counted
from synaptic_crdt.state.statements import ChainStatement, Checkpoint, Cosignature, Handover
from synaptic_crdt.state.views import View, Views

Judgement = Literal["counts", "kept", "known", "too early", "conflict", "void"]

# What a statement can be judged that is worth keeping.
KEPT: Final = frozenset({"counts", "kept", "conflict"})

# Of one index that are kept, beside those that a witness cosigned: enough to prove that their signer
# signed twice.
_RIVALS: Final = 2


class CheckpointChain:
    """The counted checkpoints of one market, what is held beside them, and the fixed positions."""

    __slots__ = (
        "_begun",
        "_beside",
        "_counted",
        "_is_split",
        "_loose",
        "_passed_over",
        "_rival",
        "_wanted",
        "cosignatures",
        "views",
    )

    def __init__(
        self,
        market: bytes,
        sequencer: bytes | None,
        opened_ms: int,
        *,
        witnesses: Sequence[bytes] = (),
        recovery: bytes = b"",
    ) -> None:
        self.views = Views(market, sequencer, witnesses, recovery)
        # The views whose origin counts here; the newest of them goes on.
        self._begun: list[View] = [self.views.newest]
        self._counted = Counted(market, opened_ms)
        # Checkpoints held and not counted, by index and id; and who cosigned what.
        self._loose: Final[dict[int, dict[bytes, Checkpoint]]] = {}
        self.cosignatures = Cosignatures()
        # Evidence: of the checkpoints beside counted ones of this view that of the least id, or one
        # that a majority of the witnesses is behind too.
        self._rival: Checkpoint | None = None
        self._is_split = False
        # Of those that were to count and cannot any more that of the least id, by index: it is
        # evidence once another one of its index counts.
        self._passed_over: Final[dict[int, Checkpoint]] = {}
        # Ids that something which is to count is known to stand on, held or not.
        self._wanted: Final[set[bytes]] = set()
        self._beside: tuple[ChainStatement, ...] | None = None

    # -- what counts -------------------------------------------------------------------------

    @property
    def view(self) -> View:
        """The view whose checkpoints count now."""
        return self._begun[-1]

    @property
    def sequencer(self) -> bytes | None:
        """The device that signs checkpoints; None in a sandbox market."""
        return self.views.newest.sequencer

    @property
    def index(self) -> int:
        """The index of the newest counted checkpoint; 0 before the first."""
        return self._counted.index

    @property
    def head(self) -> bytes:
        """What the next checkpoint names as its previous one."""
        return self._counted.head

    @property
    def time_ms(self) -> int:
        """The time of the newest counted checkpoint; before the first, that of the genesis."""
        return self._counted.time_ms

    def get(self, index: int) -> Checkpoint | None:
        """Return the counted checkpoint at ``index``, from 1."""
        return self._counted.get(index)

    def get_id(self, index: int) -> bytes:
        """Return the id of the counted checkpoint at ``index``; at 0 the market id."""
        return self._counted.get_id(index)

    def get_fixed_position(self, device: bytes) -> int:
        """Return up to where counted checkpoints fix a device's feed; 0 when they do not."""
        return self._counted.get_fixed(device)[0]

    # -- what does not count -----------------------------------------------------------------

    @property
    def is_halted(self) -> bool:
        """Do two checkpoints of one index stand against each other, and no majority decides?"""
        if self._rival is not None and (self._is_split or not self.view.quorum):
            return True
        return len(self.get_candidates()) > 1

    @property
    def awaited(self) -> View | None:
        """The view that is begun by a handover whose checkpoint is not held yet, if any."""
        return self.views.get(self.view.number + 1)

    @property
    def conflicts(self) -> Sequence[Checkpoint]:
        """What the sequencer signed beside a counted checkpoint: evidence, never obeyed."""
        return () if self._rival is None else (self._rival,)

    def get_candidates(self) -> list[Checkpoint]:
        """Return the well-formed checkpoints that wait to be the next counted one, by id."""
        following = self._loose.get(self.index + 1, {})
        return [
            checkpoint
            for _, checkpoint in sorted(following.items())
            if self._counted.find_flaw(checkpoint) is None
        ]

    def get_checkpoint(self, index: int, checkpoint_id: bytes) -> Checkpoint | None:
        """Return a checkpoint that is held, whether it counts or not."""
        counted = self.get(index)
        if counted is not None and counted.id == checkpoint_id:
            return counted
        if self._rival is not None and self._rival.id == checkpoint_id:
            return self._rival
        return self._loose.get(index, {}).get(checkpoint_id)

    def get_beside(self) -> Sequence[ChainStatement]:
        """Return what is kept beside the counted checkpoints, in an order to add it."""
        if self._beside is None:
            self._beside = tuple(self._collect_beside())
        return self._beside

    # -- what goes in ------------------------------------------------------------------------

    def judge(self, statement: ChainStatement) -> Judgement:
        """Say what a verified statement is to this chain, without taking it.

        Raises ``Forged`` when its signer had no business to sign it, ``MalformedInput`` when it
        breaks a rule of form that its signer could not have broken by accident.
        """
        match statement:
            case Checkpoint():
                return self._judge_checkpoint(statement)
            case Cosignature():
                return self._judge_cosignature(statement)
            case _:
                return self._judge_handover(statement)

    def add(self, statement: ChainStatement) -> Judgement:
        """Take a verified statement if it is worth keeping, and say what it is, as ``judge``."""
        judgement = self.judge(statement)
        if judgement not in KEPT:
            return judgement
        self._beside = None
        is_crowding = False
        match statement:
            case Checkpoint() if judgement == "counts":
                self._counted.add(statement)
            case Checkpoint():
                is_crowding = self._keep_loose(statement, judgement)
            case Cosignature():
                is_crowding = self._keep_cosignature(statement, judgement)
            case _:
                self.views.add(statement)
                self._follow_views()
                is_crowding = True
        # With neither witnesses nor a handover to follow there is nothing that could move.
        if self.view.quorum or self.awaited is not None:
            self._advance(is_crowding=is_crowding)
        return judgement

    def adopt(self, checkpoint: Checkpoint) -> None:
        """Take as counted what another chain of this process counted, for a replay."""
        assert checkpoint.previous == self.head
        self._counted.add(checkpoint)

    def copy(self) -> "CheckpointChain":
        """Return a chain of its own, to judge what follows without taking it."""
        first = self._begun[0]
        copied = CheckpointChain(first.origin, first.sequencer, 0)
        copied.views = self.views.copy()
        copied._begun = list(self._begun)
        copied._counted = self._counted.copy()
        for index, held in self._loose.items():
            copied._loose[index] = dict(held)
        copied.cosignatures = self.cosignatures.copy()
        copied._rival, copied._is_split = self._rival, self._is_split
        copied._passed_over.update(self._passed_over)
        copied._wanted.update(self._wanted)
        return copied

    # -- judging -----------------------------------------------------------------------------

    def _judge_checkpoint(self, checkpoint: Checkpoint) -> Judgement:
        if self._is_known(checkpoint):
            return "known"
        view = self.views.get(checkpoint.view)
        if view is None:
            return "too early"
        if checkpoint.signer != view.sequencer:
            # Who sequences later views depends on handovers that may not all have come.
            if view.number:
                return "void"
            raise Forged(
                f"checkpoint {checkpoint.index}: signed by {checkpoint.signer.hex()[:16]}, who is"
                " not this market's sequencer"
            )
        if checkpoint.id in self._wanted:
            return "kept"
        if view.number != self.view.number:
            return "void" if view.number < self.view.number else "too early"
        if checkpoint.index <= view.index:
            return "void"
        if self.awaited is not None:
            return self._judge_on_the_way(checkpoint, self.awaited)
        if checkpoint.index <= self.index:
            # One proof is enough: a sequencer that goes on signing fills nobody's disk.
            return "conflict" if self._is_evidence(checkpoint) else "too early"
        return self._judge_following(checkpoint, view)

    def _judge_on_the_way(self, checkpoint: Checkpoint, awaited: View) -> Judgement:
        """Judge a checkpoint of the view that a known handover ends."""
        if checkpoint.index > awaited.index:
            return "void"
        is_to_keep = self._has_parent(checkpoint) and self._has_room(checkpoint)
        return "kept" if is_to_keep else "too early"

    def _judge_following(self, checkpoint: Checkpoint, view: View) -> Judgement:
        if not view.quorum:
            # Until a handover nothing can be judged that follows two of one index.
            if self._rival is not None or checkpoint.index > self.index + 1:
                return "too early"
            # It continues what its signer must have signed beside ours; the two would prove it.
            if checkpoint.previous != self.head:
                return "too early"
            self._check_well_formed(checkpoint)
            return "counts"
        # What does not count may have come from an honest peer: no flaw of it is held against it.
        if checkpoint.index == self.index + 1:
            if self._counted.find_flaw(checkpoint) is not None:
                return "void"
        elif not self._has_parent(checkpoint):
            return "too early"
        if not self._has_room(checkpoint) or checkpoint.index > self._get_furthest():
            return "too early"
        return "conflict" if self._loose.get(checkpoint.index) else "kept"

    def _judge_cosignature(self, cosignature: Cosignature) -> Judgement:
        if self.cosignatures.is_known(cosignature):
            return "known"
        view = self.views.get(cosignature.view)
        if view is None:
            return "too early"
        if cosignature.signer not in view.witnesses:
            if view.number:
                return "void"
            raise Forged(
                f"cosignature of checkpoint {cosignature.index}: signed by"
                f" {cosignature.signer.hex()[:16]}, who is no witness"
            )
        if view.number < self.view.number or cosignature.index <= view.index:
            return "void"
        if view.number == self.view.number and cosignature.index <= self.index:
            return self._judge_late_cosignature(cosignature)
        ahead = self._get_ahead(cosignature.signer)
        is_least = len(ahead) < limits.COSIGNED_AHEAD or cosignature.id < ahead[-1].id
        return "kept" if is_least else "too early"

    def _judge_late_cosignature(self, cosignature: Cosignature) -> Judgement:
        """Judge a cosignature of an index that is counted already."""
        if (cosignature.index, cosignature.checkpoint) in self._get_cosigned():
            return "kept"
        if self.cosignatures.is_new_lie(cosignature):
            return "conflict"
        is_counted = cosignature.checkpoint == self.get_id(cosignature.index)
        is_proved = cosignature.signer in self.cosignatures.liars
        return "known" if is_counted or is_proved else "void"

    def _judge_handover(self, handover: Handover) -> Judgement:
        if self.views.is_known(handover):
            return "known"
        is_acceptable = self.views.is_acceptable(handover)
        if is_acceptable is None:
            return "too early"
        return "kept" if is_acceptable else "void"

    def _is_known(self, checkpoint: Checkpoint) -> bool:
        return self.get_checkpoint(checkpoint.index, checkpoint.id) is not None

    def _has_parent(self, checkpoint: Checkpoint) -> bool:
        before = checkpoint.index - 1
        is_counted = before <= self.index and self.get_id(before) == checkpoint.previous
        return is_counted or checkpoint.previous in self._loose.get(before, {})

    def _has_room(self, checkpoint: Checkpoint) -> bool:
        """Is this one of those of its index that are kept?

        What a witness cosigned is, whatever comes: nobody else may hold it when it is to count.
        """
        if self.cosignatures.get_signers(checkpoint):
            return True
        held = self._loose.get(checkpoint.index, {})
        less = [each for each in held.values() if each.id < checkpoint.id]
        return sum(each.view == checkpoint.view for each in less) < _RIVALS

    def _is_evidence(self, late: Checkpoint) -> bool:
        """Is this one to be kept that stands beside a counted one of its view?"""
        return self._rival is None or (not self._is_split and late.id < self._rival.id)

    def _get_cosigned(self) -> set[tuple[int, bytes]]:
        """Return the counted index and id of what cosignatures are kept of: newest and evidence."""
        places = {(self.index, self.head)}
        if self._rival is not None:
            index = self._rival.index
            places |= {(index, self._rival.id), (index, self.get_id(index))}
        return places

    def _get_ahead(self, witness: bytes) -> list[Cosignature]:
        """Return what a witness cosigned beyond what counts, by id."""
        return self.cosignatures.get_ahead(witness, self.view.number, self.index)

    def _get_furthest(self) -> int:
        """Return up to which index checkpoints may be held that do not count."""
        cosigned = self.cosignatures.get_with_quorum(self.view)
        return max(self.index + limits.CHECKPOINTS_AHEAD, *(index for _, index, _ in cosigned), 0)

    def _check_well_formed(self, checkpoint: Checkpoint) -> None:
        flaw = self._counted.find_flaw(checkpoint)
        if flaw is not None:
            raise MalformedInput(f"checkpoint {checkpoint.index}: {flaw}")

    # -- keeping and counting ----------------------------------------------------------------

    def _keep_loose(self, checkpoint: Checkpoint, judgement: Judgement) -> bool:
        """Keep a checkpoint that does not count yet; may it be in the place of something else?"""
        is_beside_counted = checkpoint.index <= self.index and self.awaited is None
        if judgement == "conflict" and is_beside_counted:
            self._rival = checkpoint
            return True
        held = self._loose.setdefault(checkpoint.index, {})
        held[checkpoint.id] = checkpoint
        return len(held) > _RIVALS

    def _keep_cosignature(self, cosignature: Cosignature, judgement: Judgement) -> bool:
        """Keep a cosignature, or the name of who is shown to lie; did another one give way?"""
        if judgement == "conflict":
            self.cosignatures.note_liar(cosignature.signer)
            return False
        self.cosignatures.add(cosignature)
        crowded_out = self._get_ahead(cosignature.signer)[limits.COSIGNED_AHEAD :]
        for each in crowded_out:
            self.cosignatures.drop(each)
        return bool(crowded_out)

    def _advance(self, *, is_crowding: bool) -> None:
        """Let views begin and checkpoints count as far as what is held allows."""
        self._wanted.clear()
        view, head = self.view, self.head
        while self._begin_next_view() or self._count_cosigned():
            pass
        if is_crowding or (self.view, self.head) != (view, head):
            self._prune()

    def _follow_views(self) -> None:
        """Go back to before the first begun view that handovers now give to others."""
        for number, view in enumerate(self._begun):
            if self.views.get(number) != view:
                self._begun = self._begun[:number]
                self._counted.go_back(view.index)
                self._forget_evidence()
                break
        self._drop_replaced()

    def _drop_replaced(self) -> None:
        """Forget what those signed who do not sequence or witness its view any more."""
        self.cosignatures.drop_strangers(self.views)
        for index, held in list(self._loose.items()):
            for checkpoint in list(held.values()):
                view = self.views.get(checkpoint.view)
                if view is None or checkpoint.signer != view.sequencer:
                    del held[checkpoint.id]
            if not held:
                del self._loose[index]

    def _begin_next_view(self) -> bool:
        awaited = self.awaited
        if awaited is None:
            return False
        path, start = self._trace(awaited.origin, awaited.index)
        # A view that goes back behind the one before it was never rightly begun.
        if start is None or start < self.view.index:
            return False
        undone = self._counted.go_back(start)
        if not self._count_path(path):
            self._counted.go_back(start)
            for checkpoint in undone:
                self._counted.add(checkpoint)
            return False
        self._begun.append(awaited)
        self._forget_evidence()
        return True

    def _count_cosigned(self) -> bool:
        """Count what a majority cosigned, and what that stands on; did anything count?"""
        furthest = None if self.awaited is None else self.awaited.index
        for _, index, checkpoint_id in self.cosignatures.get_with_quorum(self.view):
            is_counted = index <= self.index and checkpoint_id == self.get_id(index)
            if is_counted or (furthest is not None and index > furthest):
                continue
            path, start = self._trace(checkpoint_id, index)
            if start is None:
                continue
            if start < self.index:
                # A majority stands behind both: not all of them are honest.
                self._rival, self._is_split = path[0], True
            elif self._count_path(path):
                return True
        return False

    def _trace(self, checkpoint_id: bytes, index: int) -> tuple[list[Checkpoint], int | None]:
        """Return the checkpoints, none of them counted, that lead to one; and where they begin.

        None when one of them is not held: that one is wanted from here on.
        """
        path: list[Checkpoint] = []
        while index > self.index or self.get_id(index) != checkpoint_id:
            checkpoint = self.get_checkpoint(index, checkpoint_id)
            if checkpoint is None:
                self._wanted.add(checkpoint_id)
                return path[::-1], None
            path.append(checkpoint)
            self._wanted.add(checkpoint_id)
            checkpoint_id, index = checkpoint.previous, index - 1
        return path[::-1], index

    def _count_path(self, path: Sequence[Checkpoint]) -> bool:
        """Count consecutive checkpoints; false when one of them is not well formed."""
        for checkpoint in path:
            if self._counted.find_flaw(checkpoint) is not None:
                self._loose.get(checkpoint.index, {}).pop(checkpoint.id, None)
                return False
            self._counted.add(checkpoint)
        return True

    def _prune(self) -> None:
        """Forget what can no longer count, and what nobody would take; what proves a lie is kept."""
        # In order, so that what follows something that goes is found to follow nothing.
        for index, held in sorted(self._loose.items()):
            for checkpoint in list(held.values()):
                if self.awaited is None and index <= self.index:
                    del held[checkpoint.id]
                    self._keep_evidence(checkpoint)
                elif not self._is_of_use(checkpoint):
                    del held[checkpoint.id]
                    self._pass_over(checkpoint)
            if not held:
                del self._loose[index]
        for index in [index for index in self._passed_over if index <= self.index]:
            self._keep_evidence(self._passed_over.pop(index))
        self.cosignatures.prune(self.view.number, self.index, self._get_cosigned())

    def _pass_over(self, checkpoint: Checkpoint) -> None:
        """Take note of one that is to count no more, if it can be evidence later."""
        if checkpoint.view == self.view.number:
            other = self._passed_over.get(checkpoint.index, checkpoint)
            self._passed_over[checkpoint.index] = min(checkpoint, other, key=lambda each: each.id)

    def _forget_evidence(self) -> None:
        """Begin without any: another view counts here."""
        self._rival, self._is_split = None, False
        self._passed_over.clear()

    def _keep_evidence(self, late: Checkpoint) -> None:
        is_beside_counted = late.view == self.view.number and self.get(late.index) != late
        if is_beside_counted and late.index > self.view.index and self._is_evidence(late):
            self._rival = late

    def _is_of_use(self, checkpoint: Checkpoint) -> bool:
        """Would this one, which waits to count, be taken if it came now?"""
        if self.get(checkpoint.index) == checkpoint:
            return False
        if checkpoint.id in self._wanted:
            return True
        is_of_this_view = checkpoint.view == self.view.number
        return is_of_this_view and self._may_follow(checkpoint) and self._has_room(checkpoint)

    def _may_follow(self, checkpoint: Checkpoint) -> bool:
        if self.awaited is not None:
            return checkpoint.index <= self.awaited.index and self._has_parent(checkpoint)
        if checkpoint.index == self.index + 1:
            return self._counted.find_flaw(checkpoint) is None
        return self._has_parent(checkpoint)

    def _collect_beside(self) -> Iterator[ChainStatement]:
        yield from self.views.get_handovers()
        yield from self.cosignatures.get_all()
        for _, held in sorted(self._loose.items()):
            for _, checkpoint in sorted(held.items()):
                yield checkpoint
        if self._rival is not None:
            counted = self.get(self._rival.index)
            assert counted is not None
            yield counted
            yield self._rival
