"""A whole market in memory: devices with clocks of their own, and what travels between them.

Everything is the real thing, the replica, the contract, the gate, the keys; only time and the
network are ours. Nothing reads a clock: ``Scenario.wall_ms`` is the true time, and a peer's clock
is that plus its skew. Keys come from small numbers, so one program of calls has one history.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from msgspec.structs import replace

from synaptic_crdt.node.node import Market
from synaptic_crdt.rules.certificates import make_certificate, make_proof, make_voucher
from synaptic_crdt.rules.consents import make_consent
from synaptic_crdt.rules.council_operations import MarketSet
from synaptic_crdt.rules.genesis import encode_genesis, make_genesis
from synaptic_crdt.rules.invariants import check_market
from synaptic_crdt.rules.limits import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from synaptic_crdt.rules.offer_operations import OfferPost, OfferTerms
from synaptic_crdt.rules.operations import (
    AccountOpen,
    Certificate,
    DeviceAdd,
    DeviceJoin,
    DeviceRevoke,
    InviteIssue,
    InviteRevoke,
    Operation,
    Role,
    TokenTransfer,
    TreasuryPay,
    Voucher,
    encode_operation,
)
from synaptic_crdt.rules.task_form import make_payload
from synaptic_crdt.rules.task_operations import (
    Release,
    ServiceLevel,
    Shard,
    TaskAccept,
    TaskApprove,
    TaskCancel,
    TaskDecline,
    TaskDeliver,
    TaskFail,
    TaskPost,
    TaskStart,
)
from synaptic_crdt.rules.verdicts import Verdict, get_verdict_class
from synaptic_crdt.state.clock import get_ms, next_timestamp, pack_timestamp
from synaptic_crdt.state.codec import Value
from synaptic_crdt.state.feeds import Entry, Piece, encode_body, seal_bodies
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.outcomes import Outcome
from synaptic_crdt.state.replica import Replica
from synaptic_crdt.state.statements import Checkpoint, encode_statement
from synaptic_crdt.sync.gate import KeepNothing
from synaptic_crdt.sync.inspection import Admission

CREATED_MS: Final = 1_750_000_000_000
FOUNDER: Final = 1
RECOVERY: Final = 2
_ONE_TIME: Final = 1_000_000
_CAUSE_WAIT_MS: Final = 10 * MINUTE_MS

NO_CHANGE: Final = MarketSet(
    kinds=None, terms=None, fee_ppm=None, arbiters=None, verifiers=None, rules=None, reference=b""
)

IsReady = Callable[[Outcome], bool]


def make_key(number: int) -> DeviceKey:
    """Return the key of a number; no number stands for two things."""
    return DeviceKey(number.to_bytes(32, "big"))


class Peer:
    """One device: its key, its clock's error, and the market as far as it has seen it."""

    def __init__(self, scenario: "Scenario", key: DeviceKey) -> None:
        self.scenario: Final = scenario
        self.key: Final = key
        self.market = Market(scenario.genesis_bytes)
        self.gate = self.market.make_gate(KeepNothing(), own_device=key.public)
        self.skew_ms = 0
        # What this device sealed, piece by piece, and the checkpoints that count here, in order.
        self.written: Final[list[Piece]] = []
        self.statements: Final[list[bytes]] = []

    @property
    def id(self) -> bytes:
        """The device."""
        return self.key.public

    @property
    def replica(self) -> Replica:
        """What of the market it holds."""
        return self.market.replica

    @property
    def account(self) -> bytes:
        """The account for which the device writes, as seen here; its own name if for none."""
        return self.market.get_account(self.id)

    @property
    def can_write(self) -> bool:
        """Has the device come in, and not seen the end of its feed?"""
        feed = self.replica.get_feed(self.id)
        return feed.position > 0 and feed.closed_position is None

    @property
    def wall_ms(self) -> int:
        """What this peer's clock shows."""
        return self.scenario.wall_ms + self.skew_ms

    # -- writing -----------------------------------------------------------------------------

    def write(self, operation: Operation, *, at_ms: int | None = None) -> Outcome:
        """Sign an operation and return what became of it here; ``at_ms`` is a lie about time."""
        named = 0
        if isinstance(operation, AccountOpen) and operation.certificate is not None:
            named = operation.certificate.issued
        elif isinstance(operation, DeviceJoin):
            named = operation.voucher.issued
        return self.write_fields(encode_operation(operation), at_ms=at_ms, named=named)

    def write_fields(
        self, fields: list[Value], *, at_ms: int | None = None, named: int = 0
    ) -> Outcome:
        """Sign any array that begins with a text, whatever the rules will say of it."""
        if at_ms is None:
            time = self._get_next_time(fields, named)
        else:
            own_last = self.replica.get_feed(self.id).tip.time
            time = max(pack_timestamp(at_ms), own_last + 1)
        return self.publish([encode_body(time, fields)])[0]

    def preview(self, operation: Operation) -> Verdict:
        """Ask what an operation would come to if it were written now; write nothing."""
        fields = encode_operation(operation)
        typed = self.market.contract.read(fields)
        position = self.replica.get_feed(self.id).position + 1
        time = self._get_next_time(fields)
        return Verdict(self.replica.machine.preview(time, self.id, position, typed))

    def publish(self, bodies: Sequence[bytes]) -> list[Outcome]:
        """Seal bodies as one batch and pass them through the gate, as any node does."""
        feed = self.replica.get_feed(self.id)
        before = feed.position
        pieces = seal_bodies(self.market.id, self.key, feed.tip, bodies)
        for admission in self.gate.admit_pieces(pieces):
            _expect(admission is Admission.ACCEPT, f"own piece: {admission}")
        self.written.extend(pieces)
        entries = self.replica.get_feed(self.id).entries[before:]
        outcomes = [self.replica.machine.get_outcome(entry.id) for entry in entries]
        return [outcome for outcome in outcomes if outcome is not None]

    def open(
        self,
        name: str = "somebody",
        certificate: Certificate | None = None,
        one_time: DeviceKey | None = None,
    ) -> Outcome:
        """Open this device's account."""
        proof = None if one_time is None else make_proof(self.market.id, one_time, self.id)
        exchange = self.key.get_exchange_public()
        return self.write(AccountOpen(name, exchange, None, certificate, proof))

    def join(self, account: bytes, voucher: Voucher) -> Outcome:
        """Write for an account from now on, on the word of one of its devices."""
        return self.write(DeviceJoin(account, self.key.get_exchange_public(), voucher))

    def vouch(self, device: "Peer", *, issued: int, account: bytes | None = None) -> Voucher:
        """Give this device's word that another may write for its account."""
        return make_voucher(
            self.market.id,
            self.key,
            account=account or self.account,
            device=device.id,
            exchange=device.key.get_exchange_public(),
            issued=issued,
        )

    def revoke_device(self, device: "Peer") -> Outcome:
        """End another device of the account."""
        return self.write(DeviceRevoke(device.id))

    def invite(
        self,
        one_time: DeviceKey,
        *,
        grant: int = 0,
        role: Role = "member",
        from_treasury: bool = False,
        lasting_ms: int = 7 * DAY_MS,
    ) -> tuple[Outcome, Certificate]:
        """Issue an invitation and make the certificate that goes with it."""
        expiry_ms = self.wall_ms + lasting_ms
        outcome = self.write(InviteIssue(one_time.public, role, grant, expiry_ms, from_treasury))
        certificate = make_certificate(
            self.market.id,
            self.key,
            one_time=one_time.public,
            role=role,
            grant=grant,
            expiry_ms=expiry_ms,
            issued=outcome.entry.time,
        )
        return outcome, certificate

    def revoke(self, one_time: DeviceKey) -> Outcome:
        """Take an invitation back."""
        return self.write(InviteRevoke(one_time.public))

    def opt_in(self) -> Outcome:
        """Consent to the terms in force."""
        return self.write(make_consent(self.market.contract.market.get_parameters().terms))

    def opt_out(self) -> Outcome:
        """Take the consent back."""
        return self.write(make_consent(None))

    def transfer(self, to: "Peer", amount: int, memo: str = "", **lie: int) -> Outcome:
        """Give tokens to a peer's account."""
        return self.write(TokenTransfer(to.account, amount, b"", memo), **lie)

    def pay(self, to: "Peer", amount: int, reference: bytes = b"") -> Outcome:
        """Vote for a payment out of the treasury."""
        return self.write(TreasuryPay(to.account, amount, reference, ""))

    def set_market(self, **changes: Any) -> Outcome:  # noqa: ANN401 - any of the fields
        """Vote for other parameters; what is not named stays as it is."""
        return self.write(replace(NO_CHANGE, **changes))

    def post(self, **changes: Any) -> Outcome:  # noqa: ANN401 - see make_post
        """Post a task: one seat of one unit at 100, unless told otherwise."""
        return self.write(make_post(**changes))

    def cancel(self, task: Outcome) -> Outcome:
        """Cancel a task named by its entry."""
        return self.write(TaskCancel(task.entry.id))

    def accept(self, task: Outcome, ask: int = 100, **lie: int) -> Outcome:
        """Take a seat of a task; the outcome's entry names the assignment."""
        return self.write(TaskAccept(task.entry.id, ask, ()), **lie)

    def decline(self, assignment: Outcome) -> Outcome:
        """Give an assignment back."""
        return self.write(TaskDecline(assignment.entry.id, "busy"))

    def start(self, assignment: Outcome) -> Outcome:
        """Begin."""
        return self.write(TaskStart(assignment.entry.id))

    def deliver(self, assignment: Outcome, data: bytes = b"done", **lie: int) -> Outcome:
        """Hand over a result; the outcome's entry names the delivery."""
        result = make_payload("text/plain", data)
        return self.write(TaskDeliver(assignment.entry.id, result, None, ()), **lie)

    def fail(self, assignment: Outcome) -> Outcome:
        """Give up what was begun."""
        return self.write(TaskFail(assignment.entry.id, "broken"))

    def approve(self, delivery: Outcome, *, approve: bool = True) -> Outcome:
        """Approve or reject a delivery."""
        return self.write(TaskApprove(delivery.entry.id, approve, ()))

    # -- exchanging --------------------------------------------------------------------------

    def pull(self, other: "Peer", *, pieces: int | None = None, statements: bool = True) -> bool:
        """Take what is new of another peer, at most so many pieces; say whether anything was."""
        admitted = False
        for device, feed in other.replica.feeds.items():
            while pieces is None or pieces > 0:
                piece = feed.get_piece(self.replica.get_feed(device).position + 1)
                if piece is None or not self.take(piece):
                    break
                admitted = True
                pieces = None if pieces is None else pieces - 1
        if statements:
            for statement in other.statements[len(self.statements) :]:
                admitted |= self.take_statement(statement)
        return admitted

    def take(self, piece: Piece) -> bool:
        """Offer a piece to this peer's gate; say whether anything of it was new."""
        return self.gate.admit_piece(piece) is Admission.ACCEPT

    def take_statement(self, statement: bytes) -> bool:
        """Offer a statement to this peer's gate; say whether it counts and is new."""
        accepted = self.gate.admit_statement(statement) is Admission.ACCEPT
        if accepted:
            self.statements.append(statement)
        return accepted

    def checkpoint(self, time_ms: int | None = None, is_ready: IsReady | None = None) -> Checkpoint:
        """Close an epoch as the sequencer; with all that is held, unless told what is ready."""
        made = self.replica.make_checkpoint(
            self.key,
            self.wall_ms if time_ms is None else time_ms,
            is_ready or (lambda _: True),
        )
        _expect(self.take_statement(encode_statement(made)), "own checkpoint does not count")
        return made

    def is_cause_held(self, outcome: Outcome) -> bool:
        """May a careful sequencer include this, or might its cause still come?"""
        if get_verdict_class(outcome.verdict) not in {"existence", "authority"}:
            return True
        return self.wall_ms - get_ms(outcome.entry.time) > _CAUSE_WAIT_MS

    # -- reading -----------------------------------------------------------------------------

    def get_outcome(self, outcome: Outcome) -> Outcome | None:
        """Return what became of an entry here, wherever it was written."""
        return self.replica.machine.get_outcome(outcome.entry.id)

    def get_verdict(self, outcome: Outcome) -> Verdict | None:
        """Return the verdict of an entry here, None when it has not arrived."""
        found = self.get_outcome(outcome)
        return None if found is None else Verdict(found.verdict)

    def get_available(self, account: "Peer | None" = None) -> int:
        """Return what an account can spend, as seen here; this peer's own unless told whose."""
        return self.market.contract.market.get_available((account or self).account)

    def get_held(self, account: "Peer | None" = None) -> dict[str, int]:
        """Return what of an account is locked, by purpose, as seen here."""
        holds = self.market.contract.market.holds
        payer = (account or self).account
        held: dict[str, int] = {}
        for _, key in holds.index("payer").ascend((payer,), (payer + b"\0",)):
            row = holds.get(key)
            if row is not None and isinstance(key, tuple):
                held[str(key[1])] = held.get(str(key[1]), 0) + row.amount
        return held

    def get_seat_states(self, task: Outcome) -> list[str]:
        """Return the states of a task's seats, as seen here."""
        market = self.market.contract.market
        row = market.tasks.get(task.entry.id)
        seats = [
            market.seats.get(task.entry.id + bytes((n,))) for n in range(row.seats if row else 0)
        ]
        return [seat.state for seat in seats if seat is not None]

    def check(self) -> None:
        """Raise AssertionError unless every invariant of the market holds here."""
        check_market(self.market.contract.market)
        _expect(not self.replica.divergences, f"divergences: {self.replica.divergences}")

    def _get_next_time(self, fields: list[Value], named: int = 0) -> int:
        """Return the timestamp that an honest writer gives."""
        return next_timestamp(
            self.wall_ms,
            own_last=self.replica.get_feed(self.id).tip.time,
            newest_seen=self.replica.get_newest_time(self.wall_ms),
            newest_named=max([named, *(entry.time for entry in self._get_named(fields))]),
        )

    def _get_named(self, value: Value) -> Iterator[Entry]:
        if isinstance(value, list):
            for item in value:
                yield from self._get_named(item)
        elif isinstance(value, bytes):
            outcome = self.replica.machine.get_outcome(value)
            if outcome is not None:
                yield outcome.entry


class Scenario:
    """A market, its founder, and those who came later. Peer number n has key n."""

    def __init__(self, *, fund: int = 0, **genesis: Any) -> None:  # noqa: ANN401 - see make_genesis
        self.wall_ms = CREATED_MS
        chosen: dict[str, Any] = {
            "name": "test market",
            "symbol": "SYN",
            "founder": make_key(FOUNDER).public,
            "recovery": make_key(RECOVERY).public,
            "created_ms": CREATED_MS,
            "supply": 1_000_000,
            "treasury_day_cap": 1_000_000,
        }
        made = make_genesis(**(chosen | genesis))
        self.genesis_bytes: Final = encode_genesis(made)
        self.founder: Final = self.make_peer(make_key(FOUNDER))
        self.peers: Final[list[Peer]] = [self.founder]
        _expect_applied(self.founder.open("founder"))
        if fund:
            _expect_applied(self.founder.pay(self.founder, fund, b"fund"))

    def add_stranger(self, key: DeviceKey | None = None) -> Peer:
        """Return a new peer that holds the genesis and nothing else."""
        # Number 2 is the recovery key.
        peer = self.make_peer(key or make_key(len(self.peers) + 2))
        self.peers.append(peer)
        return peer

    def make_peer(self, key: DeviceKey) -> Peer:
        """Return a peer that nobody knows yet."""
        return Peer(self, key)

    def add(self, grant: int = 0, *, role: Role = "member", opt_in: bool = True) -> Peer:
        """Return a new member, invited by the founder with a grant of the treasury."""
        peer = self.add_stranger()
        one_time = make_one_time(len(self.peers))
        outcome, certificate = self.founder.invite(
            one_time, grant=grant, role=role, from_treasury=grant > 0
        )
        _expect_applied(outcome)
        peer.pull(self.founder)
        _expect_applied(peer.open(f"peer {len(self.peers)}", certificate, one_time))
        if opt_in and role == "member":
            _expect_applied(peer.opt_in())
        self.founder.pull(peer)
        return peer

    def add_device(self, peer: Peer) -> Peer:
        """Return a new peer that writes for another one's account."""
        device = self.add_stranger()
        outcome = peer.write(DeviceAdd(device.id, device.key.get_exchange_public()))
        _expect_applied(outcome)
        device.pull(peer)
        _expect_applied(device.join(peer.account, peer.vouch(device, issued=outcome.entry.time)))
        peer.pull(device)
        return device

    def wait(self, ms: int) -> None:
        """Let time pass everywhere."""
        self.wall_ms += ms

    def sync(self) -> None:
        """Exchange everything between all peers until nothing is new to anybody."""
        while sum(
            one.pull(other) for one in self.peers for other in self.peers if one is not other
        ):
            pass

    def settle(self, ms: int = SECOND_MS) -> Checkpoint:
        """Let time pass, bring all together, make it final, and tell everybody."""
        self.wait(ms)
        self.sync()
        checkpoint = self.founder.checkpoint()
        self.sync()
        return checkpoint

    def check_converged(self) -> None:
        """Raise AssertionError unless all peers hold the same and made the same of it."""
        first = self.founder
        for peer in self.peers:
            peer.check()
            for name in ("entries", "root", "final_epoch"):
                mine, others = getattr(peer.replica, name), getattr(first.replica, name)
                _expect(mine == others, f"{name}: {mine!r} is not {others!r}")
            _expect(peer.replica.compute_digest() == first.replica.compute_digest(), "heads differ")
            _expect(get_verdicts(peer.market) == get_verdicts(first.market), "verdicts differ")


def make_one_time(number: int) -> DeviceKey:
    """Return the one-time key of an invitation's number."""
    return make_key(_ONE_TIME + number)


def make_post(
    *,
    units: Iterable[int] = (1,),
    price: int = 100,
    providers_min: int = 1,
    bond: int = 0,
    penalty: int = 0,
    redispatch: int = 3,
    kind: str = "text.answer",
    title: str = "a task",
    criteria: str = "",
    window_ms: int = 15 * MINUTE_MS,
    response_ms: int = MINUTE_MS,
    execution_ms: int = HOUR_MS,
    review_ms: int = DAY_MS,
    data: bytes = b"a question",
) -> TaskPost:
    """Return a task with one seat for each number of units."""
    payload = make_payload("text/plain", data)
    return TaskPost(
        kind=kind,
        title=title,
        criteria=criteria,
        after=(),
        mode="split",
        copies=1,
        seats=tuple(Shard(each, payload, None, ()) for each in units),
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
        service=ServiceLevel(response_ms, execution_ms, 0, penalty, ()),
        release=Release("requester", (), 1, 0),
        evaluator=None,
        reveal_ms=HOUR_MS,
        review_ms=review_ms,
        arbiters=(),
        quorum=0,
    )


def make_offer(
    *,
    kind: str = "text.answer",
    capabilities: tuple[str, ...] = (),
    units: int = 1,
    ask: int = 100,
    expiry_ms: int,
    is_standing: bool = True,
    **terms: Any,  # noqa: ANN401 - any of the terms
) -> OfferPost:
    """Return an offer that fits what ``make_post`` asks for, unless told otherwise."""
    lenient: dict[str, Any] = {
        "response_ms": SECOND_MS,
        "execution_ms": SECOND_MS,
        "uptime_ppm": 1_000_000,
        "penalty": 1_000,
        "bond": 1_000,
        "privacies": ("confidential", "private", "public"),
        "requester_min": -1_000,
        "arbiters": (),
        "evaluators": (),
        "signers": (),
    }
    return OfferPost(
        kind=kind,
        capabilities=capabilities,
        units=units,
        ask=ask,
        expiry_ms=expiry_ms,
        is_standing=is_standing,
        terms=OfferTerms(**(lenient | terms)),
    )


def get_verdicts(market: Market) -> list[tuple[bytes, int, int, int]]:
    """Return (id, epoch, effective time, verdict) of every entry held, in order."""
    machine = market.replica.machine
    outcomes = [*machine.get_settled(), *machine.get_tail()]
    return [(each.entry.id, each.epoch, each.now, each.verdict) for each in outcomes]


def _expect_applied(outcome: Outcome) -> None:
    _expect(outcome.verdict == Verdict.APPLIED, f"not applied: {Verdict(outcome.verdict).name}")


def _expect(holds: bool, message: str) -> None:
    # Not an assertion: these modules are no test modules, and `python -O` would drop it.
    if not holds:
        raise AssertionError(message)
