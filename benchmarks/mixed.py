"""A history of the whole contract to measure with: people post, work, are paid, argue, rate.

A round is one slot of presence. In it every account asks another one for work, and the other asks
a third; each piece of work takes a path of the table below. Everything is written by the devices
concerned, entry after entry, so that the feeds interleave in the order as they would in life.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from benchmarks.histories import make_key
from synaptic_crdt.node.node import Node
from synaptic_crdt.rules.consents import make_consent
from synaptic_crdt.rules.limits import DAY_MS, HOUR_MS, MINUTE_MS
from synaptic_crdt.rules.matching import compute_assignment_id
from synaptic_crdt.rules.offer_operations import OfferPost, OfferRenew, OfferTerms, Presence
from synaptic_crdt.rules.operations import (
    AccountOpen,
    Feedback,
    Operation,
    TokenTransfer,
    encode_operation,
    get_tag,
)
from synaptic_crdt.rules.task_form import make_payload
from synaptic_crdt.rules.task_operations import (
    DisputeEvidence,
    DisputeOpen,
    DisputeRule,
    Metric,
    Release,
    Score,
    ServiceLevel,
    Shard,
    TaskAccept,
    TaskApprove,
    TaskCancel,
    TaskDecline,
    TaskDeliver,
    TaskFail,
    TaskPost,
    TaskProgress,
    TaskStart,
)
from synaptic_crdt.state.clock import pack_timestamp
from synaptic_crdt.state.feeds import Piece, Tip, compute_origin, encode_body, seal_bodies
from synaptic_crdt.state.hashes import compute_body_hash, compute_entry_id
from synaptic_crdt.state.keys import DeviceKey

ACCOUNTS: Final = 20
_FUNDS: Final = 40_000
_STEP_MS: Final = 1_000
_SLOT_MS: Final = 5 * MINUTE_MS
_ASKED: Final = make_payload("text/plain", b"Which of these sentences has no verb? " * 8)
_ANSWER: Final = make_payload("text/plain", b"The third one, and the sixth. " * 10)
_BOOKED_KIND: Final = "code.review"
_KIND: Final = "text.answer"

# Of twenty pieces of work: how many take which path.
_PATHS: Final[tuple[str, ...]] = (
    *("approve",) * 9,
    *("match",) * 4,
    *("review",) * 2,
    *("dispute",) * 2,
    "decline",
    "fail",
    "cancel",
)


class _Feed:
    """What one device writes, and the id of its newest entry."""

    def __init__(self, market: bytes, key: DeviceKey, tip: Tip | None = None) -> None:
        self.key: Final = key
        self.tip: Final = tip or Tip(key.public, 0, compute_origin(market, key.public), -1)
        self.bodies: Final[list[bytes]] = []
        self.head = self.tip.head

    @property
    def account(self) -> bytes:
        """The account, named by its first device."""
        return self.key.public

    def write(self, timestamp: int, operation: Operation) -> bytes:
        """Append an entry; return its id."""
        body = encode_body(timestamp, encode_operation(operation))
        self.bodies.append(body)
        self.head = compute_entry_id(self.head, compute_body_hash(body))
        return self.head


class Mixed(msgspec.Struct, frozen=True):
    """A written history: sealed pieces, in an order to admit them, and its entries by tag."""

    pieces: tuple[Piece, ...]
    counts: Mapping[str, int]


def make_mixed(node: Node, entries: int) -> Mixed:
    """Return about so many entries of a new sandbox whose founder's node this is."""
    return _History(node).write(entries)


def print_shares(counts: Mapping[str, int]) -> None:
    """Print which operations a history consists of."""
    entries = sum(counts.values())
    print(f"\nthe mix, by {ACCOUNTS} accounts, in percent of {entries:,} entries")
    shares = [f"{tag} {100 * count / entries:.1f}" for tag, count in counts.items()]
    for start in range(0, len(shares), 4):
        print("  " + ", ".join(shares[start : start + 4]))


class _History:
    def __init__(self, node: Node) -> None:
        self._market: Final = node.market.id
        tip = node.replica.get_feed(node.key.public).tip
        self._founder: Final = _Feed(self._market, node.key, tip)
        self._people: Final = [
            _Feed(self._market, make_key(number)) for number in range(1, ACCOUNTS + 1)
        ]
        self._terms: Final = node.market.genesis.terms
        self._now_ms = node.get_wall_ms() + MINUTE_MS
        self._counts: Final[Counter[str]] = Counter()
        self._offers: Final[dict[bytes, bytes]] = {}
        self._works = 0

    def write(self, entries: int) -> Mixed:
        self._begin()
        number = 0
        while self._counts.total() < entries:
            self._write_round(number)
            number += 1
        pieces = [
            piece
            for feed in (self._founder, *self._people)
            for piece in seal_bodies(self._market, feed.key, feed.tip, feed.bodies)
        ]
        return Mixed(tuple(pieces), dict(self._counts.most_common()))

    def _add(self, feed: _Feed, operation: Operation) -> bytes:
        self._now_ms += _STEP_MS
        self._counts[get_tag(operation)] += 1
        return feed.write(pack_timestamp(self._now_ms), operation)

    def _begin(self) -> None:
        for feed in self._people:
            exchange = feed.key.get_exchange_public()
            self._add(feed, AccountOpen("bench", exchange, None, None, None))
            self._add(feed, make_consent(self._terms))
            self._add(self._founder, TokenTransfer(feed.account, _FUNDS, b"", "to begin with"))
        for place, feed in enumerate(self._people):
            # Every second one waits for work, each for more than the one before.
            if place % 2:
                self._offers[feed.account] = self._add(feed, self._make_offer(10 + place))

    def _write_round(self, number: int) -> None:
        """Let everybody be there, and ask somebody for work, half of them at a time."""
        self._now_ms += _SLOT_MS - self._now_ms % _SLOT_MS
        for feed in self._people:
            if feed.account in self._offers:
                self._add(feed, Presence())
        half, distance = ACCOUNTS // 2, 1 + number % (ACCOUNTS - 1)
        for start in (0, half):
            works = [
                self._work(self._people[place], self._people[(place + distance) % ACCOUNTS])
                for place in range(start, start + half)
            ]
            # One step of each in turn: work goes on side by side.
            while works:
                works = [work for work in works if next(work, False)]
        self._renew(number)

    def _renew(self, number: int) -> None:
        """Let one more provider offer again what was taken of its offer."""
        place = 2 * number % ACCOUNTS + 1
        feed = self._people[place]
        expiry_ms = self._now_ms + 20 * DAY_MS
        self._add(feed, OfferRenew(self._offers[feed.account], 1_000, 10 + place, expiry_ms))

    def _work(self, requester: _Feed, provider: _Feed) -> Iterator[bool]:
        """Take a piece of work along its path; yield after each entry."""
        path = _PATHS[self._works % len(_PATHS)]
        self._works += 1
        for _ in range(2):
            self._add(requester, TokenTransfer(provider.account, 5, b"", "thanks for the help"))
            yield True
        is_booked = path == "match"
        task = self._add(requester, _make_task(_BOOKED_KIND if is_booked else _KIND))
        yield True
        if path == "cancel":
            self._add(requester, TaskCancel(task))
            return
        if is_booked:
            # The cheapest offer of somebody else's stands first.
            place = 3 if self._people[1] is requester else 1
            provider = self._people[place]
            assignment = compute_assignment_id(task, self._offers[provider.account], 0, 0)
        else:
            assignment = self._add(provider, TaskAccept(task, 10, ("english",)))
            yield True
        if path == "decline":
            self._add(provider, TaskDecline(assignment, "busy"))
            return
        self._add(provider, TaskStart(assignment))
        yield True
        self._add(provider, TaskProgress(assignment, 500_000))
        yield True
        if path == "fail":
            self._add(provider, TaskFail(assignment, "refused"))
            return
        delivery = self._add(provider, TaskDeliver(assignment, _ANSWER, None, ()))
        yield True
        if path == "dispute":
            yield from self._dispute(requester, provider, delivery)
        elif path != "review":
            scores = (Score("accuracy", 950_000),)
            self._add(requester, TaskApprove(delivery, True, scores))
            yield True
        if path in {"approve", "dispute"}:
            self._add(requester, Feedback(assignment, 5, "quick and right"))
            yield True
            self._add(provider, Feedback(assignment, 4, ""))
            yield True

    def _dispute(self, requester: _Feed, provider: _Feed, delivery: bytes) -> Iterator[bool]:
        statement = "The answer names a sentence that has a verb, see the attached analysis."
        self._add(requester, DisputeOpen(delivery, "wrong", statement, (bytes(32),)))
        yield True
        self._add(provider, DisputeEvidence(delivery, (bytes(32),)))
        yield True
        self._add(self._founder, DisputeRule(delivery, 600_000))
        yield True

    def _make_offer(self, ask: int) -> OfferPost:
        return OfferPost(
            kind=_BOOKED_KIND,
            capabilities=("english",),
            units=1_000,
            ask=ask,
            expiry_ms=self._now_ms + 20 * DAY_MS,
            is_standing=True,
            terms=OfferTerms(
                response_ms=MINUTE_MS,
                execution_ms=MINUTE_MS,
                uptime_ppm=1_000_000,
                penalty=100,
                bond=100,
                privacies=("public",),
                requester_min=-1_000,
                arbiters=(),
                evaluators=(),
                signers=(),
            ),
        )


def _make_task(kind: str) -> TaskPost:
    return TaskPost(
        kind=kind,
        title="Sentences without a verb",
        criteria="Name all of them, by their number, and nothing else.",
        after=(),
        mode="split",
        copies=1,
        seats=(Shard(2, _ASKED, None, ()),),
        privacy="public",
        verifier=None,
        asset=0,
        auction="first-accept",
        price_low=40,
        price=40,
        price_max=40,
        bond=5,
        providers_min=1,
        window_ms=15 * MINUTE_MS,
        priority_ms=0,
        capabilities=("english",),
        reputation_min=-1_000,
        only=(),
        exclude=(),
        redispatch=1,
        service=ServiceLevel(HOUR_MS, HOUR_MS, 0, 4, (Metric("accuracy", 900_000),)),
        release=Release("requester", (), 1, 0),
        evaluator=None,
        reveal_ms=HOUR_MS,
        review_ms=HOUR_MS,
        arbiters=(),
        quorum=0,
    )
