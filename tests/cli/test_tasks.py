"""The life of a task through the command line, in a sandbox, where nothing waits for a checkpoint."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import carry

Run = Callable[..., Any]
Told = Callable[..., dict[str, Any]]
POST = (
    *("task", "post", "--kind", "text.answer", "--title", "A question", "--price", "50"),
    *("--priority", "0s"),
)


def test_from_posting_to_payment(pair: Told) -> None:
    posted = pair("rita", *POST, "--text", "Why?", "--units", "2")
    assert posted["locked"] == 100
    assert posted["task"] == posted["entry"]
    task = posted["task"]
    carry(pair, "rita", "paul")
    accepted = pair("paul", "task", "accept", task[:12], "--ask", "40")
    assert accepted["assignment"] == accepted["entry"]
    assert pair("paul", "task", "start", task[:12])["verdict"] == "APPLIED"
    delivered = pair("paul", "task", "deliver", task[:12], "--text", "Because.")
    assert delivered["size"] == 8
    carry(pair, "paul", "rita")
    (result,) = pair("rita", "task", "result", task)["results"]
    assert (result["text"], result["media_type"]) == ("Because.", "text/plain")
    before = pair("rita", "wallet")
    assert before["escrow"] == 100
    assert pair("rita", "task", "approve", task)["verdict"] == "APPLIED"
    after = pair("rita", "wallet")
    assert after["escrow"] == 0
    assert after["available"] == before["available"] + 20
    assert pair("rita", "wallet", "--account", "paul")["available"] == 80
    shown = pair("rita", "task", "show", task)
    assert {key: shown[key] for key in ("task", "status", "escrow")} == {
        "task": task,
        "status": "DONE",
        "escrow": 0,
    }
    assert shown["requester"] == pair("rita", "whoami")["account"]
    (assignment,) = shown["assignments"]
    assert {key: assignment[key] for key in ("status", "price", "paid", "penalty", "reason")} == {
        "status": "SETTLED",
        "price": 80,
        "paid": 80,
        "penalty": 0,
        "reason": "approved",
    }
    assert assignment["assignment"] == accepted["assignment"]
    assert assignment["seat"] == 0


def test_a_refusal_is_exit_code_1_with_its_verdict(pair: Told, run: Run) -> None:
    task = pair("rita", *POST, "--text", "Why?")["task"]
    before = pair("rita", "state")
    done = run("--home", "rita", "--json", "task", "accept", task)
    assert done.code == 1
    assert done.error["verdict"] == "NOT_OPTED_IN" or done.error["verdict"].startswith("PROVIDER_")
    assert done.error["explanation"]
    plain = run("--home", "rita", "task", "accept", task)
    assert plain.code == 1
    assert plain.out == ""
    assert plain.err.startswith(f"error: {done.error['verdict']}: ")
    assert pair("rita", "state") == before


@pytest.mark.usefixtures("pair")
def test_more_than_there_is(run: Run) -> None:
    done = run("--home", "paul", "--json", "wallet", "send", "rita", "5")
    assert (done.code, done.error["verdict"]) == (1, "BALANCE_TOO_LOW")


def test_a_dry_run_writes_nothing(pair: Told, run: Run) -> None:
    before = pair("rita", "state")
    dry = pair("rita", *POST, "--text", "Why?", "--dry-run")
    assert (dry["dry_run"], dry["locked"], dry["verdict"]) == (True, 50, "APPLIED")
    assert pair("rita", "wallet", "send", "paul", "5", "--dry-run")["takes"] == 5
    assert "nothing was written" in run("--home", "rita", *POST, "--text", "x", "--dry-run").out
    assert pair("rita", "state") == before


def test_seats_from_files(pair: Told, run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# one")
    (tmp_path / "b.bin").write_bytes(b"\xff\x00\x1b")
    task = pair("rita", *POST, "--text", "zero", "--file", "a.md", "--file", "b.bin")["task"]
    shown = pair("rita", "task", "show", task)
    assert shown["seats"] == 3
    assert [seat["media_type"] for seat in shown["shards"]] == [
        "text/plain",
        "text/markdown",
        "application/octet-stream",
    ]
    assert [seat["size"] for seat in shown["shards"]] == [4, 5, 3]
    assert pair("rita", "task", "payload", task)["text"] == "zero"
    assert pair("rita", "task", "payload", task, "--seat", "1")["text"] == "# one"
    assert pair("rita", "task", "payload", task, "--seat", "2", "--output", "c")["text"] is None
    assert (tmp_path / "c").read_bytes() == b"\xff\x00\x1b"
    assert run("--home", "rita", "task", "payload", task, "--seat", "3").code == 2


def test_a_result_is_shown_harmless_and_kept_exactly(pair: Told, run: Run, tmp_path: Path) -> None:
    task = pair("rita", *POST, "--text", "Why?")["task"]
    carry(pair, "rita", "paul")
    pair("paul", "task", "accept", task)
    pair("paul", "task", "start", task)
    evil = "done\x1b]0;owned\x07\nnext line \u202e"
    (tmp_path / "result.txt").write_text(evil)
    pair("paul", "task", "deliver", task, "--file", "result.txt")
    carry(pair, "paul", "rita")
    shown = run("--home", "rita", "task", "result", task, "--output", "kept.txt")
    assert "done\\x1b]0;owned\\x07\nnext line \\u202e\n" in shown.out
    assert "next: synaptic-crdt --home rita task approve" in shown.err
    assert (tmp_path / "kept.txt").read_text() == evil


def test_a_title_is_shown_harmless(pair: Told, run: Run) -> None:
    line = [part.replace("A question", "\x1b[31m\u202eevil") for part in POST]
    task = pair("rita", *line, "--text", "x")["task"]
    for command in (["task", "list"], ["task", "show", task]):
        shown = run("--home", "rita", *command).out
        assert r"\x1b[31m\u202eevil" in shown
        assert "\x1b" not in shown


def test_cancelling_returns_the_lock(pair: Told) -> None:
    before = pair("rita", "wallet")["available"]
    task = pair("rita", *POST, "--text", "x")["task"]
    assert pair("rita", "wallet")["available"] == before - 50
    pair("rita", "task", "cancel", task)
    assert pair("rita", "wallet")["available"] == before
    assert pair("rita", "task", "show", task)["status"] == "CANCELLED"
    assert [row["task"] for row in pair("rita", "task", "list", "--status", "cancelled")["tasks"]]
    assert pair("rita", "task", "list", "--status", "open")["tasks"] == []


def test_declining_and_failing(pair: Told) -> None:
    first = pair("rita", *POST, "--text", "x")["task"]
    second = pair("rita", *POST, "--text", "y")["task"]
    carry(pair, "rita", "paul")
    # Both at once: whoever gave work back is below the least reputation for a while.
    pair("paul", "task", "accept", first)
    pair("paul", "task", "accept", second)
    pair("paul", "task", "decline", first, "--reason", "too-busy")
    pair("paul", "task", "start", second)
    pair("paul", "task", "fail", second, "--reason", "no-model")
    (declined,) = pair("paul", "task", "show", first)["assignments"]
    (failed,) = pair("paul", "task", "show", second)["assignments"]
    assert (declined["status"], declined["note"]) == ("DECLINED", "too-busy")
    assert (failed["status"], failed["note"]) == ("FAILED", "no-model")


def test_spending_what_is_not_final_is_this_machines_decision(told: Told, run: Run) -> None:
    told("rita", "init", "--account-name", "rita", "--fund", "100")
    told("rita", "treasury", "pay", "rita", "50")
    line = ("--home", "rita", "--json", *POST, "--text", "x", "--units", "3")
    refused = run(*line)
    assert (refused.code, refused.error["error"]) == (5, "PolicyRefused")
    assert "--allow-pending" in refused.error["message"]
    assert run(*line, "--allow-pending").code == 0


def test_the_worker_does_it_by_itself(pair: Told, run: Run) -> None:
    task = pair("rita", *POST, "--text", "Why?")["task"]
    carry(pair, "rita", "paul")
    idle = run("--home", "paul", "provide", "--once", "--executor", "rehearsal")
    assert idle.code == 5
    assert pair("paul", "task", "show", task)["assignments"] == []
    pair(
        "paul",
        *("policy", "set", "--opt-in", "--kinds", "text.answer", "--approval", "auto"),
        "--risk-sandbox",
    )
    done = run("--home", "paul", "--json", "provide", "--once", "--executor", "rehearsal")
    assert done.code == 0
    assert '"event": "delivered"' in done.err
    (assignment,) = pair("paul", "task", "show", task)["assignments"]
    assert assignment["status"] == "DELIVERED"


def test_the_policy_denies_by_default_and_keeps_what_is_not_named(pair: Told, run: Run) -> None:
    assert pair("paul", "policy", "show")["opted_in"] is False
    changed = pair("paul", "policy", "set", "--opt-in", "--kinds", "text.answer,code.review")
    assert changed["kinds"] == ["code.review", "text.answer"]
    again = pair("paul", "policy", "set", "--minimum-price", "20", "--seconds-per-task", "2m")
    assert again == changed | {"minimum_price": 20, "seconds_per_task": 120}
    assert pair("paul", "policy", "set", "--opt-out")["opted_in"] is False
    bad = run("--home", "paul", "--json", "policy", "set", "--kinds", "No Kind")
    assert bad.code == 2
    assert pair("paul", "policy", "show")["kinds"] == ["code.review", "text.answer"]
