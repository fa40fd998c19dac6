"""What a worker may do at its node, and nothing else.

A desk is one device's place in one market: it reads the folded state, signs through the node, and
waits for news. It holds no policy; whoever sits at it decides. The node implements it.
"""

from typing import Protocol

import msgspec

from synaptic_crdt.rules.market import Market
from synaptic_crdt.rules.operations import Operation
from synaptic_crdt.rules.task_operations import TaskDeliver


class Appended(msgspec.Struct, frozen=True):
    """What became of an operation: its entry (empty when none was written) and its verdict."""

    entry: bytes
    verdict: int
    explanation: str


class Unreadable(msgspec.Struct, frozen=True):
    """A payload that is held and cannot be read: no key came for it, or a wrong one."""

    reason: str


class Desk(Protocol):
    """One device's place in one market."""

    @property
    def account(self) -> bytes:
        """The account this device writes for."""
        ...

    @property
    def device(self) -> bytes:
        """The device that signs what is appended here."""
        ...

    @property
    def is_sandbox(self) -> bool:
        """Is nothing ever final in this market?"""
        ...

    @property
    def market(self) -> Market:
        """The state after every entry held; to be read, never written, and never kept."""
        ...

    def is_final(self, assignment: bytes) -> bool:
        """Was an assignment made in a counted epoch whose root, as all before it, is also ours?"""
        ...

    def get_wall_ms(self) -> int:
        """Return this machine's clock, in ms since 1970."""
        ...

    def get_payload(self, task: bytes, seat: int) -> bytes | Unreadable | None:
        """Return the payload of a seat by its number, or None while it is not held here."""
        ...

    def explain_keys(self, task: bytes) -> str:
        """Say why a posting that hands out its key hands this device none, or a wrong one.

        Empty when all is well, also where a key is revealed later or none is needed.
        """
        ...

    def make_delivery(self, assignment: bytes, media_type: str, data: bytes) -> TaskDeliver:
        """Return the delivery of a result, sealed where it must be.

        Raises ``PolicyRefused`` when the result holds what looks like a secret.
        """
        ...

    def preview(self, operation: Operation) -> str | None:
        """Say why the contract would refuse an operation now, or None when it would apply it."""
        ...

    async def append(self, operation: Operation) -> Appended:
        """Sign an operation, make it durable and return what became of it.

        One that the contract would refuse is not written.
        """
        ...

    async def wait_for_news(self, timeout_seconds: float) -> None:
        """Return when the state may have changed, at the latest after the timeout."""
        ...
