"""`provide` with each executor: what it does, what it refuses, and what it never shows."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from tests.cli.conftest import CANARY, Run, carry, find_canary
from tests.exec.executors.vendor import (
    HEAD,
    Script,
    Vendor,
    begin,
    compose_answer,
    encode_event,
    refuse,
    send,
    stream_events,
)

Json = dict[str, Any]
Told = Callable[..., Json]

POLICY: Final = ("--opt-in", "--kinds", "*", "--approval", "auto", "--risk-sandbox")


@pytest.fixture
def market(pair: Told) -> Told:
    """Rita has posted a question; Paul may work on it."""
    ask(pair)
    pair("paul", "policy", "set", *POLICY)
    return pair


def ask(told: Told) -> str:
    posted = told(
        *("rita", "task", "post", "--kind", "text.answer", "--title", "A question"),
        *("--text", "What is a CRDT?", "--price", "50"),
    )
    carry(told, "rita", "paul")
    return posted["task"]


def get_result(told: Told, task: str) -> Json:
    carry(told, "paul", "rita")
    (result,) = told("rita", "task", "result", task)["results"]
    return result


# -- a model ---------------------------------------------------------------------------------


def test_a_model_answers_and_its_cost_is_on_record(
    market: Told, run: Run, vendor: Callable[..., Vendor], tmp_path: Path
) -> None:
    serving = vendor(stream_events(compose_answer("It ", "merges.")))
    done = run("--home", "paul", "--json", "provide", "--executor", "anthropic", "--once")
    assert done.code == 0, done
    assert (done.json["executor"], done.json["delivered"]) == ("anthropic", 1)
    (asked,) = serving.asked
    assert CANARY in asked.headers["authorization"]
    assert asked.body["model"] == "claude-sonnet-5-5"
    usage = market("paul", "usage")
    (row,) = usage["rows"]
    assert (row["calls"], row["done"], row["tokens_in"], row["tokens_out"]) == (1, 1, 12, 7)
    (call,) = market("paul", "usage", "--by", "call")["rows"]
    assert (call["model"], call["outcome"], call["is_exact"]) == ("claude-test-1", "done", True)
    assert call["task"] == market("rita", "task", "list")["tasks"][0]["task"]
    assert CANARY not in done.out + done.err
    assert find_canary(tmp_path) == []
    task = call["task"]
    assert get_result(market, task)["text"] == "It merges."


MISHAPS: Final[dict[str, Script]] = {
    "an error that tells the key": refuse(400, "invalid_request_error", f"bad key {CANARY}"),
    "an error in mid-stream": send(
        HEAD
        + encode_event(begin())
        + encode_event({"type": "error", "error": {"type": CANARY, "message": CANARY}})
    ),
    "garbage": send(HEAD + f"data: {CANARY}\n\n".encode()),
    "an answer that tells the key": stream_events(compose_answer(f"the key is {CANARY}")),
    "no answer": send(b""),
}


@pytest.mark.parametrize("mishap", MISHAPS)
def test_whatever_goes_wrong_the_key_is_nowhere(
    market: Told, run: Run, vendor: Callable[..., Vendor], tmp_path: Path, mishap: str
) -> None:
    vendor(MISHAPS[mishap])
    done = run("--home", "paul", "--json", "provide", "--executor", "anthropic", "--once")
    assert done.code == 0, done
    assert (done.json["delivered"], done.json["failed"]) == (0, 1)
    market("paul", "bundle", "write", "everything")
    shown = [market("paul", *line) for line in (("log",), ("usage", "--by", "call"), ("doctor",))]
    for text in (done.out, done.err, repr(shown)):
        assert CANARY[13:33] not in text
    assert find_canary(tmp_path) == []


def test_a_rejected_key_fails_one_task_and_ends_the_worker(
    market: Told, run: Run, vendor: Callable[..., Vendor]
) -> None:
    ask(market)
    vendor(refuse(401, "authentication_error", f"invalid key {CANARY}"))
    done = run("--home", "paul", "--json", "provide", "--executor", "anthropic")
    assert done.code == 2
    assert "status 401 authentication_error" in done.error["message"]
    assert CANARY not in done.out + done.err
    (row,) = market("paul", "usage")["rows"]
    assert (row["failed"], row["tokens_counted"]) == (1, 0)


def test_without_credentials_nothing_is_accepted(
    market: Told, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in list(os.environ):
        if name.startswith("ANTHROPIC_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("ANTHROPIC_CONFIG_DIR", str(tmp_path / "none"))
    done = run("--home", "paul", "provide", "--executor", "anthropic", "--once")
    assert done.code == 2
    assert "ANTHROPIC_API_KEY" in done.err
    assert market("paul", "usage")["rows"] == []


def test_without_tokens_left_nothing_is_accepted_and_the_reason_is_told(
    market: Told, vendor: Callable[..., Vendor]
) -> None:
    serving = vendor(stream_events(compose_answer("never")))
    market("paul", "policy", "set", "--tokens-per-day", "1000")
    # It would wait for another day: the client goes away.
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "synaptic_crdt.cli", "--home", "paul", "--json"),
            *("provide", "--executor", "anthropic"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    told = process.stderr.readline()
    process.terminate()
    process.communicate()
    assert "tokens_per_day" in told
    assert process.returncode == 130
    assert serving.asked == []


# -- a program -------------------------------------------------------------------------------


def test_a_program_of_three_lines_does_the_work(market: Told, run: Run, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text('#!/bin/sh\nread question\necho "$TASK_KIND: $question" | tr a-z A-Z\n')
    program.chmod(0o755)
    market("paul", "policy", "set", "--command", str(program))
    done = run("--home", "paul", "--json", "provide", "--executor", "command", "--once")
    assert done.code == 0, done
    assert done.json["delivered"] == 1
    task = market("rita", "task", "list")["tasks"][0]["task"]
    assert get_result(market, task)["text"] == "TEXT.ANSWER: WHAT IS A CRDT?\n"
    assert list((tmp_path / "paul" / "work").iterdir()) == []


def test_a_program_that_fails_fails_the_task_and_tells_its_owner_why(
    market: Told, run: Run
) -> None:
    market("paul", "policy", "set", "--command", "/bin/sh -c 'echo no luck >&2; exit 9'")
    done = run("--home", "paul", "--json", "provide", "--executor", "command", "--once")
    assert done.json["failed"] == 1
    assert "status 9: no luck" in done.err
    carry(market, "paul", "rita")
    assert "no luck" not in repr(market("rita", "log"))


def test_without_a_program_the_policy_refuses(market: Told, run: Run) -> None:
    assert market
    done = run("--home", "paul", "--json", "provide", "--executor", "command", "--once")
    assert done.code == 5
    assert done.error["error"] == "PolicyRefused"
    assert "policy set --command" in done.error["message"]


@pytest.mark.parametrize("executor", ["rehearsal", "command"])
def test_who_has_not_opted_in_does_nothing(pair: Told, run: Run, executor: str) -> None:
    pair("paul", "policy", "set", "--command", "/bin/true")
    done = run("--home", "paul", "provide", "--executor", executor, "--once")
    assert done.code == 5
    assert "opted_in = true" in done.err


def test_a_policy_shows_what_was_set(pair: Told, run: Run) -> None:
    line = ("--model", "claude-opus-5-5", "--output-tokens", "9", "--command-cpu", "90s")
    pair("paul", "policy", "set", *line, "--command", "/bin/echo 'two words' \\$HOME")
    shown = pair("paul", "policy", "show")
    assert shown["model"] == "claude-opus-5-5"
    assert shown["command"] == ["/bin/echo", "two words", "$HOME"]
    assert "/bin/echo 'two words' '$HOME'\n" in run("--home", "paul", "policy", "show").out
    assert (shown["output_tokens"], shown["command_cpu_seconds"]) == (9, 90)
    for text in ("/bin/echo 'open", "echo hi"):
        done = run("--home", "paul", "policy", "set", "--command", text)
        assert done.code == 2
        assert text.split()[0] in done.err
    assert pair("paul", "policy", "set", "--command", "")["command"] == []


# -- what it has cost ------------------------------------------------------------------------


def test_usage_is_shown_by_what_is_asked_for(market: Told, run: Run) -> None:
    assert market("paul", "usage") == {
        "by": "day",
        "rows": [],
        "total": market("paul", "usage")["total"],
    }
    for by in ("day", "call"):
        assert "nothing was run here" in run("--home", "paul", "usage", "--by", by).out
    run("--home", "paul", "provide", "--once")
    requester = market("rita", "whoami")["account"]
    (row,) = market("paul", "usage", "--by", "requester")["rows"]
    assert (row["requester"], row["calls"], row["tokens_counted"]) == (requester, 1, 0)
    (row,) = market("paul", "usage", "--by", "model")["rows"]
    assert row["model"] == ""
    for by in ("day", "task", "requester", "model", "call"):
        assert "rehearsal" in run("--home", "paul", "usage", "--by", by).out or by != "call"
    assert market("paul", "usage", "--since", "2999-01-01")["rows"] == []
    assert run("--home", "paul", "usage", "--since", "soon").code == 2


# -- the SDK is loaded by who asks a model, and by nobody else -------------------------------

WITHOUT_MODEL: Final = (
    ("usage",),
    ("policy", "show"),
    ("policy", "set", "--model", "claude-opus-5-5"),
    ("provide", "--executor", "rehearsal", "--once"),
    ("provide", "--executor", "command", "--once"),
    ("task", "list"),
    ("wallet",),
    ("log",),
    ("doctor",),
    ("audit",),
    ("market", "show"),
)


@pytest.mark.parametrize("line", WITHOUT_MODEL, ids=" ".join)
def test_who_needs_no_model_does_not_load_the_sdk_nor_who_links_to_nobody_a_scheduler(
    market: Told, line: tuple[str, ...]
) -> None:
    market("paul", "policy", "set", "--command", "/bin/cat")
    program = (
        "import sys; from synaptic_crdt.cli.main import main; code = main(sys.argv[1:]);"
        "print(*sys.modules, file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "--home", "paul", *line],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-500:]
    loaded = set(done.stderr.split())
    assert "synaptic_crdt.cli.main" in loaded
    assert loaded.isdisjoint({"anthropic", "httpx2", "pydantic"})
    assert line[0] == "provide" or loaded.isdisjoint({"trio", "ssl"})
