"""What is shown of a task is as final as its newest change, in every home."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.cli.conftest import carry

Told = Callable[..., dict[str, Any]]


def read_standing(told: Told, task: str) -> tuple[str, bool, str, bool]:
    shown = told("rita", "task", "show", task)
    (listed,) = told("rita", "task", "list")["tasks"]
    assert (listed["standing"], listed["final"]) == (shown["standing"], shown["final"])
    rows: list[dict[str, Any]] = shown["assignments"] or [{"standing": "", "final": False}]
    return shown["standing"], shown["final"], rows[0]["standing"], rows[0]["final"]


@pytest.mark.parametrize("word", [(), ("--reject",)])
def test_every_step_is_pending_until_a_checkpoint_includes_it(
    told: Told, word: tuple[str, ...]
) -> None:
    told("rita", "init", "--account-name", "rita")
    told("paul", "join", told("rita", "invite")["ticket"], "--account-name", "paul")
    carry(told, "rita", "paul")
    told("paul", "consent", "on")
    carry(told, "paul", "rita")
    task = told(
        "rita",
        *("task", "post", "--kind", "text.answer", "--title", "One", "--text", "Why?"),
        *("--price", "50", "--priority", "0s"),
    )["task"]

    def settle_down() -> None:
        told("rita", "checkpoint")
        carry(told, "rita", "paul")

    def is_pending_then_final() -> bool:
        pending = read_standing(told, task)
        settle_down()
        final = read_standing(told, task)
        return (pending, final) == (
            ("pending", False, "pending", False),
            ("final", True, "final", True),
        )

    assert read_standing(told, task)[:2] == ("pending", False)
    settle_down()
    assert read_standing(told, task)[:2] == ("final", True)
    told("paul", "task", "accept", task)
    carry(told, "paul", "rita")
    assert is_pending_then_final()
    told("paul", "task", "start", task)
    carry(told, "paul", "rita")
    assert is_pending_then_final()
    told("paul", "task", "deliver", task, "--text", "Because.")
    carry(told, "paul", "rita")
    assert is_pending_then_final()
    told("rita", "task", "approve", task, *word)
    assert is_pending_then_final()
