"""Exchanging entries with peers over a link."""

from typing import Final

import click

from synaptic_crdt.cli.command import Command
from synaptic_crdt.cli.output import Json, print_fields, print_line, print_next, print_note, shorten
from synaptic_crdt.cli.serving import serve

# Beyond it two clocks disagree about what came first; links tell it, and nothing decides by it.
_SKEW_MS: Final = 60_000
_STDIO: Final = "stdio:"
_TROUBLE: Final = frozenset({"lost", "fork", "alarm", "skipped"})


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
            "sync", _describe_trouble, _render_nothing, lends_pipes=True,
            addresses=list(addresses), live=live, in_the_clear=in_the_clear,
        )  # fmt: skip
        return
    serve(
        "sync", _describe_event, _render_report,
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
    serve("listen", _describe_event, _render_report, addresses=list(addresses))


def _describe_event(event: Json) -> str:
    """Return what happened on a link as one line; empty for what nobody needs to read."""
    address: str = event["address"]
    match event["event"]:
        case "listening":
            return f"listening on {address}"
        case "linked":
            return f"{address}: linked with device {shorten(event['device'])}"
        case "greeted" if abs(event["skew_ms"]) > _SKEW_MS:
            seconds = event["skew_ms"] // 1_000
            return f"{address}: its clock and this one are {abs(seconds):,} s apart; check both"
        case "progress" if event["sent"] or event["received"]:
            moved = f"sent {event['sent']:,}, received {event['received']:,} entries"
            return f"{address}: {moved}, {event['bytes']:,} bytes in all"
        case "synced":
            same = "both have" if event["equal"] else "the other end differs; here it is"
            return f"{address}: {same} root {shorten(event['root'])}"
        case "lost":
            again = event["retry_seconds"]
            return f"{address}: {event['error']}" + (f" (again in {again:.0f} s)" if again else "")
        case "fork":
            return (
                f"{address}: device {shorten(event['device'])} has signed two histories from"
                f" position {event['position']} on"
            )
        case "left-out":
            return (
                f"{address}: device {shorten(event['device'])} is over its quota, so the rest of"
                f" its entries waits for a checkpoint: {event['explanation']}"
            )
        case "alarm":
            return f"{address}: {event['explanation']}"
        case _:
            return _describe_place(event)


def _describe_place(event: Json) -> str:
    """Return what happened at a place where nobody is at the other end."""
    address: str = event["address"]
    match event["event"]:
        case "exchanged" if event["equal"]:
            return f"{address}: all of it is here, and it has all that is here"
        case "exchanged":
            return f"{address}: not all of it could be read, or written, yet"
        case "skipped":
            return f"{address}: {event['file']} is left alone: {event['why']}"
        case _:
            return ""


def _describe_trouble(event: Json) -> str:
    return _describe_event(event) if event["event"] in _TROUBLE else ""


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
