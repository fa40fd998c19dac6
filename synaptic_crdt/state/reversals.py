"""What was applied here once and no longer is, each with the entry or statement to blame.

No part of the state: it tells what this replica may have shown somebody before.
"""

from collections.abc import Mapping
from typing import Final

from synaptic_crdt.state.contract import APPLIED


class Reversals:
    """The cause of each reversal. What a staged epoch changes can be taken back as a whole."""

    __slots__ = ("_before", "_causes")

    def __init__(self) -> None:
        self._causes: Final[dict[bytes, bytes]] = {}
        # While an epoch is staged: the causes it changed, as they were.
        self._before: dict[bytes, bytes | None] | None = None

    def get_all(self) -> Mapping[bytes, bytes]:
        """Return the cause by entry."""
        return self._causes

    def note(self, entry_id: bytes, before: int, now: int, cause: bytes) -> None:
        """Keep in mind that a verdict is no longer what somebody may have read."""
        if self._before is not None:
            self._before.setdefault(entry_id, self._causes.get(entry_id))
        if now == APPLIED:
            self._causes.pop(entry_id, None)
        elif before == APPLIED:
            self._causes[entry_id] = cause

    def take_over(self, causes: Mapping[bytes, bytes]) -> None:
        """Keep in mind what another fold did."""
        self._causes.update(causes)

    def stage(self) -> None:
        """Begin to remember what is changed."""
        self._before = {}

    def commit(self) -> None:
        """Let the changes since ``stage`` stand."""
        self._before = None

    def abort(self) -> None:
        """Take the changes since ``stage`` back."""
        assert self._before is not None
        for entry_id, cause in self._before.items():
            if cause is None:
                self._causes.pop(entry_id, None)
            else:
                self._causes[entry_id] = cause
        self._before = None
