"""Certificates of invitation and vouchers of devices: verified by the contract and the feed gate.

They bind the market, so that none is valid in another one. Whether an invitation was issued, used
or revoked, or a device added, is not asked here.
"""

from functools import lru_cache
from typing import Final

import msgspec

from synaptic_crdt.rules.operations import Certificate, DeviceJoin, Paper, Role, Voucher
from synaptic_crdt.state import keys
from synaptic_crdt.state.codec import encode_trusted
from synaptic_crdt.state.limits import SIGNATURE_BYTES

_UNSIGNED: Final = bytes(SIGNATURE_BYTES)
_REMEMBERED: Final = 4_096
# Of a paper device: it is added by the very entry that its voucher would follow.
_NOT_ISSUED: Final = 0


def make_certificate(
    market: bytes,
    inviter: keys.DeviceKey,
    *,
    one_time: bytes,
    role: Role,
    grant: int,
    expiry_ms: int,
    issued: int,
) -> Certificate:
    """Return the certificate that goes into a ticket, signed by the inviting device."""
    unsigned = Certificate(inviter.public, one_time, role, grant, expiry_ms, issued, _UNSIGNED)
    signature = inviter.sign("certificate", _compute_message(market, unsigned))
    return msgspec.structs.replace(unsigned, signature=signature)


def make_proof(market: bytes, one_time: keys.DeviceKey, device: bytes) -> bytes:
    """Return the one-time key's word that ``device`` is who came with the ticket."""
    return one_time.sign("invitation", market + device)


def make_voucher(
    market: bytes,
    adder: keys.DeviceKey,
    *,
    account: bytes,
    device: bytes,
    exchange: bytes,
    issued: int,
) -> Voucher:
    """Return what goes into a device's ticket, signed by the device that adds it."""
    message = _compute_voucher(market, account, device, exchange, issued)
    return Voucher(adder.public, issued, adder.sign("device", message))


def make_paper(market: bytes, opener: keys.DeviceKey, paper: keys.DeviceKey) -> Paper:
    """Return the paper device as it goes into the opening of its account."""
    exchange = paper.get_exchange_public()
    voucher = make_voucher(
        market,
        opener,
        account=opener.public,
        device=paper.public,
        exchange=exchange,
        issued=_NOT_ISSUED,
    )
    return Paper(paper.public, exchange, voucher.signature)


def get_paper_voucher(account: bytes, paper: Paper) -> Voucher:
    """Return what the paper device of an account joins with, from the account's opening."""
    return Voucher(account, _NOT_ISSUED, paper.signature)


def is_vouched(market: bytes, device: bytes, join: DeviceJoin) -> bool:
    """Did the device named as adder sign for this one, with this key, to write for this account?"""
    voucher = join.voucher
    message = _compute_voucher(market, join.account, device, join.exchange, voucher.issued)
    return _verify(voucher.adder, "device", message, voucher.signature)


def is_certified(market: bytes, certificate: Certificate) -> bool:
    """Did the inviter named in the certificate sign it for this market?"""
    message = _compute_message(market, certificate)
    return _verify(certificate.inviter, "certificate", message, certificate.signature)


def is_proven(market: bytes, certificate: Certificate, device: bytes, proof: bytes) -> bool:
    """Did the certificate's one-time key sign for this device?"""
    return _verify(certificate.one_time, "invitation", market + device, proof)


def _compute_message(market: bytes, certificate: Certificate) -> bytes:
    # All fields but the signature, which is the last.
    return market + encode_trusted(list(msgspec.structs.astuple(certificate)[:-1]))


def _compute_voucher(
    market: bytes, account: bytes, device: bytes, exchange: bytes, issued: int
) -> bytes:
    return market + encode_trusted([account, device, exchange, issued])


@lru_cache(_REMEMBERED)
def _verify(device: bytes, kind: keys.SignatureKind, message: bytes, signature: bytes) -> bool:
    # Remembered because a late entry makes the contract read the same certificate again.
    return keys.verify_signature(device, kind, message, signature)
