"""Replaying a market from its bytes, trusting nobody."""

from pathlib import Path

import click

from synaptic_crdt.cli.asking import read
from synaptic_crdt.cli.command import Command
from synaptic_crdt.cli.document import render_rest
from synaptic_crdt.cli.output import Json, print_fields, print_line, show
from synaptic_crdt.errors import UsageError


@click.command(
    cls=Command,
    examples=(
        "audit market.bundle",
        "audit market.automerge --root 3f9a...",
        "audit market.automerge --heads heads.txt",
        "audit",
    ),
)
@click.argument(
    "file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--root", default=None, help="The state root that somebody claims, in full.")
@click.option(
    "--heads",
    default=None,
    metavar="FILE|HEADS",
    help="Replay the version these heads name: a file, one a line; or hashes with commas.",
)
def audit(file: Path | None, root: str | None, heads: str | None) -> None:
    """Replay a file, or this home, and print the root it leads to.

    A file is a bundle or an Automerge document, and needs no home. Every hash, signature and
    verdict is computed anew. Ends with exit code 4, and the first thing that is not as it should
    be, when something differs.
    """
    named = None if heads is None else _read_heads(heads)
    if file is None:
        answer = read("audit", root=root, heads=named)
    else:
        from synaptic_crdt.node.files import audit_file

        answer = audit_file(file, root, named)
    show(answer, _render_audit)


def _read_heads(named: str) -> list[str]:
    file = Path(named)
    try:
        text = file.read_text(encoding="utf-8") if file.is_file() else named
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: {error}; name a file of heads, one a line") from error
    return text.replace(",", " ").split()


def _render_audit(answer: Json) -> None:
    print_line("verified: every hash, signature and verdict was computed anew")
    print_fields(
        ("market", answer["market"]),
        ("root", answer["root"]),
        ("heads", answer["heads"]),
        ("entries", f"{answer['entries']:,}, {answer['pending']:,} of them pending"),
        ("checkpoints", answer["checkpoints"]),
    )
    render_rest(answer)
