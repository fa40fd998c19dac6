"""What is kept beside the counted checkpoints is the same for all who showed each other theirs.

Whatever came first: otherwise two replicas would tell each other the same for ever.
"""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from synaptic_crdt.state import limits
from synaptic_crdt.state.checkpoints import KEPT, CheckpointChain
from synaptic_crdt.state.loading import load_replica
from synaptic_crdt.state.replica import Replica
from synaptic_crdt.state.statements import (
    ChainStatement,
    Checkpoint,
    ForkProof,
    encode_statement,
)
from synaptic_crdt.state.store import Store
from tests.state.conftest import MARKET, OPENED_MS, ToyContract
from tests.state.witnessing import (
    NEXT,
    RECOVERY,
    SEQUENCER,
    WITNESSES,
    A,
    B,
    C,
    add_all,
    cosign,
    cosign_all,
    describe,
    follow,
    follow_all,
    hand_over,
    make_chain,
    make_key,
)

# What fails is printed as it was drawn: this takes minutes to be made smaller.
PHASES: Final = [Phase.explicit, Phase.reuse, Phase.generate]
ROUNDS_MAX: Final = 4
D: Final = make_key(121)
ONE: Final = follow(root=10)
TWO: Final = follow(ONE, root=10)
# Those of one index, the least id first.
FIRST: Final = sorted((follow(root=root) for root in range(1, 6)), key=lambda each: each.id)
SECOND: Final = sorted((follow(ONE, root=root) for root in range(1, 6)), key=lambda each: each.id)


class Keeper:
    """A replica, and what it was told that is worth keeping, as a store has it."""

    def __init__(self) -> None:
        self.replica = make_witnessed()
        self.stored: dict[bytes, ChainStatement] = {}

    def take(self, statements: Sequence[ChainStatement]) -> None:
        for statement in statements:
            if self.replica.add_statement(statement) in KEPT:
                self.stored[statement.id] = statement

    def tell(self) -> list[ChainStatement]:
        return [each for each in self.replica.walk_statements() if not isinstance(each, ForkProof)]

    def open(self) -> Replica:
        """Return what comes of this at the next opening, which finds no damage."""
        opened = make_witnessed()
        stored = [(each.id, encode_statement(each)) for each in self.stored.values()]
        with (
            TemporaryDirectory() as folder,
            closing(Store.create(Path(folder) / "market.db", b"genesis")) as store,
        ):
            store.write(statements=stored)
            assert load_replica(store, opened) == ()
        return opened


def make_witnessed() -> Replica:
    return Replica(
        MARKET,
        sequencer=SEQUENCER.public,
        opened_ms=OPENED_MS,
        make_contract=ToyContract,
        witnesses=[key.public for key in WITNESSES],
        recovery=RECOVERY.public,
    )


def meet(one: Keeper, other: Keeper) -> None:
    """Let two tell each other what they hold, until neither learns anything."""
    for _ in range(ROUNDS_MAX):
        told = one.tell(), other.tell()
        one.take(told[1])
        other.take(told[0])
        if told == (one.tell(), other.tell()):
            return
    raise AssertionError("there is no end of news")


# -- checkpoints that cannot count any more --------------------------------------------------


def test_a_checkpoint_with_a_flaw_is_not_kept_once_that_shows() -> None:
    """It came before the one that it takes back from, and after that one others do not take it."""
    early, late = make_chain(*WITNESSES), make_chain(*WITNESSES)
    back = follow(ONE, later=-100)
    statements = [ONE, *cosign_all(ONE, A, B)]
    assert add_all(early, [ONE, back, follow(back)]) == ["kept"] * 3
    add_all(early, statements)
    assert add_all(late, [*statements, back, follow(back)])[-2:] == ["void", "too early"]
    assert early.index == late.index == 1
    assert describe(early) == describe(late)


def test_what_follows_the_loser_goes_with_it() -> None:
    chain = make_chain(*WITNESSES)
    loser = FIRST[0]
    beyond = follow_all(2, loser)
    assert add_all(chain, [ONE, loser, *beyond]) == ["kept", "conflict", "kept", "kept"]
    add_all(chain, cosign_all(ONE, A, B))
    assert chain.conflicts == (loser,)
    assert not {each.id for each in beyond} & {each.id for each in chain.get_beside()}


def test_what_could_not_follow_is_evidence_once_its_index_counts() -> None:
    chain = make_chain(*WITNESSES)
    back = [follow(ONE, later=-100, root=root) for root in (1, 2)]
    add_all(chain, [ONE, *back, *cosign_all(ONE, A, B)])
    assert chain.copy().conflicts == chain.conflicts == ()
    chain.add(TWO)
    copied = chain.copy()
    for each in (chain, copied):
        add_all(each, cosign_all(TWO, A, B))
        assert each.conflicts == (min(back, key=lambda one: one.id),)


def test_what_a_majority_stands_on_is_kept_whatever_is_missing_before_it() -> None:
    chain = make_chain(*WITNESSES)
    made = follow_all(3)
    add_all(chain, [*cosign_all(made[2], A, B), *made[:0:-1]])
    # Which makes room.
    add_all(chain, [hand_over(None, A)])
    assert chain.get_checkpoint(2, made[1].id) == made[1]
    add_all(chain, made[:1])
    assert chain.index == 3


# -- more than two of one index --------------------------------------------------------------


@pytest.mark.parametrize("order", [FIRST, FIRST[::-1], [*FIRST[2:], *FIRST[:2]]])
def test_of_those_of_one_index_the_two_of_least_id_are_kept(order: list[Checkpoint]) -> None:
    chain = make_chain(*WITNESSES)
    add_all(chain, order)
    assert chain.get_candidates() == FIRST[:2]
    assert chain.add(FIRST[2]) == "too early"


def test_what_a_witness_cosigned_stays_whatever_comes() -> None:
    """The others may have cosigned it, too, and nobody else may hold it."""
    chain = make_chain(*WITNESSES)
    cosigned = FIRST[-1]
    add_all(chain, [cosigned, cosign(cosigned, A), *FIRST[:-1]])
    assert chain.get_candidates() == [*FIRST[:2], cosigned]
    other = make_chain(*WITNESSES)
    add_all(other, [*FIRST[:-1], cosign(cosigned, A)])
    assert other.add(cosigned) == "conflict"
    assert describe(other) == describe(chain)


def test_what_follows_the_third_goes_with_it() -> None:
    chain = make_chain(*WITNESSES)
    beyond = follow(FIRST[2])
    add_all(chain, [FIRST[2], beyond, FIRST[0]])
    assert chain.get_checkpoint(2, beyond.id) == beyond
    add_all(chain, [FIRST[1]])
    assert chain.get_checkpoint(2, beyond.id) is None


@pytest.mark.parametrize("order", [[*FIRST, *SECOND], [*SECOND, *FIRST][::-1]])
@pytest.mark.parametrize("witnesses", [(), WITNESSES])
def test_of_those_beside_counted_ones_the_least_is_evidence(
    witnesses: tuple[object, ...], order: list[Checkpoint]
) -> None:
    chain = make_chain(*(WITNESSES if witnesses else ()))
    add_all(chain, [ONE, TWO, *(cosign_all(TWO, A, B) if witnesses else ())])
    assert chain.index == 2
    add_all(chain, order)
    least = min(order, key=lambda each: each.id)
    assert chain.conflicts == (least,)
    assert chain.get_beside()[-2:] == (chain.get(least.index), least)
    assert chain.is_halted == (not witnesses)


@pytest.mark.parametrize("rival", [FIRST[0], FIRST[-1]])
def test_the_loser_is_evidence_if_it_is_the_least(rival: Checkpoint) -> None:
    chain = make_chain(*WITNESSES)
    add_all(chain, [ONE, *cosign_all(ONE, A, B), rival])
    least, *_, greatest = sorted((follow(ONE, root=n) for n in range(20)), key=lambda each: each.id)
    loser = least if rival is FIRST[-1] else greatest
    add_all(chain, [TWO, loser, *cosign_all(TWO, A, B)])
    assert chain.index == 2
    assert chain.conflicts == (min(rival, loser, key=lambda each: each.id),)


# -- cosignatures ----------------------------------------------------------------------------


def test_of_what_a_witness_signs_ahead_that_of_least_id_is_kept() -> None:
    made = follow_all(limits.COSIGNED_AHEAD + 1)
    signed = sorted((cosign(each, A) for each in made), key=lambda each: each.id)
    chains = [make_chain(*WITNESSES) for _ in range(2)]
    assert set(add_all(chains[0], signed[::-1])) == {"kept"}
    assert add_all(chains[1], signed)[-1] == "too early"
    assert describe(chains[0]) == describe(chains[1])
    assert signed[-1] not in chains[0].get_beside()


def test_a_cosignature_that_gives_way_takes_nobody_elses_with_it() -> None:
    chain = make_chain(*WITNESSES)
    made = sorted(follow_all(limits.COSIGNED_AHEAD + 1), key=lambda each: cosign(each, A).id)
    theirs = cosign(made[-1], B)
    add_all(chain, [theirs, *(cosign(each, A) for each in reversed(made))])
    assert chain.cosignatures.get_signers(made[-1]) == [B.public]


def test_those_of_a_view_that_has_not_begun_are_bounded_too() -> None:
    """Whatever their index: the view before may have gone further than where it begins."""
    chain = make_chain(*WITNESSES)
    made = follow_all(limits.COSIGNED_AHEAD + 9)
    add_all(chain, [*made, *cosign_all(made[-1], A, B)])
    elsewhere = follow(root=1)
    add_all(chain, [hand_over(elsewhere, witnesses=(D,))])
    assert chain.awaited is not None
    following = follow_all(limits.COSIGNED_AHEAD + 1, elsewhere, view=1, key=NEXT)
    judged = add_all(chain, sorted((cosign(each, D) for each in following), key=lambda c: c.id))
    assert judged == ["kept"] * limits.COSIGNED_AHEAD + ["too early"]


def test_what_gave_way_is_no_damage_at_the_next_opening() -> None:
    keeper = Keeper()
    signed = [cosign(each, A) for each in follow_all(limits.COSIGNED_AHEAD + 1)]
    keeper.take(sorted(signed, key=lambda each: each.id, reverse=True))
    keeper.take(FIRST[::-1])
    assert len(keeper.stored) == len(signed) + len(FIRST)
    assert describe(keeper.open().chain) == describe(keeper.replica.chain)


def test_cosignatures_of_evidence_are_kept_on_both_sides() -> None:
    """They show who cosigned two, and come in any order, also when the market went on."""
    loser = FIRST[0]
    told = [cosign(loser, C), *cosign_all(ONE, A, B, C)]
    for order in (told, told[::-1]):
        chain = make_chain(*WITNESSES)
        add_all(chain, [ONE, TWO, *cosign_all(TWO, A, B), loser])
        assert chain.cosignatures.liars == []
        assert set(add_all(chain, order)) == {"kept"}
        assert chain.cosignatures.liars == [C.public]
        assert set(told) <= set(chain.get_beside())


def test_cosignatures_of_evidence_that_gave_way_go_with_it() -> None:
    chain = make_chain(*WITNESSES)
    add_all(chain, [ONE, TWO, *cosign_all(TWO, A, B), FIRST[1], cosign(FIRST[1], C)])
    assert cosign(FIRST[1], C) in chain.get_beside()
    assert chain.add(FIRST[0]) == "conflict"
    assert cosign(FIRST[1], C) not in chain.get_beside()
    assert chain.add(cosign(FIRST[1], C)) == "void"


def test_a_cosignature_under_another_index_than_that_of_what_counts_is_void() -> None:
    chain = make_chain(*WITNESSES)
    add_all(chain, [ONE, TWO, *cosign_all(TWO, A, B)])
    assert chain.add(cosign(follow(root=7), C)) == "void"


def test_a_liar_is_remembered_when_its_lie_is_told_no_more() -> None:
    """After a handover nothing of the view before is of use to anybody, but its name is."""
    keeper = Keeper()
    lies = [cosign(FIRST[0], C), cosign(FIRST[1], C)]
    keeper.take([*lies, ONE, *cosign_all(ONE, A, B), hand_over(ONE, witnesses=(D,))])
    chain = keeper.replica.chain
    assert chain.view.number == 1
    assert chain.cosignatures.liars == [C.public]
    assert not set(lies) & set(chain.get_beside())
    opened = keeper.open()
    assert opened.chain.cosignatures.liars == [C.public]
    assert describe(opened.chain) == describe(chain)


def test_a_handover_to_others_takes_the_word_of_those_before() -> None:
    """Two agreed on one view, then the recovery key on another: who cosigns in it is others."""
    chain, other = make_chain(*WITNESSES), make_chain(*WITNESSES)
    following = follow(ONE, view=1, key=NEXT)
    early = [hand_over(ONE, key, witnesses=WITNESSES, newest=ONE) for key in (A, B)]
    cosigned, word = cosign(following, A), hand_over(ONE, witnesses=(D,))
    begun = [ONE, *cosign_all(ONE, A, B)]
    add_all(chain, [*begun, *early, following, cosigned])
    assert cosigned in chain.get_beside()
    add_all(chain, [word])
    add_all(other, [*begun, *early, word, following, cosigned])
    assert cosigned not in chain.get_beside()
    add_all(chain, [following])
    add_all(other, [following])
    assert describe(chain) == describe(other)


# -- any order -------------------------------------------------------------------------------

# One honest line, which A and B cosign; and all that a sequencer and C can sign beside it.
LINE: Final = follow_all(4)
HONEST: Final = [
    *LINE,
    *(each for made in LINE for each in cosign_all(made, A, B)),
]
FORGERIES: Final = [
    rival
    for before in (None, *LINE[:3])
    for rival in (
        *(follow(before, root=root) for root in (1, 2, 3)),
        *follow_all(2, follow(before, root=4)),
        *(() if before is None else (follow(before, later=-100),)),
    )
]
LIES: Final = [*FORGERIES, *(cosign(each, C) for each in (*LINE, *FORGERIES))]


@pytest.mark.untraced
@settings(max_examples=150, phases=PHASES)
@given(st.data())
def test_all_keep_the_same_in_the_end_and_have_it_after_opening(chance: st.DataObject) -> None:
    lies = chance.draw(st.lists(st.sampled_from(LIES), max_size=12, unique=True))
    keepers = [Keeper(), Keeper()]
    for keeper in keepers:
        statements = [each for each in (*HONEST, *lies) if chance.draw(st.integers(0, 3))]
        keeper.take(chance.draw(st.permutations(statements)))
    meet(*keepers)
    for keeper in keepers:
        keeper.take(chance.draw(st.permutations(HONEST)))
    meet(*keepers)
    one, other = keepers
    assert describe(one.replica.chain) == describe(other.replica.chain)
    opened = one.open().chain
    assert (opened.index, opened.head) == (one.replica.chain.index, one.replica.chain.head)
    # What was forgotten before it turned out to be evidence may be known again.
    assert set(one.replica.chain.get_beside()) <= set(opened.get_beside())
    assert set(one.replica.chain.cosignatures.liars) <= set(opened.cosignatures.liars)


@pytest.mark.untraced
@settings(max_examples=150, phases=PHASES)
@given(st.data())
def test_a_chain_counts_the_same_whatever_lies_come(chance: st.DataObject) -> None:
    chain: CheckpointChain = make_chain(*WITNESSES)
    add_all(chain, chance.draw(st.permutations([*HONEST, *LIES])))
    add_all(chain, HONEST)
    assert chain.head == LINE[-1].id
