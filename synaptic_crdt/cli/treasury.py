"""The council's hand in the treasury."""

import click

from synaptic_crdt.cli.asking import append
from synaptic_crdt.cli.command import Group
from synaptic_crdt.cli.output import Json, print_line, print_next, shorten, show
from synaptic_crdt.cli.standing import print_standing


@click.group(cls=Group, examples=("treasury pay paul 1000 --memo 'a first budget'",))
def treasury() -> None:
    """Pay from the treasury, as the council."""


@treasury.command(
    "pay",
    examples=(
        "treasury pay paul 1000",
        "treasury pay paul 1000 --reference 5ca1ab1e",
    ),
)
@click.argument("account")
@click.argument("amount", type=int)
@click.option("--memo", default="", help="What it is for, public.")
@click.option(
    "--reference", default="", help="Of another councillor's vote: hex, to vote for the same one."
)
def pay(account: str, amount: int, memo: str, reference: str) -> None:
    """Vote for a payment out of the treasury; the last vote that is needed pays it."""
    answer = append("treasury.pay", to=account, amount=amount, memo=memo, reference=reference)
    show(answer, _render_vote)
    print_next(f"wallet --account {shorten(answer['to'])}")


def _render_vote(answer: Json) -> None:
    print_line(
        f"voted to pay {answer['amount']:,} to {shorten(answer['to'])},"
        f" reference {answer['reference']}"
    )
    print_standing(answer)
