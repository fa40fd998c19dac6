"""Server-sent events in any pieces; the SDK's own reader is the oracle."""

from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Final

import pytest
import trio
from anthropic._streaming import SSEDecoder
from hypothesis import given
from hypothesis import strategies as st

from synaptic_crdt.exec.executors.answers import (
    Answer,
    EventReader,
    Unreadable,
    read_count,
    read_error_type,
)
from synaptic_crdt.exec.executors.base import Failure, Limits, Result
from synaptic_crdt.state.limits import MIB
from tests.exec.executors.vendor import compose_answer, encode_event

LIMITS: Final = Limits(result_bytes=1_000, output_tokens=100, tokens=1_000)

LINES = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "",
                "",
                "",
                "data: {}",
                "data:x",
                "data: two words",
                "data",
                "event: e",
                ": hi",
                "id: 1",
            ]
        ),
        st.text(
            st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=8
        ).map("data: {}".format),
    ),
    max_size=20,
)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(edges)]


def read_as_sdk(data: bytes) -> list[str]:
    async def read() -> list[str]:
        async def give() -> AsyncIterator[bytes]:
            yield data

        return [event.data async for event in SSEDecoder().aiter_bytes(give())]

    return [text for text in trio.run(read) if text]


@given(lines=LINES, end=st.sampled_from(["\n", "\r\n"]), places=st.lists(st.integers(0, 10**6)))
def test_events_are_those_that_the_sdk_reads_however_they_are_cut(
    lines: list[str], end: str, places: list[int]
) -> None:
    data = "".join(line + end for line in [*lines, ""]).encode()
    reader = EventReader(len(data))
    found = [text for piece in cut(data, places) for text in reader.feed(piece)]
    # One that says nothing is no event to anybody here.
    assert [text for text in found if text] == read_as_sdk(data)


@given(places=st.lists(st.integers(0, 10**6), max_size=30))
def test_an_answer_is_the_same_however_it_is_cut(places: list[int]) -> None:
    events = compose_answer("Grüße, ", "\N{SNOWMAN} und \N{PILE OF POO}")
    answer = Answer("claude-test-1", LIMITS)
    for piece in cut(b"".join(map(encode_event, events)), places):
        answer.feed(piece)
    assert answer.conclude() == Result(
        "text/plain", "Grüße, \N{SNOWMAN} und \N{PILE OF POO}".encode()
    )


@given(data=st.binary(max_size=300), place=st.integers(0, 10**6), length=st.integers(0, 50))
def test_a_damaged_answer_is_whole_or_a_failure(data: bytes, place: int, length: int) -> None:
    whole = b"".join(map(encode_event, compose_answer("fourteen")))
    start = place % len(whole)
    answer = Answer("claude-test-1", LIMITS)
    answer.feed(whole[:start] + data + whole[start + length :])
    outcome = answer.conclude()
    assert isinstance(outcome, Failure) or len(outcome.data) <= LIMITS.result_bytes


@given(data=st.binary(max_size=500))
def test_any_bytes_are_no_answer(data: bytes) -> None:
    answer = Answer("claude-test-1", LIMITS)
    answer.feed(data)
    assert isinstance(answer.conclude(), Failure)


def test_a_stream_has_as_many_bytes_as_it_may() -> None:
    reader = EventReader(10)
    assert list(reader.feed(b"data: x\n\n")) == ["x"]
    with pytest.raises(Unreadable, match="on and on"):
        list(reader.feed(b": y"))


@pytest.mark.parametrize(
    "data", [b"data: " + b"x" * MIB + b"\n", b"x" * (MIB + 1), b"data:\n" * (MIB + 1)]
)
def test_an_event_has_as_many_bytes_as_it_may(data: bytes) -> None:
    reader = EventReader(100 * MIB)
    with pytest.raises(Unreadable, match="an event has over"):
        list(reader.feed(data))


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"type": "error", "error": {"type": "api_error", "message": "no"}}', "api_error"),
        (b'{"error": {"type": "sk-ant-api03-SECRET"}}', "something unknown"),
        (b'{"error": {"type": ""}}', "something unknown"),
        (b'{"error": "no"}', ""),
        (b"<html>", ""),
        (b"\xff", ""),
        (b"[" * 100_000, ""),
    ],
)
def test_of_an_error_only_its_type_is_taken(body: bytes, kind: str) -> None:
    assert read_error_type(body) == kind


def test_a_count_is_a_number_or_none() -> None:
    assert read_count(b'{"input_tokens": 7}') == 7
    assert read_count(b'{"input_tokens": 7.5}') is None
    assert read_count(b"\xff") is None
