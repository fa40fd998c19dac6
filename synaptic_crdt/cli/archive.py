"""Moving final history out of a home, and back."""

import shlex
from pathlib import Path
from typing import Final

import click

from synaptic_crdt.cli.asking import append, open_home
from synaptic_crdt.cli.command import Group
from synaptic_crdt.cli.output import Json, print_line, print_next, print_note, show

_WRITTEN: Final = click.Path(dir_okay=False, path_type=Path, resolve_path=True)
_READ: Final = click.Path(exists=True, dir_okay=False, path_type=Path, resolve_path=True)


@click.group(cls=Group, examples=("archive write 2026.bundle", "archive restore 2026.bundle"))
def archive() -> None:
    """Move final history to a file, and back.

    The home keeps its state, every hash and every verdict. Keep the file: an audit needs it.
    """


@archive.command("write", examples=("archive write 2026.bundle",))
@click.argument("file", type=_WRITTEN)
def write(file: Path) -> None:
    """Move the bodies of old final entries to a file.

    Whole windows of 1,024 entries are moved, once 64 checkpoints came after them.
    """
    show(append("archive.write", path=str(file)), _render_written)
    print_next(f"audit --archive {shlex.quote(str(file))}")


@archive.command("restore", examples=("archive restore 2026.bundle",))
@click.argument("file", type=_READ)
def restore(file: Path) -> None:
    """Read an archive back. Nothing else may have the home open."""
    from synaptic_crdt.node.archive import restore_archive

    show(restore_archive(open_home(), file), _render_restored)


def _render_written(answer: Json) -> None:
    print_line(
        f"moved {answer['entries']:,} entries to {answer['path']}, {answer['bytes']:,} bytes"
    )


def _render_restored(answer: Json) -> None:
    print_line(f"read {answer['entries']:,} entries back from {answer['path']}")
    if answer["archived"]:
        print_note(f"{answer['archived']:,} entries are in other archives")
