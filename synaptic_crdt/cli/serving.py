"""Running one of the node's services: its events while it runs, its report at the end."""

from collections.abc import Callable
from typing import Final

import click

from synaptic_crdt.cli.asking import start
from synaptic_crdt.cli.failures import EXIT_INTERRUPTED
from synaptic_crdt.cli.output import Json, print_event, shorten, show

_ID_DIGITS: Final = 64


def serve(
    service: str,
    render_event: Callable[[Json], str],
    render_report: Callable[[Json], None],
    **args: object,
) -> Json:
    """Run a service, tell its events and its report; return the report.

    Ends the command with exit code 130 when the service was interrupted, its report told.
    """
    report = start(service, lambda event: print_event(event, render_event), **args)
    show(report, render_report)
    if report.get("interrupted"):
        raise click.exceptions.Exit(EXIT_INTERRUPTED)
    return report


def describe_event(event: Json) -> str:
    """Return an event as one line: its name, then its values, ids shortened."""
    told = [
        f"{key} {shorten(value) if _is_id(value) else value}"
        for key, value in event.items()
        if key != "event"
    ]
    return f"{event['event']}: {', '.join(told)}" if told else str(event["event"])


def _is_id(value: object) -> bool:
    return isinstance(value, str) and len(value) == _ID_DIGITS and value.isalnum()
