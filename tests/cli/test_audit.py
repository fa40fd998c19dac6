"""Replaying, proving and checking, as they are typed."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synaptic_crdt.cli import progress
from synaptic_crdt.cli.progress import show_progress
from tests.cli.conftest import run_line

Json = dict[str, Any]
Run = Callable[..., Any]
Told = Callable[..., Json]

POST = (
    "task",
    "post",
    "--kind",
    "text.answer",
    "--title",
    "Q",
    "--text",
    "x",
    "--price",
    "5",
    "--priority",
    "0s",
)


@pytest.fixture
def market(told: Told) -> Json:
    """Rita's market with a task in its second epoch; what she would tell an auditor."""
    founded = told("rita", "init", "--account-name", "rita", "--fund", "500")
    task = told("rita", *POST)["task"]
    told("rita", "checkpoint")
    return founded | {"task": task, "root": told("rita", "state")["root"]}


def test_a_fact_is_proven_and_checked_without_a_home(market: Json, told: Told, run: Run) -> None:
    for about, subject in (
        ("balance", "rita"),
        ("task", market["task"]),
        ("entry", market["task"][:12]),
        ("assignment", market["task"]),
    ):
        done = run("--home", "rita", "audit", "prove", about, subject)
        assert done.code == 0, done
        file = Path(f"{about}.proof")
        assert f"wrote {file.resolve()}" in done.out
        assert f"audit check {file.resolve()} --root {market['root']}" in done.err
        names = ("--root", market["root"], "--market", market["market"])
        checked = run("--home", "nobody", "audit", "check", str(file), *names)
        assert checked.code == 0, checked
        assert checked.out.startswith("proven, if this root is the market's:\n")
        assert market["root"] in checked.out
        proven = told("nobody", "audit", "check", str(file), *names)["proven"]
        assert proven["about"] == about
    assert "can spend 495 tokens" in run_check("balance", market)
    assert " is OPEN\n" in run_check("task", market)
    assert " is APPLIED: applied\n" in run_check("entry", market)
    assert f"there is no assignment {market['task']}" in run_check("assignment", market)
    told("rita", "audit", "prove", "task", "00" * 32, "--output", "none.proof")
    assert f"there is no task {'00' * 32}" in run_check("none", market)


def run_check(name: str, market: Json) -> str:
    names = ("--root", market["root"], "--market", market["market"])
    return run_line("audit", "check", f"{name}.proof", *names).out


def test_an_assignment_in_words(market: Json, told: Told) -> None:
    ticket = told("rita", "invite")["ticket"]
    told("paul", "join", ticket, "--account-name", "paul")
    told("rita", "bundle", "write", "rita.bundle")
    told("paul", "bundle", "read", "rita.bundle")
    told("paul", "consent", "on")
    accepted = told("paul", "task", "accept", market["task"][:12])["assignment"]
    path = Path("paul.proof")
    told("paul", "audit", "prove", "assignment", accepted, "--provisional", "--output", str(path))
    names = ("--root", told("paul", "state")["root"], "--market", market["market"])
    done = run_line("audit", "check", str(path), *names)
    assert done.code == 0, done
    assert f"assignment {accepted} is " in done.out
    assert market["task"] in done.out


def test_what_proves_nothing_ends_with_four(market: Json, run: Run) -> None:
    run("--home", "rita", "audit", "prove", "balance", "rita")
    names = ["--root", market["root"], "--market", market["market"]]
    other = ["--root", market["root"], "--market", market["root"]]
    assert run("audit", "check", "balance.proof", *other).code == 4
    data = Path("balance.proof").read_bytes()
    Path("balance.proof").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert run("audit", "check", "balance.proof", *names).code == 4
    Path("text.proof").write_text("not a proof", encoding="ascii")
    done = run("--json", "audit", "check", "text.proof", *names)
    assert (done.code, done.error["error"]) == (4, "MalformedInput")
    assert "no proof" in done.error["message"]


@pytest.mark.parametrize(
    "line",
    [
        ["prove", "balance"],
        ["prove", "weather", "rita"],
        ["prove", "balance", "nobody"],
        ["check", "missing.proof", "--root", "00", "--market", "00"],
        ["check", __file__, "--root", "00", "--market", "00"],
        ["check", __file__],
        ["--at", "9"],
        ["--at", "1", "--heads", "00" * 32],
        ["nonsense"],
    ],
)
@pytest.mark.usefixtures("market")
def test_lines_that_mean_nothing(run: Run, line: list[str]) -> None:
    done = run("--home", "rita", "audit", *line)
    assert (done.code, done.out) == (2, "")
    assert "rror: " in done.err


def test_a_replay_needs_no_verb(market: Json, told: Told, run: Run) -> None:
    told("rita", "bundle", "write", "market.bundle")
    roots = [
        told("rita", *line)["root"]
        for line in (
            ["audit"],
            ["audit", "replay"],
            ["audit", "--thorough"],
            ["audit", "market.bundle"],
            ["audit", "--json", "--root", market["root"]],
            ["audit", "--home", "rita", "--at", "2", "market.bundle"],
            ["audit", "--home=rita", "replay", "--at", "2"],
        )
    ]
    assert roots == [market["root"]] * 7
    assert run("--json", "audit", "--home", "rita").json["root"] == market["root"]
    assert "replay" in run("audit", "--json", "--help").out


def test_a_damaged_bundle_is_named_by_its_bytes(told: Told, run: Run, market: Json) -> None:
    told("rita", "bundle", "write", "market.bundle")
    path = Path("market.bundle")
    data = path.read_bytes()
    path.write_bytes(data[:-40] + bytes([data[-40] ^ 1]) + data[-39:])
    done = run("audit", "market.bundle", "--root", market["root"])
    assert done.code == 4
    assert "the first that does not verify: bytes " in done.err


def test_a_bar_is_drawn_for_large_files_on_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], run: Run
) -> None:
    assert run
    large = progress._LARGE_BYTES
    drawn: list[bool] = []

    def draw(size: int) -> None:
        with show_progress("replaying", size) as tell:
            drawn.append(tell is not None)
            if tell is not None:
                tell(size)

    import click  # noqa: PLC0415 - a context as every command has it

    with click.Context(click.Command("audit")):
        draw(large)
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        draw(large - 1)
        draw(large)
    assert drawn == [False, False, True]
    assert capsys.readouterr().out == ""
