"""Real processes are killed at their work; what they had acknowledged is there, and planted mistakes
are found.

Each test runs the rig in a process of its own, which has no threads and may fork as it likes.
"""

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

REPO: Final = Path(__file__).parents[2]
# What the rig says where the kernel lets nobody watch system calls.
NOT_DONE: Final = "NOT DONE: "


def run(*arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.crashing", *arguments],
        cwd=REPO,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def count(told: str) -> tuple[int, int]:
    """Return the number of crashes, and of those that were wrong."""
    match = re.search(r"^([\d,]+) crashes in [\d,]+ s, (\d+) of them wrong", told, re.MULTILINE)
    assert match is not None, told
    return int(match[1].replace(",", "")), int(match[2])


def test_dozens_of_crashes_at_random_lose_nothing() -> None:
    code, told = run("40", "1")
    crashes, wrong = count(told)
    assert (code, wrong) == (0, 0), told
    assert crashes >= 40 or told.startswith(NOT_DONE)


def test_an_entry_that_was_shown_after_a_crash_survives_the_power_cut_that_follows() -> None:
    """A process is killed between writing and syncing; what the next one shows has to be durable.

    It was not: SQLite takes over what it finds in its log, and syncs that with the next write.
    """
    code, told = run("each", "founder", "append")
    assert (code, count(told)[1]) == (0, 0), told


@pytest.mark.parametrize(
    "operation", ["keep a blob", "fetch a blob", "keep a key", "do a job", "save a policy"]
)
def test_the_first_file_of_a_kind_is_there_after_a_power_cut(operation: str) -> None:
    """Its folder is new as well, and was not made durable in the one above it."""
    code, told = run("at", "1000", "founder", operation)
    assert (code, count(told)[1]) == (0, 0), told


def test_a_home_that_was_being_made_is_there_once_another_attempt_has_made_it() -> None:
    """Its folder was there already, so nobody made that durable."""
    code, told = run("at", "1", "nothing", "append")
    assert (code, count(told)[1]) == (0, 0), told


@pytest.mark.parametrize("plant", ["acknowledge-early", "leave-commits-unsynced"])
def test_planted_mistakes_are_found(plant: str) -> None:
    code, told = run("plants", plant)
    # Without a view of system calls there are no power cuts, and processes alone lose nothing.
    assert code == 0 or NOT_DONE in told, told
    assert re.match(rf"{plant}: crash \d+ ", told) or NOT_DONE in told
