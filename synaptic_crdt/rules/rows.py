"""The rows of the market's tables. All of them are under the state root.

Times are in ms of market time. Payloads and results are kept as hashes: their bytes stand in the
entries that carried them.
"""

from typing import Literal

from synaptic_crdt.rules.operations import Role
from synaptic_crdt.state.tables import Record

Purpose = Literal["escrow", "bond", "grant"]
DeviceState = Literal["ACTIVE", "REVOKED", "CLOSED"]
InvitationState = Literal["OPEN", "USED", "REVOKED", "EXPIRED"]
SeatState = Literal[
    "OPEN",
    "RESERVED",
    "PENDING",
    "ASSIGNED",
    "STARTED",
    "DELIVERED",
    "HELD",
    "SETTLED",
    "CLOSED",
]
SeatEnd = Literal["", "UNFILLED", "VOID", "CANCELLED", "EXHAUSTED"]
AssignmentEnd = Literal["", "SETTLED", "DECLINED", "FAILED", "ABANDONED", "VOID"]
Reason = Literal[
    "",
    "approved",
    "review-ended",
    "rejected",
    "declined",
    "failed",
    "not-started",
    "not-delivered",
    "not-final",
    "cancelled",
    "window-ended",
]


class AccountRow(Record, frozen=True, gc=False):
    """An account, by the key that opened it.

    ``inviter`` is an account, empty for none; ``group`` one too, see ``groups``.
    """

    number: int
    name: str
    role: Role
    paper: bytes | None
    inviter: bytes
    group: bytes
    opened_ms: int


class DeviceRow(Record, frozen=True, gc=False):
    """For which account a device writes, or wrote.

    ``number`` is its age: the older of two devices has the lower one, a paper device 0. It is
    REVOKED by the entry ``revoked_by``, and CLOSED once an epoch has ended since.
    """

    account: bytes
    number: int
    exchange: bytes
    adder: bytes
    joined_ms: int
    state: DeviceState
    revoked_by: bytes


class AdditionRow(Record, frozen=True, gc=False):
    """A device that may join an account, by (account, device). Gone once it has.

    Not by the device alone: whoever adds a stranger's key must not keep it from its own account.
    """

    exchange: bytes
    adder: bytes
    is_paper: bool


class BalanceRow(Record, frozen=True, gc=False):
    """What an account can spend. Apart from the account: the most frequent write of a fold."""

    available: int


class MoneyRow(Record, frozen=True, gc=False):
    """The treasury, and the sums over all balances and all holds, kept as they change."""

    treasury: int
    available: int
    held: int


class TodayRow(Record, frozen=True, gc=False):
    """What counts against the day's caps: paid by the treasury, accounts opened."""

    day: int
    paid: int
    opened: int


class HoldRow(Record, frozen=True, gc=False):
    """Locked tokens, by (subject, purpose); an empty payer is the treasury.

    Deadline and default are the subject's: its timer, and what firing it does.
    """

    payer: bytes
    amount: int


class InvitationRow(Record, frozen=True, gc=False):
    """An invitation, by its one-time key; the timer of the same name ends it."""

    number: int
    device: bytes
    account: bytes
    role: Role
    grant: int
    expiry_ms: int
    state: InvitationState
    used_by: bytes


class ProposalRow(Record, frozen=True, gc=False):
    """Equal entries of the council, by their operation's bytes."""

    device: bytes
    voters: tuple[bytes, ...]
    decided: bool


class ProviderRow(Record, frozen=True, gc=False):
    """The terms an account opted in to, if any, and the work it owes: accepted, not delivered."""

    terms: bytes | None
    owed: int


class TaskRow(Record, frozen=True, gc=False):
    """A task as it was posted, by its entry's id. What becomes of it stands in its seats."""

    number: int
    requester: bytes
    kind: str
    title: str
    seats: int
    auction: str
    price: int
    providers_min: int
    window_ms: int
    response_ms: int
    execution_ms: int
    penalty: int
    bond: int
    review_ms: int
    redispatch: int
    posted_ms: int


class ShardRow(Record, frozen=True, gc=False):
    """The work of a seat, and where its payload is."""

    units: int
    media_type: str
    size: int
    hash: bytes


class SeatRow(Record, frozen=True, gc=False):
    """One seat, by task id and number: its place in the seat table and who has it now.

    ``attempts`` counts the assignments that got beyond RESERVED; ``reopened`` and ``declined``
    why it came back; ``excluded`` whom it is closed to.
    """

    task: bytes
    number: int
    shard: ShardRow
    state: SeatState
    end: SeatEnd
    assignment: bytes
    attempts: int
    reopened: int
    declined: int
    excluded: tuple[bytes, ...]


class AssignmentRow(Record, frozen=True, gc=False):
    """One account's hold on a seat, by the id of its acceptance. Kept when it has ended.

    A time is 0 until it comes. ``end`` is empty while it lives: then the seat tells its state.
    """

    number: int
    seat: bytes
    provider: bytes
    device: bytes
    ask: int
    accepted_ms: int
    armed_ms: int
    started_ms: int
    delivered_ms: int
    ended_ms: int
    delivery: bytes
    end: AssignmentEnd
    reason: Reason
    note: str
    paid: int
    penalty: int


class ForkRow(Record, frozen=True, gc=False):
    """Who put it on record, and when in ms, that a device's histories part at a position."""

    reported_ms: int
    reporter: bytes


class DeliveryRow(Record, frozen=True, gc=False):
    """A result, by its entry's id."""

    assignment: bytes
    media_type: str
    size: int
    hash: bytes
