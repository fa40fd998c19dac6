"""What a requester may do next about its own tasks: pure, from requests and the policy to steps.

Guarantees: a key is handed over only to whose seat is final, or in a sandbox market whose risk the
policy takes; a result is approved by itself only within the bounds that the policy sets, when it
is here, could be read, and asks for no judgement that a person would have to make. Everything else
is a question to the requester, never a decision.

Answers results that are bytes without sense (the type is what was allowed, nothing more), work that
nobody checked (whoever sets the bound says what a check is worth), and keys for seats that are lost
again.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from synaptic_crdt.exec.policy import ANY, Policy
from synaptic_crdt.rules.rows import SeatState

# How far a result can be read here; empty before there is one.
Reach = Literal["", "open", "missing", "sealed", "unreadable"]


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A living assignment of a task of this account.

    ``price`` is what it is paid, in the smallest unit; ``is_final`` speaks of its newest change.
    ``is_judged`` says that this account has said its word on the delivery, or has no word.
    """

    assignment: bytes
    task: bytes
    state: SeatState
    is_final: bool
    price: int
    has_key: bool = False
    is_judged: bool = False
    needs_scores: bool = False
    criteria: str = ""
    media_type: str = ""
    size: int = 0
    reach: Reach = ""


class Reveal(msgspec.Struct, frozen=True):
    """Hand the key of the payload to the provider."""

    assignment: bytes


class Approve(msgspec.Struct, frozen=True):
    """Release the pay of a delivery."""

    assignment: bytes


class Ask(msgspec.Struct, frozen=True):
    """Leave it to the requester, and say why."""

    assignment: bytes
    reason: str


Step = Reveal | Approve | Ask


def plan_requests(
    requests: Sequence[Request], policy: Policy, *, is_sandbox: bool
) -> Iterator[Step]:
    """Yield the next steps, one for each request about which something is to be done."""
    for request in requests:
        is_sure = request.is_final or (is_sandbox and policy.risk_sandbox)
        if request.state == "KEYWAIT" and request.has_key:
            if is_sure:
                yield Reveal(request.assignment)
            elif is_sandbox:
                yield Ask(request.assignment, "its key may be revealed, but nothing is ever final")
        elif request.state == "DELIVERED" and not request.is_judged:
            objection = explain_objection(request, policy)
            if objection:
                yield Ask(request.assignment, objection)
            elif is_sure:
                yield Approve(request.assignment)
            elif is_sandbox:
                yield Ask(request.assignment, "nothing is ever final in a sandbox market")


def explain_objection(request: Request, policy: Policy) -> str:
    """Say why a result is not approved by itself; empty when it may be."""
    essence = request.media_type.partition(";")[0].strip().lower()
    allowed = policy.approve_media_types
    if request.reach == "unreadable":
        return "it is not what was committed to: reject it, or open a dispute"
    if request.reach == "sealed":
        return "its key was not handed to this device: look at it on another one, or dispute it"
    if request.reach == "missing":
        return "its bytes have not come yet"
    if request.price > policy.approve_up_to:
        return f"it costs {request.price}, and approve_up_to is {policy.approve_up_to}"
    if request.needs_scores:
        return "the task asks for scores, which a person or an evaluator gives"
    if request.criteria:
        return "the task has criteria in words, which a person has to judge"
    if not request.size:
        return "it is empty"
    if essence not in allowed and ANY not in allowed:
        return f"it is {essence:.60}, which approve_media_types does not name"
    return ""
