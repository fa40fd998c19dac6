"""What all tests share: trio as the only scheduler, and properties without a stopwatch."""

import pytest
from hypothesis import HealthCheck, settings

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


@pytest.fixture
def anyio_backend() -> str:
    return "trio"
