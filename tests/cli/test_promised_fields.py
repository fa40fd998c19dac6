"""Fields of JSON answers that other programs rely on: they may be added to, and never leave."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.cli.conftest import Run, carry

Told = Callable[..., dict[str, Any]]
PROMISED: dict[str, str] = {
    "whoami": "market account device",
    "task show {task}": "task status final requester assignments escrow",
    "wallet": "available pending_in pending_out escrow bonded",
    "state": "root heads entries pending final epoch time supply",
    "audit": "root entries verified heads",
    "prices text.answer": "kind count volume min max mean vwap",
    "reputation": "account provider_score requester_score tier",
}


@pytest.fixture
def done(pair: Told) -> str:
    """One task from its posting to its payment; its id."""
    posted = pair(
        "rita",
        *("task", "post", "--kind", "text.answer", "--title", "One", "--text", "Why?"),
        *("--price", "50", "--priority", "0s"),
    )
    assert {"task", "entry", "locked"} <= set(posted)
    task: str = posted["task"]
    carry(pair, "rita", "paul")
    for line in (("accept",), ("start",), ("deliver", "--text", "Because.")):
        pair("paul", "task", line[0], task, *line[1:])
    carry(pair, "paul", "rita")
    pair("rita", "task", "approve", task)
    return task


def test_answers_have_the_fields_that_are_promised(pair: Told, done: str) -> None:
    for line, fields in PROMISED.items():
        answer = pair("rita", *line.format(task=done).split())
        assert set(fields.split()) <= set(answer), line


def test_every_kind_has_its_prices(pair: Told, done: str) -> None:
    assert done
    for row in pair("rita", "prices")["prices"]:
        assert set(PROMISED["prices text.answer"].split()) <= set(row)


def test_assignments_and_entries_have_the_fields_that_are_promised(pair: Told, done: str) -> None:
    (assignment,) = pair("rita", "task", "show", done)["assignments"]
    promised = "assignment seat provider status price paid penalty reason"
    assert set(promised.split()) <= set(assignment)
    for entry in pair("rita", "log")["entries"]:
        promised = "entry device position time operation verdict"
        assert set(promised.split()) <= set(entry)


def test_founding_and_joining_say_who_came_where(told: Told) -> None:
    founded = told("fay", "init", "--sandbox")
    joined = told("joe", "join", told("fay", "invite")["ticket"])
    for answer in (founded, joined):
        assert {"market", "account", "device"} <= set(answer)
    assert founded["market"] == joined["market"]


def test_a_refusal_is_one_document_with_its_verdict(pair: Told, done: str, run: Run) -> None:
    assert pair
    refused = run("--home", "rita", "--json", "task", "cancel", done)
    assert (refused.code, refused.out) == (1, "")
    promised = {"error", "message", "exit_code", "verdict", "explanation", "next"}
    assert promised <= set(refused.error)
