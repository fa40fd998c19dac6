"""Invitations: a one-time key, a role, and a grant that waits for whoever comes, or returns.

An invitation is named by its inviter and its one-time key together, 64 bytes. A key is whatever
its author says: by itself it could be the id of somebody's offer, and move that one's deadline, or
the key of an invitation that somebody is about to issue, and keep it out.
"""

from typing import Final

import msgspec

from synaptic_crdt.rules import council, holds, limits
from synaptic_crdt.rules.certificates import is_certified, is_proven
from synaptic_crdt.rules.market import TREASURY, Act, Market, get_rows
from synaptic_crdt.rules.operations import AccountOpen, Certificate, InviteIssue, InviteRevoke
from synaptic_crdt.rules.rows import InvitationRow, InvitationState
from synaptic_crdt.rules.verdicts import Refusal, Verdict
from synaptic_crdt.state.limits import HASH_BYTES

_ENDED: Final = {
    "USED": Verdict.INVITATION_USED,
    "REVOKED": Verdict.INVITATION_REVOKED,
    "EXPIRED": Verdict.INVITATION_EXPIRED,
}


def issue_invitation(market: Market, op: InviteIssue, act: Act) -> Refusal | None:
    """Lock the grant until somebody comes, the inviter thinks better of it, or time is up."""
    if market.is_auditor(act.account):
        return Refusal(Verdict.AUDITOR_MAY_NOT)
    if op.from_treasury:
        refusal = council.check_vote(market, op, act)
        if refusal is not None:
            return refusal
    if market.invitations.get(_get_id_to_be(market, op, act)) is not None:
        return Refusal(Verdict.INVITATION_EXISTS)
    refusal = _check_expiry(op, act) or _check_grant(market, op, act)
    if refusal is not None:
        return refusal
    # From here on the operation must succeed.
    if not op.from_treasury:
        _open(market, op, act.account, act.device)
        return None
    proposal = council.vote(market, op, act)
    if proposal.decided:
        council.count_payment(market, act.now, op.grant)
        # Who proposed it made the certificate.
        _open(market, op, proposal.voters[0], proposal.device)
    return None


def revoke_invitation(market: Market, op: InviteRevoke, act: Act) -> Refusal | None:
    """End an invitation that nobody used yet."""
    key = get_invitation_id(act.account, op.one_time)
    invitation = market.invitations.get(key)
    if invitation is None:
        others = _find_other(market, op.one_time)
        if others is None:
            return Refusal(Verdict.INVITATION_UNKNOWN, (op.one_time,))
        return Refusal(Verdict.NOT_THE_INVITER, (others.account,))
    if invitation.state != "OPEN":
        return _refuse_ended(invitation)
    # From here on the operation must succeed.
    market.timers.clear(key)
    _end(market, key, invitation, "REVOKED")
    return None


def expire_invitation(market: Market, key: bytes) -> None:
    """Give the grant back: nobody came in time."""
    invitation = market.invitations.get(key)
    assert invitation is not None, key
    _end(market, key, invitation, "EXPIRED")


def check_certificate(market: Market, op: AccountOpen, act: Act) -> Refusal | None:
    """Does the certificate match an open invitation, and is it this device's? Cheap rungs first."""
    certificate, proof = op.certificate, op.proof
    assert certificate is not None
    assert proof is not None
    invitation = market.invitations.get(_get_id_of(market, certificate))
    if invitation is None:
        if _find_other(market, certificate.one_time) is None:
            return Refusal(Verdict.INVITATION_UNKNOWN, (certificate.one_time,))
        return Refusal(Verdict.CERTIFICATE_MISMATCH)
    if invitation.state != "OPEN":
        return _refuse_ended(invitation)
    if not _is_matching(invitation, certificate):
        return Refusal(Verdict.CERTIFICATE_MISMATCH)
    if not is_certified(market.id, certificate):
        return Refusal(Verdict.CERTIFICATE_FORGED, (certificate.inviter,))
    if not is_proven(market.id, certificate, act.device, proof):
        return Refusal(Verdict.PROOF_FORGED)
    return None


def use_invitation(market: Market, certificate: Certificate, account: bytes) -> bytes:
    """Pay the grant to the new account, and return who invited it."""
    key = _get_id_of(market, certificate)
    invitation = market.invitations.get(key)
    assert invitation is not None, key
    market.timers.clear(key)
    holds.pay(market, key, "grant", account, invitation.grant)
    _end(market, key, invitation, "USED", account)
    return invitation.account


def get_invitation_id(account: bytes, one_time: bytes) -> bytes:
    """Return the name of an invitation: longer than any other name that has a deadline."""
    return account + one_time


def get_one_time(key: bytes) -> bytes:
    """Return the one-time key of an invitation's name."""
    return key[HASH_BYTES:]


def _get_id_of(market: Market, certificate: Certificate) -> bytes:
    """Return the name of the invitation that a certificate is for, if there is one."""
    inviter = market.devices.get(certificate.inviter)
    account = b"" if inviter is None else inviter.account
    return get_invitation_id(account, certificate.one_time)


def _get_id_to_be(market: Market, op: InviteIssue, act: Act) -> bytes:
    """Return the name that an invitation will have: of the council, who proposed it invites."""
    account = council.get_proposer(market, op, act) if op.from_treasury else act.account
    return get_invitation_id(account, op.one_time)


def _refuse_ended(invitation: InvitationRow) -> Refusal:
    """Say how an invitation ended, and by whose coming or when."""
    values = {"USED": (invitation.used_by,), "EXPIRED": (invitation.expiry_ms,)}
    return Refusal(_ENDED[invitation.state], values.get(invitation.state, ()))


def _find_other(market: Market, one_time: bytes) -> InvitationRow | None:
    """Return the invitation of anybody with this key, if there is one."""
    rows = get_rows(market.invitations, "one-time", one_time)
    return next((row for _, row in rows), None)


def _check_expiry(op: InviteIssue, act: Act) -> Refusal | None:
    if op.expiry_ms <= act.now:
        return Refusal(Verdict.EXPIRY_TOO_SOON, (op.expiry_ms, act.now))
    latest_ms = act.now + limits.DURATION_MAX_MS
    if op.expiry_ms > latest_ms:
        return Refusal(Verdict.EXPIRY_TOO_LATE, (op.expiry_ms, latest_ms))
    return None


def _check_grant(market: Market, op: InviteIssue, act: Act) -> Refusal | None:
    if op.from_treasury:
        return council.check_treasury(market, op, act, op.grant)
    available = market.get_available(act.account)
    if op.grant > available:
        return Refusal(Verdict.BALANCE_TOO_LOW, (op.grant, available))
    return None


def _is_matching(invitation: InvitationRow, certificate: Certificate) -> bool:
    return (
        invitation.device == certificate.inviter
        and invitation.role == certificate.role
        and invitation.grant == certificate.grant
        and invitation.expiry_ms == certificate.expiry_ms
    )


def _open(market: Market, op: InviteIssue, account: bytes, device: bytes) -> None:
    payer = TREASURY if op.from_treasury else account
    key = get_invitation_id(account, op.one_time)
    holds.lock(market, payer, key, "grant", op.grant)
    market.timers.set(key, op.expiry_ms)
    market.invitations.set(
        key,
        InvitationRow(
            number=len(market.invitations) + 1,
            device=device,
            account=account,
            role=op.role,
            grant=op.grant,
            expiry_ms=op.expiry_ms,
            state="OPEN",
            used_by=b"",
        ),
    )


def _end(
    market: Market,
    key: bytes,
    invitation: InvitationRow,
    state: InvitationState,
    used_by: bytes = b"",
) -> None:
    holds.release(market, key, "grant")
    market.invitations.set(key, msgspec.structs.replace(invitation, state=state, used_by=used_by))
