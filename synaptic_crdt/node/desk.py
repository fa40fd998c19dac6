"""The node as a worker sees it: satisfies ``exec.desk.Desk``."""

from collections.abc import Sequence
from typing import Final

import trio

from synaptic_crdt.errors import Forged, MalformedInput, PolicyRefused, Refused, StoreDamaged
from synaptic_crdt.exec.desk import Appended, Unreadable
from synaptic_crdt.node.contents import explain_keys, open_payload
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.outcomes import get_assignment_standing
from synaptic_crdt.node.sealing import Draft, make_delivery
from synaptic_crdt.rules.market import Market
from synaptic_crdt.rules.operations import Operation
from synaptic_crdt.rules.task_operations import TaskDeliver
from synaptic_crdt.rules.verdicts import Verdict


class NodeDesk:
    """This device's place in its market. Close it when the worker has ended."""

    def __init__(self, node: Node) -> None:
        self._node: Final = node
        self._has_news = trio.Event()
        node.gate.news.subscribe(self._take_note)

    def close(self) -> None:
        """Stop listening to the node's news."""
        self._node.gate.news.unsubscribe(self._take_note)

    @property
    def account(self) -> bytes:
        """The account this device writes for."""
        return self._node.account

    @property
    def device(self) -> bytes:
        """The device that signs what is appended here."""
        return self._node.key.public

    @property
    def is_sandbox(self) -> bool:
        """Is nothing ever final in this market?"""
        return self._node.market.genesis.sandbox

    @property
    def market(self) -> Market:
        """The state after every entry held; to be read, never written, and never kept."""
        return self._node.market.contract.market

    def is_final(self, assignment: bytes) -> bool:
        """Was an assignment made in a counted epoch whose root, as all before it, is also ours?"""
        return get_assignment_standing(self._node, assignment) == "final"

    def get_wall_ms(self) -> int:
        """Return this machine's clock, in ms since 1970."""
        return self._node.get_wall_ms()

    def get_payload(self, task: bytes, seat: int) -> bytes | Unreadable | None:
        """Return the payload of a seat by its number, or None while it is not held here."""
        try:
            content = open_payload(self._node, task, seat)
        except (Forged, MalformedInput, StoreDamaged) as error:
            return Unreadable(str(error))
        if content.reach == "sealed":
            return Unreadable("no key for it was sealed to this device")
        return content.data if content.reach == "open" else None

    def explain_keys(self, task: bytes) -> str:
        """Say why a posting that hands out its key hands this device none; empty when it does."""
        return explain_keys(self._node, task)

    def make_delivery(self, assignment: bytes, media_type: str, data: bytes) -> TaskDeliver:
        """Return the delivery of a result, sealed where it must be.

        Raises ``PolicyRefused`` when the result holds what looks like a secret.
        """
        return make_delivery(self._node, assignment, Draft(media_type, data))

    def preview(self, operation: Operation) -> str | None:
        """Say why the contract would refuse an operation now, or None when it would apply it."""
        try:
            self._node.preview(operation)
        except Refused as refused:
            return str(refused)
        return None

    async def append(self, operation: Operation) -> Appended:
        """Sign an operation, make it durable and return what became of it.

        One that the contract would refuse, or in which a secret seems to be, is not written.
        Cancelled, it is done or not begun.
        """
        await trio.lowlevel.checkpoint()
        try:
            outcome = self._node.append(operation)
        except PolicyRefused as refused:
            return Appended(b"", Verdict.CREDENTIAL_FOUND.value, str(refused))
        except Refused as refused:
            return Appended(b"", Verdict[refused.verdict].value, refused.explanation)
        entry_id = outcome.entry.id
        explanation = self._node.market.contract.explain(entry_id, outcome.verdict)
        return Appended(entry_id, outcome.verdict, explanation)

    async def wait_for_news(self, timeout_seconds: float) -> None:
        """Return when the state may have changed, at the latest after the timeout."""
        with trio.move_on_after(timeout_seconds):
            await self._has_news.wait()
        self._has_news = trio.Event()

    def _take_note(self, _: Sequence[bytes]) -> None:
        self._has_news.set()
