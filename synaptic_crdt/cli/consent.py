"""Opting in to working for others, and out."""

import click

from synaptic_crdt.cli.asking import append, read
from synaptic_crdt.cli.command import Group
from synaptic_crdt.cli.output import Json, print_block, print_line, print_next, show
from synaptic_crdt.cli.standing import print_standing


@click.group(cls=Group, examples=("consent show", "consent on", "consent off"))
def consent() -> None:
    """Opt in to working for others, or out.

    Without consent the market gives you no work. You remain responsible for your own account.
    """


@consent.command("on", examples=("consent on",))
def opt_in() -> None:
    """Opt in to the terms in force; `consent show` prints them."""
    answer = append("consent", on=True)
    show(answer, lambda told: _render_change(told, "opted in"))
    print_next("policy set --opt-in --kinds text.answer --approval auto", "task list")


@consent.command("off", examples=("consent off",))
def opt_out() -> None:
    """Opt out: no new work from here on. What was accepted is still owed."""
    show(append("consent", on=False), lambda told: _render_change(told, "opted out"))


@consent.command("show", examples=("consent show", "consent show --json"))
def show_consent() -> None:
    """Show whether you opted in, and to which terms."""
    show(read("consent"), _render_consent)


def _render_change(answer: Json, what: str) -> None:
    print_line(what)
    print_standing(answer)


def _render_consent(answer: Json) -> None:
    if answer["opted_in"]:
        print_line("opted in to the terms in force")
    elif answer["terms"]:
        print_line("opted in to other terms than those in force: opt in again to accept work")
    else:
        print_line("not opted in")
    print_line(f"terms {answer['in_force']}")
    if answer["text"]:
        print_block(answer["text"])
