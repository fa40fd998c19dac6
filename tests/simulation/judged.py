"""Random programs of a market where everything about judging is asked for: all roles, all wishes.

Requesters post tasks with every kind of privacy, release, evaluator, arbiters, metrics, presence
and prices; everybody then says at random what could be said of the work, rightly or wrongly, while
time passes and checkpoints come.
"""

from collections.abc import Sequence
from random import Random
from typing import Any, Final

from msgspec.structs import replace

from synaptic_crdt.rules.account_operations import Attest, AttestRevoke
from synaptic_crdt.rules.market import Market, get_rows
from synaptic_crdt.rules.operations import Operation
from synaptic_crdt.rules.rows import AssignmentRow, TaskRow
from synaptic_crdt.rules.seats.seat import get_seat, get_seats, get_task
from synaptic_crdt.rules.task_form import make_payload
from synaptic_crdt.rules.task_operations import (
    AssignmentExtend,
    AssignmentSettle,
    DisputeEvidence,
    DisputeOpen,
    DisputeRule,
    DisputeWithdraw,
    KeyShare,
    Metric,
    Release,
    Score,
    SealedKey,
    ServiceLevel,
    Shard,
    TaskAccept,
    TaskApprove,
    TaskCancel,
    TaskDecline,
    TaskDeliver,
    TaskFail,
    TaskImprove,
    TaskPost,
    TaskProgress,
    TaskReveal,
    TaskStart,
)
from synaptic_crdt.state.contract import APPLIED
from tests.simulation.scenario import (
    HOUR_MS,
    MINUTE_MS,
    SECOND_MS,
    Peer,
    Scenario,
    make_key,
    make_post,
)

COMMITMENT: Final = b"\xcc" * 32
_SHARES: Final = (0, 300_000, 500_000, 1_000_000)
# Mostly a moment, so that there is time to argue.
_WAITS_MS: Final = (
    *(0, SECOND_MS, SECOND_MS, SECOND_MS, SECOND_MS, SECOND_MS, SECOND_MS, SECOND_MS),
    *(20 * SECOND_MS, MINUTE_MS, MINUTE_MS, 12 * MINUTE_MS, 12 * MINUTE_MS),
    *(HOUR_MS, 5 * HOUR_MS, 25 * HOUR_MS, 73 * HOUR_MS),
)


def is_free(market: Market, task_id: bytes, task: TaskRow) -> bool:
    """Has a task a seat that nobody has?"""
    return any(seat.state == "OPEN" for _, seat in get_seats(market, task_id, task))


class Judging:
    """What people do to such a market, each as far as somebody among them has seen it."""

    def __init__(self, scenario: Scenario, people: Sequence[Peer], random: Random) -> None:
        self.scenario: Final = scenario
        self.people: Final = people
        self.random = random
        # As whoever acts sees it.
        self._market = people[0].market.contract.market

    def settle(self, ms: int = SECOND_MS) -> None:
        """Let time pass, until what was done is final."""
        self.scenario.settle(ms)

    def act(self) -> None:
        """Let somebody do one thing."""
        peer = self.random.choice(self.people)
        self._market = market = peer.market.contract.market
        tasks = [*get_rows(market.tasks, "number")]
        living = [item for item in get_rows(market.assignments, "provider") if not item[1].end]
        roll = self.random.random()
        if not tasks or roll < 0.12:
            peer.write(self._make_post(peer))
        elif roll < 0.135:
            self._vouch(peer)
        elif roll < 0.3 or not living:
            # Mostly one that somebody may still take.
            free = [(key, task) for key, task in tasks[-8:] if is_free(market, key, task)]
            is_bold = self.random.random() < 0.2
            task_id, task = self.random.choice(tasks[-4:] if is_bold or not free else free)
            peer.write(self._touch(peer, task_id, task))
        else:
            self._work(*self.random.choice(living))

    def post(self, peer: Peer) -> bytes:
        """Post a task of any kind; return its name."""
        return peer.write(self._make_post(peer)).entry.id

    def take(self, peer: Peer, task_id: bytes) -> bool:
        """Let somebody take a seat of a task at its price; does it have it now?"""
        task = peer.market.contract.market.tasks.get(task_id)
        if task is None or not peer.can_write:
            return False
        accepted = peer.write(TaskAccept(task_id, task.price, task.capabilities))
        return accepted.verdict == APPLIED

    def press_on(self, seer: Peer, key: bytes) -> None:
        """Let those whom an assignment concerns do the next thing about it, as one of them sees it."""
        self._market = market = seer.market.contract.market
        row = market.assignments.get(key)
        if row is not None and not row.end:
            self._work(key, row)

    def list_concerned(self, seer: Peer, key: bytes) -> set[bytes]:
        """Return the accounts that have something to do about an assignment."""
        market = seer.market.contract.market
        row = market.assignments.get(key)
        if row is None:
            return set()
        task = get_task(market, get_seat(market, row.seat))
        judges = {task.evaluator or task.requester, *task.release.signers, *task.arbiters}
        return {row.provider, task.requester, *judges}

    def _vouch(self, peer: Peer) -> None:
        """The verifier gives its word for somebody, or takes one back."""
        verifier = self.scenario.founder
        words = get_rows(peer.market.contract.market.attestations, "account", peer.account)
        standing = [key for key, row in words if row.state == "STANDING"]
        if standing and self.random.random() < 0.4:
            verifier.write(AttestRevoke(standing[0]))
            return
        until_ms = self.scenario.wall_ms + self.random.choice((HOUR_MS, 300 * HOUR_MS))
        verifier.write(Attest(peer.account, "confidential", until_ms, "word"))

    def _touch(self, peer: Peer, task_id: bytes, task: TaskRow) -> Operation:
        if self.random.random() < 0.1:
            return TaskCancel(task_id)
        if peer.account == task.requester or self.random.random() < 0.05:
            return self._make_improvement(task_id, task)
        asks = (task.price, task.price_low, task.price_max, task.price + 1)
        return TaskAccept(task_id, self.random.choice(asks), task.capabilities)

    def _work(self, key: bytes, row: AssignmentRow) -> None:
        """Let whoever is mostly right, but not always, do what a seat may wait for."""
        market = self._market
        seat = get_seat(market, row.seat)
        task = get_task(market, seat)
        requester = self._find(task.requester)
        provider = self._find(row.provider)
        anybody = self.random.choice(self.people)
        sealed = (SealedKey(row.provider, bytes(80)),)
        is_open = task.privacy == "public" and task.mode == "split"
        result = make_payload("text/plain", self.random.randbytes(2))
        delivery = row.delivery or COMMITMENT
        share = self.random.choice(_SHARES)
        evidence = (self.random.randbytes(32),)
        wishes: dict[str, list[tuple[Peer, Operation]]] = {
            "RESERVED": [(provider, TaskDecline(key, "busy")), (requester, TaskCancel(seat.task))],
            "PENDING": [(provider, TaskDecline(key, "busy"))],
            "KEYWAIT": [
                (requester, TaskReveal(key, sealed)),
                (requester, TaskReveal(key, (SealedKey(COMMITMENT, bytes(80)),))),
                (provider, TaskDecline(key, "slow")),
            ],
            "ASSIGNED": [
                *[(provider, TaskStart(key))] * 4,
                (provider, TaskDecline(key, "busy")),
                (requester, AssignmentExtend(key, HOUR_MS)),
            ],
            "STARTED": [
                *[
                    (provider, TaskDeliver(key, result, None, ()))
                    if is_open
                    else (provider, TaskDeliver(key, result, COMMITMENT, sealed))
                ]
                * 4,
                (provider, TaskFail(key, "broke")),
                (provider, TaskProgress(key, share)),
                (provider, TaskDeliver(key, result, None, ())),
                (
                    requester,
                    AssignmentExtend(key, self.random.choice((HOUR_MS, 30 * 24 * HOUR_MS))),
                ),
            ],
            "DELIVERED": [
                *[(self._choose_judge(task, row), self._judge(delivery, task))] * 4,
                (requester, DisputeOpen(delivery, "garbage", "", evidence)),
                (provider, TaskApprove(delivery, True, ())),
            ],
            "HELD": [
                (provider, TaskApprove(delivery, True, ())),
                *[(provider, DisputeOpen(delivery, "unfair", "", ()))] * 4,
                (requester, TaskApprove(delivery, True, ())),
            ],
            "DISPUTED": [
                *[(self._choose_arbiter(delivery), DisputeRule(delivery, share))] * 4,
                (anybody, DisputeRule(delivery, share)),
                (self.random.choice((requester, provider)), DisputeEvidence(delivery, evidence)),
                (self.random.choice((requester, provider)), DisputeWithdraw(delivery)),
            ],
        }
        sharing = KeyShare(
            key,
            self.random.choice(("payload", "result")),
            (SealedKey(self.random.choice((anybody.id, COMMITMENT)), bytes(80)),),
        )
        if self.random.random() < 0.05:
            self.random.choice((requester, provider, anybody)).write(sharing)
            return
        both = [
            (self.random.choice((requester, provider, anybody)), AssignmentSettle(key, 300_000)),
            (self.random.choice((requester, provider)), AssignmentSettle(key, share)),
        ]
        if seat.state == "PENDING" and self.random.random() < 0.9:
            self.settle()
            return
        if seat.state == "DISPUTED" and self.random.random() < 0.4:
            self.settle(73 * HOUR_MS)
            return
        if seat.state == "HELD" and self.random.random() < 0.2:
            self.settle(25 * HOUR_MS)
            return
        usual = wishes.get(seat.state, both)
        peer, operation = self.random.choice(both if self.random.random() < 0.2 else usual)
        peer.write(operation)

    def _judge(self, delivery: bytes, task: TaskRow) -> TaskApprove:
        slugs = [metric.slug for metric in task.service.metrics]
        scores = tuple(
            Score(slug, self.random.choice((0, 400_000, 900_000)))
            for slug in slugs
            if self.random.random() < 0.8
        )
        wrong = (Score("never-asked", 5),) if self.random.random() < 0.05 else scores
        return TaskApprove(delivery, self.random.random() < 0.6, wrong)

    def _choose_judge(self, task: TaskRow, row: AssignmentRow) -> Peer:
        named = [*task.release.signers, task.evaluator or task.requester, row.provider]
        return self._find(self.random.choice(named))

    def _choose_arbiter(self, delivery: bytes) -> Peer:
        row = self._market.disputes.get(delivery)
        arbiters = row.arbiters if row is not None else ()
        return self._find(self.random.choice(arbiters)) if arbiters else self.people[0]

    def _find(self, account: bytes) -> Peer:
        found = (peer for peer in self.scenario.peers if peer.account == account)
        return next(found, self.people[0])

    def _make_improvement(self, task_id: bytes, task: TaskRow) -> TaskImprove:
        service = task.service
        more = self.random.choice((0, 0, 1, 5))
        return TaskImprove(
            task=task_id,
            price_low=task.price_low,
            price=task.price,
            price_max=task.price_max + more,
            bond=self.random.choice((task.bond, 0)),
            window_ms=task.window_ms + self.random.choice((0, HOUR_MS)),
            reputation_min=task.reputation_min,
            response_ms=service.response_ms + self.random.choice((0, MINUTE_MS)),
            execution_ms=service.execution_ms + self.random.choice((0, HOUR_MS, -1)),
            penalty=self.random.choice((service.penalty, service.penalty // 2)),
        )

    def _make_post(self, peer: Peer) -> TaskPost:
        pick = self.random.choice
        others = sorted(each.account for each in self.people if each is not peer)
        price = pick((10, 40, 100))
        privacy = pick(("public", "public", "public", "private", "confidential"))
        only = pick(((), (), tuple(others[:3])))
        copies = pick((1, 1, 1, 2))
        post = make_post(units=(1,) if copies > 1 else pick(((1,), (1, 2))), price=price)
        # For some of the list, now and then for somebody who is not on it.
        keyed = pick(((), only[:1], only, tuple(others[-1:]))) if only else ()
        seats = tuple(self._seal(shard, keyed) for shard in post.seats)
        judges: dict[str, Any] = pick(
            (
                {},
                {"evaluator": others[0]},
                {"evaluator": others[1]},
                {"release": Release("both", (), 2, 0)},
                {"release": Release("quorum", tuple(others[:2]), pick((1, 2)), 0)},
                {"release": Release("quorum", tuple(others[:3]), 2, 0), "evaluator": others[1]},
                {"release": Release("requester", (), 1, HOUR_MS)},
            )
        )
        panel = pick(((), tuple(others[-1:]), tuple(others[-2:])))
        metrics = pick(((), (Metric("a", 500_000),), (Metric("a", 500_000), Metric("b", 1))))
        return replace(
            post,
            mode="split" if copies == 1 else "replicate",
            copies=copies,
            privacy=privacy,
            verifier=self.scenario.founder.account if privacy == "confidential" else None,
            seats=post.seats if privacy == "public" else seats,
            auction=pick(("first-accept", "dutch")),
            price_low=pick((price, price // 2)),
            price_max=pick((price, 2 * price)),
            bond=pick((0, price // 2)),
            providers_min=pick((1, copies, len(post.seats) * copies)),
            priority_ms=pick((0, 0, SECOND_MS)),
            capabilities=pick(((), ("rust",))),
            only=only,
            exclude=pick(((), tuple(others[:1]))),
            service=ServiceLevel(
                MINUTE_MS, pick((MINUTE_MS, HOUR_MS)), pick((0, 500_000)), pick((0, 9)), metrics
            ),
            reveal_ms=HOUR_MS,
            review_ms=24 * HOUR_MS,
            arbiters=panel,
            quorum=pick((1, len(panel))) if panel else 0,
            **judges,
        )

    def _seal(self, shard: Shard, keyed: tuple[bytes, ...]) -> Shard:
        keys = tuple(SealedKey(device, bytes(80)) for device in keyed)
        return replace(shard, commitment=COMMITMENT, keys=keys)


class Judged(Judging):
    """One such market, driven by one random source, where everybody hears of everything at once."""

    def __init__(self, seed: int) -> None:
        scenario = Scenario(fund=10_000, fee_ppm=seed % 3 * 40_000, verifiers=(make_key(1).public,))
        people = [scenario.add(1_000) for _ in range(5)]
        super().__init__(scenario, people, Random(seed))
        for peer in self.people[1:]:
            self._vouch(peer)

    def run(self, length: int) -> None:
        """Play so many acts; everybody knows everything in the end."""
        for _ in range(length):
            self.act()
            self.scenario.sync()
            if self.random.random() < 0.25:
                self.scenario.settle(self.random.choice(_WAITS_MS))
        self.scenario.settle()
