"""How cosignatures, handovers and evidence travel: to those who lack them, once, in good order."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from synaptic_crdt.errors import LinkFailed
from synaptic_crdt.state import limits
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.statements import (
    Checkpoint,
    Cosignature,
    Handover,
    Statement,
    cosign_checkpoint,
    encode_statement,
    make_proposal,
    sign_cosignature,
    sign_handover,
)
from synaptic_crdt.sync.events import Reconciled
from synaptic_crdt.sync.inspection import Admission
from synaptic_crdt.sync.transports.bundle import read_bundle, write_bundle
from tests.sync.conftest import GENESIS, MARKET, End, Peer, make_key, pump, sync

SEQUENCER, NEXT, RECOVERY = make_key(1), make_key(50), make_key(99)
WITNESSES = A, B, C = make_key(91), make_key(92), make_key(93)


def make_peers(count: int, *witnesses: DeviceKey) -> list[Peer]:
    return [Peer(SEQUENCER, witnesses=witnesses) for _ in range(count)]


def tell(peer: Peer, *statements: Statement) -> list[Admission]:
    return peer.gate.admit_statements([encode_statement(each) for each in statements])


def make_checkpoint(peer: Peer, key: DeviceKey = SEQUENCER, later: int = 1000) -> Checkpoint:
    chain = peer.replica.chain
    checkpoint = peer.replica.make_checkpoint(key, chain.time_ms + later, lambda _: True)
    tell(peer, checkpoint)
    return checkpoint


def cosign(peer: Peer, *keys: DeviceKey) -> None:
    [waiting] = peer.replica.chain.get_candidates()
    for key in keys:
        word = cosign_checkpoint(MARKET, key, waiting)
        assert tell(peer, word) == [Admission.ACCEPT]


def hand_over(peer: Peer, key: DeviceKey = RECOVERY, *witnesses: DeviceKey) -> Handover:
    chain = peer.replica.chain
    proposal = make_proposal(
        MARKET,
        view=chain.view.number + 1,
        index=chain.index,
        origin=chain.head,
        sequencer=NEXT.public,
        witnesses=[witness.public for witness in witnesses],
    )
    word = sign_handover(MARKET, key, proposal, newest_index=chain.index, newest=chain.head)
    tell(peer, word)
    return word


def assert_same(*peers: Peer) -> None:
    first = peers[0].replica
    for peer in peers[1:]:
        assert peer.replica.root == first.root
        assert peer.replica.chain.head == first.chain.head
        assert peer.replica.chain.view == first.chain.view
        assert {each.id for each in peer.replica.get_beside()} == {
            each.id for each in first.get_beside()
        }


def count_statements(end: End) -> int:
    return end.session.counts.statements_sent


def test_what_waits_and_who_cosigned_it_travels() -> None:
    first, second = make_peers(2, *WITNESSES)
    first.note(SEQUENCER, 2)
    make_checkpoint(first)
    cosign(first, A)
    sync(first, second)
    assert_same(first, second)
    cosign(second, B)
    ends = sync(second, first)
    assert_same(first, second)
    assert first.replica.chain.index == 1
    # The checkpoint counts at one end already and is there at the other: it does not go again.
    assert [count_statements(end) for end in ends] == [1, 0]
    for end in ends:
        [reconciled] = end.get_events(Reconciled)
        assert isinstance(reconciled, Reconciled)
        assert reconciled.equal


def test_a_newcomer_gets_the_newest_cosignatures_alone() -> None:
    first, second = make_peers(2, *WITNESSES)
    for number in range(20):
        first.note(make_key(200 + number))
        make_checkpoint(first)
        cosign(first, A, C)
    ends = sync(first, second)
    assert_same(first, second)
    assert second.replica.final_epoch == 20
    assert count_statements(ends[0]) == 22


def test_equal_peers_name_nothing() -> None:
    first, second = make_peers(2, *WITNESSES)
    first.note(SEQUENCER)
    make_checkpoint(first)
    cosign(first, A, B, C)
    sync(first, second)
    ends = sync(first, second)
    assert [count_statements(end) for end in ends] == [0, 0]
    assert all(end.session.counts.bytes_sent < 300 for end in ends)


def link(first: Peer, second: Peer) -> tuple[End, End]:
    return End(first, live=True), End(second, live=True)


def test_live_peers_cosign_and_count_with_nothing_sent_twice() -> None:
    first, second, third = make_peers(3, *WITNESSES)
    links = [link(first, second), link(second, third)]
    for ends in links:
        pump(*ends)
    first.note(SEQUENCER)
    made = make_checkpoint(first)
    for _ in range(3):
        for ends in links:
            pump(*ends)
    cosign(third, C)
    cosign(second, B)
    for _ in range(3):
        for ends in links:
            pump(*ends)
    assert_same(first, second, third)
    assert first.replica.chain.head == made.id
    assert sum(count_statements(end) for ends in links for end in ends) == 6


def test_two_of_one_index_reach_everybody(founder: DeviceKey) -> None:
    assert founder.public == SEQUENCER.public
    first, second, third = make_peers(3, *WITNESSES)
    make_checkpoint(first)
    make_checkpoint(second, later=2000)
    sync(first, second)
    sync(second, third)
    assert_same(first, second, third)
    assert third.replica.is_halted


def test_a_handover_is_followed_by_whoever_hears_of_it() -> None:
    first, second, third = make_peers(3)
    first.note(SEQUENCER)
    make_checkpoint(first)
    sync(first, second)
    make_checkpoint(first)
    hand_over(first)
    first.note(make_key(2))
    make_checkpoint(first, NEXT)
    # One that holds its beginning, one that holds nothing.
    sync(first, second)
    sync(third, first)
    assert_same(first, second, third)
    assert (third.replica.chain.view.number, third.replica.final_epoch) == (1, 3)


def rob(count: int) -> tuple[Peer, Peer]:
    """Two peers that counted different checkpoints, both by the sequencer's key."""
    first, robbed = make_peers(2)
    first.note(SEQUENCER, 2)
    sync(first, robbed)
    for number in range(count):
        first.note(make_key(10 + number))
        make_checkpoint(first)
        robbed.note(make_key(30 + number))
        make_checkpoint(robbed, later=1500)
        make_checkpoint(robbed, later=1500)
    return first, robbed


@pytest.mark.parametrize("count", [1, 5])
def test_what_a_stolen_key_made_count_is_undone_over_a_link(count: int) -> None:
    first, robbed = rob(count)
    sync(first, robbed)
    assert first.replica.is_halted
    assert robbed.replica.is_halted
    final = first.replica.chain.head
    hand_over(first)
    first.note(make_key(7))
    made = make_checkpoint(first, NEXT)
    sync(robbed, first)
    assert_same(first, robbed)
    assert robbed.replica.chain.get_id(count) == final
    assert robbed.replica.chain.head == made.id
    assert robbed.replica.final_epoch == count + 1
    # What had applied under the stolen key applies again, or is named as reversed.
    assert not robbed.replica.machine.get_reversals()


def test_a_robbed_peer_that_met_nobody_before_learns_all_at_once() -> None:
    first, robbed = rob(3)
    hand_over(first)
    sync(first, robbed)
    assert_same(first, robbed)
    assert robbed.replica.chain.view.number == 1


def test_a_bundle_brings_a_robbed_peer_back(tmp_path: Path) -> None:
    first, robbed = rob(4)
    hand_over(first)
    make_checkpoint(first, NEXT)
    path = tmp_path / "market.bundle"
    write_bundle(path, first.replica, GENESIS)
    report = read_bundle(path, robbed.gate)
    assert report.statements_new >= 4
    sync(first, robbed)
    assert_same(first, robbed)


def test_a_live_link_of_an_older_view_ends_and_is_made_anew() -> None:
    first, second = make_peers(2)
    ends = link(first, second)
    pump(*ends)
    first.note(SEQUENCER)
    pump(*ends)
    hand_over(first)
    with pytest.raises(LinkFailed, match="handed over"):
        ends[0].take_output()
    again = link(first, second)
    pump(*again)
    assert_same(first, second)
    assert second.replica.chain.view.number == 1


def test_words_of_witnesses_travel_until_they_are_enough() -> None:
    first, second = make_peers(2, *WITNESSES)
    make_checkpoint(first)
    cosign(first, A, B)
    hand_over(first, A, B)
    sync(first, second)
    assert second.replica.chain.view.number == 0
    words = [each for each in second.replica.get_beside() if isinstance(each, Handover)]
    word = sign_handover(
        MARKET,
        B,
        words[0].proposal,
        newest_index=1,
        newest=second.replica.chain.head,
    )
    tell(second, word)
    sync(first, second)
    assert_same(first, second)
    assert first.replica.chain.view.witnesses == (B.public,)


def test_more_than_a_page_of_ids_is_named() -> None:
    first, second = make_peers(2, *(make_key(1000 + n) for n in range(15)))
    words: list[Cosignature] = [
        sign_cosignature(
            MARKET, make_key(1000 + n), view=0, index=index, checkpoint=bytes([index]) * 32
        )
        for n in range(15)
        for index in range(1, limits.COSIGNED_AHEAD + 1)
    ]
    tell(first, *words)
    tell(second, *words[:100])
    ends = sync(first, second)
    assert_same(first, second)
    assert [count_statements(end) for end in ends] == [len(words) - 100, 0]


def test_what_came_from_a_peer_does_not_go_back_to_it() -> None:
    first, second = make_peers(2, *WITNESSES)
    ends = link(first, second)
    pump(*ends)
    words: Sequence[Statement] = [
        sign_cosignature(MARKET, A, view=0, index=n, checkpoint=bytes([n]) * 32)
        for n in range(1, 5)
    ]
    tell(first, *words)
    pump(*ends)
    assert [count_statements(end) for end in ends] == [4, 0]
