"""Tickets: what an invited person needs to join, as one line of text.

A ticket holds the genesis, the certificate of invitation, the one-time secret that proves its
holder was meant, addresses to sync with, and the key to the market's files in folders. Whoever
reads it can use it, once, and read these files for ever: hand it over as you would hand over a key.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from synaptic_crdt.errors import MalformedInput, UsageError
from synaptic_crdt.node.armor import decode_armor, encode_armor
from synaptic_crdt.rules.certificates import is_certified
from synaptic_crdt.rules.genesis import compute_market_id, decode_genesis
from synaptic_crdt.rules.operations import Certificate
from synaptic_crdt.state import limits
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.sync.addresses import is_public
from synaptic_crdt.sync.read_keys import READ_KEY_BYTES

TICKET_ADDRESSES: Final = 16

_PREFIX: Final = "synaptic1-"
_VERSION: Final = 2
_ADDRESS_BYTES: Final = 512


class Ticket(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A way into one market.

    ``secret`` is the seed of the certificate's one-time key. ``read_key`` opens the market's files
    in folders; it is empty where these are in the clear.
    """

    version: int
    genesis: bytes
    certificate: Certificate
    secret: bytes
    addresses: tuple[str, ...]
    read_key: bytes

    @property
    def market(self) -> bytes:
        """The market's id."""
        return compute_market_id(self.genesis)


def make_ticket(
    genesis: bytes,
    certificate: Certificate,
    secret: bytes,
    addresses: Sequence[str],
    read_key: bytes = b"",
) -> Ticket:
    """Return a ticket of the current version."""
    return Ticket(_VERSION, genesis, certificate, secret, tuple(addresses), read_key)


def encode_ticket(ticket: Ticket) -> str:
    """Return a ticket's text."""
    return encode_armor(_PREFIX, ticket)


def decode_ticket(text: str) -> Ticket:
    """Return the ticket of a text. Raises ``UsageError`` saying what is wrong with it."""
    ticket = decode_armor(_PREFIX, Ticket, "ticket", text)
    check_genesis(ticket.genesis)
    _check_parts(ticket)
    return ticket


def check_genesis(genesis: bytes) -> None:
    """Raise ``UsageError`` when a ticket's genesis is none."""
    try:
        decode_genesis(genesis)
    except MalformedInput as error:
        raise UsageError(f"this ticket is not one this program can use: {error}") from error


def choose_addresses(named: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """Return what goes into a ticket: what was named, or else what is known and can be there.

    Raises ``UsageError``.
    """
    chosen = tuple(named) or tuple(filter(is_public, known))[:TICKET_ADDRESSES]
    check_addresses(chosen)
    return chosen


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
        # Whoever joins dials them: no command of ours may be run on another machine, nor theirs here.
        if not is_public(address):
            raise UsageError(
                f"the address {address!r:.80} is none that a ticket carries; tcp://host:port is"
            )


def _check_parts(ticket: Ticket) -> None:
    if ticket.version != _VERSION:
        raise UsageError(f"ticket version {ticket.version}; this program knows {_VERSION}")
    if len(ticket.secret) != limits.HASH_BYTES:
        raise UsageError(f"this ticket's secret has {len(ticket.secret)} bytes, expected 32")
    if len(ticket.read_key) not in {0, READ_KEY_BYTES}:
        raise UsageError(
            f"this ticket's read key has {len(ticket.read_key)} bytes, expected {READ_KEY_BYTES}"
        )
    if DeviceKey(ticket.secret).public != ticket.certificate.one_time:
        raise UsageError("this ticket's secret belongs to another invitation; ask for a new ticket")
    if not is_certified(ticket.market, ticket.certificate):
        raise UsageError(
            "this ticket's certificate is not signed by the inviter that it names,"
            f" {ticket.certificate.inviter.hex()[:16]}, for this market; ask for a new ticket"
        )
    check_addresses(ticket.addresses)
