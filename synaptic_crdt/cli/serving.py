"""Running one of the node's services: its events while it runs, its report at the end."""

import sys
from collections.abc import Callable
from contextlib import nullcontext, redirect_stdout

import click

from synaptic_crdt.cli.asking import start
from synaptic_crdt.cli.failures import EXIT_INTERRUPTED
from synaptic_crdt.cli.output import Json, print_event, show


def serve(
    service: str,
    render_event: Callable[[Json], str],
    render_report: Callable[[Json], None],
    *,
    lends_pipes: bool = False,
    **args: object,
) -> None:
    """Run a service, tell its events and its report.

    ``lends_pipes`` leaves standard input and output to the service: what is told goes to standard
    error.
    Ends the command with exit code 130 when the service was interrupted, its report told.
    """
    with redirect_stdout(sys.stderr) if lends_pipes else nullcontext():
        report = start(
            service,
            lambda event: print_event(event, lambda told: describe(told, render_event)),
            lends_pipes=lends_pipes,
            **args,
        )
        show(report, render_report)
    if report.get("interrupted"):
        raise click.exceptions.Exit(EXIT_INTERRUPTED)


def describe(event: Json, render_event: Callable[[Json], str]) -> str:
    """Return what any service may tell as one line, else what this one's own events say."""
    match event["event"]:
        case "service failed":
            seconds = event["retry_seconds"]
            return f"{event['service']}: {event['error']} (again in {seconds:.0f} s)"
        case "owner ended":
            return "the process that this ran in has ended; going on by itself"
        case _:
            return render_event(event)
