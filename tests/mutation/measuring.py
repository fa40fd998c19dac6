"""Measure which tests run which lines of the rules, and how long each takes."""

import time
from pathlib import Path

import coverage
import msgspec
import pytest

from tests.mutation.mutants import MUTATED, ROOT, list_modules
from tests.mutation.reach import Reach


def measure(session: pytest.Session, digest: str, path: Path) -> None:
    """Run all tests of a session once and write the measurement; they have to pass."""
    recorder = coverage.Coverage(
        data_file=None, config_file=False, branch=False, include=[f"{MUTATED}/*"]
    )
    watch = _Watch()
    session.config.pluginmanager.register(watch)
    seconds: dict[str, float] = {}
    recorder.start()
    for item, following in zip(session.items, [*session.items[1:], None], strict=True):
        recorder.switch_context(item.nodeid)
        start = time.process_time()
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        seconds[item.nodeid] = time.process_time() - start
        if watch.failed:
            raise SystemExit(f"without any mutant this test fails: {watch.failed}")
    recorder.stop()
    data = recorder.get_data()
    numbers = {name: number for number, name in enumerate(seconds)}
    lines: dict[str, dict[int, list[int]]] = {}
    for module in list_modules():
        contexts = data.contexts_by_lineno(str(ROOT / module))
        lines[module] = {
            line: sorted(numbers[name] for name in names if name)
            for line, names in sorted(contexts.items())
        }
    reach = Reach(digest=digest, seconds=seconds, tests=list(numbers), lines=lines)
    path.write_bytes(msgspec.json.encode(reach))


class _Watch:
    """Sees a test that fails."""

    def __init__(self) -> None:
        self.failed = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed = report.nodeid
