"""The executor that asks a Claude model, by the vendor's SDK; the only module that knows the SDK.

Credentials come from the SDK's own environment and profiles on this machine. Nothing here reads,
keeps, logs or shows them: no exception of the SDK leaves this module, no text of an error is taken
on, its loggers are silent, and so is its tracing. The work goes to the place that the SDK was
told, and nowhere else: redirects are not followed.

A call is made once. What was refused before it began, because of too many calls or an overload,
says so and how long to wait; whatever may have been billed is never asked for again here, since
there is no key by which the vendor would know a repetition. The SDK would obey any ``retry-after``
and repeat what was billed, so it retries nothing.

Importing this module takes a second and 66 MB, so that only who asks a model does it.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Final, Literal, cast

import anthropic
import httpx2  # the SDK's own HTTP client, whose responses and errors it hands out
from anthropic.types import ContentBlockParam, MessageParam

from synaptic_crdt.errors import UsageError
from synaptic_crdt.exec.executors.answers import Answer, read_count, read_error_type
from synaptic_crdt.exec.executors.asking import (
    MEDIA_TYPES,
    SYSTEM,
    Block,
    bound_tokens,
    compose_blocks,
)
from synaptic_crdt.exec.executors.base import (
    ANY,
    Failure,
    Job,
    Progress,
    Result,
    Skills,
    Tell,
    Usage,
)
from synaptic_crdt.state.limits import KIB

STALL_SECONDS: Final = 180.0  # without a byte; while a model thinks, its service says so

_CONNECT_SECONDS: Final = 20.0
_BODY_BYTES: Final = 64 * KIB  # of an error or a count; more is not read
_RETRY_SECONDS: Final = 5.0  # where nothing was said
_OFF: Final = logging.CRITICAL + 1
_LOGGERS: Final = ("anthropic", "httpcore2", "httpx2")
# What is compressed could be any size.
_HEADERS: Final = {"Accept-Encoding": "identity"}
# Of this machine's account: key, payment, permission, name of the model or of the service.
_LASTING: Final = frozenset({401, 402, 403, 404})
_TOO_LARGE: Final = 413
_RATE_LIMITED: Final = 429
_SERVER_ERROR: Final = 500
_OVERLOADED: Final = frozenset({503, 529})
_NO_CREDENTIALS: Final = (
    "the SDK finds no credentials it can use; set ANTHROPIC_API_KEY, or a profile of the SDK, in the"
    " environment of the process that owns this home"
)

ImageType = Literal["image/gif", "image/jpeg", "image/png", "image/webp"]


class AnthropicExecutor:
    """Asks a Claude model, with the credentials of this machine.

    Raises ``UsageError`` when the SDK finds none.
    """

    def __init__(self) -> None:
        self.name: Final = "anthropic"
        self.skills: Final = Skills((ANY,), MEDIA_TYPES, is_metered=True)
        for name in _LOGGERS:
            logging.getLogger(name).setLevel(_OFF)
        _check_credentials()

    async def run(self, job: Job, tell: Tell) -> Result | Failure:
        """Ask for a job's work, once."""
        blocks = compose_blocks(job)
        if isinstance(blocks, Failure):
            return blocks
        try:
            async with _make_client() as client:
                outcome = await _ask(client, job, [_make_message(blocks)], tell)
        except Exception as error:  # noqa: BLE001 - of what it knows an exception may tell anything
            outcome = _judge_error(error)
        if isinstance(outcome, Failure) and outcome.is_free:
            tell(Progress(Usage(job.model, is_exact=True), 0))
        return outcome


class _Declined(Exception):
    """A response that is no answer: its status, the type of its error, and how long to wait."""

    def __init__(self, status: int, error_type: str, retry_seconds: float) -> None:
        super().__init__(status)
        self.status: Final = status
        self.error_type: Final = error_type
        self.retry_seconds: Final = retry_seconds


def _check_credentials() -> None:
    """Raise ``UsageError`` unless the SDK finds something to authenticate with."""
    try:
        client = _make_client()
        has_any = bool(client.api_key or client.auth_token or client.credentials)
    except Exception:  # noqa: BLE001 - of what it knows an exception may tell anything
        has_any = False
    if not has_any:
        raise UsageError(_NO_CREDENTIALS)


def _make_client() -> anthropic.AsyncAnthropic:
    timeout = anthropic.Timeout(STALL_SECONDS, connect=_CONNECT_SECONDS)
    return anthropic.AsyncAnthropic(
        max_retries=0,
        timeout=timeout,
        open_telemetry=False,
        http_client=anthropic.DefaultAsyncHttpxClient(
            timeout=timeout, follow_redirects=False, event_hooks={"response": [_stop_unless_answer]}
        ),
    )


async def _stop_unless_answer(response: httpx2.Response) -> None:
    """Read no more of an error than is looked at; the SDK would read all of it."""
    if not response.is_success:
        body = await _read_body(response)
        retry_after = response.headers.get("retry-after", "")
        raise _Declined(
            response.status_code,
            read_error_type(body),
            parse_retry_after(retry_after, datetime.now(UTC)),
        )


async def _ask(
    client: anthropic.AsyncAnthropic, job: Job, messages: Sequence[MessageParam], tell: Tell
) -> Result | Failure:
    cap = await _find_cap(client, job, messages)
    if isinstance(cap, Failure):
        return cap
    answer = Answer(job.model, job.limits)
    tell(Progress(answer.usage, 0))

    def take(piece: bytes) -> bool:
        answer.feed(piece)
        tell(Progress(answer.usage, answer.size))
        return not answer.is_over

    async with client.messages.with_streaming_response.create(
        model=job.model,
        max_tokens=cap,
        system=SYSTEM,
        messages=messages,
        stream=True,
        extra_headers=_HEADERS,
    ) as response:
        await _read(response.http_response, take)
    return answer.conclude()


async def _find_cap(
    client: anthropic.AsyncAnthropic, job: Job, messages: Sequence[MessageParam]
) -> int | Failure:
    """Return how many tokens the model may write, after those it has to read."""
    limits = job.limits
    count = bound_tokens(job)
    if count is None or count + limits.output_tokens > limits.tokens:
        count = await _count(client, job, messages)
        if count is None:
            return Failure("executor-error", "the service does not count tokens")
    if count >= limits.tokens:
        return Failure(
            "over-budget", f"{count} tokens to read, and {limits.tokens} are left for this task"
        )
    return min(limits.output_tokens, limits.tokens - count)


async def _count(
    client: anthropic.AsyncAnthropic, job: Job, messages: Sequence[MessageParam]
) -> int | None:
    async with client.messages.with_streaming_response.count_tokens(
        model=job.model, system=SYSTEM, messages=messages, extra_headers=_HEADERS
    ) as response:
        return read_count(await _read_body(response.http_response))


async def _read_body(response: httpx2.Response) -> bytes:
    body = bytearray()

    def take(piece: bytes) -> bool:
        body.extend(piece)
        return len(body) <= _BODY_BYTES

    await _read(response, take)
    return bytes(body[:_BODY_BYTES])


async def _read(response: httpx2.Response, take: Callable[[bytes], bool]) -> None:
    """Hand over what comes, until there is no more or ``take`` wants no more."""
    has_enough = False
    try:
        async for piece in response.aiter_raw():
            if not has_enough and not take(piece):
                has_enough = True
                # The loop goes on until the client notices that it has hung up: what it reads with
                # would otherwise be left half done, for whoever collects the garbage.
                await response.aclose()
    except httpx2.TransportError:
        if not has_enough:
            raise


def _make_message(blocks: Sequence[Block]) -> MessageParam:
    return {"role": "user", "content": [_make_block(block) for block in blocks]}


def _make_block(block: Block) -> ContentBlockParam:
    if block.kind == "text":
        return {"type": "text", "text": block.data}
    if block.kind == "document":
        return {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": block.data},
        }
    media_type = cast("ImageType", block.media_type)  # of those that compose_blocks lets pass
    return {
        "type": "image",
        "source": {"type": "base64", "media_type": media_type, "data": block.data},
    }


def _judge_error(error: Exception) -> Failure:
    """Say what went wrong by the type of what was raised, and nothing that it says itself."""
    causes = [error, error.__cause__]
    for cause in causes:
        if isinstance(cause, _Declined):
            return _judge_status(cause)
    for cause in causes:
        if isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout):
            return Failure(
                "link-failed", "no connection could be made", _RETRY_SECONDS, is_free=True
            )
        if isinstance(cause, httpx2.TimeoutException):
            return Failure("link-failed", "nothing came for too long")
        if isinstance(cause, httpx2.TransportError):
            return Failure("link-failed", "the connection broke")
    if isinstance(error, anthropic.CredentialsError):
        return Failure("executor-error", _NO_CREDENTIALS, is_lasting=True)
    return Failure("executor-error", f"the SDK failed with {type(error).__name__}")


def _judge_status(declined: _Declined) -> Failure:
    status = declined.status
    detail = f"the service answered with status {status} {declined.error_type}".rstrip()
    if status == _RATE_LIMITED:
        return Failure("rate-limited", detail, declined.retry_seconds, is_free=True)
    if status in _OVERLOADED:
        return Failure("overloaded", detail, declined.retry_seconds, is_free=True)
    is_free = status < _SERVER_ERROR
    if status == _TOO_LARGE:
        return Failure("payload-too-large", detail, is_free=is_free)
    return Failure("executor-error", detail, is_lasting=status in _LASTING, is_free=is_free)


def parse_retry_after(text: str, now: datetime) -> float:
    """Return the seconds that a ``retry-after`` asks for, as a number or as a date, not negative.

    What says nothing sensible, or nothing at all, asks for five.
    """
    try:
        seconds = float(text)
    except ValueError:
        try:
            date = parsedate_to_datetime(text)
        except ValueError:
            return _RETRY_SECONDS
        seconds = (date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds()
    return max(seconds, 0.0) if isfinite(seconds) else _RETRY_SECONDS
