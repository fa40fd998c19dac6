"""What executors declare, and the one that is built in."""

import pytest
import trio

from synaptic_crdt.exec.executors.base import Job, Limits, Progress, Result, Skills
from synaptic_crdt.exec.executors.rehearsal import RehearsalExecutor, compose_text
from synaptic_crdt.rules.limits import RESULT_BYTES


def make_job(payload: bytes, kind: str = "text.answer") -> Job:
    return Job(
        assignment=b"a" * 32,
        task=b"t" * 32,
        requester=b"r" * 32,
        kind=kind,
        title="Vowels",
        criteria="",
        units=3,
        media_type="text/plain",
        payload=payload,
        limits=Limits(result_bytes=1_000),
    )


@pytest.mark.parametrize(
    ("kind", "media_type", "covered"),
    [
        ("text.answer", "text/plain", True),
        ("text.answer", "Text/Plain; charset=utf-8", True),
        ("text.answer", "image/png", False),
        ("code.review", "text/plain", False),
        ("*", "text/plain", False),
    ],
)
def test_skills_cover_what_they_name(kind: str, media_type: str, covered: bool) -> None:
    assert Skills(("text.answer",), ("text/plain",)).covers(kind, media_type) is covered


def test_any_covers_everything() -> None:
    assert Skills(("*",), ("*",)).covers("code.review", "image/png")


def test_a_rehearsal_says_what_it_is_and_what_it_was_given() -> None:
    told: list[Progress] = []
    result = trio.run(RehearsalExecutor().run, make_job(b"count the vowels"), told.append)
    assert isinstance(result, Result)
    text = result.data.decode()
    assert result.media_type == "text/plain"
    assert "rehearsal" in text
    assert "text.answer, units: 3" in text
    assert "16 bytes, digest ed801f92f51a5c61" in text
    assert "count the vowels" in text


def test_a_rehearsal_is_told_apart_by_its_payload() -> None:
    assert compose_text(make_job(b"a")) == compose_text(make_job(b"a"))
    assert compose_text(make_job(b"a")) != compose_text(make_job(b"b"))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x1b[2J\x1b]0;owned\x07",
        b"\xff\xfe\x00" * 1_000,
        "right\u202eto\u2028left\u0085".encode(),
        "\N{OGHAM LETTER FEARN}".encode() * 100_000,
    ],
)
def test_a_hostile_payload_makes_a_bounded_and_printable_result(payload: bytes) -> None:
    text = compose_text(make_job(payload))
    lines = text.splitlines()
    assert len(lines) == 4
    assert all(line.isprintable() for line in lines)
    assert all(len(line) < 300 for line in lines)
    assert len(text.encode()) < RESULT_BYTES
