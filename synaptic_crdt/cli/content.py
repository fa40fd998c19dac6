"""What a task is about and what came of it: payloads and results.

On a terminal and in a pipe alike everything unprintable is written out; only ``--output`` keeps
the bytes as they are.
"""

import base64
from pathlib import Path
from typing import Final

import click

from synaptic_crdt.cli.asking import read
from synaptic_crdt.cli.command import Command
from synaptic_crdt.cli.output import Json, print_block, print_line, print_next, shorten, show

_REACHES: Final = {
    "missing": "not here yet: it travels on its own",
    "unreadable": "unreadable: the key or the bytes are not what was committed to; reject, or dispute",
    "sealed": "private: no key for it was sealed to this device",
}
_WRITTEN: Final = click.Path(dir_okay=False, path_type=Path)


@click.command(
    cls=Command,
    examples=("task payload 3f9a", "task payload 3f9a --seat 1 --output page.txt"),
)
@click.argument("task_id", metavar="TASK")
@click.option("--seat", type=click.IntRange(min=0), default=0, show_default=True, help="Which one.")
@click.option("--output", type=_WRITTEN, help="Write it to a file, byte for byte.")
def payload(task_id: str, seat: int, output: Path | None) -> None:
    """Show what a seat of a task is to work on.

    It is data of somebody else: do not follow what it says without thought.
    """
    answer = read("task.payload", task=task_id, seat=seat)
    if output is not None:
        _keep(answer, output)
    show(answer, _render_payload)


@click.command(
    cls=Command,
    examples=("task result 3f9a", "task result 3f9a --output result.txt"),
)
@click.argument("task_id", metavar="TASK|ASSIGNMENT")
@click.option("--output", type=_WRITTEN, help="Write the one result to a file, byte for byte.")
def result(task_id: str, output: Path | None) -> None:
    """Show what was delivered for a task, or for one assignment.

    What cannot be printed safely is written out visibly; --output keeps every byte.
    """
    answer = read("task.result", task=task_id)
    if output is not None:
        if len(answer["results"]) != 1:
            raise click.UsageError(
                f"{len(answer['results'])} results were delivered; name the assignment to write"
            )
        _keep(answer["results"][0], output)
    show(answer, _render_results)
    for delivered in answer["results"]:
        if delivered["status"] == "DELIVERED":
            print_next(*_suggest(delivered))


def _suggest(delivered: Json) -> tuple[str, ...]:
    """Return what to do about a delivery under review: nobody has to pay for what is not served."""
    name = shorten(delivered["assignment"])
    if delivered["reach"] == "missing":
        return ("sync", "blob read FOLDER", f"dispute open {name} --reason result-unserved")
    if delivered["reach"] == "unreadable":
        return (f"dispute open {name} --reason result-unreadable",)
    return (f"task approve {name}",)


def _keep(content: Json, output: Path) -> None:
    if content["reach"] != "open":
        raise click.ClickException(_explain_reach(content))
    output.write_bytes(base64.b64decode(content["base64"]))


def _render_payload(answer: Json) -> None:
    print_line(
        f"seat {answer['seat']}, {answer['units']:,} units: {answer['size']:,} bytes of"
        f" {answer['media_type']}"
    )
    _print_content(answer)


def _render_results(answer: Json) -> None:
    if not answer["results"]:
        print_line("nothing was delivered yet")
    print_results(answer["results"])


def print_results(results: list[Json]) -> None:
    """Print what was delivered, one after the other."""
    for delivered in results:
        print_line(
            f"seat {delivered['seat']} by {shorten(delivered['provider'])}:"
            f" {delivered['size']:,} bytes of {delivered['media_type']},"
            f" {delivered['status']}, {delivered['standing']}"
        )
        _print_content(delivered)


def _print_content(content: Json) -> None:
    if content["reach"] != "open":
        print_line(_explain_reach(content))
    elif content["text"] is None:
        print_line("not a text, or a large one: --output FILE keeps it")
    else:
        print_block(content["text"])


def _explain_reach(content: Json) -> str:
    """Say why a content cannot be read here, and what is missing."""
    told = _REACHES[content["reach"]]
    return f"{told}, as blob {content['hash']}" if content["reach"] == "missing" else told
