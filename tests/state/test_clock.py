"""Timestamps: after all they must follow, dragged by nobody, packed without loss."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synaptic_crdt.errors import UsageError
from synaptic_crdt.state import limits
from synaptic_crdt.state.clock import follows_clock, get_ms, next_timestamp, pack_timestamp

timestamps = st.integers(0, limits.TIMESTAMP_MAX - 1)


@given(st.integers(0, 2**47 - 1), st.integers(0, 2**16 - 1))
def test_a_timestamp_keeps_its_milliseconds(ms: int, counter: int) -> None:
    timestamp = pack_timestamp(ms, counter)
    assert get_ms(timestamp) == ms
    assert timestamp - pack_timestamp(ms) == counter
    assert timestamp <= limits.TIMESTAMP_MAX


@given(st.integers(0, 2**47 - 2), timestamps, timestamps, timestamps)
def test_the_next_timestamp_is_one_tick_after_the_latest(
    wall_ms: int, own: int, seen: int, named: int
) -> None:
    latest = max(pack_timestamp(wall_ms), own, seen, named)
    assert next_timestamp(wall_ms, own, seen, named) == latest + 1


def test_after_the_last_timestamp_there_is_none() -> None:
    assert next_timestamp(0, limits.TIMESTAMP_MAX - 1, 0, 0) == limits.TIMESTAMP_MAX
    with pytest.raises(UsageError, match="clock"):
        next_timestamp(0, limits.TIMESTAMP_MAX, 0, 0)


def test_a_timestamp_is_followed_up_to_a_minute_ahead() -> None:
    edge = pack_timestamp(1_000 + limits.CLOCK_SKEW_MS, 65_535)
    assert follows_clock(edge, 1_000)
    assert not follows_clock(edge + 1, 1_000)
    assert follows_clock(0, 1_000)
