"""The arithmetic of a settlement, against the formula written the other way round."""

from fractions import Fraction
from math import floor

from hypothesis import given
from hypothesis import strategies as st

from synaptic_crdt.rules.settlement import Settlement, compute_settlement, find_violations

ppm = st.integers(0, 10**6)
money = st.integers(0, 2**53 - 1)


@given(money, money, st.integers(0, 2 * 10**12), ppm, ppm)
def test_nothing_is_lost_and_nothing_is_below_nothing(
    escrow: int, price: int, cost: int, share_ppm: int, fee_ppm: int
) -> None:
    price = min(price, escrow)
    parts = compute_settlement(escrow, price, cost, share_ppm, fee_ppm)
    assert parts.provider + parts.fee + parts.requester == escrow
    assert min(parts.provider, parts.fee, parts.requester, parts.penalty) >= 0
    earned = floor(Fraction((price - parts.penalty) * share_ppm, 10**6))
    assert parts.fee == floor(Fraction(earned * fee_ppm, 10**6))
    assert parts.requester == escrow - earned


def test_penalty_never_exceeds_the_price() -> None:
    assert compute_settlement(100, 80, 500, 10**6, 0) == Settlement(80, 0, 0, 100)


def test_fee_is_of_what_was_earned() -> None:
    # 80 less 20 is 60; half of it is 30; a tenth of that is 3.
    assert compute_settlement(100, 80, 20, 500_000, 100_000) == Settlement(20, 27, 3, 70)


def test_limits_are_broken_only_beyond_them() -> None:
    def find(started_ms: int, delivered_ms: int) -> list[str]:
        return find_violations(
            armed_ms=10,
            started_ms=started_ms,
            delivered_ms=delivered_ms,
            response_ms=5,
            execution_ms=7,
        )

    assert (find(15, 22), find(16, 23), find(15, 23)) == ([], ["response"], ["execution"])
    assert find(16, 24) == ["response", "execution"]
