"""What happened while nobody watched: the events of a lasting service, one JSON line each.

Guarantees: two files of bounded size, for this machine's owner alone; bounded lines, one event
each, fit to be shown; no payload and no result, since no event has any; and where a text in an
event holds what looks like a secret, the text is left out and its kind is named instead.

It is no record that anything relies on: a line that cannot be written is lost, and nothing stops
for it. What the market knows is in the document, what models were asked in the record of usage.
"""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from synaptic_crdt.exec.display import clean_text
from synaptic_crdt.exec.leaks import find_leak
from synaptic_crdt.node.wire import Json
from synaptic_crdt.state.limits import MIB

LOG_BYTES: Final = MIB  # of one file; the one before is kept
_TEXT_CHARACTERS: Final = 500
_FIELDS: Final = 32
_PRIVATE_FILE: Final = 0o600
# What comes many times a second, and says nothing once it is over.
_QUIET: Final = frozenset({"progress", "working", "exchanged"})


class EventLog:
    """The log of one home, at a path beside which the older file lies."""

    def __init__(self, path: Path) -> None:
        self._path: Final = path
        self._older: Final = path.with_name(path.name + ".1")

    def note(self, event: Json, at_ms: int) -> None:
        """Write an event down, if it is worth it and the disk takes it."""
        if event.get("event") in _QUIET:
            return
        try:
            self._write(encode_log_line(event, at_ms))
        except OSError:
            return

    def _write(self, line: bytes) -> None:
        if self._path.exists() and self._path.stat().st_size + len(line) > LOG_BYTES:
            self._path.replace(self._older)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        descriptor = os.open(self._path, flags, _PRIVATE_FILE)
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)


def encode_log_line(event: Json, at_ms: int) -> bytes:
    """Return an event as one line: its time in UTC first, then its fields, bounded and clean."""
    when = datetime.fromtimestamp(at_ms / 1_000, UTC).isoformat(timespec="milliseconds")
    fields = {key: _clean(value) for key, value in list(event.items())[:_FIELDS]}
    return msgspec.json.encode({"at": when, **fields}) + b"\n"


def _clean(value: object) -> Any:  # noqa: ANN401 - whatever JSON has
    match value:
        case bool() | int() | float() | None:
            return value
        case str():
            text = clean_text(value, _TEXT_CHARACTERS)
            leak = find_leak(value.encode(errors="replace"))
            return text if leak is None else f"(left out: it may hold a secret, {leak.kind})"
        case _:
            # Nested values are parts of a report; a line is no place for them.
            return "(left out: not one value)"
