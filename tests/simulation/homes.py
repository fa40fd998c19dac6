"""Homes with stores, copies of them, and every way on which a market's document travels.

Programs of ``tests.simulation.program`` say what people do; here is what happens to what they
wrote: homes are copied and write on, stores are closed and opened again, checkpoints are cosigned,
markets handed over, and bytes go over links, in bundles and in Automerge files. All of it is the
real thing but the processes, the sockets and the time.
"""

from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any, Final, cast

from synaptic_crdt.errors import UsageError
from synaptic_crdt.node import handovers
from synaptic_crdt.node.documents import admit_document, write_document
from synaptic_crdt.node.node import Market
from synaptic_crdt.node.opening import open_document
from synaptic_crdt.rules.operations import TokenTransfer, encode_operation
from synaptic_crdt.state.document import read_changes, take_apart
from synaptic_crdt.state.feeds import encode_body, seal_bodies
from synaptic_crdt.state.held import Feed
from synaptic_crdt.state.interchange import SortedDocument, sort_out
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.loading import load_replica
from synaptic_crdt.state.replica import Replica
from synaptic_crdt.state.statements import Checkpoint, encode_statement, sign_cosignature
from synaptic_crdt.state.store import Store
from synaptic_crdt.sync.transports.bundle import read_bundle, write_bundle
from tests.simulation.program import Play, Step
from tests.simulation.scenario import (
    RECOVERY,
    IsReady,
    Peer,
    Scenario,
    get_verdicts,
    make_key,
)
from tests.sync.conftest import sync

HOMES_MAX: Final = 9
_PROCESSES: Final = 0.05
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

    def reopen(self) -> None:
        """Close the store and hold what it holds, which must be all that was held before."""
        before = describe(self.market)
        self._store.close()
        self._store = Store.open(self._path)
        market = Market(self._store.genesis)
        damages = load_replica(self._store, market.replica)
        if damages or describe(market) != before:
            raise AssertionError(f"opened again it holds something else: {damages}")
        self.market = market
        self.gate = market.make_gate(self._store, own_device=self.id)

    @property
    def has_void(self) -> bool:
        """Did it hold entries that a fork made void?"""
        return bool(self._store.read_void_entries())

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
            for statement in list(other.replica.get_statements()):
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

    def cosign(self) -> None:
        """Cosign the checkpoint that is to count next, if it is right and the only one."""
        chain = self.replica.chain
        candidates = chain.get_candidates()
        if self.is_copy or self.id not in chain.view.witnesses or len(candidates) != 1:
            return
        (checkpoint,) = candidates
        signed = {each.index for each in chain.cosignatures.get_signed_by(self.id)}
        if checkpoint.index in signed or chain.views.has_signed(self.id, chain.view.number + 1):
            return
        examination = self.replica.examine(checkpoint)
        if examination is not None and examination.root == checkpoint.root:
            cosignature = sign_cosignature(
                self.market.id,
                self.key,
                view=checkpoint.view,
                index=checkpoint.index,
                checkpoint=checkpoint.id,
            )
            self.gate.admit_statement(encode_statement(cosignature))

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

    def recover(
        self, sequencer: bytes, witnesses: Sequence[bytes] | None, origin: str | None
    ) -> None:
        """Hand the market over with the recovery key, to go on from what counts here or before."""
        handovers.recover(cast("Any", self), make_key(RECOVERY).seed, sequencer, witnesses, origin)


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


class Mix:
    """Random programs of people, and random fates of what they wrote."""

    def __init__(self, seed: int, folder: Path, **genesis: Any) -> None:  # noqa: ANN401
        self.chance: Final = Random(seed)
        self.world: Final = World(folder / "homes", **genesis)
        self.play: Final = MixedPlay(self.world)
        self._file: Final = folder / "carried"
        # Handovers by the recovery key: its owner gives one word for each view.
        self._recovered = 0
        # The sequencer as it is where it lies: what it signs over is shown to nobody else.
        self._hidden: Final[list[Home]] = []

    def run(self, steps: int) -> None:
        """Do so many things at random."""
        weighted = _WEIGHTS
        actions = self.chance.choices(
            [action for action, _ in weighted], [weight for _, weight in weighted], k=steps
        )
        for action in actions:
            action(self)
            for home in self.world.homes:
                if self.chance.random() < 0.3:
                    home.check()

    def heal(self) -> None:
        """Let everybody meet everybody, on any way, until all hold the same and all is settled."""
        self._reconcile()
        if self.chance.random() < 0.5:
            self.release()
        for _ in range(3):
            before = self.world.founder.replica.machine.epoch
            self._settle()
            if self.world.founder.replica.machine.epoch == before:
                # Halted, or too few witnesses are left that gave no word for another view, or the
                # sequencer signed over what nobody has.
                self._recover(self._pick(), ())
                self._reconcile()
                self._settle()

    def close(self) -> None:
        """Close all stores."""
        for home in (*self.world.homes, *self._hidden):
            home.close()

    # -- what can happen -----------------------------------------------------------------------

    def act(self) -> None:
        """Somebody does something to the market."""
        self.play.act(self._pick(), self.chance)

    def copy_home(self) -> None:
        """Restore some state of a home elsewhere; both may go on from there."""
        if len(self.world.peers) >= HOMES_MAX:
            return
        source = self._pick()
        copy = Home(self.world, source.key, is_copy=True)
        entries = source.replica.get_feed(source.id).entries
        end = self.chance.randint(1, max(1, len(entries)))
        if self.chance.random() < 0.5:
            copy.pull(source)
        else:
            start = Feed(source.market.id, source.id).tip
            bodies = [entry.body for entry in entries[:end]]
            for piece in seal_bodies(source.market.id, source.key, start, bodies):
                copy.take(piece)
        self.world.peers.append(copy)

    def insist(self) -> None:
        """A forked device goes on, whatever anybody thinks of it."""
        for home in self.world.homes:
            branches = home.replica.branches
            if branches.get_suspended_from(home.id) and not branches.is_awaiting(home.id):
                time = home.replica.get_feed(home.id).tip.time
                fields = encode_operation(TokenTransfer(self._pick().account, 1, b"", "more"))
                home.publish([encode_body(time + self.chance.randint(1, 9), fields)])
                return

    def pull(self) -> None:
        one, other = self._pick_two()
        pieces = self.chance.choice((None, 1, 2, 5))
        one.pull(other, pieces=pieces, statements=self.chance.random() < 0.5)

    def tell(self) -> None:
        """Statements arrive without what they are about, in any order."""
        one, other = self._pick_two()
        statements = list(other.replica.get_statements())
        for statement in self.chance.sample(statements, min(len(statements), 6)):
            one.take_statement(statement)

    def link(self) -> None:
        link(*self._pick_two())

    def carry_bundle(self) -> None:
        one, other = self._pick_two()
        write_bundle(self._file, one.replica, self.world.genesis_bytes)
        read_bundle(self._file, other.gate)

    def carry_document(self) -> None:
        one, other = self._pick_two()
        write_document(cast("Any", one), path=str(self._file))
        # A process of its own takes longer than all the rest.
        read = open_document if self.chance.random() < _PROCESSES else read_inside
        admit_document(other.gate, read(self._file, one.market.id))

    def reopen(self) -> None:
        self._pick().reopen()

    def close_epoch(self) -> None:
        for home in self.world.homes:
            if home.may_close:
                home.checkpoint(None, home.is_cause_held if self.chance.random() < 0.5 else None)

    def sign_two(self) -> None:
        """A sequencer's key is used twice: another home hears of another checkpoint."""
        sequencers = [home for home in self.world.homes if home.may_close]
        if sequencers:
            one = sequencers[0].replica.make_checkpoint(
                sequencers[0].key, self.world.wall_ms + 1, lambda _: True
            )
            self._pick().take_statement(encode_statement(one))

    def lie(self) -> None:
        """The sequencer signs over what it shows to nobody, with a time of its choice."""
        sequencers = [home for home in self.world.homes if home.may_close]
        writers = [home for home in self.world.homes if home.can_write]
        if not sequencers or not writers or len(self._hidden) > 1:
            return
        hidden = Home(self.world, sequencers[0].key, is_copy=True)
        self._hidden.append(hidden)
        hidden.pull(sequencers[0])
        # Somebody helps, who goes on in secret; what others see of its feed goes on elsewhere.
        helper = self.chance.choice(writers)
        feed = hidden.replica.get_feed(helper.id)
        if feed.position and feed.closed_position is None:
            fields = encode_operation(TokenTransfer(helper.account, 1, b"", "secret"))
            body = encode_body(feed.tip.time + self.chance.randint(1, 9), fields)
            for piece in seal_bodies(hidden.market.id, helper.key, feed.tip, [body]):
                hidden.take(piece)
        lie = hidden.checkpoint(hidden.wall_ms + self.chance.choice((1, 30_000)))
        for home in self.chance.sample(self.world.homes, 2):
            home.take_statement(encode_statement(lie))

    def release(self) -> None:
        """What was kept secret comes out, to one home or another."""
        for hidden in self._hidden:
            link(hidden, self._pick())

    def cosign(self) -> None:
        self._pick().cosign()

    def hand_over(self) -> None:
        home = self._pick()
        sequencer = self._pick_original().id
        if self.chance.random() < 0.5:
            home.give_word(sequencer)
        elif self.chance.random() < 0.3:
            self._recover(home)

    def wait(self) -> None:
        self.world.wait(self.chance.choice((1, 1_000, 60_000, 700_000)))

    # ------------------------------------------------------------------------------------------

    def _recover(self, home: Home, witnesses: Sequence[bytes] | None = None) -> None:
        chain = home.replica.chain
        # Its owner gives one word for each view; it overrules what witnesses agreed on.
        if chain.sequencer is not None and self._recovered <= chain.view.number:
            self._recovered = chain.view.number + 1
            epoch = home.replica.machine.epoch
            is_missing = max(epoch, chain.view.index) < chain.index
            home.recover(
                self._pick_original().id,
                witnesses,
                chain.get_id(epoch).hex() if is_missing else None,
            )

    def _settle(self) -> None:
        """Let the sequencer close an epoch, and the witnesses cosign it."""
        for home in self.world.homes:
            if home.may_close:
                home.checkpoint()
        self._reconcile()
        for home in self.world.homes:
            home.cosign()
        self._reconcile()

    def _reconcile(self) -> None:
        """Carry everything everywhere along a random route, until nothing is new to anybody."""
        ways = (self.link, self.link, self.carry_bundle, self.carry_document, self.pull)
        for _ in range(2 * len(self.world.peers)):
            self.chance.choice(ways)()
        before: object = None
        for _ in range(20):
            pairs = [(a, b) for a in self.world.homes for b in self.world.homes if a is not b]
            self.chance.shuffle(pairs)
            for one, other in pairs:
                link(one, other)
            now = [describe_document(home.replica) for home in self.world.homes]
            if now == before:
                return
            before = now
        raise AssertionError("there is no end of news")

    def _pick(self) -> Home:
        return self.chance.choice(self.world.homes)

    def _pick_two(self) -> tuple[Home, Home]:
        one, other = self.chance.sample(self.world.homes, 2)
        return one, other

    def _pick_original(self) -> Home:
        return self.chance.choice([home for home in self.world.homes if not home.is_copy])


class MixedPlay(Play):
    """What people do, without what brings everybody together on the way."""

    def act(self, actor: Peer, chance: Random) -> None:
        """Do one thing at random."""
        what = chance.choices([each for each, _ in _ACTS], [weight for _, weight in _ACTS])[0]
        what(self, actor, Step(*chance.randbytes(5)))


_ACTS: Final = (
    (Play.post, 4),
    (Play.accept, 6),
    (Play.work, 8),
    (Play.transfer, 6),
    (Play.send_batch, 4),
    (Play.pay, 1),
    (Play.invite, 1),
    (Play.join, 1),
    (Play.add_device, 3),
    (Play.revoke_device, 3),
    (Play.meddle, 2),
    (Play.cancel, 1),
    (Play.consent, 1),
    (Play.report, 1),
    (Play.write_rubbish, 1),
    (Play.set_clock, 1),
)

_WEIGHTS: Final[tuple[tuple[Callable[[Mix], None], int], ...]] = (
    (Mix.act, 40),
    (Mix.copy_home, 3),
    (Mix.insist, 3),
    (Mix.pull, 14),
    (Mix.tell, 5),
    (Mix.link, 7),
    (Mix.carry_bundle, 3),
    (Mix.carry_document, 3),
    (Mix.reopen, 4),
    (Mix.close_epoch, 6),
    (Mix.sign_two, 1),
    (Mix.lie, 1),
    (Mix.release, 1),
    (Mix.cosign, 10),
    (Mix.hand_over, 3),
    (Mix.wait, 4),
)


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
    # A fork that nothing settles leaves everybody with the branch that came there first.
    is_settled = not machine.get_suspended()
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
