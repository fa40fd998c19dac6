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
from pathlib import Path
from random import Random
from typing import Any, Final, cast

from synaptic_crdt.errors import StoreFailed, SynapticError
from synaptic_crdt.node.documents import admit_document, write_document
from synaptic_crdt.rules.invariants import check_market
from synaptic_crdt.rules.market import get_rows
from synaptic_crdt.rules.verdicts import Verdict
from synaptic_crdt.state.interchange import SortedDocument
from tests.simulation.agreement import find_differences, replay_all
from tests.simulation.closing import trade_at_last
from tests.simulation.disk import Fate, PowerLost
from tests.simulation.happenings import DO
from tests.simulation.homes import describe
from tests.simulation.liars import release_secrets
from tests.simulation.machines import Machine, SimulatedWorld, Unable
from tests.simulation.network import Network
from tests.simulation.people import SimulatedJudging, SimulatedPlay
from tests.simulation.scenario import SECOND_MS, Peer
from tests.simulation.script import GENESES, Event, Kind
from tests.simulation.timeline import Timeline

# Everybody hears of everything in a few rounds in which each has a link in and one out.
ROUNDS_MAX: Final = 8
_SETTLINGS_MAX: Final = 4
_DEADLINES_MAX: Final = 2_000


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
        # Sequencers as they are where they lie.
        self.hidden: Final[list[Machine]] = []
        # What takes back what was final, or leaves homes with different roots for a while.
        self.has_wrong_roots = self.has_second_checkpoints = self.has_lying_witnesses = False
        self.timeline: Final = Timeline()
        self.network: Final = Network(self.timeline, self.guard)
        self.world: Final = SimulatedWorld(folder / "homes", **GENESES[self.kind.genesis])
        self.play: Final = SimulatedPlay(self)
        people = [each for each in self.world.machines if each.can_write]
        self.judging: Final = SimulatedJudging(self, people)
        self.stopped: Final[dict[Machine, int]] = {}
        self.is_parted = False
        # The recovery key's owner gives one word for each view.
        self._recovered = 0
        self._handovers_by_recovery = 0
        self.timeline.now_ms = self.world.wall_ms

    # -- the course of things ------------------------------------------------------------------

    def run(self, script: Sequence[Event]) -> None:
        """Let the events of a script happen."""
        for number, event in enumerate(script):
            self.pass_time(event.pause_ms)
            self.chance = Random(event.dice)
            self.counts["events"] += 1
            try:
                try:
                    self.guard(lambda event=event: DO[event.action](self))
                except StoreFailed:
                    self.count(Fate.FULL.value)
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
        self.stopped.clear()
        for home in self.world.machines:
            home.disk.spare()
        if self.chance.random() < 0.5:
            release_secrets(self)
            self.pass_time(SECOND_MS)
        self.gather()
        if self._has_sequencer:
            trade_at_last(self)
        for _ in range(_SETTLINGS_MAX if self._has_sequencer else 0):
            before = self.world.founder.replica.machine.epoch
            self.settle()
            machine = self.world.founder.replica.machine
            if machine.epoch == before:
                # Halted, or too few witnesses are left that gave no word for another view.
                self.recover(self.pick(), ())
                self.gather()
            elif not machine.get_suspended() and not machine.get_tail():
                return
        if self._has_sequencer:
            raise AssertionError("nothing becomes final any more")

    def check_end(self) -> None:
        """Raise AssertionError unless all is as it has to be when everything has healed."""
        first, *others = self.world.machines
        agreed = describe(first.market)
        for home in others:
            if (here := describe(home.market)) != agreed:
                raise AssertionError(f"{here} is not {agreed}")
        for home in self.world.machines:
            self._check(home)
        for home in self.chance.sample(self.world.machines, 2):
            home.restart()
            if (opened := describe(home.market)) != agreed:
                raise AssertionError(f"opened again it is {opened}, and was {agreed}")
        if differences := find_differences(first.market):
            raise AssertionError(f"the second ledger differs: {differences}")
        replayed = replay_all(first)
        if replayed.replica.root != first.replica.root:
            raise AssertionError("a replay from nothing has another root")
        self._check_deadlines(replayed)

    def close(self) -> None:
        """Close every store."""
        for home in (*self.world.machines, *self.hidden):
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
        up = [home for home in self.world.machines if home not in self.stopped]
        return self.chance.choice(up or self.world.machines)

    def pick_two(self) -> tuple[Machine, Machine]:
        """Return two machines."""
        one, other = self.chance.sample(self.world.machines, 2)
        return one, other

    def suffer(self, deed: Callable[[], object]) -> None:
        """Do what may be refused, in whichever documented way."""
        try:
            self.guard(deed)
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

    # ------------------------------------------------------------------------------------------

    @property
    def _has_sequencer(self) -> bool:
        return not self.world.founder.market.genesis.sandbox

    def pass_time(self, ms: int) -> None:
        """Let time pass; people may have let pass some already."""
        now_ms = max(self.timeline.now_ms, self.world.wall_ms) + ms
        self.timeline.run_until(now_ms)
        self.world.wall_ms = self.timeline.now_ms
        for home, until_ms in [*self.stopped.items()]:
            if until_ms <= self.timeline.now_ms:
                del self.stopped[home]

    def guard(self, deed: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever it returns
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
        chain = home.replica.chain
        newest = chain.get(chain.index)
        # What a handover goes on from needs nobody's cosignature.
        if newest is not None and chain.index > chain.view.index:
            witnesses = set(chain.view.witnesses)
            cosigned = witnesses.intersection(chain.cosignatures.get_signers(newest))
            if witnesses and 2 * len(cosigned) <= len(witnesses):
                raise AssertionError(f"{len(cosigned)} of {len(witnesses)} witnesses were enough")

    def recover(self, home: Machine, witnesses: Sequence[bytes] | None = None) -> None:
        chain = home.replica.chain
        # Its owner gives one word for each view; it overrules what witnesses agreed on.
        if chain.sequencer is not None and self._recovered <= chain.view.number:
            view = chain.view.number
            self._handovers_by_recovery += 1
            home.recover(self.pick_original().id, witnesses)
            # What was lost with the power on the way was given to nobody.
            self._recovered = view + 1

    def settle(self) -> None:
        """Let the sequencer close an epoch, and the witnesses cosign it."""
        for home in self.world.machines:
            if home.may_close:
                home.checkpoint()
        self.gather()
        for home in self.world.machines:
            home.cosign()
        self.gather()

    def gather(self) -> None:
        """Let everybody sync with one of them, twice, until nobody has anything new."""
        for _ in range(ROUNDS_MAX):
            hub = self.chance.choice(self.world.machines)
            for _ in range(2):
                for home in self.world.machines:
                    if describe_agreed(home) != describe_agreed(hub):
                        self.network.connect(home, hub, self.fork_chance())
                        self.pass_time(SECOND_MS)
            if self.network.links:
                raise AssertionError("a link between two who are well did not come to its end")
            first, *others = [describe_agreed(home) for home in self.world.machines]
            if all(each == first for each in others):
                return
        # While a market is halted each keeps what counted there first, and evidence of its own.
        if not any(home.replica.is_halted for home in self.world.machines):
            raise AssertionError("there is no end of news")

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

    def pick_original(self) -> Machine:
        return self.chance.choice([home for home in self.world.machines if not home.is_copy])


def describe_agreed(home: Machine) -> object:
    """Return what tells apart what counts in two homes, and what they tell each other.

    Of a fork that nothing has settled, either may hold another branch: it does not count.
    """
    replica = home.replica
    chain = replica.chain
    return replica.get_leaves(), chain.head, chain.view, sorted(replica.get_statements())
