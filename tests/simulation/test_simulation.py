"""The simulator: some seeds, those that failed once, and what the simulator promises of itself."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from synaptic_crdt.sync.gate import Gate
from synaptic_crdt.sync.inspection import Admission
from tests.simulation import __main__ as simulating
from tests.simulation.__main__ import find_failure, find_missed, shorten, simulate
from tests.simulation.script import make_script

REPO: Final = Path(__file__).parents[2]
SEEDS: Final = range(6)
# Seeds that failed while this was made; what they found has tests of its own, since a script says
# something else once there is another action to choose from.
FAILED_ONCE: Final = (79, 92, 108, 127, 162, 171, 210, 285, 343, 421, 540, 613, 803)


@pytest.mark.parametrize("seed", [*SEEDS, *FAILED_ONCE])
def test_whatever_happens_all_is_well_in_the_end(seed: int) -> None:
    found = simulate(seed)
    assert found["entries"] > 0
    assert found["events"] == len(make_script(seed))


def test_a_seed_is_the_same_run_in_every_process() -> None:
    """Strings hash otherwise there, and names of files are others."""
    code = "from tests.simulation.__main__ import simulate; print(sorted(simulate(3).items()))"
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=REPO,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert told == {f"{sorted(simulate(3).items())}\n"}


def take_everything_twice(gate: Gate, data: bytes) -> Admission:
    del data
    raise RuntimeError(f"a gate of {len(gate.replica.feeds)} feeds breaks")


def test_a_failure_is_made_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the events of a seed, hardly any are needed to show that statements break a gate."""
    monkeypatch.setattr(Gate, "admit_statement", take_everything_twice)
    failure = find_failure(0)
    assert failure is not None
    assert "RuntimeError" in failure
    events = shorten(0, failure)
    assert len(events) < len(make_script(0)) // 2
    assert (find_failure(0, events) or "").split()[0] == failure.split()[0]


def name_two(seed: int, failure: str) -> list[int]:
    assert "RuntimeError" in failure
    return [1, seed]


def test_a_failed_run_says_how_to_see_it_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(simulating, "run_in_processes", simulating.run_here)
    monkeypatch.setattr(simulating, "shorten", name_two)
    monkeypatch.setattr(Gate, "admit_statement", take_everything_twice)
    assert simulating.main(["2..2"]) == 1
    told = capsys.readouterr().out
    assert "seed 2 failed" in told
    assert "-m tests.simulation 2 1,2" in told


def test_what_was_never_come_to_is_told() -> None:
    assert "operation: token.transfer" in find_missed(Counter())
    assert "network: link cut" in find_missed(Counter({"operation: token.transfer": 1}))
