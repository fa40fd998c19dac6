"""Scores, prices, quotes and feedback through the command line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import carry, copy_homes, play_pair
from tests.cli.test_tasks import POST

Run = Callable[..., Any]
Told = Callable[..., dict[str, Any]]


def play_work(told: Told) -> None:
    """Paul does two pieces of Rita's work; she approves the first."""
    play_pair(told)
    for number in range(2):
        task = told("rita", *POST, "--text", "Why?", "--units", "2")["task"]
        carry(told, "rita", "paul")
        told("paul", "task", "accept", task, "--ask", "40")
        told("paul", "task", "start", task)
        told("paul", "task", "deliver", task, "--text", "Because.")
        carry(told, "paul", "rita")
        if number == 0:
            told("rita", "task", "approve", task)


@pytest.fixture
def pair(told: Told, tmp_path: Path, make_once: Callable[..., Path]) -> Told:
    copy_homes(make_once("work", play_work), tmp_path)
    return told


def get_tasks(pair: Told) -> tuple[str, str]:
    first, second = (row["task"] for row in pair("rita", "task", "list")["tasks"])
    return first, second


def test_r2_reputation_after_work(pair: Told, run: Run) -> None:
    paul = pair("paul", "whoami")["account"]
    told = pair("rita", "reputation", "paul")
    assert {key: told[key] for key in ("account", "provider_score", "requester_score", "tier")} == {
        "account": paul,
        "provider_score": 12,
        "requester_score": 0,
        "tier": "New",
    }
    assert told["kinds"] == [{"kind": "text.answer", "settled": 1, "failed": 0}]
    # A sandbox: nothing is ever final.
    assert told["final"] == {"provider_score": 0, "requester_score": 0}
    assert pair("rita", "reputation")["requester_score"] == 2
    shown = run("--home", "rita", "reputation", "paul").out
    assert "as provider   12, New (final: 0)" in shown
    assert "text.answer        1       0" in shown
    assert "kind" not in run("--home", "rita", "reputation").out


def test_prices_of_what_was_settled_and_of_what_was_not(pair: Told, run: Run) -> None:
    told = pair("rita", "prices", "text.answer")
    fields = ("kind", "count", "volume", "min", "max", "mean", "vwap", "organic_vwap", "note")
    assert [told[field] for field in fields] == [
        "text.answer",
        1,
        2,
        40,
        40,
        40,
        40,
        40,
        "few traders",
    ]
    (candle,) = told["candles"]
    assert (candle["count"], candle["value"], candle["last"]) == (1, 80, 40)
    everything = pair("rita", "prices")["prices"]
    assert [row["kind"] for row in everything] == sorted(row["kind"] for row in everything)
    (nothing,) = (row for row in everything if row["kind"] == "code.review")
    assert [nothing[field] for field in fields] == [
        "code.review",
        0,
        0,
        None,
        None,
        None,
        None,
        None,
        "no trades",
    ]
    assert "no trades" in run("--home", "rita", "prices").out
    done = run("--home", "rita", "prices", "text.answer")
    assert "organic vwap     40.000" in done.out
    assert done.err == "text.answer: few traders\n"
    empty = run("--home", "rita", "prices", "code.review")
    assert empty.err == "code.review: no trades\n"
    assert "mean" not in empty.out


def test_averages_are_numbers(pair: Told) -> None:
    _, second = get_tasks(pair)
    pair("rita", "task", "approve", second)
    task = pair("rita", *POST, "--text", "Why?")["task"]
    carry(pair, "rita", "paul")
    pair("paul", "task", "accept", task, "--ask", "45")
    pair("paul", "task", "start", task)
    pair("paul", "task", "deliver", task, "--text", "Because.")
    carry(pair, "paul", "rita")
    pair("rita", "task", "approve", task)
    told = pair("rita", "prices", "text.answer")
    assert (told["mean"], told["vwap"], told["count"]) == (41.667, 41, 3)


def test_a_quote(pair: Told, run: Run) -> None:
    line = ("quote", "--kind", "text.answer", "--price", "50", "--units", "3")
    told = pair("paul", *line, "--premium-up-to", "80", "--newcomers-from", "20")
    assert (told["locked"], told["provider_gets"], told["fee"]) == (240, 150, 0)
    # Half the price, for a newcomer and for a score of 12.
    assert (told["newcomer_limit"], told["limit"]) == (25, 25)
    assert (told["of_raw_percent"], told["of_organic_percent"]) == (125, 125)
    assert told["prices"]["vwap"] == 40
    shown = run("--home", "paul", *line)
    assert "of the organic price  125 %" in shown.out
    assert "few traders" in shown.err
    nothing = run("--home", "paul", "quote", "--kind", "code.review", "--price", "5")
    assert "of the" not in nothing.out
    assert "no trades" in nothing.err


@pytest.mark.usefixtures("pair")
@pytest.mark.parametrize(
    "line",
    [
        ("prices", "no.such.kind"),
        ("quote", "--kind", "no.such.kind", "--price", "5"),
        ("quote", "--kind", "text.answer", "--price", "0"),
        ("quote", "--kind", "text.answer", "--price", "5", "--units", "0"),
        ("quote", "--kind", "text.answer", "--price", "5", "--premium-up-to", "4"),
        ("quote", "--kind", "text.answer", "--price", "5", "--newcomers-from", "6"),
        ("feedback", "ffffffffffff", "5"),
        ("feedback", "3f9a", "6"),
        ("reputation", "nobody"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(run: Run, line: tuple[str, ...]) -> None:
    done = run("--home", "rita", *line)
    assert done.code == 2
    assert done.err


def test_feedback_both_ways(pair: Told, run: Run) -> None:
    first, second = get_tasks(pair)
    assignment = pair("rita", "task", "show", first)["assignments"][0]["assignment"]
    rated = pair("rita", "feedback", first[:12], "5", "--comment", "quick")
    assert (rated["assignment"], rated["rating"], rated["verdict"]) == (assignment, 5, "APPLIED")
    again = run("--home", "rita", "--json", "feedback", assignment, "5")
    assert (again.code, again.error["verdict"]) == (1, "FEEDBACK_GIVEN")
    assert pair("rita", "reputation", "paul")["provider_score"] == 17
    carry(pair, "rita", "paul")
    shown = run("--home", "paul", "feedback", assignment[:12], "2")
    assert shown.code == 0
    assert "with 2 of 5" in shown.out
    assert pair("paul", "reputation", "rita")["requester_score"] == -3
    assert pair("paul", "reputation", "rita")["requester_tier"] == "Risky"
    (told,) = pair("paul", "task", "show", first)["assignments"]
    assert {key: told["ratings"]["provider"][key] for key in ("rating", "comment", "points")} == {
        "rating": 5,
        "comment": "quick",
        "points": 5,
    }
    assert told["ratings"]["requester"]["points"] == -5
    lines = run("--home", "paul", "task", "show", first).out.splitlines()
    short = assignment[:12]
    assert f"feedback on the provider of {short}: 5 of 5, +5 points: quick" in lines
    assert f"feedback on the requester of {short}: 2 of 5, -5 points" in lines
    # The second task was not settled yet.
    unsettled = run("--home", "rita", "feedback", second, "5")
    assert unsettled.code == 2
    assert "0 settled assignments of yours" in unsettled.err
    (waiting,) = pair("rita", "task", "show", second)["assignments"]
    refused = run("--home", "rita", "--json", "feedback", waiting["assignment"], "5")
    assert (refused.code, refused.error["verdict"]) == (1, "NOT_SETTLED")


def test_spread_prices_lock_the_highest_and_let_newcomers_ask_less(pair: Told, run: Run) -> None:
    spread = ("--premium-up-to", "80", "--newcomers-from", "20")
    posted = pair("rita", *POST, "--text", "Why?", "--units", "2", *spread)
    assert posted["locked"] == 160
    carry(pair, "rita", "paul")
    refused = run("--home", "paul", "--json", "task", "accept", posted["task"])
    assert refused.error["verdict"] == "ASK_ABOVE_LIMIT"
    assert "50, limit 25 a unit" in refused.error["explanation"]
    assert pair("paul", "task", "accept", posted["task"], "--ask", "25")["verdict"] == "APPLIED"
