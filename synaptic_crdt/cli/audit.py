"""Replaying a market from its bytes, trusting nobody."""

from pathlib import Path

import click

from synaptic_crdt.cli.asking import read
from synaptic_crdt.cli.command import Command
from synaptic_crdt.cli.output import Json, print_fields, print_line, show


@click.command(
    cls=Command,
    examples=("audit market.bundle", "audit market.bundle --root 3f9a...", "audit"),
)
@click.argument(
    "bundle", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--root", default=None, help="The state root that somebody claims, in full.")
def audit(bundle: Path | None, root: str | None) -> None:
    """Replay a bundle, or this home, and print the root it leads to.

    Every hash, signature and verdict is computed anew. Ends with exit code 4, and the first thing
    that is not as it should be, when something differs. A bundle needs no home.
    """
    if bundle is None:
        answer = read("audit", root=root)
    else:
        from synaptic_crdt.node.bundles import audit_bundle

        answer = audit_bundle(bundle, root)
    show(answer, _render_audit)


def _render_audit(answer: Json) -> None:
    print_line("verified: every hash, signature and verdict was computed anew")
    print_fields(
        ("market", answer["market"]),
        ("root", answer["root"]),
        ("heads", answer["heads"]),
        ("entries", f"{answer['entries']:,}, {answer['pending']:,} of them pending"),
        ("checkpoints", answer["checkpoints"]),
    )
