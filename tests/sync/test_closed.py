"""Feeds that the market ended: nobody asks for more of them, nobody takes it, nobody lies."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from synaptic_crdt.errors import Forged
from synaptic_crdt.state.feeds import Piece, seal_bodies
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.limits import WINDOW_ENTRIES
from synaptic_crdt.sync.assembly import take_apart
from synaptic_crdt.sync.events import ForkFound, Reconciled
from synaptic_crdt.sync.inspection import Admission
from synaptic_crdt.sync.messages import encode_frame
from synaptic_crdt.sync.transports.bundle import read_bundle, write_bundle
from tests.sync.conftest import (
    GENESIS,
    CountingWriter,
    End,
    Peer,
    make_key,
    make_pieces,
    pump,
    sync,
)

LOST = make_key(7)


class Ended:
    """``aware`` knows where a feed ends; ``unaware`` holds more of it, and not that it ended."""

    def __init__(self, founder: DeviceKey, length: int = 3, more: int = 2) -> None:
        self.aware, self.unaware = Peer(founder), Peer(founder)
        self.aware.note(founder)
        self.aware.note(LOST, length)
        self.aware.close_epoch()
        self.unaware.copy_from(self.aware)
        self.unaware.note(LOST, more)
        self.aware.write(founder, ["end", LOST.public])
        self.aware.close_epoch()
        self.end = length

    def get_surplus(self) -> list[Piece]:
        """The pieces of the feed beyond its end, as they were sealed."""
        feed = self.unaware.replica.feeds[LOST.public]
        piece = feed.get_piece(self.end + 1)
        assert piece is not None
        return [piece]


@pytest.fixture
def ended(founder: DeviceKey) -> Ended:
    return Ended(founder)


def assert_equal(*ends: End) -> None:
    for end in ends:
        (reconciled,) = end.get_events(Reconciled)
        assert isinstance(reconciled, Reconciled)
        assert reconciled.equal
        assert not end.get_events(ForkFound)


@pytest.mark.parametrize("first_is_aware", [True, False])
def test_both_sides_are_equal_after_one_session(ended: Ended, *, first_is_aware: bool) -> None:
    pair = (ended.aware, ended.unaware) if first_is_aware else (ended.unaware, ended.aware)
    ends = sync(*pair)
    assert_equal(*ends)
    assert ended.aware.replica.get_feed(LOST.public).position == ended.end
    assert ended.unaware.replica.get_feed(LOST.public).position == ended.end + 2
    assert ended.unaware.replica.entries == ended.aware.replica.entries
    # A second one has nothing to do.
    again = sync(*pair)
    assert_equal(*again)
    assert [end.session.counts.entries_sent for end in again] == [0, 0]


def test_a_newcomer_takes_what_shows_the_end_and_is_equal(ended: Ended) -> None:
    sync(ended.aware, ended.unaware)
    for source in (ended.aware, ended.unaware):
        newcomer = Peer(ended.aware.sequencer)
        assert_equal(*sync(newcomer, source))
        assert newcomer.replica.root == ended.aware.replica.root
        assert newcomer.replica.get_leaves() == ended.aware.replica.get_leaves()
        assert_equal(*sync(newcomer, ended.aware))


def test_no_window_beyond_the_end_is_sent(founder: DeviceKey) -> None:
    ended = Ended(founder, length=WINDOW_ENTRIES - 1, more=3 * WINDOW_ENTRIES)
    sync(ended.aware, ended.unaware)
    newcomer = Peer(founder)
    assert_equal(*sync(ended.unaware, newcomer))
    assert newcomer.replica.get_feed(LOST.public).position == WINDOW_ENTRIES


def test_what_an_unaware_side_pushes_is_ignored_and_not_asked_for(ended: Ended) -> None:
    (surplus,) = ended.get_surplus()
    ends = End(ended.aware, live=True), End(Peer(ended.aware.sequencer), live=True)
    pump(*ends)
    for message in take_apart(surplus):
        ends[0].receive(encode_frame(message))
    assert ends[0].take_output() == b""
    assert ended.aware.replica.get_feed(LOST.public).position == ended.end


def test_nothing_beyond_the_end_is_pushed(ended: Ended) -> None:
    sync(ended.aware, ended.unaware)
    ends = End(ended.unaware, live=True), End(ended.aware, live=True)
    pump(*ends)
    ended.unaware.gate.news.publish((LOST.public,))
    ended.unaware.note(make_key(8))
    pump(*ends)
    assert ends[0].session.counts.entries_sent == 1


def test_the_gate_ignores_what_lies_beyond_and_keeps_nothing(ended: Ended) -> None:
    gate, feed = ended.aware.gate, ended.aware.replica.feeds[LOST.public]
    (surplus,) = ended.get_surplus()
    known = feed.get_piece(1)
    assert known is not None
    whole = replace(known, bodies=known.bodies + surplus.bodies, signature=surplus.signature)
    across = replace(whole, first=2, predecessor=feed.get_id(1), bodies=whole.bodies[1:])
    far = make_pieces(ended.unaware.replica, LOST, ["note", 1])[0]
    for piece in (surplus, known, whole, across, far):
        assert gate.admit_piece(piece) is Admission.IGNORE
    assert feed.position == ended.end
    for piece in (surplus, whole, far):
        with pytest.raises(Forged):
            gate.admit_piece(replace(piece, signature=bytes(64)))


def test_another_history_is_a_fork_below_the_end_alone(ended: Ended) -> None:
    gate, feed = ended.aware.gate, ended.aware.replica.feeds[LOST.public]
    other = Peer(ended.aware.sequencer)
    other.note(LOST, 5, size=11)
    whole = other.replica.feeds[LOST.public].get_piece(1)
    assert whole is not None
    assert gate.admit_piece(whole) is Admission.FORK
    branch = seal_bodies(ended.aware.replica.market, LOST, feed.tip, [whole.bodies[4]])
    assert gate.admit_pieces(branch) == [Admission.IGNORE]
    # Nor do two holders of different surplus see a fork in it.
    sync(ended.aware, ended.unaware)
    third = Peer(ended.aware.sequencer)
    third.note(make_key(1))
    known = feed.get_piece(1)
    assert known is not None
    third.gate.admit_piece(known)
    third.gate.admit_pieces(branch)
    assert_equal(*sync(third, ended.unaware))


def test_what_comes_in_one_batch_with_the_end_is_held_and_void(founder: DeviceKey) -> None:
    ended = Ended(founder, length=WINDOW_ENTRIES, more=4)
    newcomer = Peer(founder, writer=CountingWriter())
    for statement in ended.aware.replica.get_statements():
        newcomer.gate.admit_statement(statement)
    own = ended.aware.replica.feeds[founder.public].get_piece(1)
    known = ended.aware.replica.feeds[LOST.public].get_piece(1)
    assert own is not None
    assert known is not None
    pieces = [own, known, *ended.get_surplus()]
    assert newcomer.gate.admit_pieces(pieces) == [Admission.ACCEPT] * 3
    assert newcomer.replica.get_feed(LOST.public).position == WINDOW_ENTRIES + 4
    assert newcomer.replica.root == ended.aware.replica.root
    assert newcomer.replica.entries == ended.aware.replica.entries


def test_a_bundle_takes_no_more_than_shows_the_end(founder: DeviceKey, tmp_path: Path) -> None:
    ended = Ended(founder, length=WINDOW_ENTRIES - 1, more=3 * WINDOW_ENTRIES)
    sync(ended.aware, ended.unaware)
    path = tmp_path / "all.bundle"
    written = write_bundle(path, ended.unaware.replica, GENESIS)
    assert written.entries == WINDOW_ENTRIES + 2
    newcomer = Peer(founder)
    report = read_bundle(path, newcomer.gate)
    assert (report.entries_new, report.entries_known) == (written.entries, 0)
    assert newcomer.replica.root == ended.aware.replica.root
    report = read_bundle(path, ended.aware.gate)
    assert (report.entries_new, report.entries_known) == (0, written.entries)


def test_a_bundle_that_ends_a_feed_counts_nothing_twice(ended: Ended, tmp_path: Path) -> None:
    path = tmp_path / "all.bundle"
    write_bundle(path, ended.aware.replica, GENESIS)
    report = read_bundle(path, ended.unaware.gate)
    assert (report.entries_new, report.entries_known) == (1, 4)
    assert ended.unaware.replica.root == ended.aware.replica.root


def test_what_waits_for_others_in_a_bundle_is_offered_again(
    founder: DeviceKey, tmp_path: Path
) -> None:
    """Whoever joined holds the own feed first, and those on whose word it stands later."""
    member, path = Peer(founder).let_in_all(), tmp_path / "own.bundle"
    third, second = make_key(3), make_key(2)
    member.write(third, ["open", second.public])
    member.write(second, ["open", founder.public])
    member.note(founder)
    member.write(make_key(4), ["open", make_key(5).public])
    write_bundle(path, member.replica, GENESIS)
    newcomer = Peer(founder)
    report = read_bundle(path, newcomer.gate)
    assert (report.entries_new, report.entries_known, report.entries_held) == (3, 0, 1)
    again = read_bundle(path, newcomer.gate)
    assert (again.entries_new, again.entries_known, again.entries_held) == (0, 3, 1)
