"""Disputes: opened by a party of the work, argued by both, ruled by arbiters."""

import click

from synaptic_crdt.cli.arguments import PERCENT, allow_secret_option
from synaptic_crdt.cli.asking import append
from synaptic_crdt.cli.command import Group
from synaptic_crdt.cli.output import Json, print_line, print_next, shorten, show
from synaptic_crdt.cli.standing import print_standing


@click.group(
    cls=Group,
    examples=(
        "dispute open 3f9a --reason garbage --statement 'It is noise.'",
        "dispute rule 3f9a 60",
        "dispute withdraw 3f9a",
    ),
)
def dispute() -> None:
    """Let arbiters decide on delivered work.

    A requester disputes what was delivered and locks a deposit; a provider disputes what is held,
    at the risk of as much of what it earns. When no arbiter rules in time, published defaults do.
    """


@dispute.command("open", examples=("dispute open 3f9a --reason garbage",))
@click.argument("assignment", metavar="TASK|ASSIGNMENT")
@click.option("--reason", required=True, help="One word, public.")
@click.option("--statement", default="", help="What happened, in up to 1,000 bytes; public.")
@click.option(
    "--evidence", multiple=True, metavar="HASH", help="Of a file that proves it; up to 8."
)
@click.option("--dry-run", is_flag=True, help="Say what it would lock; write nothing.")
@click.option("--allow-pending", is_flag=True, help="Also lock what is not final yet.")
@allow_secret_option
def open_dispute(
    assignment: str,
    reason: str,
    statement: str,
    evidence: tuple[str, ...],
    *,
    dry_run: bool,
    allow_pending: bool,
) -> None:
    """Open a dispute about delivered work."""
    answer = append(
        "dispute.open",
        assignment=assignment,
        reason=reason,
        statement=statement,
        evidence=list(evidence),
        dry_run=dry_run,
        allow_pending=allow_pending,
    )
    show(answer, _render_opened)
    if not dry_run:
        print_next("sync", f"dispute evidence {assignment} HASH", f"task show {assignment}")


@dispute.command("evidence", examples=("dispute evidence 3f9a 9a3f...",))
@click.argument("assignment", metavar="TASK|ASSIGNMENT")
@click.argument("evidence", metavar="HASH...", nargs=-1, required=True)
def add_evidence(assignment: str, evidence: tuple[str, ...]) -> None:
    """Add hashes of what speaks for your side; 8 in all."""
    answer = append("dispute.evidence", assignment=assignment, evidence=list(evidence))
    show(answer, lambda told: _render_done(told, "added"))


@dispute.command("rule", examples=("dispute rule 3f9a 60",))
@click.argument("assignment", metavar="TASK|ASSIGNMENT")
@click.argument("share", metavar="PERCENT", type=PERCENT)
def rule(assignment: str, share: int) -> None:
    """As an arbiter, say which share of the pay was earned.

    Quality is in the share, penalties for time come off. The lower median of the quorum counts.
    """
    answer = append("dispute.rule", assignment=assignment, share_ppm=share)
    show(answer, lambda told: _render_done(told, "ruled"))
    print_next(f"task show {assignment}")


@dispute.command("withdraw", examples=("dispute withdraw 3f9a",))
@click.argument("assignment", metavar="TASK|ASSIGNMENT")
def withdraw(assignment: str) -> None:
    """Give in, as who opened it: a requester pays, a provider takes what was proposed."""
    answer = append("dispute.withdraw", assignment=assignment)
    show(answer, lambda told: _render_done(told, "withdrawn"))
    print_next("wallet", f"task show {assignment}")


def _render_opened(answer: Json) -> None:
    if answer.get("dry_run"):
        print_line(f"would lock {answer['locked']:,}; nothing was written")
        return
    at_stake = "locked" if answer["locked"] else "of the proceeds at stake"
    print_line(f"disputed, entry {shorten(answer['entry'])}: {answer['deposit']:,} {at_stake}")
    print_standing(answer)


def _render_done(answer: Json, what: str) -> None:
    print_line(f"{what}, entry {shorten(answer['entry'])}")
    print_standing(answer)
