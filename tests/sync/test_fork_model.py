"""Forks at random over real sessions, gates and stores: everybody ends up with the same.

What ``tests/state/test_fork_model.py`` does without bytes is done here with them: copies of homes
write on, pieces and bundles of any branch come anywhere, checkpoints fix branches, links run
between any two; then the links run until nobody learns anything more, and every store, opened
again, holds what its peer held.
"""

import random
from pathlib import Path
from typing import Final

import pytest

from synaptic_crdt.state.feeds import seal_bodies, verify_piece
from synaptic_crdt.state.held import Feed
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.loading import load_replica
from synaptic_crdt.state.replica import Replica
from synaptic_crdt.state.statements import encode_statement
from synaptic_crdt.state.store import Store
from synaptic_crdt.sync.events import Reconciled
from synaptic_crdt.sync.transports.bundle import read_bundle, write_bundle
from tests.sync.conftest import GENESIS, MARKET, Peer, make_key, make_pieces, make_replica, sync

RUNS: Final = 40
_STEPS: Final = 60


class Copy:
    """One copy of a device's home: it knows its own branch alone."""

    def __init__(self, key: DeviceKey) -> None:
        self.key: Final = key
        self.feed: Final = Feed(MARKET, key.public)

    def append(self, bodies: list[bytes]) -> None:
        for piece in seal_bodies(MARKET, self.key, self.feed.tip, bodies):
            entries, tip = verify_piece(MARKET, self.feed.tip, piece)
            self.feed.extend(entries, tip, piece.signature)


class World:
    def __init__(self, seed: int, folder: Path) -> None:
        self.chance: Final = random.Random(seed)
        self.folder: Final = folder
        self.founder: Final = make_key(1)
        self.stores: Final = [Store.create(folder / f"{n}.db", GENESIS) for n in range(3)]
        self.peers: Final = [Peer(self.founder, writer=store) for store in self.stores]
        self.copies: Final = {number: [Copy(make_key(number))] for number in (2, 3, 4)}
        for peer, store in zip(self.peers, self.stores, strict=True):
            peer.let_in_all(store)
        self.text = 0

    def run(self) -> None:
        for _ in range(_STEPS):
            step = self.chance.choices(
                [self.write, self.copy_home, self.carry, self.close_epoch, self.link, self.stick],
                [6, 3, 9, 2, 2, 1],
            )[0]
            step()

    def write(self) -> None:
        copy = self.chance.choice(self.copies[self.chance.choice((2, 3, 4))])
        self.text += 1
        source = make_replica()
        source._feeds[copy.key.public] = copy.feed
        operations = [["note", self.text]] * self.chance.choice((1, 2, 3, 40))
        for piece in make_pieces(source, copy.key, *operations):
            entries, tip = verify_piece(MARKET, copy.feed.tip, piece)
            copy.feed.extend(entries, tip, piece.signature)

    def copy_home(self) -> None:
        copies = self.copies[self.chance.choice((2, 3))]
        if len(copies) < 3:
            source = self.chance.choice(copies)
            copied = Copy(source.key)
            end = self.chance.randint(0, source.feed.position)
            copied.append([entry.body for entry in source.feed.entries[:end]])
            copies.append(copied)

    def carry(self) -> None:
        feed = self.chance.choice(self.copies[self.chance.choice((2, 3, 4))]).feed
        peer = self.chance.choice(self.peers)
        piece = feed.get_piece(min(feed.position, peer.replica.get_feed(feed.device).position + 1))
        if piece is not None:
            peer.gate.admit_piece(piece)

    def close_epoch(self) -> None:
        self.peers[0].close_epoch()

    def link(self) -> None:
        one, other = self.chance.sample(self.peers, 2)
        sync(one, other)

    def stick(self) -> None:
        source, target = self.chance.sample(self.peers, 2)
        write_bundle(self.folder / "stick", source.replica, GENESIS)
        read_bundle(self.folder / "stick", target.gate)

    def reconcile(self) -> None:
        for _ in range(8):
            ends = [
                end
                for one in self.peers
                for other in self.peers
                if one is not other
                for end in sync(one, other)
            ]
            told = [event for end in ends for event in end.get_events(Reconciled)]
            if all(isinstance(event, Reconciled) and event.equal for event in told):
                return
        raise AssertionError("they go on parting")


def get_proofs(replica: Replica) -> list[bytes]:
    return sorted(encode_statement(proof) for proof in replica.branches.forks)


@pytest.mark.parametrize("seed", range(RUNS))
def test_links_and_bundles_make_everybody_equal(seed: int, tmp_path: Path) -> None:
    world = World(seed, tmp_path)
    world.run()
    world.reconcile()
    world.close_epoch()
    world.reconcile()
    world.close_epoch()
    world.reconcile()
    first = world.peers[0].replica
    assert first.machine.epoch == first.chain.index
    for store, peer in zip(world.stores, world.peers, strict=True):
        replica = peer.replica
        assert replica.root == first.root
        assert not replica.divergences
        assert not replica.machine.get_suspended()
        # What was void is kept apart.
        void = [entry.id for entry in store.read_void_entries()]
        assert len(void) == len(set(void))
        store.close()
        again = Store.open(store.path)
        opened = make_replica(world.founder.public)
        assert load_replica(again, opened) == ()
        assert opened.root == replica.root
        assert opened.get_leaves() == replica.get_leaves()
        assert get_proofs(opened) == get_proofs(replica)
        again.close()
