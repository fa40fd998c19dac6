"""Forks reported to the market: a proof that a device signed two histories, once for each place.

Whoever shows it is believed, since the proof needs nobody's word. What it proves was suspended or
settled before without the contract; here it is put on record, and costs the account of the device
some of its reputation, while the device is one of the account's.

Answers whoever holds a stolen key and makes forks with it to ruin its owner: once the device is
revoked, they are on record and cost nothing.
"""

from functools import lru_cache
from typing import Final

from synaptic_crdt.errors import Forged
from synaptic_crdt.rules.form import decode_proof, parse_fork
from synaptic_crdt.rules.market import Act, Market
from synaptic_crdt.rules.operations import ForkReport
from synaptic_crdt.rules.reputation import note_fork
from synaptic_crdt.rules.rows import ForkRow
from synaptic_crdt.rules.verdicts import Refusal, Verdict
from synaptic_crdt.state.statements.fork import verify_fork_proof

_REMEMBERED: Final = 1_024


def report_fork(market: Market, op: ForkReport, act: Act) -> Refusal | None:
    """Put a fork on record: the device and the position at which its histories part."""
    fork = parse_fork(op.proof)
    forked = market.devices.get(fork.device)
    if forked is None:
        return Refusal(Verdict.DEVICE_UNKNOWN, (fork.device,))
    if not _is_sealed(market.id, op.proof):
        return Refusal(Verdict.FORK_FORGED, (fork.device,))
    key = fork.device + fork.position.to_bytes(8, "big")
    if market.forks.get(key) is not None:
        return Refusal(Verdict.FORK_KNOWN, (fork.position,))
    # From here on the operation must succeed.
    market.forks.set(key, ForkRow(reported_ms=act.now, reporter=act.account))
    # Of a key that its account has ended, whoever stole it may sign as many as it likes.
    if forked.state == "ACTIVE":
        note_fork(market, forked.account, act.now)
    return None


@lru_cache(_REMEMBERED)
def _is_sealed(market: bytes, proof: bytes) -> bool:
    # Remembered because a late entry makes the contract judge the same proof again.
    try:
        verify_fork_proof(market, decode_proof(proof))
    except Forged:
        return False
    return True
