"""The feed gate's question: on whose admission does a feed depend?

Monotone, and knows no verdicts: it reads the first entry alone. That an invitation was used twice
or revoked, or that a device was never added, is the contract's business; the feed is admitted, and
its entries are refused.
"""

from synaptic_crdt.errors import Forged, MalformedInput
from synaptic_crdt.rules.certificates import is_certified, is_proven, is_vouched
from synaptic_crdt.rules.form import read_operation
from synaptic_crdt.rules.genesis import Genesis
from synaptic_crdt.rules.operations import AccountOpen, DeviceJoin
from synaptic_crdt.rules.verdicts import Refusal
from synaptic_crdt.state.codec import Value


def get_issuer(genesis: Genesis, market: bytes, device: bytes, first: list[Value]) -> bytes | None:
    """Return the device whose admission admits this feed, or None when it needs nobody's.

    ``first`` is the operation of the feed's first entry. Raises ``MalformedInput`` when it neither
    opens an account nor joins one, ``Forged`` when its certificate or voucher does not verify or
    is missing.
    """
    operation = read_operation(first)
    if isinstance(operation, Refusal):
        raise _make_error(device, operation.verdict.name)
    if isinstance(operation, DeviceJoin):
        if not is_vouched(market, device, operation):
            raise Forged(
                f"device {device.hex()} is not vouched for by {operation.voucher.adder.hex()};"
                " add it again"
            )
        return operation.voucher.adder
    if not isinstance(operation, AccountOpen):
        raise _make_error(device, repr(first[0]))
    return _get_inviter(genesis, market, device, operation)


def _get_inviter(
    genesis: Genesis, market: bytes, device: bytes, operation: AccountOpen
) -> bytes | None:
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


def _make_error(device: bytes, beginning: str) -> MalformedInput:
    return MalformedInput(
        f"feed of device {device.hex()} begins with {beginning}, not with account.open or"
        " device.join"
    )
