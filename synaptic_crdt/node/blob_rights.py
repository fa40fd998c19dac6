"""Which blobs this home wants, and which devices may have those that are here.

A home wants the payloads of what it works on and the results of what it posted. What is public may
be had by whoever is let in. What is private is ciphertext, and still goes to none but the parties that
the task names, its providers, and devices that a key was sealed to: whoever else has it learns when
it was fetched, and has something to keep for the day a key leaks.
"""

from collections.abc import Iterator
from typing import Final, Literal

from synaptic_crdt.errors import BodyArchived, StoreDamaged
from synaptic_crdt.node.contents import Sealed, find_payload, find_result
from synaptic_crdt.node.node import Node
from synaptic_crdt.rules.limits import BLOB_LEAST_BYTES
from synaptic_crdt.rules.market import Market, get_rows
from synaptic_crdt.rules.rows import SeatRow, TaskRow
from synaptic_crdt.rules.seats.seat import OWED, get_seat, get_seat_id, get_task
from synaptic_crdt.state.limits import BODY_BYTES
from synaptic_crdt.sync.blobs import WantedBlob

# A blob is named by a seat, as its payload, or by a delivery.
_Naming = tuple[Literal["payload", "result"], bytes]


class Needs:
    """Which blobs this home's work needs."""

    def __init__(self, node: Node) -> None:
        self._node: Final = node
        # By what names it, which says it for good: is it a blob, rather than in its entry?
        self._alone: Final[dict[_Naming, bool]] = {}

    def find(self) -> Iterator[WantedBlob]:
        """Yield the blobs that are needed, payloads first; here or not."""
        node, market = self._node, self._node.market.contract.market
        account = node.account
        for _, row in get_rows(market.assignments, "provider", account):
            seat = get_seat(market, row.seat)
            if not row.end and seat.state in OWED and row.device == node.key.public:
                shard = seat.shard
                if self._travels_alone(("payload", row.seat), shard.size):
                    yield WantedBlob(shard.hash, shard.size)
        for task_id, task in get_rows(market.tasks, "number"):
            if task.requester == account:
                yield from self._find_results(market, task_id, task)

    def _find_results(self, market: Market, task_id: bytes, task: TaskRow) -> Iterator[WantedBlob]:
        for number in range(task.seats):
            seat_id = get_seat_id(task_id, number)
            for _, row in get_rows(market.assignments, "seat", seat_id):
                delivery = market.deliveries.get(row.delivery) if row.delivery else None
                if delivery is not None and self._travels_alone(
                    ("result", row.delivery), delivery.size
                ):
                    yield WantedBlob(delivery.hash, delivery.size)

    def _travels_alone(self, naming: _Naming, size: int) -> bool:
        """Is a payload or result a blob, rather than in its entry?"""
        if not BLOB_LEAST_BYTES <= size <= BODY_BYTES:
            return size > BODY_BYTES
        if naming not in self._alone:
            try:
                self._alone[naming] = _find_sealed(self._node, naming).payload.inline is None
            except (BodyArchived, StoreDamaged):
                # Nobody here can say; if it is in its entry, nobody has it as a blob.
                return True
        return self._alone[naming]


class Rights:
    """Who may have what is here: by what names it, as the market is now."""

    def __init__(self, node: Node) -> None:
        self._node: Final = node
        # What named each blob when it was last looked for, and how much was held then.
        self._namings: dict[bytes, list[_Naming]] = {}
        self._looked_at = (-1, -1)

    def may_have(self, blob: bytes, device: bytes) -> bool:
        """May a device have a blob?"""
        if blob not in self._namings:
            self._look()
        market = self._node.market.contract.market
        return any(
            self._is_open_to(market, naming, blob, device) for naming in self._namings.get(blob, ())
        )

    def find_named(self, text: str) -> list[WantedBlob]:
        """Return the blobs that the market names and whose names begin with some digits."""
        self._look()
        market = self._node.market.contract.market
        found: list[WantedBlob] = []
        for blob, namings in self._namings.items():
            sizes = [_get_size(market, naming, blob) for naming in namings]
            size = next((size for size in sizes if size is not None), None)
            if size is not None and blob.hex().startswith(text):
                found.append(WantedBlob(blob, size))
        return found

    def _look(self) -> None:
        """Note what names which blob, unless nothing has come since the last time."""
        replica = self._node.replica
        now = (replica.entries, replica.chain.index)
        if now == self._looked_at:
            return
        self._looked_at = now
        namings: dict[bytes, list[_Naming]] = {}
        market = self._node.market.contract.market
        for task_id, task in get_rows(market.tasks, "number"):
            for number in range(task.seats):
                seat_id = get_seat_id(task_id, number)
                shard = get_seat(market, seat_id).shard
                namings.setdefault(shard.hash, []).append(("payload", seat_id))
                for _, row in get_rows(market.assignments, "seat", seat_id):
                    delivery = market.deliveries.get(row.delivery) if row.delivery else None
                    if delivery is not None:
                        namings.setdefault(delivery.hash, []).append(("result", row.delivery))
        self._namings = namings

    def _is_open_to(self, market: Market, naming: _Naming, blob: bytes, device: bytes) -> bool:
        # What was noted may have been taken back since.
        if _get_size(market, naming, blob) is None:
            return False
        what, subject = naming
        if what == "payload":
            seat = get_seat(market, subject)
            return not seat.shard.commitment or self._is_payload_reader(
                market, subject, seat, device
            )
        delivery = market.deliveries.get(subject)
        assert delivery is not None
        return not delivery.commitment or self._is_result_reader(market, subject, device)

    def _is_payload_reader(
        self, market: Market, seat_id: bytes, seat: SeatRow, device: bytes
    ) -> bool:
        account = _get_account(market, device)
        holders = {row.provider for _, row in get_rows(market.assignments, "seat", seat_id)}
        task = get_task(market, seat)
        is_party = account is not None and account in holders.union(_get_judges(task))
        return is_party or self._has_box(("payload", seat_id), device)

    def _is_result_reader(self, market: Market, delivery_id: bytes, device: bytes) -> bool:
        account = _get_account(market, device)
        delivery = market.deliveries.get(delivery_id)
        assert delivery is not None
        assignment = market.assignments.get(delivery.assignment)
        assert assignment is not None
        dispute = market.disputes.get(delivery_id)
        parties = {
            assignment.provider,
            *_get_judges(get_task(market, get_seat(market, assignment.seat))),
            *(dispute.arbiters if dispute is not None else ()),
        }
        is_party = account is not None and account in parties
        return is_party or self._has_box(("result", delivery_id), device)

    def _has_box(self, naming: _Naming, device: bytes) -> bool:
        try:
            sealed = _find_sealed(self._node, naming)
        except (BodyArchived, StoreDamaged):
            return False
        return any(key.device == device for key in sealed.keys)


def _find_sealed(node: Node, naming: _Naming) -> Sealed:
    what, subject = naming
    if what == "result":
        return find_result(node, subject)
    seat = get_seat(node.market.contract.market, subject)
    return find_payload(node, seat.task, seat.number)


def _get_size(market: Market, naming: _Naming, blob: bytes) -> int | None:
    """Return the size of a blob as it is said where it is named; None where it is not any more."""
    what, subject = naming
    if what == "payload":
        seat = market.seats.get(subject)
        named = None if seat is None else seat.shard
    else:
        named = market.deliveries.get(subject)
    return named.size if named is not None and named.hash == blob else None


def _get_account(market: Market, device: bytes) -> bytes | None:
    row = market.devices.get(device)
    return None if row is None else row.account


def _get_judges(task: TaskRow) -> tuple[bytes, ...]:
    """Return whom a task names beside its providers."""
    return (task.requester, task.evaluator, *task.release.signers, *task.arbiters)
