"""Handovers: who may give them, from where a market goes on, and what they undo."""

from collections.abc import Sequence

import pytest

from synaptic_crdt.state import limits
from synaptic_crdt.state.checkpoints import CheckpointChain
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.statements import ChainStatement, Checkpoint
from tests.state.conftest import MARKET
from tests.state.witnessing import (
    NEXT,
    RECOVERY,
    SEQUENCER,
    WITNESSES,
    A,
    B,
    C,
    add_all,
    add_until_settled,
    cosign,
    cosign_all,
    describe,
    describe_counted,
    follow,
    follow_all,
    hand_over,
    make_chain,
    make_key,
)

MADE = follow_all(3)
LAST = MADE[-1]
D, E, F = (make_key(number) for number in (121, 122, 123))


def make_counted(*witnesses: object, count: int = 3) -> CheckpointChain:
    """A chain of three counted checkpoints, cosigned by A and B where there are witnesses."""
    chain = make_chain(*(WITNESSES if witnesses else ()))
    add_all(chain, [*MADE[:count], *(cosign_all(MADE[count - 1], A, B) if witnesses else [])])
    assert chain.index == count
    return chain


# -- the recovery key ------------------------------------------------------------------------


@pytest.mark.parametrize("witnesses", [(), WITNESSES])
def test_the_recovery_key_replaces_a_lost_sequencer(witnesses: Sequence[object]) -> None:
    chain = make_counted(*witnesses)
    assert chain.sequencer == SEQUENCER.public
    assert chain.add(hand_over(LAST, witnesses=(D,))) == "kept"
    assert (chain.view.number, chain.view.index, chain.index) == (1, 3, 3)
    assert chain.sequencer == NEXT.public
    assert chain.view.witnesses == (D.public,)
    assert chain.view.proposal is not None
    following = follow(LAST, view=1, key=NEXT)
    assert chain.add(following) == "kept"
    assert chain.add(cosign(following, D)) == "kept"
    assert chain.head == following.id


def test_the_first_checkpoint_may_never_have_come() -> None:
    chain = make_chain()
    add_all(chain, [hand_over(None), follow(view=1, key=NEXT)])
    assert (chain.view.number, chain.index) == (1, 1)


def test_what_the_old_sequencer_signs_beyond_is_void() -> None:
    chain = make_counted()
    beyond = follow(LAST)
    chain.add(hand_over(LAST))
    before = describe(chain)
    assert chain.add(beyond) == "void"
    assert chain.add(follow(MADE[0], root=1)) == "void"
    assert chain.add(follow(LAST, view=1)) == "void"  # signed by the old sequencer
    assert describe(chain) == before


def test_what_the_new_sequencer_signs_before_its_view_began_is_void() -> None:
    chain = make_counted()
    chain.add(hand_over(LAST))
    before = describe(chain)
    assert chain.add(follow(MADE[0], view=1, key=NEXT)) == "void"
    assert chain.add(follow(MADE[1], view=1, key=NEXT, root=1)) == "void"
    assert describe(chain) == before


def test_what_counted_beyond_is_undone() -> None:
    chain = make_counted()
    chain.add(hand_over(MADE[0]))
    assert (chain.index, chain.head) == (1, MADE[0].id)
    following = follow(MADE[0], view=1, key=NEXT)
    assert chain.add(following) == "counts"
    assert chain.get_id(2) == following.id


def test_a_handover_waits_for_the_checkpoint_it_goes_on_from() -> None:
    chain = make_counted(count=1)
    chain.add(hand_over(LAST))
    assert chain.view.number == 0
    assert chain.awaited is not None
    assert chain.awaited.origin == LAST.id
    # Nothing beyond it can count, and nothing of the next view can be placed.
    assert chain.judge(follow(LAST)) == "void"
    assert chain.judge(follow(LAST, view=1, key=NEXT)) == "too early"
    assert chain.add(LAST) == "kept"
    assert chain.index == 1
    assert chain.add(MADE[1]) == "kept"
    assert (chain.view.number, chain.index, chain.awaited) == (1, 3, None)


def test_another_branch_gives_way_to_the_one_that_is_named() -> None:
    stolen = follow_all(5, root=1)
    chain = make_chain()
    assert add_all(chain, stolen) == ["counts"] * 5
    assert chain.add(MADE[0]) == "conflict"
    assert chain.is_halted
    chain.add(hand_over(LAST))
    # Backwards, as sessions send it: each tells which one before it is wanted.
    assert add_all(chain, [LAST, MADE[1]]) == ["kept", "kept"]
    assert describe_counted(chain) == describe_counted(make_with(hand_over(LAST), *MADE))
    assert not chain.is_halted
    # Forwards, as a bundle has it.
    other = make_chain()
    add_all(other, [*stolen, hand_over(LAST), *MADE])
    assert describe_counted(other) == describe_counted(chain)


def make_with(*statements: ChainStatement) -> CheckpointChain:
    chain = make_chain()
    add_all(chain, statements)
    return chain


def test_garbage_in_its_way_does_not_keep_the_named_branch_out() -> None:
    chain = make_chain()
    garbage = [each for root in range(7, 30) if (each := follow(root=root)).id < MADE[0].id]
    add_all(chain, [hand_over(LAST), *garbage])
    assert len(garbage) > 1
    assert chain.judge(MADE[0]) == "too early"
    add_all(chain, reversed(MADE))
    assert chain.view.number == 1


def test_a_handover_that_goes_back_behind_the_last_one_begins_nothing() -> None:
    chain = make_counted()
    chain.add(hand_over(LAST))
    chain.add(hand_over(MADE[0], view=2, sequencer=D))
    assert chain.view.number == 1
    assert chain.sequencer == NEXT.public
    chain.add(hand_over(LAST, view=2, sequencer=E))
    assert chain.sequencer == E.public


def test_a_handover_from_another_branch_than_the_last_one_begins_nothing() -> None:
    chain = make_counted()
    chain.add(hand_over(MADE[0]))
    stray = follow_all(2, MADE[0])[-1]
    chain.add(hand_over(stray, view=2, sequencer=D))
    add_all(chain, [MADE[1], MADE[2]])
    assert chain.view.number == 1


def test_a_handover_from_what_is_not_well_formed_begins_nothing() -> None:
    back = follow(MADE[0], later=-100)
    chain = make_counted()
    before = describe_counted(chain)
    add_all(chain, [hand_over(back), back])
    assert chain.view.number == 0
    assert describe_counted(chain)[2] == before[2]  # type: ignore[index]


def test_views_may_be_known_before_any_checkpoint() -> None:
    second = follow_all(2, LAST, view=1, key=NEXT)
    third = follow(second[-1], view=2, key=D)
    statements = [hand_over(LAST), hand_over(second[-1], view=2, sequencer=D)]
    chain = make_with(*statements, *MADE, *second, third)
    assert (chain.view.number, chain.index, chain.head) == (2, 6, third.id)
    late = make_chain()
    add_until_settled(late, [third, *second, *reversed(MADE), *reversed(statements)])
    assert describe(late) == describe(chain)


def test_of_two_for_one_view_the_one_that_undoes_least_is_followed() -> None:
    low, high = hand_over(MADE[1], sequencer=D), hand_over(LAST, sequencer=E)
    chain = make_counted()
    chain.add(low)
    chain.add(follow(MADE[1], view=1, key=D))
    assert chain.sequencer == D.public
    chain.add(high)
    # The branch it goes on from was undone, and is wanted again.
    assert chain.sequencer == E.public
    assert chain.view.number == 0
    add_all(chain, [LAST])
    assert (chain.view.number, chain.head) == (1, LAST.id)
    other = make_counted()
    add_all(other, [high, low])
    assert describe(other) == describe(chain)


@pytest.mark.parametrize(("sequencer", "is_kept"), [(D, True), (E, False)])
def test_what_does_not_count_yet_is_kept_while_its_signer_sequences_its_view(
    sequencer: DeviceKey, *, is_kept: bool
) -> None:
    chain = make_counted(A)
    before = max(
        (hand_over(MADE[1], sequencer=D, witnesses=WITNESSES[n:]) for n in range(3)),
        key=lambda each: each.proposal.id,
    )
    chain.add(before)
    waiting = follow(MADE[1], view=1, key=D)
    # Nobody cosigned it.
    assert chain.add(waiting) == "kept"
    assert chain.head == MADE[1].id
    words = (
        hand_over(MADE[1], sequencer=sequencer, witnesses=[make_key(n)]) for n in range(130, 150)
    )
    chain.add(next(each for each in words if each.proposal.id < before.proposal.id))
    assert chain.sequencer == sequencer.public
    assert (waiting in chain.get_beside()) is is_kept
    assert (chain.get_checkpoint(waiting.index, waiting.id) is not None) is is_kept


def test_what_waits_in_a_view_that_begins_elsewhere_is_kept_no_more() -> None:
    """It cannot follow where the view goes on from, and who has not got it would not take it."""
    chain, other = make_counted(A), make_counted(A)
    low, high = (hand_over(each, sequencer=D, witnesses=WITNESSES) for each in (MADE[1], LAST))
    waiting = follow(MADE[1], view=1, key=D)
    assert add_all(chain, [low, waiting, high]) == ["kept"] * 3
    assert chain.awaited is not None
    assert chain.get_checkpoint(waiting.index, waiting.id) is None
    assert add_all(other, [low, high, waiting])[-1] == "too early"
    assert describe(other) == describe(chain)


def test_one_signer_has_so_many_proposals_of_a_view() -> None:
    chain = make_counted(A)
    words = [
        hand_over(LAST, A, newest=LAST, sequencer=make_key(n)) for n in range(limits.PROPOSALS + 1)
    ]
    assert add_all(chain, words) == ["kept"] * limits.PROPOSALS + ["too early"]
    # One that another witness signed too is heard all the same.
    same = hand_over(LAST, B, newest=LAST, sequencer=make_key(limits.PROPOSALS))
    assert add_all(chain, [same, words[-1]]) == ["kept", "kept"]
    assert chain.view.number == 1


# -- the witnesses ---------------------------------------------------------------------------


def vote(
    origin: Checkpoint | None, *words: tuple[object, Checkpoint | None], **fields: object
) -> list[ChainStatement]:
    return [
        hand_over(origin, key, newest=newest, witnesses=WITNESSES, **fields)  # type: ignore[arg-type]
        for key, newest in words
    ]


RIVAL = follow(MADE[1], root=1)
NEXT_ONE = follow(LAST)
CASES: dict[str, tuple[Checkpoint | None, list[tuple[object, Checkpoint | None]], bool]] = {
    "a majority": (LAST, [(A, LAST), (B, LAST)], True),
    "all": (LAST, [(A, LAST), (B, LAST), (C, MADE[1])], True),
    "one alone": (LAST, [(A, LAST)], False),
    "one twice": (LAST, [(A, LAST), (A, MADE[1])], False),
    "none stated it": (LAST, [(A, MADE[0]), (B, MADE[1])], False),
    "one stated it": (LAST, [(A, MADE[0]), (B, LAST)], True),
    # C cosigned the rival, and B may have done so too: it may count somewhere.
    "a rival may have a majority": (LAST, [(A, LAST), (C, RIVAL)], False),
    "no rival can have a majority": (LAST, [(A, LAST), (B, LAST), (C, RIVAL)], True),
    "all are rivals": (LAST, [(A, RIVAL), (B, RIVAL), (C, LAST)], False),
    "one that was not counted": (NEXT_ONE, [(A, LAST), (B, NEXT_ONE)], True),
}


@pytest.mark.parametrize(("origin", "words", "begins"), CASES.values(), ids=CASES.keys())
def test_a_majority_that_knows_where_to_go_on_hands_over(
    origin: Checkpoint, words: list[tuple[object, Checkpoint | None]], begins: bool
) -> None:
    chain = make_counted(A)
    chain.add(NEXT_ONE)
    add_all(chain, vote(origin, *words))
    assert (chain.view.number == 1) == begins
    if begins:
        assert chain.head == origin.id
        assert chain.index == origin.index


def test_a_new_majority_may_go_on_from_where_its_view_began() -> None:
    chain = make_counted(A)
    add_all(chain, vote(LAST, (A, LAST), (B, LAST)))
    add_all(chain, vote(LAST, (A, None), (C, None), view=2, sequencer=D))
    assert (chain.view.number, chain.sequencer) == (2, D.public)


def test_who_has_spoken_for_a_view_is_known() -> None:
    chain = make_counted(A)
    [word] = vote(LAST, (A, LAST))
    chain.add(word)
    assert chain.views.has_signed(A.public, 1)
    assert not chain.views.has_signed(A.public, 2)
    assert not chain.views.has_signed(B.public, 1)
    [(proposal, signed)] = chain.views.get_proposals(1)
    assert proposal.origin == LAST.id
    assert list(signed) == [A.public]


def test_a_witness_is_held_to_the_word_that_says_most() -> None:
    chain = make_counted(A)
    more, less = vote(LAST, (A, LAST))[0], vote(LAST, (A, MADE[1]))[0]
    assert add_all(chain, [less, more, less]) == ["kept", "kept", "void"]
    other = make_counted(A)
    assert add_all(other, [more, less]) == ["kept", "void"]
    assert describe(other) == describe(chain)


def test_the_recovery_key_comes_before_the_witnesses() -> None:
    chain = make_counted(A)
    add_all(chain, vote(LAST, (A, LAST), (B, LAST), sequencer=D))
    assert chain.sequencer == D.public
    chain.add(hand_over(LAST, RECOVERY, sequencer=E, witnesses=(F,)))
    assert chain.sequencer == E.public
    # Whom that view does not know may be known to another: it is no lie, and no use.
    assert chain.add(cosign(follow(LAST, view=1, key=E), A)) == "void"
    assert chain.add(hand_over(LAST, A, view=2)) == "void"
    assert chain.add(follow(LAST, view=1, key=D)) == "void"


def test_cosignatures_of_a_view_that_is_to_begin_are_kept() -> None:
    chain = make_chain(*WITNESSES)
    following = follow(LAST, view=1, key=NEXT)
    statements: list[ChainStatement] = [
        *vote(LAST, (A, LAST), (B, LAST)),
        *cosign_all(following, A, C),
        *MADE,
        following,
    ]
    add_all(chain, statements)
    assert (chain.index, chain.head) == (4, following.id)
    assert chain.view.number == 1


def test_what_a_majority_cosigned_beyond_the_origin_counts_no_more() -> None:
    chain = make_chain(*WITNESSES)
    beyond = follow(LAST)
    add_all(chain, [hand_over(LAST), *MADE[:1]])
    add_all(chain, [*cosign_all(beyond, A, B), *MADE[1:], beyond])
    assert chain.view.number == 1
    assert chain.head == LAST.id


def test_the_market_id_is_the_origin_of_view_0() -> None:
    chain = make_chain()
    assert (chain.view.origin, chain.view.index, chain.view.proposal) == (MARKET, 0, None)
