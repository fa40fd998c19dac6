"""What an account has, what moved it, and sending it."""

import click

from synaptic_crdt.cli.asking import append, read
from synaptic_crdt.cli.command import Group
from synaptic_crdt.cli.output import (
    Json,
    format_time,
    print_fields,
    print_line,
    print_next,
    print_table,
    shorten,
    show,
)
from synaptic_crdt.cli.standing import print_standing


@click.group(
    cls=Group,
    invoke_without_command=True,
    examples=(
        "wallet",
        "wallet --account paul",
        "wallet history",
        "wallet send paul 250 --memo 'thanks'",
    ),
)
@click.option(
    "--account", default=None, help="Another account: its name, id or the id's beginning."
)
@click.pass_context
def wallet(context: click.Context, account: str | None) -> None:
    """Show what you have; send tokens."""
    if context.invoked_subcommand is not None:
        return
    arguments = {} if account is None else {"account": account}
    show(read("wallet", **arguments), _render_wallet)


@wallet.command(
    "history",
    examples=("wallet history", "wallet history --account paul --limit 20"),
)
@click.option(
    "--account", default=None, help="Another account: its name, id or the id's beginning."
)
@click.option("--limit", type=click.IntRange(min=1), help="The newest ones alone.")
def history(account: str | None, limit: int | None) -> None:
    """Show everything that moved your tokens: payments, locks, returns, each with its reason."""
    arguments = {} if account is None else {"account": account}
    show(read("wallet.history", limit=limit, **arguments), _render_history)
    print_next("wallet", "log")


@wallet.command(
    "send",
    examples=(
        "wallet send paul 250",
        "wallet send 3f9a 250 --memo 'for the review' --dry-run",
    ),
)
@click.argument("account")
@click.argument("amount", type=int)
@click.option("--memo", default="", help="A word to go with it, public.")
@click.option("--dry-run", is_flag=True, help="Say what it would cost; write nothing.")
@click.option("--allow-pending", is_flag=True, help="Also spend what is not final yet.")
def send(account: str, amount: int, memo: str, *, dry_run: bool, allow_pending: bool) -> None:
    """Give tokens to another account, named by its name or id."""
    answer = append(
        "wallet.send",
        to=account,
        amount=amount,
        memo=memo,
        dry_run=dry_run,
        allow_pending=allow_pending,
    )
    show(answer, _render_sent)
    print_next("wallet", "sync")


def _render_wallet(answer: Json) -> None:
    print_fields(
        ("account", answer["account"]),
        ("available", f"{answer['available']:,} {answer['symbol']}"),
        ("pending in", f"{answer['pending_in']:,}"),
        ("pending out", f"{answer['pending_out']:,}"),
        ("in escrow", f"{answer['escrow']:,}"),
        ("bonded", f"{answer['bonded']:,}"),
        ("granted", f"{answer['granted']:,}"),
    )


def _render_history(answer: Json) -> None:
    print_table(
        ("time", "entry", "cause", "change", "locked", "available", "standing", "with", "about"),
        [
            (
                format_time(row["time_ms"]),
                shorten(row["entry"]),
                row["cause"],
                row["change"],
                row["locked_change"],
                row["available"],
                row["standing"],
                shorten(_get_other(row, answer["account"])),
                row["memo"] or row["explanation"],
            )
            for row in answer["movements"]
        ],
    )


def _get_other(row: Json, account: str) -> str:
    """Return the other party of a payment, or the task."""
    if row["counterparty"]:
        return row["by"] if row["counterparty"] == account else row["counterparty"]
    return row["task"] or ""


def _render_sent(answer: Json) -> None:
    to = shorten(answer["to"])
    if answer.get("dry_run"):
        print_line(f"would send {answer['amount']:,} to {to}; nothing was written")
        return
    print_line(f"sent {answer['amount']:,} to {to}, entry {shorten(answer['entry'])}")
    print_standing(answer)
