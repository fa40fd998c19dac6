"""Carrying a market in a file."""

import shlex
from pathlib import Path
from typing import Final

import click

from synaptic_crdt.cli.asking import append, read
from synaptic_crdt.cli.command import Group
from synaptic_crdt.cli.output import (
    Json,
    format_time,
    print_fields,
    print_line,
    print_next,
    print_table,
    shorten,
    show,
)

_WRITTEN: Final = click.Path(dir_okay=False, path_type=Path, resolve_path=True)
_READ: Final = click.Path(exists=True, dir_okay=False, path_type=Path, resolve_path=True)


@click.group(
    cls=Group,
    examples=(
        "bundle write market.bundle",
        "bundle read market.bundle",
        "bundle show market.bundle",
    ),
)
def bundle() -> None:
    """Carry a market in a file.

    On a stick, by mail, through a shared folder. A bundle is signed but not secret: whoever has it can read it.
    """


@bundle.command("write", examples=("bundle write market.bundle", "bundle write --state now.bundle"))
@click.argument("file", type=_WRITTEN)
@click.option("--state", is_flag=True, help="The newest checkpoint's state, not the history.")
def write(file: Path, *, state: bool) -> None:
    """Write everything this home holds to a file.

    With --state it is what a new home needs to begin at the newest checkpoint: see `join --state`.
    """
    if state:
        show(read("bundle.state", path=str(file)), _render_state)
        print_next(f"join TICKET --state {shlex.quote(str(file))}")
        return
    answer = read("bundle.write", path=str(file))
    show(answer, _render_written)
    print_next(*(f"{verb} {shlex.quote(str(file))}" for verb in ("bundle show", "audit")))


@bundle.command("read", examples=("bundle read market.bundle",))
@click.argument("file", type=_READ)
def read_file(file: Path) -> None:
    """Merge a bundle into this home: all of it verifies, or nothing is admitted."""
    answer = append("bundle.read", path=str(file))
    show(answer, _render_read)
    print_next("state", "log")


@bundle.command("show", examples=("bundle show market.bundle",))
@click.argument("file", type=_READ)
def show_file(file: Path) -> None:
    """Say what a bundle holds.

    Needs no home, changes nothing. Its form is checked; `audit` verifies all of it.
    """
    from synaptic_crdt.node.bundles import show_bundle

    show(show_bundle(file), _render_content)


def _render_written(answer: Json) -> None:
    print_line(f"wrote {answer['path']}: {answer['entries']:,} entries, {answer['bytes']:,} bytes")


def _render_state(answer: Json) -> None:
    print_line(
        f"wrote {answer['path']}: the state at checkpoint {answer['epoch']},"
        f" {answer['bytes']:,} bytes"
    )


def _render_read(answer: Json) -> None:
    print_line(
        f"read {answer['path']}: {answer['received']:,} new entries, {answer['known']:,} known"
    )
    if answer["held"]:
        print_line(f"{answer['held']:,} entries were left out: what they follow is not here yet")
    for device in answer["forks"]:
        print_line(f"device {shorten(device)} was left out: it has signed two histories")
    print_fields(("root", answer["root"]))


def _render_content(answer: Json) -> None:
    print_line(f"{answer['path']}: {answer['market_name']!r}, market {answer['market']}")
    print_fields(
        ("founded", format_time(answer["created_ms"])),
        ("entries", answer["entries"]),
        ("statements", answer["statements"]),
        ("bytes", answer["bytes"]),
    )
    print_table(
        ("device", "first", "last", "bytes"),
        [
            (shorten(feed["device"]), feed["first"], feed["last"], feed["bytes"])
            for feed in answer["feeds"]
        ],
    )
