"""The vectors of disputes: every way that work which was held or disputed may end.

As ``make_market``, which these belong to: ``market-disputes.json`` is such a market, piece by
piece. Every row of the seat table for HELD and DISPUTED is taken in it, by one task for each case.

``python -m tests.vectors.make_disputes`` writes a file that is not there yet.
"""

import json
from dataclasses import dataclass, field
from typing import Any, Final

from msgspec.structs import replace

from synaptic_crdt.rules.market import get_rows
from synaptic_crdt.rules.operations import Operation
from synaptic_crdt.rules.task_form import make_payload
from synaptic_crdt.rules.task_operations import (
    AssignmentSettle,
    DisputeEvidence,
    DisputeOpen,
    DisputeRule,
    DisputeWithdraw,
    Metric,
    Score,
    TaskApprove,
    TaskDeliver,
    TaskStart,
)
from tests.simulation.scenario import DAY_MS, MINUTE_MS, Peer, Scenario, make_post
from tests.vectors.make_market import FOLDER, Listener, check_agreement, describe_story

_PRICE: Final = 101
_BOND: Final = 21
_HASHES: Final = tuple(bytes((number,)) * 32 for number in range(9))

# Who says what of a task's delivery, with the share that it names, if any.
Act = tuple[str, str] | tuple[str, str, int]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A task of its own wishes, and what is said once it is delivered; after that comes silence."""

    acts: tuple[Act, ...]
    wishes: dict[str, Any] = field(default_factory=dict[str, Any])
    is_judged: bool = False
    # Those who may decide belong to the judge, who may not.
    is_undecidable: bool = False


_REJECTED: Final[Act] = ("requester", "reject")
_OBJECTED: Final[tuple[Act, ...]] = (_REJECTED, ("provider", "dispute"))
CASES: Final[dict[str, Case]] = {
    "held: the provider agrees": Case(acts=(_REJECTED, ("provider", "approve"))),
    "held: the contest ends": Case(acts=(_REJECTED, ("requester", "dispute"))),
    "held: a metric is missed": Case(
        acts=(("judge", "approve poor work"),),
        wishes={"metrics": (Metric("accuracy", 500_000),)},
        is_judged=True,
    ),
    "held: both name a share": Case(
        acts=(
            _REJECTED,
            ("requester", "name", 400_000),
            ("provider", "name", 600_000),
            ("provider", "name", 400_000),
        )
    ),
    "disputed by the requester: nothing was earned": Case(
        acts=(("requester", "dispute"), ("first", "rule", 0), ("second", "rule", 0))
    ),
    "disputed by the requester: the lower median counts": Case(
        acts=(
            ("requester", "dispute"),
            ("provider", "add evidence"),
            ("first", "rule", 700_000),
            ("first", "rule", 0),
            ("judge", "rule", 0),
            ("second", "rule", 500_000),
            ("third", "rule", 0),
        )
    ),
    "disputed by the requester: it gives in": Case(
        acts=(("requester", "dispute"), ("provider", "withdraw"), ("requester", "withdraw"))
    ),
    "disputed by the requester: nobody rules": Case(
        acts=(("requester", "dispute"), ("first", "rule", 0))
    ),
    "disputed by the requester: nobody may rule": Case(
        acts=(("requester", "dispute"), ("judge", "rule", 0)), is_judged=True, is_undecidable=True
    ),
    "disputed by the provider: half was earned": Case(
        acts=(
            *_OBJECTED,
            ("requester", "add evidence"),
            ("second", "rule", 900_000),
            ("third", "rule", 500_000),
        )
    ),
    "disputed by the provider: all was earned": Case(
        acts=(*_OBJECTED, ("second", "rule", 1_000_000), ("third", "rule", 1_000_000))
    ),
    "disputed by the provider: it gives in": Case(acts=(*_OBJECTED, ("provider", "withdraw"))),
    "disputed by the provider: both name a share": Case(
        acts=(
            *_OBJECTED,
            ("provider", "name", 900_000),
            ("requester", "name", 800_000),
            ("provider", "name", 800_000),
        )
    ),
    "disputed by the provider: nobody rules on the requester's word": Case(acts=_OBJECTED),
    "disputed by the provider: nobody rules on an independent word": Case(
        acts=(("judge", "reject"), ("provider", "dispute")), is_judged=True
    ),
}


def make_vectors() -> dict[str, dict[str, Any]]:
    """Return the content of every file by its name, as the code has it now."""
    return {"market-disputes.json": make_disputes()}


def make_disputes() -> dict[str, Any]:
    """Return a market of one requester and one provider who agree on next to nothing."""
    scenario = Scenario(fund=50_000, fee_ppm=20_000)
    listener = Listener(scenario)
    names = ("requester", "provider", "first", "second", "third", "judge")
    people = {name: scenario.add(10_000 if name == "requester" else 1_000) for name in names}
    scenario.sync()
    listener.hear(*scenario.peers)
    listener.close()
    assignments: dict[str, bytes] = {}
    for name, case in CASES.items():
        assignments[name] = _play(listener, people, case)
        listener.hear(*scenario.peers)
        listener.close()
    scenario.wait(30 * DAY_MS)
    listener.close()
    check_agreement(scenario, listener)
    market = listener.market.contract.market
    rows = dict(get_rows(market.assignments, "provider"))
    return describe_story(scenario, listener) | {
        "people": {name: peer.account.hex() for name, peer in people.items()},
        "end, reason, paid, fee, penalty, share": {
            name: [row.end, row.reason, row.paid, row.fee, row.penalty, row.share_ppm]
            for name, assignment in assignments.items()
            for row in (rows[assignment],)
        },
        "opener, deposit, rulings": {
            name: [
                dispute.opener,
                dispute.deposit,
                [[ruling.arbiter.hex(), ruling.share_ppm] for ruling in dispute.rulings],
            ]
            for name, assignment in assignments.items()
            if (dispute := market.disputes.get(rows[assignment].delivery)) is not None
        },
    }


def _play(listener: Listener, people: dict[str, Peer], case: Case) -> bytes:
    """Bring a task to its delivery, and let everybody say the say; return its assignment."""
    requester, provider = people["requester"], people["provider"]
    judge = people["judge"].account
    arbiters = sorted(people[name].account for name in ("first", "second", "third"))
    post = make_post(price=_PRICE, bond=_BOND, penalty=7)
    post = replace(
        post,
        service=replace(post.service, **case.wishes),
        evaluator=judge if case.is_judged else None,
        arbiters=(judge,) if case.is_undecidable else tuple(arbiters),
        quorum=1 if case.is_undecidable else 2,
    )
    task = requester.write(post)
    provider.pull(requester)
    assignment = provider.accept(task, _PRICE).entry.id
    listener.hear(requester, provider)
    listener.close()
    provider.write(TaskStart(assignment))
    listener.scenario.wait(MINUTE_MS)
    result = make_payload("text/plain", b"noise")
    delivery = provider.write(TaskDeliver(assignment, result, None, ())).entry.id
    for who, what, *share in case.acts:
        listener.scenario.sync()
        people[who].write(_make_act(assignment, delivery, what, *share))
    return assignment


def _make_act(assignment: bytes, delivery: bytes, what: str, share_ppm: int = 0) -> Operation:
    acts: dict[str, Operation] = {
        "approve": TaskApprove(delivery, True, ()),
        "approve poor work": TaskApprove(delivery, True, (Score("accuracy", 499_999),)),
        "reject": TaskApprove(delivery, False, ()),
        "dispute": DisputeOpen(delivery, "garbage", "It is noise.", _HASHES[:1]),
        "add evidence": DisputeEvidence(delivery, _HASHES[1:8]),
        "rule": DisputeRule(delivery, share_ppm),
        "withdraw": DisputeWithdraw(delivery),
        "name": AssignmentSettle(assignment, share_ppm),
    }
    return acts[what]


if __name__ == "__main__":
    for file, content in make_vectors().items():
        if not (FOLDER / file).exists():
            (FOLDER / file).write_text(json.dumps(content, indent=1) + "\n", "utf-8")
