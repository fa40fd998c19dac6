"""A stage for the contract: tables, timers, and nobody else. Time is set, never read.

After every act all invariants are checked, and after every refusal that nothing changed.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from msgspec.structs import replace

from synaptic_crdt.rules.certificates import make_certificate, make_proof, make_voucher
from synaptic_crdt.rules.consents import make_consent
from synaptic_crdt.rules.contract import MarketContract
from synaptic_crdt.rules.council_operations import MarketSet
from synaptic_crdt.rules.explain import SENTENCES
from synaptic_crdt.rules.genesis import Genesis, compute_market_id, encode_genesis, make_genesis
from synaptic_crdt.rules.invariants import check_market
from synaptic_crdt.rules.limits import HOUR_MS, MINUTE_MS
from synaptic_crdt.rules.market import Market
from synaptic_crdt.rules.operations import (
    AccountOpen,
    DeviceAdd,
    DeviceJoin,
    InviteIssue,
    Operation,
    Role,
    TreasuryPay,
    Voucher,
    encode_operation,
)
from synaptic_crdt.rules.task_form import make_payload
from synaptic_crdt.rules.task_operations import (
    Payload,
    Release,
    ServiceLevel,
    Shard,
    TaskAccept,
    TaskDeliver,
    TaskPost,
    TaskStart,
)
from synaptic_crdt.rules.verdicts import Verdict
from synaptic_crdt.state.codec import Value, decode_body, encode
from synaptic_crdt.state.contract import Timers
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.tables import Tables

DOCS: Final = Path(__file__).parents[2] / "docs" / "contract.md"
START_MS: Final = 1_700_000_000_000
EXCHANGE: Final = b"x" * 32
PAYLOAD: Final = make_payload("text/plain", b"count the vowels")
RESULT: Final = make_payload("text/plain", b"five")
NO_CHANGE: Final = MarketSet(
    kinds=None, terms=None, fee_ppm=None, arbiters=None, verifiers=None, rules=None, reference=b""
)
Dump = dict[str, Any]


def make_key(name: str) -> DeviceKey:
    return DeviceKey(name.encode().ljust(32, b"."))


def compute_id(number: int) -> bytes:
    return number.to_bytes(32, "big")


def make_task(
    *,
    units: Sequence[int] = (1,),
    price: int = 100,
    providers_min: int = 1,
    bond: int = 0,
    penalty: int = 0,
    redispatch: int = 1,
    window_ms: int = 15 * MINUTE_MS,
    payload: Payload = PAYLOAD,
    kind: str = "text.answer",
    **changes: Any,  # noqa: ANN401 - any other field of a task
) -> TaskPost:
    post = TaskPost(
        kind=kind,
        title="Vowels",
        criteria="",
        after=(),
        mode="split",
        copies=1,
        seats=tuple(Shard(count, payload, None, ()) for count in units),
        privacy="public",
        verifier=None,
        asset=0,
        auction="first-accept",
        price_low=price,
        price=price,
        price_max=price,
        bond=bond,
        providers_min=providers_min,
        window_ms=window_ms,
        priority_ms=0,
        capabilities=(),
        reputation_min=-1_000,
        only=(),
        exclude=(),
        redispatch=redispatch,
        service=ServiceLevel(MINUTE_MS, HOUR_MS, 0, penalty, ()),
        release=Release("requester", (), 1, 0),
        evaluator=None,
        reveal_ms=HOUR_MS,
        review_ms=2 * HOUR_MS,
        arbiters=(),
        quorum=0,
    )
    return replace(post, **changes)


def make_change(**changes: Any) -> MarketSet:  # noqa: ANN401 - any of the fields
    """A change of parameters that changes nothing but what is named."""
    return replace(NO_CHANGE, **changes)


def make_accept(task: bytes, ask: int) -> TaskAccept:
    return TaskAccept(task, ask, ())


def make_deliver(assignment: bytes, result: Payload) -> TaskDeliver:
    return TaskDeliver(assignment, result, None, ())


def check_state(market: Market) -> None:
    """Check the invariants, and that no index has missed a change of its table."""
    check_market(market)
    for table in market.tables.get_tables():
        if not len(table):
            assert not any(len(index) for index in table._indexes.values())
            continue
        for index in table._indexes.values():
            keys = ((index._indexer(key, row), key) for key, row in table.get_items())
            assert list(index.ascend()) == sorted(key for key in keys if key[0] is not None)


class Stage:
    """One market, driven entry by entry."""

    def __init__(self, *, funds: int = 1_000, **parameters: Any) -> None:  # noqa: ANN401 - any of the genesis'
        self.keys: Final[dict[str, DeviceKey]] = {}
        self.names: Final[dict[bytes, str]] = {}
        founder = self.key("founder")
        parameters = {"sandbox": False, "supply": 1_000_000, "treasury_day_cap": 10**6} | parameters
        self.genesis: Final[Genesis] = make_genesis(
            name="stage",
            symbol="TOK",
            founder=founder,
            recovery=self.key("recovery"),
            created_ms=START_MS,
            **parameters,
        )
        self.market_id: Final = compute_market_id(encode_genesis(self.genesis))
        self.tables: Final = Tables()
        self.timers: Final = Timers(self.tables)
        self.contract: Final = MarketContract(
            self.genesis, self.market_id, self.tables, self.timers
        )
        self.market: Final = self.contract.market
        self.now = START_MS
        self.positions: Final[dict[str, int]] = {}
        self.entries = 0
        self.did("founder", AccountOpen("founder", EXCHANGE, None, None, None))
        if funds:
            self.did("founder", TreasuryPay(founder, funds, b"funds", ""))

    def key(self, name: str) -> bytes:
        """The device of a person, made when first named."""
        if name not in self.keys:
            self.keys[name] = make_key(name)
            self.names[self.keys[name].public] = name
        return self.keys[name].public

    def send(self, name: str, operation: Operation | list[Value], *, position: int = 0) -> Verdict:
        """Write an entry as its author would and fold it, through both doors."""
        device = self.key(name)
        self.entries += 1
        self.positions[name] = position or self.positions.get(name, 0) + 1
        array = operation if isinstance(operation, list) else encode_operation(operation)
        _, plain = decode_body(encode([self.now << 16, array]))
        typed = self.contract.read(plain)
        if not isinstance(operation, list) and not hasattr(typed, "verdict"):
            assert typed == operation
        self.fire_due()
        mark = self.tables.mark()
        verdict = self.contract.apply(
            self.now, device, self.positions[name], compute_id(self.entries), typed
        )
        if verdict == Verdict.APPLIED:
            check_state(self.market)
        else:
            # Nothing was written, not even what was there: all holds that held before.
            assert self.tables.mark() == mark
            self.check_explained()
        return Verdict(verdict)

    def did(self, name: str, operation: Operation) -> bytes:
        """Send what must be applied; return the entry's id."""
        verdict = self.send(name, operation)
        assert verdict == Verdict.APPLIED, self.explain()
        return compute_id(self.entries)

    def explain(self) -> str:
        """Say what became of the last entry, if it was refused."""
        refusals = self.contract._refusals
        refusal = refusals.get(compute_id(self.entries))
        return self.contract.explain(
            compute_id(self.entries), refusal.verdict if refusal else Verdict.APPLIED
        )

    def check_explained(self) -> None:
        """The last refusal has a value for every place of its sentence, and no other."""
        refusal = self.contract._refusals[compute_id(self.entries)]
        _, detail = SENTENCES[refusal.verdict]
        assert len(refusal.values) == len(re.findall(r"{[^}]*}", detail)), refusal

    def wait(self, duration_ms: int) -> None:
        """Let market time pass and deadlines fire."""
        self.now += duration_ms
        self.fire_due()

    def fire_due(self) -> None:
        while True:
            due = self.timers.next_due()
            if due is None or due[0] > self.now:
                return
            deadline, subject = due
            self.timers.clear(subject)
            self.contract.fire(deadline, subject)
            check_state(self.market)

    def close_epoch(self) -> dict[bytes, bytes]:
        ended = self.contract.close_epoch(self.now, 1)
        check_state(self.market)
        return ended

    def dump(self) -> Dump:
        """All rows and all indexes."""
        return {
            table.name: (
                dict(table._rows),
                {name: list(index.ascend()) for name, index in table._indexes.items()},
            )
            for table in self.tables.get_tables()
        }

    def ticket(self, invite: InviteIssue, inviter: str, device: str) -> AccountOpen:
        """The first entry of somebody who holds the one-time key of an invitation."""
        one_time = next(key for key in self.keys.values() if key.public == invite.one_time)
        certificate = make_certificate(
            self.market_id,
            self.keys[inviter],
            one_time=invite.one_time,
            role=invite.role,
            grant=invite.grant,
            expiry_ms=invite.expiry_ms,
            issued=self.now << 16,
        )
        proof = make_proof(self.market_id, one_time, self.key(device))
        return AccountOpen(device, EXCHANGE, None, certificate, proof)

    def voucher(self, adder: str, account: str, device: str, **lies: Any) -> Voucher:  # noqa: ANN401 - any field
        """The word of a device that another may write for an account."""
        fields: dict[str, Any] = {
            "account": self.key(account),
            "device": self.key(device),
            "exchange": EXCHANGE,
            "issued": 1,
        } | lies
        return make_voucher(self.market_id, self.keys[adder], **fields)

    def add_device(self, adder: str, device: str, account: str = "") -> None:
        """Let a device join an account, and let it do so."""
        account = account or adder
        self.did(adder, DeviceAdd(self.key(device), EXCHANGE))
        voucher = self.voucher(adder, account, device)
        self.did(device, DeviceJoin(self.key(account), EXCHANGE, voucher))

    def make_invite(
        self,
        to: str,
        *,
        grant: int = 0,
        role: Role = "member",
        expiry_ms: int | None = None,
        from_treasury: bool = False,
    ) -> InviteIssue:
        return InviteIssue(
            one_time=self.key(f"once-{to}"),
            role=role,
            grant=grant,
            expiry_ms=self.now + HOUR_MS if expiry_ms is None else expiry_ms,
            from_treasury=from_treasury,
        )

    def join(
        self, name: str, *, grant: int = 0, opt_in: bool = True, role: Role = "member"
    ) -> bytes:
        """Invite somebody by the founder, and let them open an account."""
        invite = self.make_invite(name, grant=grant, role=role, from_treasury=True)
        self.did("founder", invite)
        self.did(name, self.ticket(invite, "founder", name))
        if opt_in:
            self.did(name, make_consent(self.genesis.terms))
        return self.key(name)

    def join_by(self, inviter: str, name: str) -> bytes:
        """Invite somebody without a grant, and let them open an account."""
        invite = self.make_invite(name)
        self.did(inviter, invite)
        self.did(name, self.ticket(invite, inviter, name))
        return self.key(name)

    def assign(self, task: bytes, name: str, ask: int = 100) -> bytes:
        """Accept a task and let the acceptance become final."""
        assignment = self.did(name, TaskAccept(task, ask, ()))
        self.close_epoch()
        return assignment

    def deliver(self, task: bytes, name: str, ask: int = 100) -> tuple[bytes, bytes]:
        """Accept, start and deliver; return assignment and delivery."""
        assignment = self.assign(task, name, ask)
        self.did(name, TaskStart(assignment))
        return assignment, self.did(name, TaskDeliver(assignment, RESULT, None, ()))

    def available(self, name: str) -> int:
        return self.market.get_available(self.key(name))

    def state(self, task: bytes, number: int = 0) -> str:
        seat = self.market.seats.get(task + bytes((number,)))
        assert seat is not None
        return seat.end or seat.state


class Ladder:
    """Everything wrong at once, mended one rule at a time, in the order that the docs promise."""

    def __init__(self, stage: Stage, tag: str) -> None:
        self._stage: Final = stage
        self._tag: Final = tag
        self._climbed: Final[list[str]] = []

    def expect(
        self,
        verdict: Verdict,
        name: str,
        operation: Operation,
        *,
        position: int = 0,
        stage: "Stage | None" = None,
    ) -> None:
        """Stand on one rung; some rungs are only there in another market."""
        assert (stage or self._stage).send(name, operation, position=position) == verdict
        if verdict.name not in self._climbed[-1:]:
            self._climbed.append(verdict.name)

    def explain(self) -> str:
        return self._stage.explain()

    def reach_top(self, name: str, operation: Operation) -> bytes:
        """The last repair: applied. Every rung of the docs was stood on, in their order."""
        entry = self._stage.did(name, operation)
        assert self._climbed == read_refusals(self._tag)
        return entry


def read_refusals(tag: str) -> list[str]:
    """The verdicts of an operation as the docs list them."""
    _, _, section = DOCS.read_text("utf-8").partition(f"### `{tag}`\n")
    row = next(line for line in section.splitlines() if line.startswith("Refused when: "))
    return re.findall("`([A-Z_]+)`", row)


@pytest.fixture
def stage() -> Stage:
    return Stage()
