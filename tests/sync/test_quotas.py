"""Quotas: floods of what nothing counts are left out, and nothing that counts ever is."""

import random
from typing import Final

import pytest

from synaptic_crdt.state.feeds import Piece
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.limits import WINDOW_ENTRIES
from synaptic_crdt.state.statements import encode_statement, sign_cosignature
from synaptic_crdt.sync.gate import Gate, KeepNothing
from synaptic_crdt.sync.inspection import Admission
from synaptic_crdt.sync.quotas import Quota
from tests.sync.conftest import (
    End,
    Peer,
    find_issuer,
    make_key,
    make_pieces,
    make_replica,
    pump,
)

ACCEPT, IGNORE, HOLD, OVER, FORK = Admission
FLOODER = make_key(7)


def bound(peer: Peer, own_device: bytes | None = None, **quota: int) -> Peer:
    peer.gate = Gate(peer.replica, KeepNothing(), find_issuer, own_device, Quota(**quota))
    return peer


def write_windows(key: DeviceKey, count: int) -> list[Piece]:
    """Return the pieces of a feed of so many full windows."""
    writer = Peer().let_in_all()
    writer.write(key, *([["note", 1]] * (count * WINDOW_ENTRIES)))
    feed = writer.replica.get_feed(key.public)
    pieces = [feed.get_piece(1 + number * WINDOW_ENTRIES) for number in range(count)]
    return [piece for piece in pieces if piece is not None]


FLOOD = write_windows(FLOODER, 4)


def open_feed(key: DeviceKey, issuer: bytes) -> Piece:
    [piece] = make_pieces(make_replica(), key, ["open", issuer])
    return piece


def test_more_of_a_feed_than_its_quota_is_left_out_before_it_is_verified() -> None:
    peer = bound(Peer(), windows=2)
    assert peer.gate.admit_pieces(FLOOD[:2]) == [ACCEPT, ACCEPT]
    forged = Piece(FLOODER.public, FLOOD[2].first, bytes(32), FLOOD[2].bodies, bytes(64))
    assert peer.gate.admit_pieces([FLOOD[2], forged]) == [OVER, OVER]
    assert peer.replica.entries == 2 * WINDOW_ENTRIES
    assert peer.gate.quotas is not None
    assert "in no checkpoint yet" in peer.gate.quotas.left_out[FLOODER.public]


def test_what_is_known_is_not_over_quota() -> None:
    peer = bound(Peer(), windows=1)
    assert peer.gate.admit_pieces([FLOOD[0], FLOOD[0], FLOOD[1]]) == [ACCEPT, IGNORE, OVER]


def test_what_a_checkpoint_names_is_taken_and_gives_room_again(founder: DeviceKey) -> None:
    sequencer, peer = Peer(founder), bound(Peer(founder), windows=1)
    for piece in FLOOD[:3]:
        sequencer.gate.admit_piece(piece)
    assert peer.gate.admit_pieces(FLOOD) == [ACCEPT, OVER, OVER, OVER]
    checkpoint = sequencer.close_epoch()
    assert peer.gate.admit_statement(encode_statement(checkpoint)) is ACCEPT
    assert peer.gate.admit_pieces(FLOOD) == [IGNORE, ACCEPT, ACCEPT, ACCEPT]
    assert peer.gate.quotas is not None
    assert not peer.gate.quotas.left_out
    sequencer.gate.admit_piece(FLOOD[3])
    assert peer.replica.root == sequencer.replica.root


def test_a_witness_is_given_what_it_is_to_cosign(founder: DeviceKey) -> None:
    witness = make_key(8)
    sequencer = Peer(founder, witnesses=[witness])
    peer = bound(Peer(founder, witnesses=[witness]), windows=1)
    for piece in FLOOD[:2]:
        sequencer.gate.admit_piece(piece)
    assert peer.gate.admit_pieces(FLOOD[:2]) == [ACCEPT, OVER]
    checkpoint = sequencer.close_epoch()
    peer.gate.admit_statement(encode_statement(checkpoint))
    assert peer.replica.chain.index == 0
    assert peer.gate.admit_pieces(FLOOD) == [IGNORE, ACCEPT, ACCEPT, OVER]
    # Nobody else is named there.
    other = write_windows(make_key(9), 2)
    assert peer.gate.admit_pieces(other) == [ACCEPT, OVER]
    word = sign_cosignature(peer.replica.market, witness, view=0, index=1, checkpoint=checkpoint.id)
    assert peer.gate.admit_statement(encode_statement(word)) is ACCEPT
    assert peer.replica.chain.index == 1


def test_one_who_invites_a_crowd_uses_up_its_own_quota_alone(founder: DeviceKey) -> None:
    peer = bound(Peer(founder), feeds=2)
    member, other = make_key(2), make_key(3)
    opened = [open_feed(founder, b""), open_feed(member, founder.public)]
    opened[0] = make_pieces(make_replica(), founder, ["note", 1])[0]
    assert peer.gate.admit_pieces(opened) == [ACCEPT, ACCEPT]
    peer.close_epoch()
    assert peer.gate.admit_piece(open_feed(other, founder.public)) is ACCEPT
    peer.close_epoch()
    # The crowd, and the crowd that one of the crowd invites.
    crowd = [make_key(20 + n) for n in range(4)]
    assert peer.gate.admit_piece(open_feed(crowd[0], member.public)) is ACCEPT
    assert peer.gate.admit_piece(open_feed(crowd[1], crowd[0].public)) is ACCEPT
    assert peer.gate.admit_piece(open_feed(crowd[2], crowd[1].public)) is OVER
    assert peer.gate.admit_piece(open_feed(crowd[3], member.public)) is OVER
    assert peer.gate.admit_piece(open_feed(make_key(30), other.public)) is ACCEPT
    assert peer.gate.quotas is not None
    assert member.public.hex()[:16] in peer.gate.quotas.left_out[crowd[3].public]
    peer.close_epoch()
    assert peer.gate.admit_piece(open_feed(crowd[2], crowd[1].public)) is ACCEPT


def test_the_bytes_of_new_feeds_count_together(founder: DeviceKey) -> None:
    peer = bound(Peer(founder), size=20_000)
    peer.note(founder)
    crowd = [write_windows(make_key(20 + n), 2) for n in range(2)]
    assert peer.gate.admit_pieces(crowd[0]) == [ACCEPT, OVER]
    # Those of nobody's invitation share one quota.
    assert peer.gate.admit_pieces(crowd[1]) == [OVER, HOLD]
    peer.close_epoch()
    assert peer.gate.admit_pieces(crowd[0]) == [IGNORE, ACCEPT]
    assert peer.gate.admit_piece(crowd[1][0]) is ACCEPT


def test_as_many_accounts_as_the_rules_let_in_open_by_themselves_in_a_day(
    founder: DeviceKey,
) -> None:
    peer = bound(Peer(founder), openings=2)
    pieces = [make_pieces(make_replica(), make_key(20 + n), ["note", n])[0] for n in range(4)]
    assert peer.gate.admit_pieces(pieces) == [ACCEPT, ACCEPT, OVER, OVER]
    peer.close_epoch()
    assert peer.gate.admit_piece(pieces[2]) is OVER
    time_ms = peer.replica.chain.time_ms + 86_400_000
    peer.gate.admit_statement(
        encode_statement(peer.replica.make_checkpoint(founder, time_ms, lambda _: True))
    )
    assert peer.gate.admit_piece(pieces[2]) is ACCEPT


def test_a_home_takes_its_own_feed_back_whatever_its_length() -> None:
    peer = bound(Peer(), FLOODER.public, windows=1, openings=0, feeds=0)
    assert peer.gate.admit_pieces(FLOOD) == [ACCEPT] * 4


def test_what_is_held_when_a_home_opens_counts(founder: DeviceKey) -> None:
    peer = Peer(founder)
    peer.note(founder)
    peer.close_epoch()
    member, guest = make_key(2), make_key(3)
    peer.gate.admit_piece(open_feed(member, founder.public))
    peer.gate.admit_piece(open_feed(guest, member.public))
    bound(peer, feeds=2)
    assert peer.gate.admit_piece(open_feed(make_key(4), guest.public)) is OVER


def test_a_link_leaves_out_what_is_over_quota_and_says_so(founder: DeviceKey) -> None:
    flooded, peer = Peer(founder), bound(Peer(founder), windows=1)
    for piece in FLOOD:
        flooded.gate.admit_piece(piece)
    flooded.note(founder, 5)
    ends = End(flooded), End(peer)
    pump(*ends)
    assert peer.replica.get_feed(founder.public).position == 5
    assert peer.replica.get_feed(FLOODER.public).position == WINDOW_ENTRIES
    assert ends[1].session.counts.entries_held == 3 * WINDOW_ENTRIES


def test_a_live_link_brings_the_rest_once_a_checkpoint_names_it(founder: DeviceKey) -> None:
    sequencer, peer = Peer(founder), bound(Peer(founder), windows=1)
    for piece in FLOOD:
        sequencer.gate.admit_piece(piece)
    ends = End(sequencer, live=True), End(peer, live=True)
    pump(*ends)
    assert peer.replica.get_feed(FLOODER.public).position == WINDOW_ENTRIES
    sequencer.close_epoch()
    pump(*ends)
    assert peer.replica.root == sequencer.replica.root
    assert ends[1].session.counts.entries_held == 0


class Flood:
    """Four homes with quotas, and a member with none who pours in entries and crowds of guests."""

    def __init__(self, seed: int) -> None:
        self._choices: Final = random.Random(seed)
        self.keys: Final = [make_key(1 + number) for number in range(4)]
        founder = self.keys[0]
        self.honest: Final = [
            bound(Peer(founder), key.public, windows=1, feeds=5, size=200_000) for key in self.keys
        ]
        self.sequencer: Final = self.honest[0]
        self.flooder: Final = Peer(founder)
        self._guests: Final = iter(range(40, 100))
        self.sequencer.note(founder)
        self.sequencer.close_epoch()
        for key, peer in zip(self.keys[1:], self.honest[1:], strict=True):
            pump(End(self.sequencer), End(peer))
            peer.write(key, ["open", founder.public])
            pump(End(self.sequencer), End(peer))
        self.sequencer.close_epoch()
        pump(End(self.sequencer), End(self.flooder))
        self.flooder.gate.admit_piece(open_feed(make_key(30), founder.public))

    def step(self) -> None:
        """Do one thing of those that may happen."""
        number = self._choices.randrange(4)
        step = self._choices.choice([self._write, self._pour, self._invite, self._meet, self._link])
        step(number)
        if self._choices.random() < 0.1:
            self.sequencer.close_epoch()

    def pour_all(self) -> None:
        """Let the flooder have all that it will ever have."""
        for piece in FLOOD:
            self.flooder.gate.admit_piece(piece)

    def exchange(self) -> None:
        """Let everybody meet the sequencer, once in each direction of the news."""
        for peer in (*self.honest[1:], self.flooder, *self.honest[1:]):
            pump(End(self.sequencer), End(peer))

    def _write(self, number: int) -> None:
        self.honest[number].note(self.keys[number])

    def _pour(self, _: int) -> None:
        self.flooder.gate.admit_piece(self._choices.choice(FLOOD))

    def _invite(self, _: int) -> None:
        self.flooder.gate.admit_piece(open_feed(make_key(next(self._guests)), make_key(30).public))

    def _meet(self, number: int) -> None:
        pump(End(self.flooder), End(self.honest[number]))

    def _link(self, number: int) -> None:
        pump(End(self.honest[number]), End(self.honest[number - 1]))


@pytest.mark.untraced
@pytest.mark.parametrize("seed", range(8))
def test_honest_peers_converge_while_a_member_floods(seed: int) -> None:
    """Whatever is left out of the flood, nothing of theirs is; at its end all hold the same."""
    flood = Flood(seed)
    for _ in range(30):
        flood.step()
    flood.pour_all()
    for _ in range(8):
        flood.exchange()
        for key, peer in zip(flood.keys, flood.honest, strict=True):
            wrote = peer.replica.get_feed(key.public).position
            for other in flood.honest:
                assert other.replica.get_feed(key.public).position == wrote
        flood.sequencer.close_epoch()
    flood.exchange()
    everybody = [*flood.honest, flood.flooder]
    assert len({peer.replica.root for peer in everybody}) == 1
    assert flood.sequencer.replica.get_feed(FLOODER.public).position == 4 * WINDOW_ENTRIES
