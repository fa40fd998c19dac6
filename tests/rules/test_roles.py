"""Everybody does anything, wisely or not, in any order; all invariants hold after every step."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from synaptic_crdt.rules.consents import make_consent
from synaptic_crdt.rules.invariants import check_market
from synaptic_crdt.rules.operations import InviteRevoke, TokenTransfer, TreasuryPay
from synaptic_crdt.rules.task_operations import (
    TaskAccept,
    TaskApprove,
    TaskCancel,
    TaskDecline,
    TaskDeliver,
    TaskFail,
    TaskStart,
)
from synaptic_crdt.rules.verdicts import Verdict
from tests.rules.conftest import RESULT, Stage, compute_id, make_task

NAMES = ("founder", "ana", "bea", "cid", "dot")
who = st.sampled_from(NAMES)
which = st.integers(0, 5)
amounts = st.sampled_from((0, 1, 3, 10, 50, 400, 10**7))


class Roles(RuleBasedStateMachine):
    """A market of five; ``stage.send`` checks the invariants and that refusals change nothing."""

    @initialize(sandbox=st.booleans(), fee_ppm=st.sampled_from((0, 70_000, 10**6)))
    def found(self, sandbox: bool, fee_ppm: int) -> None:
        self.stage = Stage(funds=500, sandbox=sandbox, fee_ppm=fee_ppm, treasury_day_cap=2_000)
        self.tasks: list[bytes] = [bytes(32)]
        self.assignments: list[bytes] = [bytes(32)]
        self.deliveries: list[bytes] = [bytes(32)]
        for name in NAMES[1:4]:
            self.stage.join(name, grant=100)
        self.tasks.append(self.stage.did("founder", make_task(units=(2, 1, 1), price=7, bond=3)))

    @rule(name=who, to=who, amount=amounts)
    def transfer(self, name: str, to: str, amount: int) -> None:
        self.stage.send(name, TokenTransfer(self.stage.key(to), amount, b"", ""))

    @rule(name=who, to=who, amount=amounts, reference=which)
    def pay(self, name: str, to: str, amount: int, reference: int) -> None:
        self.stage.send(name, TreasuryPay(self.stage.key(to), amount, bytes((reference,)), ""))

    @rule(name=who, grant=amounts, treasury=st.booleans(), other=which, arrives=st.booleans())
    def invite(self, name: str, grant: int, treasury: bool, other: int, arrives: bool) -> None:
        guest = f"guest {other}"
        invite = self.stage.make_invite(guest, grant=grant, from_treasury=treasury)
        self.stage.send(name, invite)
        if arrives:
            self.stage.send(guest, self.stage.ticket(invite, name, guest))

    @rule(name=who, other=which)
    def revoke(self, name: str, other: int) -> None:
        self.stage.send(name, InviteRevoke(self.stage.key(f"once-guest {other}")))

    @rule(name=who, inside=st.booleans())
    def consent(self, name: str, inside: bool) -> None:
        self.stage.send(name, make_consent(self.stage.genesis.terms if inside else None))

    @rule(
        name=who,
        units=st.lists(st.integers(1, 3), min_size=1, max_size=3),
        price=st.sampled_from((1, 7, 30)),
        providers_min=st.integers(1, 3),
        bond=st.sampled_from((0, 1, 7)),
        penalty=st.sampled_from((0, 5, 100)),
        redispatch=st.integers(0, 2),
    )
    def post(
        self,
        name: str,
        units: list[int],
        price: int,
        providers_min: int,
        bond: int,
        penalty: int,
        redispatch: int,
    ) -> None:
        task = make_task(
            units=units,
            price=price,
            providers_min=providers_min,
            bond=bond,
            penalty=penalty,
            redispatch=redispatch,
        )
        if self.stage.send(name, task) == Verdict.APPLIED:
            self.tasks.append(compute_id(self.stage.entries))

    @rule(name=who, task=which)
    def cancel(self, name: str, task: int) -> None:
        self.stage.send(name, TaskCancel(self.tasks[-1 - task % len(self.tasks)]))

    @rule(name=who, task=which, ask=st.sampled_from((1, 7, 30, 31)))
    def accept(self, name: str, task: int, ask: int) -> None:
        operation = TaskAccept(self.tasks[-1 - task % len(self.tasks)], ask, ())
        if self.stage.send(name, operation) == Verdict.APPLIED:
            self.assignments.append(compute_id(self.stage.entries))

    @rule(name=st.sampled_from(NAMES[1:4]), assignment=which, approve=st.booleans())
    def go_on(self, name: str, assignment: int, approve: bool) -> None:
        """Do what comes next, as most people would: it takes chance too long to get there."""
        key = self.assignments[-1 - assignment % len(self.assignments)]
        row = self.stage.market.assignments.get(key)
        if row is None or row.end:
            self.accept(name, 0, 7)
        elif row.delivery:
            self.stage.send("founder", TaskApprove(row.delivery, approve=approve, scores=()))
        elif row.started_ms:
            self.deliver(name, assignment)
        else:
            self.stage.close_epoch()
            self.work(name, assignment, "start")

    @rule(name=who, assignment=which, kind=st.sampled_from(("start", "decline", "fail")))
    def work(self, name: str, assignment: int, kind: str) -> None:
        key = self.assignments[-1 - assignment % len(self.assignments)]
        operations = {
            "start": TaskStart(key),
            "decline": TaskDecline(key, "busy"),
            "fail": TaskFail(key, "broke"),
        }
        self.stage.send(self.owner(key, name), operations[kind])

    @rule(name=who, assignment=which)
    def deliver(self, name: str, assignment: int) -> None:
        key = self.assignments[-1 - assignment % len(self.assignments)]
        operation = TaskDeliver(key, RESULT, None, ())
        if self.stage.send(self.owner(key, name), operation) == Verdict.APPLIED:
            self.deliveries.append(compute_id(self.stage.entries))

    @rule(name=who, delivery=which, approve=st.booleans())
    def review(self, name: str, delivery: int, approve: bool) -> None:
        key = self.deliveries[-1 - delivery % len(self.deliveries)]
        self.stage.send(name, TaskApprove(key, approve=approve, scores=()))

    @rule()
    def close_epoch(self) -> None:
        self.stage.close_epoch()

    @rule(duration_ms=st.sampled_from((1, 61_000, 660_000, 3_700_000, 90_000_000)))
    def wait(self, duration_ms: int) -> None:
        self.stage.wait(duration_ms)

    @rule()
    def rewind(self) -> None:
        """What was folded and undone leaves no trace, in rows or indexes."""
        before, mark, now = self.stage.dump(), self.stage.tables.mark(), self.stage.now
        self.stage.send("founder", make_task(price=1))
        self.stage.close_epoch()
        self.stage.wait(10**10)
        assert self.stage.market.get_money().held == 0
        self.stage.tables.undo_to(mark)
        self.stage.now = now
        assert self.stage.dump() == before

    @invariant()
    def holds_up(self) -> None:
        if hasattr(self, "stage"):
            check_market(self.stage.market)

    def owner(self, assignment: bytes, otherwise: str) -> str:
        """Mostly the one who may: strangers are refused before anything interesting happens."""
        row = self.stage.market.assignments.get(assignment)
        return otherwise if row is None or otherwise == "dot" else self.stage.names[row.provider]


TestRoles = pytest.mark.untraced(Roles.TestCase)
TestRoles.settings = settings(max_examples=60, stateful_step_count=50)
