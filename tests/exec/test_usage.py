"""The record of what work has cost: what is on it, what survives, and what counts."""

import tempfile
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synaptic_crdt.errors import StoreFailed, UsageError
from synaptic_crdt.exec.executors.base import Job, Limits, Usage
from synaptic_crdt.exec.usage import Begun, UsageLog, check_day, get_day, reserve_tokens

NOON: Final = 1_796_040_000_000  # 2026-11-30T12:00:00Z
DAY_MS: Final = 86_400_000
LIMITS: Final = Limits(result_bytes=1_000, output_tokens=500, tokens=10_000)


def make_job(**changes: object) -> Job:
    fields: dict[str, Any] = {
        "assignment": b"a" * 32,
        "task": b"t" * 32,
        "requester": b"r" * 32,
        "kind": "text.answer",
        "title": "never on record",
        "criteria": "",
        "units": 1,
        "media_type": "text/plain",
        "payload": b"x" * 1_000,
        "limits": LIMITS,
        "model": "claude-test-1",
        **changes,
    }
    return Job(**fields)


@pytest.fixture
def log(tmp_path: Path) -> UsageLog:
    return UsageLog(tmp_path / "usage")


def reopen(tmp_path: Path) -> UsageLog:
    return UsageLog(tmp_path / "usage")


def play(log: UsageLog, usage: Usage, at_ms: int = NOON, outcome: str = "done") -> Begun:
    begun = log.begin(make_job(), "anthropic", at_ms)
    log.end(begun, outcome, usage, 1.5)
    return begun


EXACT: Final = Usage("claude-test-1", 100, 20, is_exact=True)
CUT: Final = Usage("claude-test-1", 100, 3)


def test_a_run_is_on_record_from_its_beginning(log: UsageLog, tmp_path: Path) -> None:
    begun = log.begin(make_job(), "anthropic", NOON)
    (call,) = reopen(tmp_path).read()
    assert (call.begun, call.ended, call.outcome) == (begun, None, "interrupted")
    log.end(begun, "done", EXACT, 1.5)
    (call,) = reopen(tmp_path).read()
    assert call.ended is not None
    assert (call.ended.tokens_in, call.ended.tokens_out, call.ended.duration_ms) == (100, 20, 1_500)
    assert (call.outcome, call.ended.model) == ("done", "claude-test-1")


def test_it_is_for_its_owner_alone_and_holds_no_content(log: UsageLog, tmp_path: Path) -> None:
    play(log, EXACT)
    (path,) = (tmp_path / "usage").iterdir()
    assert path.name == "2026-11-30.jsonl"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    text = path.read_text()
    assert "never on record" not in text
    assert "xxxx" not in text


RESERVED: Final = 2_000 + 500 + 500


def test_what_counts_is_what_it_cost_or_else_what_it_might_have(log: UsageLog) -> None:
    assert log.count_day(NOON) == 0
    begun = log.begin(make_job(), "anthropic", NOON)
    assert log.count_day(NOON) == RESERVED
    log.end(begun, "done", EXACT, 1)
    assert log.count_day(NOON) == 120
    play(log, CUT, outcome="link-failed")
    assert log.count_day(NOON) == 120 + RESERVED
    # Told to have cost nothing, or never asked.
    play(log, Usage("claude-test-1", is_exact=True), outcome="rate-limited")
    play(log, Usage(), outcome="payload-unsupported")
    assert log.count_day(NOON) == 120 + RESERVED


def test_what_a_model_told_counts_even_beyond_what_was_reserved(log: UsageLog) -> None:
    play(log, Usage("claude-test-1", 5_000, 1))
    assert log.count_day(NOON) == 5_001


def test_what_is_reserved_is_within_the_limits() -> None:
    assert reserve_tokens(make_job()) == RESERVED
    assert reserve_tokens(make_job(payload=b"x" * 10**6)) == 10_000
    assert reserve_tokens(make_job(limits=Limits(result_bytes=1))) == 0


def test_days_and_assignments_count_by_themselves(log: UsageLog, tmp_path: Path) -> None:
    play(log, EXACT)
    play(log, EXACT, NOON + DAY_MS)
    other = log.begin(make_job(assignment=b"b" * 32), "anthropic", NOON)
    log.end(other, "done", EXACT, 1)
    for each in (log, reopen(tmp_path)):
        assert each.count_day(NOON) == 240
        assert each.count_day(NOON + DAY_MS) == 120
        assert each.count_assignment(b"a" * 32, NOON) == 120
        # A task may go on past midnight.
        assert each.count_assignment(b"a" * 32, NOON + DAY_MS) == 240
        assert each.count_assignment(b"b" * 32, NOON + 2 * DAY_MS) == 0
        assert each.count_assignment(b"b" * 32, 0) == 0


def test_a_run_that_ends_on_another_day_stays_on_its_own(log: UsageLog, tmp_path: Path) -> None:
    begun = log.begin(make_job(), "anthropic", NOON)
    assert log.count_day(NOON + DAY_MS) == 0
    assert log.count_day(NOON + 2 * DAY_MS) == 0
    log.end(begun, "done", EXACT, 100_000)
    for each in (log, reopen(tmp_path)):
        assert each.count_day(NOON) == 120
        assert each.count_day(NOON + DAY_MS) == 0


def test_what_is_read_begins_where_it_is_asked_to(log: UsageLog) -> None:
    assert list(log.read()) == []
    for days in (2, 0, 1):
        play(log, EXACT, NOON + days * DAY_MS)
    assert [call.begun.at_ms for call in log.read()] == [NOON, NOON + DAY_MS, NOON + 2 * DAY_MS]
    assert [call.begun.at_ms for call in log.read("2026-12-02")] == [NOON + 2 * DAY_MS]


@given(cut=st.integers(0, 400), junk=st.binary(max_size=50))
def test_a_line_that_was_cut_or_damaged_takes_no_other_with_it(cut: int, junk: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "2026-11-30.jsonl"
        log = UsageLog(Path(folder))
        play(log, EXACT)
        whole = path.read_bytes()
        play(log, EXACT)
        second = path.read_bytes()[len(whole) :]
        path.write_bytes(whole + second[:cut] + junk.replace(b"\n", b""))
        fresh = UsageLog(Path(folder))
        play(fresh, EXACT)
        calls = list(UsageLog(Path(folder)).read())
        assert calls[0].outcome == calls[-1].outcome == "done"
        assert len(calls) in {2, 3}


@pytest.mark.parametrize("damage", [{"reserved": -9_000}, {"at_ms": 2**60}, {"at_ms": -1}])
def test_a_damaged_number_takes_nothing_off_what_counts(
    log: UsageLog, tmp_path: Path, damage: dict[str, int]
) -> None:
    log.begin(make_job(), "rehearsal", NOON)
    counted = log.count_day(NOON)
    [path] = tmp_path.rglob("*.jsonl")
    line = msgspec.json.decode(path.read_bytes())
    with path.open("ab") as file:
        file.write(msgspec.json.encode({**line, "call": "another", **damage}) + b"\n")
    calls = list(UsageLog(path.parent).read())
    assert [get_day(call.begun.at_ms) for call in calls] == [get_day(NOON)]
    assert UsageLog(path.parent).count_day(NOON) == counted > 0


def test_what_cannot_be_put_on_record_is_told(tmp_path: Path) -> None:
    (tmp_path / "usage").write_text("a file")
    with pytest.raises(StoreFailed, match="put on record"):
        reopen(tmp_path).begin(make_job(), "anthropic", NOON)


def test_what_cannot_be_read_is_told(log: UsageLog, tmp_path: Path) -> None:
    (tmp_path / "usage" / "2026-11-30.jsonl").mkdir(parents=True)
    with pytest.raises(StoreFailed, match="cannot be read"):
        log.count_day(NOON)


def test_words_are_bounded_and_clean(log: UsageLog) -> None:
    begun = log.begin(make_job(model="m" * 500), "anthropic", NOON)
    log.end(begun, "done", Usage("\x1b[2J" * 100, 1, 1), 1)
    (call,) = log.read()
    assert call.ended is not None
    assert len(call.begun.model) == len(call.ended.model) == 64
    assert call.ended.model.isprintable()


def test_a_day_is_written_one_way() -> None:
    assert get_day(NOON) == check_day("2026-11-30") == "2026-11-30"
    for text in ("", "today", "2026-13-01", "2026-11-30T00:00", "../../etc"):
        with pytest.raises(UsageError, match="is no day"):
            check_day(text)
