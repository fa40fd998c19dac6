"""A random model of forks: whatever came where in which order, all replicas end up the same.

Devices sign several histories of unequal length, other devices are honest; replicas hold any
branch, or none; proofs come early and late, checkpoints in any order, bodies go missing. Then all
of them show each other what they hold, as sessions do, until nothing moves any more.

Run as a module it goes on for as many runs as it is told: ``python -m tests.state.test_fork_model
20000``.
"""

import random
import sys
from typing import Final

import pytest

from synaptic_crdt.state.feeds import verify_piece
from synaptic_crdt.state.forks import get_branch
from synaptic_crdt.state.held import Feed
from synaptic_crdt.state.replica import Replica
from synaptic_crdt.state.statements import Checkpoint, make_fork_proof
from tests.state.conftest import MARKET, OPENED_MS, Writer, make_replica

RUNS: Final = 300

SEQUENCER: Final = Writer(9)
_STEPS: Final = 40


class Forker:
    """A device with several copies of its home, which all write on."""

    def __init__(self, seed: int) -> None:
        self.seed: Final = seed
        self.branches: Final = [Writer(seed)]

    def copy_home(self, chance: random.Random) -> None:
        """Make a copy that goes on from somewhere in the history of another one."""
        source = chance.choice(self.branches).feed
        copied = Writer(self.seed)
        end = chance.randint(0, source.position)
        copied.append([entry.body for entry in source.entries[:end]])
        self.branches.append(copied)


class World:
    """Devices, their copies, and replicas that heard of them in different orders."""

    def __init__(self, seed: int) -> None:
        self.chance: Final = random.Random(seed)
        self.devices: Final = [Forker(1), Forker(2), Forker(3)]
        self.replicas: Final = [make_replica(SEQUENCER.device) for _ in range(3)]
        self.checkpoints: Final[list[Checkpoint]] = []
        self.now_ms = OPENED_MS

    @property
    def sequencer(self) -> Replica:
        return self.replicas[0]

    def step(self) -> None:
        self.chance.choices(
            [self.write, self.copy_home, self.carry, self.close_epoch, self.tell, self.meet],
            [6, 1, 8, 2, 3, 2],
        )[0]()

    def write(self) -> None:
        self.now_ms += self.chance.randint(0, 3)
        device = self.chance.choice(self.devices)
        writer = self.chance.choice(device.branches)
        to = self.chance.choice(self.devices).branches[0].device
        operation = self.chance.choice(
            [("mint", 5), ("pay", to, 3), ("lock", to, 2, 4), ("unlock",), ("promise", 2)]
        )
        count = self.chance.randint(1, 3)
        writer.write(*[(self.now_ms, operation)] * count)

    def copy_home(self) -> None:
        device = self.chance.choice(self.devices[1:])
        if len(device.branches) < 3:
            device.copy_home(self.chance)

    def carry(self) -> None:
        """Bring a part of some branch to some replica."""
        branch = self.chance.choice(self.chance.choice(self.devices).branches).feed
        offer(self.chance.choice(self.replicas), branch)

    def close_epoch(self) -> None:
        self.now_ms += self.chance.randint(1, 5)
        checkpoint = self.sequencer.make_checkpoint(SEQUENCER.key, self.now_ms, bool_of)
        self.checkpoints.append(checkpoint)
        self.sequencer.add_statement(checkpoint)

    def tell(self) -> None:
        """Tell some replica of the next checkpoint, or of a proof that another has."""
        replica, other = self.chance.sample(self.replicas, 2)
        if self.chance.random() < 0.5 and replica.chain.index < len(self.checkpoints):
            replica.add_statement(self.checkpoints[replica.chain.index])
        proofs = list(other.branches.forks)
        if proofs:
            replica.add_statement(self.chance.choice(proofs))

    def meet(self) -> None:
        meet(*self.chance.sample(self.replicas, 2))

    def reconcile(self) -> None:
        """Let everybody meet everybody until nothing moves."""
        before = None
        while before != (now := [describe(replica) for replica in self.replicas]):
            before = now
            for one in self.replicas:
                for other in self.replicas:
                    if one is not other:
                        meet(one, other)


def bool_of(_: object) -> bool:
    return True


def describe(replica: Replica) -> object:
    feeds = {device: (feed.position, feed.head) for device, feed in replica.feeds.items()}
    return feeds, replica.chain.index, sorted(proof.id for proof in replica.branches.forks)


def offer(replica: Replica, source: Feed) -> bool:
    """Offer what follows a replica's end of a feed, as a gate does; did anything change?"""
    feed = replica.get_feed(source.device)
    parting = find_parting(feed, source)
    if parting is not None:
        return False
    piece = source.get_piece(feed.position + 1)
    if piece is None:
        return False
    entries, tip = verify_piece(MARKET, feed.tip, piece)
    replica.extend(feed, entries, tip, piece.signature)
    return True


def find_parting(one: Feed, other: Feed) -> int | None:
    common = min(one.position, other.position)
    return next((p for p in range(1, common + 1) if one.get_id(p) != other.get_id(p)), None)


def meet(one: Replica, other: Replica) -> None:
    """Do what a session does between two replicas, without its bytes."""
    for index in range(1, max(one.chain.index, other.chain.index) + 1):
        for replica, source in ((one, other), (other, one)):
            checkpoint = source.chain.get(index)
            if checkpoint is not None and replica.chain.index < index:
                replica.add_statement(checkpoint)
    for replica, source in ((one, other), (other, one)):
        for proof in list(source.branches.forks):
            replica.add_statement(proof)
    for device in {**one.feeds, **other.feeds}:
        for replica, source in ((one, other), (other, one)):
            meet_at(replica, source, device)


def meet_at(replica: Replica, source: Replica, device: bytes) -> None:
    """Bring a replica what another one holds of a feed, or the proof that they parted."""
    theirs = source.get_feed(device)
    parting = find_parting(replica.get_feed(device), theirs)
    if parting is not None:
        prove(replica, source, device, parting)
        awaited = replica.branches.get_awaited(device)
        if awaited is None or not source.branches.holds(awaited):
            return
        if not replica.branches.yield_from(device, parting):
            return
        replica.branches.give_way(device, parting)
    while offer(replica, theirs):
        pass


def prove(one: Replica, other: Replica, device: bytes, position: int) -> None:
    ours, theirs = one.get_feed(device), other.get_feed(device)
    branch, their_branch = get_branch(ours, position), get_branch(theirs, position)
    if branch is None or their_branch is None:
        return
    before = ours.get_id(position - 1)
    proof = make_fork_proof(MARKET, device, position, before, branch, their_branch)
    for replica in (one, other):
        replica.add_statement(proof)


def check(seed: int) -> None:
    world = World(seed)
    for _ in range(_STEPS):
        world.step()
    world.reconcile()
    # What is still suspended is settled, since the sequencer is there.
    world.close_epoch()
    world.reconcile()
    world.close_epoch()
    world.reconcile()
    first, *others = world.replicas
    for other in others:
        assert other.root == first.root
        assert other.get_leaves() == first.get_leaves()
        assert sorted(p.id for p in other.branches.forks) == sorted(
            p.id for p in first.branches.forks
        )
        assert not other.divergences
        assert not other.machine.get_suspended()
    assert first.machine.epoch == len(world.checkpoints)
    # A newcomer that hears of everything at once is told the same.
    newcomer = make_replica(SEQUENCER.device)
    meet(newcomer, others[0])
    assert dump(newcomer) == dump(others[0])


def dump(replica: Replica) -> object:
    """Return all that is to be seen of a fold but what it once showed otherwise."""
    machine = replica.machine
    outcomes = [*machine.get_settled(), *machine.get_tail()]
    told = [(each.entry.id, each.verdict, each.now, each.epoch) for each in outcomes]
    return machine.root, machine.now, machine.get_next_deadline(), told


@pytest.mark.parametrize("seed", range(RUNS))
def test_replicas_converge_whatever_came_where(seed: int) -> None:
    check(seed)


if __name__ == "__main__":
    for seed in range(int(sys.argv[1])):
        check(seed)
    sys.stdout.write(f"{sys.argv[1]} runs converged\n")
