"""Memory for what links begin to bring: reserved before it is taken, in turn, and given back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synaptic_crdt.errors import Forged
from synaptic_crdt.state import limits
from synaptic_crdt.state.feeds import Piece
from synaptic_crdt.sync.assembly import take_apart
from synaptic_crdt.sync.budget import Budget
from synaptic_crdt.sync.messages import PREFACE_BYTES, encode_frame
from tests.sync.conftest import End, Peer, make_key, pump


def test_what_fits_is_reserved_and_what_does_not_waits_in_turn() -> None:
    budget = Budget(10)
    one, two, three = object(), object(), object()
    told: list[int] = []
    budget.subscribe(lambda: told.append(budget.used))
    assert budget.reserve(one, 6)
    assert not budget.reserve(two, 5)
    # Whoever came later waits, though it would fit.
    assert not budget.reserve(three, 1)
    assert told == []
    budget.give_back(6)
    assert told == [0]
    assert not budget.reserve(three, 1)
    assert budget.reserve(two, 5)
    assert budget.reserve(three, 1)
    assert budget.used == 6


def test_whoever_leaves_makes_room_for_the_next() -> None:
    budget = Budget(10)
    one, two, three = object(), object(), object()
    budget.reserve(one, 6)
    budget.reserve(two, 9)
    budget.reserve(three, 4)
    told: list[int] = []
    budget.subscribe(listener := lambda: told.append(1))
    budget.leave(two)
    assert told == [1]
    assert budget.reserve(three, 4)
    budget.unsubscribe(listener)
    budget.reserve(two, 9)
    budget.give_back(10)
    assert told == [1]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 10)), max_size=30))
def test_all_who_ask_get_their_turn_and_never_too_much(asked: list[tuple[int, int]]) -> None:
    budget = Budget(10)
    waiting: dict[int, int] = {}
    held: list[int] = []
    for owner, size in asked:
        if owner not in waiting:
            if budget.reserve(owner, size):
                held.append(size)
            else:
                waiting[owner] = size
        assert budget.used == sum(held) <= 10
    while waiting:
        if held:
            budget.give_back(held.pop())
        for owner, size in tuple(waiting.items()):
            if budget.reserve(owner, size):
                held.append(size)
                del waiting[owner]
        assert budget.used == sum(held) <= 10


def make_links(size: int) -> tuple[Peer, list[tuple[End, End]]]:
    """A reader with two links to two peers, each of whom has 20 entries for it."""
    reader = Peer()
    reader.gate.budget = Budget(size)  # type: ignore[misc]
    links: list[tuple[End, End]] = []
    for number in range(1, 3):
        peer = Peer()
        for _ in range(20):
            peer.note(make_key(number), size=100)
        links.append((End(peer), End(reader)))
    return reader, links


def ask_for_all(links: list[tuple[End, End]]) -> None:
    """Let all pass up to the wants of the reader, so that what comes next are pieces."""
    for source, target in links:
        target.receive(source.take_output())
        source.receive(target.take_output())
        target.receive(source.take_output())
        source.receive(target.take_output())


def test_a_link_waits_while_another_holds_the_memory() -> None:
    reader, links = make_links(3000)
    (one, ours), (other, others) = links
    ask_for_all(links)
    # Of the first link half a piece comes, which reserves what its header says.
    data = one.take_output()
    ours.receive(data[:300])
    assert 2000 < reader.gate.budget.used < 3000
    others.receive(other.take_output())
    assert others.session.is_paused
    assert others.session.counts.entries_received == 0
    assert ours.session.buffered < 300
    ours.receive(data[300:])
    assert reader.gate.budget.used == 0
    others.receive(b"")
    assert not others.session.is_paused
    for source, target in links:
        pump(source, target)
    assert reader.replica.entries == 40
    assert reader.gate.budget.used == 0


def test_a_link_that_ends_gives_back_what_it_had_reserved() -> None:
    reader, links = make_links(3000)
    (one, ours), (other, others) = links
    ask_for_all(links)
    ours.receive(one.take_output()[:300])
    others.receive(other.take_output())
    told: list[bool] = []
    reader.gate.budget.subscribe(lambda: told.append(True))
    ours.session.close()
    assert told
    others.receive(b"")
    assert others.session.counts.entries_received == 20
    others.session.close()
    assert reader.gate.budget.used == 0


def test_a_link_that_ends_while_it_waits_leaves_the_row() -> None:
    reader, links = make_links(3000)
    (one, ours), (other, others) = links
    ask_for_all(links)
    ours.receive(one.take_output()[:300])
    others.receive(other.take_output())
    others.session.close()
    ours.session.close()
    assert reader.gate.budget.used == 0
    assert reader.gate.budget.reserve(object(), 3000)


def test_a_lie_gives_back_what_was_reserved_for_it() -> None:
    reader, links = make_links(limits.MIB)
    source, target = links[0]
    target.receive(source.take_output())
    source.receive(target.take_output())
    target.receive(source.take_output())
    source.receive(target.take_output())
    good = source.peer.replica.get_feed(make_key(1).public).get_piece(1)
    assert good is not None
    lie = Piece(good.device, good.first, good.predecessor, good.bodies, bytes(64))
    with pytest.raises(Forged):
        target.receive(b"".join(encode_frame(part) for part in take_apart(lie)))
    assert reader.gate.budget.used > 0
    target.session.close()
    assert reader.gate.budget.used == 0


def test_a_preface_alone_reserves_nothing() -> None:
    reader, links = make_links(3000)
    links[0][1].receive(links[0][0].take_output()[:PREFACE_BYTES])
    assert reader.gate.budget.used == 0
