"""A locked key is asked for, never guessed, and never printed."""

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
SECRET = "correct horse"  # noqa: S105 - a test's own


def test_a_locked_key(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNAPTIC_PASSPHRASE", SECRET)
    founded = run("--home", "rita", "init", "--json")
    assert founded.code == 0
    assert "without a passphrase" not in founded.err
    assert SECRET.encode() not in Path("rita/device.key").read_bytes()
    assert run("--home", "rita", "whoami").code == 0
    monkeypatch.setenv("SYNAPTIC_PASSPHRASE", "wrong")
    wrong = run("--home", "rita", "whoami", "--json")
    assert (wrong.code, wrong.error["error"]) == (2, "KeyLocked")
    monkeypatch.delenv("SYNAPTIC_PASSPHRASE")
    missing = run("--home", "rita", "whoami", "--json")
    assert missing.code == 2
    assert "SYNAPTIC_PASSPHRASE" in missing.error["message"]


def test_it_is_asked_for_on_a_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNAPTIC_PASSPHRASE", SECRET)
    account = run("--home", "rita", "init", "--json").json["account"]
    monkeypatch.delenv("SYNAPTIC_PASSPHRASE")
    code, shown = type_at_terminal(["--home", "rita", "whoami"], SECRET)
    assert code == 0
    assert "passphrase: " in shown
    assert account in shown
    assert SECRET not in shown


def type_at_terminal(line: list[str], answer: str) -> tuple[int, str]:
    """Run a line on a terminal, and type an answer when it asks."""
    master, slave = pty.openpty()
    program = [sys.executable, "-m", "synaptic_crdt.cli", *line]
    with subprocess.Popen(program, stdin=slave, stdout=slave, stderr=slave) as process:
        os.close(slave)
        shown, asked, deadline = b"", False, time.monotonic() + 30
        while time.monotonic() < deadline and select.select([master], [], [], 30)[0]:
            try:
                shown += os.read(master, 4096)
            except OSError:  # how a terminal says that nobody writes to it any more
                break
            if b"passphrase: " in shown and not asked:
                os.write(master, answer.encode() + b"\n")
                asked = True
    os.close(master)
    return process.returncode, shown.decode()
