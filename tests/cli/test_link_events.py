"""What happens on links, in words: a line of its own, or one that is written over."""

import io
import sys
import time

import pytest

from synaptic_crdt.cli.link_events import LinkTeller
from synaptic_crdt.cli.output import Json

ADDRESS = "tcp://127.0.0.1:7700"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def make_event(event: str, **fields: object) -> Json:
    return {"event": event, "address": ADDRESS, **fields}


def make_progress(size: int) -> Json:
    return make_event("progress", sent=1, received=2_000, bytes=size)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    seconds = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: seconds[0])
    return seconds


def test_progress_is_a_line_a_second_where_nobody_looks(now: list[float]) -> None:
    teller = LinkTeller()
    assert (
        teller(make_progress(100)) == f"{ADDRESS}: sent 1, received 2,000 entries, 100 bytes in all"
    )
    now[0] += 0.5
    assert teller(make_progress(200)) == ""
    now[0] += 0.5
    assert teller(make_progress(300)).endswith("300 bytes in all")


def test_progress_on_a_terminal_is_one_line_with_its_rate(
    now: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with LinkTeller() as teller:
        assert teller(make_progress(1_024)) == ""
        now[0] += 2
        assert teller(make_progress(11 * 1_024)) == ""
        assert terminal.getvalue().endswith("11,264 bytes in all, 5 KiB/s")
        assert "\n" not in terminal.getvalue()
        # What is to stay comes on a line of its own.
        assert teller(make_event("synced", equal=True, root="ab" * 32))
        assert terminal.getvalue().endswith("\r\x1b[2K")
        teller(make_progress(12 * 1_024))
    assert not terminal.getvalue().endswith("KiB/s")


def test_what_moved_nothing_is_no_progress() -> None:
    assert LinkTeller()(make_event("progress", sent=0, received=0, bytes=100)) == ""


def test_of_a_crowd_of_addresses_only_some_are_remembered(now: list[float]) -> None:
    del now
    teller = LinkTeller()
    for number in range(300):
        assert teller(make_progress(1) | {"address": f"tcp://{number}"})
    assert teller(make_progress(1) | {"address": "tcp://0"})
    assert not teller(make_progress(1) | {"address": "tcp://299"})


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (make_event("greeted", skew_ms=61_000), "its clock is 61 s ahead of this one"),
        (make_event("greeted", skew_ms=-61_000), "its clock is 61 s behind this one"),
        (make_event("lost", error="cut", retry_seconds=2.0), "cut (again in 2 s)"),
        (make_event("lost", error="cut", retry_seconds=None), "cut"),
        (
            make_event("left-out", device="ab" * 32, explanation="16 windows"),
            "what else device abababababab wrote has to wait: 16 windows",
        ),
        (make_event("fork", device="ab" * 32, position=3), "two histories from position 3 on"),
        (make_event("alarm", explanation="no shrinking"), "no shrinking"),
        (make_event("untold", lines=1_234, of_address=1_000), "1,000 of them about this address"),
    ],
)
def test_trouble_is_told_to_everybody(event: Json, words: str) -> None:
    assert LinkTeller()(event).endswith(words) or words in LinkTeller()(event)
    assert LinkTeller(only_trouble=True)(event) == LinkTeller()(event)


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (make_event("linked", device="ab" * 32), "linked with device abababababab"),
        (make_event("listening"), f"listening on {ADDRESS}"),
        (make_event("synced", equal=False, root="cd" * 32), "the other end differs"),
        (make_event("greeted", skew_ms=60_000), ""),
        (make_event("state"), ""),
        (make_progress(1), "entries"),
    ],
)
def test_the_rest_is_told_to_who_is_not_at_the_other_end(event: Json, words: str) -> None:
    assert words in LinkTeller()(event)
    assert LinkTeller(only_trouble=True)(event) == ""
