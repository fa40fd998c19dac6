"""The same question to a server of ours and, when told to, to the real service.

Asking the real one costs money and needs credentials, so that nobody does it by accident: run
``pytest --real-service tests/exec/executors/test_service.py`` with the SDK's own environment set.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest
import trio

from synaptic_crdt.errors import UsageError
from synaptic_crdt.exec.executors.anthropic import AnthropicExecutor
from synaptic_crdt.exec.executors.base import Limits, Result
from synaptic_crdt.exec.policy import Policy
from tests.exec.executors.conftest import Heard, make_job
from tests.exec.executors.vendor import compose_answer, serve_vendor, stream_events

pytestmark = pytest.mark.anyio

PATIENCE_SECONDS: Final = 300
LIMITS: Final = Limits(result_bytes=10_000, output_tokens=4_000, tokens=20_000)

Reach = Callable[[], Any]


@pytest.fixture
def anyio_backend() -> str:
    # The real service takes real time.
    return "trio"


@pytest.fixture(params=["loopback", "real"])
def reach(request: pytest.FixtureRequest, set_environment: Callable[..., None]) -> Reach:
    """Return an executor at one of the two."""

    @asynccontextmanager
    async def reach_loopback() -> AsyncGenerator[AnthropicExecutor]:
        async with serve_vendor(stream_events(compose_answer("four"))) as vendor:
            set_environment(ANTHROPIC_BASE_URL=vendor.url, ANTHROPIC_API_KEY="of nobody")
            yield AnthropicExecutor()

    @asynccontextmanager
    async def reach_real() -> AsyncGenerator[AnthropicExecutor]:
        await trio.lowlevel.checkpoint()
        yield AnthropicExecutor()

    if request.param == "loopback":
        return reach_loopback
    if not request.config.getoption("--real-service"):
        pytest.skip("the real service costs money: it is asked with --real-service alone")
    try:
        AnthropicExecutor()
    except UsageError:
        pytest.skip("--real-service, and no credentials in the environment")
    return reach_real


async def test_a_question_is_answered_and_its_cost_told(reach: Reach, heard: Heard) -> None:
    job = make_job(
        b"What is two and two? Answer with one English word in lower case, without a full stop.",
        model=Policy().model,
        limits=LIMITS,
    )
    with trio.fail_after(PATIENCE_SECONDS):
        async with reach() as executor:
            outcome = await executor.run(job, heard)
    assert outcome == Result("text/plain", b"four")
    assert heard.last.usage.is_exact
    assert heard.last.usage.tokens_in > 0
    assert heard.last.usage.tokens_out > 0
