"""The account itself: its name."""

import click

from synaptic_crdt.cli.asking import append
from synaptic_crdt.cli.command import Group
from synaptic_crdt.cli.output import Json, print_line, print_next, show
from synaptic_crdt.cli.standing import print_standing


@click.group(cls=Group, examples=("account rename 'Paul & daughters'",))
def account() -> None:
    """Change what others see of your account."""


@account.command("rename", examples=("account rename paul",))
@click.argument("name")
def rename(name: str) -> None:
    """Take another name. Names may be equal: who you are is your account's id."""
    show(append("account.rename", name=name), _render_renamed)
    print_next("whoami")


def _render_renamed(answer: Json) -> None:
    print_line(f"now named {answer['name']!r}")
    print_standing(answer)
