"""Scores, figures and trades against the second ledger, which keeps the whole past and adds it up."""

from typing import Any, Final

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from synaptic_crdt.rules import reputation
from synaptic_crdt.rules.invariants import check_market
from synaptic_crdt.rules.limits import DAY_MS, HOUR_MS, MILLION
from synaptic_crdt.rules.market import get_rows
from synaptic_crdt.rules.prices import get_candles, get_trades, note_trade
from synaptic_crdt.rules.reputation import Settled
from tests.ledger.scores import Scores
from tests.rules.conftest import Stage, compute_id

NAMES: Final = ("founder", "ana", "a1", "bea")
KINDS: Final = ("text.answer", "code.review")
WORDS: Final = ("settle",) * 6 + ("FAILED", "ABANDONED", "decline", "withhold", "fork")
HAPPENINGS: Final = st.lists(
    st.fixed_dictionaries(
        {
            "wait_ms": st.sampled_from([0, 1, HOUR_MS, DAY_MS - 1, 5 * DAY_MS, 30 * DAY_MS]),
            "what": st.sampled_from(WORDS),
            "provider": st.sampled_from(NAMES),
            "requester": st.sampled_from(NAMES),
            "kind": st.sampled_from(KINDS),
            "ask": st.integers(1, 12),
            "share": st.sampled_from([0, 250_000, 250_001, 499_999, 500_000, 750_000, MILLION]),
            "faults": st.integers(0, 6),
            "is_early": st.booleans(),
            "ruling": st.sampled_from(["", "", "", "ruled", "silent", "withdrawn"]),
        }
    ),
    max_size=25,
)


class Twins:
    """The contract's scores and the ledger's, told the same."""

    def __init__(self) -> None:
        self.stage: Final = Stage()
        for name in ("ana", "bea"):
            self.stage.join(name)
        invitation = self.stage.make_invite("a1")
        self.stage.did("ana", invitation)
        self.stage.did("a1", self.stage.ticket(invitation, "ana", "a1"))
        key = self.stage.key
        self.ledger: Final = Scores(key("founder"), is_open=False, floor=10)
        self.ledger.inviters.update(
            {key("ana"): key("founder"), key("bea"): key("founder"), key("a1"): key("ana")}
        )
        self.count = 0

    def tell(self, said: dict[str, Any]) -> None:
        self.stage.now += said["wait_ms"]
        market, now = self.stage.market, self.stage.now
        provider, requester = self.stage.key(said["provider"]), self.stage.key(said["requester"])
        match said["what"]:
            case "settle":
                self._settle(provider, requester, said)
            case "FAILED":
                reputation.note_failed(market, provider, said["kind"], now)
                self.ledger.lose(provider, said["kind"], "FAILED", now)
            case "ABANDONED":
                reputation.note_abandoned(market, provider, said["kind"], now)
                self.ledger.lose(provider, said["kind"], "ABANDONED", now)
            case "decline":
                reputation.note_declined(market, provider, now)
                self.ledger.decline(provider, now)
            case "withhold":
                reputation.note_key_withheld(market, requester, now)
                self.ledger.withhold(requester, now)
            case _:
                reputation.note_fork(market, provider, now)
                self.ledger.fork(provider, now)

    def _settle(self, provider: bytes, requester: bytes, said: dict[str, Any]) -> None:
        market, now, kind, ask = self.stage.market, self.stage.now, said["kind"], said["ask"]
        self.count += 1
        settled = Settled(
            provider=provider,
            requester=requester,
            kind=kind,
            price=ask * 2,
            share_ppm=said["share"],
            is_early=said["is_early"],
            violations=said["faults"],
            is_ruled=said["ruling"] == "ruled",
            has_gains=said["ruling"] != "silent",
        )
        reputation.note_settled(market, settled, now)
        parties = (provider, requester)
        if said["share"] == MILLION and not said["ruling"]:
            name = compute_id(self.count)
            note_trade(market, name, kind=kind, ask=ask, units=2, parties=parties, now=now)
        self.ledger.settle(
            compute_id(self.count),
            parties,
            (kind, ask, 2),
            share=said["share"],
            is_early=said["is_early"],
            faults=said["faults"],
            now=now,
            ruling=said["ruling"],
        )


@given(happenings=HAPPENINGS)
def test_whatever_happens_the_second_ledger_says_the_same(happenings: list[Any]) -> None:
    twins = Twins()
    market, ledger = twins.stage.market, twins.ledger
    for said in happenings:
        twins.tell(said)
        check_market(market)
        now = twins.stage.now
        for name in NAMES:
            account = twins.stage.key(name)
            provider = reputation.get_score(market, account, "provider", now)
            requester = reputation.get_score(market, account, "requester", now)
            assert provider == ledger.get_score(account, "provider", now)
            assert requester == ledger.get_score(account, "requester", now)
    now = twins.stage.now
    figures = {key: (row.settled, row.failed) for key, row in get_rows(market.figures, "provider")}
    assert figures == ledger.count_ends()
    trades = {
        (kind, row.time_ms, row.ask, frozenset(row.groups))
        for kind in KINDS
        for row in get_trades(market, kind, now)
    }
    assert trades == {(t.kind, t.time, t.ask, t.pair) for t in ledger.get_recent(now)}
    candles = {
        (kind, time_ms // HOUR_MS): list(msgspec.structs.astuple(candle))
        for kind in KINDS
        for time_ms, candle in get_candles(market, kind, now)
    }
    assert candles == ledger.draw_candles(now)
