"""What work has cost this machine."""

from typing import Final

import click

from synaptic_crdt.cli.asking import open_home
from synaptic_crdt.cli.command import Command
from synaptic_crdt.cli.output import Cell, Json, format_time, print_line, print_table, shorten, show

_MS_PER_SECOND: Final = 1_000
_NAMES: Final = {"calls": "calls", "done": "done", "failed": "failed", "interrupted": "interrupted"}
_TOKENS: Final = ("tokens_in", "tokens_out", "tokens_counted")


@click.command(
    cls=Command,
    examples=(
        "usage",
        "usage --by requester --since 2026-11-01",
        "usage --by call --json",
    ),
)
@click.option(
    "--by",
    type=click.Choice(["day", "task", "requester", "model", "call"]),
    default="day",
    show_default=True,
    help="What to sum up by; `call` lists every one.",
)
@click.option("--since", default="", metavar="DAY", help="From this day on (UTC), as 2026-11-30.")
def usage(by: str, since: str) -> None:
    """Show what work has cost this machine: every call of a model, kept here and nowhere else.

    Tokens that count are those the policy's caps are held against: what a call might have cost,
    where it was cut off and nobody knows.
    """
    from synaptic_crdt.node.usage import read_usage

    show(read_usage(open_home(), by, since), _render)


def _render(answer: Json) -> None:
    if not answer["rows"]:
        print_line("nothing was run here")
    elif answer["by"] == "call":
        _render_calls(answer)
    else:
        _render_sums(answer)


def _render_sums(answer: Json) -> None:
    by: str = answer["by"]
    rows = [(_show_key(row[by]), *_list_sums(row)) for row in answer["rows"]]
    headings = (by, *_NAMES, "tokens in", "out", "counted", "seconds")
    print_table(headings, [*rows, ("total", *_list_sums(answer["total"]))])


def _list_sums(row: Json) -> list[Cell]:
    return [row[name] for name in (*_NAMES, *_TOKENS)] + [_show_seconds(row)]


def _render_calls(answer: Json) -> None:
    headings = (
        *("when", "task", "requester", "executor", "model", "outcome"),
        *("tokens in", "out", "counted", "seconds"),
    )
    rows = [
        (
            format_time(row["at_ms"]),
            shorten(row["task"]),
            shorten(row["requester"]),
            row["executor"],
            row["model"] or "none",
            row["outcome"],
            *(row[name] for name in _TOKENS),
            _show_seconds(row),
        )
        for row in answer["rows"]
    ]
    print_table(headings, rows)


def _show_key(key: str) -> str:
    return shorten(key) if len(key) > len("2026-11-30") else key or "none"


def _show_seconds(row: Json) -> str:
    return f"{row['duration_ms'] / _MS_PER_SECOND:.1f}"
