"""Confidential tasks: nobody works on one whom its verifier does not vouch for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run, carry, copy_homes
from tests.cli.test_tasks import POST

Told = Callable[..., dict[str, Any]]
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
NEWS = "The patient's name is Ana."
NAMES = ("paul", "pia", "vera")


def play_clinic(told: Told) -> None:
    """Rita founds a sandbox; three join her."""
    told("rita", "init", "--sandbox", "--account-name", "rita")
    for name in NAMES:
        told(name, "join", told("rita", "invite")["ticket"], "--account-name", name)
        carry(told, "rita", name)
        told(name, "consent", "on")
        carry(told, name, "rita")
    told("rita", "market", "set", "--verifier", "vera")
    spread(told, "rita")


@pytest.fixture
def clinic(
    told: Told, tmp_path: Path, make_once: Callable[..., Path], wait: Callable[[int], None]
) -> Told:
    """The four homes, a day later: Vera is a verifier."""
    copy_homes(make_once("clinic", play_clinic), tmp_path)
    wait(DAY_MS)
    return told


def spread(told: Told, giver: str) -> None:
    carry(told, giver, *({"rita", *NAMES} - {giver}))


def vouch(told: Told) -> str:
    word = told("vera", "attest", "add", "paul", "--claim", "confidential")["attestation"]
    spread(told, "vera")
    return word


def show_seat(told: Told, task: str) -> tuple[str, str]:
    (seat,) = told("rita", "task", "show", task)["shards"]
    return seat["state"], seat["end"]


def test_from_a_verifiers_word_to_a_sealed_result(clinic: Told, run: Run, tmp_path: Path) -> None:
    told = clinic
    posted = told("rita", *POST, "--verifier", "vera", "--text", NEWS)
    task = posted["task"]
    assert posted["privacy"] == "confidential"
    spread(told, "rita")
    lines = run("--home", "paul", "task", "show", task).out
    vera = told("vera", "whoami")["account"]
    assert "confidential" in lines
    assert vera in lines
    refused = run("--home", "paul", "--json", "task", "accept", task)
    assert (refused.code, refused.error["verdict"]) == (1, "NOT_ATTESTED")
    assert vera in refused.error["message"]
    vouch(told)
    assert run("--home", "pia", "--json", "task", "accept", task).error["verdict"] == (
        "NOT_ATTESTED"
    )
    told("paul", "task", "accept", task)
    spread(told, "paul")
    assert show_seat(told, task) == ("KEYWAIT", "")
    told("rita", "task", "reveal", task)
    spread(told, "rita")
    assert NEWS.encode() not in (tmp_path / "stick").read_bytes()
    assert told("paul", "task", "payload", task)["text"] == NEWS
    for name in ("pia", "vera"):
        assert told(name, "task", "payload", task)["reach"] == "sealed", name
    told("paul", "task", "start", task)
    told("paul", "task", "deliver", task, "--text", "She is well.")
    spread(told, "paul")
    assert b"She is well." not in (tmp_path / "stick").read_bytes()
    reaches = {name: told(name, "task", "result", task)["results"][0]["text"] for name in NAMES}
    assert reaches == {"paul": "She is well.", "pia": None, "vera": None}
    told("rita", "task", "approve", task)
    shown = told("rita", "task", "show", task)
    assert (shown["status"], shown["assignments"][0]["paid"]) == ("DONE", shown["price"])
    assert told("rita", "wallet", "--account", "paul")["available"] == shown["price"]


@pytest.mark.parametrize(("is_taken_back", "score"), [(True, 0), (False, -10)])
def test_no_key_is_revealed_to_whom_nobody_vouches_for_any_more(
    clinic: Told, run: Run, wait: Callable[[int], None], score: int, *, is_taken_back: bool
) -> None:
    told = clinic
    word = vouch(told)
    options = ("--verifier", "vera", "--reveal", "1h", "--text", NEWS)
    task = told("rita", *POST, *options)["task"]
    spread(told, "rita")
    told("paul", "task", "accept", task)
    spread(told, "paul")
    if is_taken_back:
        told("vera", "attest", "revoke", word)
        spread(told, "vera")
        done = run("--home", "rita", "--json", "task", "reveal", task)
        assert done.code == 5
        assert "no longer vouches" in done.error["message"]
    wait(HOUR_MS)
    # Anything written lets the market's time pass.
    told("rita", "wallet", "send", "vera", "1")
    assert show_seat(told, task) == ("CLOSED", "VOID")
    assert told("rita", "reputation", "rita")["requester_score"] == score


def test_a_list_is_handed_keys_as_far_as_the_verifier_vouches(clinic: Told, run: Run) -> None:
    told = clinic
    vouch(told)
    line = (*POST, "--verifier", "vera", "--text", NEWS, "--only", "paul", "--only", "pia")
    posted = told("rita", *line, "--reveal-now")
    accounts = {name: told(name, "whoami")["account"] for name in NAMES}
    assert posted["keys_for"] == [accounts["paul"]]
    assert posted["keys_awaited"] == [accounts["pia"]]
    spread(told, "rita")
    assert told("paul", "task", "payload", posted["task"])["text"] == NEWS
    assert told("pia", "task", "payload", posted["task"])["reach"] == "sealed"
    told("paul", "task", "accept", posted["task"])
    # Nobody waits for a key.
    told("paul", "task", "start", posted["task"])
    told_people = run("--home", "rita", *line, "--reveal-now").out
    assert f"the key went along for {accounts['paul'][:12]}" in told_people
    assert f"to be revealed, should they win: {accounts['pia'][:12]}" in told_people


def test_only_the_markets_verifiers_vouch(clinic: Told, run: Run) -> None:
    told = clinic
    line = ("rita", "--json", *POST, "--verifier", "pia", "--text", NEWS)
    done = run("--home", *line)
    assert (done.code, done.error["verdict"]) == (1, "VERIFIER_UNKNOWN")
    assert told("rita", "task", "list")["tasks"] == []
