"""What moved an account's tokens: every entry and every deadline that did, with its reason.

Nothing of this is kept: the market is folded once more from its first entry, straight on, with a
contract of its own, and the account is watched. So it is exact, whatever the rules are, and costs
one fold. It does not show what was refused or reversed; the log does.
"""

from collections.abc import Iterator
from itertools import groupby
from operator import attrgetter
from typing import Any, Final

from synaptic_crdt.node.lookup import find_account
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.outcomes import get_standing
from synaptic_crdt.node.wire import Json
from synaptic_crdt.rules.contract import MarketContract
from synaptic_crdt.rules.ending_views import explain_assignment, explain_seat
from synaptic_crdt.rules.market import Market, get_rows
from synaptic_crdt.rules.operations import (
    Operation,
    TokenTransfer,
    TreasuryPay,
    get_tag,
)
from synaptic_crdt.rules.rows import AssignmentRow
from synaptic_crdt.rules.seats.seat import get_seat
from synaptic_crdt.rules.task_operations import TaskPost
from synaptic_crdt.state.contract import Timers
from synaptic_crdt.state.machine import Outcome
from synaptic_crdt.state.tables import Tables


def show_history(node: Node, *, account: str | None = None, limit: int | None = None) -> Json:
    """Return what moved an account's tokens, the oldest first, the newest ``limit`` of them."""
    owner = node.account if account is None else find_account(node, account)
    movements = list(_Watch(node, owner).run())
    if limit is not None:
        movements = movements[max(0, len(movements) - limit) :]
    return {
        "account": owner.hex(),
        "symbol": node.market.genesis.symbol,
        "movements": movements,
    }


class _Watch:
    """One fold of the market, with an eye on one account."""

    def __init__(self, node: Node, account: bytes) -> None:
        self._node: Final = node
        self._account: Final = account
        tables = Tables()
        self._timers: Final = Timers(tables)
        genesis, market = node.market.genesis, node.market.id
        self._contract: Final = MarketContract(genesis, market, tables, self._timers)
        self._market: Final[Market] = self._contract.market
        self._available = 0
        self._locked = 0
        self._money = self._market.get_money()

    def run(self) -> Iterator[Json]:
        machine = self._node.replica.machine
        machine.fold()
        settled = groupby(machine.get_settled(), key=attrgetter("epoch"))
        by_epoch = next(settled, None)
        for epoch in range(1, machine.epoch + 1):
            if by_epoch is not None and by_epoch[0] == epoch:
                for outcome in by_epoch[1]:
                    yield from self._follow(outcome)
                by_epoch = next(settled, None)
            row = machine.epochs.get(epoch.to_bytes(8, "big"))
            assert row is not None, epoch
            yield from self._fire(row.time, epoch)
            self._contract.close_epoch(row.time, epoch)
        for outcome in machine.get_tail():
            yield from self._follow(outcome)

    def _follow(self, outcome: Outcome) -> Iterator[Json]:
        """Apply an entry, after the deadlines before it."""
        yield from self._fire(outcome.now, outcome.epoch)
        entry = outcome.entry
        operation: Any = self._contract.read(entry.operation)
        self._contract.apply(outcome.now, entry.device, entry.position, entry.id, operation)
        moved = self._measure()
        if moved is not None:
            device = self._market.devices.get(entry.device)
            assert device is not None, entry.id
            yield {
                "time_ms": outcome.now,
                "cause": get_tag(operation),
                "entry": entry.id.hex(),
                "by": device.account.hex(),
                "standing": get_standing(self._node, outcome.place),
                **self._describe(operation, entry.id),
                **moved,
            }

    def _fire(self, up_to_ms: int, epoch: int) -> Iterator[Json]:
        while (due := self._timers.next_due()) is not None and due[0] <= up_to_ms:
            deadline, subject = due
            self._timers.clear(subject)
            holder = self._get_holder(subject)
            self._contract.fire(deadline, subject)
            moved = self._measure()
            if moved is not None:
                is_final = 0 < epoch <= self._node.replica.final_epoch
                yield {
                    "time_ms": deadline,
                    "cause": "deadline",
                    "entry": "",
                    "by": "",
                    "standing": "final" if is_final else "pending",
                    "task": None if holder is None else subject[:-1].hex(),
                    "counterparty": "",
                    "memo": "",
                    "reference": "",
                    "explanation": self._explain(subject, holder),
                    **moved,
                }

    def _measure(self) -> Json | None:
        """Return what the last step moved of the account's, None when nothing."""
        available, money = self._market.get_available(self._account), self._market.get_money()
        if available == self._available and money is self._money:
            return None
        self._money = money
        holds = get_rows(self._market.holds, "payer", self._account)
        locked = sum(hold.amount for _, hold in holds)
        change, locked_change = available - self._available, locked - self._locked
        self._available, self._locked = available, locked
        if not change and not locked_change:
            return None
        return {
            "change": change,
            "locked_change": locked_change,
            "available": available,
            "locked": locked,
        }

    def _describe(self, operation: Operation, entry: bytes) -> Json:
        told: Json = {"task": None, "counterparty": "", "memo": "", "reference": ""}
        match operation:
            case TokenTransfer() | TreasuryPay():
                told["counterparty"] = operation.to.hex()
                told["memo"], told["reference"] = operation.memo, operation.reference.hex()
            case TaskPost():
                told["task"] = entry.hex()
            case _:
                told["task"] = self._find_task(operation)
        return told | {"explanation": self._explain_operation(operation)}

    def _find_task(self, operation: Operation) -> str | None:
        """Return the task that an operation names, by itself or by an assignment of it."""
        task = getattr(operation, "task", None)
        if isinstance(task, bytes):
            return task.hex()
        assignment = self._find_assignment(operation)
        return None if assignment is None else assignment.seat[:-1].hex()

    def _find_assignment(self, operation: Operation) -> AssignmentRow | None:
        named: bytes = getattr(operation, "assignment", b"")
        delivery = self._market.deliveries.get(getattr(operation, "delivery", b""))
        return self._market.assignments.get(named if delivery is None else delivery.assignment)

    def _explain_operation(self, operation: Operation) -> str:
        assignment = self._find_assignment(operation)
        return "" if assignment is None else explain_assignment(self._market, assignment)

    def _get_holder(self, subject: bytes) -> bytes | None:
        """Return the assignment that has a seat, empty when none has it; None for no seat."""
        seat = self._market.seats.get(subject)
        return None if seat is None else seat.assignment

    def _explain(self, subject: bytes, holder: bytes | None) -> str:
        """Say what the deadline of a seat, or of an invitation, was."""
        if holder is None:
            return "nobody came in with the invitation in time: its grant returns"
        assignment = self._market.assignments.get(holder)
        ended = "" if assignment is None else explain_assignment(self._market, assignment)
        return ended or explain_seat(get_seat(self._market, subject))
