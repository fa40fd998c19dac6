"""What the machine asks of a contract, and what a contract is given.

``state/`` knows no market rule: the fold is handed a contract that has this shape.
"""

from collections.abc import Mapping
from typing import Final, Protocol

from synaptic_crdt.state.codec import Value
from synaptic_crdt.state.tables import Record, Table, Tables

APPLIED: Final = 0


class Timer(Record, frozen=True, gc=False):
    """A deadline of one subject (a seat, a hold, an invitation ...), in ms of market time."""

    deadline: int


class Timers:
    """Deadlines by subject, at most one each, fired in order of (deadline, subject)."""

    __slots__ = ("_index", "_table")

    def __init__(self, tables: Tables) -> None:
        self._table: Final[Table[Timer]] = tables.declare(
            "timers", Timer, {"due": lambda key, timer: (timer.deadline, key)}
        )
        self._index: Final = self._table.index("due")

    def set(self, subject: bytes, deadline: int) -> None:
        """Set or move the deadline of ``subject``."""
        self._table.set(subject, Timer(deadline))

    def clear(self, subject: bytes) -> None:
        """Remove the deadline of ``subject``, if it has one."""
        if self._table.get(subject) is not None:
            self._table.delete(subject)

    def get(self, subject: bytes) -> int | None:
        """Return the deadline of ``subject`` in ms, or None."""
        timer = self._table.get(subject)
        return None if timer is None else timer.deadline

    def next_due(self) -> tuple[int, bytes] | None:
        """Return the least (deadline, subject), or None when nothing is pending."""
        first = self._index.first()
        return None if first is None else first[0]  # type: ignore[return-value]


class Contract(Protocol):
    """The rules: pure functions of tables, effective time, author and operation."""

    def read(self, operation: list[Value]) -> object:
        """Pass the second door once: return the typed operation, or the refusing verdict.

        The result is handed back to ``apply`` at every fold of the entry and never looked into.
        """
        ...

    def apply(
        self, now: int, device: bytes, position: int, entry_id: bytes, operation: object
    ) -> int:
        """Return the verdict's number (0 is applied); change tables only when it is 0.

        ``now`` is effective time in ms, ``operation`` what ``read`` returned.
        """
        ...

    def fire(self, now: int, subject: bytes) -> None:
        """Carry out the default of a deadline that has come; its timer is already cleared."""
        ...

    def close_epoch(self, now: int, epoch: int) -> Mapping[bytes, bytes]:
        """Follow the end of a counted epoch, after its entries and deadlines.

        Return the devices whose feeds end with it, each with the id of the entry that ended it.
        """
        ...
