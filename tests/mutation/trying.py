"""Try a mutant: in a forked child, with some tests, until one fails.

The child inherits all that its parent has loaded, so a trial costs what its tests cost. It may
use only so much processor time and memory: an endless loop is noticed too.
"""

import os
import resource
import signal
import sys
import traceback
import warnings
from collections.abc import Callable
from typing import Final, Literal

import pytest

# The same examples each time, and none kept: a trial must not change the next one. That a test
# failed is enough: to say how would take most of the time. What is loaded before pytest asserts
# nothing.
OPTIONS: Final = (
    "-q",
    "--capture=no",
    "--tb=no",
    "--assert=plain",
    "-p",
    "no:cacheprovider",
    "--hypothesis-profile=mutation",
    "-W",
    "ignore::pytest.PytestAssertRewriteWarning",
)
_KILLED: Final = 41
_SURVIVED: Final = 42
_MEMORY_BYTES: Final = 3 << 30
# Of processor time: beside what the tests took when they passed.
_SLACK_SECONDS: Final = 2
_SLOWER: Final = 3
# Of the clock, for what waits instead of computing.
_PATIENCE_SECONDS: Final = 300


def try_in_child(
    run: Callable[[], str], seconds: float
) -> tuple[Literal["killed", "timeout", "survived"], str]:
    """Run something in a child; return what came of it, and what it says killed the mutant.

    ``run`` returns the test that failed, or nothing; ``seconds`` is what it takes if none does.
    """
    reader, writer = os.pipe()
    child = _fork()
    if child == 0:
        os.close(reader)
        _limit(seconds)
        _be_silent()
        try:
            by = run()
        except BaseException as error:  # noqa: BLE001 - whatever a mutant does to the test runner
            by = f"({type(error).__name__})"
        os.write(writer, by.encode()[:4_000])
        os._exit(_KILLED if by else _SURVIVED)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        by = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return "timeout", ""
    return ("survived" if os.WEXITSTATUS(status) == _SURVIVED else "killed"), by


def run_in_child(run: Callable[[], None]) -> bool:
    """Run something in a child, without limits; return whether it ended well."""
    child = _fork()
    if child == 0:
        status = 1
        try:
            run()
            status = 0
        except BaseException:  # noqa: BLE001 - the child ends here, whatever happened
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    return os.waitpid(child, 0)[1] == 0


def _fork() -> int:
    with warnings.catch_warnings():
        # Threads that a test runner may have are not in the child, which asks nothing of them.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _limit(seconds: float) -> None:
    cpu = int(seconds * _SLOWER) + _SLACK_SECONDS
    used = int(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]))
    resource.setrlimit(resource.RLIMIT_CPU, (used + cpu, used + cpu))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(_PATIENCE_SECONDS)


def _be_silent() -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)


class Chosen:
    """A pytest plugin that runs the named tests, in their order, until one fails."""

    def __init__(self, names: list[str]) -> None:
        self.failed = ""
        self._names: Final = names

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run them, instead of all that were collected."""
        self.run(session)
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the first that fails."""
        if report.failed and not self.failed:
            self.failed = report.nodeid

    def run(self, session: pytest.Session) -> None:
        """Run the tests in a session that has collected them."""
        by_name = {item.nodeid: item for item in session.items}
        items = [by_name[name] for name in self._names]
        for item, following in zip(items, [*items[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self.failed:
                return


def run_freshly(names: list[str]) -> str:
    """Load and run the named tests in this process, which loads the package for them.

    Returns the test that failed, or nothing.
    """
    chosen = Chosen(names)
    files = sorted({name.partition("::")[0] for name in names})
    status = pytest.main([*OPTIONS, *files], plugins=[chosen])
    if chosen.failed or status == pytest.ExitCode.OK:
        return chosen.failed
    return f"({status.name if isinstance(status, pytest.ExitCode) else status})"
