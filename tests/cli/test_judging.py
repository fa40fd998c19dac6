"""Judging and disputing through the command line, in a sandbox with an arbiter of its own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import copy_homes
from tests.cli.test_tasks import POST, carry

Run = Callable[..., Any]
Told = Callable[..., dict[str, Any]]
HASH = "ab" * 32


def play_court(told: Told) -> None:
    told("rita", "init", "--sandbox", "--account-name", "rita")
    for name in ("paul", "kim"):
        told(name, "join", told("rita", "invite")["ticket"], "--account-name", name)
        carry(told, "rita", name)
        told(name, "consent", "on")
        carry(told, name, "rita")
    carry(told, "rita", "paul")
    carry(told, "rita", "kim")


@pytest.fixture
def court(told: Told, tmp_path: Path, make_once: Callable[..., Path]) -> Told:
    """Homes of a requester, a provider and an arbiter, all up to date."""
    copy_homes(make_once("court", play_court), tmp_path)
    return told


def deliver(told: Told, *options: str) -> str:
    """Post, work, deliver; return the task, with Rita up to date."""
    task = told("rita", *POST, "--text", "Why?", *options)["task"]
    carry(told, "rita", "paul")
    told("paul", "task", "accept", task)
    told("paul", "task", "start", task)
    told("paul", "task", "progress", task, "50")
    told("paul", "task", "deliver", task, "--text", "Because.")
    carry(told, "paul", "rita")
    return task


def show(told: Told, home: str, task: str) -> dict[str, Any]:
    (row,) = told(home, "task", "show", task)["assignments"]
    return row


def test_low_scores_are_held_and_agreed_to(court: Told) -> None:
    task = deliver(court, "--metric", "accuracy=95", "--penalty", "10")
    court("rita", "task", "approve", task, "--score", "accuracy=70")
    row = show(court, "rita", task)
    assert (row["status"], row["violations"]) == ("HELD", ["accuracy"])
    carry(court, "rita", "paul")
    court("paul", "task", "approve", task)
    row = show(court, "paul", task)
    assert (row["status"], row["paid"], row["penalty"]) == ("SETTLED", 45, 5)
    assert row["explanation"] == (
        "the provider agreed to what was proposed: 100 %, 45 to the provider, 5 withheld for"
        " accuracy"
    )
    assert [movement["amount"] for movement in row["moved"]] == [45]


def test_a_dispute_is_argued_and_ruled(court: Told, run: Run) -> None:
    task = deliver(court, "--arbiter", "kim")
    would = court("rita", "dispute", "open", task, "--reason", "garbage", "--dry-run")
    assert (would["locked"], would["deposit"]) == (5, 5)
    court("rita", "dispute", "open", task, "--reason", "garbage", "--evidence", HASH)
    carry(court, "rita", "paul")
    court("paul", "dispute", "evidence", task, HASH)
    carry(court, "paul", "kim")
    court("kim", "dispute", "rule", task, "60")
    row = show(court, "kim", task)
    assert (row["status"], row["reason"], row["paid"]) == ("SETTLED", "ruled", 30)
    # Six tenths of the pay, and of the deposit.
    assert court("kim", "wallet", "--account", "paul")["available"] == 33
    assert [(moved["what"], moved["amount"]) for moved in row["moved"]] == [
        ("pay", 30),
        ("deposit", 3),
    ]
    assert row["explanation"].endswith(
        ": 60 %, 30 to the provider, 3 of the requester's deposit to it"
    )
    assert row["dispute"]["requester_evidence"] == row["dispute"]["provider_evidence"] == [HASH]
    printed = run("--home", "kim", "task", "show", task).out
    assert "ruled 60 %" in printed
    assert "disputed by the requester (garbage), 1 of 1 rulings, 5 at stake" in printed


def test_e15_the_history_shows_every_act_with_its_actor(court: Told) -> None:
    task = deliver(court, "--arbiter", "kim")
    court("rita", "dispute", "open", task, "--reason", "garbage")
    names = {court(name, "whoami")["account"]: name for name in ("rita", "paul", "kim")}
    told = court("rita", "log")["entries"]
    acts = [(names[entry["account"]], entry["operation"]) for entry in told]
    assert acts[-6:] == [
        ("rita", "task.post"),
        ("paul", "task.accept"),
        ("paul", "task.start"),
        ("paul", "task.progress"),
        ("paul", "task.deliver"),
        ("rita", "dispute.open"),
    ]


def test_withdrawing_settling_extending_and_improving(court: Told, run: Run) -> None:
    task = court("rita", *POST, "--text", "Why?", "--bond", "0")["task"]
    assert court("rita", "task", "improve", task, "--price", "60", "--dry-run")["locked"] == 10
    assert court("rita", "task", "improve", task, "--price", "60")["locked"] == 10
    assert run("--home", "rita", "task", "improve", task, "--price", "50").code == 1
    carry(court, "rita", "paul")
    court("paul", "task", "accept", task, "--ask", "60")
    carry(court, "paul", "rita")
    court("rita", "task", "extend", task, "2h")
    assert court("rita", "task", "settle", task, "25%")["settled"] is False
    carry(court, "rita", "paul")
    assert court("paul", "task", "settle", task, "25")["settled"] is True
    assert show(court, "paul", task)["paid"] == 15
    task = deliver(court)
    court("rita", "dispute", "open", task, "--reason", "garbage", "--statement", "It is noise.")
    # The founder is the market's only arbiter, and a party: the default came at once.
    assert show(court, "rita", task)["reason"] == "no-ruling"
    # Nothing of the task waits for her any more.
    assert run("--home", "rita", "dispute", "withdraw", task).code == 2


def test_who_opened_a_dispute_may_withdraw_it(court: Told) -> None:
    task = deliver(court, "--arbiter", "kim")
    court("rita", "dispute", "open", task, "--reason", "garbage")
    court("rita", "dispute", "withdraw", task)
    row = show(court, "rita", task)
    assert row["reason"] == "withdrawn"
    # Who gives in loses all of its deposit.
    assert [(moved["what"], moved["amount"]) for moved in row["moved"]] == [
        ("pay", 50),
        ("deposit", 5),
    ]


def test_a_share_named_in_a_dispute_costs_nobody_the_deposit(court: Told) -> None:
    task = deliver(court, "--arbiter", "kim")
    court("rita", "dispute", "open", task, "--reason", "garbage")
    court("rita", "task", "settle", task, "80")
    carry(court, "rita", "paul")
    court("paul", "task", "settle", task, "80")
    row = show(court, "paul", task)
    assert (row["reason"], row["paid"]) == ("both-named", 40)
    assert [moved["what"] for moved in row["moved"]] == ["pay"]


@pytest.mark.parametrize("share", ["", "x", "1.23456", "-5", "1" * 20, "%"])
def test_what_is_no_share_is_refused_as_usage(run: Run, share: str) -> None:
    assert run("--home", "rita", "task", "settle", "3f9a", "--", share).code == 2
    assert run("--home", "rita", "task", "approve", "3f9a", "--score", share).code == 2
    assert run("--home", "rita", "task", "approve", "3f9a", "--score", f"a={share}").code == 2


def test_evidence_is_hashes(court: Told, run: Run) -> None:
    task = deliver(court, "--arbiter", "kim")
    wrong = run(
        "--home", "rita", "dispute", "open", task, "--reason", "garbage", "--evidence", "photo.png"
    )
    assert wrong.code == 2
