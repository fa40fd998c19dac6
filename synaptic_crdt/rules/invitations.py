"""Invitations: a one-time key, a role, and a grant that waits for whoever comes, or returns."""

from typing import Final

import msgspec

from synaptic_crdt.rules import council, holds, limits
from synaptic_crdt.rules.certificates import is_certified, is_proven
from synaptic_crdt.rules.market import TREASURY, Act, Market
from synaptic_crdt.rules.operations import AccountOpen, Certificate, InviteIssue, InviteRevoke
from synaptic_crdt.rules.rows import InvitationRow, InvitationState
from synaptic_crdt.rules.verdicts import Refusal, Verdict

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
    if market.invitations.get(op.one_time) is not None:
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
    invitation = market.invitations.get(op.one_time)
    if invitation is None:
        return Refusal(Verdict.INVITATION_UNKNOWN, (op.one_time,))
    if invitation.account != act.account:
        return Refusal(Verdict.NOT_THE_INVITER, (invitation.account,))
    if invitation.state != "OPEN":
        return Refusal(_ENDED[invitation.state])
    # From here on the operation must succeed.
    market.timers.clear(op.one_time)
    _end(market, op.one_time, invitation, "REVOKED")
    return None


def expire_invitation(market: Market, one_time: bytes) -> None:
    """Give the grant back: nobody came in time."""
    invitation = market.invitations.get(one_time)
    assert invitation is not None, one_time
    _end(market, one_time, invitation, "EXPIRED")


def check_certificate(market: Market, op: AccountOpen, act: Act) -> Refusal | None:
    """Does the certificate match an open invitation, and is it this device's? Cheap rungs first."""
    certificate, proof = op.certificate, op.proof
    assert certificate is not None
    assert proof is not None
    invitation = market.invitations.get(certificate.one_time)
    if invitation is None:
        return Refusal(Verdict.INVITATION_UNKNOWN, (certificate.one_time,))
    if invitation.state != "OPEN":
        return Refusal(_ENDED[invitation.state])
    if not _is_matching(invitation, certificate):
        return Refusal(Verdict.CERTIFICATE_MISMATCH)
    if not is_certified(market.id, certificate):
        return Refusal(Verdict.CERTIFICATE_FORGED, (certificate.inviter,))
    if not is_proven(market.id, certificate, act.device, proof):
        return Refusal(Verdict.PROOF_FORGED)
    return None


def use_invitation(market: Market, one_time: bytes, account: bytes) -> bytes:
    """Pay the grant to the new account, and return who invited it."""
    invitation = market.invitations.get(one_time)
    assert invitation is not None, one_time
    market.timers.clear(one_time)
    holds.pay(market, one_time, "grant", account, invitation.grant)
    _end(market, one_time, invitation, "USED", account)
    return invitation.account


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
    holds.lock(market, payer, op.one_time, "grant", op.grant)
    market.timers.set(op.one_time, op.expiry_ms)
    market.invitations.set(
        op.one_time,
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
    one_time: bytes,
    invitation: InvitationRow,
    state: InvitationState,
    used_by: bytes = b"",
) -> None:
    holds.release(market, one_time, "grant")
    market.invitations.set(
        one_time, msgspec.structs.replace(invitation, state=state, used_by=used_by)
    )
