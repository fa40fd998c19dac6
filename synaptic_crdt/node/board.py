"""What runs in the process that owns a home: services and their parts, since when, and what ails them.

For people and for services that ask whether another one does their work already; nothing here is
kept, and nothing of the market depends on it.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

import msgspec

from synaptic_crdt.errors import UsageError

_ERROR_CHARACTERS: Final = 500


class Running(msgspec.Struct):
    """One service. ``error`` is what it failed of last; ``retry_ms`` is when it is run again."""

    name: str
    since_ms: int
    error: str = ""
    failures: int = 0
    retry_ms: int | None = None


class Board:
    """The services of one process, in the order in which they began."""

    def __init__(self, get_wall_ms: Callable[[], int]) -> None:
        self._get_wall_ms: Final = get_wall_ms
        self._running: Final[list[Running]] = []

    @property
    def services(self) -> tuple[Running, ...]:
        """What runs, or waits to be run again."""
        return tuple(self._running)

    def has(self, name: str) -> bool:
        """Does a service of this name run, or wait to be run again?"""
        return any(service.name == name for service in self._running)

    @contextmanager
    def running(self, name: str, *, is_only: bool = False) -> Generator[Running]:
        """Show a service for as long as the context lasts.

        Raises ``UsageError`` when it has to be the only one of its name and is not.
        """
        if is_only and self.has(name):
            raise UsageError(
                f"`{name}` runs on this home already; end that one first, or leave it to it"
            )
        service = Running(name, self._get_wall_ms())
        self._running.append(service)
        try:
            yield service
        finally:
            # By identity: two that began in one millisecond are equal.
            self._running[:] = [each for each in self._running if each is not service]

    def note_failure(self, service: Running, error: str, retry_seconds: float) -> None:
        """Note why a service stopped, and when it is run again."""
        service.error = error[:_ERROR_CHARACTERS]
        service.failures += 1
        service.retry_ms = self._get_wall_ms() + round(retry_seconds * 1_000)
