"""What was delivered: approved or rejected, with scores; settled by agreement; given more time."""

import click

from synaptic_crdt.cli.arguments import DURATION, FIGURE, PERCENT
from synaptic_crdt.cli.asking import append
from synaptic_crdt.cli.command import Command
from synaptic_crdt.cli.output import Json, print_line, print_next, shorten, show
from synaptic_crdt.cli.standing import print_standing


@click.command(
    cls=Command,
    examples=(
        "task approve 3f9a",
        "task approve 3f9a --score accuracy=97 --score style=80",
        "task approve 3f9a --reject",
    ),
)
@click.argument("assignment", metavar="TASK|ASSIGNMENT")
@click.option("--reject", is_flag=True, help="Reject it instead.")
@click.option(
    "--score",
    "scores",
    type=FIGURE,
    multiple=True,
    metavar="METRIC=PERCENT",
    help="Of a metric that the task asks for; one that is left out counts as missed.",
)
def approve(assignment: str, scores: tuple[tuple[str, int], ...], *, reject: bool) -> None:
    """Approve what was delivered, or reject it; with scores.

    Once released, the provider is paid and the rest of the lock returns.

    Scores below what the task asks for are held first, and so is a rejection: the provider may
    agree, by approving it too, or dispute it; with neither, it comes true.
    """
    answer = append("task.approve", assignment=assignment, reject=reject, scores_ppm=dict(scores))
    show(answer, lambda told: _render_done(told, "rejected" if reject else "approved"))
    print_next("wallet", f"task show {assignment}")


@click.command(cls=Command, examples=("task progress 3f9a 40",))
@click.argument("assignment", metavar="TASK|ASSIGNMENT")
@click.argument("done", metavar="PERCENT", type=PERCENT)
def progress(assignment: str, done: int) -> None:
    """Say how far begun work is. Nothing follows from it."""
    answer = append("task.progress", assignment=assignment, done_ppm=done)
    show(answer, lambda told: _render_done(told, "noted"))


@click.command(cls=Command, examples=("task extend 3f9a 2h",))
@click.argument("assignment", metavar="TASK|ASSIGNMENT")
@click.argument("extension", type=DURATION)
def extend(assignment: str, extension: int) -> None:
    """Give a provider more time."""
    answer = append("assignment.extend", assignment=assignment, extension_seconds=extension)
    show(answer, lambda told: _render_done(told, "extended"))


@click.command(cls=Command, examples=("task settle 3f9a 60",))
@click.argument("assignment", metavar="TASK|ASSIGNMENT")
@click.argument("share", metavar="PERCENT", type=PERCENT)
def settle(assignment: str, share: int) -> None:
    """Name the share of the pay that would do.

    Settled once both parties name the same. Penalties are not taken off: name a share with them in mind.
    """
    answer = append("assignment.settle", assignment=assignment, share_ppm=share)
    show(answer, lambda told: _render_done(told, "settled" if told["settled"] else "named"))
    print_next(f"task show {assignment}")


@click.command(cls=Command, examples=("task improve 3f9a --price 60", "task improve 3f9a --bond 0"))
@click.argument("task_id", metavar="TASK")
@click.option("--price", type=int, help="For one unit.")
@click.option("--premium-up-to", "--price-max", "price_max", type=int, help="To the best.")
@click.option("--newcomers-from", "price_low", type=int, help="To anybody.")
@click.option("--bond", type=int, help="Of those who accept from now on.")
@click.option("--window", type=DURATION, help="How long it can be accepted.")
@click.option("--reputation-min", type=int, help="The least score of a provider.")
@click.option("--response", type=DURATION, help="From winning to starting.")
@click.option("--execution", type=DURATION, help="From start to delivery.")
@click.option("--penalty", type=int, help="Of one violation.")
@click.option("--dry-run", is_flag=True, help="Say what it would lock; write nothing.")
@click.option("--allow-pending", is_flag=True, help="Also lock what is not final yet.")
def improve(
    task_id: str,
    price: int | None,
    price_max: int | None,
    price_low: int | None,
    bond: int | None,
    window: int | None,
    reputation_min: int | None,
    response: int | None,
    execution: int | None,
    penalty: int | None,
    *,
    dry_run: bool,
    allow_pending: bool,
) -> None:
    """Better a task for its providers.

    Never the other way round. A higher price locks what it may cost for every seat that has not ended.
    """
    answer = append(
        "task.improve",
        task=task_id,
        price=price,
        price_max=price_max,
        price_low=price_low,
        bond=bond,
        window_seconds=window,
        reputation_min=reputation_min,
        response_seconds=response,
        execution_seconds=execution,
        penalty=penalty,
        dry_run=dry_run,
        allow_pending=allow_pending,
    )
    show(answer, _render_improved)


def _render_improved(answer: Json) -> None:
    if answer.get("dry_run"):
        print_line(f"would lock {answer['locked']:,} more; nothing was written")
        return
    print_line(f"bettered task {shorten(answer['task'])}: {answer['locked']:,} more locked")
    print_standing(answer)


def _render_done(answer: Json, what: str) -> None:
    print_line(f"{what}, entry {shorten(answer['entry'])}")
    print_standing(answer)
