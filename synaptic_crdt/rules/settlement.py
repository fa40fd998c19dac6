"""Who gets what when a seat settles. Pure arithmetic: integers, floors, nothing lost.

Not here: which metrics were missed, and the deposits of disputes.
"""

import msgspec

from synaptic_crdt.rules.limits import MILLION


class Settlement(msgspec.Struct, frozen=True, gc=False):
    """How the escrow of a seat is shared out; the parts add up to it."""

    penalty: int
    provider: int
    fee: int
    requester: int


def compute_settlement(
    escrow: int, price: int, violations_cost: int, share_ppm: int, fee_ppm: int
) -> Settlement:
    """Share out ``escrow`` for work worth ``price``, of which ``share_ppm`` was earned.

    Penalties come out of the payout and never exceed it; the fee comes out of the provider's part.
    """
    assert 0 <= price <= escrow, (price, escrow)
    penalty = min(price, violations_cost)
    earned = (price - penalty) * share_ppm // MILLION
    fee = earned * fee_ppm // MILLION
    return Settlement(penalty=penalty, provider=earned - fee, fee=fee, requester=escrow - earned)


def find_violations(
    *,
    armed_ms: int,
    started_ms: int,
    delivered_ms: int,
    response_ms: int,
    execution_ms: int,
) -> list[str]:
    """Return which of the two time limits were broken, by effective times, 0 for none yet."""
    late: list[str] = []
    if started_ms - armed_ms > response_ms:
        late.append("response")
    if delivered_ms and delivered_ms - started_ms > execution_ms:
        late.append("execution")
    return late
