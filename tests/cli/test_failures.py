"""Every kind of no has its exit code and its one line; a stack never reaches a user."""

import errno
import inspect
import json
from pathlib import Path
from typing import Any, NoReturn

import click
import pytest

from synaptic_crdt import errors
from synaptic_crdt.cli.failures import run_guarded


def fail_with(error: BaseException) -> NoReturn:
    raise error


def guard(
    error: BaseException, capsys: pytest.CaptureFixture[str], *, as_json: bool = True
) -> tuple[int, Any]:
    code = run_guarded(lambda: fail_with(error), as_json=as_json)
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    return code, json.loads(line) if as_json else line


KINDS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.SynapticError) and kind is not errors.Refused
]


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_has_the_exit_code_of_its_kind(
    kind: type[errors.SynapticError], capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = guard(kind("what, why, what next"), capsys)
    assert code == kind.exit_code
    assert told == {
        "error": kind.__name__,
        "message": "what, why, what next",
        "exit_code": kind.exit_code,
    }


def test_the_exit_codes_that_are_promised() -> None:
    assert errors.Refused.exit_code == 1
    assert errors.UsageError.exit_code == errors.KeyLocked.exit_code == 2
    assert errors.LinkFailed.exit_code == errors.ProtocolViolation.exit_code == 3
    assert errors.Forged.exit_code == errors.MalformedInput.exit_code == 4
    assert errors.StoreDamaged.exit_code == errors.AuditFailed.exit_code == 4
    assert errors.PolicyRefused.exit_code == 5


def test_a_refusal_names_verdict_and_explanation(capsys: pytest.CaptureFixture[str]) -> None:
    code, told = guard(errors.Refused("NO_FREE_SEAT", "all seats are taken"), capsys)
    assert code == 1
    assert told["verdict"] == "NO_FREE_SEAT"
    assert told["explanation"] == "all seats are taken"
    assert told["next"] == ["task list --status open"]


def test_a_refusal_says_what_may_help(capsys: pytest.CaptureFixture[str]) -> None:
    refused = errors.Refused("NOT_OPTED_IN", "no")
    assert run_guarded(lambda: fail_with(refused), as_json=False) == 1
    assert capsys.readouterr().err.splitlines() == [
        "error: NOT_OPTED_IN: no",
        "next: synaptic-crdt terms",
        "next: synaptic-crdt consent on",
    ]
    assert guard(errors.Refused("GROUP_HAS_A_COPY", "no"), capsys)[1]["next"] == []


def test_a_message_is_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    code, line = guard(errors.UsageError("bad \x1b[2J name"), capsys, as_json=False)
    assert (code, line) == (2, r"error: bad \x1b[2J name")


def test_what_click_refuses_is_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert guard(click.BadParameter("no"), capsys)[0] == 2
    assert guard(click.FileError("x", "gone"), capsys)[0] == 2


def test_an_interruption(capsys: pytest.CaptureFixture[str]) -> None:
    assert guard(KeyboardInterrupt(), capsys)[0] == 130
    assert guard(click.Abort(), capsys)[0] == 130


def test_the_system_says_no(capsys: pytest.CaptureFixture[str]) -> None:
    missing = FileNotFoundError(errno.ENOENT, "No such file or directory", "there/x")
    assert guard(missing, capsys) == (
        2,
        {
            "error": "SystemFailed",
            "message": "there/x: No such file or directory",
            "exit_code": 2,
        },
    )
    assert guard(OSError(errno.ENOSPC, "No space left on device"), capsys)[0] == 4


def test_a_mistake_of_ours_is_a_line_and_a_report(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code, told = guard(ZeroDivisionError("surprise\nand more"), capsys)
    assert code == 70
    (report,) = tmp_path.iterdir()
    assert told["message"] == (
        "a mistake in this program, not yours (ZeroDivisionError: surprise); please report it"
        f" with {report}"
    )
    assert "Traceback" in report.read_text()
    assert report.stat().st_mode & 0o077 == 0
