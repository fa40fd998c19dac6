"""Exchanging entries with peers over a link."""

import click

from synaptic_crdt.cli.command import Command
from synaptic_crdt.cli.output import Json, print_fields, print_line, print_next, shorten
from synaptic_crdt.cli.serving import describe_event, serve


@click.command(
    cls=Command,
    examples=("sync tcp://127.0.0.1:7700", "sync --live tcp://127.0.0.1:7700"),
)
@click.argument("addresses", metavar="[ADDRESS]...", nargs=-1)
@click.option("--live", is_flag=True, help="Stay, and exchange what is new as it comes.")
def sync(addresses: tuple[str, ...], *, live: bool) -> None:
    """Exchange entries with peers.

    Once, or for as long as it runs with --live. Without an address, those of the ticket and of earlier syncs are used.
    """
    serve("sync", describe_event, _render_report, addresses=list(addresses), live=live)
    print_next("state", "task list")


@click.command(
    cls=Command,
    examples=("listen tcp://127.0.0.1:7700", "listen tcp://127.0.0.1:0 --json"),
)
@click.argument("addresses", metavar="ADDRESS...", nargs=-1, required=True)
def listen(addresses: tuple[str, ...]) -> None:
    """Let peers sync with this home until interrupted.

    Other commands can use the home meanwhile. The market's founder also closes epochs here.
    """
    serve("listen", describe_event, _render_report, addresses=list(addresses))


def _render_report(report: Json) -> None:
    print_fields(
        ("sent", report["sent"]),
        ("received", report["received"]),
        ("held", report["held"]),
        ("rejected", report["rejected"]),
        ("root", report["root"]),
    )
    if report.get("equal") is not None:
        print_line(
            "both ends show the same root"
            if report["equal"]
            else f"the ends differ: here the root is {shorten(report['root'])}"
        )
