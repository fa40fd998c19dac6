"""A mutant is planted in a child and nowhere else, and what stops a child is seen."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from synaptic_crdt.rules import fields
from synaptic_crdt.rules.market import Market
from tests.mutation.mutants import Mutant, compile_mutant, list_modules, list_mutants
from tests.mutation.planting import plant
from tests.mutation.trying import run_in_child, try_in_child

FIELDS = "synaptic_crdt/rules/fields.py"
ROOT: Final = Path(__file__).parents[2]


def get_mutant(path: str, before: str, after: str) -> Mutant:
    return next(m for m in list_mutants(path) if (m.before, m.after) == (before, after))


def test_a_mutant_of_a_function_changes_it_for_whoever_imported_it() -> None:
    has_length = fields.has_length
    boundary = "low <= len(text.encode()) <= high"
    mutant = get_mutant(FIELDS, boundary, "low < len(text.encode()) <= high")

    def attempt() -> str:
        plant(mutant)
        return "" if has_length("a", 1, 1) else "the boundary"

    assert try_in_child(attempt, 1) == ("killed", "the boundary")
    assert has_length("a", 1, 1)


def test_what_runs_when_a_module_is_loaded_is_not_changed_afterwards() -> None:
    mutant = get_mutant("synaptic_crdt/rules/limits.py", "64", "65")
    with pytest.raises(ValueError, match="loaded already"):
        plant(mutant)


def test_a_child_that_computes_for_ever_is_ended() -> None:
    def compute() -> str:
        # As if its processor time were over.
        os.kill(os.getpid(), signal.SIGXCPU)
        return "nothing"

    assert try_in_child(compute, 0) == ("timeout", "")


def test_what_a_mutant_breaks_in_the_runner_kills_it() -> None:
    def fail() -> str:
        raise SystemExit(3)

    assert try_in_child(fail, 1) == ("killed", "(SystemExit)")
    assert try_in_child(str, 1) == ("survived", "")


def test_a_child_tells_whether_it_ended_well(capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise ValueError("of this kind")

    assert run_in_child(lambda: None)
    assert not run_in_child(fail)
    assert "of this kind" in capfd.readouterr().err


def plant_samples() -> None:
    """Plant one in fifty of all mutants, each in a child of its own."""
    for path in list_modules():
        for mutant in list_mutants(path)[::50]:
            compile_mutant(path, mutant.number)
            if mutant.scope:
                assert run_in_child(lambda mutant=mutant: plant(mutant)), mutant


def test_every_mutant_of_every_module_compiles_and_every_function_is_found() -> None:
    # In a process that has done nothing else, as the runner is.
    call = f"from {__name__} import {plant_samples.__name__} as plant; plant()"
    done = subprocess.run(
        [sys.executable, "-c", call], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_methods_and_properties_are_found() -> None:
    market = "synaptic_crdt/rules/market.py"
    scopes = {mutant.scope for mutant in list_mutants(market)}
    assert f"{Market.__name__}.{Market.is_auditor.__name__}" in scopes
