"""After a device signed two histories: what was lost, writing it again, putting it on record."""

import click

from synaptic_crdt.cli.asking import append, read
from synaptic_crdt.cli.command import Command, Group
from synaptic_crdt.cli.output import (
    Json,
    format_time,
    print_line,
    print_next,
    print_note,
    print_table,
    shorten,
    show,
)
from synaptic_crdt.cli.standing import describe_standing, print_standing


@click.command(cls=Command, examples=("reissue 5ca1ab1e", "reissue 5ca1ab1e c0ffee --json"))
@click.argument("entries", metavar="ENTRY...", nargs=-1, required=True)
def reissue(entries: tuple[str, ...]) -> None:
    """Write again what entries of a losing branch asked for.

    `log --void` lists them. Each is asked for anew, by a new entry, in the order they had; the
    first that the market refuses ends it. What named an old entry, such as a task of the losing
    branch, does not find it any more.
    """
    show(append("reissue", entries=list(entries)), _render_reissued)
    print_next("log --last 5", "wallet")


@click.group(cls=Group, examples=("fork list", "fork report 5ca1ab1e"))
def fork() -> None:
    """See which devices signed two histories; put one on record."""


@fork.command("list", examples=("fork list", "fork list --json"))
def list_forks() -> None:
    """List the forks that are proved here, and whether they are settled."""
    show({"forks": read("state")["forks"]}, _render_forks)


@fork.command("report", examples=("fork report 5ca1ab1e",))
@click.argument("device")
def report(device: str) -> None:
    """Write the proof that a device signed two histories into the market."""
    show(append("fork.report", device=device), _render_report)


def render_void(answer: Json) -> None:
    """Print what lies behind forks: held and undecided, or lost."""
    rows = [(row, "suspended") for row in answer["suspended"]]
    rows += [(row, "void") for row in answer["void"]]
    print_table(
        ("entry", "time", "account", "operation", "it is"),
        [
            (
                shorten(row["entry"]),
                format_time(row["time_ms"]),
                shorten(row["account"]),
                row["operation"],
                word,
            )
            for row, word in rows
        ],
    )
    if answer["suspended"]:
        print_note("suspended: a checkpoint will say whether this branch of its device goes on")
    if any(row["own"] for row in answer["void"]):
        print_next("reissue ENTRY")


def _render_reissued(answer: Json) -> None:
    for row in answer["reissued"]:
        print_line(
            f"{shorten(row['instead_of'])} is now {shorten(row['entry'])}, {row['operation']};"
            f" {describe_standing(row)}"
        )


def _render_forks(answer: Json) -> None:
    print_table(
        ("device", "account", "from position", "it is"),
        [
            (
                shorten(row["device"]),
                shorten(row["account"]),
                row["position"],
                "settled" if row["settled"] else "suspended",
            )
            for row in answer["forks"]
        ],
    )


def _render_report(answer: Json) -> None:
    print_line(f"reported {shorten(answer['forked'])}, which forked at position {answer['at']}")
    print_standing(answer)
