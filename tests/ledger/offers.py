"""Standing offers, a second time: no book and no index; everybody is sorted anew at every question.

Whether somebody may take a seat is asked of the orders: whoever may accept by hand for an ask may
be matched for it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from synaptic_crdt.state.hashes import compute_hash
from tests.ledger.devices import Said
from tests.ledger.orders import Orders
from tests.ledger.seats import Task
from tests.ledger.words import MONTH, No, need

LOOKED_AT: Final = 64
# For these it is the owner who should see to something.
OWN_FAULTS: Final = (
    "NOT_OPTED_IN",
    "TERMS_OLD",
    "OWN_CAP_KINDS",
    "OWN_CAP_OPEN",
    "OWN_CAP_DAY",
    "TOO_MANY_ASSIGNMENTS",
    "BOND_SHORT",
)


@dataclass
class Offer:
    """Work for whoever comes."""

    id: bytes
    owner: bytes
    kind: str
    able: list[str]
    units: int
    left: int
    ask: int
    expiry: int
    is_standing: bool
    terms: list[Any]
    turn: int
    state: str = "OPEN"
    rest: str = ""

    def is_waiting(self) -> bool:
        """May the next task have it?"""
        return self.is_standing and self.state == "OPEN" and not self.rest and self.left > 0


class Offers:
    """All offers there ever were, and what they took."""

    def __init__(self, orders: Orders) -> None:
        self.orders: Final = orders
        self.work: Final = orders.work
        self.offers: Final[dict[bytes, Offer]] = {}
        self.taken: Final[dict[bytes, tuple[Offer, int]]] = {}
        self.turns = 0
        self.rules: Final[dict[str, Callable[[list[Any], Said], None]]] = {
            "offer.post": self._post,
            "offer.renew": self._renew,
            "offer.withdraw": self._withdraw,
            "presence": self._attend,
        }

    # -- what people write -----------------------------------------------------------------------

    def _post(self, fields: list[Any], said: Said) -> None:
        kind, able, units, ask, expiry, is_standing, terms = fields
        kinds = [slug for slug, _ in self.orders.parameters.figures["kinds"]]
        need(kind in kinds, "KIND_UNKNOWN")
        self.orders.check_consent(said.account)
        mine = [o for o in self.offers.values() if o.owner == said.account and o.state == "OPEN"]
        need(len(mine) < 16, "TOO_MANY_OFFERS")
        need(len([o for o in mine if o.kind == kind]) < 4, "TOO_MANY_OFFERS_OF_KIND")
        self._check_expiry(expiry)
        self.turns += 1
        offer = Offer(
            id=said.id,
            owner=said.account,
            kind=kind,
            able=able,
            units=units,
            left=units,
            ask=ask,
            expiry=expiry,
            is_standing=is_standing,
            terms=terms,
            turn=self.turns,
        )
        self.offers[said.id] = offer
        self._stand(offer)

    def _renew(self, fields: list[Any], said: Said) -> None:
        name, units, ask, expiry = fields
        offer = self._find_own(name, said)
        self.orders.check_consent(said.account)
        need(offer.state == "OPEN", "OFFER_ENDED")
        self._check_expiry(expiry)
        self.turns += 1
        offer.units, offer.left, offer.ask, offer.expiry = units, units, ask, expiry
        offer.turn, offer.rest = self.turns, ""
        self._stand(offer)

    def _withdraw(self, fields: list[Any], said: Said) -> None:
        offer = self._find_own(fields[0], said)
        need(offer.state == "OPEN", "OFFER_ENDED")
        offer.state = "WITHDRAWN"

    def _attend(self, fields: list[Any], said: Said) -> None:
        del fields
        is_offering = any(
            o.owner == said.account and o.is_standing and o.state == "OPEN"
            for o in self.offers.values()
        )
        is_working = any(
            seat.state == "STARTED" and seat.taker == said.account and task.get("uptime") > 0
            for task in self.work.tasks.values()
            for seat in task.seats
        )
        need(is_offering or is_working, "NOTHING_TO_ATTEND")
        need((said.account, self._slot) not in self.work.shown, "PRESENT_ALREADY")
        self.work.shown.add((said.account, self._slot))

    # -- time ------------------------------------------------------------------------------------

    def get_deadlines(self) -> list[tuple[int, bytes]]:
        """Return when offers end."""
        return [(o.expiry, o.id) for o in self.offers.values() if o.state == "OPEN"]

    # -- matching --------------------------------------------------------------------------------

    def match_task(self, name: bytes) -> None:
        """Ask the offers of a task's kind, the cheapest first."""
        task = self.work.tasks[name]
        kind = task.terms["kind"]
        waiting = [o for o in self.offers.values() if o.is_waiting() and o.kind == kind]
        waiting.sort(key=lambda offer: (offer.ask, offer.turn))
        for offer in waiting[:LOOKED_AT]:
            if task.terms["auction"] == "dutch" or offer.ask > task.get("most"):
                return
            if not {(offer.owner, self._slot - back) for back in (0, 1)} & self.work.shown:
                offer.rest = "absent"
            elif self._meet(offer, name, task) == "NO_FREE_SEAT":
                return

    def match_offer(self, offer: Offer) -> None:
        """Ask the tasks of an offer's kind, the best paid first."""
        found = [
            (-task.get("most"), place, name)
            for place, (name, task) in enumerate(self.work.tasks.items())
            if task.terms["kind"] == offer.kind
            and task.terms["auction"] != "dutch"
            and task.get("most") >= offer.ask
            and any(seat.state == "OPEN" for seat in task.seats)
        ]
        for _, _, name in sorted(found)[:LOOKED_AT]:
            self._meet(offer, name, self.work.tasks[name])

    def give_back(self, assignment: bytes) -> None:
        """Work came to nothing; an offer may have taken it."""
        if assignment in self.taken:
            offer, units = self.taken[assignment]
            offer.left = min(offer.units, offer.left + units)

    def _meet(self, offer: Offer, name: bytes, task: Task) -> str:
        while offer.is_waiting() and self._would_do(offer, task):
            try:
                seat = self.orders.find_seat(task, offer.owner, offer.ask, offer.able, offer.left)
            except No as no:
                offer.rest = str(no) if str(no) in OWN_FAULTS else ""
                return str(no)
            number, tries = seat.id[-1], seat.tries
            parts = (name, offer.id, number.to_bytes(8, "big"), tries.to_bytes(8, "big"))
            assignment = compute_hash("match", *parts)
            offer.left -= seat.units
            self.taken[assignment] = (offer, seat.units)
            self.orders.assign(task, seat, assignment, offer.owner, offer.ask)
        return ""

    def _would_do(self, offer: Offer, task: Task) -> bool:
        """Is the task within the terms of the offer?"""
        response, execution, uptime, penalty, bond, privacies, least, *known = offer.terms
        arbiters, evaluators, signers = known
        neutral, _ = self.orders.parameters.figures["arbiters"]
        return all(
            (
                response <= task.get("response"),
                execution <= task.get("execution"),
                uptime >= task.get("uptime"),
                penalty >= task.get("penalty"),
                bond >= task.get("bond"),
                task.terms["privacy"] in privacies,
                least <= self.work.scores.get_score(task.requester, "requester", self.orders.now),
                {*task.arbiters} <= {*arbiters, *neutral},
                task.terms["evaluator"] in (None, *evaluators),
                {*task.terms["release"][1]} <= {*signers},
            )
        )

    # ----------------------------------------------------------------------------------------

    @property
    def _slot(self) -> int:
        return self.orders.now // self.work.terms.slot

    def _stand(self, offer: Offer) -> None:
        if offer.is_standing:
            self.work.shown.add((offer.owner, self._slot))
            self.match_offer(offer)

    def _find_own(self, name: bytes, said: Said) -> Offer:
        need(name in self.offers, "OFFER_UNKNOWN")
        need(self.offers[name].owner == said.account, "NOT_THE_OFFERER")
        return self.offers[name]

    def _check_expiry(self, expiry: int) -> None:
        need(expiry > self.orders.now, "OFFER_TOO_SHORT")
        need(expiry <= self.orders.now + MONTH, "OFFER_TOO_LONG")
