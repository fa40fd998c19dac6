"""Try every mutant of the rules, and write the report; see docs/mutation.md.

Interrupted, it goes on where it was. A folder build/mutation that is removed begins anew.
"""

import gc
import importlib
import os
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import PurePath
from typing import Final

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.mutation.measuring import measure
from tests.mutation.mutants import ROOT, Mutant, list_modules, list_mutants
from tests.mutation.planting import plant
from tests.mutation.reach import Reach
from tests.mutation.report import make_report
from tests.mutation.results import FOLDER, Result, Results, compute_tests_digest
from tests.mutation.trying import OPTIONS, Chosen, run_freshly, run_in_child, try_in_child

# The tests that have to hold the rules. Others start processes, or look at something else.
SUITE: Final = ("tests/rules", "tests/cases", "tests/ledger", "tests/vectors", "tests/simulation")
# Too long to be run for each mutant: what these notice, a quicker test should notice too.
SLOW: Final = (
    "tests/rules/test_seat_walk.py",
    "tests/simulation/test_judged.py",
    "tests/simulation/test_market.py",
)
MEASURED: Final = FOLDER / "reach.json"
# First everything with the quick tests, then what is left with all.
ROUNDS_SECONDS: Final = (0.5, 3.0)
EVERYTHING: Final = 1e9
EXAMPLES: Final = 25
# What the package and its tests stand on: loaded once, for all that load the package anew.
FOUNDATIONS: Final = (
    "automerge",
    "blake3",
    "cbor2",
    "hypothesis.strategies",
    "json",
    "msgspec.json",
    "nacl.bindings",
    "nacl.public",
    "nacl.secret",
    "nacl.signing",
    "sortedcontainers",
    "trio",
)


def main() -> int:
    """Measure if needed, try what is not settled, report."""
    os.chdir(ROOT)
    for name in FOUNDATIONS:
        importlib.import_module(name)
    settings.register_profile(
        "mutation",
        deadline=None,
        database=None,
        derandomize=True,
        max_examples=EXAMPLES,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=tuple(HealthCheck),
    )
    digest = compute_tests_digest()
    mutants = [mutant for path in list_modules() for mutant in list_mutants(path)]
    for seconds in ROUNDS_SECONDS:
        # Functions are changed where they are loaded, so whatever loads them is a child.
        if not run_in_child(lambda: _run_session(_Trials(mutants, digest, seconds))):  # noqa: B023 - called at once
            return 1
        trials = _Trials(mutants, digest, seconds)
        reach = _read_reach(digest)
        for mutant in trials.list_open(is_loading=True):
            trials.try_one(mutant, reach, run_freshly)
    report = make_report(mutants, Results())
    (FOLDER / "report.txt").write_text(report, "utf-8")
    sys.stdout.write(report)
    return 0


class _Trials:
    """What is to be tried in one round, and what came of it."""

    def __init__(self, mutants: list[Mutant], digest: str, seconds: float) -> None:
        self.digest: Final = digest
        self._mutants: Final = mutants
        self._seconds: Final = seconds
        self._results: Final = Results()
        self._kills: Final[dict[str, Counter[str]]] = {}

    def list_open(self, *, is_loading: bool) -> list[Mutant]:
        """Return the mutants of what runs when modules are loaded, or of functions."""
        return [
            mutant
            for mutant in self._mutants
            if (not mutant.scope) == is_loading
            and not self._results.is_settled(mutant, self.digest, self._seconds)
        ]

    def try_one(self, mutant: Mutant, reach: Reach, run: Callable[[list[str]], str]) -> None:
        """Run the tests that reach a mutant until one fails, and keep what came of it."""
        found = reach.find_tests(mutant)
        kills = self._kills.setdefault(mutant.path, Counter())
        own = f"test_{PurePath(mutant.path).stem}.py"
        # The module's own tests first, then what has killed others of its mutants, then the quick.
        found.sort(key=lambda name: (own not in name, -kills[name]))
        tests = reach.limit(found, self._seconds)

        def attempt() -> str:
            plant(mutant)
            return run(tests)

        outcome, by = ("uncovered", "")
        if tests:
            outcome, by = try_in_child(attempt, sum(reach.seconds[name] for name in tests))
        if by in tests:
            kills[by] += 1
        seconds = EVERYTHING if len(tests) == len(found) else self._seconds
        self._results.add(
            Result(
                key=mutant.key,
                outcome=outcome,
                by=by,
                tests=len(tests),
                seconds=seconds,
                digest=self.digest,
            )
        )


class _Session:
    """A pytest plugin that tries the mutants of functions once everything is collected."""

    def __init__(self, trials: _Trials) -> None:
        self._trials: Final = trials

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Measure what the tests run, if that is not known; then try."""
        digest = self._trials.digest
        if not _is_measured(digest) and not run_in_child(
            lambda: measure(session, digest, MEASURED)
        ):
            raise pytest.UsageError("the tests do not pass as they are")
        reach = _read_reach(digest)
        gc.collect()
        gc.freeze()
        for mutant in self._trials.list_open(is_loading=False):
            self._trials.try_one(mutant, reach, lambda names: _run_collected(session, names))
        return True


def _run_session(trials: _Trials) -> None:
    if not _is_measured(trials.digest) or trials.list_open(is_loading=False):
        slow = [f"--ignore={path}" for path in SLOW]
        status = pytest.main([*OPTIONS, *slow, *SUITE], plugins=[_Session(trials)])
        if status not in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
            raise SystemExit(int(status))


def _run_collected(session: pytest.Session, names: list[str]) -> str:
    chosen = Chosen(names)
    session.config.pluginmanager.register(chosen)
    chosen.run(session)
    return chosen.failed


def _is_measured(digest: str) -> bool:
    return MEASURED.exists() and _decode_reach().digest == digest


def _read_reach(digest: str) -> Reach:
    reach = _decode_reach()
    assert reach.digest == digest
    return reach


def _decode_reach() -> Reach:
    return msgspec.json.decode(MEASURED.read_bytes(), type=Reach)


if __name__ == "__main__":
    sys.exit(main())
