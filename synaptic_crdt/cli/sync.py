"""Exchanging entries with peers over a link."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

import click

from synaptic_crdt.cli.command import Command
from synaptic_crdt.cli.link_events import LinkTeller
from synaptic_crdt.cli.output import Json, print_fields, print_line, print_next, print_note, shorten
from synaptic_crdt.cli.serving import serve

_STDIO: Final = "stdio:"


@click.command(
    cls=Command,
    examples=(
        "sync tcp://127.0.0.1:7700",
        "sync --live unix:///run/user/1000/market.sock",
        'sync "exec:ssh HOST synaptic-crdt sync stdio:"',
        "sync --live dir:///home/rita/Shared/market",
    ),
)
@click.argument("addresses", metavar="[ADDRESS]...", nargs=-1)
@click.option("--live", is_flag=True, help="Stay, and exchange what is new as it comes.")
@click.option(
    "--in-the-clear", is_flag=True, help="Let whoever carries files and folders read them."
)
def sync(addresses: tuple[str, ...], *, live: bool, in_the_clear: bool) -> None:
    """Exchange entries with peers.

    Once, or for as long as it runs with --live. Without an address, those of the ticket and of
    earlier syncs are used.

    Addresses: tcp://host:port, unix:///path, ws://host:port/path, wss://, exec:COMMAND, which
    speaks to the standard input and output of what it runs, and stdio:, which is what runs there.
    Every link is encrypted, and made with members of the market alone.

    Without anybody at the other end: file:///path is a bundle that is read and written,
    dir:///path a folder that many peers share. Their files are encrypted by the market's read key.
    """
    if _STDIO in addresses:
        # Whoever started this tells the person; what it shows of us is only what went wrong.
        serve(
            "sync", LinkTeller(only_trouble=True), _render_nothing, lends_pipes=True,
            addresses=list(addresses), live=live, in_the_clear=in_the_clear,
        )  # fmt: skip
        return
    with _tell_links() as (teller, render):
        serve(
            "sync", teller, render,
            addresses=list(addresses), live=live, in_the_clear=in_the_clear,
        )  # fmt: skip
    print_next("state", "task list")


@click.command(
    cls=Command,
    examples=(
        "listen tcp://127.0.0.1:7700",
        "listen tcp://0.0.0.0:7700 unix:///run/user/1000/market.sock",
        "listen tcp://127.0.0.1:0 --json",
    ),
)
@click.argument("addresses", metavar="ADDRESS...", nargs=-1, required=True)
def listen(addresses: tuple[str, ...]) -> None:
    """Let peers sync with this home until interrupted.

    Only members of the market are let in, and whom they invited. Other commands can use the home
    meanwhile. The market's founder also closes epochs here.
    """
    with _tell_links() as (teller, render):
        serve("listen", teller, render, addresses=list(addresses))


@contextmanager
def _tell_links() -> Generator[tuple[LinkTeller, Callable[[Json], None]]]:
    """Yield what tells events, and what tells the report once they are over."""
    with LinkTeller() as teller:

        def render(report: Json) -> None:
            teller.end()
            _render_report(report)

        yield teller, render


def _render_nothing(_: Json) -> None:
    """The other end shows its own report."""


def _render_report(report: Json) -> None:
    print_fields(
        ("sent", report["sent"]),
        ("received", report["received"]),
        ("held", report["held"]),
        ("rejected", report["rejected"]),
        ("root", report["root"]),
    )
    for address, failure in report["failed"].items():
        print_note(f"{address}: {failure}")
    if report["equal"] is not None:
        print_line(
            "both ends show the same root"
            if report["equal"]
            else f"the ends differ: here the root is {shorten(report['root'])}"
        )
