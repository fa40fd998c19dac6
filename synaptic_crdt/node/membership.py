"""Who of a market may be at the other end of a link, by the market's rules of membership.

The same question as at the gate of feeds, asked of the device before anything of its feed is here:
do its opening and those that it leads to end at the founder, at a feed that is held, or in a market
that is open to everybody? Monotone and without verdicts, but for one: whose feed was closed was
revoked, and is let in no more.
"""

from collections.abc import Sequence
from typing import Final

from synaptic_crdt.errors import Forged, MalformedInput
from synaptic_crdt.rules.form import read_operation
from synaptic_crdt.rules.genesis import Genesis
from synaptic_crdt.rules.membership import get_issuer
from synaptic_crdt.rules.operations import AccountOpen, DeviceJoin, Operation
from synaptic_crdt.rules.verdicts import Refusal as Rejected
from synaptic_crdt.state import limits
from synaptic_crdt.state.codec import Value, decode_body
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.replica import Replica
from synaptic_crdt.sync.membership import Access, Opening, Refusal

_Operations = dict[bytes, list[Value]]


class MarketMembership:
    """One device of one market: what it shows of itself, and what it thinks of others."""

    def __init__(self, genesis: Genesis, market: bytes, replica: Replica, key: DeviceKey) -> None:
        self.key: Final = key
        self._genesis: Final = genesis
        self._market: Final = market
        self._replica: Final = replica

    def get_openings(self) -> Sequence[Opening]:
        """Return this device's opening, that of who vouched for it, and so on, as far as held."""
        openings: list[Opening] = []
        device: bytes | None = self.key.public
        while device is not None and len(openings) < limits.OPENINGS:
            first = self._replica.get_feed(device).entries[:1]
            if not first or len(first[0].body) > limits.OPENING_BYTES:
                break
            openings.append(Opening(device, first[0].body))
            device = self._find_issuer(device, first[0].operation)
        return openings

    def judge(self, device: bytes, openings: Sequence[Opening]) -> Access | Refusal:
        """Return what the device at the other end may do, or why it is not let in."""
        if self._replica.get_feed(device).closed_position is not None:
            return Refusal.REVOKED
        try:
            shown = self._verify(device, openings)
        except (Forged, MalformedInput):
            return Refusal.STRANGER
        return Refusal.STRANGER if shown is None else self._get_access(device, shown)

    def _verify(self, device: bytes, openings: Sequence[Opening]) -> _Operations | None:
        """Return the first operations that lead from a device to who is known here.

        None when they lead nowhere. Raises ``Forged`` or ``MalformedInput``.
        """
        bodies = {opening.device: opening.body for opening in openings}
        verified: _Operations = {}
        next_device: bytes | None = device
        while next_device is not None and not self._is_known(next_device):
            body = bodies.pop(next_device, None)
            if body is None:
                return None
            _, verified[next_device] = decode_body(body)
            next_device = self._find_issuer(next_device, verified[next_device])
        return verified

    def _is_known(self, device: bytes) -> bool:
        return device == self._genesis.founder or device in self._replica.feeds

    def _find_issuer(self, device: bytes, operation: list[Value]) -> bytes | None:
        return get_issuer(self._genesis, self._market, device, operation)

    def _get_access(self, device: bytes, shown: _Operations) -> Access:
        if device == self._genesis.founder:
            return Access.MEMBER
        opening = self._read_opening(device, shown)
        if isinstance(opening, DeviceJoin):
            opening = self._read_opening(opening.account, shown)
        # Of an account that is not known here it is not known either that it may do more.
        if not isinstance(opening, AccountOpen):
            return Access.READER
        certificate = opening.certificate
        is_auditor = certificate is not None and certificate.role == "auditor"
        return Access.READER if is_auditor else Access.MEMBER

    def _read_opening(self, device: bytes, shown: _Operations) -> Operation | None:
        """Return the operation that a device began with, from its feed or as it was verified."""
        held = self._replica.get_feed(device).entries[:1]
        operation = held[0].operation if held else shown.get(device)
        parsed = None if operation is None else read_operation(operation)
        return None if isinstance(parsed, Rejected) else parsed
