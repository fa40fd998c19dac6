"""The real SDK against a server of our own: everything that can go wrong is a failure."""

import base64
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final

import pytest
import trio
import trio.testing

from synaptic_crdt.errors import UsageError
from synaptic_crdt.exec.executors.anthropic import (
    STALL_SECONDS,
    AnthropicExecutor,
    parse_retry_after,
)
from synaptic_crdt.exec.executors.asking import MEDIA_TYPES, SYSTEM
from synaptic_crdt.exec.executors.base import Failure, Limits, Result, Usage
from tests.exec.executors.conftest import LIMITS, Heard, make_job
from tests.exec.executors.vendor import (
    END,
    HEAD,
    Script,
    Vendor,
    add,
    begin,
    compose_answer,
    count,
    encode_event,
    flood,
    open_block,
    refuse,
    send,
    serve_vendor,
    stall,
    stop,
    stream_events,
)

pytestmark = pytest.mark.anyio

CANARY: Final = "canary-4f1d9e-never-to-be-seen"
PNG: Final = b"\x89PNG\r\n\x1a\n" + bytes(32)

Serve = Callable[..., Any]


@pytest.fixture
def serve(set_environment: Callable[..., None]) -> Serve:
    """Serve scripts to an executor that believes this is the vendor."""

    @asynccontextmanager
    async def serving(*scripts: Script) -> AsyncGenerator[tuple[Vendor, AnthropicExecutor]]:
        async with serve_vendor(*scripts) as vendor:
            set_environment(ANTHROPIC_BASE_URL=vendor.url, ANTHROPIC_API_KEY=CANARY)
            yield vendor, AnthropicExecutor()

    return serving


async def ask(
    serve: Serve, script: Script, payload: bytes = b"What?", **changes: object
) -> Result | Failure:
    async with serve(script) as (_, executor):
        return await executor.run(make_job(payload, **changes), Heard())


# -- what is asked, and what is answered -----------------------------------------------------


async def test_an_answer_is_the_result(serve: Serve, heard: Heard) -> None:
    async with serve(stream_events(compose_answer("A CRDT ", "merges."))) as (vendor, executor):
        outcome = await executor.run(make_job(), heard)
    assert outcome == Result("text/plain", b"A CRDT merges.")
    assert heard.last.usage == Usage("claude-test-1", 12, 7, is_exact=True)
    assert heard.last.size == len(b"A CRDT merges.")
    (asked,) = vendor.asked
    assert asked.path == "/v1/messages"
    assert asked.headers["accept-encoding"] == "identity"
    assert asked.body["stream"] is True
    assert asked.body["model"] == "claude-test-1"
    assert asked.body["max_tokens"] == LIMITS.output_tokens
    assert asked.body["system"] == SYSTEM
    assert "tools" not in asked.body
    introduction, content = asked.body["messages"][0]["content"]
    assert "A question" in introduction["text"]
    assert content == {"type": "text", "text": "What is a CRDT?"}


async def test_progress_is_told_while_the_answer_comes(serve: Serve, heard: Heard) -> None:
    async with serve(stream_events(compose_answer(*["word "] * 200))) as (_, executor):
        await executor.run(make_job(), heard)
    sizes = [progress.size for progress in heard.progress]
    assert sizes == sorted(sizes)
    assert sizes[0] == 0
    assert sizes[-1] == 1_000


@pytest.mark.parametrize(
    ("media_type", "payload", "kind"),
    [
        ("image/png", PNG, "image"),
        ("image/jpeg; quality=9", b"\xff\xd8\xff\xe0 and so on", "image"),
        ("application/pdf", b"%PDF-1.7 and so on", "document"),
    ],
)
async def test_pictures_and_documents_are_blocks_of_their_own(
    serve: Serve, heard: Heard, media_type: str, payload: bytes, kind: str
) -> None:
    answer = stream_events(compose_answer("seen"))
    scripts = [count(900), answer] if kind == "document" else [answer]
    async with serve(*scripts) as (vendor, executor):
        outcome = await executor.run(make_job(payload, media_type=media_type), heard)
    assert isinstance(outcome, Result)
    block = vendor.asked[-1].body["messages"][0]["content"][1]
    assert block["type"] == kind
    assert block["source"]["media_type"] == media_type.partition(";")[0]
    assert base64.b64decode(block["source"]["data"]) == payload


@pytest.mark.parametrize(
    ("media_type", "payload", "reason"),
    [
        ("audio/wav", b"RIFF", "payload-unsupported"),
        ("image/png", b"GIF89a", "payload-unsupported"),
        ("application/pdf", b"PK\x03\x04", "payload-unsupported"),
        ("text/plain", b"\xff\xfe", "payload-unsupported"),
        ("text/plain", b" \n ", "payload-unsupported"),
        ("application/json", b"{", "payload-unsupported"),
        ("text/plain", b"a" * (20 * 2**20 + 1), "payload-too-large"),
    ],
)
async def test_what_no_model_reads_costs_no_call(
    serve: Serve, media_type: str, payload: bytes, reason: str
) -> None:
    async with serve(stream_events(compose_answer("never"))) as (vendor, executor):
        outcome = await executor.run(make_job(payload, media_type=media_type), Heard())
    assert isinstance(outcome, Failure)
    assert outcome.reason == reason
    assert vendor.asked == []


async def test_it_says_what_it_reads(serve: Serve) -> None:
    async with serve(stream_events([])) as (_, executor):
        assert executor.name == "anthropic"
        assert executor.skills.is_metered
        assert all(executor.skills.covers("any.kind", media_type) for media_type in MEDIA_TYPES)
        assert not executor.skills.covers("any.kind", "audio/wav")


# -- limits ----------------------------------------------------------------------------------


async def test_the_cap_leaves_room_for_what_is_read(serve: Serve) -> None:
    limits = Limits(result_bytes=10_000, output_tokens=1_000, tokens=1_300)
    async with serve(count(500), stream_events(compose_answer("yes"))) as (vendor, executor):
        outcome = await executor.run(make_job(limits=limits), Heard())
    assert isinstance(outcome, Result)
    counted, asked = vendor.asked
    assert counted.path == "/v1/messages/count_tokens"
    assert asked.body["max_tokens"] == 800


async def test_what_is_over_the_budget_is_not_asked_for(serve: Serve) -> None:
    async with serve(count(60_000), stream_events(compose_answer("yes"))) as (vendor, executor):
        job = make_job(b"%PDF-1.7", media_type="application/pdf")
        outcome = await executor.run(job, Heard())
    assert isinstance(outcome, Failure)
    assert outcome.reason == "over-budget"
    assert "60000" in outcome.detail
    assert len(vendor.asked) == 1


@pytest.mark.parametrize("body", [b"", b"{}", b"[" * 70_000, b'{"input_tokens": -1}'])
async def test_a_count_that_is_none_is_a_failure(serve: Serve, body: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
    outcome = await ask(serve, send(head + body), b"%PDF-1.7", media_type="application/pdf")
    assert outcome == Failure("executor-error", "the service does not count tokens")


async def test_a_result_over_its_limit_is_cut_off_early(serve: Serve) -> None:
    endless = flood(
        encode_event(add("too much ")), HEAD + encode_event(begin()) + encode_event(open_block())
    )
    outcome = await ask(serve, endless)
    assert outcome == Failure("result-too-large", "over 10000 bytes")


@pytest.mark.parametrize(
    "data",
    [
        b": ping\n\n",
        encode_event({"type": "ping"}),
        b"data: x\n",
        b"x" * 4096,
        b"\0" * 4096,
    ],
)
async def test_a_stream_without_end_or_sense_is_stopped(serve: Serve, data: bytes) -> None:
    outcome = await ask(serve, flood(data))
    assert isinstance(outcome, Failure)
    assert outcome.reason == "executor-error"


async def test_an_error_without_end_is_not_read_to_its_end(serve: Serve) -> None:
    outcome = await ask(serve, flood(b"x" * 4096, b"HTTP/1.1 400 Bad\r\n\r\n"))
    assert isinstance(outcome, Failure)
    assert outcome.detail == "the service answered with status 400"


# -- errors ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind", "reason", "is_lasting", "may_retry"),
    [
        (400, "invalid_request_error", "executor-error", False, False),
        (401, "authentication_error", "executor-error", True, False),
        (402, "billing_error", "executor-error", True, False),
        (403, "permission_error", "executor-error", True, False),
        (404, "not_found_error", "executor-error", True, False),
        (408, "timeout_error", "executor-error", False, False),
        (413, "request_too_large", "payload-too-large", False, False),
        (429, "rate_limit_error", "rate-limited", False, True),
        (500, "api_error", "executor-error", False, False),
        (502, "api_error", "executor-error", False, False),
        (503, "api_error", "overloaded", False, True),
        (504, "timeout_error", "executor-error", False, False),
        (529, "overloaded_error", "overloaded", False, True),
        (302, "moved", "executor-error", False, False),
    ],
)
async def test_each_status_has_its_reason_and_is_asked_once(
    serve: Serve, status: int, kind: str, reason: str, *, is_lasting: bool, may_retry: bool
) -> None:
    async with serve(refuse(status, kind, f"no {CANARY}", location="/v1/other")) as (
        vendor,
        executor,
    ):
        outcome = await executor.run(make_job(), Heard())
    assert isinstance(outcome, Failure)
    assert outcome.reason == reason
    assert outcome.is_lasting is is_lasting
    assert (outcome.retry_seconds is not None) is may_retry
    assert str(status) in outcome.detail
    assert kind.replace("_", "") in outcome.detail.replace("_", "")
    assert CANARY not in repr(outcome)
    # What was billed, perhaps, is not asked for again, and no redirect is followed.
    assert len(vendor.asked) == 1


async def test_a_long_wait_is_told_and_not_waited(serve: Serve) -> None:
    outcome = await ask(serve, refuse(429, "rate_limit_error", retry_after="86400"))
    assert isinstance(outcome, Failure)
    assert outcome.retry_seconds == 86_400


NOW: Final = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7),
        ("0.5", 0.5),
        ("-3", 0),
        ("", 5),
        ("nan", 5),
        ("inf", 5),
        ("soon", 5),
        ("Mon, 30 Nov 2026 12:01:00 GMT", 60),
        ("Mon, 30 Nov 2026 12:01:00", 60),
        ("Mon, 30 Nov 2026 11:00:00 GMT", 0),
        ("9" * 400, 5),
    ],
)
def test_how_long_to_wait_is_read_from_anything(text: str, seconds: float) -> None:
    assert parse_retry_after(text, NOW) == seconds


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("max_tokens", "result-truncated"),
        ("model_context_window_exceeded", "result-truncated"),
        ("refusal", "model-refused"),
        ("tool_use", "executor-error"),
        ("pause_turn", "executor-error"),
        ("invented", "executor-error"),
        (None, "executor-error"),
    ],
)
async def test_an_answer_that_did_not_end_by_itself_is_no_result(
    serve: Serve, reason: str | None, expected: str
) -> None:
    outcome = await ask(serve, stream_events(compose_answer("half of", reason=reason)))
    assert isinstance(outcome, Failure)
    assert outcome.reason == expected


@pytest.mark.parametrize("texts", [(), ("",), (" \n\t ",)])
async def test_an_empty_answer_is_no_result(serve: Serve, texts: tuple[str, ...]) -> None:
    outcome = await ask(serve, stream_events(compose_answer(*texts)))
    assert isinstance(outcome, Failure)
    assert outcome.reason == "result-empty"


def make_error(kind: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": f"sorry, {CANARY}"}}


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("overloaded_error", "overloaded"),
        ("rate_limit_error", "rate-limited"),
        ("api_error", "executor-error"),
        (CANARY.upper(), "executor-error"),
    ],
)
async def test_an_error_in_mid_stream_is_no_result_and_not_asked_again(
    serve: Serve, kind: str, reason: str
) -> None:
    events = [begin(), open_block(), add("the answer is"), make_error(kind), stop(), END]
    outcome = await ask(serve, stream_events(events))
    assert isinstance(outcome, Failure)
    assert outcome.reason == reason
    assert outcome.retry_seconds is None
    assert CANARY not in repr(outcome).lower()


async def test_an_overload_before_the_answer_began_may_be_tried_again(serve: Serve) -> None:
    outcome = await ask(serve, stream_events([make_error("overloaded_error")]))
    assert isinstance(outcome, Failure)
    assert outcome.reason == "overloaded"
    assert outcome.retry_seconds is not None


@pytest.mark.parametrize("events", [0, 1, 3, 8, 9])
async def test_a_stream_that_ends_early_is_no_result(serve: Serve, events: int) -> None:
    outcome = await ask(serve, stream_events(compose_answer("one", "two")[:events]))
    assert isinstance(outcome, Failure)
    assert outcome.reason == "link-failed"
    assert outcome.retry_seconds is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"\x00\x01garbage",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\ndata: ",
    ],
)
async def test_a_connection_that_breaks_is_a_failure(serve: Serve, data: bytes) -> None:
    outcome = await ask(serve, send(data))
    assert isinstance(outcome, Failure)
    assert outcome.reason == "link-failed"
    assert outcome.retry_seconds is None


@pytest.mark.parametrize(
    "body",
    [
        b"<html>please log in</html>",
        b"data: not json\n\n",
        b"data: []\n\n",
        b"data: {}\n\n",
        b'data: {"type": 7}\n\n',
        b'data: {"type": "message_start"}\n\n',
        b"data: " + b"[" * 100_000 + b"\n\n",
        b"data: \xff\xfe\n\n",
        encode_event(END),
        encode_event(begin()) * 2,
        encode_event(begin()) + encode_event(add("no block", 3)),
        encode_event(open_block()),
        encode_event(begin()) + encode_event(open_block()) * 2,
        encode_event(begin()) + encode_event(open_block()) + encode_event(add("\ud800")),
        encode_event(begin(tokens=-1)),
        encode_event(begin(tokens=10**12)),
        b"".join(encode_event(open_block(index)) for index in range(2_000)),
    ],
)
async def test_garbage_is_a_failure(serve: Serve, body: bytes) -> None:
    outcome = await ask(serve, send(HEAD + body))
    assert isinstance(outcome, Failure)
    assert outcome.reason in {"executor-error", "link-failed"}


async def test_unknown_events_and_blocks_are_passed_over(serve: Serve) -> None:
    events = compose_answer("still here")
    events.insert(3, {"type": "news_of_the_day", "value": 1})
    events.insert(7, open_block(7, type="hologram"))
    assert await ask(serve, stream_events(events)) == Result("text/plain", b"still here")


async def test_compressed_bytes_are_not_unpacked(serve: Serve) -> None:
    head = HEAD.replace(b"Connection", b"Content-Encoding: gzip\r\nConnection")
    events = b"".join(encode_event(event) for event in compose_answer("plain"))
    assert await ask(serve, send(head + events)) == Result("text/plain", b"plain")


async def test_nobody_there_may_be_tried_again(set_environment: Callable[..., None]) -> None:
    async with serve_vendor(stream_events([])) as vendor:
        pass
    set_environment(ANTHROPIC_BASE_URL=vendor.url, ANTHROPIC_API_KEY=CANARY)
    outcome = await AnthropicExecutor().run(make_job(), Heard())
    assert isinstance(outcome, Failure)
    assert outcome.reason == "link-failed"
    assert outcome.retry_seconds is not None


@pytest.mark.parametrize("data", [b"", HEAD, HEAD + encode_event(begin())])
async def test_a_stall_ends_by_itself(
    serve: Serve, clock: trio.testing.MockClock, data: bytes
) -> None:
    holder: list[Vendor] = []
    outcomes: list[Result | Failure] = []
    async with serve(stall(lambda: holder[0], data)) as (vendor, executor):
        holder.append(vendor)

        async def run() -> None:
            outcomes.append(await executor.run(make_job(), Heard()))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            await vendor.is_waited_for.wait()
            await trio.testing.wait_all_tasks_blocked(0.05)
            clock.jump(STALL_SECONDS + 1)
    assert outcomes == [Failure("link-failed", "nothing came for too long")]


async def test_it_stops_when_it_is_cancelled(serve: Serve, heard: Heard) -> None:
    holder: list[Vendor] = []
    half = HEAD + encode_event(begin()) + encode_event(open_block()) + encode_event(add("half"))
    async with serve(stall(lambda: holder[0], half)) as (vendor, executor):
        holder.append(vendor)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(executor.run, make_job(), heard)
            await vendor.is_waited_for.wait()
            await trio.testing.wait_all_tasks_blocked(0.05)
            nursery.cancel_scope.cancel()
    # What it has cost is known all the same.
    assert heard.last.usage == Usage("claude-test-1", 12, 1)


@pytest.mark.parametrize(
    ("script", "is_exact"),
    [
        (refuse(429, "rate_limit_error"), True),
        (refuse(529, "overloaded_error"), True),
        (refuse(400, "invalid_request_error"), True),
        (refuse(500, "api_error"), False),
        (send(b""), False),
        (stream_events(compose_answer("half", reason="max_tokens")), True),
        (stream_events([begin(), make_error("overloaded_error")]), False),
        (stream_events([make_error("overloaded_error")]), True),
    ],
)
async def test_whether_a_failure_was_billed_is_told_where_it_is_known(
    serve: Serve, heard: Heard, script: Script, *, is_exact: bool
) -> None:
    async with serve(script) as (_, executor):
        assert isinstance(await executor.run(make_job(), heard), Failure)
    assert heard.last.usage.model == "claude-test-1"
    assert heard.last.usage.is_exact is is_exact


# -- credentials -----------------------------------------------------------------------------


def test_without_credentials_nothing_begins(set_environment: Callable[..., None]) -> None:
    set_environment()
    with pytest.raises(UsageError, match="ANTHROPIC_API_KEY"):
        AnthropicExecutor()


@pytest.mark.parametrize(
    "values",
    [
        {"ANTHROPIC_BASE_URL": "http://[::1"},
        {"ANTHROPIC_PROFILE": "of-nobody", "ANTHROPIC_API_KEY": ""},
    ],
)
def test_what_the_sdk_cannot_use_is_told_in_our_words(
    set_environment: Callable[..., None], values: dict[str, str]
) -> None:
    set_environment(**{"ANTHROPIC_API_KEY": CANARY, **values})
    with pytest.raises(UsageError, match="credentials") as caught:
        AnthropicExecutor()
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize("key", [f"{CANARY}\nX-Other: yes", f"{CANARY}\r"])
async def test_a_key_that_fits_no_header_is_a_failure_that_does_not_show_it(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, key: str, capfd: pytest.CaptureFixture[str]
) -> None:
    async with serve(stream_events(compose_answer("never"))) as (vendor, executor):
        monkeypatch.setenv("ANTHROPIC_API_KEY", key)
        outcome = await executor.run(make_job(), Heard())
    assert isinstance(outcome, Failure)
    assert CANARY not in repr(outcome)
    assert vendor.asked == []
    out, err = capfd.readouterr()
    assert CANARY not in out + err


async def test_the_sdk_logs_nothing_whatever_its_environment_says(
    serve: Serve, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with serve(stream_events(compose_answer("quiet"))) as (vendor, executor):
        await executor.run(make_job(b"the payload of somebody"), Heard())
    assert CANARY in vendor.asked[0].headers["authorization"]
    assert [record.name for record in caplog.records if "anthropic" in record.name] == []
    assert "somebody" not in caplog.text
    assert CANARY not in caplog.text + "".join(capfd.readouterr())


async def test_nothing_of_an_executor_shows_its_key(serve: Serve) -> None:
    async with serve(stream_events([])) as (_, executor):
        assert CANARY not in repr(executor)
