"""Waiting for what comes of a task: the result, or clear words for why there is none.

Exit codes: 0 when each seat has its result; 3 when one is not served by its provider; 4 when one
is not what was committed to; 6 when a seat ended without one; 130 when interrupted, the task
staying as it is.
"""

from typing import Final

import click

from synaptic_crdt.cli.asking import start
from synaptic_crdt.cli.command import Command
from synaptic_crdt.cli.content import print_results
from synaptic_crdt.cli.failures import EXIT_DAMAGED, EXIT_INTERRUPTED, EXIT_NETWORK, EXIT_NO_RESULT
from synaptic_crdt.cli.link_events import LinkTeller
from synaptic_crdt.cli.output import (
    Json,
    print_event,
    print_line,
    print_next,
    print_note,
    shorten,
    show,
)
from synaptic_crdt.cli.serving import describe

# The gravest first: what the requester has to act on.
_CODES: Final = {
    "unreadable": EXIT_DAMAGED,
    "sealed": EXIT_DAMAGED,
    "unserved": EXIT_NETWORK,
    "ended": EXIT_NO_RESULT,
}
_STATES: Final = {
    "OPEN": "waits for a provider",
    "RESERVED": "waits for more providers",
    "PENDING": "taken; waits for a checkpoint to make that final",
    "KEYWAIT": "taken; the key of the payload is to be revealed",
    "ASSIGNED": "given to a provider, who has not begun",
    "STARTED": "the provider is at work",
    "DELIVERED": "delivered",
    "HELD": "held: the parties have to agree",
    "DISPUTED": "disputed: arbiters decide",
    "TIMELOCKED": "approved; paid when its date comes",
    "SETTLED": "settled",
    "CLOSED": "closed",
}
_ENDS: Final = {
    "unreadable": "what was delivered is not what was committed to: reject it, or open a dispute",
    "sealed": "the key of the result was not handed to this device",
    "unserved": "it was delivered, and its bytes never came",
}


@click.command(cls=Command, examples=("task wait 3f9a", "task wait 3f9a --json"))
@click.argument("task_id", metavar="TASK")
def wait(task_id: str) -> None:
    """Wait for what comes of a task, and print it.

    Meanwhile does what `up` would: keeps links to known peers, hands over keys, approves as far as
    the policy says. Ends with 0 when every seat has a result, and with 6 when one ended without.
    """
    report = wait_for(task_id)
    show(report, render_outcome)
    leave(report)


def wait_for(task_id: str) -> Json:
    """Return what came of a task once nothing more will; being interrupted ends the command."""
    try:
        with LinkTeller(only_trouble=True) as teller:
            report = start(
                "wait",
                lambda event: print_event(event, lambda told: _describe(told, teller)),
                task=task_id,
            )
    except KeyboardInterrupt:
        report = {"interrupted": True}
    if report.get("interrupted"):
        print_note("interrupted; the task stays posted, and what comes of it is not lost")
        print_next(f"task wait {shorten(task_id)}", f"task show {shorten(task_id)}")
        raise click.exceptions.Exit(EXIT_INTERRUPTED)
    return report


def render_outcome(report: Json) -> None:
    """Print the results, and why there are none where there are none."""
    if report["results"]:
        print_results(report["results"])
    for seat in report["seats"]:
        if seat["end"] != "delivered":
            why = _ENDS.get(seat["end"]) or seat["explanation"] or "it ended without a result"
            print_line(f"seat {seat['seat']}: {why}")


def leave(report: Json) -> None:
    """Say what usually comes next, and end with the code of the gravest end of a seat."""
    task = shorten(report["task"])
    ends = {seat["end"] for seat in report["seats"]}
    states = {seat["state"] for seat in report["seats"]}
    if "unreadable" in ends:
        print_next(f"dispute open {task} --reason result-unreadable", f"task show {task}")
    elif "DELIVERED" in states and "delivered" in ends:
        print_next(f"task approve {task}", f"task show {task}")
    else:
        print_next(f"task show {task}", "wallet")
    for end, code in _CODES.items():
        if end in ends:
            raise click.exceptions.Exit(code)


def _describe(event: Json, teller: LinkTeller) -> str:
    return describe(event, lambda told: _describe_own(told, teller))


def _describe_own(event: Json, teller: LinkTeller) -> str:
    match event["event"]:
        case "seat":
            return f"seat {event['seat']}: {_STATES[event['state']]}"
        case "revealed":
            return f"the key was handed to the provider of {shorten(event['assignment'])}"
        case "approved":
            return f"approved {shorten(event['assignment'])}, as the policy says"
        case "yours to decide":
            return f"{shorten(event['assignment'])} is yours to decide: {event['reason']}"
        case _ if "address" in event:
            return teller(event)
        case _:
            return ""
