"""People who meet: what their homes hold passes from hand to hand, and becomes final if it can.

Over a bad network few acceptances become final in time for anybody to begin. Those whom a piece of
work concerns meet now and then, so that work goes on under whatever else is happening.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tests.simulation.machines import Machine

if TYPE_CHECKING:
    from tests.simulation.simulator import Simulation


def meet(homes: Iterable[Machine]) -> None:
    """Let everybody hear of all that anybody among them holds."""
    first, *others = dict.fromkeys(homes)
    for home in others:
        first.pull(home)
    for home in others:
        home.pull(first)


def hasten(sim: "Simulation", homes: Iterable[Machine]) -> None:
    """Let them meet those who make things final, and these do what they are there for."""
    up = [home for home in sim.world.machines if home not in sim.stopped]
    offices = [
        home for home in up if home.may_close or home.id in home.replica.chain.view.witnesses
    ]
    together = [*offices, *homes]
    meet(together)
    sequencers = [home for home in offices if home.may_close]
    for home in sequencers:
        home.checkpoint()
    if sequencers:
        meet(together)
    cosigned = [home.cosign() for home in offices]
    if any(cosigned):
        meet(together)
