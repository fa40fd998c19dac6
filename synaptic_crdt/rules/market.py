"""The market as the rules see it: its genesis, its tables, and the one act in hand."""

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final, TypeVar

import msgspec

from synaptic_crdt.rules.genesis import Genesis
from synaptic_crdt.rules.limits import DAY_MS, FORGOTTEN, SCORE_MAX
from synaptic_crdt.rules.offer_rows import OfferRow, TurnRow, is_booked
from synaptic_crdt.rules.rows import (
    AccountRow,
    AdditionRow,
    AssignmentRow,
    AttestationRow,
    BalanceRow,
    ChangeRow,
    ConsentRow,
    DeliveryRow,
    DeviceRow,
    DisputeRow,
    ForkRow,
    HoldRow,
    InvitationRow,
    MoneyRow,
    ParametersRow,
    PresenceRow,
    ProposalRow,
    ProviderRow,
    ReviewRow,
    SeatRow,
    ShareRow,
    SharesRow,
    TaskRow,
    TodayRow,
)
from synaptic_crdt.rules.score_rows import (
    CandleRow,
    FigureRow,
    MeetingRow,
    RatingRow,
    ScoreRow,
    TradeRow,
)
from synaptic_crdt.state.contract import Timers
from synaptic_crdt.state.limits import HASH_BYTES
from synaptic_crdt.state.tables import Record, Table, Tables

# The key of a table with one row, and the payer of what the treasury holds.
ONLY: Final = b""
TREASURY: Final = b""


R = TypeVar("R", bound=Record)

_NO_CONSENT: Final = ConsentRow(
    terms=None,
    tasks_per_day=None,
    units_per_task=None,
    open_assignments=None,
    kinds=None,
    requester_min=-SCORE_MAX,
    blocked=(),
)


class Act(msgspec.Struct, frozen=True, gc=False):
    """Who acts, with which entry, at which effective time in ms."""

    now: int
    account: bytes
    device: bytes
    position: int
    entry: bytes


class Market:
    """All tables of the contract, declared once, and the initial rows: all money in the treasury."""

    __slots__ = (
        "accounts",
        "additions",
        "assignments",
        "attestations",
        "balances",
        "candles",
        "changes",
        "consents",
        "deliveries",
        "devices",
        "disputes",
        "figures",
        "forks",
        "genesis",
        "holds",
        "id",
        "invitations",
        "key_shares",
        "meetings",
        "money",
        "offers",
        "parameters",
        "presence",
        "proposals",
        "providers",
        "ratings",
        "reviews",
        "scores",
        "seats",
        "shares",
        "tables",
        "tasks",
        "timers",
        "today",
        "trades",
        "turns",
    )

    def __init__(self, genesis: Genesis, market: bytes, tables: Tables, timers: Timers) -> None:
        self.genesis: Final = genesis
        self.id: Final = market
        self.tables: Final = tables
        self.timers: Final = timers
        self.accounts: Final[Table[AccountRow]] = tables.declare(
            "accounts", AccountRow, fixed={"number": lambda _, row: (row.number,)}
        )
        self.devices: Final[Table[DeviceRow]] = tables.declare(
            "devices",
            DeviceRow,
            {
                "active": lambda _, row: (row.account,) if row.state == "ACTIVE" else None,
                "revoked": lambda _, row: () if row.state == "REVOKED" else None,
            },
            fixed={"account": lambda _, row: (row.account, row.number)},
        )
        # By device and position, 8 bytes.
        self.key_shares: Final[Table[ShareRow]] = tables.declare(
            "key shares",
            ShareRow,
            fixed={"assignment": lambda _, row: (row.assignment, row.number)},
        )
        self.forks: Final[Table[ForkRow]] = tables.declare("forks", ForkRow)
        self.additions: Final[Table[AdditionRow]] = tables.declare(
            "additions", AdditionRow, fixed={"account": lambda key, _: (key[0],)}
        )
        self.balances: Final[Table[BalanceRow]] = tables.declare("balances", BalanceRow)
        self.money: Final[Table[MoneyRow]] = tables.declare("money", MoneyRow)
        self.today: Final[Table[TodayRow]] = tables.declare("today", TodayRow)
        self.holds: Final[Table[HoldRow]] = tables.declare(
            "holds", HoldRow, fixed={"payer": lambda _, row: (row.payer,)}
        )
        # By the inviter's account and the one-time key, see ``invitations``.
        self.invitations: Final[Table[InvitationRow]] = tables.declare(
            "invitations",
            InvitationRow,
            fixed={
                "number": lambda _, row: (row.number,),
                "one-time": lambda key, _: (key[HASH_BYTES:],),
            },
        )
        # By the parameter's name.
        self.changes: Final[Table[ChangeRow]] = tables.declare(
            "changes", ChangeRow, {"due": lambda key, row: (row.due_ms, key)}
        )
        self.attestations: Final[Table[AttestationRow]] = tables.declare(
            "attestations",
            AttestationRow,
            {
                "standing": lambda _, row: (
                    (row.account, row.claim, row.verifier) if row.state == "STANDING" else None
                ),
            },
            fixed={"account": lambda _, row: (row.account, row.number)},
        )
        self.consents: Final[Table[ConsentRow]] = tables.declare("consents", ConsentRow)
        self.proposals: Final[Table[ProposalRow]] = tables.declare("proposals", ProposalRow)
        self.providers: Final[Table[ProviderRow]] = tables.declare("providers", ProviderRow)
        self.tasks: Final[Table[TaskRow]] = tables.declare(
            "tasks", TaskRow, fixed={"number": lambda _, row: (row.number,)}
        )
        self.seats: Final[Table[SeatRow]] = tables.declare(
            "seats",
            SeatRow,
            {
                "pending": lambda _, row: () if row.state == "PENDING" else None,
                "book": lambda _, row: row.place if row.state == "OPEN" else None,
            },
        )
        self.assignments: Final[Table[AssignmentRow]] = tables.declare(
            "assignments",
            AssignmentRow,
            {
                # Begun work that asks for presence, while it lasts.
                "watched": lambda _, row: (
                    (row.provider,)
                    if row.present and not row.delivered_ms and not row.end
                    else None
                ),
            },
            fixed={
                "seat": lambda _, row: (row.seat, row.number),
                "provider": lambda _, row: (row.provider, row.number),
            },
        )
        self.deliveries: Final[Table[DeliveryRow]] = tables.declare("deliveries", DeliveryRow)
        self.reviews: Final[Table[ReviewRow]] = tables.declare("reviews", ReviewRow)
        self.shares: Final[Table[SharesRow]] = tables.declare("shares", SharesRow)
        self.disputes: Final[Table[DisputeRow]] = tables.declare(
            "disputes", DisputeRow, fixed={"number": lambda _, row: (row.number,)}
        )
        self.presence: Final[Table[PresenceRow]] = tables.declare("presence", PresenceRow)
        self.offers: Final[Table[OfferRow]] = tables.declare(
            "offers",
            OfferRow,
            {
                # Those that are open.
                "account": lambda _, row: (
                    (row.account, row.number) if row.state == "OPEN" else None
                ),
                "kind": lambda _, row: (
                    (row.kind, row.ask, row.turn) if row.state == "OPEN" else None
                ),
                # Those that the next task may bind.
                "book": lambda _, row: (row.kind, row.ask, row.turn) if is_booked(row) else None,
            },
            fixed={"number": lambda _, row: (row.number,)},
        )
        self.turns: Final[Table[TurnRow]] = tables.declare("turns", TurnRow)
        self.parameters: Final[Table[ParametersRow]] = tables.declare("parameters", ParametersRow)
        self.parameters.set(ONLY, make_parameters(genesis))
        self.scores: Final[Table[ScoreRow]] = tables.declare("scores", ScoreRow)
        # By provider and kind.
        self.figures: Final[Table[FigureRow]] = tables.declare(
            "figures", FigureRow, fixed={"provider": lambda key, _: (key[0], key[1])}
        )
        # By two groups, the lesser first; sorted by day, so that most changes leave the index be.
        self.meetings: Final[Table[MeetingRow]] = tables.declare(
            "meetings", MeetingRow, {"day": lambda _, row: (row.times_ms[-1] // DAY_MS,)}
        )
        # By assignment and the side that is rated.
        self.ratings: Final[Table[RatingRow]] = tables.declare("ratings", RatingRow)
        self.trades: Final[Table[TradeRow]] = tables.declare(
            "trades", TradeRow, fixed={"time": lambda _, row: (row.time_ms,)}
        )
        # By kind and hour of market time.
        self.candles: Final[Table[CandleRow]] = tables.declare(
            "candles",
            CandleRow,
            fixed={"kind": lambda key, _: (key[0], key[1]), "hour": lambda key, _: (key[1],)},
        )
        self.money.set(ONLY, MoneyRow(treasury=genesis.supply, available=0, held=0))
        self.today.set(ONLY, TodayRow(day=genesis.created_ms // DAY_MS, paid=0, opened=0))

    def get_money(self) -> MoneyRow:
        """Return the sums over all money."""
        money = self.money.get(ONLY)
        assert money is not None
        return money

    def get_parameters(self) -> ParametersRow:
        """Return what the council may change, as it is in force."""
        parameters = self.parameters.get(ONLY)
        assert parameters is not None
        return parameters

    def is_kind(self, slug: str) -> bool:
        """Is there such a kind of task, as the market is now?"""
        return any(kind.slug == slug for kind in self.get_parameters().kinds)

    def get_today(self, now: int) -> TodayRow:
        """Return what counts against the caps of the day of ``now``."""
        today = self.today.get(ONLY)
        assert today is not None
        day = now // DAY_MS
        return today if today.day == day else TodayRow(day=day, paid=0, opened=0)

    def get_available(self, account: bytes) -> int:
        """Return what an account can spend; an unknown account has nothing."""
        balance = self.balances.get(account)
        return 0 if balance is None else balance.available

    def is_auditor(self, account: bytes) -> bool:
        """Does the account only watch?"""
        row = self.accounts.get(account)
        return row is not None and row.role == "auditor"

    def get_provider(self, account: bytes) -> ProviderRow:
        """Return what an account owes as provider; who never took work owes nothing."""
        provider = self.providers.get(account)
        return ProviderRow(owed=0, day=0, taken=0) if provider is None else provider

    def get_consent(self, account: bytes) -> ConsentRow:
        """Return an account's word on working for others; who never spoke is not opted in."""
        consent = self.consents.get(account)
        return _NO_CONSENT if consent is None else consent


def make_parameters(genesis: Genesis) -> ParametersRow:
    """Return the parameters that a market begins with."""
    return ParametersRow(
        terms=genesis.terms,
        kinds=genesis.kinds,
        fee_ppm=genesis.fee_ppm,
        arbiters=genesis.arbiters,
        quorum=genesis.quorum,
        verifiers=genesis.verifiers,
        rules=genesis.rules,
        rules_due=0,
        supply=genesis.supply,
    )


def get_rows(table: Table[R], index: str, first: bytes | None = None) -> Iterator[tuple[Any, R]]:
    """Yield (key, row) in the order of an index; those alone whose sort key begins with ``first``.

    The table must not change while this runs.
    """
    bounds = (None, None) if first is None else ((first,), (first + b"\0",))
    for _, key in table.index(index).ascend(*bounds):
        row = table.get(key)
        assert row is not None, key
        yield key, row


def drop_oldest(table: Table[Any], index: str, last: int) -> None:
    """Delete the first few rows of an index whose sort key is a number up to ``last``.

    Called for each row that comes, it keeps what has had its time from adding up, at a cost that
    does not depend on how much there is; a deadline for each row would keep checkpoints coming in
    a market where nothing happens.
    """
    due = table.index(index).ascend(None, (last + 1,))
    for _, key in list(islice(due, FORGOTTEN)):
        table.delete(key)
