"""What two people do once everybody can reach everybody again: one piece of work, to its payment.

Whatever has come to be true before, a market whose people mean well goes on.
"""

from itertools import islice, permutations
from typing import TYPE_CHECKING, Final

from synaptic_crdt.state.contract import APPLIED
from tests.simulation.machines import Machine
from tests.simulation.meeting import hasten, meet

if TYPE_CHECKING:
    from tests.simulation.simulator import Simulation

_PAIRS_MAX: Final = 3


def trade_at_last(sim: "Simulation") -> None:
    """Let the first two whom the rules allow it work for each other."""
    people = [home for home in sim.world.machines if home.can_write and not home.is_copy]
    for requester, provider in islice(permutations(people, 2), _PAIRS_MAX):
        if requester.account != provider.account and _trade(sim, requester, provider):
            sim.count("work paid in the end")
            return


def _trade(sim: "Simulation", requester: Machine, provider: Machine) -> bool:
    both = (requester, provider)
    task = requester.post()
    meet(both)
    if task.verdict != APPLIED:
        return False
    won = provider.accept(task)
    hasten(sim, both)
    if won.verdict != APPLIED or provider.start(won).verdict != APPLIED:
        return False
    delivery = provider.deliver(won)
    meet(both)
    approval = requester.approve(delivery)
    sim.gather()
    sim.pass_time(requester.market.genesis.contest_ms + 1)
    return approval.verdict == APPLIED
