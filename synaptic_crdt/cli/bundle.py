"""Carrying a market in a file."""

from pathlib import Path

import click

from synaptic_crdt.cli.asking import append, read
from synaptic_crdt.cli.command import Group
from synaptic_crdt.cli.output import Json, print_fields, print_line, print_next, show

_WRITTEN = click.Path(dir_okay=False, path_type=Path, resolve_path=True)
_READ = click.Path(exists=True, dir_okay=False, path_type=Path, resolve_path=True)


@click.group(
    cls=Group,
    examples=(
        "bundle write market.bundle",
        "bundle read market.bundle",
        "bundle show market.bundle",
    ),
)
def bundle() -> None:
    """Carry a market in a file.

    On a stick, by mail, through a shared folder. A bundle is signed but not secret: whoever has it can read it.
    """


@bundle.command("write", examples=("bundle write market.bundle",))
@click.argument("file", type=_WRITTEN)
def write(file: Path) -> None:
    """Write everything this home holds to a file."""
    answer = read("bundle.write", path=str(file))
    show(answer, lambda told: _render(f"wrote {file}", told))
    print_next(f"bundle show {file}", f"audit {file}")


@bundle.command("read", examples=("bundle read market.bundle",))
@click.argument("file", type=_READ)
def read_file(file: Path) -> None:
    """Merge a bundle into this home: all of it verifies, or nothing is admitted."""
    answer = append("bundle.read", path=str(file))
    show(answer, lambda told: _render(f"read {file}", told))
    print_next("state", "log")


@bundle.command("show", examples=("bundle show market.bundle",))
@click.argument("file", type=_READ)
def show_file(file: Path) -> None:
    """Verify a bundle and say what it holds; needs no home, changes nothing."""
    from synaptic_crdt.node.bundles import show_bundle

    show(show_bundle(file), lambda told: _render(f"{file} verifies", told))


def _render(what: str, answer: Json) -> None:
    print_line(what)
    print_fields(*((key, value) for key, value in answer.items() if isinstance(value, str | int)))
