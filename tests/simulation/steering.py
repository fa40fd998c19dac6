"""Random programs that go on until everything was come to that is asked for.

Which numbers make up a program says nothing of what it comes to: another action in the mix, and
every program is another one. So it is not counted on: what a few programs have not come to, the
next are steered towards. Their steps are drawn more often from actions that were seen to write the
operations it takes; that these are the ones stands in the docs, which the ladders check.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from random import Random
from typing import Final

from synaptic_crdt.rules.market import get_rows
from synaptic_crdt.rules.operations import OPERATIONS
from synaptic_crdt.rules.verdicts import Verdict
from tests.rules.conftest import read_refusals
from tests.simulation.agreement import read_ledger
from tests.simulation.program import Play, Step

# Any operation may meet these; they follow from one.
_CAUSES: Final = {Verdict.RULES_NEWER: "market.set", Verdict.DEVICE_REVOKED: "device.revoke"}
# How much of a steered program is drawn from the actions that it takes.
_STEERED: Final = 0.5
# More would mean that something is hardly ever come to, or never.
_STEERED_MAX: Final = 60

# The operations that are still wanted, of what was reached so far.
Wants = Callable[["Reached"], Collection[str]]


class Reached:
    """What a number of programs came to, all together, and which actions wrote which operations."""

    def __init__(self) -> None:
        self.applied: Counter[str] = Counter()
        self.verdicts: Counter[Verdict] = Counter()
        self.reasons: Counter[str] = Counter()
        self.ends: Counter[str] = Counter()
        self.situations: Counter[str] = Counter()
        self._writers: Final[dict[str, set[int]]] = {}

    def add(self, played: Play) -> None:
        """Take note of a program that was played to its end."""
        machine = played.scenario.founder.replica.machine
        market = played.scenario.founder.market.contract.market
        outcomes = [*machine.get_settled(), *machine.get_tail()]
        for outcome in outcomes:
            self.verdicts[Verdict(outcome.verdict)] += 1
            if outcome.verdict == Verdict.APPLIED:
                self.applied[str(outcome.entry.operation[0])] += 1
        self.reasons.update(row.reason for _, row in get_rows(market.assignments, "provider"))
        self.ends.update(
            end for _, end, _ in read_ledger(played.scenario.founder.market).get_seats().values()
        )
        times = [outcome.entry.time for outcome in outcomes]
        self.situations["late entry"] += times != sorted(times)
        self.situations["equal timestamps"] += len(times) != len(set(times))
        self.situations["void entry"] += any(
            next(peer.replica.get_void(), None) for peer in played.scenario.peers
        )
        self.situations["reversal"] += any(
            peer.replica.machine.get_reversals() for peer in played.scenario.peers
        )
        for tag, actions in played.writers.items():
            self._writers.setdefault(tag, set()).update(actions)

    def find_writers(self, wanted: Collection[str]) -> list[int]:
        """Return the numbers of the actions that wrote one of these operations."""
        return sorted({number for tag in wanted for number in self._writers.get(tag, ())})


def search(
    play: Callable[[int, list[Step]], Play],
    wants: Wants,
    *,
    base: int,
    directed: Iterable[Play] = (),
) -> Reached:
    """Play so many programs of numbers alone, then go on until nothing is wanted any more.

    What directed programs came to is not wanted.
    """
    reached = Reached()
    for played in directed:
        reached.add(played)
    for number in range(base + _STEERED_MAX):
        wanted = wants(reached) if number >= base else ()
        if number >= base and not wanted:
            break
        try:
            played = play(number, make_program(number, 140, reached.find_writers(wanted)))
        except Exception as error:
            error.add_note(f"this was program {number}, steered towards {sorted(wanted)}")
            raise
        reached.add(played)
    return reached


def make_program(seed: int, length: int, actions: Collection[int] = ()) -> list[Step]:
    """Return the program of a number, half of it made of some actions if any are named."""
    random = Random(seed)
    program = [Step(*random.randbytes(5)) for _ in range(length)]
    if not actions:
        return program
    choices = sorted(actions)
    return [
        Step(random.choice(choices), step.who, step.a, step.b, step.c)
        if random.random() < _STEERED
        else step
        for step in program
    ]


def find_operations(verdicts: Iterable[Verdict]) -> set[str]:
    """Return the operations that may be refused by one of these."""
    names = {verdict.name for verdict in verdicts}
    causes = {tag for verdict, tag in _CAUSES.items() if verdict.name in names}
    return causes | {tag for tag in OPERATIONS if names & set(read_refusals(tag))}
