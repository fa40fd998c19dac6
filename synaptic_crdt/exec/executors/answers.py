"""What a model answers: server-sent events in, a result or a failure out, without any I/O.

Guarantees: an answer is a result only when it came whole, ended by itself, is text, and fits. An
error, a refusal, a cut, an empty or a truncated answer is a failure with its reason, whatever text
came before. Every byte counts against a limit before it is kept, and every event is checked by its
type before it is used; events of kinds that are not known are passed over. No text of an
error is taken on: who sends one may put anything into it, what it was sent included.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Final, TypeVar

import msgspec

from synaptic_crdt.exec.display import clean_text
from synaptic_crdt.exec.executors.base import Failure, FailureReason, Limits, Result, Usage
from synaptic_crdt.rules.fields import is_slug
from synaptic_crdt.state.limits import KIB, MIB

MEDIA_TYPE: Final = "text/plain"

# One event: far more than any has, thoughts and their signatures included.
_EVENT_BYTES: Final = MIB
# A stream: a token is a few bytes of text, wrapped in at most one event.
_STREAM_BYTES: Final = MIB
_TOKEN_BYTES: Final = KIB
_MODEL_CHARACTERS: Final = 64
_TEXT_BLOCKS: Final = 1_024
_PAUSE_SECONDS: Final = 1.0

_OTHER: Final[FailureReason] = "executor-error"

# How an answer ends by itself, and how else.
_ENDS: Final = frozenset({"end_turn", "stop_sequence"})
_STOPS: Final[Mapping[str, FailureReason]] = {
    "max_tokens": "result-truncated",
    "model_context_window_exceeded": "result-truncated",
    "refusal": "model-refused",
}
_ERRORS: Final[Mapping[str, FailureReason]] = {
    "overloaded_error": "overloaded",
    "rate_limit_error": "rate-limited",
}

_T = TypeVar("_T")


class Unreadable(Exception):
    """What came is not the answer of a model; says what is wrong with it."""


class EventReader:
    """Takes bytes apart into the data of server-sent events, however they were cut.

    Lines end in LF or CRLF. Raises ``Unreadable`` beyond ``stream_bytes``, for an event over its
    limit, and for bytes that are not UTF-8.
    """

    def __init__(self, stream_bytes: int) -> None:
        self._left = stream_bytes
        self._line = bytearray()
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> Iterator[str]:
        """Yield the data of each event that is whole now."""
        self._left -= len(data)
        if self._left < 0:
            raise Unreadable("the answer goes on and on")
        *ends, rest = data.split(b"\n")
        for end in ends:
            self._line += end
            line = bytes(self._line).removesuffix(b"\r")
            self._line.clear()
            yield from self._take(line)
        self._line += rest
        self._check_size(len(self._line))

    def _take(self, line: bytes) -> Iterator[str]:
        if line:
            name, _, value = line.partition(b":")
            if name == b"data":
                self._check_size(len(value) + 1)
                self._size += len(value) + 1
                self._data.append(value.removeprefix(b" "))
        elif self._data:
            text = b"\n".join(self._data)
            self._data, self._size = [], 0
            try:
                yield text.decode()
            except UnicodeDecodeError as error:
                raise Unreadable("an event is not UTF-8") from error

    def _check_size(self, more: int) -> None:
        if self._size + more > _EVENT_BYTES:
            raise Unreadable(f"an event has over {_EVENT_BYTES} bytes")


class Answer:
    """The answer of a model, as far as it has come."""

    def __init__(self, model: str, limits: Limits) -> None:
        self._limits: Final = limits
        self._reader: Final = EventReader(_STREAM_BYTES + _TOKEN_BYTES * limits.output_tokens)
        self._texts: Final[dict[int, list[str]]] = {}
        self._stop_reason: str | None = None
        self._failure: Failure | None = None
        self.size = 0
        self.has_begun = False
        self.is_over = False
        self.usage = Usage(model)

    def feed(self, data: bytes) -> None:
        """Take what came over the link; look at ``is_over`` whether more is wanted."""
        try:
            for text in self._reader.feed(data):
                if not self.is_over:
                    self._take_event(text)
        except Unreadable as error:
            self._fail("executor-error", str(error))

    def conclude(self) -> Result | Failure:
        """Return what is handed in; a stream that ended before its answer did is a failure."""
        if self._failure is not None:
            return self._failure
        if not self.is_over:
            return Failure("link-failed", "the answer ended before its end")
        if self._stop_reason not in _ENDS:
            reason: FailureReason = _STOPS.get(self._stop_reason or "", _OTHER)
            return Failure(reason, f"the model stopped: {_name(self._stop_reason)}")
        text = "".join(part for index in sorted(self._texts) for part in self._texts[index])
        if not text.strip():
            return Failure("result-empty", "the model answered without text")
        return Result(MEDIA_TYPE, text.encode())

    def _take_event(self, text: str) -> None:
        match _decode(text, _Event).type:
            case "message_start":
                self._begin(_decode(text, _MessageStart).message)
            case "content_block_start":
                self._open_block(_decode(text, _BlockStart))
            case "content_block_delta":
                delta = _decode(text, _BlockDelta)
                if delta.delta.type == "text_delta":
                    self._add(delta.index, delta.delta.text)
            case "message_delta":
                end = _decode(text, _MessageDelta)
                self._stop_reason = end.delta.stop_reason
                self._count(end.usage, is_exact=True)
            case "message_stop":
                if not self.has_begun:
                    raise Unreadable("an answer ended before it began")
                self.is_over = True
            case "error":
                error = _decode(text, _ErrorEvent).error.type
                kind: FailureReason = _ERRORS.get(error, _OTHER)
                self._fail(kind, f"an error in the answer: {_name(error)}")
            case _:
                pass

    def _begin(self, message: "_Message") -> None:
        if self.has_begun:
            raise Unreadable("an answer began twice")
        self.has_begun = True
        self._count(message.usage, is_exact=False)
        model = clean_text(message.model, _MODEL_CHARACTERS)
        self.usage = msgspec.structs.replace(self.usage, model=model)

    def _open_block(self, start: "_BlockStart") -> None:
        if start.content_block.type != "text":
            return
        if not self.has_begun or start.index in self._texts or len(self._texts) >= _TEXT_BLOCKS:
            raise Unreadable("a block of text is out of order")
        self._texts[start.index] = []
        self._add(start.index, start.content_block.text)

    def _add(self, index: int, text: str) -> None:
        if index not in self._texts:
            raise Unreadable("text came for a block that is none of text")
        try:
            self.size += len(text.encode())
        except UnicodeEncodeError as error:
            # JSON can write half of a character.
            raise Unreadable("an answer is no text") from error
        if self.size > self._limits.result_bytes:
            self._fail("result-too-large", f"over {self._limits.result_bytes} bytes")
        else:
            self._texts[index].append(text)

    def _count(self, usage: "_Usage", *, is_exact: bool) -> None:
        """Counts are totals so far; what one leaves out stays as it was told before."""
        read = [
            usage.input_tokens,
            usage.cache_creation_input_tokens,
            usage.cache_read_input_tokens,
        ]
        total = sum(count or 0 for count in read)
        self.usage = msgspec.structs.replace(
            self.usage,
            tokens_in=max(self.usage.tokens_in, total),
            tokens_out=max(self.usage.tokens_out, usage.output_tokens or 0),
            is_exact=is_exact,
        )

    def _fail(self, reason: FailureReason, detail: str) -> None:
        # What has not begun has cost nothing, so it may be asked for again.
        may_retry = reason in _ERRORS.values() and not self.has_begun
        self._failure = Failure(
            reason, detail, _PAUSE_SECONDS if may_retry else None, is_free=may_retry
        )
        self.is_over = True


def read_error_type(body: bytes) -> str:
    """Return the type of error that a response's body names, a slug; empty when it names none."""
    try:
        return _name(msgspec.json.decode(body, type=_ErrorEvent).error.type)
    except (msgspec.DecodeError, RecursionError):
        return ""


def read_count(body: bytes) -> int | None:
    """Return the number of tokens that a response's body tells, or None when it tells none."""
    try:
        return msgspec.json.decode(body, type=_Counted).input_tokens
    except (msgspec.DecodeError, RecursionError):
        return None


def _name(word: str | None) -> str:
    """Return a word of the vendor's that is one, and nothing else that stands in its place."""
    return word if word is not None and is_slug(word.replace("_", "-")) else "something unknown"


def _decode(text: str, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Unreadable("an event is not what it should be") from error


_Count = Annotated[int, msgspec.Meta(ge=0, le=10**9)]


class _Usage(msgspec.Struct, frozen=True):
    input_tokens: _Count | None = None
    cache_creation_input_tokens: _Count | None = None
    cache_read_input_tokens: _Count | None = None
    output_tokens: _Count | None = None


class _Event(msgspec.Struct, frozen=True):
    type: str


class _Message(msgspec.Struct, frozen=True):
    model: str
    usage: _Usage


class _MessageStart(msgspec.Struct, frozen=True):
    message: _Message


class _Block(msgspec.Struct, frozen=True):
    type: str
    text: str = ""


class _BlockStart(msgspec.Struct, frozen=True):
    index: _Count
    content_block: _Block


class _BlockDelta(msgspec.Struct, frozen=True):
    index: _Count
    delta: _Block


class _End(msgspec.Struct, frozen=True):
    stop_reason: str | None


class _MessageDelta(msgspec.Struct, frozen=True):
    delta: _End
    usage: _Usage


class _Error(msgspec.Struct, frozen=True):
    type: str


class _ErrorEvent(msgspec.Struct, frozen=True):
    error: _Error


class _Counted(msgspec.Struct, frozen=True):
    input_tokens: _Count
