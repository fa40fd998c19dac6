"""Replaying a market from its bytes, trusting nobody."""

from pathlib import Path

import click

from synaptic_crdt.cli.asking import read
from synaptic_crdt.cli.command import GroupWithDefault, Member
from synaptic_crdt.cli.document import render_rest
from synaptic_crdt.cli.output import Json, print_fields, print_line, print_note, show
from synaptic_crdt.cli.progress import show_progress
from synaptic_crdt.errors import UsageError


@click.group(
    cls=GroupWithDefault,
    default="replay",
    members={
        "prove": Member(
            "synaptic_crdt.cli.proofs",
            "prove",
            "Prove one fact to somebody who knows a root of the market.",
        ),
        "check": Member(
            "synaptic_crdt.cli.proofs", "check", "Check a proof against a root you trust."
        ),
    },
    examples=(
        "audit market.bundle",
        "audit --at 12",
        "audit prove balance paul --output paul.proof",
        "audit check paul.proof --root 3f9a... --market 77b0...",
    ),
)
def audit() -> None:
    """Replay a market; prove what it says.

    What is not prove or check is a line of replay: `audit market.bundle` replays a bundle.
    """


@audit.command(
    examples=(
        "audit replay market.bundle",
        "audit replay market.automerge --root 3f9a...",
        "audit replay market.automerge --heads heads.txt",
        "audit replay --at 12 --archive 2026.bundle",
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
@click.option(
    "--at",
    default=None,
    metavar="CHECKPOINT",
    help="Replay up to this checkpoint: its number, its id, or the id's beginning.",
)
@click.option(
    "--thorough",
    is_flag=True,
    help="Verify what the home keeps of every epoch, too. A file keeps no such thing.",
)
@click.option(
    "--archive",
    "archives",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path, resolve_path=True),
    help="A file with what this home archived; once for each. Not for a file.",
)
def replay(
    file: Path | None,
    root: str | None,
    heads: str | None,
    at: str | None,
    archives: tuple[Path, ...],
    *,
    thorough: bool,
) -> None:
    """Replay a file, or this home, and print the root it leads to.

    A file is a bundle or an Automerge document, and needs no home. Every hash, signature and
    verdict is computed anew. Ends with exit code 4, and the first thing that is not as it should
    be, when something differs.
    """
    if heads is not None and at is not None:
        raise UsageError("--heads and --at both name a version; give one of them")
    if file is not None and archives:
        raise UsageError("--archive completes the audit of a home; leave it out with a file")
    named = None if heads is None else _read_heads(heads)
    if file is None:
        paths = [str(each) for each in archives]
        answer = read("audit", root=root, heads=named, at=at, thorough=thorough, archives=paths)
    else:
        from synaptic_crdt.node.files import audit_file

        with show_progress("replaying", file.stat().st_size) as tell:
            answer = audit_file(file, root, named, at, tell)
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
    if answer["missing"] is not None:
        print_note(answer["missing"])
    render_rest(answer)
