"""Names, consent on conditions, terms, attestations, the council and the history of a wallet."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synaptic_crdt.rules.limits import DAY_MS
from synaptic_crdt.rules.terms import DEFAULT_TERMS, compute_terms_hash
from tests.cli.conftest import carry, copy_homes

Run = Callable[..., Any]
Told = Callable[..., dict[str, Any]]
# For so long a task is for well-known providers alone.
PRIORITY_MS = 5_000
POST = (
    "task",
    "post",
    "--kind",
    "text.answer",
    "--title",
    "A question",
    "--text",
    "Why?",
    "--price",
)


def play_pair(told: Told) -> None:
    told("rita", "init", "--sandbox", "--account-name", "rita")
    told("paul", "join", told("rita", "invite")["ticket"], "--account-name", "paul")
    carry(told, "rita", "paul")
    carry(told, "paul", "rita")


@pytest.fixture
def pair(told: Told, tmp_path: Path, make_once: Callable[..., Path]) -> Told:
    """Rita's and Paul's homes, both up to date."""
    copy_homes(make_once("accounts", play_pair), tmp_path)
    return told


def test_a_new_name_is_told_to_others(pair: Told, run: Run) -> None:
    assert pair("paul", "account", "rename", "Paul the second")["name"] == "Paul the second"
    assert pair("paul", "whoami")["name"] == "Paul the second"
    carry(pair, "paul", "rita")
    assert pair("rita", "wallet", "--account", "Paul the second")["available"] == 0
    shown = run("--home", "paul", "account", "rename", "p\x1b")
    assert (shown.code, "\x1b" in shown.out) == (0, False)
    assert run("--home", "paul", "account", "rename", "").code == 1


def test_consent_on_conditions(pair: Told, run: Run, wait: Callable[[int], None]) -> None:
    rita = pair("rita", "whoami")["account"]
    pair(
        "paul",
        *("consent", "on", "--tasks-per-day", "1", "--units-per-task", "9"),
        *("--open-assignments", "3", "--kind", "text.answer", "--kind", "code.review"),
        *("--requester-min", "0", "--block", "rita"),
    )
    told = pair("paul", "consent", "show")
    assert told["opted_in"] is True
    assert told["caps"] == {
        "tasks_per_day": 1,
        "units_per_task": 9,
        "open_assignments": 3,
        "kinds": ["code.review", "text.answer"],
    }
    assert (told["requester_min"], told["blocked"]) == (0, [rita])
    shown = run("--home", "paul", "consent", "show").out
    assert "code.review, text.answer" in shown
    assert f"blocked                 {rita[:12]}" in shown
    task = pair("rita", *POST, "50")["task"]
    carry(pair, "rita", "paul")
    wait(PRIORITY_MS)
    done = run("--home", "paul", "task", "accept", task)
    assert (done.code, "REQUESTER_BLOCKED" in done.err) == (1, True)
    # What is not said again is not so any more.
    pair("paul", "consent", "on", "--units-per-task", "9")
    assert pair("paul", "consent", "show")["blocked"] == []
    assert pair("paul", "task", "accept", task)["verdict"] == "APPLIED"
    assert pair("paul", "consent", "off")["opted_in"] is False
    assert "not opted in" in run("--home", "paul", "consent", "show").out


def test_terms_are_read_and_compared(pair: Told, run: Run, tmp_path: Path) -> None:
    told = pair("paul", "terms")
    assert (told["text"], told["in_force"]) == (
        DEFAULT_TERMS,
        compute_terms_hash(DEFAULT_TERMS).hex(),
    )
    assert "credentials" in run("--home", "paul", "terms").out
    other = tmp_path / "other.txt"
    other.write_text("Be kind.\n", "utf-8")
    done = run("--home", "paul", "terms", "--text", "other.txt")
    assert (done.code, "not of the terms in force" in done.err) == (2, True)


def test_new_terms_come_in_force_after_a_day(
    pair: Told, run: Run, tmp_path: Path, wait: Callable[[int], None]
) -> None:
    (tmp_path / "new.txt").write_text("Be kind.\n", "utf-8")
    pair("paul", "consent", "on")
    announced = pair("rita", "market", "set", "--terms", "new.txt")
    (change,) = announced["changes"]
    assert (change["parameter"], change["to"]) == ("terms", compute_terms_hash("Be kind.\n").hex())
    assert change["entry"] == announced["entry"]
    wait(DAY_MS)
    # In a sandbox market time is that of the newest entry.
    pair("rita", "account", "rename", "rita")
    task = pair("rita", *POST, "50")["task"]
    carry(pair, "rita", "paul")
    assert "TERMS_OLD" in run("--home", "paul", "task", "accept", task).err
    assert "opted in to other terms" in run("--home", "paul", "consent", "show").out
    assert "ask the council for the text" in run("--home", "paul", "terms").out
    assert pair("paul", "terms", "--text", "new.txt")["text"] == "Be kind.\n"
    pair("paul", "consent", "on")
    wait(PRIORITY_MS)
    assert pair("paul", "task", "accept", task)["verdict"] == "APPLIED"


def test_the_council_sets_the_market(pair: Told, run: Run, wait: Callable[[int], None]) -> None:
    paul = pair("paul", "whoami")["account"]
    line = ("market", "set", "--fee-ppm", "20000", "--kind", "poem=one verse")
    pair("rita", *line, "--arbiter", "rita", "--arbiter", "paul", "--quorum", "2")
    pair("rita", "market", "set", "--verifier", "paul", "--rules", "1")
    told = pair("rita", "market", "show")
    assert (told["fee_ppm"], told["quorum"], paul in told["arbiters"]) == (0, 2, True)
    shown = run("--home", "rita", "market", "show").out
    assert "decided, and not in force yet:" in shown
    assert "2 of " in shown
    wait(DAY_MS)
    assert pair("rita", "market", "set", "--no-verifiers")["verifiers"] == [paul]
    told = pair("rita", "market", "show")
    assert (told["fee_ppm"], told["kinds"]) == (20_000, [{"kind": "poem", "unit": "one verse"}])
    assert "verifiers  none" in run("--home", "rita", "market", "set", "--no-verifiers").out


@pytest.mark.parametrize(
    ("code", "line"),
    [
        (1, ["--fee-ppm", "-1"]),
        (1, []),
        (2, ["--kind", "poem"]),
        (2, ["--verifier", "rita", "--no-verifiers"]),
        (2, ["--rules", "2"]),
        (2, ["--reference", "no hex"]),
        (2, ["--terms", "binary"]),
    ],
)
def test_nonsense_is_refused(pair: Told, run: Run, code: int, line: list[str]) -> None:
    Path("binary").write_bytes(b"\xff\xfe")
    before = pair("rita", "state")["entries"]
    assert run("--home", "rita", "market", "set", *line).code == code
    assert pair("rita", "state")["entries"] == before


@pytest.mark.usefixtures("pair")
def test_only_the_council_votes_and_nothing_is_minted_unless_the_founder_said_so(
    run: Run,
) -> None:
    assert "NOT_COUNCIL" in run("--home", "paul", "market", "set", "--fee-ppm", "1").err
    done = run("--home", "rita", "treasury", "mint", "5")
    assert (done.code, "MINT_OVER_CAP" in done.err) == (1, True)


def test_what_the_founder_allowed_is_minted(told: Told, run: Run) -> None:
    told("rita", "init", "--sandbox", "--supply", "100", "--mint-cap", "50")
    assert told("rita", "treasury", "mint", "20")["verdict"] == "APPLIED"
    assert told("rita", "market", "show")["mintable"] == 30
    assert told("rita", "state")["supply"] == 120
    assert "voted to make 30" in run("--home", "rita", "treasury", "mint", "30").out


def test_a_verifier_vouches_and_thinks_better_of_it(
    pair: Told, run: Run, wait: Callable[[int], None]
) -> None:
    line = ("attest", "add", "paul", "--claim", "confidential")
    assert "NOT_A_VERIFIER" in run("--home", "rita", *line).err
    pair("rita", "market", "set", "--verifier", "rita")
    wait(DAY_MS)
    word = pair("rita", *line)["attestation"]
    carry(pair, "rita", "paul")
    (row,) = pair("paul", "attest", "list")["attestations"]
    assert (row["attestation"], row["claim"], row["counts"]) == (word, "confidential", True)
    assert run("--home", "rita", "attest", "list", "paul").out.split()[-1] == "yes"
    assert "taken back" in run("--home", "rita", "attest", "revoke", word[:12]).out
    (row,) = pair("rita", "attest", "list", "paul")["attestations"]
    assert (row["state"], row["counts"]) == ("REVOKED", False)


def test_the_history_tells_what_moved_and_why_w8(
    pair: Told, run: Run, wait: Callable[[int], None]
) -> None:
    pair("rita", "wallet", "send", "paul", "250", "--memo", "Payment for compute")
    pair("paul", "consent", "on")
    task = pair("rita", *POST, "50", "--bond", "20")["task"]
    given = pair("rita", "invite", "--grant", "7")
    carry(pair, "rita", "paul")
    wait(PRIORITY_MS)
    pair("paul", "task", "accept", task)
    pair("paul", "task", "start", task)
    pair("paul", "task", "deliver", task, "--text", "Because.")
    carry(pair, "paul", "rita")
    pair("rita", "task", "approve", task)
    for _ in range(8):
        wait(DAY_MS)
    pair("rita", "account", "rename", "rita")
    carry(pair, "rita", "paul")
    told = pair("rita", "wallet", "history")["movements"]
    causes = [
        (row["cause"], row["change"], row["locked_change"], row["task"] == task) for row in told[1:]
    ]
    assert causes == [
        ("token.transfer", -250, 0, False),
        ("task.post", -50, 50, True),
        ("invite.issue", -7, 7, False),
        ("task.approve", 0, -50, True),
        ("deadline", 7, -7, False),
    ]
    assert "grant returns" in told[-1]["explanation"]
    assert "approved" in told[-2]["explanation"]
    assert told[-1]["available"] == pair("rita", "wallet")["available"]
    assert given["grant"] == 7
    theirs = pair("rita", "wallet", "history", "--account", "paul")["movements"]
    assert theirs == pair("paul", "wallet", "history")["movements"]
    assert [(row["change"], row["locked_change"]) for row in theirs] == [
        (250, 0),
        (-20, 20),
        (70, -20),
    ]
    received = theirs[0]
    assert received["memo"] == "Payment for compute"
    assert (received["by"], received["entry"]) == (told[1]["by"], told[1]["entry"])
    assert pair("paul", "wallet", "history", "--limit", "1")["movements"] == theirs[-1:]
    shown = run("--home", "paul", "wallet", "history").out
    assert "Payment for compute" in shown


def test_the_history_tells_final_from_pending_and_seats_that_ran_out(
    told: Told, wait: Callable[[int], None]
) -> None:
    told("rita", "init", "--account-name", "rita")
    told("rita", *POST, "5")
    told("rita", "checkpoint")
    wait(DAY_MS)
    told("rita", *POST, "6")
    rows = told("rita", "wallet", "history")["movements"]
    assert [(row["cause"], row["change"], row["standing"]) for row in rows[1:]] == [
        ("task.post", -5, "final"),
        ("deadline", 5, "pending"),
        ("task.post", -6, "pending"),
    ]
    assert rows[2]["task"] == rows[1]["task"]
    assert rows[2]["explanation"] != ""
    told("rita", "checkpoint")
    rows = told("rita", "wallet", "history")["movements"]
    assert {row["standing"] for row in rows} == {"final"}
