"""What all tests share: trio as the only scheduler, and properties without a stopwatch."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, settings

# Whose tests are to cover what has to be covered to the last branch; what a command line, a worker
# or a process happens to run is not counted on.
_TRACED: Final = frozenset(
    {"cases", "ledger", "node", "rules", "simulation", "state", "sync", "vectors"}
)

# How long an example takes, or takes to be made, depends on the machine, not on the property.
settings.register_profile("project", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("project")
# Many more of everything: `pytest --hypothesis-profile=long`.
settings.register_profile("long", settings.get_profile("project"), max_examples=5_000)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--real-service",
        action="store_true",
        help="ask the real model service, too: needs credentials, and costs money",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    """Let tests of other rooms run without the tracer, as those that say so themselves do."""
    for item in items:
        if item.path.relative_to(Path(__file__).parent).parts[0] not in _TRACED:
            item.add_marker("untraced")


@pytest.fixture
def anyio_backend() -> str:
    return "trio"
