"""What people do in a simulation: each at home, or all that they do when they meet."""

from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING, Final

from tests.simulation.happenings import close_epoch
from tests.simulation.judged import Judging
from tests.simulation.program import Action, Play, Step
from tests.simulation.scenario import SECOND_MS, Peer

if TYPE_CHECKING:
    from tests.simulation.simulator import Simulation

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


class SimulatedPlay(Play):
    """What people do, each at home; or all that people do, when they meet."""

    def __init__(self, simulation: "Simulation") -> None:
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

    def __init__(self, simulation: "Simulation", people: Sequence[Peer]) -> None:
        super().__init__(simulation.world, people, simulation.chance)
        self._simulation: Final = simulation

    def settle(self, ms: int = SECOND_MS) -> None:
        """Let time pass, and the sequencer close an epoch."""
        self.scenario.wait(ms)
        close_epoch(self._simulation)
