"""What work has cost this machine: every run of an executor, on record before it begins.

Guarantees: a run is on disk before the model is asked, and its end before its result is handed in,
so a crash hides no call; one without an end was interrupted, and counts with what it could have
cost. Fields are ids, numbers, and words of bounded length: no payload, no result, no text of an
error, and nothing that an executor knows and does not tell, credentials above all.

One file of lines a day (UTC) in a directory of the home, for this machine's owner alone; deleting
an old one forgets that day. A line that a crash cut short is passed over, and so is one that was
damaged since. It moves no money and is no proof for anybody else.
"""

import os
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from synaptic_crdt.errors import StoreFailed, UsageError
from synaptic_crdt.exec.display import clean_text
from synaptic_crdt.exec.executors.base import Job, Usage
from synaptic_crdt.folders import make_folders, sync_folder

INTERRUPTED: Final = "interrupted"
DONE: Final = "done"

_PRIVATE_DIRECTORY: Final = 0o700
_PRIVATE_FILE: Final = 0o600
_SUFFIX: Final = ".jsonl"
_WORD_CHARACTERS: Final = 64
_ID_BYTES: Final = 8
_MS: Final = 1_000
# Before a model has counted: what words around the payload, and a letter or two a token, make.
_GUESS_TOKENS: Final = 2_000
_GUESS_BYTES: Final = 2


# A damaged record must not take tokens off a day, nor be of a day that no calendar has.
Count = Annotated[int, Meta(ge=0)]
Time = Annotated[int, Meta(ge=0, lt=253_402_300_800_000)]  # before the year 10000


class Begun(msgspec.Struct, frozen=True, kw_only=True, tag="begun", omit_defaults=True):
    """A run that begins: when by this machine's clock, for whom, by what, and at most how dear."""

    call: str
    at_ms: Time
    task: str
    assignment: str
    requester: str
    executor: str
    model: str = ""
    reserved: Count = 0


class Ended(msgspec.Struct, frozen=True, kw_only=True, tag="ended", omit_defaults=True):
    """How it ended: ``done`` or the reason of its failure, its tokens, and how long it took."""

    call: str
    outcome: str
    model: str = ""
    tokens_in: Count = 0
    tokens_out: Count = 0
    is_exact: bool = False
    duration_ms: Count = 0


class Call(msgspec.Struct, frozen=True):
    """A run as it is known."""

    begun: Begun
    ended: Ended | None

    @property
    def outcome(self) -> str:
        """How it ended; a run without an end was interrupted, or still goes on."""
        return self.ended.outcome if self.ended is not None else INTERRUPTED

    @property
    def tokens(self) -> int:
        """The tokens that it counts with against caps: where nobody knows better, all it might."""
        if self.ended is None:
            return self.begun.reserved
        told = self.ended.tokens_in + self.ended.tokens_out
        # A model that was asked and did not come to an end may have cost more than it told.
        may_be_more = self.ended.model and not self.ended.is_exact
        return max(told, self.begun.reserved) if may_be_more else told


class UsageLog:
    """The record of one home. Nothing is read or made until asked for."""

    def __init__(self, path: Path) -> None:
        self._path: Final = path
        self._days: Final[dict[str, dict[str, Call]]] = {}

    def begin(self, job: Job, executor: str, at_ms: int) -> Begun:
        """Put on record that a run begins; durable on return. Raises ``StoreFailed``."""
        begun = Begun(
            call=secrets.token_hex(_ID_BYTES),
            at_ms=at_ms,
            task=job.task.hex(),
            assignment=job.assignment.hex(),
            requester=job.requester.hex(),
            executor=executor,
            model=clean_text(job.model, _WORD_CHARACTERS),
            reserved=reserve_tokens(job),
        )
        self._write(begun, begun.at_ms)
        self._load(get_day(at_ms))[begun.call] = Call(begun, None)
        return begun

    def end(self, begun: Begun, outcome: str, usage: Usage, duration_seconds: float) -> None:
        """Put on record how a run ended; durable on return. Raises ``StoreFailed``."""
        ended = Ended(
            call=begun.call,
            outcome=outcome,
            model=clean_text(usage.model, _WORD_CHARACTERS),
            tokens_in=usage.tokens_in,
            tokens_out=usage.tokens_out,
            is_exact=usage.is_exact,
            duration_ms=round(duration_seconds * _MS),
        )
        # In the file of its beginning, whatever the day is now.
        self._write(ended, begun.at_ms)
        self._load(get_day(begun.at_ms))[begun.call] = Call(begun, ended)

    def count_day(self, at_ms: int) -> int:
        """Return the tokens that count for a day."""
        return sum(call.tokens for call in self._load(get_day(at_ms)).values())

    def count_assignment(self, assignment: bytes, at_ms: int) -> int:
        """Return the tokens that count for an assignment, on this day and the day before."""
        name = assignment.hex()
        days = {get_day(at_ms), get_day(max(at_ms - _DAY_MS, 0))}
        calls = [call for day in days for call in self._load(day).values()]
        return sum(call.tokens for call in calls if call.begun.assignment == name)

    def read(self, since: str = "") -> Iterator[Call]:
        """Yield what is on record in order of days, from one day (as 2026-11-30) on."""
        for day in self._list_days():
            if day >= since:
                yield from _read_calls(self._path / f"{day}{_SUFFIX}").values()

    def _list_days(self) -> list[str]:
        if not self._path.is_dir():
            return []
        return sorted(path.stem for path in self._path.iterdir() if path.suffix == _SUFFIX)

    def _load(self, day: str) -> dict[str, Call]:
        """Return the runs of a day, from memory if they were asked for before."""
        calls = self._days.get(day)
        if calls is None:
            # The days before yesterday are not asked for again.
            for old in sorted(self._days)[:-1]:
                del self._days[old]
            calls = self._days[day] = _read_calls(self._path / f"{day}{_SUFFIX}")
        return calls

    def _write(self, record: Begun | Ended, at_ms: int) -> None:
        path = self._path / f"{get_day(at_ms)}{_SUFFIX}"
        try:
            make_folders(self._path, _PRIVATE_DIRECTORY)
            _append_line(path, msgspec.json.encode(record))
        except OSError as error:
            raise StoreFailed(
                f"{path}: {error.strerror}; nothing runs that cannot be put on record"
            ) from error


def reserve_tokens(job: Job) -> int:
    """Return how many tokens a run might cost, before anybody has counted."""
    limits = job.limits
    guess = _GUESS_TOKENS + len(job.payload) // _GUESS_BYTES + limits.output_tokens
    return min(guess, limits.tokens)


def get_day(at_ms: int) -> str:
    """Return the UTC day of a time in ms since 1970, as 2026-11-30."""
    return datetime.fromtimestamp(at_ms / _MS, UTC).date().isoformat()


def check_day(text: str) -> str:
    """Return a day as it is written here. Raises ``UsageError`` for what is none."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").date().isoformat()  # noqa: DTZ007 - no time in it
    except ValueError as error:
        raise UsageError(f"{text!r:.40} is no day, such as 2026-11-30") from error


def _append_line(path: Path, line: bytes) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, _PRIVATE_FILE)
    try:
        size = os.lseek(descriptor, 0, os.SEEK_END)
        # A line that a crash cut short must not swallow this one.
        is_whole = size == 0 or os.pread(descriptor, 1, size - 1) == b"\n"
        data = (b"" if is_whole else b"\n") + line + b"\n"
        while data:
            data = data[os.write(descriptor, data) :]
        os.fsync(descriptor)
        if size == 0:
            sync_folder(path.parent)
    finally:
        os.close(descriptor)


def _read_calls(path: Path) -> dict[str, Call]:
    calls: dict[str, Call] = {}
    try:
        with path.open("rb") as file:
            for line in file:
                _take_line(calls, line)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise StoreFailed(f"{path}: cannot be read: {error.strerror}") from error
    return calls


def _take_line(calls: dict[str, Call], line: bytes) -> None:
    try:
        record = msgspec.json.decode(line, type=Begun | Ended)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    if isinstance(record, Begun):
        calls.setdefault(record.call, Call(record, None))
    elif record.call in calls:
        calls[record.call] = Call(calls[record.call].begun, record)


_DAY_MS: Final = 24 * 60 * 60 * _MS
