"""How a second device comes to an account: a request from the new machine, a ticket back.

Neither holds a secret in the clear: the request names the new device's public keys, and the ticket
is good for that device alone, as is the market's read key in it, which is sealed to the device. Whoever carries them can keep them, but must not be able to exchange the request
for another: so both machines show the new device's id, to be compared.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from synaptic_crdt.errors import UsageError
from synaptic_crdt.node.armor import decode_armor, encode_armor
from synaptic_crdt.node.tickets import check_addresses, check_genesis
from synaptic_crdt.rules.fields import Hash
from synaptic_crdt.rules.genesis import compute_market_id
from synaptic_crdt.rules.operations import Voucher

_REQUEST_PREFIX: Final = "synaptic-request1-"
_TICKET_PREFIX: Final = "synaptic-device1-"


class DeviceRequest(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A new device and the key to seal secrets to it with."""

    device: Hash
    exchange: Hash


class DeviceTicket(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A way into one account, for one device."""

    genesis: bytes
    account: Hash
    device: Hash
    voucher: Voucher
    addresses: tuple[str, ...]
    read_key: bytes

    @property
    def market(self) -> bytes:
        """The market's id."""
        return compute_market_id(self.genesis)


def encode_request(request: DeviceRequest) -> str:
    """Return a request's text."""
    return encode_armor(_REQUEST_PREFIX, request)


def decode_request(text: str) -> DeviceRequest:
    """Return the request of a text. Raises ``UsageError``."""
    return decode_armor(_REQUEST_PREFIX, DeviceRequest, "device request", text)


def make_device_ticket(
    genesis: bytes,
    account: bytes,
    device: bytes,
    voucher: Voucher,
    addresses: Sequence[str],
    read_key: bytes = b"",
) -> DeviceTicket:
    """Return the answer to a request; ``read_key`` is sealed to the device, or empty."""
    return DeviceTicket(genesis, account, device, voucher, tuple(addresses), read_key)


def encode_device_ticket(ticket: DeviceTicket) -> str:
    """Return a device ticket's text."""
    return encode_armor(_TICKET_PREFIX, ticket)


def decode_device_ticket(text: str, device: bytes) -> DeviceTicket:
    """Return the ticket of a text, if it is for ``device``. Raises ``UsageError``."""
    ticket = decode_armor(_TICKET_PREFIX, DeviceTicket, "device ticket", text)
    check_genesis(ticket.genesis)
    check_addresses(ticket.addresses)
    if ticket.device != device:
        raise UsageError(
            f"this device ticket is for device {ticket.device.hex()[:12]}, here is"
            f" {device.hex()[:12]}; run `synaptic-crdt device request` in this home, and"
            " `device add` on the other machine with what it prints"
        )
    return ticket
