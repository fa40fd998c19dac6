"""kill -9 of a worker at every step: the task settles once, and nothing is paid for twice."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from tests.cli.conftest import carry, copy_homes
from tests.cli.crashing import ANSWER, STEPS, work

Json = dict[str, Any]
Told = Callable[..., Json]
Made = Callable[..., Path]

NEVER: Final = "never"
REPO: Final = Path(__file__).parents[2]
# From here on a call may have been made, and until it is on record what it gave is lost.
UNSURE: Final = STEPS[STEPS.index("after it is begun") : STEPS.index("after it is kept")]
PAID: Final = STEPS[STEPS.index("during the call") :]


def accept_for_good(told: Told) -> None:
    """Paul has a seat of a task of Rita's, and a checkpoint has made that final."""
    told("rita", "init", "--account-name", "rita")
    told("paul", "join", told("rita", "invite")["ticket"], "--account-name", "paul")
    exchange(told)
    told("paul", "consent", "on")
    told("paul", "policy", "set", "--opt-in", "--kinds", "*", "--approval", "manual")
    exchange(told)
    told(
        *("rita", "task", "post", "--kind", "text.answer", "--title", "A question"),
        *("--text", "Why?", "--price", "50", "--priority", "0s", "--redispatch", "0"),
        *("--execution", "1d", "--allow-pending"),
    )
    exchange(told)
    told("paul", "task", "accept", told("paul", "task", "list")["tasks"][0]["task"])
    exchange(told)
    exchange(told)


def exchange(told: Told) -> None:
    """Bring all that Paul has to Rita, close an epoch, and bring that back."""
    carry(told, "paul", "rita")
    told("rita", "checkpoint")
    carry(told, "rita", "paul")


@pytest.fixture
def accepted(told: Told, tmp_path: Path, make_once: Made) -> Told:
    copy_homes(make_once("accepted", accept_for_good), tmp_path)
    return told


def crash(folder: Path, step: str) -> None:
    """Let Paul's worker run until it is killed."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.cli.crashing", folder / "paul", folder / "calls", step],
        cwd=REPO,
        env={**os.environ, "SYNAPTIC_PASSPHRASE": ""},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, (step, done)


def count_calls(folder: Path) -> int:
    calls = folder / "calls"
    return len(calls.read_text().splitlines()) if calls.exists() else 0


def is_kept(folder: Path) -> bool:
    return any((folder / "paul" / "journal").glob("*.job"))


@pytest.mark.parametrize("step", STEPS)
def test_a_crash_at_any_step_pays_once_and_loses_no_result(
    accepted: Told, tmp_path: Path, step: str
) -> None:
    crash(tmp_path, step)
    is_handed_in = STEPS.index(step) >= STEPS.index("after task.deliver")
    if not is_handed_in:
        work(tmp_path / "paul", tmp_path / "calls", NEVER)
    settle_and_check(
        accepted, tmp_path, is_lost=step in UNSURE, calls=int(step not in UNSURE or step in PAID)
    )


@pytest.mark.parametrize("step", UNSURE)
def test_what_was_cut_off_is_run_again_where_the_policy_pays_for_it(
    accepted: Told, tmp_path: Path, step: str
) -> None:
    accepted("paul", "policy", "set", "--repeat-interrupted")
    crash(tmp_path, step)
    work(tmp_path / "paul", tmp_path / "calls", NEVER)
    settle_and_check(accepted, tmp_path, is_lost=False, calls=1 + (step in PAID))


def settle_and_check(told: Told, folder: Path, *, is_lost: bool, calls: int) -> None:
    """The requester sees one end of the task, and whoever was to be paid is paid once."""
    exchange(told)
    task = told("rita", "task", "list")["tasks"][0]["task"]
    (assignment,) = told("rita", "task", "show", task)["assignments"]
    operations = [entry["operation"] for entry in told("rita", "log")["entries"]]
    if is_lost:
        assert (assignment["status"], assignment["note"]) == ("FAILED", "interrupted")
        assert operations.count("task.fail") == 1
    else:
        assert assignment["status"] == "DELIVERED"
        (result,) = told("rita", "task", "result", task)["results"]
        assert result["text"] == ANSWER.decode()
        told("rita", "task", "approve", task)
        exchange(told)
        assert told("paul", "wallet")["available"] == 50
        assert operations.count("task.deliver") == 1
    assert operations.count("task.start") == 1
    assert count_calls(folder) == calls


def test_a_result_does_not_lie_in_plain_in_the_journal(accepted: Told, tmp_path: Path) -> None:
    assert accepted
    crash(tmp_path, "after it is kept")
    assert is_kept(tmp_path)
    for path in (tmp_path / "paul" / "journal").iterdir():
        assert ANSWER not in path.read_bytes()
        assert path.stat().st_mode & 0o077 == 0
    work(tmp_path / "paul", tmp_path / "calls", NEVER)
    assert not is_kept(tmp_path)
