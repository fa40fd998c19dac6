"""Handing over the keys of private payloads."""

import click

from synaptic_crdt.cli.asking import append
from synaptic_crdt.cli.command import Command
from synaptic_crdt.cli.output import Json, print_line, print_next, shorten, show
from synaptic_crdt.cli.standing import print_standing


@click.command(cls=Command, examples=("task reveal 3f9a",))
@click.argument("assignment", metavar="TASK|ASSIGNMENT")
def reveal(assignment: str) -> None:
    """Hand the key of a private payload to who is to work on it.

    It cannot be taken back. From then on the provider, its machine and the vendor of its model
    read the payload. Not in time, and you are to blame that the work could not begin.
    """
    answer = append("task.reveal", assignment=assignment)
    show(answer, _render_revealed)
    print_next("sync", f"task show {assignment}")


def _render_revealed(answer: Json) -> None:
    print_line(
        f"revealed to {len(answer['devices'])} devices, assignment {shorten(answer['assignment'])}"
    )
    print_standing(answer)
