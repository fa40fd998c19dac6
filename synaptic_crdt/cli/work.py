"""The provider's side of a task, by hand; `provide` does the same by itself."""

from pathlib import Path

import click

from synaptic_crdt.cli.arguments import allow_secret_option
from synaptic_crdt.cli.asking import append
from synaptic_crdt.cli.command import Command
from synaptic_crdt.cli.output import Json, print_line, print_next, shorten, show
from synaptic_crdt.cli.payloads import read_payload_file
from synaptic_crdt.cli.standing import print_standing


@click.command(cls=Command, examples=("task accept 3f9a", "task accept 3f9a --ask 40"))
@click.argument("task_id", metavar="TASK")
@click.option("--ask", type=int, help="For one unit; else the task's price.")
@click.option("--capability", "capabilities", multiple=True, help="What you are able to do.")
@click.option("--dry-run", is_flag=True, help="Say what it would lock; write nothing.")
@click.option("--allow-pending", is_flag=True, help="Also bond what is not final yet.")
def accept(
    task_id: str,
    ask: int | None,
    capabilities: tuple[str, ...],
    *,
    dry_run: bool,
    allow_pending: bool,
) -> None:
    """Take a seat of a task. The first valid acceptance, by its time, wins.

    Works offline: whether it was the first is known when others have synced.
    """
    answer = append(
        "task.accept",
        task=task_id,
        ask=ask,
        capabilities=list(capabilities),
        dry_run=dry_run,
        allow_pending=allow_pending,
    )
    show(answer, _render_accepted)
    if not dry_run:
        print_next("sync", f"task show {shorten(answer['task'])}")


@click.command(cls=Command, examples=("task decline 3f9a --reason too-busy",))
@click.argument("assignment", metavar="TASK|ASSIGNMENT")
@click.option("--reason", default="other", show_default=True, help="One word, public.")
def decline(assignment: str, reason: str) -> None:
    """Give an assignment back before the work began.

    The seat opens again for others.
    """
    answer = append("task.decline", assignment=assignment, reason=reason)
    show(answer, lambda told: _render_done(told, "declined"))
    print_next("task list --status open")


@click.command(cls=Command, examples=("task start 3f9a",))
@click.argument("assignment", metavar="TASK|ASSIGNMENT")
def start(assignment: str) -> None:
    """Say that the payload is in hand and readable, and begin."""
    answer = append("task.start", assignment=assignment)
    show(answer, lambda told: _render_done(told, "started"))
    print_next(f"task deliver {assignment} --text RESULT", f"task fail {assignment}")


@click.command(
    cls=Command,
    examples=("task deliver 3f9a --text 'A CRDT is ...'", "task deliver 3f9a --file answer.txt"),
)
@click.argument("assignment", metavar="TASK|ASSIGNMENT")
@click.option("--text", default=None, help="The result.")
@click.option(
    "--file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The result, from a file.",
)
@allow_secret_option
def deliver(assignment: str, text: str | None, file: Path | None) -> None:
    """Hand over a result. It is paid when approved, or when the review ends in silence."""
    if (text is None) == (file is None):
        raise click.UsageError("give the result once: --text TEXT or --file FILE")
    payload = {"text": text} if file is None else read_payload_file(file)
    answer = append(
        "task.deliver",
        assignment=assignment,
        text=payload.get("text"),
        data=payload.get("base64"),
        media_type=payload.get("media_type", "text/plain"),
    )
    show(answer, _render_delivered)
    carrying = ("blob write FOLDER",) if answer["blob"] else ()
    print_next("sync", *carrying, f"task show {assignment}")


@click.command(cls=Command, examples=("task fail 3f9a --reason model-unavailable",))
@click.argument("assignment", metavar="TASK|ASSIGNMENT")
@click.option("--reason", default="other", show_default=True, help="One word, public.")
def fail(assignment: str, reason: str) -> None:
    """Admit that begun work will not be delivered.

    Half of the bond is what that costs.
    """
    answer = append("task.fail", assignment=assignment, reason=reason)
    show(answer, lambda told: _render_done(told, "failed"))
    print_next("wallet")


def _render_accepted(answer: Json) -> None:
    price = f"{answer['ask']:,} a unit, bond {answer['bond']:,}"
    if answer.get("dry_run"):
        print_line(f"would accept task {shorten(answer['task'])} at {price}; nothing was written")
        return
    print_line(f"accepted task {shorten(answer['task'])} at {price}")
    print_line(f"assignment {answer['assignment']}")
    print_standing(answer)


def _render_delivered(answer: Json) -> None:
    print_line(f"delivered {answer['size']:,} bytes, entry {shorten(answer['delivery'])}")
    if answer["blob"]:
        print_line(f"too large for an entry: it travels on its own, as blob {answer['blob']}")
    print_standing(answer)


def _render_done(answer: Json, what: str) -> None:
    print_line(f"{what}, entry {shorten(answer['entry'])}")
    print_standing(answer)
