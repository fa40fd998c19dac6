"""The market as an Automerge document: for other programs, and from them."""

from pathlib import Path

import click

from synaptic_crdt.cli.asking import append, read
from synaptic_crdt.cli.command import Command
from synaptic_crdt.cli.output import (
    Json,
    print_fields,
    print_line,
    print_next,
    print_note,
    shorten,
    show,
)
from synaptic_crdt.errors import StoreFailed


@click.command(
    cls=Command, examples=("export market.automerge", "export market.automerge --heads heads.txt")
)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path, resolve_path=True))
@click.option(
    "--heads",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write the heads to a file, one a line: they name exactly this version.",
)
def export(file: Path, heads: Path | None) -> None:
    """Write the market as an Automerge document.

    Any program that knows Automerge can open it. It is signed but not secret: whoever has it can
    read it.
    """
    answer = read("document.write", path=str(file))
    if heads is not None:
        _write_heads(heads, answer["list"])
    show(answer, _render_written)
    print_next(f"audit {file}")


@click.command(cls=Command, name="import", examples=("import market.automerge",))
@click.argument(
    "file", type=click.Path(exists=True, dir_okay=False, path_type=Path, resolve_path=True)
)
def import_file(file: Path) -> None:
    """Merge an Automerge document into this home.

    Whatever in it verifies is admitted, whoever else wrote into the file; the rest is named.
    """
    show(append("document.read", path=str(file)), _render_read)
    print_next("state", "log")


def _write_heads(file: Path, heads: list[str]) -> None:
    try:
        file.write_text("".join(f"{head}\n" for head in heads), encoding="ascii")
    except OSError as error:
        raise StoreFailed(f"{file}: {error.strerror}; the heads were not written") from error


def render_rest(answer: Json) -> None:
    """Say what of a file was left out, and why."""
    if held := answer.get("held"):
        print_note(f"{held:,} entries were left out: what they follow is not here yet")
    if unsealed := answer.get("unsealed"):
        print_note(f"{unsealed:,} entries were left out: the file has no seal for them")
    for device in answer.get("forks", ()):
        print_note(f"device {shorten(device)} was left out: it has signed two histories")
    for device in answer.get("refused", ()):
        print_note(f"device {shorten(device)} was left out: its entries do not verify")
    if refused := answer.get("statements_refused"):
        print_note(f"{refused:,} statements were left out: they do not verify")
    if strays := answer.get("strays"):
        print_note(f"{strays:,} changes were left out: they are nothing of this market's")


def _render_written(answer: Json) -> None:
    print_line(f"wrote {answer['path']}: {answer['entries']:,} entries, {answer['bytes']:,} bytes")
    print_fields(("heads", answer["heads"]))


def _render_read(answer: Json) -> None:
    print_line(
        f"read {answer['path']}: {answer['received']:,} new entries, {answer['known']:,} known"
    )
    render_rest(answer)
    print_fields(("root", answer["root"]))
