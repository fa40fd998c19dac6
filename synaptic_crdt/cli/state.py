"""The market as a whole: its state, its log, its checkpoints."""

import click

from synaptic_crdt.cli.asking import append, read
from synaptic_crdt.cli.command import Command
from synaptic_crdt.cli.fork import render_void
from synaptic_crdt.cli.output import (
    Json,
    format_time,
    print_fields,
    print_line,
    print_next,
    print_note,
    print_table,
    shorten,
    show,
)
from synaptic_crdt.errors import StoreDamaged


@click.command(cls=Command, examples=("state", "state --json"))
def state() -> None:
    """Show root, entries, time and supply.

    Homes that hold the same show the same root. Ends with exit code 4 when stored bytes are
    damaged; what is shown is what still verifies.
    """
    answer = read("state")
    show(answer, _render_state)
    if answer["damaged"]:
        raise StoreDamaged("; ".join(answer["damaged"]))


@click.command(cls=Command, examples=("log", "log --last 20", "log --void", "log --json"))
@click.option("--last", type=click.IntRange(min=1), help="Only so many, the newest.")
@click.option("--void", is_flag=True, help="Those on branches of forks that lost or wait instead.")
def log(last: int | None, *, void: bool) -> None:
    """Show all entries in order, with author, time and verdict."""
    if void:
        show(read("log.void"), render_void)
        return
    arguments = {} if last is None else {"limit": last}
    show(read("log", **arguments), _render_log)


@click.command(cls=Command, examples=("checkpoint", "checkpoint --clock-is-right"))
@click.option(
    "--clock-is-right",
    is_flag=True,
    help="This machine's clock is right, though it is far ahead of all this market has seen.",
)
def checkpoint(*, clock_is_right: bool) -> None:
    """Close an epoch: make what is ready final.

    Only the market's sequencer can; while it runs `listen`, it does so by itself.
    """
    options = {"clock_is_right": True} if clock_is_right else {}
    show(append("checkpoint", **options), _render_checkpoint)


@click.command(cls=Command, examples=("cosign", "cosign --json"))
def cosign() -> None:
    """Recompute the next checkpoint and cosign it.

    Only a witness can; while it runs `listen` or `sync --live`, it does so by itself.
    """
    show(append("cosign"), _render_cosigned)
    print_next("sync")


def _render_state(answer: Json) -> None:
    print_fields(
        ("root", answer["root"]),
        ("heads", answer["heads"]),
        ("entries", f"{answer['entries']:,}, {answer['pending']:,} of them pending"),
        ("checkpoints", answer["checkpoints"]),
        ("view", answer["view"]),
        ("market time", format_time(answer["time"])),
        ("treasury", answer["treasury"]),
        ("balances", answer["balances"]),
        ("held", answer["holds"]),
        ("supply", answer["supply"]),
    )
    if answer["sandbox"]:
        print_line("a sandbox: nothing in it is ever final")
    for remark in answer["remarks"]:
        print_note(remark)


def _render_log(answer: Json) -> None:
    print_table(
        ("entry", "time", "account", "operation", "verdict", "standing", "why"),
        [
            (
                shorten(row["entry"]),
                format_time(row["time_ms"]),
                shorten(row["account"]),
                row["operation"],
                row["verdict"],
                row["standing"],
                row["explanation"] if row["verdict"] != "APPLIED" else "",
            )
            for row in answer["entries"]
        ],
    )
    if answer["archived"]:
        print_note(f"{answer['archived']:,} older entries are archived")


def _render_cosigned(answer: Json) -> None:
    print_line(f"{answer['word']}: {answer['reason']}")


def _render_checkpoint(answer: Json) -> None:
    if answer["counts"]:
        word = "final" if answer["final"] else "diverged"
        print_line(f"checkpoint {answer['index']}: what it includes is {word}")
    else:
        print_line(
            f"checkpoint {answer['index']}: what it includes is pending until {answer['needed']}"
            " witnesses have cosigned it"
        )
    print_fields(("root", answer["root"]), ("feeds moved", answer["feeds"]))
