from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synaptic_crdt.rules.limits import CREATED_MAX_MS, DAY_MS, HOUR_MS
from synaptic_crdt.rules.showing import Shown, show_accounts, show_duration, show_share, show_time


@given(st.integers(0, CREATED_MAX_MS))
def test_a_time_is_what_the_calendar_says(time_ms: int) -> None:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time_ms)
    assert show_time(time_ms) == moment.strftime("%Y-%m-%d %H:%M:%S") + f".{time_ms % 1_000:03}Z"


def test_a_time_beyond_the_calendar_is_shown_in_ms() -> None:
    assert (show_time(-1), show_time(2**62)) == ("-1 ms", f"{2**62} ms")


@pytest.mark.parametrize(
    ("duration_ms", "shown"),
    [(0, "0 ms"), (1_500, "1500 ms"), (90_000, "90 s"), (3 * HOUR_MS, "3 h"), (2 * DAY_MS, "2 d")],
)
def test_a_duration_is_shown_in_the_largest_unit_that_divides_it(
    duration_ms: int, shown: str
) -> None:
    assert show_duration(duration_ms) == shown


def test_a_value_stands_in_a_template_as_the_template_says() -> None:
    template = "{0} {0:duration} {0:time} {1:phase} {2:phase} {2!r} {3}"
    values = (Shown(1_000), Shown("KEYWAIT"), Shown("elsewhere"), Shown(b"\xab"))
    assert template.format(*values) == (
        "1000 1 s 1970-01-01 00:00:01.000Z"
        " KEYWAIT: the requester has to reveal the key first elsewhere 'elsewhere' ab"
    )


def test_shares_and_accounts() -> None:
    assert (show_share(1_000_000), show_share(125_001)) == ("100 %", "12.5001 %")
    assert show_accounts([bytes(32), b"\xff" * 32]) == f"{'0' * 12}, {'f' * 12}"
