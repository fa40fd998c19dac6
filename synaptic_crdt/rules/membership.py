"""The feed gate's question: on whose admission does a feed depend?

Monotone, and knows no verdicts: it reads the first entry alone. That an invitation was used twice
or revoked is the contract's business; the feed is admitted, and its entries are refused.
"""

from synaptic_crdt.errors import Forged, MalformedInput
from synaptic_crdt.rules.certificates import is_certified, is_proven
from synaptic_crdt.rules.form import read_operation
from synaptic_crdt.rules.genesis import Genesis
from synaptic_crdt.rules.operations import AccountOpen
from synaptic_crdt.rules.verdicts import Refusal
from synaptic_crdt.state.codec import Value


def get_issuer(genesis: Genesis, market: bytes, device: bytes, first: list[Value]) -> bytes | None:
    """Return the device whose admission admits this feed, or None when it needs nobody's.

    ``first`` is the operation of the feed's first entry. Raises ``MalformedInput`` when it opens
    no account, ``Forged`` when its certificate is missing or does not verify.
    """
    operation = read_operation(first)
    if isinstance(operation, Refusal):
        raise MalformedInput(
            f"feed of device {device.hex()} begins with {operation.verdict.name}, not account.open"
        )
    if not isinstance(operation, AccountOpen):
        raise MalformedInput(
            f"feed of device {device.hex()} begins with {first[0]!r}, not account.open"
        )
    certificate, proof = operation.certificate, operation.proof
    if certificate is None or proof is None:
        if device == genesis.founder or genesis.is_open:
            return None
        raise Forged(
            f"device {device.hex()} brings no certificate, and this market is by invitation only"
        )
    if not is_certified(market, certificate):
        raise Forged(
            f"the certificate of device {device.hex()} is not signed by its inviter"
            f" {certificate.inviter.hex()} for this market; ask for a new ticket"
        )
    if not is_proven(market, certificate, device, proof):
        raise Forged(f"device {device.hex()} is not the one that holds the one-time key")
    return certificate.inviter
