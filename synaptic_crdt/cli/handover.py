"""Replacing a lost or stolen sequencer, and the witnesses."""

import sys

import click

from synaptic_crdt.cli.asking import append, read
from synaptic_crdt.cli.command import Command, Group
from synaptic_crdt.cli.output import (
    Json,
    print_fields,
    print_line,
    print_next,
    print_table,
    shorten,
    show,
)

_SEQUENCER = click.option(
    "--sequencer", metavar="DEVICE", required=True, help="The device that makes checkpoints then."
)
_WITNESSES = click.option(
    "--witness",
    "witnesses",
    metavar="DEVICE",
    multiple=True,
    help="A device that cosigns then; give all of them, or none to keep those there are.",
)


@click.group(
    cls=Group,
    invoke_without_command=True,
    examples=(
        "handover --recovery-key - --sequencer 3f9a... < recovery.key",
        "handover propose --sequencer 3f9a...",
        "handover sign",
        "handover show",
    ),
)
@click.option(
    "--recovery-key", metavar="KEY", help="What `init` printed; `-` reads it from standard input."
)
@click.option(
    "--sequencer", metavar="DEVICE", help="The device that makes checkpoints from now on."
)
@_WITNESSES
@click.option(
    "--from",
    "origin",
    metavar="CHECKPOINT",
    help="The checkpoint to go on from; else the newest that may count anywhere.",
)
@click.pass_context
def handover(
    context: click.Context,
    recovery_key: str | None,
    sequencer: str | None,
    witnesses: tuple[str, ...],
    origin: str | None,
) -> None:
    """Replace a lost or stolen sequencer, and the witnesses.

    With the recovery key one command does it, whatever became of the others. Sync first: what
    counted after the checkpoint that the market goes on from, and is not known here, is undone.
    Without the key a majority of the witnesses can: one proposes, the others sign.
    """
    if context.invoked_subcommand is not None:
        return
    if recovery_key is None or sequencer is None:
        raise click.UsageError(
            "give --recovery-key and --sequencer, or propose a handover as a witness with `handover"
            " propose`"
        )
    answer = append(
        "handover",
        recovery_key=sys.stdin.read() if recovery_key == "-" else recovery_key,
        sequencer=sequencer,
        witnesses=list(witnesses),
        origin=origin,
    )
    show(answer, _render)
    print_next("sync", "doctor")


@handover.command("propose", cls=Command, examples=("handover propose --sequencer 3f9a...",))
@_SEQUENCER
@_WITNESSES
def propose(sequencer: str, witnesses: tuple[str, ...]) -> None:
    """Propose a handover as a witness, and give your word for it.

    A witness gives its word once for each view, and cosigns nothing of an older one after that.
    """
    answer = append("handover.propose", sequencer=sequencer, witnesses=list(witnesses))
    show(answer, _render)
    print_next("sync", f"handover sign {shorten(answer['proposal'])}  (each other witness)")


@handover.command("sign", cls=Command, examples=("handover sign", "handover sign 3f9a"))
@click.argument("proposal", required=False)
def sign(proposal: str | None) -> None:
    """Give your word, as a witness, for what another one proposed."""
    show(append("handover.sign", proposal=proposal), _render)
    print_next("sync", "state")


@handover.command("show", cls=Command, examples=("handover show",))
def show_proposals() -> None:
    """Show who sequences and witnesses now, and what is proposed."""
    show(read("handover.show"), _render_proposals)


def _render(answer: Json) -> None:
    print_line(
        f"view {answer['view']} is begun: it goes on from checkpoint {answer['from_index']}"
        if answer["begun"]
        else f"signed; {len(answer['signed'])} gave their word for view {answer['view']} so far"
    )
    _render_terms(answer)


def _render_terms(answer: Json) -> None:
    print_fields(
        ("sequencer", answer["sequencer"]),
        *(("witness", witness) for witness in answer["witnesses"]),
    )


def _render_proposals(answer: Json) -> None:
    print_line(f"view {answer['view']}")
    _render_terms(answer)
    if answer["proposals"]:
        print_table(
            ("proposal", "view", "from", "sequencer", "signed", "needed"),
            [
                (
                    shorten(row["proposal"]),
                    row["view"],
                    row["from_index"],
                    shorten(row["sequencer"]),
                    len(row["signed"]),
                    row["needed"],
                )
                for row in answer["proposals"]
            ],
        )
