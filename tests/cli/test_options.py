"""`--home` and `--json` stand where people put them."""

import json
from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., Any]

_POST = ["task", "post", "--kind", "text.answer", "--title", "t", "--text", "x"]


@pytest.mark.parametrize(
    "line",
    [
        ("--home", "rita", "--json", "invite", "list"),
        ("invite", "--home", "rita", "list", "--json"),
        ("invite", "list", "--home", "rita", "--json"),
        ("--home", "elsewhere", "invite", "--json", "list", "--home", "rita"),
    ],
)
def test_before_and_after_the_command(run: Run, line: tuple[str, ...]) -> None:
    assert run("--home", "rita", "init").code == 0
    done = run(*line)
    assert (done.code, done.json) == (0, {"invitations": []})


def test_the_home_of_the_environment(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNAPTIC_HOME", "rita")
    account = run("init", "--json").json["account"]
    assert run("whoami", "--json").json["account"] == account
    assert run("--home", "elsewhere", "whoami").code == 2


def test_json_is_one_document_and_nothing_else(run: Run) -> None:
    done = run("--json", "--home", "rita", "init")
    assert isinstance(json.loads(done.out), dict)
    assert "next:" not in done.err


def test_json_is_plain_ascii(run: Run) -> None:
    done = run("--json", "--home", "rita", "init", "--account-name", "\u202e\x1b市")
    assert done.json["name"] == "\u202e\x1b市"
    assert done.out.isascii()
    assert "\x1b" not in done.out


@pytest.mark.parametrize(
    "line",
    [
        ["nonsense"],
        ["task", "nonsense"],
        ["state", "surplus"],
        ["state", "--nonsense"],
        ["task", "post", "--price", "5"],
        ["task", "post", "--price", "5", "--kind", "text.answer", "--title", "t"],
        ["task", "post", "--price", "5", "--window", "soon", "--kind", "k", "--title", "t"],
        ["task", "deliver", "3f9a"],
        ["task", "deliver", "3f9a", "--text", "x", "--file", __file__],
        ["wallet", "send", "paul", "-5"],
        ["wallet", "send", "paul", "1.5"],
        ["bundle", "read", "missing.bundle"],
        ["audit", "missing.bundle"],
        ["invite", "--role", "emperor"],
        ["policy", "set"],
        ["provide", "--executor", "nonsense"],
        ["listen"],
    ],
)
def test_usage_errors(run: Run, line: list[str]) -> None:
    assert run("--home", "rita", "init").code == 0
    plain = run("--home", "rita", *line)
    assert plain.code == 2
    assert plain.out == ""
    assert "rror: " in plain.err
    as_json = run("--home", "rita", "--json", *line)
    assert as_json.code == 2
    assert as_json.error["exit_code"] == 2


@pytest.mark.parametrize(
    ("verdict", "line"),
    [
        ("AMOUNT_ZERO", ["wallet", "send", "rita", "0"]),
        ("AMOUNT_OUT_OF_RANGE", ["wallet", "send", "rita", "--", "-5"]),
        ("AMOUNT_OUT_OF_RANGE", ["wallet", "send", "rita", str(10**30)]),
        ("RECIPIENT_IS_SENDER", ["wallet", "send", "rita", "5"]),
        ("PRICE_OUT_OF_RANGE", [*_POST, "--price", "0"]),
        ("UNITS_OUT_OF_RANGE", [*_POST, "--price", "1", "--units", "0"]),
        ("BOND_OUT_OF_RANGE", [*_POST, "--price", "1", "--bond", "2"]),
        ("GRANT_OUT_OF_RANGE", ["invite", "--grant=-1"]),
    ],
)
def test_numbers_out_of_bounds_are_refused_by_the_rules(
    run: Run, verdict: str, line: list[str]
) -> None:
    assert run("--home", "rita", "init", "--account-name", "rita").code == 0
    refused = run("--home", "rita", "--json", *line)
    assert (refused.code, refused.error["verdict"]) == (1, verdict)


@pytest.mark.parametrize(
    "line",
    [
        ("init", "--name", "\udcff"),
        (
            "task",
            "post",
            "--kind",
            "text.answer",
            "--title",
            "\udcff",
            "--text",
            "x",
            "--price",
            "1",
        ),
        (
            "task",
            "post",
            "--kind",
            "text.answer",
            "--title",
            "t",
            "--text",
            "\udcff",
            "--price",
            "1",
        ),
        ("invite", "--address", "\udcff"),
        ("wallet", "send", "\udcff", "1"),
        ("policy", "set", "--kinds", "\udcff"),
    ],
)
def test_text_has_to_be_utf_8(run: Run, line: tuple[str, ...]) -> None:
    assert run("--home", "rita", "init").code == 0
    done = run("--home", "rita", *line)
    assert done.code == 2
    assert r"'\udcff' is not UTF-8" in done.err
