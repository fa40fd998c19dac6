"""Random programs: what several people do to a market, mostly sensible, often not, never at once.

A program is a list of steps, each five small numbers, so that any generator can make one and a
failing one can be made shorter. A step is read against what its actor sees at that moment: a
number picks one of the tasks the actor knows, one of the assignments it has, and so on.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from msgspec.structs import replace

from synaptic_crdt.errors import Forged
from synaptic_crdt.rules.account_operations import AccountUpdate, Attest, AttestRevoke, Caps
from synaptic_crdt.rules.certificates import (
    get_paper_voucher,
    make_certificate,
    make_paper,
    make_proof,
)
from synaptic_crdt.rules.consents import NO_CAPS, make_consent
from synaptic_crdt.rules.council_operations import Arbitration, TokenMint
from synaptic_crdt.rules.genesis import Kind
from synaptic_crdt.rules.invitations import get_one_time
from synaptic_crdt.rules.market import get_rows
from synaptic_crdt.rules.offer_operations import OfferRenew, OfferWithdraw, Presence
from synaptic_crdt.rules.operations import (
    AccountOpen,
    Certificate,
    DeviceAdd,
    DeviceRevoke,
    Feedback,
    ForkReport,
    InviteIssue,
    InviteRevoke,
    Operation,
    TokenTransfer,
    TreasuryPay,
    encode_operation,
    parse_operation,
)
from synaptic_crdt.rules.rows import AssignmentRow
from synaptic_crdt.rules.task_form import make_payload
from synaptic_crdt.rules.task_operations import (
    KeyShare,
    SealedKey,
    TaskAccept,
    TaskApprove,
    TaskCancel,
    TaskDecline,
    TaskDeliver,
    TaskFail,
    TaskStart,
)
from synaptic_crdt.rules.terms import DEFAULT_TERMS_HASH
from synaptic_crdt.rules.verdicts import Verdict
from synaptic_crdt.state.clock import pack_timestamp
from synaptic_crdt.state.codec import Value, decode_body
from synaptic_crdt.state.feeds import encode_body
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.machine import Outcome
from synaptic_crdt.state.statements import encode_statement
from tests.forking import sign_fork
from tests.simulation.agreement import get_settled_balances
from tests.simulation.scenario import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    NO_CHANGE,
    SECOND_MS,
    Peer,
    Scenario,
    get_verdicts,
    make_key,
    make_offer,
    make_one_time,
    make_post,
)

T = TypeVar("T")

PEERS_MAX: Final = 9
_PAPER: Final = 2_000_000
_NOBODY: Final = b"\xee" * 32
_RARE: Final = 64
_WAITS_MS: Final = (
    0,
    1,
    500,
    SECOND_MS,
    SECOND_MS,
    5 * SECOND_MS,
    30 * SECOND_MS,
    MINUTE_MS,
    5 * MINUTE_MS,
    11 * MINUTE_MS,
    HOUR_MS,
    6 * HOUR_MS,
    DAY_MS,
    8 * DAY_MS,
)
_WINDOWS_MS: Final = (HOUR_MS, MINUTE_MS, DAY_MS, 30 * DAY_MS)
_SKEWS_MS: Final = (0, 1, -1, 30 * SECOND_MS, -30 * SECOND_MS, 59_000, HOUR_MS, -HOUR_MS)
# What a liar's clock shows: long ago, just before, exactly now, ahead, in another age.
_LIES_MS: Final = (-DAY_MS, -HOUR_MS, -SECOND_MS, 0, 0, 0, 59_000, HOUR_MS, 10_000 * DAY_MS)
_BAD_POSTS: Final[tuple[dict[str, Any], ...]] = (
    {"units": ()},
    {"units": (0,)},
    {"units": (10**9, 1)},
    {"units": (1,) * 65},
    {"price": 0},
    {"price": -1},
    {"price": 10**12 + 1},
    {"providers_min": 0},
    {"providers_min": 2},
    {"bond": -1},
    {"bond": 101},
    {"penalty": -1},
    {"redispatch": 17},
    {"kind": ""},
    {"kind": "no such kind"},
    {"kind": "unknown.kind"},
    {"title": ""},
    {"title": "é" * 101},
    {"window_ms": 999},
    {"response_ms": 0},
    {"execution_ms": 31 * DAY_MS},
    {"review_ms": 0},
    {"units": (10**6,), "price": 10**6},
)
_TERMS: Final = b"\xdd" * 32
_CAPS: Final = (
    NO_CAPS,
    NO_CAPS,
    Caps(1, None, None, None),
    Caps(None, 2, None, None),
    Caps(None, None, 1, None),
    Caps(None, None, None, ("poem",)),
    Caps(3, 4, 2, ("poem", "text.answer")),
    Caps(-1, None, None, None),
    Caps(None, None, None, ("b", "a")),
)
_CHANGES: Final = (
    replace(NO_CHANGE, fee_ppm=100_000),
    replace(NO_CHANGE, fee_ppm=0, terms=_TERMS),
    replace(NO_CHANGE, terms=DEFAULT_TERMS_HASH),
    replace(NO_CHANGE, kinds=(Kind("poem", "verse"), Kind("text.answer", "answer"))),
    replace(NO_CHANGE, kinds=(Kind("poem", "verse"),), rules=1),
    replace(NO_CHANGE, kinds=(Kind("text.answer", "one question"),)),
    replace(NO_CHANGE, verifiers=()),
    replace(NO_CHANGE, rules=1),
)
_BAD_CHANGES: Final = (
    NO_CHANGE,
    replace(NO_CHANGE, fee_ppm=-1),
    replace(NO_CHANGE, kinds=()),
    replace(NO_CHANGE, kinds=(Kind("b", "u"), Kind("a", "u"))),
    replace(NO_CHANGE, arbiters=Arbitration((), 1)),
    replace(NO_CHANGE, verifiers=(_NOBODY, _NOBODY)),
    replace(NO_CHANGE, rules=0),
)
_BAD_OFFERS: Final[tuple[dict[str, Any], ...]] = (
    {"kind": "No"},
    {"kind": "unknown.kind"},
    {"capabilities": ("b", "a")},
    {"units": 0},
    {"ask": 0},
    {"response_ms": 0},
    {"execution_ms": 31 * DAY_MS},
    {"uptime_ppm": -1},
    {"penalty": -1},
    {"bond": -1},
    {"privacies": ()},
    {"requester_min": 1_001},
    {"signers": (_NOBODY, _NOBODY)},
    {"expiry_ms": 0},
    {"expiry_ms": 2**60},
)
GENESES: Final[tuple[dict[str, Any], ...]] = (
    {"verifiers": (make_key(1).public,)},
    {"verifiers": (make_key(1).public,), "fee_ppm": 30_000, "openings_per_day": 1, "redispatch": 0},
    {
        "council": (make_key(1).public, make_key(3).public),
        "council_needed": 2,
        "mint_cap": 700,
    },
    {"fee_ppm": 333_333, "contest_ms": HOUR_MS, "finality_wait_ms": HOUR_MS},
    {"treasury_day_cap": 9_000, "verifiers": (make_key(1).public,), "mint_cap": 10**6},
    {"sandbox": True},
)


@dataclass(frozen=True)
class Step:
    """What is done, by whom, and three numbers that say to what; all below 256."""

    what: int
    who: int
    a: int
    b: int
    c: int


@dataclass(frozen=True)
class Finality:
    """What the founder called final once: it may never be otherwise."""

    epoch: int
    balances: dict[bytes, int]
    verdicts: list[tuple[bytes, int, int, int]]


class Play:
    """A market in which programs are carried out."""

    def __init__(self, scenario: Scenario, *, is_private: bool = False) -> None:
        self._actions: Final = _PRIVATE_ACTIONS if is_private else _ACTIONS
        self.scenario: Final = scenario
        self.finalities: Final[list[Finality]] = []
        # The numbers of the actions that wrote an operation, by its tag.
        self.writers: Final[dict[str, set[int]]] = {}
        self._tickets: Final[list[tuple[Certificate, DeviceKey]]] = []
        self._papers: Final[dict[bytes, DeviceKey]] = {}
        founder = self.scenario.founder
        for _ in range(3):
            self.scenario.add()
        self.scenario.add(role="auditor")
        self.scenario.sync()
        for number, peer in enumerate(self.scenario.peers[:4]):
            founder.pay(peer, 1_500, bytes((number,)))
            # In some markets the founder alone cannot pay.
            self.scenario.peers[1].pull(founder)
            self.scenario.peers[1].pay(peer, 1_500, bytes((number,)))
        founder.opt_in()
        self.scenario.sync()

    def run(self, program: Sequence[Step]) -> None:
        """Carry out a program; every invariant holds after every step."""
        for step in program:
            actor = self._pick(self.scenario.peers, step.who)
            written = {peer.id: len(peer.written) for peer in self.scenario.peers}
            what = step.what % len(self._actions)
            self._actions[what](self, actor, step)
            actor.check()
            self._note_writer(what, written)

    def pass_all_deadlines(self) -> None:
        """Let time pass, through checkpoints, until nothing waits for anything any more."""
        scenario, founder = self.scenario, self.scenario.founder
        scenario.sync()
        scenario.wall_ms = max(
            scenario.wall_ms, founder.replica.machine.now if self._is_sandbox else 0
        )
        while (due := founder.replica.machine.get_next_deadline()) is not None:
            scenario.wall_ms = max(scenario.wall_ms, due)
            if self._is_sandbox:
                # Without checkpoints, market time is that of the newest entry.
                founder.write(make_consent(None), at_ms=scenario.wall_ms)
            else:
                self._checkpoint(founder, scenario.wall_ms)
            founder.check()
        scenario.sync()

    def _note_writer(self, what: int, before: dict[bytes, int]) -> None:
        """Keep which operations an action wrote, by whomever."""
        for peer in self.scenario.peers:
            for piece in peer.written[before.get(peer.id, 0) :]:
                for body in piece.bodies:
                    _, operation = decode_body(body)
                    self.writers.setdefault(str(operation[0]), set()).add(what)

    @property
    def keys(self) -> dict[bytes, DeviceKey]:
        """The keys of all devices."""
        return {peer.id: peer.key for peer in self.scenario.peers}

    # -- what a step can do --------------------------------------------------------------------

    def post(self, actor: Peer, step: Step) -> None:
        units = [1 + (step.a >> shift & 3) for shift in range(0, 2 * (1 + step.b % 4), 2)]
        post = make_post(
            units=units,
            price=1 + step.c % 64,
            providers_min=1 + step.a % len(units),
            bond=(0, 1, step.c % 64 // 2, 1 + step.c % 64)[step.b // 4 % 4],
            penalty=(0, 1, step.c // 8, 1_000)[step.b // 16 % 4],
            redispatch=step.a // 64,
            window_ms=_WINDOWS_MS[step.b // 64],
        )
        self._write(actor, post, step)

    def post_badly(self, actor: Peer, step: Step) -> None:
        for number in range(step.a, step.a + 4):
            self._write(actor, make_post(**self._pick(_BAD_POSTS, number)), step)
        post = make_post()
        (shard,) = post.seats
        payloads = (
            replace(shard.payload, inline=None),
            replace(shard.payload, size=1),
            replace(shard.payload, hash=_NOBODY),
            replace(shard.payload, media_type="tab\t"),
        )
        shard = replace(shard, payload=self._pick(payloads, step.c))
        self._write(actor, replace(post, seats=(shard,)), step)

    def cancel(self, actor: Peer, step: Step) -> None:
        tasks = get_rows(actor.market.contract.market.tasks, "number")
        own = [key for key, task in tasks if task.requester == actor.account or step.b % 4 == 0]
        known = [*own[::-1], _NOBODY]
        self._write(actor, TaskCancel(self._pick(known, step.a % 4)), step)

    def accept(self, actor: Peer, step: Step) -> None:
        market = actor.market.contract.market
        tasks = [
            (key, task)
            for key, task in get_rows(market.tasks, "number")
            if step.b % 8 == 0 or _is_open(actor, key, task.seats)
        ]
        if not tasks and step.b % 8:
            self.exchange(actor, step)
            return
        key, price = _NOBODY, 1
        if tasks:
            # The newest first: the oldest are mostly over.
            key, task = self._pick(tasks[::-1], step.a % 4)
            price = task.price
        asks = (price, price, price, price - 1 or 1, price // 2 or 1, price, price, price + 1)
        ask = 0 if step.c % _RARE == 1 else self._pick(asks, step.c)
        self._write(actor, TaskAccept(key, ask, ()), step)

    def rush(self, actor: Peer, step: Step) -> None:
        """Everybody who knows the task takes it, at the very same moment."""
        for peer in self.scenario.peers:
            self.accept(peer, Step(step.what, step.who, step.a, step.b, 0))
        self.post(actor, step)

    def hoard(self, actor: Peer, step: Step) -> None:
        """Take more work than anybody may owe, of somebody who may think better of it."""
        requester = self.scenario.peers[1]
        task = requester.post(
            units=[1] * 12,
            price=1,
            providers_min=1 + step.c % 2,
            window_ms=self._pick(_WINDOWS_MS, step.b),
        )
        actor.pull(requester)
        for _ in range(11):
            self._write(actor, TaskAccept(task.entry.id, 1, ()), step)
        if step.a % 2:
            requester.pull(actor)
            requester.cancel(task)

    def work(self, actor: Peer, step: Step) -> None:
        """Do what an assignment of the actor, or a delivery to it, waits for."""
        market = actor.market.contract.market
        waiting = [
            (key, row, seat.state)
            for key, row in get_rows(market.assignments, "provider")
            if not row.end
            and (seat := market.seats.get(row.seat)) is not None
            and actor.account == (_get_requester(actor, row) if row.delivery else row.provider)
        ]
        if not waiting:
            self.accept(actor, step)
            return
        key, row, state = self._pick(waiting, step.a)
        match state:
            case "PENDING" | "RESERVED" if step.b % 8 == 0:
                self._write(actor, TaskDecline(key, "busy"), step)
            case "ASSIGNED":
                decline = step.b % 8 == 0
                self._write(actor, TaskDecline(key, "busy") if decline else TaskStart(key), step)
            case "STARTED":
                fail = step.b % 8 == 1
                self._write(
                    actor, TaskFail(key, "no") if fail else self._deliver(actor, key, step), step
                )
            case "DELIVERED":
                self._write(actor, TaskApprove(row.delivery, step.b % 4 > 0, ()), step)
            case _:
                self.exchange(actor, step)

    @staticmethod
    def _deliver(actor: Peer, assignment: bytes, step: Step) -> TaskDeliver:
        """A result, sealed where it has to be."""
        result = make_payload("text/plain", bytes((step.c,)))
        market = actor.market.contract.market
        row = market.assignments.get(assignment)
        seat = None if row is None else market.seats.get(row.seat)
        if seat is None or not seat.shard.commitment:
            return TaskDeliver(assignment, result, None, ())
        return TaskDeliver(assignment, result, _NOBODY, (SealedKey(actor.id, bytes(80)),))

    def share(self, actor: Peer, step: Step) -> None:
        """Ask somebody for private work, and hand a key of it, or of other work, to anybody."""
        other = self._pick(self.scenario.peers, step.a)
        if not actor.can_write or not other.can_write:
            return
        keys = () if step.c % 8 == 0 else (SealedKey(other.id, bytes(80)),)
        post = make_post(price=1 + step.c % 8, window_ms=self._pick(_WINDOWS_MS, step.b))
        shard = replace(post.seats[0], commitment=_NOBODY, keys=keys)
        only = (other.account,)
        task = actor.write(replace(post, privacy="private", seats=(shard,), only=only))
        other.pull(actor)
        self._write(other, TaskAccept(task.entry.id, 1, ()), step)
        actor.pull(other)
        rows = get_rows(actor.market.contract.market.assignments, "provider")
        newest = sorted(rows, key=lambda row: row[1].number)
        name = newest[-1 - step.c % 4 % len(newest)][0] if newest else _NOBODY
        content = "result" if step.b % 8 == 0 else "payload"
        to = self._pick([peer.id for peer in self.scenario.peers], step.b // 8)
        box = SealedKey(_NOBODY if step.b % 8 == 1 else to, bytes(80))
        self._write(
            self._pick((actor, actor, other), step.c), KeyShare(name, content, (box,)), step
        )

    def work_together(self, actor: Peer, step: Step) -> None:
        """Everybody does what is waiting, after hearing of it, and the order is made final."""
        for _ in range(1 + step.b % 3):
            for peer in self.scenario.peers:
                peer.pull(actor)
                self.work(peer, step)
                actor.pull(peer)
            self.checkpoint(actor, step)
            actor.pull(self.scenario.founder)
            # Exactly as long as an answer, or the work itself, may take: or not at all.
            self.scenario.wait((0, MINUTE_MS, HOUR_MS, 0)[step.c % 4])

    def meddle(self, actor: Peer, step: Step) -> None:
        """Do anything to anybody's assignment or delivery, in any phase."""
        rows = [*get_rows(actor.market.contract.market.assignments, "provider")]
        mine = [key for key, row in rows if row.provider == actor.account]
        names = [key for key, _ in rows] + [row.delivery or _NOBODY for _, row in rows]
        name = self._pick(mine[::-1] if mine and step.c % 4 else [*names, _NOBODY], step.a)
        operations: tuple[Operation, ...] = (
            TaskDecline(name, "busy"),
            TaskStart(name),
            TaskDeliver(name, make_payload("text/plain", b""), None, ()),
            TaskDeliver(name, make_payload("text/plain", bytes(48 * 1024 + 1)), None, ()),
            TaskFail(name, "Not a reason"),
            TaskFail(name, "broken"),
            TaskDecline(name, "broken"),
            TaskApprove(name, True, ()),
            TaskApprove(name, False, ()),
            TaskAccept(name, 1, ()),
        )
        self._write(actor, self._pick(operations, step.b), step)

    def offer(self, actor: Peer, step: Step) -> None:
        """Offer work, mostly so that it fits what is asked for."""
        post = make_offer(
            ask=1 + step.c % 64,
            units=1 + step.a % 8,
            expiry_ms=actor.wall_ms + self._pick(_WINDOWS_MS, step.b),
            is_standing=step.b % 8 > 0,
        )
        strict = ({"penalty": 0}, {"bond": 0}, {"requester_min": 1}, {"response_ms": DAY_MS})
        if step.b % 8 == 1:
            post = replace(post, terms=replace(post.terms, **self._pick(strict, step.c)))
        self._write(actor, post, step)

    def tend_offer(self, actor: Peer, step: Step) -> None:
        """Renew or withdraw an offer, mostly an own one, or show presence for it."""
        market = actor.market.contract.market
        rows = [*get_rows(market.offers, "number")]
        own = [key for key, row in rows if row.account == actor.account]
        if not own:
            self.offer(actor, step)
            return
        names = (own[-1], own[-1], self._pick(own, step.a), self._pick(rows, step.a)[0], _NOBODY)
        name = self._pick(names, step.a // 8)
        lasting_ms = self._pick((DAY_MS, HOUR_MS, 0, 31 * DAY_MS, DAY_MS), step.b // 8)
        operations: tuple[Operation, ...] = (
            OfferRenew(name, 1 + step.a % 8, 1 + step.c % 64, actor.wall_ms + lasting_ms),
            Presence(),
            OfferRenew(name, 1 + step.a % 8, 1 + step.c % 64, actor.wall_ms + lasting_ms),
            OfferWithdraw(name),
        )
        self._write(actor, self._pick(operations, step.b), step)

    def offer_much(self, actor: Peer, step: Step) -> None:
        """More than anybody may offer of a kind, or of all kinds."""
        kinds = ("text.answer", "code.review", "text.summarize", "text.translate")
        for number in range(18 if step.a % 2 else 5):
            kind = kinds[number % 4] if step.a % 2 else "text.answer"
            ends_ms = actor.wall_ms + self._pick((DAY_MS, HOUR_MS), step.b)
            self._write(actor, make_offer(kind=kind, ask=1_000, expiry_ms=ends_ms), step)

    def offer_badly(self, actor: Peer, step: Step) -> None:
        ends_ms = actor.wall_ms + DAY_MS
        for number in range(step.a, step.a + 4):
            fields: dict[str, Any] = {"expiry_ms": ends_ms} | self._pick(_BAD_OFFERS, number)
            self._write(actor, make_offer(**fields), step)

    def transfer(self, actor: Peer, step: Step) -> None:
        amounts = (1, 10, step.c, 400, 1_000, 1_500, 0, -1, 2**53, actor.get_available())
        to = self._pick([*self.scenario.peers, None], step.a)
        memo = "m" * (257 if step.c % 32 == 0 else 3)
        operation = TokenTransfer(
            _NOBODY if to is None else to.account, self._pick(amounts, step.b), b"", memo
        )
        self._write(actor, operation, step)

    def send_batch(self, actor: Peer, step: Step) -> None:
        """Several entries under one seal."""
        other = self._pick(self.scenario.peers, step.a)
        time = max(actor.replica.get_feed(actor.id).tip.time, pack_timestamp(actor.wall_ms))
        operation = TokenTransfer(other.account, 1 + step.b, b"", "")
        if actor.can_write:
            fields = encode_operation(operation)
            actor.publish([encode_body(time + n, fields) for n in range(1, 2 + step.c % 5)])

    def pay(self, actor: Peer, step: Step) -> None:
        to = self._pick([*self.scenario.peers, None], step.a)
        amount = self._pick((5, 2_500, 10**6, 0), step.b)
        reference = bytes((step.c % 3,))
        operation = TreasuryPay(_NOBODY if to is None else to.account, amount, reference, "")
        self._write(actor, operation, step)

    def vote(self, actor: Peer, step: Step) -> None:
        """The council pays, large sums on the next day; one of it votes twice."""
        if step.b % 4 == 2:
            self.scenario.wait(DAY_MS)
        self.pay(self.scenario.founder, step)
        self.pay(self.scenario.founder, step)
        self.pay(self.scenario.peers[1], step)
        self.pay(actor, step)

    def invite(self, actor: Peer, step: Step) -> None:
        one_time = make_one_time(1_000 + step.a // 32)
        lasting_ms = self._pick((HOUR_MS, DAY_MS, 30 * DAY_MS, 0, 40 * DAY_MS), step.b)
        if not actor.can_write:
            return
        _, certificate = actor.invite(
            one_time,
            grant=self._pick((0, 5, 200, 10**6, -1), step.c),
            role=self._pick(("member", "member", "auditor"), step.c // 5),
            from_treasury=step.b // 5 % 3 == 0,
            lasting_ms=lasting_ms,
        )
        self._tickets.append((certificate, one_time))
        if step.c % 4 == 3:
            self._invite_in_foreign_names(actor, step)

    def _invite_in_foreign_names(self, actor: Peer, step: Step) -> None:
        """Issue invitations whose keys are the ids of what others posted, or issued."""
        market = actor.market.contract.market
        rows = [
            *get_rows(market.offers, "number"),
            *get_rows(market.tasks, "number"),
            *get_rows(market.invitations, "number"),
        ]
        name = self._pick([get_one_time(key) or key for key, _ in rows] or [_NOBODY], step.a)
        expiry_ms = actor.wall_ms + HOUR_MS
        self._write(actor, InviteIssue(name, "member", 5, expiry_ms, from_treasury=False), step)
        if step.b % 2:
            self._write(actor, InviteRevoke(name), step)

    def join(self, actor: Peer, step: Step) -> None:
        """Somebody comes in with a ticket, perhaps a used, changed or revoked one, or with none."""
        if len(self.scenario.peers) >= PEERS_MAX:
            self.exchange(actor, step)
            return
        peer = self.scenario.add_stranger()
        peer.pull(actor)
        rare = 2 if peer.market.genesis.is_open else 16
        is_invited = self._tickets and step.b % rare
        certificate, one_time = (
            self._pick(self._tickets[::-1], step.a % 4) if is_invited else (None, None)
        )
        proof = None if one_time is None else make_proof(peer.market.id, one_time, peer.id)
        if certificate is not None and step.b % 8 in (3, 5):
            certificate = self._lie_about(certificate, resign=step.b % 8 == 3)
        name = "n" * (1 + step.c % 64)
        paper = None
        if step.c % 4:
            key = self._papers.setdefault(peer.id, make_key(_PAPER + len(self._papers)))
            paper = make_paper(peer.market.id, peer.key, key)
        operation = AccountOpen(name, bytes(32), paper, certificate, proof)
        peer.write(operation)
        peer.opt_in()
        if step.c % 8 == 0:
            peer.write(operation)
        self._let_in(peer)
        if certificate is None and peer in self.scenario.peers:
            # Where one comes in unasked, so does the next.
            self.join(actor, step)

    def _lie_about(self, certificate: Certificate, *, resign: bool) -> Certificate:
        """Promise a newcomer more than was issued; only the inviter can sign that."""
        if not resign:
            return replace(certificate, grant=certificate.grant + 1)
        return make_certificate(
            self.scenario.founder.market.id,
            self.keys[certificate.inviter],
            one_time=certificate.one_time,
            role=certificate.role,
            grant=certificate.grant + 1,
            expiry_ms=certificate.expiry_ms,
            issued=certificate.issued,
        )

    def revoke(self, actor: Peer, step: Step) -> None:
        known = [
            get_one_time(key)
            for key, row in get_rows(actor.market.contract.market.invitations, "number")
            if (row.account == actor.account and row.state == "OPEN") or step.b % 4 == 0
        ]
        self._write(actor, InviteRevoke(self._pick([*known[::-1], _NOBODY], step.a % 2)), step)

    def add_device(self, actor: Peer, step: Step) -> None:
        """Somebody's second machine comes in, perhaps uninvited, or on the word of a liar."""
        if not actor.can_write:
            return
        if len(self.scenario.peers) >= PEERS_MAX or step.c % 4 == 0:
            known = self._pick([*self.scenario.peers, None], step.a)
            device = _NOBODY if known is None else known.id
            self._write(actor, DeviceAdd(device, bytes(32)), step)
            return
        account = actor.account
        peer = self.scenario.add_stranger()
        exchange = peer.key.get_exchange_public() if step.b % 8 != 1 else bytes(32)
        issued = actor.replica.get_feed(actor.id).tip.time
        if step.b % 8 != 2:
            issued = actor.write(DeviceAdd(peer.id, exchange)).entry.time
        if step.b % 8 == 3:
            account = self._pick(self.scenario.peers, step.a).account
        voucher = actor.vouch(peer, issued=issued, account=account)
        if step.b % 8 == 4:
            voucher = replace(voucher, issued=issued + 1)
        if step.c % 4 != 1:
            peer.pull(actor)
        peer.join(account, voucher)
        if step.c % 4 == 2:
            peer.join(account, voucher)
        self._let_in(peer)

    def crowd(self, actor: Peer, step: Step) -> None:
        """Add more machines than anybody may have, and take some back."""
        for number in range(9):
            self._write(actor, DeviceAdd(bytes((number,)) * 32, bytes(32)), step)
        for number in range(step.c % 9):
            self._write(actor, DeviceRevoke(bytes((number,)) * 32), step)

    def revoke_device(self, actor: Peer, step: Step) -> None:
        """End a machine of the account, or of another; twice, to be sure."""
        market = actor.market.contract.market
        own = [key for key, _ in get_rows(market.devices, "account", actor.account)]
        own += [key[1] for key, _ in get_rows(market.additions, "account", actor.account)]
        others = [peer.id for peer in self.scenario.peers]
        target = self._pick(own[::-1] if own and step.b % 4 else [*others, _NOBODY], step.a)
        for _ in range(1 + step.c % 2):
            self._write(actor, DeviceRevoke(target), step)

    def lose(self, actor: Peer, step: Step) -> None:
        """A machine is lost and goes on; somebody who can ends it, by paper if by nothing else."""
        self.add_device(actor, Step(step.what, step.who, step.a, 0, 3))
        own = [peer for peer in self.scenario.peers if peer.account == actor.account]
        lost = self._pick(own[::-1] if own and step.b % 4 else self.scenario.peers, step.b // 4)
        owner = self._bring_paper(lost) if step.a % 2 else actor
        owner.pull(lost)
        self._write(owner, DeviceRevoke(lost.id), step)
        self.transfer(lost, step)
        self.post(lost, step)
        if step.c % 2:
            self.checkpoint(owner, Step(step.what, step.who, 1, 1, 1))
        self.transfer(lost, step)

    def _bring_paper(self, owner: Peer) -> Peer:
        """Return the paper device of an account, as a peer; the owner itself when it has none."""
        key = self._papers.get(owner.account)
        if key is None:
            return owner
        for peer in self.scenario.peers:
            if peer.id == key.public:
                return peer
        opening = parse_operation(owner.replica.get_feed(owner.account).entries[0].operation)
        if not isinstance(opening, AccountOpen) or opening.paper is None:
            return owner
        paper = self.scenario.add_stranger(key)
        paper.pull(owner)
        paper.join(owner.account, get_paper_voucher(owner.account, opening.paper))
        self._let_in(paper)
        return paper

    def _let_in(self, peer: Peer) -> None:
        """Take a newcomer out again whose first entry no gate takes."""
        try:
            self.scenario.founder.gate.inspect().inspect_piece(peer.written[0])
        except Forged:
            # Nobody but the liar lets such a feed in, and who offers it is a liar, too.
            self.scenario.peers.remove(peer)

    def regret(self, actor: Peer, step: Step) -> None:
        """Invite for an hour; whoever comes finds it revoked, over, or promised too much."""
        self.invite(actor, Step(step.what, step.who, step.a, 5, 0))
        if step.b % 3 == 0:
            self.revoke(actor, Step(step.what, step.who, 0, 1, 0))
        elif step.b % 3 == 1:
            self.scenario.wait(HOUR_MS)
        self.join(actor, Step(step.what, step.who, 0, 3 if step.b % 3 == 2 else 7, step.c))

    def consent(self, actor: Peer, step: Step) -> None:
        """Opt in or out, on conditions that may be nonsense or in the way of the next task."""
        terms = actor.market.contract.market.get_parameters().terms
        chosen = self._pick((terms, terms, terms, None, _NOBODY, _TERMS), step.a)
        other = self._pick(self.scenario.peers, step.b).account
        blocked = ((), (), (other,), (other, other))[step.c % 4]
        caps = self._pick(_CAPS, step.b // 4)
        least = self._pick((-1_000, -1_000, 0, 1, 1_001), step.c // 4)
        consent = make_consent(chosen, caps=caps, requester_min=least, blocked=blocked)
        self._write(actor, consent, step)
        # Freely again, or soon nobody would work any more.
        self._write(actor, make_consent(terms), step)

    def pick_work(self, actor: Peer, step: Step) -> None:
        """Say what one does not want, and be offered just that."""
        requester = self.scenario.peers[1]
        task = requester.post(units=(2,), price=1)
        actor.pull(requester)
        terms = actor.market.contract.market.get_parameters().terms
        free = make_consent(terms)
        for consent in (
            replace(free, caps=Caps(None, None, None, ())),
            replace(free, caps=Caps(None, 1, None, None)),
            replace(free, caps=Caps(None, None, 0, None)),
            replace(free, caps=Caps(0, None, None, None)),
            replace(free, blocked=(requester.account,)),
            replace(free, requester_min=1_000),
            free,
        ):
            self._write(actor, consent, step)
            self._write(actor, TaskAccept(task.entry.id, 1, ()), step)

    def change(self, actor: Peer, step: Step) -> None:
        """The council changes the market, or says nonsense; some who have no voice try, too."""
        for number in range(step.a, step.a + 3):
            self._write(actor, self._pick(_BAD_CHANGES, number), step)
        change = self._pick(_CHANGES, step.a)
        known = [peer.account for peer in self.scenario.peers]
        other = self._pick([*known, _NOBODY], step.b)
        if step.b % 4 == 0:
            change = replace(change, verifiers=tuple(sorted({known[1], other})))
        if step.b % 4 == 1:
            change = replace(change, arbiters=Arbitration((other,), step.c % 4 // 3 + 1))
        change = replace(change, reference=bytes((step.c % 8,)))
        for peer in (self.scenario.founder, self.scenario.peers[1], actor):
            if peer.can_write:
                # Each with its own clock: the second voice decides for everybody, whenever.
                self._write(peer, change, step)
        if step.c % 3 == 0:
            self.scenario.wait(DAY_MS)
            self.checkpoint(actor, Step(step.what, step.who, 1, 1, 1))

    def renew_rules(self, actor: Peer, step: Step) -> None:
        """The council goes on to rules that nobody here knows, and comes back."""
        for rules in (2, 1):
            change = replace(NO_CHANGE, rules=rules, reference=bytes((step.b, step.c)))
            for peer in (self.scenario.founder, self.scenario.peers[1]):
                if peer.can_write:
                    self._write(peer, change, step)
                    self.scenario.founder.pull(peer)
            self.scenario.wait(DAY_MS)
            self.checkpoint(actor, Step(step.what, step.who, 1, 1, 1))
            actor.pull(self.scenario.founder)
            self.transfer(actor, step)

    def mint(self, actor: Peer, step: Step) -> None:
        amount = self._pick((1, 100, 500, 10**6, 0, -1), step.a)
        operation = TokenMint(amount, bytes((step.b % 4,)), "m" * (257 if step.c % 32 == 0 else 1))
        for peer in (self.scenario.founder, self.scenario.peers[1], actor):
            self._write(peer, operation, step)

    def rename(self, actor: Peer, step: Step) -> None:
        self._write(actor, AccountUpdate("n" * (step.a % 70)), step)

    def vouch(self, actor: Peer, step: Step) -> None:
        """A verifier, or who would be one, vouches for somebody, and may think better of it."""
        verifiers = actor.market.contract.market.get_parameters().verifiers
        able = [peer for peer in self.scenario.peers if peer.account in verifiers]
        speaker = self._pick(able, step.c) if able and step.c % 4 else actor
        account = self._pick([*(peer.account for peer in self.scenario.peers), _NOBODY], step.a)
        lasting_ms = self._pick((HOUR_MS, DAY_MS, 0, 367 * DAY_MS), step.b)
        if step.b % 8 == 7:
            account = speaker.account
        claim = self._pick(("confidential", "known", "Not a claim"), step.b // 8)
        expiry_ms = speaker.wall_ms + lasting_ms
        self._write(speaker, Attest(account, claim, expiry_ms, "word"), step)
        words = [
            key
            for peer in self.scenario.peers
            for key, _ in get_rows(
                speaker.market.contract.market.attestations, "account", peer.account
            )
        ]
        word = self._pick([*words[::-1], _NOBODY], step.c // 32)
        actor.pull(speaker)
        for peer in (actor, speaker, speaker)[step.a % 4 :]:
            self._write(peer, AttestRevoke(word), step)

    def report(self, actor: Peer, step: Step) -> None:
        """Put a fork on record: a real one, one known already, of a stranger, or none at all."""
        peer = self._pick(self.scenario.peers, step.a)
        forker = make_key(10_000) if step.a % 8 == 0 else peer.key
        market = bytes(32) if step.b % 8 == 1 else actor.market.id
        lengths = (1 + step.b % 3, 1 + step.c % 2)
        proof = encode_statement(sign_fork(market, forker, 1 + step.c % 3, lengths))
        for _ in range(1 + step.c % 2):
            self._write(actor, ForkReport(proof[:-1] if step.b % 8 == 0 else proof), step)

    def trade(self, actor: Peer, step: Step) -> None:
        """One piece of work from its posting to its payment, and what is said of it."""
        requester = self._pick(self.scenario.peers, step.a)
        if requester.can_write and actor.can_write:
            task = requester.post(
                units=(1 + step.b % 4,), price=5 + step.c % 16, penalty=step.a % 2
            )
            actor.pull(requester)
            self._do_all(actor, requester, task, step)
        self.rate(actor, step)

    def _do_all(self, actor: Peer, requester: Peer, task: Outcome, step: Step) -> None:
        """Either may learn on the way that its device was revoked."""
        if not actor.can_write:
            return
        won = actor.accept(task)
        self.checkpoint(actor, step)
        actor.pull(self.scenario.founder)
        if not actor.can_write:
            return
        self.scenario.wait((0, 30 * SECOND_MS, 61 * SECOND_MS)[step.b // 4 % 3])
        actor.start(won)
        delivery = actor.deliver(won, b"")
        requester.pull(actor)
        if requester.can_write:
            requester.approve(delivery)
            actor.pull(requester)

    def rate(self, actor: Peer, step: Step) -> None:
        """Say what work was like: settled or not, the actor's or not, soon or much later."""
        rows = [*get_rows(actor.market.contract.market.assignments, "provider")]
        settled = [(key, row) for key, row in rows if row.end == "SETTLED"]
        names = [key for key, _ in (rows if step.b % 8 == 0 else settled or rows)]
        if settled and step.c % 4 == 1:
            self.scenario.wait(30 * DAY_MS)
        name = self._pick(names[::-1], step.a) if names else _NOBODY
        rating = self._pick((5, 4, 3, 2, 1, 5, 1, 0 if step.c % 8 == 0 else 6), step.b)
        comment = "c" * (257 if step.c % 32 == 2 else 5)
        row = dict(rows).get(name)
        parties = [
            peer
            for peer in self.scenario.peers
            if row is not None and peer.account in (row.provider, _get_requester(actor, row))
        ]
        for peer in [actor, *parties]:
            peer.pull(actor)
            self._write(peer, Feedback(name, rating, comment), step)

    def write_rubbish(self, actor: Peer, step: Step) -> None:
        """What another version, or nobody, would understand."""
        rubbish: tuple[list[Value], ...] = (
            ["task.dance", step.b],
            ["token.transfer", actor.id, "1", b"", ""],
            ["token.transfer", actor.id, 1, b"", "", None],
            ["consent"],
            ["account.open", "", bytes(32), None, None, None],
            ["account.open", "again", bytes(32), None, None, bytes(64)],
            ["task.start", b"short"],
            ["task.approve", _NOBODY, 1],
            ["account.open", "again", bytes(32), None, None, None],
            ["", [[], [True, None]]],
        )
        if actor.can_write:
            actor.write_fields(self._pick(rubbish, step.a))

    def exchange(self, actor: Peer, step: Step) -> None:
        """Take news from somebody: all, or a few pieces, with or without the statements."""
        other = self._pick(self.scenario.peers, step.a)
        actor.pull(other, pieces=None if step.b % 4 else step.b // 4, statements=step.c % 3 > 0)

    def scatter(self, actor: Peer, step: Step) -> None:
        """Get original pieces of somebody in whatever order, also twice, also too early."""
        written = self._pick(self.scenario.peers, step.a).written
        for index in range(1 + step.c % 8):
            if written:
                actor.take(self._pick(written, step.b + 7 * index))

    def checkpoint(self, actor: Peer, step: Step) -> None:
        """Close an epoch on the founder's peer, perhaps a careful one, perhaps in the past."""
        founder = self.scenario.founder
        if step.a % 2:
            founder.pull(actor)
        if not self._is_sandbox:
            time_ms = founder.wall_ms - (MINUTE_MS if step.b % 4 == 0 else 0)
            self._checkpoint(founder, time_ms, careful=step.c % 2 == 0)

    def wait(self, actor: Peer, step: Step) -> None:  # noqa: ARG002 - an action's signature
        self.scenario.wait(self._pick(_WAITS_MS, step.a))

    def set_clock(self, actor: Peer, step: Step) -> None:
        actor.skew_ms = self._pick(_SKEWS_MS, step.a)

    # ------------------------------------------------------------------------------------------

    @property
    def _is_sandbox(self) -> bool:
        return self.scenario.founder.market.genesis.sandbox

    def _checkpoint(self, founder: Peer, time_ms: int, *, careful: bool = False) -> None:
        founder.checkpoint(time_ms, founder.is_cause_held if careful else None)
        settled = founder.replica.machine.epoch
        verdicts = [each for each in get_verdicts(founder.market) if each[1]]
        self.finalities.append(Finality(settled, get_settled_balances(founder.market), verdicts))

    def _write(self, actor: Peer, operation: Operation, step: Step) -> None:
        # A feed that begins otherwise is admitted by nobody, and one that ended takes no more.
        if not actor.can_write:
            return
        if (step.a + step.b + step.c) % 8 == 0:
            lie = self.scenario.wall_ms + self._pick(_LIES_MS, step.c // 8)
            actor.write(operation, at_ms=max(0, lie))
            return
        asked = actor.preview(operation)
        written = Verdict(actor.write(operation).verdict)
        if asked is not written:
            raise AssertionError(f"{operation}: {written.name}, although {asked.name} was promised")

    @staticmethod
    def _pick(choices: Sequence[T], number: int) -> T:
        return choices[number % len(choices)]


def _get_requester(actor: Peer, row: AssignmentRow) -> bytes:
    market = actor.market.contract.market
    seat = market.seats.get(row.seat)
    task = None if seat is None else market.tasks.get(seat.task)
    return b"" if task is None else task.requester


def _is_open(actor: Peer, task_id: bytes, seats: int) -> bool:
    table = actor.market.contract.market.seats
    rows = (table.get(task_id + bytes((number,))) for number in range(seats))
    return any(row is not None and row.state == "OPEN" for row in rows)


Action = Callable[[Play, Peer, Step], None]

# How often each comes, out of the sum of all.
_WEIGHTS: Final[tuple[tuple[Action, int], ...]] = (
    (Play.exchange, 12),
    (Play.work, 16),
    (Play.work_together, 4),
    (Play.post, 6),
    (Play.accept, 10),
    (Play.rush, 2),
    (Play.hoard, 2),
    (Play.offer, 7),
    (Play.tend_offer, 6),
    (Play.offer_much, 1),
    (Play.offer_badly, 2),
    (Play.checkpoint, 7),
    (Play.wait, 6),
    (Play.transfer, 5),
    (Play.send_batch, 2),
    (Play.scatter, 3),
    (Play.meddle, 7),
    (Play.cancel, 3),
    (Play.post_badly, 2),
    (Play.pay, 2),
    (Play.vote, 2),
    (Play.invite, 4),
    (Play.join, 3),
    (Play.revoke, 2),
    (Play.regret, 2),
    (Play.add_device, 4),
    (Play.revoke_device, 3),
    (Play.lose, 3),
    (Play.crowd, 1),
    (Play.trade, 3),
    (Play.rate, 3),
    (Play.consent, 2),
    (Play.pick_work, 1),
    (Play.change, 2),
    (Play.mint, 1),
    (Play.renew_rules, 1),
    (Play.rename, 1),
    (Play.vouch, 4),
    (Play.report, 2),
    (Play.write_rubbish, 2),
    (Play.set_clock, 3),
)
_ACTIONS: Final[tuple[Action, ...]] = tuple(
    action for action, weight in _WEIGHTS for _ in range(weight)
)
# Where much of the work is private.
_PRIVATE_ACTIONS: Final[tuple[Action, ...]] = (*_ACTIONS, *(Play.share,) * (len(_ACTIONS) // 6))
