"""The council's hand in the treasury: payments and new tokens."""

import click

from synaptic_crdt.cli.asking import append
from synaptic_crdt.cli.command import Group
from synaptic_crdt.cli.output import Json, print_line, print_next, shorten, show
from synaptic_crdt.cli.standing import print_standing


@click.group(cls=Group, examples=("treasury pay paul 1000 --memo 'a first budget'",))
def treasury() -> None:
    """Pay from the treasury, or add to it, as the council."""


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


@treasury.command("mint", examples=("treasury mint 1000000 --memo 'decided on Monday'",))
@click.argument("amount", type=int)
@click.option("--memo", default="", help="What it is for, public.")
@click.option(
    "--reference", default="", help="Of another councillor's vote: hex, to vote for the same one."
)
def mint(amount: int, memo: str, reference: str) -> None:
    """Vote for new tokens for the treasury, within what the founder allowed for ever."""
    show(append("treasury.mint", amount=amount, memo=memo, reference=reference), _render_mint)
    print_next("market show")


def _render_mint(answer: Json) -> None:
    print_line(f"voted to make {answer['amount']:,}, reference {answer['reference']}")
    print_standing(answer)


def _render_vote(answer: Json) -> None:
    print_line(
        f"voted to pay {answer['amount']:,} to {shorten(answer['to'])},"
        f" reference {answer['reference']}"
    )
    print_standing(answer)
