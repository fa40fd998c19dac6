"""Opting in to working for others and on which conditions, and out; the terms."""

from pathlib import Path

import click

from synaptic_crdt.cli.asking import append, read
from synaptic_crdt.cli.command import Command, Group
from synaptic_crdt.cli.output import (
    Json,
    print_block,
    print_fields,
    print_line,
    print_next,
    shorten,
    show,
)
from synaptic_crdt.cli.standing import print_standing


@click.group(cls=Group, examples=("consent show", "consent on", "consent off"))
def consent() -> None:
    """Opt in to working for others, or out.

    Without consent the market gives you no work. You remain responsible for your own account.
    """


@consent.command(
    "on",
    examples=(
        "consent on",
        "consent on --tasks-per-day 20 --kind text.answer --requester-min 0",
        "consent on --block mallory",
    ),
)
@click.option("--tasks-per-day", type=int, default=None, help="Take no more in a day.")
@click.option("--units-per-task", type=int, default=None, help="Take nothing larger.")
@click.option("--open-assignments", type=int, default=None, help="Owe no more at a time.")
@click.option("--kind", "kinds", multiple=True, help="Take this kind, and others so named, alone.")
@click.option("--requester-min", type=int, default=None, help="The least score of a requester.")
@click.option("--block", "blocked", multiple=True, help="An account to never work for.")
def opt_in(
    tasks_per_day: int | None,
    units_per_task: int | None,
    open_assignments: int | None,
    kinds: tuple[str, ...],
    requester_min: int | None,
    blocked: tuple[str, ...],
) -> None:
    """Opt in to the terms in force; `terms` prints them.

    The caps are public, and the market holds you to them. They replace those of before as a whole.
    """
    answer = append(
        "consent",
        on=True,
        tasks_per_day=tasks_per_day,
        units_per_task=units_per_task,
        open_assignments=open_assignments,
        kinds=list(kinds),
        requester_min=requester_min,
        blocked=list(blocked),
    )
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


@click.command(cls=Command, examples=("terms", "terms --text new-terms.txt"))
@click.option(
    "--text",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A text that you were given: is it the one in force?",
)
def terms(path: Path | None) -> None:
    """Read the terms in force. Opting in means these."""
    arguments = {} if path is None else {"text": path.read_text("utf-8", errors="replace")}
    show(read("terms", **arguments), _render_terms)
    print_next("consent on")


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
    print_fields(*_list_conditions(answer))
    _render_terms(answer)


def _render_terms(answer: Json) -> None:
    print_line(f"terms {answer['in_force']}")
    if answer["text"]:
        print_block(answer["text"])
    else:
        print_line("the market keeps their hash alone: ask the council for the text")


def _list_conditions(answer: Json) -> list[tuple[str, str | int | None]]:
    caps = answer["caps"]
    return [
        ("tasks a day", caps["tasks_per_day"]),
        ("units a task", caps["units_per_task"]),
        ("open assignments", caps["open_assignments"]),
        ("kinds", None if caps["kinds"] is None else ", ".join(caps["kinds"])),
        ("requester's score from", answer["requester_min"]),
        ("blocked", ", ".join(shorten(account) for account in answer["blocked"]) or None),
    ]
