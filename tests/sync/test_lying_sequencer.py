"""A sequencer that lies, and a device that helps it: honest peers end up equal all the same.

The sequencer signs checkpoints over branches that nobody was shown, or over ids that nobody wrote,
with wrong roots and times of its choice, one at a time or two of an index. Its helper shows parts
of its branches to some, late or never. Whatever came where: once honest peers have met, they hold
and fold the same; nothing is sent for ever; what comes out later is taken; what is final stays.
"""

import random
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest

from synaptic_crdt.state.feeds import seal_bodies, verify_piece
from synaptic_crdt.state.held import Feed
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.loading import load_replica
from synaptic_crdt.state.statements import (
    Checkpoint,
    Cosignature,
    FrontierItem,
    cosign_checkpoint,
    encode_statement,
    make_proposal,
    sign_checkpoint,
    sign_handover,
)
from synaptic_crdt.state.store import Store
from synaptic_crdt.sync.events import Reconciled
from synaptic_crdt.sync.inspection import Admission
from synaptic_crdt.sync.transports.bundle import read_bundle, write_bundle
from tests.sync.conftest import (
    GENESIS,
    MARKET,
    End,
    Peer,
    make_key,
    make_pieces,
    make_replica,
    sync,
)

LIAR: Final = make_key(1)
HELPER: Final = make_key(5)
HONEST: Final = make_key(6)
WITNESSES: Final = tuple(make_key(number) for number in (11, 12, 13))
RECOVERY: Final = make_key(99)

RUNS: Final = 40
_STEPS: Final = 40
_ROUNDS: Final = 8


class Branch:
    """One history of a device, as only its writer knows it."""

    def __init__(self, key: DeviceKey, source: Feed | None = None, end: int = 0) -> None:
        self.key: Final = key
        self.feed: Final = Feed(MARKET, key.public)
        if source is not None and end:
            self.append([entry.body for entry in source.entries[:end]])

    def append(self, bodies: list[bytes]) -> None:
        for piece in seal_bodies(MARKET, self.key, self.feed.tip, bodies):
            entries, tip = verify_piece(MARKET, self.feed.tip, piece)
            self.feed.extend(entries, tip, piece.signature)

    def write(self, text: int, count: int = 1) -> None:
        source = make_replica()
        source._feeds[self.key.public] = self.feed
        for piece in make_pieces(source, self.key, *[["note", text]] * count):
            entries, tip = verify_piece(MARKET, self.feed.tip, piece)
            self.feed.extend(entries, tip, piece.signature)

    def get_item(self, position: int | None = None) -> FrontierItem:
        position = position or self.feed.position
        return FrontierItem(self.key.public, position, self.feed.get_id(position))

    def show(self, peer: Peer, end: int | None = None) -> None:
        """Bring a peer this branch up to a position, sealed there."""
        shown = self if end is None else Branch(self.key, self.feed, end)
        while True:
            held = peer.replica.get_feed(self.key.public).position
            piece = shown.feed.get_piece(held + 1)
            if piece is None or peer.gate.admit_piece(piece) is not Admission.ACCEPT:
                return


def sign(
    peer: Peer,
    frontier: list[FrontierItem],
    *,
    root: bytes = bytes(32),
    time_ms: int | None = None,
) -> Checkpoint:
    """Sign the next checkpoint that counts for a peer, with any frontier, root and time."""
    chain = peer.replica.chain
    return sign_checkpoint(
        MARKET,
        LIAR,
        view=chain.view.number,
        index=chain.index + 1,
        previous=chain.head,
        time=chain.time_ms + 1 if time_ms is None else time_ms,
        frontier=sorted(frontier, key=lambda item: item.device),
        root=root,
    )


def tell(checkpoint: Checkpoint, *peers: Peer) -> None:
    for peer in peers:
        peer.gate.admit_statement(encode_statement(checkpoint))


def make_honest(count: int, witnesses: tuple[DeviceKey, ...] = ()) -> list[Peer]:
    return [Peer(LIAR, witnesses=witnesses).let_in_all() for _ in range(count)]


def reconcile(peers: list[Peer]) -> None:
    """Let everybody meet everybody until all sessions end equal; then nothing more may move."""
    for _ in range(_ROUNDS):
        if all(is_equal(end) for end in meet_all(peers)):
            break
    ends = meet_all(peers)
    assert all(is_equal(end) for end in ends)
    assert sum(end.session.counts.entries_sent for end in ends) == 0
    assert sum(end.session.counts.statements_sent for end in ends) == 0


def meet_all(peers: list[Peer]) -> list[End]:
    return [end for one in peers for other in peers if one is not other for end in sync(one, other)]


def is_equal(end: End) -> bool:
    assert end.session.is_finished
    [reconciled] = end.get_events(Reconciled)
    assert isinstance(reconciled, Reconciled)
    return reconciled.equal


def describe(peer: Peer) -> object:
    """Return all that has to be the same for everybody."""
    replica, machine = peer.replica, peer.replica.machine
    outcomes = [*machine.get_settled(), *machine.get_tail()]
    return (
        replica.root,
        replica.compute_digest(),
        replica.get_leaves(),
        [(each.entry.id, each.verdict, each.now, each.epoch) for each in outcomes],
        {outcome.entry.device for outcome in machine.get_suspended()},
        (replica.chain.head, machine.epoch, replica.final_epoch, replica.is_halted),
        [(each.index, each.computed) for each in replica.divergences],
        sorted(proof.id for proof in replica.branches.forks),
    )


def assert_same(peers: list[Peer]) -> None:
    first, *others = [describe(peer) for peer in peers]
    for other in others:
        assert other == first


# -- one lie at a time -----------------------------------------------------------------------------


def make_branches(common: int, *lengths: int) -> list[Branch]:
    trunk = Branch(HELPER)
    trunk.write(0, common)
    branches: list[Branch] = []
    for text, length in enumerate(lengths, 1):
        branch = Branch(HELPER, trunk.feed, common)
        branch.write(text, length)
        branches.append(branch)
    return branches


@pytest.mark.parametrize("common", [1, 3])
@pytest.mark.parametrize("shown", [(6, 0), (6, 2), (6, 4), (6, 6), (4, 2)])
@pytest.mark.parametrize("is_released", [False, True])
def test_a_branch_that_nobody_was_shown_keeps_nobody_from_the_rest(
    common: int, shown: tuple[int, int], is_released: bool
) -> None:
    """What was fixed before must reach everybody, though what follows it is not what counts."""
    known, hidden = make_branches(common, 5, 5)
    peers = one, other = make_honest(2)
    first = sign(one, [known.get_item(1)])
    for peer, end in zip(peers, shown, strict=True):
        if end:
            known.show(peer, end)
    tell(first, *peers)
    tell(sign(one, [hidden.get_item(5)]), *peers)
    reconcile(peers)
    assert_same(peers)
    assert one.replica.machine.epoch == 1
    if is_released:
        newcomer = Peer(LIAR).let_in_all()
        hidden.show(newcomer)
        sync(newcomer, other)
        reconcile([*peers, newcomer])
        assert_same([*peers, newcomer])
        assert one.replica.machine.epoch == 2
        assert one.replica.get_feed(HELPER.public).head == hidden.feed.head


def test_an_id_that_nobody_wrote_takes_nothing_from_whom_it_names() -> None:
    """A made-up id hides an honest device's provisional entries until a handover, no longer."""
    writer = Branch(HONEST)
    writer.write(1, 6)
    peers = one, other = make_honest(2)
    writer.show(one)
    writer.show(other, 2)
    before = one.replica.root
    tell(sign(one, [FrontierItem(HONEST.public, 4, bytes(32))]), one, other)
    reconcile(peers)
    assert_same(peers)
    assert one.replica.get_feed(HONEST.public).position == 6
    hand_over(peers, 0)
    reconcile(peers)
    assert_same(peers)
    assert one.replica.root == before


def find_common(peers: list[Peer]) -> int:
    """Return the index of the newest checkpoint that counts for everybody."""
    chains = [peer.replica.chain for peer in peers]
    return max(
        index
        for index in range(min(chain.index for chain in chains) + 1)
        if len({chain.get_id(index) for chain in chains}) == 1
    )


def hand_over(peers: list[Peer], index: int) -> None:
    """Let the recovery key hand the market over, to go on from a checkpoint."""
    chains = [peer.replica.chain for peer in peers]
    chain = chains[0]
    proposal = make_proposal(
        MARKET,
        view=max(chain.view.number for chain in chains) + 1,
        index=index,
        origin=chain.get_id(index),
        sequencer=LIAR.public,
        witnesses=[],
    )
    handover = sign_handover(MARKET, RECOVERY, proposal, newest_index=0, newest=MARKET)
    for peer in peers:
        peer.gate.admit_statement(encode_statement(handover))


# -- all lies at random ----------------------------------------------------------------------------


class World:
    """Three honest peers, and what a liar and its helpers do to them."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.chance: Final = random.Random(seed)
        self.witnesses: Final = WITNESSES if seed % 2 else ()
        self.stores: Final = [Store.create(folder / f"{n}.db", GENESIS) for n in range(3)]
        self.peers: Final = [
            Peer(LIAR, writer=store, witnesses=self.witnesses) for store in self.stores
        ]
        for peer, store in zip(self.peers, self.stores, strict=True):
            peer.let_in_all(store)
        self.branches: Final = [Branch(HELPER), Branch(HONEST)]
        self.folder: Final = folder
        self.text = 0
        # By view and index.
        self.signed: Final[Counter[tuple[int, int]]] = Counter()
        self.cosigned: Final[set[tuple[int, int]]] = set()

    def run(self) -> None:
        steps = (self.write, self.fork, self.show, self.lie, self.link, self.stick, self.reopen)
        for step in self.chance.choices(steps, (6, 2, 9, 4, 3, 1, 1), k=_STEPS):
            step()

    def write(self) -> None:
        self.text += 1
        branch = self.chance.choice(self.branches)
        branch.write(self.text, self.chance.choice((1, 2, 3)))

    def fork(self) -> None:
        forked = [branch for branch in self.branches if branch.key is HELPER]
        if len(forked) < 4:
            source = self.chance.choice(forked).feed
            self.branches.append(Branch(HELPER, source, self.chance.randint(0, source.position)))

    def show(self) -> None:
        branch, peer = self.chance.choice(self.branches), self.chance.choice(self.peers)
        if branch.feed.position:
            branch.show(peer, self.chance.randint(1, branch.feed.position))

    def lie(self) -> None:
        peer, chance = self.chance.choice(self.peers), self.chance
        chain = peer.replica.chain
        if self.signed[chain.view.number, chain.index + 1] == 2:
            return
        items: dict[bytes, FrontierItem] = {}
        for branch in self.branches:
            start = chain.get_fixed_position(branch.key.public)
            if branch.feed.position > start and chance.random() < 0.6:
                item = branch.get_item(chance.randint(start + 1, branch.feed.position))
                if chance.random() < 0.1:
                    item = FrontierItem(item.device, item.position, chance.randbytes(32))
                items[item.device] = item
        time_ms = chain.time_ms + chance.choice((1, 1, 1_000_000))
        lie = sign(peer, list(items.values()), time_ms=time_ms)
        if chance.random() < 0.5:
            # With the right root, as far as anybody can know it.
            examination = peer.replica.examine(lie)
            if examination is not None:
                lie = sign(peer, list(items.values()), time_ms=time_ms, root=examination.root)
        self.signed[lie.view, lie.index] += 1
        told = self.peers if chance.random() < 0.6 else chance.sample(self.peers, 2)
        tell(lie, *told)
        # A majority that cosigns two of an index is trusted in vain; one of them may.
        is_first = (lie.view, lie.index) not in self.cosigned
        if self.witnesses and chance.random() < 0.8:
            self.cosigned.add((lie.view, lie.index))
            for each in told:
                for key in WITNESSES[: 2 if is_first else 1]:
                    each.gate.admit_statement(encode_statement(cosign(lie, key)))

    def link(self) -> None:
        one, other = self.chance.sample(self.peers, 2)
        sync(one, other)

    def stick(self) -> None:
        source, target = self.chance.sample(self.peers, 2)
        write_bundle(self.folder / "stick", source.replica, GENESIS)
        read_bundle(self.folder / "stick", target.gate)

    def reopen(self) -> None:
        """Hold what the store of a peer holds: the same."""
        self.reopen_one(self.chance.randrange(len(self.peers)))

    def reopen_one(self, number: int) -> None:
        before = describe(self.peers[number])
        self.stores[number].close()
        self.stores[number] = store = Store.open(self.stores[number].path)
        peer = Peer(LIAR, witnesses=self.witnesses).let_in_all(store)
        assert load_replica(store, peer.replica) == ()
        assert describe(peer) == before
        self.peers[number] = peer

    def release(self) -> None:
        """Let everything out, to one peer or another."""
        for branch in self.branches:
            if branch.feed.position:
                accomplice = Peer(LIAR, witnesses=self.witnesses).let_in_all()
                branch.show(accomplice)
                sync(accomplice, self.chance.choice(self.peers))
                sync(accomplice, self.chance.choice(self.peers))

    def agree(self) -> None:
        """Bring everybody together, by a handover if the liar signed two of an index."""
        try:
            reconcile(self.peers)
        except AssertionError:
            if len({peer.replica.chain.head for peer in self.peers}) == 1:
                raise
            hand_over(self.peers, find_common(self.peers))
            reconcile(self.peers)
        assert_same(self.peers)


def cosign(checkpoint: Checkpoint, key: DeviceKey) -> Cosignature:
    return cosign_checkpoint(MARKET, key, checkpoint)


def get_final(peer: Peer) -> list[object]:
    machine = peer.replica.machine
    return [
        (place.id, place.verdict, place.epoch)
        for epoch in range(1, peer.replica.final_epoch + 1)
        for place in machine.get_epoch(epoch)
    ]


@pytest.mark.parametrize("seed", range(RUNS))
def test_honest_peers_end_up_equal_whatever_is_signed(seed: int, tmp_path: Path) -> None:
    check(seed, tmp_path)


def check(seed: int, folder: Path) -> None:
    world = World(seed, folder)
    world.run()
    world.agree()
    final = get_final(world.peers[0])
    world.release()
    world.agree()
    assert get_final(world.peers[0])[: len(final)] == final
    for number in range(3):
        world.reopen_one(number)
        world.stores[number].close()


if __name__ == "__main__":
    for number in range(int(sys.argv[1]), int(sys.argv[2])):
        with TemporaryDirectory() as name:
            try:
                check(number, Path(name))
            except BaseException as error:
                error.add_note(f"this was the run of seed {number}")
                raise
    sys.stdout.write("all ended equal\n")
