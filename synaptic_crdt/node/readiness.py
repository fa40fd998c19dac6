"""Since when entries are known to wait for a checkpoint: what a witness holds against those that
leave them out.

An entry is ready once it is held with its cause. Counted from when this process first saw it so,
since an entry's own timestamp says nothing about when it arrived here.
"""

from synaptic_crdt.rules.verdicts import get_verdict_class
from synaptic_crdt.state.machine import Machine
from synaptic_crdt.state.outcomes import Outcome


class Readiness:
    """The pending entries that are ready, each with the clock when that was first seen."""

    def __init__(self) -> None:
        self._since: dict[bytes, int] = {}

    def note(self, machine: Machine, now_ms: int) -> None:
        """Look which pending entries are ready; call it every now and then."""
        self._since = {
            outcome.entry.id: self._since.get(outcome.entry.id, now_ms)
            for outcome in machine.get_tail()
            if has_cause(outcome)
        }

    def get_since(self, entry_id: bytes) -> int | None:
        """Return when an entry was first seen to be ready, or None."""
        return self._since.get(entry_id)


def has_cause(outcome: Outcome) -> bool:
    """Is everything held that an entry needs to be judged on its merits?"""
    return get_verdict_class(outcome.verdict) not in {"existence", "authority"}
