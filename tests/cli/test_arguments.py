import click
import pytest

from synaptic_crdt.cli.arguments import DURATION


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("15m", 900), ("15min", 900), ("24h", 86_400), ("7d", 604_800), ("0s", 0)],
)
def test_a_duration_in_seconds(text: str, seconds: int) -> None:
    assert DURATION.convert(text, None, None) == seconds


@pytest.mark.parametrize(
    "text", ["", "15", "m", "1.5h", "-3s", "3 s", "1h30m", "٣s", "3sm", "9" * 5_000 + "d"]
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a duration such as 90s"):
        DURATION.convert(text, None, None)
