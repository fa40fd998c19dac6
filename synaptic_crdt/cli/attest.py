"""Vouching for others, as a verifier of the market."""

import click

from synaptic_crdt.cli.arguments import DURATION
from synaptic_crdt.cli.asking import append, read
from synaptic_crdt.cli.command import Group
from synaptic_crdt.cli.output import (
    Json,
    format_time,
    print_line,
    print_next,
    print_table,
    shorten,
    show,
)
from synaptic_crdt.cli.standing import print_standing


@click.group(
    cls=Group,
    examples=(
        "attest add paul --claim confidential --expires 90d",
        "attest list paul",
        "attest revoke 3f9a",
    ),
)
def attest() -> None:
    """Vouch for accounts, as a verifier; see who vouched for whom.

    Nothing is proven: it is the verifier's word, and counts while the market has it as one.
    """


@attest.command("add", examples=("attest add paul --claim confidential",))
@click.argument("account")
@click.option("--claim", required=True, help="What is true of the account, in a word.")
@click.option(
    "--expires", type=DURATION, default="90d", show_default=True, help="How long you vouch for it."
)
def add(account: str, claim: str, expires: int) -> None:
    """Say that a claim is true of an account; it replaces what you said of it before."""
    answer = append("attest", account=account, claim=claim, expires_seconds=expires)
    show(answer, _render_attested)
    print_next(f"attest list {shorten(answer['account'])}")


@attest.command("list", examples=("attest list", "attest list paul --json"))
@click.argument("account", required=False)
def list_attestations(account: str | None) -> None:
    """Show what verifiers said of an account; of yours when none is named."""
    arguments = {} if account is None else {"account": account}
    show(read("attest.list", **arguments), _render_list)


@attest.command("revoke", examples=("attest revoke 3f9a",))
@click.argument("attestation")
def revoke(attestation: str) -> None:
    """Take your word back."""
    show(append("attest.revoke", attestation=attestation), _render_revoked)


def _render_attested(answer: Json) -> None:
    print_line(
        f"attestation {shorten(answer['attestation'])}: {answer['claim']} of"
        f" {shorten(answer['account'])}, until {format_time(answer['expiry_ms'])}"
    )
    print_standing(answer)


def _render_list(answer: Json) -> None:
    print_table(
        ("attestation", "verifier", "claim", "until", "state", "counts"),
        [
            (
                shorten(row["attestation"]),
                shorten(row["verifier"]),
                row["claim"],
                format_time(row["expiry_ms"]),
                row["state"],
                "yes" if row["counts"] else "no",
            )
            for row in answer["attestations"]
        ],
    )


def _render_revoked(answer: Json) -> None:
    print_line("taken back")
    print_standing(answer)
