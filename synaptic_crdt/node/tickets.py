"""Tickets: what an invited person needs to join, as one line of text.

A ticket holds the genesis, the certificate of invitation, the one-time secret that proves its
holder was meant, and addresses to sync with. Whoever reads it can use it, once: hand it over as
you would hand over a key.
"""

import base64
import binascii
from collections.abc import Sequence
from typing import Final

import msgspec

from synaptic_crdt.errors import MalformedInput, UsageError
from synaptic_crdt.rules.certificates import is_certified
from synaptic_crdt.rules.genesis import compute_market_id, decode_genesis
from synaptic_crdt.rules.operations import Certificate
from synaptic_crdt.state import limits
from synaptic_crdt.state.codec import decode, encode
from synaptic_crdt.state.hashes import compute_hash
from synaptic_crdt.state.keys import DeviceKey

TICKET_ADDRESSES: Final = 16

_PREFIX: Final = "synaptic1-"
_VERSION: Final = 1
_CHECK_BYTES: Final = 4
_TEXT_BYTES: Final = 2 * limits.GENESIS_BYTES
_ADDRESS_BYTES: Final = 512


class Ticket(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A way into one market. ``secret`` is the seed of the certificate's one-time key."""

    version: int
    genesis: bytes
    certificate: Certificate
    secret: bytes
    addresses: tuple[str, ...]

    @property
    def market(self) -> bytes:
        """The market's id."""
        return compute_market_id(self.genesis)


def make_ticket(
    genesis: bytes, certificate: Certificate, secret: bytes, addresses: Sequence[str]
) -> Ticket:
    """Return a ticket of the current version."""
    return Ticket(_VERSION, genesis, certificate, secret, tuple(addresses))


def encode_ticket(ticket: Ticket) -> str:
    """Return a ticket's text: URL-safe base64 of canonical CBOR and four check bytes."""
    data = encode(msgspec.to_builtins(ticket, builtin_types=(bytes,)))
    check = compute_hash("ticket", data)[:_CHECK_BYTES]
    return _PREFIX + base64.urlsafe_b64encode(data + check).decode().rstrip("=")


def decode_ticket(text: str) -> Ticket:
    """Return the ticket of a text. Raises ``UsageError`` saying what is wrong with it."""
    text = "".join(text.split())
    if not text.startswith(_PREFIX):
        raise UsageError(f"a ticket begins with {_PREFIX}, this with {text[:12]!r}")
    if len(text) > _TEXT_BYTES:
        raise UsageError(f"a ticket of {len(text)} characters is over the limit of {_TEXT_BYTES}")
    encoded = text.removeprefix(_PREFIX)
    try:
        raw = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise UsageError("this ticket has characters that no ticket has; copy it again") from error
    data, check = raw[:-_CHECK_BYTES], raw[-_CHECK_BYTES:]
    if compute_hash("ticket", data)[:_CHECK_BYTES] != check:
        raise UsageError("this ticket is incomplete or mistyped; copy it again as a whole")
    try:
        ticket = msgspec.convert(decode(data, _TEXT_BYTES), Ticket, builtin_types=(bytes,))
        decode_genesis(ticket.genesis)
    except (msgspec.ValidationError, MalformedInput) as error:
        raise UsageError(f"this ticket is not one this program can use: {error}") from error
    _check_parts(ticket)
    return ticket


def check_addresses(addresses: Sequence[str]) -> None:
    """Raise ``UsageError`` for addresses that no ticket carries."""
    if len(addresses) > TICKET_ADDRESSES:
        raise UsageError(
            f"{len(addresses)} addresses are over the {TICKET_ADDRESSES} that a ticket carries"
        )
    for address in addresses:
        if len(address.encode()) > _ADDRESS_BYTES:
            raise UsageError(
                f"the address {address!r:.80} has over the {_ADDRESS_BYTES} bytes that a ticket"
                " carries"
            )


def _check_parts(ticket: Ticket) -> None:
    if ticket.version != _VERSION:
        raise UsageError(f"ticket version {ticket.version}; this program knows {_VERSION}")
    if len(ticket.secret) != limits.HASH_BYTES:
        raise UsageError(f"this ticket's secret has {len(ticket.secret)} bytes, expected 32")
    if DeviceKey(ticket.secret).public != ticket.certificate.one_time:
        raise UsageError("this ticket's secret belongs to another invitation; ask for a new ticket")
    if not is_certified(ticket.market, ticket.certificate):
        raise UsageError(
            "this ticket's certificate is not signed by the inviter that it names,"
            f" {ticket.certificate.inviter.hex()[:16]}, for this market; ask for a new ticket"
        )
    check_addresses(ticket.addresses)
