"""The rows of the market's tables. All of them are under the state root.

Times are in ms of market time. Payloads and results are kept as hashes: their bytes stand in the
entries that carried them.
"""

from typing import Literal

from synaptic_crdt.rules.genesis import Kind
from synaptic_crdt.rules.operations import Role
from synaptic_crdt.rules.task_operations import (
    AuctionKind,
    Mode,
    Privacy,
    Release,
    Score,
    ServiceLevel,
    SharedContent,
)
from synaptic_crdt.state.tables import Record

Purpose = Literal["escrow", "bond", "deposit", "grant"]
Side = Literal["requester", "provider"]
DeviceState = Literal["ACTIVE", "REVOKED", "CLOSED"]
InvitationState = Literal["OPEN", "USED", "REVOKED", "EXPIRED"]
AttestationState = Literal["STANDING", "RENEWED", "REVOKED"]
SeatState = Literal[
    "OPEN",
    "RESERVED",
    "PENDING",
    "KEYWAIT",
    "ASSIGNED",
    "STARTED",
    "DELIVERED",
    "HELD",
    "DISPUTED",
    "TIMELOCKED",
    "SETTLED",
    "CLOSED",
]
SeatEnd = Literal["", "UNFILLED", "VOID", "CANCELLED", "EXHAUSTED"]
AssignmentEnd = Literal["", "SETTLED", "DECLINED", "FAILED", "ABANDONED", "VOID"]
Reason = Literal[
    "",
    "approved",
    "review-ended",
    "agreed",
    "contest-ended",
    "ruled",
    "withdrawn",
    "no-ruling",
    "proposal-stands",
    "both-named",
    "time-locked",
    "key-withheld",
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


class ParametersRow(Record, frozen=True, gc=False):
    """What the council may change, as it is in force: the genesis says how it began.

    ``rules_due`` is the rules version that follows at the end of the next epoch, 0 for none.
    ``supply`` grows by what is minted.
    """

    terms: bytes
    kinds: tuple[Kind, ...]
    fee_ppm: int
    arbiters: tuple[bytes, ...]
    quorum: int
    verifiers: tuple[bytes, ...]
    rules: int
    rules_due: int
    supply: int


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

    Deadline and default are the subject's: its timer, and what firing it does. Kept once, so that
    they cannot differ between what one subject locks.
    """

    payer: bytes
    amount: int
    asset: int = 0


class InvitationRow(Record, frozen=True, gc=False):
    """An invitation, by its inviter and one-time key; the timer of the same name ends it."""

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


class ChangeRow(Record, frozen=True, gc=False):
    """A decided change of one parameter, by that one's name; what is None does not change.

    The timer of the same name carries it out; ``entry`` decided it.
    """

    entry: bytes
    due_ms: int
    kinds: tuple[Kind, ...] | None
    terms: bytes | None
    fee_ppm: int | None
    verifiers: tuple[bytes, ...] | None
    rules_due: int | None


class ConsentRow(Record, frozen=True, gc=False):
    """The terms an account opted in to, if any, and on which conditions; a cap of None is none."""

    terms: bytes | None
    tasks_per_day: int | None
    units_per_task: int | None
    open_assignments: int | None
    kinds: tuple[str, ...] | None
    requester_min: int
    blocked: tuple[bytes, ...]


class ProviderRow(Record, frozen=True, gc=False):
    """The work an account owes: accepted, not delivered; and how much it took on its last day."""

    owed: int
    day: int
    taken: int


class AttestationRow(Record, frozen=True, gc=False):
    """The word of a verifier for an account, by its entry's id."""

    number: int
    verifier: bytes
    account: bytes
    claim: str
    proof: str
    attested_ms: int
    expiry_ms: int
    state: AttestationState


class PresenceRow(Record, frozen=True, gc=False):
    """In how many slots an account has shown itself, by account; ``slot`` is the newest of them.

    A slot is market time divided by the market's slot length.
    """

    slot: int
    count: int


class TaskRow(Record, frozen=True, gc=False):
    """A task as it was posted or improved, by its entry's id. What becomes of it is in its seats.

    ``fee_ppm``, ``arbiters`` and ``quorum`` are those of its posting: what the council changes
    later concerns later tasks.
    """

    number: int
    requester: bytes
    kind: str
    title: str
    criteria: str
    mode: Mode
    seats: int
    privacy: Privacy
    verifier: bytes
    auction: AuctionKind
    price_low: int
    price: int
    price_max: int
    bond: int
    providers_min: int
    window_ms: int
    opens_ms: int
    capabilities: tuple[str, ...]
    reputation_min: int
    only: tuple[bytes, ...]
    exclude: tuple[bytes, ...]
    redispatch: int
    service: ServiceLevel
    release: Release
    evaluator: bytes
    reveal_ms: int
    review_ms: int
    arbiters: tuple[bytes, ...]
    quorum: int
    fee_ppm: int
    posted_ms: int


class ShardRow(Record, frozen=True, gc=False):
    """The work of a seat, and where its payload is.

    ``commitment`` is that of the content key, empty when public; ``keyed`` are the devices that
    the posting itself sealed the key to.
    """

    units: int
    media_type: str
    size: int
    hash: bytes
    commitment: bytes
    keyed: tuple[bytes, ...]


class SeatRow(Record, frozen=True, gc=False):
    """One seat, by task id and number: its place in the seat table and who has it now.

    ``attempts`` counts the assignments that got
    beyond RESERVED; ``reopened`` and ``declined`` why it came back; ``excluded`` whom it is closed
    to. The window runs since ``opened_ms``. ``place`` is where it stands in the book while it is
    open: auction, kind, price from the highest down, number of the task.
    """

    task: bytes
    number: int
    place: tuple[str, str, int, int]
    shard: ShardRow
    state: SeatState
    end: SeatEnd
    assignment: bytes
    opened_ms: int
    attempts: int
    reopened: int
    declined: int
    excluded: tuple[bytes, ...]


class AssignmentRow(Record, frozen=True, gc=False):
    """One account's hold on a seat, by the id of its acceptance or match. Kept when it has ended.

    A time is 0 until it comes. ``end`` is empty while it lives: then the seat tells its state.
    ``devices`` are the provider's at acceptance, where a key is to be sealed to them; ``revealed``
    is the entry that did. ``extended_ms`` is added to the execution limit. ``present`` counts the
    provider's slots of presence when it started.
    """

    number: int
    seat: bytes
    provider: bytes
    device: bytes
    offer: bytes
    ask: int
    bond: int
    devices: tuple[bytes, ...]
    accepted_ms: int
    armed_ms: int
    started_ms: int
    delivered_ms: int
    ended_ms: int
    extended_ms: int
    present: int
    low_uptime: bool
    progress: int
    done_ppm: int
    revealed: bytes
    delivery: bytes
    end: AssignmentEnd
    reason: Reason
    note: str
    share_ppm: int
    paid: int
    fee: int
    penalty: int


class DeliveryRow(Record, frozen=True, gc=False):
    """A result, by its entry's id; ``commitment`` is that of its content key, empty when public."""

    assignment: bytes
    media_type: str
    size: int
    hash: bytes
    commitment: bytes


class Mark(Record, frozen=True, gc=False):
    """One signer's word on a delivery."""

    account: bytes
    approve: bool
    scores: tuple[Score, ...]


class ReviewRow(Record, frozen=True, gc=False):
    """What the signers said of a delivery, by its id, and the proposal that came of it.

    ``share_ppm`` and ``missed``, the metrics counted as violated, are meaningful from HELD on.
    """

    marks: tuple[Mark, ...]
    share_ppm: int
    missed: tuple[str, ...]


class SharesRow(Record, frozen=True, gc=False):
    """The shares that the parties of an assignment would settle for, by its id; -1 for none."""

    requester_ppm: int
    provider_ppm: int


class Ruling(Record, frozen=True, gc=False):
    """One arbiter's word."""

    arbiter: bytes
    share_ppm: int


class DisputeRow(Record, frozen=True, gc=False):
    """A dispute about a delivery, by its id. Kept when it has ended.

    ``deposit`` is what the opener risks: locked of a requester, out of its proceeds of a provider.
    ``arbiters`` are those eligible, of whom ``needed`` decide.
    """

    number: int
    opener: Side
    reason: str
    statement: str
    opened_ms: int
    ended_ms: int
    deposit: int
    requester_evidence: tuple[bytes, ...]
    provider_evidence: tuple[bytes, ...]
    arbiters: tuple[bytes, ...]
    needed: int
    rulings: tuple[Ruling, ...]


class ShareRow(Record, frozen=True, gc=False):
    """That a party handed a content key to others, by the entry whose boxes they are."""

    number: int
    assignment: bytes
    account: bytes
    content: SharedContent
    shared_ms: int


class ForkRow(Record, frozen=True, gc=False):
    """Who put it on record, and when in ms, that a device's histories part at a position."""

    reported_ms: int
    reporter: bytes
