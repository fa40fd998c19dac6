"""The log of a home: bounded, private, and without what nobody should read there."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synaptic_crdt.node.event_log import LOG_BYTES, EventLog, encode_log_line

SECRET = "sk-ant-api03-" + "cAnArY7Qx2mZt9LrW4vKpE6sYnB8dHdJ3uGfA1o" * 2


def test_an_event_is_a_line_with_its_time(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "up.log")
    log.note({"event": "linked", "address": "tcp://a:1", "count": 3}, 1_750_000_000_123)
    log.note({"event": "progress", "bytes": 3}, 1_750_000_000_124)
    (line,) = (tmp_path / "up.log").read_text().splitlines()
    assert json.loads(line) == {
        "at": "2025-06-15T15:06:40.123+00:00",
        "event": "linked",
        "address": "tcp://a:1",
        "count": 3,
    }
    assert (tmp_path / "up.log").stat().st_mode & 0o077 == 0


@given(
    st.dictionaries(
        st.text(max_size=20),
        st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.integers()),
        max_size=40,
    )
)
def test_any_event_is_one_bounded_line_that_can_be_shown(event: dict[str, object]) -> None:
    line = encode_log_line(event, 0)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert len(line) < 200_000
    assert "at" in json.loads(line)


def test_what_looks_like_a_secret_is_left_out() -> None:
    line = encode_log_line({"event": "failed", "detail": f"401 for {SECRET}"}, 0)
    assert SECRET.encode() not in line
    assert b"left out" in line


def test_two_files_of_bounded_size_are_kept(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "up.log")
    for number in range(3 * LOG_BYTES // 400):
        log.note({"event": "lost", "error": "x" * 400, "number": number}, 0)
    files = sorted(tmp_path.iterdir())
    assert [path.name for path in files] == ["up.log", "up.log.1"]
    assert all(path.stat().st_size <= LOG_BYTES for path in files)
    newest = json.loads(files[0].read_text().splitlines()[-1])
    assert newest["number"] == 3 * LOG_BYTES // 400 - 1


@pytest.mark.parametrize("name", ["missing/up.log", "."])
def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path, name: str) -> None:
    EventLog(tmp_path / name).note({"event": "up"}, 0)
    assert list(tmp_path.iterdir()) == []
