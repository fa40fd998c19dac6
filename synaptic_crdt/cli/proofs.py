"""Proving one fact about a market, and checking such a proof without the market."""

import shlex
from pathlib import Path

import click

from synaptic_crdt.cli.asking import read
from synaptic_crdt.cli.command import Command
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


@click.command(
    cls=Command,
    examples=(
        "audit prove balance paul --output paul.proof",
        "audit prove task 3f9a",
        "audit prove assignment 77b0 --provisional",
        "audit prove entry 01c2 --output receipt.proof",
    ),
)
@click.argument("about", type=click.Choice(["balance", "task", "assignment", "entry"]))
@click.argument("subject", metavar="ID")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path, resolve_path=True),
    help="The file to write; else balance.proof and the like, here.",
)
@click.option(
    "--provisional",
    is_flag=True,
    help="Under the root of all that is held, not under that of the newest checkpoint.",
)
def prove(about: str, subject: str, output: Path | None, *, provisional: bool) -> None:
    """Prove one fact to somebody who knows a root of the market.

    ID is an account (its name or id), a task, an assignment or an entry. The file is small however
    large the market is, and shows nothing else of it: of an entry not even what stands beside it.
    An id given in full that nothing has is proven to be absent.
    """
    path = Path(f"{about}.proof").resolve() if output is None else output
    answer = read(
        "audit.prove", about=about, subject=subject, path=str(path), provisional=provisional
    )
    show(answer, _render_made)
    print_next(
        f"audit check {shlex.quote(str(path))} --root {answer['root']} --market {answer['market']}"
    )


@click.command(
    cls=Command, examples=("audit check paul.proof --root 3f9a... --market 77b0... --json",)
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--root", required=True, help="A state root that you trust, in full.")
@click.option("--market", required=True, help="The market's id, in full.")
def check(file: Path, root: str, market: str) -> None:
    """Check a proof against a root you trust.

    Needs the file, the root and the market's id, and no home. Says what is proven, or ends with
    exit code 4 and the first reason why nothing is. That the root is the market's is for you to
    know: from a checkpoint, from a replay, from people you trust.
    """
    from synaptic_crdt.node.proofs import check_proof

    show(check_proof(file, market=market, root=root), _render_checked)


def _render_made(answer: Json) -> None:
    print_line(f"wrote {answer['path']}: {answer['bytes']:,} bytes")
    _render_proven(answer)
    index = answer["checkpoint"]
    print_fields(
        ("under", "all that is held here; it may still change" if index is None else None),
        ("under checkpoint", None if index is None else f"{index}, {answer['checkpoint_id']}"),
        ("root", answer["root"]),
        ("market", answer["market"]),
    )


def _render_checked(answer: Json) -> None:
    print_line("proven, if this root is the market's:")
    _render_proven(answer)
    print_fields(
        ("after epoch", answer["epoch"]),
        ("market time", format_time(answer["time_ms"])),
        ("root", answer["root"]),
        ("market", answer["market"]),
    )


def _render_proven(answer: Json) -> None:
    proven: Json = answer["proven"]
    _RENDERERS[proven["about"]](proven)


def _render_balance(proven: Json) -> None:
    print_line(f"account {proven['account']} can spend {proven['available']:,} tokens")


def _render_task(proven: Json) -> None:
    if not proven["exists"]:
        print_line(f"there is no task {proven['task']}")
        return
    print_line(f"task {proven['task']} is {proven['status']}")
    print_fields(
        ("title", proven["title"]),
        ("kind", proven["kind"]),
        ("requester", proven["requester"]),
        ("price of a unit", proven["price"]),
        ("posted", format_time(proven["posted_ms"])),
    )
    print_table(
        ("seat", "units", "state", "assignment", "why it ended"),
        [
            (
                seat["seat"],
                seat["units"],
                seat["state"],
                shorten(seat["assignment"]),
                seat["explanation"],
            )
            for seat in proven["seats"]
        ],
    )


def _render_assignment(proven: Json) -> None:
    if not proven["exists"]:
        print_line(f"there is no assignment {proven['assignment']}")
        return
    print_line(f"assignment {proven['assignment']} is {proven['status']}")
    print_fields(
        ("task", proven["task"]),
        ("seat", proven["seat"]),
        ("provider", proven["provider"]),
        ("price", proven["price"]),
        ("paid", proven["paid"]),
        ("penalty", proven["penalty"]),
        ("why it ended", proven["explanation"] or None),
    )


def _render_entry(proven: Json) -> None:
    print_line(f"entry {proven['entry']} is {proven['verdict']}: {proven['explanation']}")
    print_fields(
        ("operation", proven["operation"]),
        ("written by device", proven["device"]),
        ("position in its feed", proven["position"]),
        ("timestamp", format_time(proven["time_ms"])),
        ("in epoch", f"{proven['epoch']}, as entry {proven['index'] + 1} of {proven['entries']}"),
        ("epoch closed at", format_time(proven["closed_ms"])),
    )


def _render_rows(proven: Json) -> None:
    for row in proven["rows"]:
        content = "not there" if row["row"] is None else row["row"]
        print_line(f"row {row['key']} of table {row['table']!r}: {content}")


_RENDERERS = {
    "balance": _render_balance,
    "task": _render_task,
    "assignment": _render_assignment,
    "entry": _render_entry,
    "rows": _render_rows,
}
