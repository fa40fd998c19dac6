"""What the demo says while it plays, and what it found not to be so."""

import time
from typing import Final

from synaptic_crdt.cli.command import get_settings
from synaptic_crdt.cli.output import Json, print_line
from synaptic_crdt.errors import AuditFailed


class Stage:
    """Tells every step with its time, and keeps the checks that were made."""

    def __init__(self) -> None:
        self._begun: Final = time.monotonic()
        self._is_silent: Final = get_settings().as_json
        self.checks: Final[list[Json]] = []

    def get_seconds(self) -> float:
        """Return the time since the beginning."""
        return time.monotonic() - self._begun

    def begin(self, title: str) -> None:
        """Begin an act of the play."""
        if not self._is_silent:
            print_line()
            print_line(title)

    def tell(self, who: str, what: str) -> None:
        """Tell one step: what happens and why."""
        if not self._is_silent:
            print_line(f"{self.get_seconds():5.1f} s  {who:<6} {what}")

    def check(self, what: str, *, holds: bool) -> None:
        """Check something that has to be so, and say it. Raises ``AuditFailed`` when it is not."""
        self.checks.append({"check": what, "holds": holds})
        if not holds:
            raise AuditFailed(f"the demo expected that {what}; it is not so")
        self.tell("", f"checked: {what}")
