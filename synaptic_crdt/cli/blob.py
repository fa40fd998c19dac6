"""Carrying payloads and results that are too large for an entry."""

from pathlib import Path
from typing import Final

import click

from synaptic_crdt.cli.asking import append, read
from synaptic_crdt.cli.command import Group
from synaptic_crdt.cli.output import Json, print_line, print_next, print_table, shorten, show
from synaptic_crdt.cli.serving import serve

_FOLDER: Final = click.Path(file_okay=False, path_type=Path, resolve_path=True)
_SOURCE: Final = click.Path(exists=True, path_type=Path, resolve_path=True)


@click.group(cls=Group, examples=("blob list", "blob get 3f9a51c2", "blob write stick"))
def blob() -> None:
    """Carry payloads and results that are too large for an entry.

    Links carry what your tasks and your work need by themselves, bundles do not. What is private
    of them is encrypted.
    """


@blob.command("list", examples=("blob list",))
def list_blobs() -> None:
    """Show which there are, and which are here."""
    show(read("blob.list"), _render_list)


@blob.command("get", examples=("blob get 3f9a51c2", "blob get 3f9a51c2 tcp://127.0.0.1:7700"))
@click.argument("name", metavar="BLOB")
@click.argument("addresses", metavar="[ADDRESS]...", nargs=-1)
def get(name: str, addresses: tuple[str, ...]) -> None:
    """Get one from peers that have it.

    What your own tasks and your own work need comes by itself, with any sync. Without an address,
    those of the ticket and of earlier syncs are used.
    """
    serve("blob.get", _describe_event, _render_got, blob=name, addresses=list(addresses))
    print_next("blob list")


@blob.command("write", examples=("blob write stick",))
@click.argument("folder", type=_FOLDER)
def write(folder: Path) -> None:
    """Write those that are here into a folder, a file each."""
    answer = read("blob.write", path=str(folder))
    show(answer, lambda told: print_line(f"wrote {told['written']} blobs, {told['bytes']:,} bytes"))


@blob.command("read", examples=("blob read stick",))
@click.argument("source", metavar="FOLDER|FILE", type=_SOURCE)
def read_blobs(source: Path) -> None:
    """Take those that the market names from a folder or a file."""
    answer = append("blob.read", path=str(source))
    show(answer, _render_read)
    print_next("blob list")


def _describe_event(event: Json) -> str:
    return f"{event['address']}: {event['error']}" if event["event"] == "lost" else ""


def _render_got(report: Json) -> None:
    print_line(f"blob {shorten(report['blob'])} is here, {report['size']:,} bytes")


def _render_list(answer: Json) -> None:
    print_table(
        ("blob", "content", "task", "bytes", "here"),
        [
            (
                shorten(row["hash"]),
                row["content"],
                shorten(row["task"]),
                f"{row['size']:,}",
                "yes" if row["here"] else "no",
            )
            for row in answer["blobs"]
        ],
    )


def _render_read(answer: Json) -> None:
    print_line(
        f"received {answer['received']} blobs, {answer['known']} were here,"
        f" {answer['refused']} files are nothing that this market names"
    )
