"""Commands along the life of a task."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Final, TypedDict

from synaptic_crdt.errors import PolicyRefused, UsageError
from synaptic_crdt.node.commands.keys import list_vouched
from synaptic_crdt.node.commands.money import spend
from synaptic_crdt.node.contents import explain_keys, open_payload
from synaptic_crdt.node.lookup import find_account, find_assignment, find_task
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.outcomes import describe_outcome
from synaptic_crdt.node.sealing import (
    Draft,
    Readers,
    choose_readers,
    make_delivery,
    prepare_shards,
)
from synaptic_crdt.node.wire import Json
from synaptic_crdt.rules.seats.seat import get_seat
from synaptic_crdt.rules.task_operations import (
    TOKEN,
    AuctionKind,
    Metric,
    Policy,
    Privacy,
    Release,
    ServiceLevel,
    TaskAccept,
    TaskCancel,
    TaskDecline,
    TaskFail,
    TaskPost,
    TaskStart,
)

_SECOND_MS: Final = 1_000
_TEXT: Final = "text/plain"


class SeatArgs(TypedDict, total=False):
    """A seat as a person gives it: its units, and a text or data in base64."""

    units: int
    text: str | None
    base64: str | None
    media_type: str | None


def post_task(
    node: Node,
    *,
    kind: str,
    title: str,
    seats: Sequence[SeatArgs],
    price: int,
    price_low: int | None = None,
    price_max: int | None = None,
    providers_min: int = 1,
    window_seconds: int | None = None,
    priority_seconds: int | None = None,
    response_seconds: int = 600,
    execution_seconds: int = 3_600,
    penalty: int = 0,
    bond: int = 0,
    review_seconds: int | None = None,
    redispatch: int | None = None,
    private: bool = False,
    auction: AuctionKind = "first-accept",
    capabilities: Sequence[str] = (),
    criteria: str = "",
    copies: int = 1,
    verifier: str | None = None,
    reputation_min: int = 0,
    only: Sequence[str] = (),
    exclude: Sequence[str] = (),
    metrics_ppm: Mapping[str, int] | None = None,
    uptime_ppm: int = 0,
    release: Policy = "requester",
    signers: Sequence[str] = (),
    signers_needed: int | None = None,
    not_before_seconds: int = 0,
    evaluator: str | None = None,
    arbiters: Sequence[str] = (),
    quorum: int | None = None,
    reveal_seconds: int | None = None,
    reveal_now: bool = False,
    dry_run: bool = False,
    allow_pending: bool = False,
) -> Json:
    """Post a task and lock the highest price x units of every seat.

    What is not given is the market's default. Payloads of a private one leave only encrypted; with
    ``reveal_now`` all of ``only`` are handed the keys in the posting. Raises ``UsageError`` where
    there are none to hand out, or nobody to hand them to.
    """
    genesis = node.market.genesis
    drafts = [(seat.get("units", 1), _read_draft(seat)) for seat in seats]
    privacy: Privacy = "private" if private else "public"
    if verifier is not None:
        privacy = "confidential"
    vouching = None if verifier is None else find_account(node, verifier)
    listed = _find_accounts(node, only)
    readers = Readers((), {})
    if reveal_now:
        if privacy == "public" or not listed:
            raise UsageError("--reveal-now hands keys of a private task to the accounts of --only")
        readers = choose_readers(node, list_vouched(node, listed, vouching), len(drafts))
    prepared = prepare_shards(
        node, drafts, is_private=privacy != "public", readers=readers.exchanges
    )
    shards = prepared.shards
    judges, panel = _find_accounts(node, signers), _find_accounts(node, arbiters)
    needed = {"requester": 1, "both": 2}.get(release, len(judges))
    if signers_needed is not None:
        needed = signers_needed
    operation = TaskPost(
        kind=kind,
        title=title,
        criteria=criteria,
        after=(),
        mode="split" if copies == 1 else "replicate",
        copies=copies,
        seats=shards,
        privacy=privacy,
        verifier=vouching,
        asset=TOKEN,
        auction=auction,
        price_low=price if price_low is None else price_low,
        price=price,
        price_max=price if price_max is None else price_max,
        bond=bond,
        providers_min=providers_min,
        window_ms=_to_ms(window_seconds, genesis.window_ms),
        priority_ms=_to_ms(priority_seconds, genesis.priority_ms),
        capabilities=tuple(sorted(set(capabilities))),
        reputation_min=reputation_min,
        only=listed,
        exclude=_find_accounts(node, exclude),
        redispatch=genesis.redispatch if redispatch is None else redispatch,
        service=ServiceLevel(
            response_seconds * _SECOND_MS,
            execution_seconds * _SECOND_MS,
            uptime_ppm,
            penalty,
            tuple(Metric(*item) for item in sorted((metrics_ppm or {}).items())),
        ),
        release=Release(release, judges, needed, not_before_seconds * _SECOND_MS),
        evaluator=None if evaluator is None else find_account(node, evaluator),
        reveal_ms=_to_ms(reveal_seconds, genesis.reveal_ms),
        review_ms=_to_ms(review_seconds, genesis.review_ms),
        arbiters=panel,
        quorum=_choose_quorum(quorum, panel),
    )
    locked = operation.price_max * copies * sum(shard.units for shard in shards)
    node.preview(operation)
    if not dry_run:
        prepared.keep(node)
    told = spend(node, operation, locked, dry_run=dry_run, allow_pending=allow_pending)
    if not dry_run:
        told["task"] = told["entry"]
    return told | {
        "locked": locked,
        "window_ms": operation.window_ms,
        "privacy": privacy,
        "keys_for": [account.hex() for account in readers.accounts],
        "keys_awaited": [account.hex() for account in listed if account not in readers.accounts]
        if reveal_now
        else [],
    }


def cancel_task(node: Node, *, task: str) -> Json:
    """Close the seats of a task that nobody works on; their escrow returns."""
    return describe_outcome(node, node.append(TaskCancel(find_task(node, task))))


def accept_task(
    node: Node,
    *,
    task: str,
    ask: int | None = None,
    capabilities: Sequence[str] = (),
    dry_run: bool = False,
    allow_pending: bool = False,
) -> Json:
    """Take a seat of a task for ``ask`` a unit; its full price when none is named."""
    task_id = find_task(node, task)
    row = node.market.contract.market.tasks.get(task_id)
    assert row is not None
    obstacle = explain_keys(node, task_id)
    if obstacle:
        raise PolicyRefused(f"task {task_id.hex()[:12]} was not accepted: {obstacle}")
    ask = row.price if ask is None else ask
    told = spend(
        node,
        TaskAccept(task=task_id, ask=ask, capabilities=tuple(sorted(set(capabilities)))),
        row.bond,
        dry_run=dry_run,
        allow_pending=allow_pending,
    )
    if not dry_run:
        told["assignment"] = told["entry"]
    return told | {"task": task_id.hex(), "ask": ask, "bond": row.bond}


def decline_assignment(node: Node, *, assignment: str, reason: str = "other") -> Json:
    """Give an assignment back before the work began."""
    found = find_assignment(node, assignment, node.account)
    return describe_outcome(node, node.append(TaskDecline(found, reason)))


def start_assignment(node: Node, *, assignment: str) -> Json:
    """Say that the payload is in hand and readable, and begin.

    Raises ``UsageError`` or ``Forged`` when it is not.
    """
    found = find_assignment(node, assignment, node.account)
    _check_in_hand(node, found)
    return describe_outcome(node, node.append(TaskStart(found)))


def deliver_result(
    node: Node,
    *,
    assignment: str,
    text: str | None = None,
    data: str | None = None,
    media_type: str = _TEXT,
) -> Json:
    """Hand over a result: ``text``, or ``data`` in base64."""
    found = find_assignment(node, assignment, node.account)
    draft = _read_draft({"text": text, "base64": data, "media_type": media_type})
    operation = make_delivery(node, found, draft)
    outcome = node.append(operation)
    return describe_outcome(node, outcome) | {
        "delivery": outcome.entry.id.hex(),
        "size": len(draft.data),
        "blob": operation.result.hash.hex() if operation.result.inline is None else None,
    }


def fail_assignment(node: Node, *, assignment: str, reason: str = "other") -> Json:
    """Admit that begun work will not be delivered."""
    found = find_assignment(node, assignment, node.account)
    return describe_outcome(node, node.append(TaskFail(found, reason)))


def _find_accounts(node: Node, names: Sequence[str]) -> tuple[bytes, ...]:
    return tuple(sorted({find_account(node, name) for name in names}))


def _choose_quorum(quorum: int | None, panel: tuple[bytes, ...]) -> int:
    """Return how many of a task's own arbiters decide: most of them, unless told."""
    if quorum is not None:
        return quorum
    return len(panel) // 2 + 1 if panel else 0


def _check_in_hand(node: Node, assignment_id: bytes) -> None:
    """Is the payload here, and does it open? Who states it without looking would pay for it."""
    market = node.market.contract.market
    row = market.assignments.get(assignment_id)
    assert row is not None
    seat = get_seat(market, row.seat)
    if row.end or seat.state != "ASSIGNED":
        # The contract says in its own words that this is not the time.
        return
    reach = open_payload(node, seat.task, seat.number).reach
    if reach == "missing":
        raise UsageError(
            "the payload is not here yet: it travels on its own, and `blob read FOLDER` takes it from"
            " a folder; if the requester does not serve it, decline the assignment"
        )
    if reach == "sealed":
        raise UsageError(
            "no key for the payload was sealed to this device; work on another device of yours, or"
            " decline the assignment"
        )


def _read_draft(source: SeatArgs) -> Draft:
    text, encoded = source.get("text"), source.get("base64")
    if (text is None) == (encoded is None):
        raise UsageError("give either text or base64 data, not both or neither")
    if text is not None:
        return Draft(source.get("media_type") or _TEXT, text.encode())
    try:
        data = base64.b64decode(str(encoded), validate=True)
    except (binascii.Error, ValueError) as error:
        raise UsageError(f"not base64: {error}") from error
    return Draft(source.get("media_type") or "application/octet-stream", data)


def _to_ms(seconds: int | None, default_ms: int) -> int:
    return default_ms if seconds is None else seconds * _SECOND_MS
