"""What looks like a secret is not written, unless its owner says that it is none."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.cli.conftest import Run, carry
from tests.cli.test_tasks import POST

TOKEN = "gh" + "p_" + "a1B2c3D4e5F6" * 3
KEY = "sk-" + "ant-" + "k1J2" * 12
Told = Callable[..., dict[str, Any]]


@pytest.mark.parametrize(
    ("field", "line"),
    [
        ("memo", ("wallet", "send", "paul", "5", "--memo", f"for {TOKEN}")),
        ("title", ("task", "post", "--kind", "text.answer", "--title", TOKEN, "--price", "5")),
        ("seats[0].payload", (*POST, "--text", f"use {TOKEN}")),
    ],
)
def test_a_field_with_a_secret_is_not_signed_c3(
    pair: Told, run: Run, field: str, line: tuple[str, ...]
) -> None:
    if "--text" not in line and line[0] == "task":
        line = (*line, "--text", "x")
    before = pair("rita", "log")["entries"]
    done = run("--home", "rita", "--json", *line)
    assert done.code == 5
    assert done.error["error"] == "PolicyRefused"
    assert done.error["message"].startswith(f"{field} holds what looks like a GitHub token")
    assert TOKEN not in done.out + done.err
    assert pair("rita", "log")["entries"] == before
    # Its owner knows better.
    assert run("--home", "rita", *line, "--allow-secret", "other").code == 5
    assert run("--home", "rita", *line, "--allow-secret", field).code == 0


def test_nobody_overrules_the_contract_c3(pair: Told, run: Run) -> None:
    before = pair("rita", "log")["entries"]
    line = ("wallet", "send", "paul", "5", "--memo", KEY)
    assert run("--home", "rita", *line).code in {1, 5}
    done = run("--home", "rita", "--json", *line, "--allow-secret", "memo")
    assert done.code == 1
    assert done.error["verdict"] == "CREDENTIAL_FOUND"
    assert KEY not in done.out + done.err
    assert pair("rita", "log")["entries"] == before


def test_an_argument_in_a_dispute_with_a_secret_is_not_signed_c3(pair: Told, run: Run) -> None:
    task = pair("rita", *POST, "--text", "What is your key?")["task"]
    carry(pair, "rita", "paul")
    pair("paul", "task", "accept", task)
    pair("paul", "task", "start", task)
    pair("paul", "task", "deliver", task, "--text", "None of your business.")
    carry(pair, "paul", "rita")
    line = ("--home", "rita", "--json", "dispute", "open", task, "--reason", "garbage")
    done = run(*line, "--statement", f"It said {TOKEN}")
    assert done.code == 5
    assert done.error["message"].startswith("statement holds what looks like a GitHub token")
    (row,) = pair("rita", "task", "show", task)["assignments"]
    assert row["status"] == "DELIVERED"


def test_a_result_with_a_secret_is_not_delivered_c3(pair: Told, run: Run) -> None:
    task = pair("rita", *POST, "--text", "What is your key?")["task"]
    pair("rita", "bundle", "write", "stick")
    pair("paul", "bundle", "read", "stick")
    pair("paul", "task", "accept", task)
    pair("paul", "task", "start", task)
    line = ("--home", "paul", "task", "deliver", task, "--text", f"It is {TOKEN}")
    assert run(*line).code == 5
    assert run(*line, "--allow-secret", "result").code == 0
