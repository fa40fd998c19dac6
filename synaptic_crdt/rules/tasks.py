"""Posting a task, which locks its whole worth seat by seat, and cancelling what is left of it."""

from typing import Literal

from synaptic_crdt.rules import holds, matching
from synaptic_crdt.rules.market import Act, Market
from synaptic_crdt.rules.offer_book import compute_place
from synaptic_crdt.rules.rows import SeatRow, ShardRow, TaskRow
from synaptic_crdt.rules.seats.seat import LIVE, Cause, get_seat_id, get_seats, is_min_reached
from synaptic_crdt.rules.seats.table import advance, is_allowed
from synaptic_crdt.rules.task_operations import SealedKey, Shard, TaskCancel, TaskPost
from synaptic_crdt.rules.verdicts import Refusal, Verdict

TaskStatus = Literal["OPEN", "MIN_REACHED", "CLOSED", "EXPIRED", "CANCELLED", "DONE"]


def post_task(market: Market, op: TaskPost, act: Act) -> Refusal | None:
    """Lock price_max x units for every seat and open them all for the window."""
    worth = op.price_max * op.copies * sum(shard.units for shard in op.seats)
    # Before anything is looked up: beyond this bound a sum has no meaning.
    supply = market.get_parameters().supply
    if worth > supply:
        return Refusal(Verdict.LOCK_OVER_SUPPLY, (worth, supply))
    if not market.is_kind(op.kind):
        return Refusal(Verdict.KIND_UNKNOWN, (op.kind,))
    refusal = _check_judges(market, op) or _check_devices(market, op)
    if refusal is not None:
        return refusal
    if market.is_auditor(act.account):
        return Refusal(Verdict.AUDITOR_MAY_NOT)
    refusal = _check_listed(market, op)
    if refusal is not None:
        return refusal
    available = market.get_available(act.account)
    if worth > available:
        return Refusal(Verdict.BALANCE_TOO_LOW, (worth, available))
    # From here on the operation must succeed.
    task = _make_task(market, op, act)
    market.tasks.set(act.entry, task)
    for number, shard in enumerate(op.seats * op.copies):
        _open_seat(market, task, act, number, shard)
    if task.opens_ms > act.now:
        market.timers.set(act.entry, task.opens_ms)
    matching.match_task(market, act.entry, act.now)
    return None


def _check_judges(market: Market, op: TaskPost) -> Refusal | None:
    """Has everybody whose word the task waits for an account?"""
    for signer in op.release.signers:
        if market.accounts.get(signer) is None:
            return Refusal(Verdict.SIGNER_UNKNOWN, (signer,))
    if op.evaluator is not None and market.accounts.get(op.evaluator) is None:
        return Refusal(Verdict.EVALUATOR_UNKNOWN, (op.evaluator,))
    for arbiter in op.arbiters:
        if market.accounts.get(arbiter) is None:
            return Refusal(Verdict.ARBITER_UNKNOWN, (arbiter,))
    if op.verifier is not None and op.verifier not in market.get_parameters().verifiers:
        return Refusal(Verdict.VERIFIER_UNKNOWN, (op.verifier,))
    return None


def _check_devices(market: Market, op: TaskPost) -> Refusal | None:
    """Does every device that a content key was sealed to write in this market?"""
    for key in _list_keys(op):
        if market.devices.get(key.device) is None:
            return Refusal(Verdict.KEY_DEVICE_UNKNOWN, (key.device,))
    return None


def _check_listed(market: Market, op: TaskPost) -> Refusal | None:
    """Are these devices of accounts that may do the work?"""
    for key in _list_keys(op):
        device = market.devices.get(key.device)
        assert device is not None, key.device
        if device.account not in op.only:
            return Refusal(Verdict.KEY_NOT_LISTED, (key.device,))
    return None


def _list_keys(op: TaskPost) -> list[SealedKey]:
    # An entry has no room for more than some 500 of them.
    return [key for shard in op.seats for key in shard.keys]


def cancel_task(market: Market, op: TaskCancel, act: Act) -> Refusal | None:
    """Close the open and reserved seats; work in hand goes on."""
    task = market.tasks.get(op.task)
    if task is None:
        return Refusal(Verdict.TASK_UNKNOWN, (op.task,))
    if act.account != task.requester:
        return Refusal(Verdict.NOT_THE_REQUESTER, (task.requester,))
    seats = [
        seat_id for seat_id, seat in get_seats(market, op.task, task) if is_allowed(seat, "cancel")
    ]
    if not seats:
        return Refusal(Verdict.NOTHING_TO_CANCEL)
    # From here on the operation must succeed.
    for seat_id in seats:
        advance(market, seat_id, "cancel", Cause(act.now, act.entry))
    return None


def open_to_all(market: Market, task_id: bytes, now: int) -> None:
    """The time of priority is over: whoever waits for work may have it."""
    matching.match_task(market, task_id, now)


def compute_status(task: TaskRow, seats: list[tuple[bytes, SeatRow]]) -> TaskStatus:
    """Return what the seats say of the task as a whole."""
    states = {seat.state for _, seat in seats}
    if "OPEN" in states or "RESERVED" in states:
        return "MIN_REACHED" if is_min_reached(task, seats) else "OPEN"
    if states & LIVE:
        return "CLOSED"
    if "SETTLED" in states:
        return "DONE"
    ends = {seat.end for _, seat in seats}
    return "CANCELLED" if "CANCELLED" in ends else "EXPIRED"


def _make_task(market: Market, op: TaskPost, act: Act) -> TaskRow:
    parameters = market.get_parameters()
    return TaskRow(
        number=len(market.tasks) + 1,
        requester=act.account,
        kind=op.kind,
        title=op.title,
        criteria=op.criteria,
        mode=op.mode,
        seats=len(op.seats) * op.copies,
        privacy=op.privacy,
        verifier=op.verifier or b"",
        auction=op.auction,
        price_low=op.price_low,
        price=op.price,
        price_max=op.price_max,
        bond=op.bond,
        providers_min=op.providers_min,
        window_ms=op.window_ms,
        opens_ms=act.now + op.priority_ms,
        capabilities=op.capabilities,
        reputation_min=op.reputation_min,
        only=op.only,
        exclude=op.exclude,
        redispatch=op.redispatch,
        service=op.service,
        release=op.release,
        evaluator=op.evaluator or b"",
        reveal_ms=op.reveal_ms,
        review_ms=op.review_ms,
        arbiters=op.arbiters or parameters.arbiters,
        quorum=op.quorum or parameters.quorum,
        fee_ppm=parameters.fee_ppm,
        posted_ms=act.now,
    )


def _open_seat(market: Market, task: TaskRow, act: Act, number: int, shard: Shard) -> None:
    seat_id = get_seat_id(act.entry, number)
    holds.lock(market, act.account, seat_id, "escrow", task.price_max * shard.units)
    market.timers.set(seat_id, act.now + task.window_ms)
    payload = shard.payload
    market.seats.set(
        seat_id,
        SeatRow(
            task=act.entry,
            number=number,
            place=compute_place(task),
            shard=ShardRow(
                units=shard.units,
                media_type=payload.media_type,
                size=payload.size,
                hash=payload.hash,
                commitment=shard.commitment or b"",
                keyed=tuple(key.device for key in shard.keys),
            ),
            state="OPEN",
            end="",
            assignment=b"",
            opened_ms=act.now,
            attempts=0,
            reopened=0,
            declined=0,
            excluded=(),
        ),
    )
