"""What counts where witnesses cosign: a majority, in whatever order everything arrives."""

from collections.abc import Callable

import pytest

from synaptic_crdt.errors import Forged
from synaptic_crdt.state import limits
from synaptic_crdt.state.checkpoints import CheckpointChain
from synaptic_crdt.state.statements import ChainStatement
from tests.state.witnessing import (
    NEXT,
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

ONE = follow()
RIVAL = follow(root=1)
TWO = follow(ONE)


@pytest.fixture
def chain() -> CheckpointChain:
    return make_chain(*WITNESSES)


@pytest.mark.parametrize(("witnesses", "quorum"), [(0, 0), (1, 1), (2, 2), (3, 2), (4, 3), (15, 8)])
def test_a_majority_is_more_than_half(witnesses: int, quorum: int) -> None:
    chain = make_chain(*(make_key(number) for number in range(1, witnesses + 1)))
    assert chain.view.quorum == quorum


def test_a_majority_makes_a_checkpoint_count(chain: CheckpointChain) -> None:
    assert add_all(chain, [ONE, cosign(ONE, A)]) == ["kept", "kept"]
    assert chain.index == 0
    assert chain.get_candidates() == [ONE]
    assert chain.cosignatures.get_signers(ONE) == [A.public]
    assert chain.add(cosign(ONE, C)) == "kept"
    assert (chain.index, chain.head) == (1, ONE.id)
    assert chain.get_candidates() == []
    # Those of the newest counted one go on to be kept; a newcomer needs them.
    assert chain.add(cosign(ONE, B)) == "kept"
    assert len(chain.get_beside()) == 3


def test_cosignatures_may_come_first(chain: CheckpointChain) -> None:
    add_all(chain, cosign_all(ONE, A, B))
    assert chain.index == 0
    assert chain.add(ONE) == "kept"
    assert chain.index == 1


def test_a_newcomer_needs_the_cosignatures_of_the_newest_alone(chain: CheckpointChain) -> None:
    made = follow_all(50)
    add_all(chain, [*cosign_all(made[-1], B, C), *made])
    assert chain.index == 50
    assert [chain.get(index) for index in range(1, 51)] == made
    other = make_chain(*WITNESSES)
    add_all(other, [*made, *cosign_all(made[-1], B, C)])
    assert describe(other) == describe(chain)


def test_what_is_known_to_count_may_be_far_ahead(chain: CheckpointChain) -> None:
    made = follow_all(limits.CHECKPOINTS_AHEAD + 2)
    assert add_all(chain, made)[-3:] == ["kept", "too early", "too early"]
    add_all(chain, cosign_all(made[-1], A, B))
    add_all(chain, made[limits.CHECKPOINTS_AHEAD :])
    assert chain.index == len(made)


def test_what_a_majority_cosigned_is_taken_backwards_too(chain: CheckpointChain) -> None:
    made = follow_all(5)
    add_all(chain, cosign_all(made[-1], A, B))
    assert add_all(chain, reversed(made)) == ["kept"] * 5
    assert chain.index == 5


Make = Callable[[CheckpointChain], ChainStatement]
JUDGED: dict[str, tuple[Make, str]] = {
    "the next one": (lambda _: follow(TWO), "kept"),
    "another next one": (lambda _: follow(TWO, root=2), "kept"),
    "one that a flaw keeps from counting": (lambda _: follow(TWO, later=-100), "void"),
    "one that continues another": (lambda _: follow(follow(RIVAL)), "void"),
    "one too far": (lambda _: follow(follow(TWO)), "too early"),
    "a counted one": (lambda _: ONE, "known"),
    "the newest": (lambda _: TWO, "known"),
    "a rival of a counted one": (lambda _: RIVAL, "conflict"),
    "a rival of the newest": (lambda _: follow(ONE, root=1), "conflict"),
    "a cosignature of the newest": (lambda _: cosign(TWO, C), "kept"),
    "the same again": (lambda _: cosign(TWO, A), "known"),
    "a cosignature of an older one": (lambda _: cosign(ONE, C), "known"),
    "a cosignature of what is not held": (lambda _: cosign(follow(TWO), A), "kept"),
    "a cosignature of a rival": (lambda _: cosign(RIVAL, C), "void"),
    "a second cosignature of one index": (lambda _: cosign(follow(ONE, root=1), A), "conflict"),
    "a cosignature of a view nothing began": (
        lambda _: cosign(follow(TWO, view=1, key=NEXT), A),
        "too early",
    ),
    "a checkpoint of a view nothing began": (lambda _: follow(TWO, view=1, key=NEXT), "too early"),
    "a witness's word": (lambda _: hand_over(TWO, A, newest=TWO), "kept"),
    "the recovery key's word": (lambda _: hand_over(TWO), "kept"),
    "a word for a view beyond the next": (lambda _: hand_over(TWO, view=2), "too early"),
}


@pytest.mark.parametrize(("make", "judgement"), JUDGED.values(), ids=JUDGED.keys())
def test_a_statement_is_judged(chain: CheckpointChain, make: Make, judgement: str) -> None:
    add_all(chain, [ONE, TWO, *cosign_all(TWO, A, B)])
    before = describe(chain), chain.cosignatures.liars
    statement = make(chain)
    assert chain.judge(statement) == judgement
    assert (describe(chain), chain.cosignatures.liars) == before  # judging takes nothing
    assert chain.add(statement) == judgement
    is_news = (describe(chain), chain.cosignatures.liars) != before
    assert is_news == (judgement in {"kept", "conflict"})
    assert chain.judge(statement) == ("known" if judgement in {"kept", "conflict"} else judgement)


STRANGER = make_key(7)
REFUSED: dict[str, ChainStatement] = {
    "a checkpoint by a witness": follow(key=A),
    "a cosignature by the sequencer": cosign(ONE, make_key(100)),
    "a cosignature by a stranger": cosign(ONE, STRANGER),
    "a handover by the sequencer": hand_over(None, make_key(100)),
    "a handover by a stranger": hand_over(None, STRANGER),
}


@pytest.mark.parametrize("statement", REFUSED.values(), ids=REFUSED.keys())
def test_who_has_no_say_lies(chain: CheckpointChain, statement: ChainStatement) -> None:
    with pytest.raises(Forged, match="signed by"):
        chain.add(statement)


def test_a_sandbox_has_nobody_with_a_say() -> None:
    chain = CheckpointChain(bytes(32), None, 0)
    for statement in (ONE, cosign(ONE, A), hand_over(None, make_key(0))):
        with pytest.raises(Forged):
            chain.add(statement)


# -- a sequencer that signs two --------------------------------------------------------------


def test_two_of_one_index_without_a_majority_halt(chain: CheckpointChain) -> None:
    assert add_all(chain, [ONE, RIVAL]) == ["kept", "conflict"]
    assert chain.is_halted
    assert chain.get_candidates() == sorted([ONE, RIVAL], key=lambda each: each.id)
    # Enough to prove it: a sequencer that goes on signing fills nobody's disk.
    assert chain.add(follow(root=2)) == "too early"
    add_all(chain, [cosign(ONE, A), cosign(RIVAL, B)])
    assert chain.is_halted


def test_a_majority_decides_between_two(chain: CheckpointChain) -> None:
    add_all(chain, [ONE, RIVAL, *cosign_all(RIVAL, A, C)])
    assert chain.head == RIVAL.id
    assert not chain.is_halted
    assert chain.conflicts == (ONE,)
    # And goes on, with the proof kept.
    assert add_all(chain, [follow(RIVAL), *cosign_all(follow(RIVAL), A, C)]) == ["kept"] * 3
    assert chain.index == 2
    assert {RIVAL, ONE} <= set(chain.get_beside())


def test_a_majority_for_one_that_came_third_is_heard(chain: CheckpointChain) -> None:
    third = follow(root=2)
    add_all(chain, [ONE, RIVAL, third, *cosign_all(third, A, B)])
    assert chain.index == 0
    assert chain.add(third) == "kept"
    assert chain.head == third.id


def test_witnesses_that_sign_two_can_split_and_are_named(chain: CheckpointChain) -> None:
    add_all(chain, [ONE, *cosign_all(ONE, A, C)])
    assert add_all(chain, [RIVAL, cosign(RIVAL, B)]) == ["conflict", "kept"]
    assert not chain.is_halted
    assert chain.add(cosign(RIVAL, C)) == "kept"
    assert chain.is_halted
    assert chain.cosignatures.liars == [C.public]
    # What counted first stays.
    assert chain.head == ONE.id
    other = chain.copy()
    assert describe(other) == describe(chain)
    assert other.cosignatures.liars == [C.public]


def test_a_witness_that_signs_two_before_either_counts_is_named(chain: CheckpointChain) -> None:
    add_all(chain, [ONE, RIVAL, cosign(ONE, A), cosign(RIVAL, A)])
    assert chain.cosignatures.liars == [A.public]
    assert chain.index == 0
    assert chain.cosignatures.get_signed_by(A.public) == sorted(
        [cosign(ONE, A), cosign(RIVAL, A)], key=lambda each: each.id
    )


def test_a_witness_that_signs_ahead_fills_nobodys_disk(chain: CheckpointChain) -> None:
    made = follow_all(limits.COSIGNED_AHEAD + 1)
    signed = sorted((cosign(each, A) for each in made), key=lambda each: each.id)
    assert add_all(chain, signed) == ["kept"] * limits.COSIGNED_AHEAD + ["too early"]


def test_a_majority_for_what_is_not_well_formed_makes_nothing_count(chain: CheckpointChain) -> None:
    back = follow(ONE, later=-100)
    add_all(chain, [*cosign_all(back, A, B), ONE, back])
    assert chain.index <= 1
    assert chain.get_checkpoint(2, back.id) is None


def test_a_cosignature_that_names_another_index_counts_for_nothing(chain: CheckpointChain) -> None:
    wrong = [cosign(follow(ONE), key) for key in (A, B)]
    add_all(chain, [ONE, *wrong])
    assert chain.index == 0
    assert chain.get_checkpoint(1, ONE.id) == ONE
