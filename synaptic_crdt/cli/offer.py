"""Offering work before anybody asks for it."""

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
from synaptic_crdt.cli.standing import print_standing

_POST = "offer post --kind text.answer --ask 40 --units 20"


@click.group(cls=Group, examples=(_POST, "offer list", "offer renew 3f9a", "offer withdraw 3f9a"))
def offer() -> None:
    """Offer work: a standing offer takes the next task that fits.

    It is taken only while you show presence, which `provide` does for you.
    """


@offer.command(
    "post",
    examples=(
        _POST,
        f"{_POST} --capability python --capability rust --bond-up-to 10",
        f"{_POST} --listed",
    ),
)
@click.option("--kind", required=True, help="What kind of work, of those the market knows.")
@click.option("--ask", type=int, required=True, help="What a unit costs.")
@click.option("--units", type=int, default=1, show_default=True, help="Of work, in all.")
@click.option("--capability", "capabilities", multiple=True, help="What you are able to do.")
@click.option(
    "--expires", type=DURATION, default="1d", show_default=True, help="How long it stands."
)
@click.option("--listed", is_flag=True, help="For people to read; it takes nothing by itself.")
@click.option(
    "--response-from", type=DURATION, default="60s", show_default=True, help="Time to start."
)
@click.option(
    "--execution-from", type=DURATION, default="10m", show_default=True, help="Time to deliver."
)
@click.option(
    "--uptime-up-to", type=int, default=0, show_default=True, help="Presence at work, in ppm."
)
@click.option("--penalty-up-to", type=int, help="For one violation; else the ask.")
@click.option("--bond-up-to", type=int, default=0, show_default=True, help="What you would lock.")
@click.option(
    "--privacy",
    "privacies",
    multiple=True,
    default=("public",),
    show_default=True,
    help="public, private or confidential; once for each that you take.",
)
@click.option(
    "--requester-min", type=int, default=0, show_default=True, help="Least score of a requester."
)
@click.option("--arbiter", "arbiters", multiple=True, help="An account, besides the market's.")
@click.option("--evaluator", "evaluators", multiple=True, help="An account that may judge.")
@click.option("--signer", "signers", multiple=True, help="An account that may release the pay.")
def post(
    kind: str,
    ask: int,
    units: int,
    capabilities: tuple[str, ...],
    expires: int,
    response_from: int,
    execution_from: int,
    uptime_up_to: int,
    penalty_up_to: int | None,
    bond_up_to: int,
    privacies: tuple[str, ...],
    requester_min: int,
    arbiters: tuple[str, ...],
    evaluators: tuple[str, ...],
    signers: tuple[str, ...],
    *,
    listed: bool,
) -> None:
    """Offer units of work for an ask each, to tasks within your terms.

    Nothing is locked. Who judges a task other than its requester and the market's arbiters has to
    be named here, or the offer does not take it.
    """
    answer = append(
        "offer.post",
        kind=kind,
        ask=ask,
        units=units,
        capabilities=list(capabilities),
        expires_seconds=expires,
        listed=listed,
        response_seconds=response_from,
        execution_seconds=execution_from,
        uptime_ppm=uptime_up_to,
        penalty=penalty_up_to,
        bond=bond_up_to,
        privacies=list(privacies),
        requester_min=requester_min,
        arbiters=list(arbiters),
        evaluators=list(evaluators),
        signers=list(signers),
    )
    show(answer, _render_offer)
    print_next("provide", "offer list")


@offer.command("list", examples=("offer list", "offer list --ended", "offer list paul --json"))
@click.argument("account", required=False)
@click.option("--ended", is_flag=True, help="Also what expired or was withdrawn.")
def list_offers(account: str | None, *, ended: bool) -> None:
    """Show the offers of an account; yours when none is named."""
    show(read("offer.list", account=account, ended=ended), _render_list)


@offer.command("renew", examples=("offer renew 3f9a", "offer renew 3f9a --ask 30 --units 5"))
@click.argument("offer_id", metavar="OFFER")
@click.option("--ask", type=int, help="What a unit costs; else as before.")
@click.option("--units", type=int, help="Of work, in all; else as before.")
@click.option(
    "--expires", type=DURATION, default="1d", show_default=True, help="How long it stands."
)
def renew(offer_id: str, ask: int | None, units: int | None, expires: int) -> None:
    """Offer anew, behind those that stand at the same ask.

    An offer that was taken out, because you were absent or could not keep it, stands again.
    """
    answer = append("offer.renew", offer=offer_id, ask=ask, units=units, expires_seconds=expires)
    show(answer, _render_offer)
    print_next("offer list")


@offer.command("attend", examples=("offer attend",))
def attend() -> None:
    """Show presence in this slot of market time; `provide` does it for you."""
    show(append("presence"), _render_presence)


@offer.command("withdraw", examples=("offer withdraw 3f9a",))
@click.argument("offer_id", metavar="OFFER")
def withdraw(offer_id: str) -> None:
    """End an offer; what it has taken is still owed."""
    show(append("offer.withdraw", offer=offer_id), _render_offer)


def _render_offer(answer: Json) -> None:
    print_line(
        f"offer {shorten(answer['offer'])}: {answer['left']:,} of {answer['units']:,} units of"
        f" {answer['kind']} at {answer['ask']:,}, {answer['status']} until"
        f" {format_time(answer['expiry_ms'])}"
    )
    if answer["left"] < answer["units"] and answer["status"] in {"standing", "used up"}:
        print_note("it has taken work: `task list` shows the tasks")
    print_standing(answer)


def _render_presence(answer: Json) -> None:
    print_line("present")
    print_standing(answer)


def _render_list(answer: Json) -> None:
    print_table(
        ("offer", "kind", "ask", "units", "left", "status", "until", "why"),
        [
            (
                shorten(row["offer"]),
                row["kind"],
                row["ask"],
                row["units"],
                row["left"],
                row["status"],
                format_time(row["expiry_ms"]),
                row["explanation"],
            )
            for row in answer["offers"]
        ],
    )
