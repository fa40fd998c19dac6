"""The acceptance ladder: who may take a seat of a task, asked in one fixed order.

The same ladder whoever asks, a provider by its entry or an offer that it left standing: both are
a ``Candidate``. Answers self-hire, judges with a stake, and copies of one task that go to one
hand.
"""

import msgspec

from synaptic_crdt.rules import consents, holds, limits, reputation
from synaptic_crdt.rules.attestations import is_vouched_for
from synaptic_crdt.rules.auctions.table import compute_limit
from synaptic_crdt.rules.devices import get_active_devices
from synaptic_crdt.rules.groups import get_group
from synaptic_crdt.rules.market import Act, Market
from synaptic_crdt.rules.offer_book import list_free_seats
from synaptic_crdt.rules.rows import AssignmentRow, SeatRow, TaskRow
from synaptic_crdt.rules.seats.seat import Cause, get_holder, get_seats
from synaptic_crdt.rules.seats.table import advance
from synaptic_crdt.rules.task_operations import TaskAccept
from synaptic_crdt.rules.verdicts import Refusal, Verdict


class Candidate(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Who wants a seat, for how much a unit; ``offer`` is empty when it asks by itself.

    ``units_max`` is what is left of the offer: a larger seat is none that it could take.
    """

    account: bytes
    device: bytes
    ask: int
    capabilities: tuple[str, ...]
    units_max: int = limits.UNITS_MAX
    offer: bytes = b""


def accept_task(market: Market, op: TaskAccept, act: Act) -> Refusal | None:
    """The first acceptance that passes every rung wins the lowest free seat."""
    task = market.tasks.get(op.task)
    if task is None:
        return Refusal(Verdict.TASK_UNKNOWN, (op.task,))
    candidate = Candidate(
        account=act.account, device=act.device, ask=op.ask, capabilities=op.capabilities
    )
    seat_id = find_seat(market, op.task, task, candidate, act.now)
    if isinstance(seat_id, Refusal):
        return seat_id
    # From here on the operation must succeed.
    assign_seat(market, seat_id, task, candidate, act.entry, act.now)
    return None


def find_seat(
    market: Market, task_id: bytes, task: TaskRow, candidate: Candidate, now: int
) -> bytes | Refusal:
    """Return the seat that a candidate may take, or the first rung it does not pass."""
    # A match asks this of many tasks: nothing is read of a seat that need not be.
    if next(list_free_seats(market, task), None) is None:
        return Refusal(Verdict.NO_FREE_SEAT, (task.seats,))
    refusal = (
        _check_interest(task, candidate)
        or check_consent(market, candidate.account)
        or _check_lists(task, candidate)
    )
    if refusal is not None:
        return refusal
    # Whoever gave a seat back, or left it, is not let in to it again.
    free = list_free_seats(market, task)
    found = next(((key, seat) for key, seat in free if _is_open_to(seat, candidate)), None)
    if found is None:
        return Refusal(Verdict.EXCLUDED)
    seat_id, seat = found
    score = reputation.get_score(market, candidate.account, "provider", now)
    refusal = (
        _check_others(market, task_id, task, candidate)
        or _check_merit(market, task, candidate, score, now)
        or _check_load(market, task, seat, candidate, score, now)
        or _check_price(market, task, seat, candidate, score, now)
    )
    return seat_id if refusal is None else refusal


def assign_seat(
    market: Market,
    seat_id: bytes,
    task: TaskRow,
    candidate: Candidate,
    assignment: bytes,
    now: int,
) -> None:
    """Give a seat to a candidate that passed every rung, under the id of the assignment."""
    holds.lock(market, candidate.account, seat_id, "bond", task.bond)
    consents.count_acceptance(market, candidate.account, now)
    # Only a key needs to know whom it may be sealed to.
    devices = () if task.privacy == "public" else get_active_devices(market, candidate.account)
    market.assignments.set(
        assignment,
        AssignmentRow(
            number=len(market.assignments) + 1,
            seat=seat_id,
            provider=candidate.account,
            device=candidate.device,
            offer=candidate.offer,
            ask=candidate.ask,
            bond=task.bond,
            devices=devices,
            accepted_ms=now,
            armed_ms=0,
            started_ms=0,
            delivered_ms=0,
            ended_ms=0,
            extended_ms=0,
            present=0,
            low_uptime=False,
            progress=0,
            done_ppm=0,
            revealed=b"",
            delivery=b"",
            end="",
            reason="",
            note="",
            share_ppm=0,
            paid=0,
            fee=0,
            penalty=0,
        ),
    )
    advance(market, seat_id, "accept", Cause(now, assignment))


def _check_interest(task: TaskRow, candidate: Candidate) -> Refusal | None:
    # Self-dealing would make a reputation, and a price, out of nothing.
    if candidate.account == task.requester:
        return Refusal(Verdict.PROVIDER_IS_REQUESTER)
    if candidate.account in task.release.signers:
        return Refusal(Verdict.JUDGES_THE_TASK, ("signer",))
    if candidate.account == task.evaluator:
        return Refusal(Verdict.JUDGES_THE_TASK, ("evaluator",))
    if candidate.account in task.arbiters:
        return Refusal(Verdict.JUDGES_THE_TASK, ("arbiter",))
    return None


def check_consent(market: Market, account: bytes) -> Refusal | None:
    """May this account work for others, by its role and its own word?"""
    if market.is_auditor(account):
        return Refusal(Verdict.AUDITOR_MAY_NOT)
    return consents.check_consent(market, account)


def _is_open_to(seat: SeatRow, candidate: Candidate) -> bool:
    return candidate.account not in seat.excluded and seat.shard.units <= candidate.units_max


def _check_lists(task: TaskRow, candidate: Candidate) -> Refusal | None:
    if task.only and candidate.account not in task.only:
        return Refusal(Verdict.NOT_ON_THE_LIST)
    if candidate.account in task.exclude:
        return Refusal(Verdict.EXCLUDED_BY_REQUESTER)
    return None


def _check_others(
    market: Market, task_id: bytes, task: TaskRow, candidate: Candidate
) -> Refusal | None:
    """Who has the other seats? Copies are worth nothing when one hand makes them."""
    if task.mode != "replicate" and task.providers_min == 1:
        return None
    seats = get_seats(market, task_id, task)
    if task.mode == "replicate":
        group = get_group(market, candidate.account)
        for _, seat in seats:
            if _is_taken(seat) and get_group(market, get_holder(market, seat).provider) == group:
                return Refusal(Verdict.GROUP_HAS_A_COPY, (group,))
    # Until enough providers came, each counts once: or one of them could be all of them.
    for _, seat in seats:
        is_reserved = seat.state == "RESERVED"
        if is_reserved and get_holder(market, seat).provider == candidate.account:
            return Refusal(Verdict.ALREADY_RESERVED)
    return None


def _is_taken(seat: SeatRow) -> bool:
    """Has somebody the seat, or had it to the end?"""
    return seat.assignment != b""


def _check_merit(
    market: Market, task: TaskRow, candidate: Candidate, score: int, now: int
) -> Refusal | None:
    for capability in task.capabilities:
        if capability not in candidate.capabilities:
            return Refusal(Verdict.CAPABILITY_MISSING, (capability,))
    if score < task.reputation_min:
        return Refusal(Verdict.REPUTATION_TOO_LOW, (score, task.reputation_min))
    if not is_vouched_for(market, task, candidate.account, now):
        return Refusal(Verdict.NOT_ATTESTED, (task.verifier,))
    return None


def _check_load(
    market: Market, task: TaskRow, seat: SeatRow, candidate: Candidate, score: int, now: int
) -> Refusal | None:
    units = seat.shard.units
    refusal = consents.check_caps(market, candidate.account, task.kind, units, now)
    if refusal is not None:
        return refusal
    owed = market.get_provider(candidate.account).owed
    allowed = limits.OPEN_ASSIGNMENTS + max(0, score) // limits.SCORE_A_SEAT
    if owed >= allowed:
        return Refusal(Verdict.TOO_MANY_ASSIGNMENTS, (owed, allowed))
    requester_score = reputation.get_score(market, task.requester, "requester", now)
    return consents.check_requester(market, candidate.account, task.requester, requester_score)


def _check_price(
    market: Market, task: TaskRow, seat: SeatRow, candidate: Candidate, score: int, now: int
) -> Refusal | None:
    # For a moment the well-known go first, so that the first to see a task does not always win.
    if now < task.opens_ms and score < limits.PRIORITY_SCORE:
        return Refusal(Verdict.NOT_OPEN_YET, (score, task.opens_ms, now))
    limit = compute_limit(market, task, seat, candidate.account, now)
    if candidate.ask > limit:
        return Refusal(Verdict.ASK_ABOVE_LIMIT, (candidate.ask, limit))
    available = market.get_available(candidate.account)
    if task.bond > available:
        return Refusal(Verdict.BOND_SHORT, (task.bond, available))
    return None
