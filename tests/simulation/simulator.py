"""A whole market in one process, driven by one number: what people, machines, networks, thieves and
chance do to it, and whether anything is lost by it.

A seed makes a *script*: events, each with the time that passes before it and dice of its own. So an
event that is left out changes no other's dice, and a script that failed can be made shorter by
leaving events out. Time is virtual, and there is no thread: whatever happens, happens in an order
that the seed decides.

Homes are real: machines, gates, stores on disks that fail and lose power, sessions. What is not, is
the network between them, the clock, and the processes.

Checked on the way: the invariants of each home, that nothing acknowledged is lost with the power,
that a link which nobody disturbed does all it is there for, that nothing final is taken back, that
no forged thing is taken. Checked at the end, when everybody can reach everybody again: that all
hold the same and made the same of it within a bounded number of links, that the second ledger
agrees, that a replay from nothing comes to the same, and that deadlines alone leave nothing locked.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple, cast

from synaptic_crdt.errors import StoreFailed, SynapticError
from synaptic_crdt.node.documents import admit_document, write_document
from synaptic_crdt.rules.invariants import check_market
from synaptic_crdt.rules.market import get_rows
from synaptic_crdt.rules.operations import TokenTransfer, encode_operation
from synaptic_crdt.rules.verdicts import Verdict
from synaptic_crdt.state.feeds import encode_body, seal_bodies
from synaptic_crdt.state.held import Feed
from synaptic_crdt.state.interchange import SortedDocument
from synaptic_crdt.sync.transports.bundle import read_bundle, write_bundle
from tests.simulation.agreement import find_differences, replay_all
from tests.simulation.disk import Fate, PowerLost
from tests.simulation.homes import describe, read_inside
from tests.simulation.judged import Judging
from tests.simulation.liars import GRAVE_LIES, LIES
from tests.simulation.machines import Machine, SimulatedWorld, Unable
from tests.simulation.network import FINE, Network, Weather
from tests.simulation.program import Action, Play, Step
from tests.simulation.scenario import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Peer, make_key
from tests.simulation.timeline import Timeline

MACHINES_MAX: Final = 8
# Everybody hears of everything in a few rounds in which each has a link in and one out.
ROUNDS_MAX: Final = 8
_SETTLINGS_MAX: Final = 4
_DEADLINES_MAX: Final = 2_000
# Events of a script; most of what goes wrong takes few.
_LENGTHS: Final = (20, 40, 60, 60, 120)

_WITNESSES: Final = tuple(make_key(number).public for number in (3, 4, 5))
_GENESES: Final[tuple[dict[str, Any], ...]] = (
    {"verifiers": (make_key(1).public,)},
    {"witnesses": _WITNESSES, "verifiers": (make_key(1).public,)},
    {"fee_ppm": 30_000, "openings_per_day": 1, "redispatch": 0},
    {"witnesses": _WITNESSES[:1], "fee_ppm": 333_333, "contest_ms": HOUR_MS},
    {"sandbox": True},
    {"witnesses": _WITNESSES, "mint_cap": 700, "council_needed": 1},
)
_FINE_NETWORK: Final = (FINE, Weather((20, 90), 10), Weather((300, 2), 400))
_BAD_NETWORK: Final = (
    *_FINE_NETWORK,
    Weather((5, 40), 30, cut=0.1),
    Weather((1, 1), 0, cut=0.4),
    Weather((700, 1_500), 2_000, cut=0.02, stall=0.02),
    Weather((1, 1), 5, stall=0.2),
    Weather((10, 10), 5, lose=0.1),
    Weather((10, 10), 5, repeat=0.1),
    Weather((10, 10), 5, swap=0.15),
    Weather((10, 10), 5, flip=0.1),
)
_PAUSES_MS: Final = (0, 0, 0, 1, 10, 100, SECOND_MS, SECOND_MS, 5 * SECOND_MS, 30 * SECOND_MS)
_LONG_MS: Final = (2 * MINUTE_MS, 11 * MINUTE_MS, HOUR_MS, 6 * HOUR_MS, DAY_MS)


class Event(NamedTuple):
    """Something that happens, so many milliseconds after what happened before; dice say how."""

    pause_ms: int
    action: str
    dice: int


class Kind(NamedTuple):
    """What a seed is about: which of the sometimes contradictory evils it has."""

    genesis: int
    is_stormy: bool
    loses_power: bool
    has_liars: bool
    has_grave_liars: bool
    # Do people meet and carry things to each other, so that more comes about?
    is_close: bool

    @classmethod
    def of(cls, seed: int) -> "Kind":
        """Return the kind of a seed."""
        chance = Random(f"kind {seed}")
        has_liars = chance.random() < 0.6
        return cls(
            genesis=seed % len(_GENESES),
            is_stormy=chance.random() < 0.6,
            loses_power=chance.random() < 0.6,
            has_liars=has_liars,
            has_grave_liars=has_liars and chance.random() < 0.3,
            is_close=chance.random() < 0.4,
        )


def make_script(seed: int) -> list[Event]:
    """Return the events of a seed."""
    kind, chance = Kind.of(seed), Random(f"script {seed}")
    length = chance.choice(_LENGTHS)
    weights = dict(_ACTIONS)
    if kind.loses_power:
        weights |= {"lose_power": 6, "fill_disk": 2}
    if kind.is_stormy:
        weights |= {"part": 2, "stop": 3}
    if kind.has_liars:
        weights["lie"] = 16
    actions = chance.choices(list(weights), list(weights.values()), k=length)
    return [
        Event(
            chance.choice(_LONG_MS) if chance.random() < 0.02 else chance.choice(_PAUSES_MS),
            action,
            chance.getrandbits(48),
        )
        for action in actions
    ]


class Simulation:
    """One run. ``run`` its script, ``heal``, and ``check_end``; then ``close`` it."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.seed: Final = seed
        self.kind: Final = Kind.of(seed)
        # Of the event that is on its way.
        self.chance = Random(f"setting {seed}")
        self.counts: Final[Counter[str]] = Counter()
        self.file: Final = folder / "carried"
        self.hoards: Final[list[Any]] = []
        # What takes back what was final, or leaves homes with different roots for a while.
        self.has_wrong_roots = self.has_second_checkpoints = self.has_lying_witnesses = False
        self.timeline: Final = Timeline()
        self.network: Final = Network(self.timeline, self._guard)
        self.world: Final = SimulatedWorld(folder / "homes", **_GENESES[self.kind.genesis])
        self.play: Final = SimulatedPlay(self)
        people = [each for each in self.world.machines if each.can_write]
        self._judging: Final = SimulatedJudging(self, people)
        self._stopped: Final[dict[Machine, int]] = {}
        self._is_parted = False
        # The recovery key's owner gives one word for each view.
        self._recovered = 0
        self._handovers_by_recovery = 0
        self.timeline.now_ms = self.world.wall_ms

    # -- the course of things ------------------------------------------------------------------

    def run(self, script: Sequence[Event]) -> None:
        """Let the events of a script happen."""
        for number, event in enumerate(script):
            self._pass(event.pause_ms)
            self.chance = Random(event.dice)
            self.counts["events"] += 1
            try:
                with suppress(StoreFailed):
                    self._guard(lambda event=event: _DO[event.action](self))
                self.network.pass_on()
                self._check_some()
            except BaseException as error:
                error.add_note(f"this was event {number}: {event.action}")
                raise
        self.chance = Random(f"healing {self.seed}")

    def heal(self) -> None:
        """Let everybody reach everybody, until all hold the same and all is settled."""
        for link in [*self.network.links]:
            link.close("healed")
        self.network.part({})
        self._stopped.clear()
        for home in self.world.machines:
            home.disk.spare()
        self._gather()
        for _ in range(_SETTLINGS_MAX if self._has_sequencer else 0):
            before = self.world.founder.replica.machine.epoch
            self._settle()
            machine = self.world.founder.replica.machine
            if machine.epoch == before:
                # Halted, or too few witnesses are left that gave no word for another view.
                self._recover(self.pick(), ())
                self._gather()
            elif not machine.get_suspended() and not machine.get_tail():
                return
        if self._has_sequencer:
            raise AssertionError("nothing becomes final any more")

    def check_end(self) -> None:
        """Raise AssertionError unless all is as it has to be when everything has healed."""
        first, *others = self.world.machines
        for home in others:
            if (here := describe(home.market)) != (there := describe(first.market)):
                raise AssertionError(f"{here} is not {there}")
        for home in self.world.machines:
            self._check(home)
        self.pick().restart()
        if differences := find_differences(first.market):
            raise AssertionError(f"the second ledger differs: {differences}")
        replayed = replay_all(first)
        if replayed.replica.root != first.replica.root:
            raise AssertionError("a replay from nothing has another root")
        self._check_deadlines(replayed)

    def close(self) -> None:
        """Close every store."""
        for home in self.world.machines:
            home.close()

    def tell(self) -> Counter[str]:
        """Return how much of everything there was."""
        machine = self.world.founder.replica.machine
        outcomes = [*machine.get_settled(), *machine.get_tail()]
        found = Counter(self.counts)
        found.update({f"network: {what}": count for what, count in self.network.counts.items()})
        found["entries"] = len(outcomes)
        found["homes"] = len(self.world.machines)
        found["checkpoints that count"] = self.world.founder.replica.chain.index
        found["restarts"] = sum(home.restarts for home in self.world.machines)
        found["handovers by the recovery key"] = self._handovers_by_recovery
        for outcome in outcomes:
            verdict = Verdict(outcome.verdict)
            found[f"verdict: {verdict.name}"] += 1
            if verdict is Verdict.APPLIED:
                found[f"operation: {outcome.entry.operation[0]}"] += 1
        return found

    # -- what liars and people use -------------------------------------------------------------

    def count(self, what: str, times: int = 1) -> None:
        """Take note that something happened."""
        self.counts[what] += times

    def fork_chance(self) -> Random:
        """Return dice for something that goes on after this event."""
        return Random(self.chance.getrandbits(48))

    def pick(self) -> Machine:
        """Return a machine that is up."""
        up = [home for home in self.world.machines if home not in self._stopped]
        return self.chance.choice(up or self.world.machines)

    def pick_two(self) -> tuple[Machine, Machine]:
        """Return two machines."""
        one, other = self.chance.sample(self.world.machines, 2)
        return one, other

    def suffer(self, deed: Callable[[], object]) -> None:
        """Do what may be refused, in whichever documented way."""
        try:
            self._guard(deed)
        except SynapticError as error:
            self.count(f"refused: {type(error).__name__}")

    def write_document(self, home: Machine) -> None:
        """Write an Automerge file of all that a home holds."""
        self.file.unlink(missing_ok=True)
        write_document(cast("Any", home), path=str(self.file))

    def admit_document(self, home: Machine, document: SortedDocument) -> None:
        """Take from an Automerge file what verifies."""
        admit_document(home.gate, document)

    def let_in(self, homes: Sequence[Peer]) -> None:
        """Take out again those of newcomers whom no gate takes, or who wrote nothing."""
        for home in homes:
            self.play.let_in(home)

    # -- what happens --------------------------------------------------------------------------

    def act(self) -> None:
        """Somebody does something to the market."""
        self.play.act(self.pick(), self.chance)

    def judge(self) -> None:
        """Somebody does something to somebody's work."""
        self._judging.random = self.chance
        self._judging.act()

    def copy_home(self) -> None:
        """Restore some state of a home elsewhere; both may go on from there."""
        if len(self.world.peers) >= MACHINES_MAX:
            return
        source = self.pick()
        copy = Machine(self.world, source.key, is_copy=True)
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
        self.count("home copied")

    def insist(self) -> None:
        """A forked device goes on, whatever anybody thinks of it."""
        for home in self.world.machines:
            branches = home.replica.branches
            if branches.get_suspended_from(home.id) and not branches.is_awaiting(home.id):
                time = home.replica.get_feed(home.id).tip.time
                fields = encode_operation(TokenTransfer(self.pick().account, 1, b"", "more"))
                self.count("forked device goes on")
                body = encode_body(time + self.chance.randint(1, 9), fields)
                pieces = seal_bodies(
                    home.market.id, home.key, home.replica.get_feed(home.id).tip, [body]
                )
                self.suffer(lambda home=home, pieces=pieces: home.gate.admit_pieces(pieces))
                return

    def connect(self) -> None:
        """Two machines begin a link."""
        one, other = self.pick_two()
        if one in self._stopped or other in self._stopped:
            return
        weathers = _BAD_NETWORK if self.kind.is_stormy else _FINE_NETWORK
        self.network.connect(
            one,
            other,
            self.fork_chance(),
            self.chance.choice(weathers),
            live=self.chance.random() < 0.4,
        )

    def pull(self) -> None:
        """Some pieces come to somebody, in whichever order."""
        one, other = self.pick_two()
        pieces = self.chance.choice((None, 1, 2, 5))
        one.pull(other, pieces=pieces, statements=self.chance.random() < 0.5)

    def tell_statements(self) -> None:
        """Statements arrive without what they are about, in any order."""
        one, other = self.pick_two()
        statements = list(other.replica.get_statements())
        for statement in self.chance.sample(statements, min(len(statements), 6)):
            one.take_statement(statement)

    def carry_bundle(self) -> None:
        """Somebody carries a bundle to somebody else."""
        one, other = self.pick_two()
        write_bundle(self.file, one.replica, self.world.genesis_bytes)
        read_bundle(self.file, other.gate)
        self.count("bundle carried")

    def carry_document(self) -> None:
        """Somebody carries an Automerge file to somebody else."""
        one, other = self.pick_two()
        self.write_document(one)
        self.admit_document(other, read_inside(self.file, one.market.id))
        self.count("document carried")

    def part(self) -> None:
        """The network falls into parts, or comes together again."""
        self._is_parted = not self._is_parted
        homes = self.world.machines
        parts = self.chance.choice((2, 3))
        split = {home: self.chance.randrange(parts) for home in homes} if self._is_parted else {}
        self.count("partition" if self._is_parted else "partition over")
        self.network.part(cast("Any", split))

    def stop(self) -> None:
        """A machine goes away for a while, and is restarted when it comes back."""
        home = self.pick()
        self.count("machine offline")
        self.network.leave(home)
        until_ms = self.chance.choice((MINUTE_MS, 10 * MINUTE_MS, 3 * HOUR_MS))
        self._stopped[home] = self.timeline.now_ms + until_ms
        home.restart()

    def lose_power(self) -> None:
        """The next write of a machine does not come to its end."""
        fate = self.chance.choice((Fate.BEFORE, Fate.TORN, Fate.TORN, Fate.TORN, Fate.AFTER))
        self.pick().disk.destine(fate, self.fork_chance())

    def fill_disk(self) -> None:
        """The next write of a machine finds no room."""
        self.pick().disk.destine(Fate.FULL, self.fork_chance())

    def set_clock(self) -> None:
        """A clock is wrong, or right again."""
        skews = (0, 0, 1, -1, 30_000, -30_000, 59_000, HOUR_MS, -HOUR_MS, DAY_MS)
        self.pick().skew_ms = self.chance.choice(skews)
        self.count("clock set")

    def close_epoch(self) -> None:
        """The sequencer closes an epoch, carefully or not."""
        for home in self.world.machines:
            if home.may_close and home not in self._stopped:
                is_careful = self.chance.random() < 0.5
                self._guard(
                    lambda home=home, is_careful=is_careful: home.checkpoint(
                        None, home.is_cause_held if is_careful else None
                    )
                )

    def cosign(self) -> None:
        """A witness cosigns what is right."""
        for home in self.world.machines:
            if home not in self._stopped and self.chance.random() < 0.7:
                self._guard(home.cosign)

    def hand_over(self) -> None:
        """Somebody wants another sequencer: a witness, or the owner of the recovery key."""
        home = self.pick()
        sequencer = self._pick_original().id
        self.count("word for a handover")
        if self.chance.random() < 0.6:
            home.give_word(sequencer)
        elif self.chance.random() < 0.3:
            self._recover(home)

    def lie(self) -> None:
        """Somebody keeps to no rule."""
        lies = [*LIES, *(GRAVE_LIES if self.kind.has_grave_liars else ())]
        what = self.chance.choices([lie for lie, _ in lies], [weight for _, weight in lies])[0]
        what(self)

    # ------------------------------------------------------------------------------------------

    @property
    def _has_sequencer(self) -> bool:
        return not self.world.founder.market.genesis.sandbox

    def _pass(self, ms: int) -> None:
        """Let time pass; people may have let pass some already."""
        now_ms = max(self.timeline.now_ms, self.world.wall_ms) + ms
        self.timeline.run_until(now_ms)
        self.world.wall_ms = self.timeline.now_ms
        for home, until_ms in [*self._stopped.items()]:
            if until_ms <= self.timeline.now_ms:
                del self._stopped[home]

    def _guard(self, deed: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever it returns
        """Do something; whoever loses power on the way starts again, and its links are cut."""
        before = [*self.world.peers]
        try:
            return deed()
        except PowerLost as lost:
            self.count(lost.fate.value)
            (home,) = (each for each in self.world.machines if each.disk is lost.disk)
            self.network.leave(home)
            home.restart()
        except Unable:
            self.count("device that cannot write")
        finally:
            self.let_in([each for each in self.world.peers if each not in before])
        return None

    def _check_some(self) -> None:
        for home in self.world.machines:
            if self.chance.random() < 0.1:
                self._check(home)
                revoked = home.find_revoked()
                is_allowed = self._handovers_by_recovery or self.has_lying_witnesses
                is_allowed |= self.has_second_checkpoints and not home.replica.chain.view.quorum
                if revoked is not None and not is_allowed:
                    raise AssertionError(f"what was final was taken back: {revoked}")

    def _check(self, home: Machine) -> None:
        check_market(home.market.contract.market)
        if home.replica.divergences and not self.has_wrong_roots:
            raise AssertionError(f"divergences: {home.replica.divergences}")

    def _recover(self, home: Machine, witnesses: Sequence[bytes] | None = None) -> None:
        chain = home.replica.chain
        # Its owner gives one word for each view; it overrules what witnesses agreed on.
        if chain.sequencer is not None and self._recovered <= chain.view.number:
            view = chain.view.number
            self._handovers_by_recovery += 1
            home.recover(self._pick_original().id, witnesses)
            # What was lost with the power on the way was given to nobody.
            self._recovered = view + 1

    def _settle(self) -> None:
        """Let the sequencer close an epoch, and the witnesses cosign it."""
        for home in self.world.machines:
            if home.may_close:
                home.checkpoint()
        self._gather()
        for home in self.world.machines:
            home.cosign()
        self._gather()

    def _gather(self) -> None:
        """Let everybody sync with one of them, twice, until nobody has anything new."""
        for _ in range(ROUNDS_MAX):
            hub = self.chance.choice(self.world.machines)
            for _ in range(2):
                for home in self.world.machines:
                    if self._describe(home) != self._describe(hub):
                        self.network.connect(home, hub, self.fork_chance())
                        self._pass(SECOND_MS)
            if self.network.links:
                raise AssertionError("a link between two who are well did not come to its end")
            first, *others = [self._describe(home) for home in self.world.machines]
            if all(each == first for each in others):
                return
        # While a market is halted each keeps what counted there first, and evidence of its own.
        if not any(home.replica.is_halted for home in self.world.machines):
            raise AssertionError("there is no end of news")

    def _describe(self, home: Machine) -> object:
        has_evidence = self.has_second_checkpoints or self.has_lying_witnesses
        return describe_agreed(home, has_evidence=has_evidence or self.has_wrong_roots)

    def _check_deadlines(self, market: Any) -> None:  # noqa: ANN401 - a market
        """From here on deadlines alone leave nothing locked, and all of the supply in its place."""
        machine = market.replica.machine
        frontier = {device: position for device, position, _ in market.replica.get_leaves()}
        for _ in range(_DEADLINES_MAX):
            if (due_ms := machine.get_next_deadline()) is None:
                break
            machine.stage_epoch(frontier, due_ms)
            machine.commit_epoch()
        else:
            raise AssertionError("there is always another deadline")
        inside = market.contract.market
        if locked := [key for key, _ in get_rows(inside.holds, "payer")]:
            raise AssertionError(f"locked without a deadline: {locked}")

    def _pick_original(self) -> Machine:
        return self.chance.choice([home for home in self.world.machines if not home.is_copy])


def describe_agreed(home: Machine, *, has_evidence: bool) -> object:
    """Return what tells apart what counts in two homes.

    Of a fork that nothing has settled, either may hold another branch: it does not count. Of those
    who sign twice, one proof is kept, and it may be another one.
    """
    replica = home.replica
    chain = replica.chain
    forks = sorted(proof.id for proof in replica.branches.forks)
    statements = forks if has_evidence else sorted(replica.get_statements())
    return replica.get_leaves(), chain.head, chain.view, statements


class SimulatedPlay(Play):
    """What people do, each at home; or all that people do, when they meet."""

    def __init__(self, simulation: Simulation) -> None:
        super().__init__(simulation.world, is_private=simulation.seed % 2 == 1)
        self._simulation: Final = simulation

    def act(self, actor: Peer, chance: Random) -> None:
        """Do one thing at random."""
        if self._simulation.kind.is_close:
            what: Action = chance.choice(self._actions)
        else:
            what = chance.choices([each for each, _ in _APART], [weight for _, weight in _APART])[0]
        what(self, actor, Step(*chance.randbytes(5)))

    def let_in(self, peer: Peer) -> None:
        """Take a newcomer out again whom no gate takes, or who wrote nothing."""
        if peer.written:
            self._let_in(peer)
        elif peer in self.scenario.peers and not peer.replica.get_feed(peer.id).position:
            self.scenario.peers.remove(peer)

    def _checkpoint(self, founder: Peer, time_ms: int, *, careful: bool = False) -> None:
        del founder, time_ms
        for home in self._simulation.world.machines:
            if home.may_close:
                home.checkpoint(None, home.is_cause_held if careful else None)


class SimulatedJudging(Judging):
    """What people say of work, while nobody waits until it is settled."""

    def __init__(self, simulation: Simulation, people: Sequence[Peer]) -> None:
        super().__init__(simulation.world, people, simulation.chance)
        self._simulation: Final = simulation

    def settle(self, ms: int = SECOND_MS) -> None:
        """Let time pass, and the sequencer close an epoch."""
        self.scenario.wait(ms)
        self._simulation.close_epoch()


_APART: Final[tuple[tuple[Action, int], ...]] = (
    (Play.post, 6),
    (Play.accept, 8),
    (Play.work, 12),
    (Play.offer, 4),
    (Play.tend_offer, 3),
    (Play.transfer, 5),
    (Play.send_batch, 3),
    (Play.pay, 1),
    (Play.mint, 1),
    (Play.invite, 1),
    (Play.join, 1),
    (Play.add_device, 2),
    (Play.revoke_device, 2),
    (Play.meddle, 3),
    (Play.cancel, 2),
    (Play.consent, 1),
    (Play.report, 1),
    (Play.rename, 1),
    (Play.write_rubbish, 1),
    (Play.post_badly, 1),
    (Play.offer_badly, 1),
)
_ACTIONS: Final = {
    "act": 40,
    "judge": 20,
    "connect": 30,
    "pull": 6,
    "tell_statements": 3,
    "carry_bundle": 2,
    "carry_document": 2,
    "copy_home": 1,
    "insist": 2,
    "close_epoch": 8,
    "cosign": 8,
    "hand_over": 2,
    "set_clock": 2,
}
_DO: Final[dict[str, Callable[[Simulation], None]]] = {
    name: getattr(Simulation, name)
    for name in (*_ACTIONS, "lose_power", "fill_disk", "part", "stop", "lie")
}
# What befalls homes, and what those do who keep to no rule, as it is counted.
EVILS: Final = (
    *("home copied", "forked device goes on", "machine offline", "clock set", "partition"),
    *("bundle carried", "document carried", "word for a handover", "restarts"),
    *("forged piece", "piece of another market", "spoiled bundle", "spoiled document"),
    *("link of a liar", "two histories signed", "entries kept back", "entries released late"),
    *("entries of floods", "wash trades", "second checkpoint signed", "wrong root signed"),
    *("checkpoint of the future", "cosigned blindly", "handovers by the recovery key"),
)
