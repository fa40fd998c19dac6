"""How answers are printed: one JSON document for programs, tables and lines for people.

Everything that is printed for people passes ``make_visible`` here, so no command can forget it.
Rich draws tables on a terminal and is imported only there; a pipe gets plain text. When the
reader of a pipe goes away, the program ends quietly.
"""

import json
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from synaptic_crdt.cli.command import get_settings
from synaptic_crdt.cli.visible import make_visible

Json = dict[str, Any]
Cell = str | int | None

_SHORT_ID_DIGITS: Final = 12
_EXIT_PIPE_CLOSED: Final = 141  # what a shell reports for a program ended by SIGPIPE
_MS_PER_SECOND: Final = 1_000
_MS_PER_MINUTE: Final = 60_000
_MS_PER_HOUR: Final = 3_600_000
_MS_PER_DAY: Final = 86_400_000


def show(answer: Json, render: Callable[[Json], None]) -> None:
    """Print an answer: as the one JSON document, or as ``render`` shows it to a person."""
    if get_settings().as_json:
        print_json(answer)
    else:
        render(answer)


def print_json(document: Json) -> None:
    """Print one JSON document to standard output, in ASCII."""
    _write(sys.stdout, json.dumps(document, indent=2) + "\n")


def print_line(text: str = "") -> None:
    """Print one line for a person."""
    _write(sys.stdout, make_visible(text) + "\n")


def print_block(text: str) -> None:
    """Print text of several lines for a person."""
    text = make_visible(text, is_multiline=True)
    _write(sys.stdout, text if text.endswith("\n") else text + "\n")


def print_fields(*fields: tuple[str, Cell]) -> None:
    """Print names and values, one pair a line; a value of None is left out."""
    shown = [(name, value) for name, value in fields if value is not None]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        print_line(f"{name:<{width}}  {format_cell(value)}")


def print_table(headings: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    """Print a table: drawn on a terminal, aligned columns in a pipe."""
    cells = [[make_visible(format_cell(cell)) for cell in row] for row in rows]
    is_number = [
        bool(rows) and all(isinstance(row[column], int) for row in rows)
        for column in range(len(headings))
    ]
    if sys.stdout.isatty():
        _draw_table(headings, cells, is_number)
        return
    widths = [
        max(len(line[column]) for line in [list(headings), *cells])
        for column in range(len(headings))
    ]
    for line in [list(headings), *cells]:
        aligned = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, is_number, strict=True)
        ]
        _write(sys.stdout, "  ".join(aligned).rstrip() + "\n")


def print_next(*commands: str) -> None:
    """Print the commands that usually come next, on standard error: no part of the answer.

    They are made to be copied: with this run's home, and without words that others chose.
    """
    settings = get_settings()
    if settings.as_json:
        return
    home = "" if settings.home is None else f"--home {shlex.quote(str(settings.home))} "
    for number, command in enumerate(commands):
        print_note(f"{'next:' if number == 0 else '  or:'} synaptic-crdt {home}{command}")


def print_note(text: str) -> None:
    """Print one line to a person that is no part of the answer."""
    _write(sys.stderr, make_visible(text) + "\n")


def print_event(event: Json, render: Callable[[Json], str]) -> None:
    """Print what a service tells while it runs: JSON lines, or lines for a person."""
    line = json.dumps(event) if get_settings().as_json else make_visible(render(event))
    if line:
        _write(sys.stderr, line + "\n")


def format_cell(value: Cell) -> str:
    """Return a value as people read it."""
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else value


def shorten(identity: str | None) -> str:
    """Return the beginning of an id: enough to name it in a command."""
    return identity[:_SHORT_ID_DIGITS] if identity else "-"


def format_time(time_ms: int | None) -> str:
    """Return a time in UTC, to the second."""
    if not time_ms:
        return "-"
    moment = datetime.fromtimestamp(time_ms // _MS_PER_SECOND, UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S") + "Z"


def format_percent(ppm: int) -> str:
    """Return parts per million in percent, as exact as they are."""
    whole, rest = divmod(ppm, 10_000)
    return f"{whole}{f'.{rest:04}'.rstrip('0') if rest else ''} %"


def format_duration(duration_ms: int) -> str:
    """Return a duration in the largest unit that divides it."""
    for unit_ms, unit in (
        (_MS_PER_DAY, "d"),
        (_MS_PER_HOUR, "h"),
        (_MS_PER_MINUTE, "min"),
        (_MS_PER_SECOND, "s"),
    ):
        if duration_ms and duration_ms % unit_ms == 0:
            return f"{duration_ms // unit_ms} {unit}"
    return f"{duration_ms} ms"


def _draw_table(
    headings: Sequence[str], cells: Sequence[Sequence[str]], is_number: Sequence[bool]
) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading, right in zip(headings, is_number, strict=True):
        table.add_column(heading, justify="right" if right else "left", overflow="fold")
    for row in cells:
        # As text and not as markup: brackets in a title are brackets.
        table.add_row(*(Text(cell) for cell in row))
    try:
        Console().print(table)
    except BrokenPipeError:
        _leave_quietly()


def _write(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        _leave_quietly()


def _leave_quietly() -> None:
    # Python flushes standard output once more at its end; that must not fail either.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    raise SystemExit(_EXIT_PIPE_CLOSED)
