"""Attestations: the word of a verifier that a claim is true of an account, until it expires.

Guarantees that one verifier has at most one standing word on a claim of an account, that nobody
vouches for itself, and that the word counts only while its giver is a verifier of the market.
Nothing is proven by it, and nothing is locked, so an expiry needs no timer: it is asked when read.
"""

from typing import Final, Literal

from msgspec.structs import replace

from synaptic_crdt.rules import limits
from synaptic_crdt.rules.account_operations import Attest, AttestRevoke
from synaptic_crdt.rules.market import Act, Market
from synaptic_crdt.rules.rows import AttestationRow, TaskRow
from synaptic_crdt.rules.verdicts import Refusal, Verdict

# What a verifier vouches for when a task is confidential.
CONFIDENTIAL: Final = "confidential"


def attest(market: Market, op: Attest, act: Act) -> Refusal | None:
    """Put a verifier's word on record, in place of what it said of the same claim before."""
    if market.accounts.get(op.account) is None:
        return Refusal(Verdict.ATTESTED_UNKNOWN, (op.account,))
    if act.account not in market.get_parameters().verifiers:
        return Refusal(Verdict.NOT_A_VERIFIER, (act.account,))
    if op.account == act.account:
        return Refusal(Verdict.ATTESTS_ITSELF)
    if op.expiry_ms <= act.now:
        return Refusal(Verdict.ATTESTATION_TOO_SHORT, (op.expiry_ms, act.now))
    latest_ms = act.now + limits.ATTESTATION_MAX_MS
    if op.expiry_ms > latest_ms:
        return Refusal(Verdict.ATTESTATION_TOO_LONG, (op.expiry_ms, latest_ms))
    # From here on the operation must succeed.
    before = _find_standing(market, op.account, op.claim, act.account)
    if before is not None:
        _end(market, before, "RENEWED")
    market.attestations.set(
        act.entry,
        AttestationRow(
            number=len(market.attestations) + 1,
            verifier=act.account,
            account=op.account,
            claim=op.claim,
            proof=op.proof,
            attested_ms=act.now,
            expiry_ms=op.expiry_ms,
            state="STANDING",
        ),
    )
    return None


def revoke_attestation(market: Market, op: AttestRevoke, act: Act) -> Refusal | None:
    """Take one's word back, also as a verifier no more."""
    row = market.attestations.get(op.attestation)
    if row is None:
        return Refusal(Verdict.ATTESTATION_UNKNOWN, (op.attestation,))
    if row.verifier != act.account:
        return Refusal(Verdict.NOT_THE_ATTESTER, (row.verifier,))
    if row.state != "STANDING":
        return Refusal(Verdict.ATTESTATION_ENDED, (row.state,))
    # From here on the operation must succeed.
    _end(market, op.attestation, "REVOKED")
    return None


def is_attested(market: Market, account: bytes, claim: str, verifier: bytes, now: int) -> bool:
    """Does the word of this verifier on this claim of an account count now?"""
    if verifier not in market.get_parameters().verifiers:
        return False
    key = _find_standing(market, account, claim, verifier)
    row = None if key is None else market.attestations.get(key)
    return row is not None and now < row.expiry_ms


def is_vouched_for(market: Market, task: TaskRow, account: bytes, now: int) -> bool:
    """May an account see what a task is about, as far as that needs a verifier's word?"""
    return task.privacy != "confidential" or is_attested(
        market, account, CONFIDENTIAL, task.verifier, now
    )


def _find_standing(market: Market, account: bytes, claim: str, verifier: bytes) -> bytes | None:
    low = (account, claim, verifier)
    found = market.attestations.index("standing").ascend(low, (account, claim, verifier + b"\0"))
    key = next((key for _, key in found), None)
    assert key is None or isinstance(key, bytes)
    return key


def _end(market: Market, key: bytes, state: Literal["RENEWED", "REVOKED"]) -> None:
    row = market.attestations.get(key)
    assert row is not None, key
    market.attestations.set(key, replace(row, state=state))
