"""Running one of the node's services: its events while it runs, its report at the end."""

from collections.abc import Callable

import click

from synaptic_crdt.cli.asking import start
from synaptic_crdt.cli.failures import EXIT_INTERRUPTED
from synaptic_crdt.cli.output import Json, print_event, show


def serve(
    service: str,
    render_event: Callable[[Json], str],
    render_report: Callable[[Json], None],
    **args: object,
) -> None:
    """Run a service, tell its events and its report.

    Ends the command with exit code 130 when the service was interrupted, its report told.
    """
    report = start(service, lambda event: print_event(event, render_event), **args)
    show(report, render_report)
    if report.get("interrupted"):
        raise click.exceptions.Exit(EXIT_INTERRUPTED)
