"""What must hold between a market and everything else that can be computed from its document.

The second ledger reads the document alone; a replay starts from nothing, in one go, and asks for
every invariant after every entry, every deadline and every epoch.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec

from synaptic_crdt.node.node import Market
from synaptic_crdt.rules.contract import MarketContract
from synaptic_crdt.rules.invariants import check_market
from synaptic_crdt.rules.limits import DAY_MS, HOUR_MS
from synaptic_crdt.rules.market import Market as Inside
from synaptic_crdt.rules.market import get_rows
from synaptic_crdt.rules.prices import get_candles
from synaptic_crdt.rules.reputation import Side, get_score
from synaptic_crdt.rules.rows import ConsentRow, ParametersRow
from synaptic_crdt.rules.verdicts import Verdict
from synaptic_crdt.state.contract import Timers
from synaptic_crdt.state.feeds import seal_bodies
from synaptic_crdt.state.held import Feed
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.statements import encode_statement
from synaptic_crdt.state.tables import Tables
from synaptic_crdt.sync.gate import KeepNothing
from tests.ledger.document import Closing
from tests.ledger.ledger import Ledger
from tests.ledger.money import TREASURY
from tests.ledger.scores import Trade
from tests.simulation.scenario import Peer


class CheckedContract(MarketContract):
    """The contract, with every invariant asked after everything it does."""

    def apply(
        self, now: int, device: bytes, position: int, entry_id: bytes, operation: object
    ) -> int:
        verdict = super().apply(now, device, position, entry_id, operation)
        check_market(self.market)
        return verdict

    def fire(self, now: int, subject: bytes) -> None:
        super().fire(now, subject)
        check_market(self.market)

    def close_epoch(self, now: int, epoch: int) -> dict[bytes, bytes]:
        ended = super().close_epoch(now, epoch)
        check_market(self.market)
        return ended


class CheckedMarket(Market):
    """A market that is folded with the invariants asked all the time."""

    def _make_contract(self, tables: Tables, timers: Timers) -> MarketContract:
        self._contract = CheckedContract(self.genesis, self.id, tables, timers)
        return self._contract


def replay(peer: Peer) -> Market:
    """Fold everything a peer holds from nothing, statements last."""
    fresh = CheckedMarket(peer.market.genesis_bytes)
    gate = fresh.make_gate(KeepNothing())
    for feed in peer.replica.feeds.values():
        while (
            piece := feed.get_piece(fresh.replica.get_feed(feed.device).position + 1)
        ) is not None:
            gate.admit_piece(piece)
    gate.admit_statements([encode_statement(each) for each in _get_counted(peer.market)])
    return fresh


def replay_all(peer: Peer) -> Market:
    """Fold everything a peer holds from nothing, with every statement, invariants at the end."""
    fresh = Market(peer.market.genesis_bytes)
    gate = fresh.make_gate(KeepNothing())
    for feed in peer.replica.feeds.values():
        while (
            piece := feed.get_piece(fresh.replica.get_feed(feed.device).position + 1)
        ) is not None:
            gate.admit_piece(piece)
    gate.admit_statements(list(peer.replica.get_statements()))
    check_market(fresh.contract.market)
    return fresh


def replay_prefix(peer: Peer, epoch: int, keys: dict[bytes, DeviceKey]) -> Market:
    """Fold what counted checkpoints up to ``epoch`` include, as if nothing else existed."""
    fresh = Market(peer.market.genesis_bytes)
    gate = fresh.make_gate(KeepNothing())
    included = dict[bytes, int]()
    for checkpoint in _get_counted(peer.market)[:epoch]:
        included |= {item.device: item.position for item in checkpoint.frontier}
    for device, feed in peer.replica.feeds.items():
        if device in included:
            bodies = [entry.body for entry in feed.entries[: included[device]]]
            empty = Feed(fresh.id, device).tip
            gate.admit_pieces(seal_bodies(fresh.id, keys[device], empty, bodies))
    gate.admit_statements([encode_statement(each) for each in _get_counted(peer.market)[:epoch]])
    return fresh


def read_ledger(market: Market, epochs: int | None = None) -> Ledger:
    """Give the document of a market to the second ledger; only some epochs of it if told so."""
    feeds = {
        device: [entry.body for entry in feed.entries[: _get_end(market, device)]]
        for device, feed in market.replica.feeds.items()
    }
    closings = get_closings(market)
    if epochs is not None:
        closings = closings[:epochs]
        included = {key: place for _, positions in closings for key, place in positions.items()}
        feeds = {device: bodies[: included.get(device, 0)] for device, bodies in feeds.items()}
    return Ledger(market.genesis_bytes, feeds, closings)


def _get_end(market: Market, device: bytes) -> int:
    """Return up to where a feed takes part: not beyond a fork, nor on another branch than fixed."""
    position = market.replica.get_feed(device).position
    limit = market.replica.branches.get_limit(device)
    return position if limit is None else min(position, limit)


def get_closings(market: Market) -> list[Closing]:
    """Return (time, positions) of the checkpoints that took effect."""
    return [
        (checkpoint.time, {item.device: item.position for item in checkpoint.frontier})
        for checkpoint in _get_counted(market)
    ]


def get_settled_balances(market: Market) -> dict[bytes, int]:
    """Return what each account could spend when the last epoch was closed, zeros left out."""
    inside = market.contract.market
    balances: dict[bytes, int] = {}
    for account, _ in get_rows(inside.accounts, "number"):
        row = inside.tables.get_settled(inside.balances, account)
        if row is not None and row.available:
            balances[account] = row.available
    return balances


def find_differences(market: Market) -> list[str]:
    """Say where the second ledger sees a market otherwise than the contract does."""
    ledger = read_ledger(market)
    inside = market.contract.market
    found = dict(_describe_contract(market))
    expected = {
        "now": ledger.now,
        "treasury": ledger.money.free[TREASURY],
        "balances": {key: free for key, free in ledger.money.free.items() if key != TREASURY},
        "holds": ledger.money.holds,
        "seats": ledger.get_seats(),
        "devices": dict(_describe_devices(ledger)),
        "additions": set(ledger.devices.added),
        "invitations": {key: each.state for key, each in ledger.invitations.items()},
        "names": ledger.names,
        "parameters": (ledger.parameters.figures, ledger.parameters.supply),
        "changes": sorted(ledger.parameters.get_deadlines()),
        "consents": ledger.members.consents,
        "words": {key: word.state for key, word in ledger.members.words.items()},
        "owed": {account: ledger.work.count_owed(account) for account in ledger.roles},
        "deadline": next(iter(ledger.get_deadlines()), None),
        "scores": {
            (account, side): ledger.scores.get_score(account, side, ledger.now)
            for account in ledger.roles
            for side in ("provider", "requester")
        },
        "figures": ledger.scores.count_ends(),
        "ratings": ledger.scores.ratings,
        "trades": ledger.scores.get_recent(ledger.now),
        "candles": ledger.scores.draw_candles(ledger.now),
        "offers": {
            key: (each.state, each.rest, each.left, each.turn)
            for key, each in ledger.offers.offers.items()
        },
        "matches": {key: offer.id for key, (offer, _) in ledger.offers.taken.items()},
        "shares": {
            each.id: each.shared
            for task in ledger.work.tasks.values()
            for each in task.assignments
            if each.shared
        },
        "presence": Counter(account for account, _ in ledger.work.shown),
        "verdicts": list(ledger.verdicts.items()),
    }
    if inside.get_money().held != sum(amount for _, amount in ledger.money.holds.values()):
        return ["the sum of all holds"]
    return [
        f"{name}: {found[name]} instead of {value}"
        for name, value in expected.items()
        if found[name] != value
    ]


def _describe_devices(ledger: Ledger) -> Iterator[tuple[bytes, tuple[bytes, str]]]:
    for device, account in ledger.devices.accounts.items():
        if device in ledger.devices.closed:
            yield device, (account, "CLOSED")
        elif device in ledger.devices.revoked:
            yield device, (account, "REVOKED")
        else:
            yield device, (account, "ACTIVE")


def _describe_contract(market: Market) -> Iterator[tuple[str, Any]]:
    machine, inside = market.replica.machine, market.contract.market
    accounts = [account for account, _ in get_rows(inside.accounts, "number")]
    seats = (
        (task_id + bytes((number,)), inside.seats.get(task_id + bytes((number,))))
        for task_id, task in get_rows(inside.tasks, "number")
        for number in range(task.seats)
    )
    yield "now", machine.now
    yield "treasury", inside.get_money().treasury
    yield "balances", {account: inside.get_available(account) for account in accounts}
    yield "holds", {key: (row.payer, row.amount) for key, row in get_rows(inside.holds, "payer")}
    yield (
        "seats",
        {
            key: (
                seat.state,
                seat.end,
                b"" if seat.state in ("SETTLED", "CLOSED") else seat.assignment,
            )
            for key, seat in seats
            if seat is not None
        },
    )
    yield (
        "devices",
        {
            key: (row.account, row.state)
            for account in accounts
            for key, row in get_rows(inside.devices, "account", account)
        },
    )
    yield (
        "additions",
        {key for each in accounts for key, _ in get_rows(inside.additions, "account", each)},
    )
    yield "invitations", {key: row.state for key, row in get_rows(inside.invitations, "number")}
    yield "names", {key: row.name for key, row in get_rows(inside.accounts, "number")}
    yield "parameters", _describe_parameters(inside.get_parameters())
    yield "changes", [(row.due_ms, key) for key, row in get_rows(inside.changes, "due")]
    said = ((account, inside.consents.get(account)) for account in accounts)
    yield "consents", {key: _describe_consent(row) for key, row in said if row is not None}
    yield (
        "words",
        {
            key: row.state
            for account in accounts
            for key, row in get_rows(inside.attestations, "account", account)
        },
    )
    yield (
        "offers",
        {
            key: (row.state, row.rest, row.left, row.turn)
            for key, row in get_rows(inside.offers, "number")
        },
    )
    rows = get_rows(inside.assignments, "seat")
    yield "matches", {key: row.offer for key, row in rows if row.offer}
    shares: dict[bytes, list[tuple[bytes, str]]] = {}
    for _, row in get_rows(inside.key_shares, "assignment"):
        shares.setdefault(row.assignment, []).append((row.account, row.content))
    yield "shares", shares
    seen = ((account, inside.presence.get(account)) for account in accounts)
    yield "presence", {account: row.count for account, row in seen if row is not None}
    yield "owed", {account: inside.get_provider(account).owed for account in accounts}
    yield "deadline", market.contract.market.timers.next_due()
    yield from _describe_past(inside, accounts, machine.now)
    outcomes = [*machine.get_settled(), *machine.get_tail()]
    yield "verdicts", [(each.entry.id, Verdict(each.verdict).name) for each in outcomes]


def _describe_past(inside: Inside, accounts: list[bytes], now: int) -> Iterator[tuple[str, Any]]:
    sides: tuple[Side, ...] = ("provider", "requester")
    # Also of kinds that the council has taken away since.
    kinds = sorted({kind for (kind, _), _ in inside.candles.index("kind").ascend()})
    names = [(key, side) for key, _ in get_rows(inside.assignments, "provider") for side in sides]
    yield (
        "scores",
        {
            (account, side): get_score(inside, account, side, now)
            for account in accounts
            for side in sides
        },
    )
    yield (
        "figures",
        {key: (row.settled, row.failed) for key, row in get_rows(inside.figures, "provider")},
    )
    yield (
        "ratings",
        {name: row.rating for name in names if (row := inside.ratings.get(name)) is not None},
    )
    yield (
        "trades",
        {
            Trade(key, row.kind, row.time_ms, row.ask, row.units, frozenset(row.groups))
            for key, row in get_rows(inside.trades, "time")
            if now - row.time_ms < DAY_MS
        },
    )
    yield (
        "candles",
        {
            (kind, time_ms // HOUR_MS): list(msgspec.structs.astuple(candle))
            for kind in kinds
            for time_ms, candle in get_candles(inside, kind, now)
        },
    )


def _describe_parameters(row: ParametersRow) -> tuple[dict[str, Any], int]:
    return {
        "terms": row.terms,
        "kinds": [[kind.slug, kind.unit] for kind in row.kinds],
        "fee_ppm": row.fee_ppm,
        "arbiters": [list(row.arbiters), row.quorum],
        "verifiers": list(row.verifiers),
        "rules": row.rules,
    }, row.supply


def _describe_consent(row: ConsentRow) -> list[Any]:
    kinds = None if row.kinds is None else list(row.kinds)
    caps = [row.tasks_per_day, row.units_per_task, row.open_assignments, kinds]
    return [row.terms, caps, row.requester_min, list(row.blocked)]


def _get_counted(market: Market) -> list[Any]:
    return [market.replica.chain.get(index + 1) for index in range(market.replica.machine.epoch)]
