"""Inviting others, and taking invitations back."""

import click

from synaptic_crdt.cli.arguments import DURATION
from synaptic_crdt.cli.asking import append, read
from synaptic_crdt.cli.command import Group
from synaptic_crdt.cli.output import (
    Json,
    format_time,
    print_line,
    print_next,
    print_note,
    print_table,
    shorten,
    show,
)
from synaptic_crdt.cli.standing import describe_standing, print_standing


@click.group(
    cls=Group,
    invoke_without_command=True,
    examples=(
        "invite --grant 1000 --from-treasury --address tcp://127.0.0.1:7700",
        "invite --role auditor",
        "invite list",
    ),
)
@click.option(
    "--role",
    type=click.Choice(["member", "auditor"]),
    default="member",
    show_default=True,
    help="Auditors read and check; they own and do nothing.",
)
@click.option("--grant", type=int, default=0, show_default=True, help="Tokens it brings.")
@click.option("--from-treasury", is_flag=True, help="As the council: the treasury pays the grant.")
@click.option(
    "--expires", type=DURATION, default="7d", show_default=True, help="How long it can be used."
)
@click.option(
    "--address", "addresses", multiple=True, help="Where to sync; may be given more than once."
)
@click.pass_context
def invite(
    context: click.Context,
    role: str,
    grant: int,
    expires: int,
    addresses: tuple[str, ...],
    *,
    from_treasury: bool,
) -> None:
    """Invite somebody: make a ticket, which works once.

    The grant is held until the ticket is used, and returns when it expires.
    """
    if context.invoked_subcommand is not None:
        return
    answer = append(
        "invite",
        role=role,
        grant=grant,
        expires_seconds=expires,
        from_treasury=from_treasury,
        addresses=list(addresses),
    )
    show(answer, _render_ticket)
    print_next("invite list", f"invite revoke {shorten(answer['invitation'])}")


@invite.command("list", examples=("invite list", "invite list --json"))
def list_invitations() -> None:
    """Show the invitations you gave, and who used them."""
    show(read("invite.list"), _render_list)


@invite.command("revoke", examples=("invite revoke 3f9a",))
@click.argument("invitation")
def revoke(invitation: str) -> None:
    """Take back an invitation that nobody used."""
    show(append("invite.revoke", invitation=invitation), _render_revoked)


def _render_ticket(answer: Json) -> None:
    # Alone on standard output, so that a redirection keeps nothing but the ticket.
    print_line(answer["ticket"])
    print_note(
        f"invitation {shorten(answer['invitation'])} as {answer['role']} with a grant of"
        f" {answer['grant']:,}, until {format_time(answer['expiry_ms'])}"
    )
    print_note(describe_standing(answer))
    print_note("whoever has this ticket can use it, once: hand it over as you would a key")


def _render_list(answer: Json) -> None:
    print_table(
        ("invitation", "role", "grant", "until", "state", "used by"),
        [
            (
                shorten(row["invitation"]),
                row["role"],
                row["grant"],
                format_time(row["expiry_ms"]),
                row["state"],
                shorten(row["used_by"]),
            )
            for row in answer["invitations"]
        ],
    )


def _render_revoked(answer: Json) -> None:
    print_line("revoked; its grant is yours again")
    print_standing(answer)
