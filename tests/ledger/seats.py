"""The life of a seat, a second time: one method for each thing that can happen to it.

Written from the table of states in words, not from the code of the rules: what an event does is
decided by a chain of ifs over the state, and money moves by naming who gets how much.
"""

from dataclasses import dataclass, field
from typing import Any, Final

from tests.ledger.form import No, need
from tests.ledger.money import Money
from tests.ledger.scores import Scores

MINUTE: Final = 60_000
WORKING: Final = ("RESERVED", "PENDING", "ASSIGNED", "STARTED")


@dataclass
class Assignment:
    """One account's try at a seat."""

    id: bytes
    provider: bytes
    ask: int
    armed: int = 0
    started: int = 0
    delivered: int = 0
    delivery: bytes = b""
    end: str = ""
    ended: int = 0
    units: int = 0


@dataclass
class Seat:
    """One part of a task's work."""

    id: bytes
    units: int
    deadline: int
    state: str = "OPEN"
    end: str = ""
    holder: Assignment | None = None
    tries: int = 0
    reopened: int = 0
    declined: int = 0
    excluded: list[bytes] = field(default_factory=list[bytes])


@dataclass
class Task:
    """A task as it was posted, with its seats and everybody who ever had one."""

    requester: bytes
    kind: str
    fee_ppm: int
    price: int
    least: int
    window: int
    response: int
    execution: int
    penalty: int
    bond: int
    review: int
    redispatch: int
    seats: list[Seat] = field(default_factory=list[Seat])
    assignments: list[Assignment] = field(default_factory=list[Assignment])

    def is_begun(self) -> bool:
        """Did, or do, enough providers come?"""
        reserved = [seat for seat in self.seats if seat.state == "RESERVED"]
        return any(seat.tries for seat in self.seats) or len(reserved) >= self.least


@dataclass(frozen=True)
class Terms:
    """What of the genesis the life of a seat depends on."""

    contest: int
    finality_wait: int
    sandbox: bool


class Work:
    """All tasks, and what happens to their seats."""

    def __init__(self, money: Money, terms: Terms, scores: Scores) -> None:
        self.money: Final = money
        self.scores: Final = scores
        self.terms: Final = terms
        self.tasks: Final[dict[bytes, Task]] = {}

    def post(
        self, entry: bytes, requester: bytes, fields: list[Any], now: int, fee_ppm: int = 0
    ) -> None:
        """Open every seat, its whole price locked."""
        kind, shards, price, bond, least, window = fields[0], fields[6], fields[12], *fields[14:17]
        redispatch, service, review = fields[22], fields[23], fields[27]
        response, execution, _, penalty, _ = service
        task = Task(
            requester=requester,
            kind=kind,
            fee_ppm=fee_ppm,
            price=price,
            least=least,
            window=window,
            response=response,
            execution=execution,
            penalty=penalty,
            bond=bond,
            review=review,
            redispatch=redispatch,
        )
        self.tasks[entry] = task
        for number, (units, *_) in enumerate(shards):
            seat = Seat(entry + bytes([number]), units, now + window)
            task.seats.append(seat)
            self.money.lock(requester, seat.id, "escrow", price * units)

    def accept(self, task: Task, seat: Seat, assignment: Assignment, now: int) -> None:
        """Reserve the seat; once enough providers came, every reserved seat goes on."""
        self.money.lock(assignment.provider, seat.id, "bond", task.bond)
        task.assignments.append(assignment)
        seat.state, seat.holder = "RESERVED", assignment
        if task.is_begun():
            for other in task.seats:
                if other.state == "RESERVED":
                    other.state, other.tries = "PENDING", other.tries + 1
                    other.deadline = now + self.terms.finality_wait
                    if self.terms.sandbox:
                        self.arm(task, other, now)

    def arm(self, task: Task, seat: Seat, now: int) -> None:
        """The acceptance is final."""
        holder = _get_holder(seat)
        seat.state, holder.armed = "ASSIGNED", now
        seat.deadline = now + _hard(task.response)

    def cancel(self, task: Task) -> None:
        """Close what nobody works on."""
        for seat in task.seats:
            if seat.state == "RESERVED":
                self._leave(seat, "VOID")
                self._close(seat, "CANCELLED")
            elif seat.state == "OPEN":
                self._close(seat, "CANCELLED")

    def decline(self, task: Task, seat: Seat, now: int) -> None:
        """Give back what was not begun."""
        if seat.state not in ("RESERVED", "PENDING", "ASSIGNED"):
            raise No("WRONG_PHASE")
        was_reserved = seat.state == "RESERVED"
        provider = _get_holder(seat).provider
        if seat.state == "ASSIGNED":
            self.scores.decline(provider, now)
        self._leave(seat, "DECLINED")
        if seat.declined == 16:
            self._close(seat, "EXHAUSTED")
            return
        seat.declined += 1
        seat.state = "OPEN"
        seat.excluded.append(provider)
        if not was_reserved:
            seat.deadline = now + task.window

    def start(self, task: Task, seat: Seat, now: int) -> None:
        """Begin."""
        need(seat.state == "ASSIGNED", "WRONG_PHASE")
        seat.state, _get_holder(seat).started = "STARTED", now
        seat.deadline = now + _hard(task.execution)

    def deliver(self, task: Task, seat: Seat, delivery: bytes, now: int) -> None:
        """Hand over the result."""
        need(seat.state == "STARTED", "WRONG_PHASE")
        holder = _get_holder(seat)
        seat.state, holder.delivered, holder.delivery = "DELIVERED", now, delivery
        seat.deadline = now + task.review

    def fail(self, task: Task, seat: Seat, now: int) -> None:
        """Give up what was begun, for half of the bond."""
        need(seat.state == "STARTED", "WRONG_PHASE")
        self._lose(task, seat, "FAILED", task.bond // 2, now)

    def review(self, task: Task, seat: Seat, *, approve: bool, now: int) -> None:
        """Pay, or propose not to."""
        need(seat.state == "DELIVERED", "WRONG_PHASE")
        if approve:
            self._settle(task, seat, 1_000_000, now)
        else:
            seat.state, seat.deadline = "HELD", now + self.terms.contest

    def pass_deadline(self, task: Task, seat: Seat, now: int) -> None:
        """What silence means, state by state."""
        if seat.state == "OPEN":
            self._close(seat, "UNFILLED" if task.is_begun() else "VOID")
        elif seat.state in ("RESERVED", "PENDING"):
            self._leave(seat, "VOID")
            self._close(seat, "VOID")
        elif seat.state in ("ASSIGNED", "STARTED"):
            self._lose(task, seat, "ABANDONED", task.bond, now)
        elif seat.state == "DELIVERED":
            self._settle(task, seat, 1_000_000, now)
        elif seat.state == "HELD":
            self._settle(task, seat, 0, now)
        else:
            raise AssertionError(f"{seat.state} has no deadline")

    def close_epoch(self, now: int) -> None:
        """Every acceptance that waited is final."""
        for task in self.tasks.values():
            for seat in task.seats:
                if seat.state == "PENDING":
                    self.arm(task, seat, now)

    def count_owed(self, account: bytes) -> int:
        """Return for how many seats an account still owes work."""
        return sum(
            seat.holder is not None and seat.holder.provider == account and seat.state in WORKING
            for task in self.tasks.values()
            for seat in task.seats
        )

    def _settle(self, task: Task, seat: Seat, share_ppm: int, now: int) -> None:
        holder = _get_holder(seat)
        worth = holder.ask * seat.units
        late = [
            holder.started - holder.armed > task.response,
            holder.delivered - holder.started > task.execution,
        ]
        penalty = min(worth, task.penalty * late.count(True))
        earned = (worth - penalty) * share_ppm // 1_000_000
        fee = earned * task.fee_ppm // 1_000_000
        self.money.unlock(seat.id, "escrow", {holder.provider: earned - fee, b"": fee})
        self._leave(seat, "SETTLED")
        seat.state = "SETTLED"
        holder.ended, holder.units = now, seat.units
        self.scores.settle(
            holder.id,
            (holder.provider, task.requester),
            (task.kind, holder.ask, seat.units),
            share=share_ppm,
            is_early=2 * (holder.started - holder.armed) <= task.response,
            faults=late.count(True) if task.penalty else 0,
            now=now,
        )

    def _lose(self, task: Task, seat: Seat, end: str, price: int, now: int) -> None:
        """The provider did not do what it took on."""
        provider = _get_holder(seat).provider
        self.money.unlock(seat.id, "bond", {task.requester: price})
        self._leave(seat, end)
        self.scores.lose(provider, task.kind, end, now)
        if seat.reopened == task.redispatch:
            self._close(seat, "EXHAUSTED")
        else:
            seat.state = "OPEN"
            seat.reopened += 1
            seat.excluded.append(provider)
            seat.deadline = now + task.window

    def _leave(self, seat: Seat, end: str) -> None:
        """End the assignment; what is left of the bond goes home."""
        self.money.unlock(seat.id, "bond", {})
        _get_holder(seat).end = end
        seat.holder = None

    def _close(self, seat: Seat, end: str) -> None:
        self.money.unlock(seat.id, "escrow", {})
        seat.state, seat.end = "CLOSED", end


def _get_holder(seat: Seat) -> Assignment:
    if seat.holder is None:
        raise AssertionError(f"nobody has seat {seat.id.hex()}")
    return seat.holder


def _hard(limit: int) -> int:
    return max(4 * limit, limit + 10 * MINUTE)
