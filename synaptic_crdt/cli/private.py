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


@click.command(
    cls=Command,
    examples=("task share 3f9a zoe", "task share 3f9a zoe --result"),
)
@click.argument("assignment", metavar="TASK|ASSIGNMENT")
@click.argument("account")
@click.option("--result", is_flag=True, help="Of what was delivered; else of the payload.")
def share(assignment: str, account: str, *, result: bool) -> None:
    """Hand the key of private work to somebody else.

    To an arbiter, an auditor, whom you trust. It is on record, and cannot be taken back.
    """
    content = "result" if result else "payload"
    answer = append("key.share", assignment=assignment, to=account, content=content)
    show(answer, _render_shared)
    print_next("sync")


def _render_shared(answer: Json) -> None:
    print_line(
        f"shared the key of the {answer['content']} with {len(answer['devices'])} devices,"
        f" assignment {shorten(answer['assignment'])}"
    )
    print_standing(answer)


def _render_revealed(answer: Json) -> None:
    print_line(
        f"revealed to {len(answer['devices'])} devices, assignment {shorten(answer['assignment'])}"
    )
    print_standing(answer)
