"""Tasks as a person or another program may want to see them; see ``views``.

Why an assignment ended and what moved is said in ``ending_views``.
"""

import msgspec

from synaptic_crdt.rules import holds, reviews
from synaptic_crdt.rules.ending_views import explain_seat, view_ending
from synaptic_crdt.rules.market import Market, get_rows
from synaptic_crdt.rules.rows import AssignmentRow, DisputeRow, SeatRow, TaskRow
from synaptic_crdt.rules.score_views import view_ratings
from synaptic_crdt.rules.seats.seat import (
    get_seat,
    get_seat_id,
    get_seats,
    get_task,
)
from synaptic_crdt.rules.tasks import compute_status
from synaptic_crdt.rules.views import View
from synaptic_crdt.rules.waiting_views import explain_waiting


def view_tasks(market: Market) -> list[View]:
    """All tasks in the order of their posting, without their seats."""
    return [_view_task(market, key, task) for key, task in get_rows(market.tasks, "number")]


def view_task(market: Market, task_id: bytes) -> View | None:
    """One task with its seats and all assignments that there ever were, or None."""
    task = market.tasks.get(task_id)
    if task is None:
        return None
    seats = get_seats(market, task_id, task)
    assignments = [
        _view_assignment(market, key, row)
        for seat_id, _ in seats
        for key, row in get_rows(market.assignments, "seat", seat_id)
    ]
    return {
        **_view_task(market, task_id, task),
        **_view_terms(task),
        "shards": [_view_seat(market, seat_id, seat) for seat_id, seat in seats],
        "assignments": sorted(assignments, key=lambda view: view["number"]),
    }


def view_assignment(market: Market, assignment_id: bytes) -> View | None:
    """One assignment, or None."""
    row = market.assignments.get(assignment_id)
    return None if row is None else _view_assignment(market, assignment_id, row)


def view_work(market: Market, provider: bytes) -> list[View]:
    """All assignments of one account in the order of their acceptance."""
    return [
        _view_assignment(market, key, row)
        for key, row in get_rows(market.assignments, "provider", provider)
    ]


def view_payload(market: Market, task_id: bytes, number: int) -> View | None:
    """Where a seat's payload is: in shard ``number`` of the entry that posted the task."""
    seat = market.seats.get(get_seat_id(task_id, number))
    if seat is None:
        return None
    shard = seat.shard
    return {
        "task": task_id.hex(),
        "seat": number,
        "entry": task_id.hex(),
        "units": shard.units,
        "media_type": shard.media_type,
        "size": shard.size,
        "hash": shard.hash.hex(),
    }


def view_result(market: Market, assignment_id: bytes) -> View | None:
    """Where an assignment's result is: in the entry that delivered it. None before that."""
    assignment = market.assignments.get(assignment_id)
    delivery = None if assignment is None else market.deliveries.get(assignment.delivery)
    if assignment is None or delivery is None:
        return None
    return {
        "assignment": assignment_id.hex(),
        "entry": assignment.delivery.hex(),
        "media_type": delivery.media_type,
        "size": delivery.size,
        "hash": delivery.hash.hex(),
    }


def _view_task(market: Market, task_id: bytes, task: TaskRow) -> View:
    seats = get_seats(market, task_id, task)
    return {
        "task": task_id.hex(),
        "number": task.number,
        "status": compute_status(task, seats),
        "requester": task.requester.hex(),
        "kind": task.kind,
        "title": task.title,
        "mode": task.mode,
        "privacy": task.privacy,
        "auction": task.auction,
        "seats": task.seats,
        "free": sum(seat.state == "OPEN" for _, seat in seats),
        "units": sum(seat.shard.units for _, seat in seats),
        "price_low": task.price_low,
        "price": task.price,
        "price_max": task.price_max,
        "posted_ms": task.posted_ms,
        "escrow": sum(holds.get_held(market, seat_id, "escrow") for seat_id, _ in seats),
    }


def _view_terms(task: TaskRow) -> View:
    service, release = task.service, task.release
    return {
        "criteria": task.criteria,
        "verifier": task.verifier.hex(),
        "providers_min": task.providers_min,
        "window_ms": task.window_ms,
        "opens_ms": task.opens_ms,
        "capabilities": list(task.capabilities),
        "reputation_min": task.reputation_min,
        "only": [account.hex() for account in task.only],
        "exclude": [account.hex() for account in task.exclude],
        "response_ms": service.response_ms,
        "execution_ms": service.execution_ms,
        "uptime_ppm": service.uptime_ppm,
        "penalty": service.penalty,
        "metrics": [_name(metric) for metric in service.metrics],
        "bond": task.bond,
        "release": {
            "policy": release.policy,
            "signers": [account.hex() for account in release.signers],
            "needed": release.needed,
            "not_before_ms": release.not_before_ms,
        },
        "evaluator": task.evaluator.hex(),
        "reveal_ms": task.reveal_ms,
        "review_ms": task.review_ms,
        "arbiters": [account.hex() for account in task.arbiters],
        "quorum": task.quorum,
        "redispatch": task.redispatch,
        "fee_ppm": task.fee_ppm,
    }


def _view_seat(market: Market, seat_id: bytes, seat: SeatRow) -> View:
    return {
        "seat": seat.number,
        "units": seat.shard.units,
        "media_type": seat.shard.media_type,
        "size": seat.shard.size,
        "hash": seat.shard.hash.hex(),
        "commitment": seat.shard.commitment.hex(),
        "state": seat.state,
        "end": seat.end,
        "explanation": explain_seat(seat),
        "waits_for": explain_waiting(market, seat_id, seat),
        "assignment": seat.assignment.hex(),
        "deadline_ms": market.timers.get(seat_id),
        "escrow": holds.get_held(market, seat_id, "escrow"),
        "bonded": holds.get_held(market, seat_id, "bond"),
        "deposit": holds.get_held(market, seat_id, "deposit"),
        "reopened": seat.reopened,
        "declined": seat.declined,
        "excluded": [account.hex() for account in seat.excluded],
    }


def _view_assignment(market: Market, assignment_id: bytes, row: AssignmentRow) -> View:
    seat = get_seat(market, row.seat)
    task = get_task(market, seat)
    return {
        "assignment": assignment_id.hex(),
        "number": row.number,
        "task": seat.task.hex(),
        "requester": task.requester.hex(),
        "seat": seat.number,
        "provider": row.provider.hex(),
        "offer": row.offer.hex(),
        "status": row.end or seat.state,
        "ask": row.ask,
        "price": row.ask * seat.shard.units,
        "share_ppm": row.share_ppm,
        "paid": row.paid,
        "fee": row.fee,
        "penalty": row.penalty,
        "reason": row.reason,
        **view_ending(market, task, seat, row),
        "note": row.note,
        "accepted_ms": row.accepted_ms,
        "armed_ms": row.armed_ms,
        "started_ms": row.started_ms,
        "delivered_ms": row.delivered_ms,
        "ended_ms": row.ended_ms,
        "extended_ms": row.extended_ms,
        "done_ppm": row.done_ppm,
        "revealed": row.revealed.hex(),
        "delivery": row.delivery.hex(),
        "review": _view_review(market, row),
        "shares": _view_shares(market, assignment_id),
        "dispute": _view_dispute(market.disputes.get(row.delivery)),
        "ratings": view_ratings(market, assignment_id),
    }


def _view_review(market: Market, row: AssignmentRow) -> View | None:
    review = market.reviews.get(row.delivery)
    if review is None:
        return None
    return {
        "marks": [
            {
                "account": mark.account.hex(),
                "approve": mark.approve,
                "scores": [_name(score) for score in mark.scores],
            }
            for mark in review.marks
        ],
        "proposed_ppm": review.share_ppm,
        "missed": list(review.missed),
    }


def _view_shares(market: Market, assignment_id: bytes) -> View:
    shares = reviews.get_shares(market, assignment_id)
    named = {"requester": shares.requester_ppm, "provider": shares.provider_ppm}
    return {side: share_ppm for side, share_ppm in named.items() if share_ppm >= 0}


def _view_dispute(row: DisputeRow | None) -> View | None:
    if row is None:
        return None
    return {
        "number": row.number,
        "opener": row.opener,
        "reason": row.reason,
        "statement": row.statement,
        "opened_ms": row.opened_ms,
        "ended_ms": row.ended_ms,
        "deposit": row.deposit,
        "requester_evidence": [each.hex() for each in row.requester_evidence],
        "provider_evidence": [each.hex() for each in row.provider_evidence],
        "arbiters": [account.hex() for account in row.arbiters],
        "needed": row.needed,
        "rulings": [
            {"arbiter": ruling.arbiter.hex(), "share_ppm": ruling.share_ppm}
            for ruling in row.rulings
        ],
    }


def _name(figure: msgspec.Struct) -> View:
    """Return a metric or a score by its fields' names."""
    return {field: getattr(figure, field) for field in figure.__struct_fields__}
