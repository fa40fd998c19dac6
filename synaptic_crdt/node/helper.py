"""The requester's helper: looks after the tasks of this account as far as its policy lets it.

It hands keys of private payloads to final winners and approves results within the bounds of the
policy; everything else it leaves to a person, and says so once. What it may do is decided in
``exec.requests``; what it does goes through the same commands that a person types, with all that
they check. It keeps no memory of its own: whatever it did stands in the market.
"""

from collections.abc import Iterator
from typing import Final

from synaptic_crdt.errors import (
    Forged,
    MalformedInput,
    PolicyRefused,
    Refused,
    StoreDamaged,
    SynapticError,
    UsageError,
)
from synaptic_crdt.exec.policy import Policy, load_policy
from synaptic_crdt.exec.requests import Approve, Ask, Reach, Request, Reveal, Step, plan_requests
from synaptic_crdt.node.commands.judging import approve_delivery
from synaptic_crdt.node.commands.keys import reveal_key
from synaptic_crdt.node.contents import get_key_ring, open_result
from synaptic_crdt.node.desk import NodeDesk
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.outcomes import get_work_standing
from synaptic_crdt.node.wire import Emit
from synaptic_crdt.rules.market import Market, get_rows
from synaptic_crdt.rules.reviews import get_review, get_signers
from synaptic_crdt.rules.rows import AssignmentRow, SeatRow, TaskRow
from synaptic_crdt.rules.seats.seat import get_holder, get_seats

_TICK_SECONDS: Final = 2.0  # the policy, and what is final, change without news
# What the requester has something to do about.
_AT_STAKE: Final = frozenset({"KEYWAIT", "DELIVERED"})


async def run_helper(node: Node, emit: Emit) -> None:
    """Look after this account's tasks until cancelled."""
    desk, helper = NodeDesk(node), Helper(node, emit)
    try:
        while True:
            helper.act()
            await desk.wait_for_news(_TICK_SECONDS)
    finally:
        desk.close()


class Reader:
    """Says how far results can be read here, and looks at each that stays as it is once."""

    def __init__(self, node: Node) -> None:
        self._node: Final = node
        self._known: Final[dict[bytes, tuple[Reach, int]]] = {}

    def read(self, delivery: bytes) -> tuple[Reach, int]:
        """Return how far a result can be read, and how many bytes it has then."""
        known = self._known.get(delivery)
        if known is not None:
            return known
        try:
            content = open_result(self._node, delivery)
        except (Forged, MalformedInput, StoreDamaged):
            return "unreadable", 0
        if content.reach == "open":
            self._known[delivery] = content.reach, len(content.data)
        return content.reach, len(content.data)

    def forget(self, living: set[bytes]) -> None:
        """Keep what is known of these deliveries alone."""
        for delivery in self._known.keys() - living:
            del self._known[delivery]


class Helper:
    """Does what is to be done now, and remembers only what it said already."""

    def __init__(self, node: Node, emit: Emit) -> None:
        self._node: Final = node
        self._emit: Final = emit
        self._reader: Final = Reader(node)
        self._told: set[tuple[bytes, str]] = set()
        self._policy_error = ""

    def act(self) -> None:
        """Look at all requests, and take the next step about each."""
        is_sandbox = self._node.market.genesis.sandbox
        requests = tuple(survey_requests(self._node, self._reader))
        living = {request.assignment for request in requests}
        self._told = {told for told in self._told if told[0] in living}
        tasks = {request.assignment: request.task for request in requests}
        for step in plan_requests(requests, self._read_policy(), is_sandbox=is_sandbox):
            self._take(step, tasks[step.assignment])

    def _take(self, step: Step, task: bytes) -> None:
        assignment = step.assignment.hex()
        told = {"task": task.hex(), "assignment": assignment}
        try:
            match step:
                case Reveal():
                    reveal_key(self._node, assignment=assignment)
                    self._emit({"event": "revealed", **told})
                case Approve():
                    approve_delivery(self._node, assignment=assignment)
                    self._emit({"event": "approved", **told})
                case Ask(_, reason):
                    self._ask(step.assignment, reason, told)
        except (Refused, PolicyRefused, UsageError, Forged, StoreDamaged) as error:
            # About this one; the others are looked after all the same.
            self._ask(step.assignment, str(error), told)

    def _ask(self, assignment: bytes, reason: str, told: dict[str, str]) -> None:
        if (assignment, reason) not in self._told:
            self._told.add((assignment, reason))
            self._emit({"event": "yours to decide", **told, "reason": reason})

    def _read_policy(self) -> Policy:
        """Return the policy as it is now; one that cannot be read approves nothing."""
        try:
            policy = load_policy(self._node.home.policy_path)
        except SynapticError as error:
            if str(error) != self._policy_error:
                self._policy_error = str(error)
                self._emit({"event": "policy unreadable", "reason": self._policy_error})
            return Policy()
        self._policy_error = ""
        return policy


def survey_requests(node: Node, reader: Reader) -> Iterator[Request]:
    """Yield what there is to be done about tasks of this account."""
    market, account = node.market.contract.market, node.account
    deliveries: set[bytes] = set()
    for task_id, task in get_rows(market.tasks, "number"):
        if task.requester != account:
            continue
        for _, seat in get_seats(market, task_id, task):
            if seat.state in _AT_STAKE:
                row = get_holder(market, seat)
                deliveries.add(row.delivery)
                yield _make_request(node, reader, seat, row, task)
    reader.forget(deliveries)


def _make_request(
    node: Node, reader: Reader, seat: SeatRow, row: AssignmentRow, task: TaskRow
) -> Request:
    market = node.market.contract.market
    reach: Reach = ""
    size, media_type = 0, ""
    delivery = market.deliveries.get(row.delivery)
    if delivery is not None:
        reach, size = reader.read(row.delivery)
        media_type = delivery.media_type
    return Request(
        assignment=seat.assignment,
        task=seat.task,
        state=seat.state,
        is_final=get_work_standing(node, seat.assignment) == "final",
        price=row.ask * seat.shard.units,
        has_key=seat.state == "KEYWAIT" and _has_key(node, seat.shard.commitment),
        is_judged=_is_judged(market, task, row, node.account),
        needs_scores=bool(task.service.metrics),
        criteria=task.criteria,
        media_type=media_type,
        size=size,
        reach=reach,
    )


def _has_key(node: Node, commitment: bytes) -> bool:
    """Did this device make a key? One that is damaged counts: the step about it says so."""
    try:
        return get_key_ring(node).get(commitment) is not None
    except (Forged, StoreDamaged):
        return True


def _is_judged(market: Market, task: TaskRow, row: AssignmentRow, account: bytes) -> bool:
    if account not in get_signers(task, row.provider):
        return True
    return any(mark.account == account for mark in get_review(market, row.delivery).marks)
