"""Executors at their work: real sockets and real processes, so real time, or time by hand."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio.testing

from synaptic_crdt.exec.executors.base import Job, Limits, Progress

LIMITS = Limits(result_bytes=10_000, output_tokens=1_000, tokens=50_000)


@pytest.fixture
def clock() -> trio.testing.MockClock:
    """Time stands still until a test lets it jump: nothing that waits is waited for."""
    return trio.testing.MockClock()


@pytest.fixture
def anyio_backend(clock: trio.testing.MockClock) -> tuple[str, dict[str, Any]]:
    return "trio", {"clock": clock}


def make_job(payload: bytes = b"What is a CRDT?", **changes: object) -> Job:
    fields: dict[str, Any] = {
        "assignment": b"a" * 32,
        "task": b"t" * 32,
        "requester": b"r" * 32,
        "kind": "text.answer",
        "title": "A question",
        "criteria": "",
        "units": 3,
        "media_type": "text/plain",
        "payload": payload,
        "limits": LIMITS,
        "model": "claude-test-1",
        **changes,
    }
    return Job(**fields)


class Heard:
    """What an executor told while it worked."""

    def __init__(self) -> None:
        self.progress: list[Progress] = []

    def __call__(self, progress: Progress) -> None:
        self.progress.append(progress)

    @property
    def last(self) -> Progress:
        return self.progress[-1]


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def set_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Take everything that the SDK may look at out of the environment, and set what is named."""

    def set_only(**values: str) -> None:
        for name in list(os.environ):
            if name.startswith("ANTHROPIC_") or name.lower().endswith("_proxy"):
                monkeypatch.delenv(name)
        # Else profiles of whoever runs the tests would be found.
        monkeypatch.setenv("ANTHROPIC_CONFIG_DIR", str(tmp_path / "none"))
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    return set_only
