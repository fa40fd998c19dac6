"""The life of a seat, a second time: one method for each thing that can happen to it.

Written from the table of states in words, not from the code of the rules: what an event does is
decided by a chain of ifs over the state, and money moves by naming who gets how much. What is said
of a delivery, and what comes of that, stands in ``judging``.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from tests.ledger.form import POST
from tests.ledger.money import Money
from tests.ledger.scores import Scores
from tests.ledger.words import No, need

MINUTE: Final = 60_000
WORKING: Final = ("RESERVED", "PENDING", "KEYWAIT", "ASSIGNED", "STARTED")
WHOLE: Final = 1_000_000


@dataclass
class Dispute:
    """What was said in a dispute."""

    opener: str
    deposit: int
    arbiters: list[bytes]
    needed: int
    rulings: dict[bytes, int] = field(default_factory=dict[bytes, int])
    evidence: dict[str, list[bytes]] = field(default_factory=dict[str, list[bytes]])


@dataclass
class Assignment:
    """One account's try at a seat, and all that was ever said about it."""

    id: bytes
    seat: "Seat"
    provider: bytes
    ask: int
    bond: int = 0
    devices: list[bytes] = field(default_factory=list[bytes])
    armed: int = 0
    started: int = 0
    delivered: int = 0
    delivery: bytes = b""
    extended: int = 0
    progress: int = 0
    marks: dict[bytes, tuple[bool, dict[str, int]]] = field(default_factory=dict[bytes, Any])
    proposed: tuple[int, int] = (0, 0)
    named: dict[str, int] = field(default_factory=dict[str, int])
    dispute: Dispute | None = None
    is_sealed: bool = False
    shared: list[tuple[bytes, str]] = field(default_factory=list[tuple[bytes, str]])
    end: str = ""
    ended: int = 0
    units: int = 0


@dataclass
class Seat:
    """One part of a task's work."""

    id: bytes
    units: int
    opened: int
    deadline: int
    keyed: list[bytes] = field(default_factory=list[bytes])
    state: str = "OPEN"
    end: str = ""
    holder: Assignment | None = None
    # Whoever has, or had to the end, the seat as it is now.
    taker: bytes = b""
    tries: int = 0
    reopened: int = 0
    declined: int = 0
    excluded: list[bytes] = field(default_factory=list[bytes])


@dataclass
class Task:
    """A task as it was posted or bettered, with its seats and everybody who ever had one."""

    requester: bytes
    fee_ppm: int
    opens: int
    terms: dict[str, Any]
    arbiters: list[bytes]
    quorum: int
    is_early: bool
    seats: list[Seat] = field(default_factory=list[Seat])
    assignments: list[Assignment] = field(default_factory=list[Assignment])

    def get(self, name: str) -> int:
        """Return a figure of the task."""
        return self.terms[name]

    def is_begun(self) -> bool:
        """Did, or do, enough providers come?"""
        reserved = [seat for seat in self.seats if seat.state == "RESERVED"]
        return any(seat.tries for seat in self.seats) or len(reserved) >= self.get("least")


@dataclass(frozen=True)
class Terms:
    """What of the genesis the life of a seat depends on."""

    contest: int
    finality_wait: int
    sandbox: bool
    arbitration: int = 0
    deposit_ppm: int = 0
    slot: int = 5 * MINUTE


class Work:
    """All tasks, and what happens to their seats."""

    def __init__(self, money: Money, terms: Terms, scores: Scores) -> None:
        self.money: Final = money
        self.scores: Final = scores
        self.terms: Final = terms
        self.tasks: Final[dict[bytes, Task]] = {}
        self.shown: Final[set[tuple[bytes, int]]] = set()
        # Who hears of every assignment that came to nothing.
        self.give_back: Callable[[bytes], None] = lambda _: None
        # Who says whether somebody may see what a task is about.
        self.may_see: Callable[[Task, bytes, int], bool] = lambda _task, _who, _now: True

    def post(
        self,
        entry: bytes,
        requester: bytes,
        fields: list[Any],
        now: int,
        fee_ppm: int = 0,
        panel: tuple[list[bytes], int] = ([], 0),
    ) -> None:
        """Open every seat, its whole price locked."""
        terms = dict(zip(POST, fields, strict=True))
        names = ("response", "execution", "uptime", "penalty", "metrics")
        terms |= dict(zip(names, terms["service"], strict=True))
        arbiters, quorum = (terms["arbiters"], terms["quorum"]) if terms["arbiters"] else panel
        opens = now + terms["priority"]
        task = Task(requester, fee_ppm, opens, terms, arbiters, quorum, is_early=opens > now)
        self.tasks[entry] = task
        shards = terms["shards"] * terms["copies"]
        for number, (units, _, _, keys) in enumerate(shards):
            deadline = now + terms["window"]
            keyed = [device for device, _ in keys]
            seat = Seat(entry + bytes([number]), units, now, deadline, keyed)
            task.seats.append(seat)
            self.money.lock(requester, seat.id, "escrow", terms["most"] * units)

    def accept(self, task: Task, seat: Seat, assignment: Assignment, now: int) -> None:
        """Reserve the seat; once enough providers came, every reserved seat goes on."""
        assignment.bond = task.get("bond")
        self.money.lock(assignment.provider, seat.id, "bond", assignment.bond)
        task.assignments.append(assignment)
        seat.state, seat.holder, seat.taker = "RESERVED", assignment, assignment.provider
        if task.is_begun():
            for other in task.seats:
                if other.state == "RESERVED":
                    other.state, other.tries = "PENDING", other.tries + 1
                    other.deadline = now + self.terms.finality_wait
                    if self.terms.sandbox:
                        self.become_final(task, other, now)

    def become_final(self, task: Task, seat: Seat, now: int) -> None:
        """The acceptance is final: the key is due first, if there is one nobody handed out."""
        is_keyed = any(device in seat.keyed for device in get_holder(seat).devices)
        if task.terms["privacy"] == "public" or is_keyed:
            self.arm(task, seat, now)
        else:
            seat.state, seat.deadline = "KEYWAIT", now + task.get("reveal")

    def arm(self, task: Task, seat: Seat, now: int) -> None:
        """The provider has all that it needs."""
        holder = get_holder(seat)
        seat.state, holder.armed = "ASSIGNED", now
        seat.deadline = now + _hard(task.get("response"))

    def cancel(self, task: Task) -> None:
        """Close what nobody works on."""
        for seat in task.seats:
            if seat.state == "RESERVED":
                self._leave(seat, "VOID")
                self.close(seat, "CANCELLED")
            elif seat.state == "OPEN":
                self.close(seat, "CANCELLED")

    def improve(self, task: Task, better: dict[str, int]) -> None:
        """Take better terms, lock what they may cost, and move what they move."""
        raised = better["most"] - task.get("most")
        task.terms |= better
        for seat in task.seats:
            if seat.state in ("SETTLED", "CLOSED"):
                continue
            self.money.add(seat.id, "escrow", raised * seat.units)
            if seat.state in ("OPEN", "RESERVED"):
                seat.deadline = seat.opened + task.get("window")
            self.move_limit(task, seat)

    def move_limit(self, task: Task, seat: Seat) -> None:
        """The hard limit of work in hand is where the task and its extensions put it."""
        if seat.state == "ASSIGNED":
            seat.deadline = get_holder(seat).armed + _hard(task.get("response"))
        elif seat.state == "STARTED":
            holder = get_holder(seat)
            seat.deadline = holder.started + _hard(task.get("execution") + holder.extended)

    def decline(self, task: Task, seat: Seat, now: int) -> None:
        """Give back what was not begun."""
        if seat.state not in ("RESERVED", "PENDING", "KEYWAIT", "ASSIGNED"):
            raise No("WRONG_PHASE")
        was_reserved = seat.state == "RESERVED"
        provider = get_holder(seat).provider
        if seat.state == "ASSIGNED":
            self.scores.decline(provider, now)
        self._leave(seat, "DECLINED")
        if seat.declined == 16:
            self.close(seat, "EXHAUSTED")
            return
        seat.declined += 1
        seat.state, seat.taker = "OPEN", b""
        seat.excluded.append(provider)
        if not was_reserved:
            seat.opened, seat.deadline = now, now + task.get("window")

    def start(self, task: Task, seat: Seat, now: int) -> None:
        """Begin."""
        need(seat.state == "ASSIGNED", "WRONG_PHASE")
        seat.state, get_holder(seat).started = "STARTED", now
        if task.get("uptime"):
            self.shown.add((get_holder(seat).provider, now // self.terms.slot))
        self.move_limit(task, seat)

    def deliver(self, task: Task, seat: Seat, delivery: bytes, now: int) -> None:
        """Hand over the result."""
        holder = get_holder(seat)
        seat.state, holder.delivered, holder.delivery = "DELIVERED", now, delivery
        seat.deadline = now + task.get("review")

    def fail(self, task: Task, seat: Seat, now: int) -> None:
        """Give up what was begun, for half of the bond."""
        need(seat.state == "STARTED", "WRONG_PHASE")
        self._lose(task, seat, "FAILED", get_holder(seat).bond // 2, now)

    def pass_waiting(self, task: Task, seat: Seat, now: int) -> None:
        """What silence means before there is anything to judge."""
        if seat.state == "OPEN":
            self.close(seat, "UNFILLED" if task.is_begun() else "VOID")
        elif seat.state in ("RESERVED", "PENDING", "KEYWAIT"):
            was_awaited = seat.state == "KEYWAIT"
            was_awaited = was_awaited and self.may_see(task, get_holder(seat).provider, now)
            self._leave(seat, "VOID")
            self.close(seat, "VOID")
            if was_awaited:
                self.scores.withhold(task.requester, now)
        else:
            self._lose(task, seat, "ABANDONED", get_holder(seat).bond, now)

    def close_epoch(self, now: int) -> None:
        """Every acceptance that waited is final."""
        for task in self.tasks.values():
            for seat in task.seats:
                if seat.state == "PENDING":
                    self.become_final(task, seat, now)

    def count_owed(self, account: bytes) -> int:
        """Return for how many seats an account still owes work."""
        return sum(
            seat.holder is not None and seat.holder.provider == account and seat.state in WORKING
            for task in self.tasks.values()
            for seat in task.seats
        )

    def count_late(self, task: Task, holder: Assignment) -> int:
        """Return how many limits of time and presence an assignment broke."""
        limit = task.get("execution") + holder.extended
        late = int(holder.started - holder.armed > task.get("response"))
        if holder.delivered:
            late += holder.delivered - holder.started > limit
            late += self._is_absent(task, holder)
        return late

    def _is_absent(self, task: Task, holder: Assignment) -> bool:
        """Was the provider there in too few of the slots between start and delivery?"""
        first, last = holder.started // self.terms.slot + 1, holder.delivered // self.terms.slot
        slots = range(first, last)
        there = sum((holder.provider, slot) in self.shown for slot in slots)
        return len(slots) > 0 and there * WHOLE < task.get("uptime") * len(slots)

    def settle(
        self,
        task: Task,
        seat: Seat,
        now: int,
        *,
        share: int = WHOLE,
        missed: int = 0,
        is_named: bool = False,
        is_ruled: bool = False,
        is_disputed: bool = False,
        has_gains: bool = True,
        staked: int = 0,
    ) -> None:
        """Share out the escrow and end the seat."""
        holder, v = get_holder(seat), task.get("penalty")
        late = 0 if is_named else self.count_late(task, holder)
        worth = holder.ask * seat.units
        penalty = min(worth, v * late + v // 2 * missed)
        earned = (worth - penalty) * share // WHOLE
        fee = earned * task.fee_ppm // WHOLE
        paid = earned - fee - min(staked, earned - fee)
        self.money.unlock(seat.id, "escrow", {holder.provider: paid, b"": fee})
        self.money.unlock(seat.id, "deposit", {})
        if is_ruled and share == 0:
            self.money.unlock(seat.id, "bond", {task.requester: holder.bond})
        self._leave(seat, "SETTLED")
        seat.state, seat.taker = "SETTLED", holder.provider
        holder.ended, holder.units = now, seat.units
        is_quick = 2 * (holder.started - holder.armed) <= task.get("response")
        self.scores.settle(
            holder.id,
            (holder.provider, task.requester),
            (task.terms["kind"], holder.ask, seat.units),
            share=share,
            is_early=holder.started > 0 and is_quick,
            faults=(late if v else 0) + (missed if v // 2 else 0),
            ruling="ruled" if is_ruled else "agreed" if is_disputed else "",
            has_gains=has_gains,
            now=now,
        )

    def close(self, seat: Seat, end: str) -> None:
        """Give the escrow back."""
        self.money.unlock(seat.id, "escrow", {})
        seat.state, seat.end, seat.taker = "CLOSED", end, b""

    def _lose(self, task: Task, seat: Seat, end: str, price: int, now: int) -> None:
        """The provider did not do what it took on."""
        provider = get_holder(seat).provider
        self.money.unlock(seat.id, "bond", {task.requester: price})
        self._leave(seat, end)
        self.scores.lose(provider, task.terms["kind"], end, now)
        if seat.reopened == task.get("redispatch"):
            self.close(seat, "EXHAUSTED")
        else:
            seat.state, seat.taker = "OPEN", b""
            seat.reopened += 1
            seat.excluded.append(provider)
            seat.opened, seat.deadline = now, now + task.get("window")

    def _leave(self, seat: Seat, end: str) -> None:
        """End the assignment; what is left of the bond goes home."""
        self.money.unlock(seat.id, "bond", {})
        get_holder(seat).end = end
        if end != "SETTLED":
            self.give_back(get_holder(seat).id)
        seat.holder = None


def get_holder(seat: Seat) -> Assignment:
    """Return who has a seat that somebody has."""
    if seat.holder is None:
        raise AssertionError(f"nobody has seat {seat.id.hex()}")
    return seat.holder


def _hard(limit: int) -> int:
    return max(4 * limit, limit + 10 * MINUTE)
