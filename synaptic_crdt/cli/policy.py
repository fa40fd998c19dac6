"""What this machine may work on: local, never sent, denying by default."""

import shlex
from collections.abc import Sequence

import click

from synaptic_crdt.cli.arguments import DURATION
from synaptic_crdt.cli.asking import open_home
from synaptic_crdt.cli.command import Group
from synaptic_crdt.cli.output import Cell, Json, print_fields, print_next, show


@click.group(
    cls=Group,
    examples=("policy show", "policy set --opt-in --kinds text.answer --approval auto"),
)
def policy() -> None:
    """Say what this machine may work on. Nothing, until you say so; it stays on this machine."""


@policy.command("show", examples=("policy show", "policy show --json"))
def show_policy() -> None:
    """Show the policy in force."""
    from synaptic_crdt.node.policies import read_policy

    show(read_policy(open_home()), _render_policy)


@policy.command(
    "set",
    examples=(
        "policy set --opt-in --kinds text.answer --approval auto",
        "policy set --minimum-price 20 --parallel-tasks 2",
        "policy set --model claude-opus-5-5 --tokens-per-day 500000",
        "policy set --command '/usr/bin/tr a-z A-Z'",
        "policy set --opt-out",
    ),
)
@click.option("--opt-in/--opt-out", "opted_in", default=None, help="Whether it works at all.")
@click.option("--kinds", help="Of tasks, separated by commas; '*' for all.")
@click.option("--minimum-price", type=click.IntRange(min=1), help="For one unit.")
@click.option("--tasks-per-day", type=click.IntRange(min=0), help="Accepted by itself.")
@click.option("--parallel-tasks", type=click.IntRange(min=1), help="Accepted and not delivered.")
@click.option("--seconds-per-task", "task_time", type=DURATION, help="As 90s or 10m.")
@click.option("--allow-requesters", help="Accounts in full, separated by commas; '*' for all.")
@click.option("--block-requesters", help="Accounts in full, separated by commas; '' for none.")
@click.option(
    "--approval",
    type=click.Choice(["manual", "auto"]),
    help="manual: works on what you accepted; auto: accepts by itself.",
)
@click.option(
    "--risk-sandbox/--no-risk-sandbox",
    default=None,
    help="Work in a market where nothing is ever final.",
)
@click.option(
    "--keep-offers/--no-keep-offers",
    default=None,
    help="Show presence for your standing offers while `provide` runs.",
)
@click.option(
    "--repeat-interrupted/--no-repeat-interrupted",
    default=None,
    help="Pay again for a model call that a crash cut off.",
)
@click.option(
    "--approve-up-to",
    type=click.IntRange(min=0),
    help="Of your own tasks: what a result may cost to be approved unseen; 0 asks you.",
)
@click.option("--approve-media-types", help="Of such results, separated by commas; '*' for all.")
@click.option("--model", help="What the executor `anthropic` asks.")
@click.option(
    "--output-tokens", type=click.IntRange(min=1), help="The most that a model writes for a task."
)
@click.option("--tokens-per-task", type=click.IntRange(min=1), help="Read and written.")
@click.option("--tokens-per-day", type=click.IntRange(min=0), help="Read and written, in UTC.")
@click.option("--result-kib", type=click.IntRange(min=1), help="The largest result, in KiB.")
@click.option(
    "--command", "command_line", help="For the executor `command`; no shell. '' for none."
)
@click.option("--command-takes", help="Media types of payloads, separated by commas; '*' for all.")
@click.option("--command-gives", help="The media type of its results.")
@click.option("--command-environment", help="Variables to pass on, separated by commas.")
@click.option("--command-cpu", "command_cpu", type=DURATION, help="CPU time of each process.")
@click.option("--command-memory-mib", type=click.IntRange(min=1), help="Of all its processes.")
@click.option("--command-disk-mib", type=click.IntRange(min=1), help="In its directory.")
@click.option("--command-processes", type=click.IntRange(min=1), help="At a time.")
def set_policy(
    kinds: str | None,
    minimum_price: int | None,
    tasks_per_day: int | None,
    parallel_tasks: int | None,
    task_time: int | None,
    allow_requesters: str | None,
    block_requesters: str | None,
    approval: str | None,
    approve_up_to: int | None,
    approve_media_types: str | None,
    model: str | None,
    output_tokens: int | None,
    tokens_per_task: int | None,
    tokens_per_day: int | None,
    result_kib: int | None,
    command_line: str | None,
    command_takes: str | None,
    command_gives: str | None,
    command_environment: str | None,
    command_cpu: int | None,
    command_memory_mib: int | None,
    command_disk_mib: int | None,
    command_processes: int | None,
    *,
    opted_in: bool | None,
    risk_sandbox: bool | None,
    keep_offers: bool | None,
    repeat_interrupted: bool | None,
) -> None:
    """Change what is named; the rest stays as it is."""
    from synaptic_crdt.node.policies import change_policy

    changes: Json = {
        "opted_in": opted_in,
        "kinds": _split(kinds),
        "minimum_price": minimum_price,
        "tasks_per_day": tasks_per_day,
        "parallel_tasks": parallel_tasks,
        "seconds_per_task": task_time,
        "requesters_allowed": _split(allow_requesters),
        "requesters_blocked": _split(block_requesters),
        "approval": approval,
        "risk_sandbox": risk_sandbox,
        "keep_offers": keep_offers,
        "repeat_interrupted": repeat_interrupted,
        "approve_up_to": approve_up_to,
        "approve_media_types": _split(approve_media_types),
        "model": model,
        "output_tokens": output_tokens,
        "tokens_per_task": tokens_per_task,
        "tokens_per_day": tokens_per_day,
        "result_kib": result_kib,
        "command": _split_line(command_line),
        "command_takes": _split(command_takes),
        "command_gives": command_gives,
        "command_environment": _split(command_environment),
        "command_cpu_seconds": command_cpu,
        "command_memory_mib": command_memory_mib,
        "command_disk_mib": command_disk_mib,
        "command_processes": command_processes,
    }
    given = {key: value for key, value in changes.items() if value is not None}
    if not given:
        raise click.UsageError("name what to change; `policy show` prints what is in force")
    show(change_policy(open_home(), given), _render_policy)
    print_next("provide --executor rehearsal", "consent on")


@policy.command("pause", examples=("policy pause", "policy pause --now"))
@click.option("--now", is_flag=True, help="End what runs, too: it is failed.")
def pause_work(*, now: bool) -> None:
    """Begin nothing new on this machine, and take its offers out of the book.

    It acts at once, on every worker of this home. Begun work is finished, unless --now; accepted
    work waits, and its deadlines go on.
    """
    _switch("stop" if now else "pause")
    print_next("policy resume", "status")


@policy.command("resume", examples=("policy resume",))
def resume_work() -> None:
    """Go on after `policy pause`."""
    _switch("on")
    print_next("status")


def _switch(position: str) -> None:
    from synaptic_crdt.node.policies import change_policy

    answer = change_policy(open_home(), {"switch": position})
    show(answer, lambda told: print_fields(("switch", told["switch"])))


def _split(text: str | None) -> list[str] | None:
    if text is None:
        return None
    return sorted({item.strip() for item in text.split(",")} - {""})


def _split_line(text: str | None) -> list[str] | None:
    """Take a line apart as a shell would; none ever sees it."""
    if text is None:
        return None
    try:
        return shlex.split(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r:.80}: {error}", param_hint="--command") from error


def _render_policy(answer: Json) -> None:
    # The program as it would be typed; everything else as a list.
    line = shlex.join(answer["command"]) or "none"
    print_fields(
        *((key, line if key == "command" else _format(value)) for key, value in answer.items())
    )


def _format(value: bool | int | str | Sequence[str]) -> Cell:  # noqa: FBT001 - any value
    match value:
        case bool():
            return "yes" if value else "no"
        case int() | str():
            return value
        case _:
            return ", ".join(value) or "none"
