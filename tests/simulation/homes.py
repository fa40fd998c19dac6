"""Homes with stores, copies of them, and some ways on which a market's document travels.

Programs of ``tests.simulation.program`` say what people do; here is what their homes do with what
they wrote: they cosign checkpoints, hand markets over, and exchange bytes over links and in
Automerge files. All of it is the real thing but the processes, the sockets and the time.
"""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, Final, cast

from synaptic_crdt.errors import UsageError
from synaptic_crdt.node import handovers
from synaptic_crdt.node.node import Market
from synaptic_crdt.state.document import read_changes, take_apart
from synaptic_crdt.state.interchange import SortedDocument, sort_out
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.replica import Replica
from synaptic_crdt.state.statements import Checkpoint, cosign_checkpoint, encode_statement
from synaptic_crdt.state.store import Store
from tests.simulation.scenario import (
    RECOVERY,
    IsReady,
    Peer,
    Scenario,
    get_verdicts,
    make_key,
)
from tests.sync.conftest import sync

_DOCUMENT_BYTES: Final = 1 << 26


class Home(Peer):
    """A peer on a disk; a copy of one has its key, and another disk."""

    def __init__(self, world: "World", key: DeviceKey, *, is_copy: bool = False) -> None:
        super().__init__(world, key)
        self.is_copy: Final = is_copy
        number = len(list(world.folder.glob("*.db")))
        self._path: Final = world.folder / f"{number}.db"
        self._store: Store = Store.create(self._path, world.genesis_bytes)
        self.gate = self.market.make_gate(self._store, own_device=key.public)

    @property
    def can_write(self) -> bool:
        branches = self.replica.branches
        is_agreed = not branches.get_suspended_from(self.id) and not branches.is_awaiting(self.id)
        return super().can_write and is_agreed

    def close(self) -> None:
        """Close the store for good."""
        self._store.close()

    def pull(self, other: Peer, *, pieces: int | None = None, statements: bool = True) -> bool:
        admitted = False
        for device, feed in list(other.replica.feeds.items()):
            while pieces is None or pieces > 0:
                piece = feed.get_piece(self.replica.get_feed(device).position + 1)
                if piece is None or not self.take(piece):
                    break
                admitted = True
                pieces = None if pieces is None else pieces - 1
        if statements:
            known = set(self.replica.get_statements())
            for statement in other.replica.get_statements():
                if statement not in known:
                    admitted |= self.take_statement(statement)
        return admitted

    def checkpoint(self, time_ms: int | None = None, is_ready: IsReady | None = None) -> Checkpoint:
        made = self.replica.make_checkpoint(
            self.key, self.wall_ms if time_ms is None else time_ms, is_ready or (lambda _: True)
        )
        self.gate.admit_statement(encode_statement(made))
        return made

    # -- what witnesses and sequencers do ------------------------------------------------------

    @property
    def may_close(self) -> bool:
        """Does this home sign the next checkpoint, if one is due?"""
        chain, replica = self.replica.chain, self.replica
        is_blocked = chain.is_halted or chain.awaited is not None or chain.get_candidates()
        is_whole = replica.machine.epoch == chain.index
        return chain.sequencer == self.id and not self.is_copy and is_whole and not is_blocked

    def cosign(self) -> bool:
        """Cosign the checkpoint that is to count next, if it is right and the only one; was it?"""
        chain = self.replica.chain
        candidates = chain.get_candidates()
        if self.is_copy or self.id not in chain.view.witnesses or len(candidates) != 1:
            return False
        (checkpoint,) = candidates
        signed = {each.index for each in chain.cosignatures.get_signed_by(self.id)}
        if checkpoint.index in signed or chain.views.has_signed(self.id, chain.view.number + 1):
            return False
        examination = self.replica.examine(checkpoint)
        if examination is None or examination.root != checkpoint.root:
            return False
        cosignature = cosign_checkpoint(self.market.id, self.key, checkpoint)
        self.gate.admit_statement(encode_statement(cosignature))
        return True

    def give_word(self, sequencer: bytes) -> None:
        """Propose another sequencer as a witness, or agree to what another one proposed."""
        chain = self.replica.chain
        is_witness = self.id in chain.view.witnesses and not self.is_copy
        if (
            not is_witness
            or chain.awaited
            or chain.views.has_signed(self.id, chain.view.number + 1)
        ):
            return
        # A home is all of a node that this asks for.
        node = cast("Any", self)
        try:
            handovers.sign(node, None)
        except UsageError:
            # Nobody proposed anything, or nothing that this witness may give its word for.
            handovers.propose(node, sequencer, None)

    def recover(self, sequencer: bytes, witnesses: Sequence[bytes] | None) -> None:
        """Hand the market over with the recovery key, as its owner would who has read `doctor`."""
        node, seed = cast("Any", self), make_key(RECOVERY).seed
        try:
            handovers.recover(node, seed, sequencer, witnesses, None)
        except UsageError:
            # What may count names what is not here.
            origin = self.replica.chain.get_id(self.replica.machine.epoch).hex()
            handovers.recover(node, seed, sequencer, witnesses, origin)


class World(Scenario):
    """A market of homes on disks in a folder."""

    def __init__(self, folder: Path, **genesis: Any) -> None:  # noqa: ANN401 - see make_genesis
        self.folder: Final = folder
        folder.mkdir()
        super().__init__(**genesis)

    def make_peer(self, key: DeviceKey) -> Home:
        return Home(self, key)

    @property
    def homes(self) -> list[Home]:
        """The peers, which are homes."""
        return [peer for peer in self.peers if isinstance(peer, Home)]


def link(one: Peer, other: Peer) -> None:
    """Let two homes exchange everything in one real session."""
    sync(cast("Any", one), cast("Any", other))


def read_inside(path: Path, market: bytes) -> SortedDocument:
    """Read an Automerge file of our own in this process, which is faster than in another."""
    return sort_out(read_raw_changes(path), market)


def read_raw_changes(path: Path) -> list[tuple[bytes, bytes]]:
    """Return the changes of an Automerge file of our own, each with its actor."""
    out = BytesIO()
    with path.open("rb") as file:
        take_apart(file, out)
    out.seek(0)
    return [*read_changes(out, _DOCUMENT_BYTES)]


def describe_document(replica: Replica) -> object:
    """Return what tells apart what two replicas hold, apart from what is void."""
    feeds = {device: (feed.end, feed.get_id(feed.end)) for device, feed in replica.feeds.items()}
    return feeds, replica.chain.head, replica.chain.view, sorted(replica.get_statements())


def describe(market: Market) -> object:
    """Return all that is to be the same wherever the same is held."""
    machine = market.replica.machine
    replica = market.replica
    # A fork that nothing settles leaves everybody with the branch that came there first, or none.
    is_settled = not any(map(replica.branches.get_suspended_from, replica.feeds))
    return (
        replica.root,
        market.compute_heads() if is_settled else (),
        replica.get_leaves(),
        get_verdicts(market),
        is_settled,
        sorted(proof.id for proof in replica.branches.forks),
        (replica.chain.head, replica.chain.view, replica.chain.awaited, replica.final_epoch),
        machine.get_next_deadline(),
        replica.divergences,
    )
