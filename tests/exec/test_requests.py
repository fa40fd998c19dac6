"""What a requester's helper may do by itself: a change of one thing at a time, and its answer."""

from typing import Any, Final

import msgspec
import pytest

from synaptic_crdt.exec.policy import Policy
from synaptic_crdt.exec.requests import Approve, Ask, Request, Reveal, Step, plan_requests

JOB: Final = b"\x01" * 32
DELIVERED: Final = Request(
    assignment=JOB,
    task=b"\x02" * 32,
    state="DELIVERED",
    is_final=True,
    price=50,
    media_type="text/plain",
    size=9,
    reach="open",
)
AWAITED: Final = msgspec.structs.replace(DELIVERED, state="KEYWAIT", has_key=True, reach="")
WILLING: Final = Policy(approve_up_to=50)


def plan(request: Request, policy: Policy = WILLING, *, is_sandbox: bool = False) -> list[Step]:
    return list(plan_requests([request], policy, is_sandbox=is_sandbox))


def test_a_good_result_within_the_bounds_is_approved() -> None:
    assert plan(DELIVERED) == [Approve(JOB)]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"price": 51}, "costs 51, and approve_up_to is 50"),
        ({"needs_scores": True}, "asks for scores"),
        ({"criteria": "in verse"}, "criteria in words"),
        ({"size": 0}, "empty"),
        ({"media_type": "text/html; charset=utf-8"}, "it is text/html"),
        ({"reach": "missing"}, "have not come yet"),
        ({"reach": "sealed"}, "not handed to this device"),
        ({"reach": "unreadable"}, "not what was committed to"),
    ],
)
def test_whatever_else_is_the_requesters_to_decide(changes: dict[str, Any], told: str) -> None:
    (step,) = plan(msgspec.structs.replace(DELIVERED, **changes))
    assert isinstance(step, Ask)
    assert told in step.reason


def test_nothing_is_approved_unless_the_policy_says_so() -> None:
    (step,) = plan(DELIVERED, Policy())
    assert isinstance(step, Ask)


@pytest.mark.parametrize("allowed", [("*",), ("image/png", "text/html")])
def test_the_policy_names_media_types(allowed: tuple[str, ...]) -> None:
    policy = msgspec.structs.replace(WILLING, approve_media_types=allowed)
    page = msgspec.structs.replace(DELIVERED, media_type="TEXT/HTML;charset=utf-8")
    assert plan(page, policy) == [Approve(JOB)]


@pytest.mark.parametrize("request_", [DELIVERED, AWAITED], ids=["delivered", "awaited"])
def test_what_is_not_final_waits(request_: Request) -> None:
    assert plan(msgspec.structs.replace(request_, is_final=False)) == []


@pytest.mark.parametrize(
    ("request_", "step"), [(DELIVERED, Approve(JOB)), (AWAITED, Reveal(JOB))], ids=["paid", "key"]
)
def test_in_a_sandbox_it_is_done_where_its_risk_is_taken_and_asked_elsewhere(
    request_: Request, step: Step
) -> None:
    pending = msgspec.structs.replace(request_, is_final=False)
    (asked,) = plan(pending, is_sandbox=True)
    assert isinstance(asked, Ask)
    risky = msgspec.structs.replace(WILLING, risk_sandbox=True)
    assert plan(pending, risky, is_sandbox=True) == [step]


def test_a_key_is_revealed_to_a_final_winner_by_the_device_that_made_it() -> None:
    assert plan(AWAITED, Policy()) == [Reveal(JOB)]
    assert plan(msgspec.structs.replace(AWAITED, has_key=False)) == []


def test_what_was_judged_already_is_left_alone() -> None:
    assert plan(msgspec.structs.replace(DELIVERED, is_judged=True)) == []
