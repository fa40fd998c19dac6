"""Working for others, by this machine's own policy."""

from typing import Final

import click

from synaptic_crdt.cli.command import Command
from synaptic_crdt.cli.output import Json, print_fields, print_next, shorten
from synaptic_crdt.cli.serving import serve

_ID_DIGITS: Final = 64


@click.command(
    cls=Command,
    examples=(
        "provide --executor rehearsal --once",
        "provide --executor anthropic",
        "provide --executor command",
    ),
)
@click.option(
    "--executor",
    type=click.Choice(["rehearsal", "anthropic", "command"]),
    default="rehearsal",
    show_default=True,
    help="rehearsal: offline, no model; anthropic: a Claude model, with this machine's credentials;"
    " command: the program in your policy.",
)
@click.option("--once", is_flag=True, help="End after one job; wait for it if there is none yet.")
def provide(executor: str, *, once: bool) -> None:
    """Work: accept what the local policy allows, run it, deliver.

    The policy denies by default: `policy set` allows. Work begins only on what is final, so keep
    a `sync --live` running beside it; both use the home at once, and `up --provide` is both. Read
    docs/providing.md before you ask a model, or run a program, for others; `usage` shows what it
    has cost.
    """
    serve("provide", describe_work, _render_report, executor=executor, once=once)
    print_next("sync", "wallet")


def describe_work(event: Json) -> str:
    """Return an event as one line: its name, then its values, ids shortened."""
    told = [
        f"{key} {shorten(value) if _is_id(value) else value}"
        for key, value in event.items()
        if key != "event"
    ]
    return f"{event['event']}: {', '.join(told)}" if told else str(event["event"])


def _is_id(value: object) -> bool:
    return isinstance(value, str) and len(value) == _ID_DIGITS and value.isalnum()


def _render_report(report: Json) -> None:
    print_fields(*report.items())
