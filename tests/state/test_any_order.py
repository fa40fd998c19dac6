"""What counts, and what is folded, does not depend on the order in which anything came.

Histories are made at random: a sequencer that signs two, witnesses that sign late, not at all or
(one of them) twice, lost and stolen sequencers, handovers by the recovery key or the witnesses,
entries in every epoch and after the last. Replicas get everything in orders of their own, again
and again as peers offer it, and end equal.
"""

from collections.abc import Sequence
from typing import Final

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from synaptic_crdt.state.feeds import Piece
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.replica import Replica
from synaptic_crdt.state.statements import Checkpoint, Statement
from tests.state.conftest import (
    MARKET,
    OPENED_MS,
    ToyContract,
    Writer,
    admit,
    dump_machine,
)
from tests.state.witnessing import (
    RECOVERY,
    WITNESSES,
    cosign,
    follow,
    hand_over,
    make_key,
)

STEPS: Final = st.sampled_from(
    ["count", "count", "count", "minority", "two", "stolen", "recover", "vote"]
)
# What fails is printed as it was drawn: these histories take minutes to be made smaller.
PHASES: Final = [Phase.explicit, Phase.reuse, Phase.generate]


class Story:
    """One market's history as it unfolds where everything is known."""

    def __init__(self, witnesses: Sequence[DeviceKey]) -> None:
        self.replica: Final = make_replica(witnesses)
        self.writers: Final = [Writer(seed) for seed in (1, 2, 3)]
        self.lanes: Final[list[list[Piece]]] = [[] for _ in self.writers]
        self.statements: Final[list[Statement]] = []
        self.sequencer = make_key(100)
        self.witnesses = tuple(witnesses)
        self.has_witnesses = bool(witnesses)
        self.replaced: list[tuple[int, DeviceKey, Checkpoint | None]] = []

    @property
    def head(self) -> Checkpoint | None:
        return self.replica.chain.get(self.replica.chain.index)

    def write(self, number: int, amount: int) -> None:
        writer = self.writers[number]
        time_ms = self.replica.chain.time_ms + 1 + amount
        pieces = writer.write((time_ms, ["mint", amount]), (time_ms, ["pay", bytes(32), 3]))
        self.lanes[number].extend(pieces)
        admit(self.replica, pieces)

    def make(self, later: int = 10) -> Checkpoint:
        time_ms = self.replica.chain.time_ms + later
        return self.replica.make_checkpoint(self.sequencer, time_ms, lambda _: True)

    def tell(self, *statements: Statement) -> None:
        for statement in statements:
            self.statements.append(statement)
            self.replica.add_statement(statement)

    def step(self, kind: str, chance: st.DataObject) -> None:
        quorum = self.replica.chain.view.quorum
        if kind in {"recover", "vote"} or self.replica.is_halted or not self.is_open:
            self.hand_over(chance, by_vote=kind == "vote")
        elif kind == "count":
            checkpoint = self.make()
            signers = chance.draw(st.permutations(self.witnesses))
            extra = chance.draw(st.integers(0, len(signers) - quorum))
            cosigned = [cosign(checkpoint, key) for key in signers[: quorum + extra]]
            self.tell(checkpoint, *cosigned)
        elif kind == "minority" and quorum > 1:
            checkpoint = self.make()
            self.tell(checkpoint, cosign(checkpoint, self.witnesses[0]))
        elif kind == "two" and quorum:
            self.sign_two(chance)
        elif kind == "stolen" and self.replaced:
            view, thief, origin = chance.draw(st.sampled_from(self.replaced))
            self.tell(follow(origin, key=thief, view=view, root=9))

    @property
    def is_open(self) -> bool:
        chain = self.replica.chain
        return chain.awaited is None and not chain.get_candidates()

    def sign_two(self, chance: st.DataObject) -> None:
        """Half of the witnesses see the one, half the other; the first of them lies to both."""
        one, two = self.make(10), self.make(11)
        kinds = st.sampled_from(["one", "two", "neither"])
        cosigned: list[Statement] = []
        for key in self.witnesses[1:]:
            saw = chance.draw(kinds)
            cosigned += [cosign(one, key)] if saw == "one" else []
            cosigned += [cosign(two, key)] if saw == "two" else []
        if len(self.witnesses) > 2 and not cosigned and chance.draw(st.booleans()):
            cosigned += [cosign(one, self.witnesses[0]), cosign(two, self.witnesses[0])]
        self.tell(*chance.draw(st.permutations([one, two, *cosigned])))

    def hand_over(self, chance: st.DataObject, *, by_vote: bool) -> None:
        chain = self.replica.chain
        number = chain.view.number + 1
        after = make_key(100 + number)
        new = chance.draw(st.sampled_from([self.witnesses, (), WITNESSES[:1], WITNESSES]))
        words = self.make_votes(number, after, new) if by_vote and chain.view.quorum else []
        if not words:
            words = [hand_over(self.head, RECOVERY, view=number, sequencer=after, witnesses=new)]
        self.tell(*chance.draw(st.permutations(words)))
        if chain.view.number == number:
            self.replaced.append((number - 1, self.sequencer, self.head))
            self.sequencer, self.witnesses = after, tuple(new)

    def make_votes(
        self, number: int, after: DeviceKey, new: Sequence[DeviceKey]
    ) -> list[Statement]:
        """Every witness states the newest that it cosigned, or that it knows to count."""
        newest: dict[bytes, Checkpoint | None] = {}
        chain = self.replica.chain
        for key in self.witnesses:
            signed = chain.cosignatures.get_signed_by(key.public)
            ahead = [each for each in signed if each.index > chain.index]
            held = chain.get_checkpoint(ahead[0].index, ahead[0].checkpoint) if ahead else None
            newest[key.public] = held or self.head
        origin = max(
            newest.values(), key=lambda each: (0, b"") if each is None else (each.index, each.id)
        )
        return [
            hand_over(
                origin, key, view=number, sequencer=after, witnesses=new, newest=newest[key.public]
            )
            for key in self.witnesses
        ]


def make_replica(witnesses: Sequence[DeviceKey]) -> Replica:
    return Replica(
        MARKET,
        sequencer=make_key(100).public,
        opened_ms=OPENED_MS,
        make_contract=ToyContract,
        witnesses=[key.public for key in witnesses],
        recovery=RECOVERY.public,
    )


def interleave(story: Story, chance: st.DataObject) -> Replica:
    """Give a replica each feed in order, and all statements in any order, again and again."""
    replica = make_replica(WITNESSES if story.has_witnesses else ())
    lanes = [list(lane) for lane in story.lanes]
    order = chance.draw(st.permutations(story.statements))
    takes = chance.draw(st.lists(st.integers(0, 3), max_size=30))
    pending = list(order)
    for take in takes:
        if take < len(lanes) and lanes[take]:
            admit(replica, [lanes[take].pop(0)])
        elif pending:
            replica.add_statement(pending.pop(0))
        if chance.draw(st.booleans()):
            replica.machine.fold()
    for lane in lanes:
        admit(replica, lane)
    for statement in pending:
        replica.add_statement(statement)
    offer(replica, order)
    return replica


def offer(replica: Replica, statements: Sequence[Statement]) -> None:
    """Offer everything again and again, as peers do that meet again and again."""
    while True:
        before = describe(replica), replica.get_beside()
        for statement in statements:
            replica.add_statement(statement)
        if before == (describe(replica), replica.get_beside()):
            return


def describe(replica: Replica) -> object:
    chain = replica.chain
    return (
        [chain.get_id(index) for index in range(chain.index + 1)],
        chain.view,
        chain.awaited,
        replica.is_halted,
        replica.final_epoch,
        replica.root,
        dump_machine(replica.machine)[:-1],  # type: ignore[index]
    )


def tell(chance: st.DataObject, witnesses: Sequence[DeviceKey]) -> Story:
    story = Story(witnesses)
    for kind in chance.draw(st.lists(STEPS, min_size=1, max_size=8)):
        story.write(chance.draw(st.integers(0, 2)), chance.draw(st.integers(0, 9)))
        story.step(kind, chance)
    story.write(0, 5)
    return story


@pytest.mark.untraced
@settings(max_examples=150, phases=PHASES)
@given(st.data())
def test_any_order_ends_equal(chance: st.DataObject) -> None:
    story = tell(chance, chance.draw(st.sampled_from([(), WITNESSES])))
    first, second = interleave(story, chance), interleave(story, chance)
    assert describe(first) == describe(second) == describe(story.replica)


@pytest.mark.untraced
@settings(max_examples=50, phases=PHASES)
@given(st.data())
def test_replicas_that_counted_others_end_equal_after_a_handover(chance: st.DataObject) -> None:
    """Without witnesses a stolen key divides the replicas; the handover unites them."""
    story = tell(chance, ())
    if story.replica.chain.view.quorum or story.replica.chain.awaited is not None:
        return
    branch = story.head
    view = story.replica.chain.view.number
    stolen: list[Checkpoint] = []
    for _ in range(chance.draw(st.integers(1, 3))):
        branch = follow(branch, key=story.sequencer, view=view, root=9)
        stolen.append(branch)
    for _ in range(chance.draw(st.integers(1, 3))):
        story.tell(story.make())
    other = interleave(story, chance) if chance.draw(st.booleans()) else make_replica(())
    robbed = make_replica(())
    for lane in story.lanes:
        admit(robbed, lane)
    for statement in [*story.statements[: -len(stolen)], *stolen]:
        robbed.add_statement(statement)
    word = hand_over(story.head, view=view + 1, sequencer=make_key(150))
    story.tell(word)
    held: list[Statement] = [*story.statements, *stolen]
    for replica in (robbed, other):
        for lane in story.lanes:
            pieces = [p for p in lane if p.first > replica.get_feed(p.device).position]
            admit(replica, pieces)
        offer(replica, chance.draw(st.permutations(held)))
    assert describe(robbed) == describe(other) == describe(story.replica)
    assert not robbed.is_halted
