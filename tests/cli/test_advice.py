"""What comes next is a command that there is, for a verdict and a state that there are."""

import shlex
from collections.abc import Callable
from typing import Any, get_args

import pytest

from synaptic_crdt.cli.advice import _AFTER_REFUSAL, _BY_PART, advise_after, advise_on_task
from synaptic_crdt.rules.rows import SeatState
from synaptic_crdt.rules.verdicts import Verdict
from tests.cli.conftest import Run

ADVICE = sorted(
    {command for commands in _AFTER_REFUSAL.values() for command in commands}
    | {
        command.format(task="3f9a")
        for by_part in _BY_PART.values()
        for commands in by_part.values()
        for command in commands
    }
)


@pytest.mark.parametrize("command", ADVICE)
def test_what_is_advised_is_a_command(command: str, run: Run) -> None:
    words = [word for word in shlex.split(command) if word.islower() and not word.startswith("-")][
        :2
    ]
    done = run(*words, "--help")
    assert (done.code, done.err) == (0, ""), done
    options = [word for word in shlex.split(command) if word.startswith("--")]
    assert all(option in done.out for option in options)


def test_advice_is_for_verdicts_and_states_that_there_are() -> None:
    assert set(_AFTER_REFUSAL) <= set(Verdict.__members__)
    assert set(_BY_PART) <= set(get_args(SeatState))
    assert advise_after("APPLIED") == ()


def test_each_part_reads_what_it_may_do(pair: Callable[..., dict[str, Any]], run: Run) -> None:
    task = pair(
        "rita",
        *("task", "post", "--kind", "text.answer", "--title", "One", "--text", "Why?"),
        *("--price", "50", "--priority", "0s"),
    )["task"]
    pair("rita", "bundle", "write", "stick")
    pair("paul", "bundle", "read", "stick")
    stranger = pair("paul", "task", "show", task)
    assert (stranger["part"], advise_on_task(stranger)) == (
        "other",
        (f"task accept {task[:12]}",),
    )
    assert pair("rita", "task", "show", task)["part"] == "requester"
    pair("paul", "task", "accept", task)
    shown = pair("paul", "task", "show", task)
    assert shown["part"] == "provider"
    assert f"task start {task[:12]}" in advise_on_task(shown)
    assert (
        "waits for the provider to start, late after"
        in run("--home", "paul", "task", "show", task).out
    )
    pair("paul", "task", "start", task)
    pair("paul", "task", "deliver", task, "--text", "Because.")
    pair("paul", "bundle", "write", "stick")
    pair("rita", "bundle", "read", "stick")
    pair("rita", "task", "approve", task)
    told = pair("rita", "task", "show", task)
    assert advise_on_task(told) == ()
    # What is advised after work names what was typed, which may be the assignment.
    (row,) = told["assignments"]
    assert pair("rita", "task", "show", row["assignment"][:12]) == told
