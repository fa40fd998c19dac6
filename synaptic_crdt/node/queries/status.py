"""This home on one screen: who it is, what runs, what it owes, what is for its owner to decide."""

from collections.abc import Iterator

from synaptic_crdt.errors import UsageError
from synaptic_crdt.exec.policy import explain_idleness, explain_switch, load_policy
from synaptic_crdt.node.health import list_findings
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.outcomes import get_work_standing
from synaptic_crdt.node.queries.wallet import get_spendable
from synaptic_crdt.node.wire import Json
from synaptic_crdt.node.witness import is_witness
from synaptic_crdt.rules.market import get_rows
from synaptic_crdt.rules.seats.seat import ENDED, OWED, get_seat, get_seats
from synaptic_crdt.rules.views import view_wallet


def show_status(node: Node) -> Json:
    """Return what a person wants to know first.

    ``services`` is what runs in the process that owns this home; none when it is only this
    command itself. ``requests`` are living tasks of this account, ``work`` is what it owes.
    """
    genesis, market = node.market.genesis, node.market.contract.market
    account = market.accounts.get(node.account)
    view = view_wallet(market, node.account)
    machine = node.replica.machine
    return {
        "market": node.market.id.hex(),
        "market_name": genesis.name,
        "symbol": genesis.symbol,
        "sandbox": genesis.sandbox,
        "account": node.account.hex(),
        "name": None if account is None else account.name,
        "device": node.key.public.hex(),
        "home": node.home.name,
        "sequencer": node.is_sequencer,
        "witness": is_witness(node),
        "services": [
            {
                "name": service.name,
                "since_ms": service.since_ms,
                "failures": service.failures,
                "error": service.error,
                "retry_ms": service.retry_ms,
            }
            for service in node.board.services
        ],
        "root": node.replica.root.hex(),
        "epoch": machine.epoch,
        "entries": node.replica.entries,
        "pending": len(machine.get_tail()),
        "available": get_spendable(node, node.account),
        "escrow": view["escrow"],
        "bonded": view["bonded"],
        "policy": _show_policy(node),
        "work": list(_list_work(node)),
        "requests": list(_list_requests(node)),
        "findings": [
            {"name": each.name, "explanation": each.explanation, "advice": each.advice}
            for each in list_findings(node)
        ],
    }


def _show_policy(node: Node) -> Json:
    try:
        policy = load_policy(node.home.policy_path)
    except UsageError as error:
        return {"switch": "stop", "idle": str(error)}
    idle = explain_switch(policy) or explain_idleness(
        policy, is_sandbox=node.market.genesis.sandbox
    )
    return {"switch": policy.switch, "idle": idle or None}


def _list_work(node: Node) -> Iterator[Json]:
    market = node.market.contract.market
    for assignment, row in get_rows(market.assignments, "provider", node.account):
        seat = get_seat(market, row.seat)
        if row.end or seat.state not in OWED:
            continue
        task = market.tasks.get(seat.task)
        assert task is not None, seat.task
        yield {
            "assignment": assignment.hex(),
            "task": seat.task.hex(),
            "title": task.title,
            "state": seat.state,
            "standing": get_work_standing(node, assignment),
            "is_here": row.device == node.key.public,
            "deadline_ms": market.timers.get(row.seat),
        }


def _list_requests(node: Node) -> Iterator[Json]:
    market = node.market.contract.market
    for task_id, task in get_rows(market.tasks, "number"):
        if task.requester != node.account:
            continue
        states = [seat.state for _, seat in get_seats(market, task_id, task)]
        if any(state not in ENDED for state in states):
            yield {
                "task": task_id.hex(),
                "title": task.title,
                "seats": {state: states.count(state) for state in dict.fromkeys(states)},
            }
