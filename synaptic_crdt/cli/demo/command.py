"""`demo`: the main job in one command."""

import shlex
import tempfile
from contextlib import ExitStack
from pathlib import Path

import click

from synaptic_crdt.cli.command import Command
from synaptic_crdt.cli.output import print_next, show


@click.command(cls=Command, examples=("demo", "demo --keep ./market", "demo --json"))
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    help="Leave the homes and bundles in this folder; it must be new or empty.",
)
def demo(keep: Path | None) -> None:
    """Play a whole market on this machine.

    A requester, two providers (one offline while he accepts) and an auditor: four homes, every
    step a process of its own, real sync, and checks of everything that has to be so. Ends with
    exit code 4 when a check does not hold.
    """
    from synaptic_crdt.cli.demo.finale import judge, render
    from synaptic_crdt.cli.demo.stage import Stage
    from synaptic_crdt.cli.demo.story import play

    stage = Stage()
    with ExitStack() as stack:
        folder = _make_folder(keep, stack)
        cast, ending = play(stage, folder)
        show(judge(stage, cast, ending), render)
    if keep is not None:
        print_next(
            f"--home {shlex.quote(str(cast.rita.home))} log",
            f"audit {shlex.quote(str(ending.bundle))}",
        )


def _make_folder(keep: Path | None, stack: ExitStack) -> Path:
    if keep is None:
        return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="synaptic-crdt-")))
    keep.mkdir(parents=True, exist_ok=True)
    if any(keep.iterdir()):
        raise click.UsageError(f"{keep} is not empty")
    return keep.absolute()
