"""Founding a market, joining one, and who this home is in it."""

import getpass
import time
from pathlib import Path
from typing import Final

import click

from synaptic_crdt.cli.asking import choose_passphrase, open_home, read, read_carried
from synaptic_crdt.cli.command import Command
from synaptic_crdt.cli.output import (
    Json,
    print_fields,
    print_line,
    print_next,
    print_note,
    shorten,
    show,
)

_NS_PER_MS: Final = 1_000_000
# What an opening is told while its cause has not arrived.
_UNHEARD: Final = frozenset({"INVITATION_UNKNOWN", "DEVICE_NOT_ADDED"})


@click.command(
    cls=Command,
    examples=(
        "init --name 'Our market' --account-name rita",
        "--home ./rita init --sandbox",
    ),
)
@click.option("--name", default="market", show_default=True, help="The market's name.")
@click.option("--account-name", default=None, help="Your name in it; else the name of your login.")
@click.option("--symbol", default="SYN", show_default=True, help="What its token is called.")
@click.option("--supply", type=click.IntRange(min=1), help="All tokens there will be.")
@click.option(
    "--fund", type=click.IntRange(min=0), help="What the treasury pays you; else a day's cap."
)
@click.option(
    "--mint-cap", type=click.IntRange(min=0), help="How many more the council may ever make; none."
)
@click.option("--open", "is_open", is_flag=True, help="Let anybody join, within a daily rate.")
@click.option(
    "--witness",
    "witnesses",
    metavar="DEVICE",
    multiple=True,
    help="A device whose cosignature checkpoints need, by majority; see `key`.",
)
@click.option("--sandbox", is_flag=True, help="For trying out: nothing in it is ever final.")
def init(
    name: str,
    account_name: str | None,
    symbol: str,
    supply: int | None,
    fund: int | None,
    mint_cap: int | None,
    witnesses: tuple[str, ...],
    *,
    is_open: bool,
    sandbox: bool,
) -> None:
    """Found a market in a new home.

    You become its founder: your account gets the first tokens, your device closes its epochs.
    """
    from synaptic_crdt.node.founding import DEFAULT_SUPPLY, found_market

    home = open_home()
    home.check_free()
    answer = found_market(
        home,
        choose_passphrase(),
        name=name,
        symbol=symbol,
        account_name=account_name or _get_login(),
        sandbox=sandbox,
        is_open=is_open,
        fund=fund,
        supply=DEFAULT_SUPPLY if supply is None else supply,
        mint_cap=mint_cap or 0,
        witnesses=witnesses,
        wall_ms=_get_wall_ms(),
    )
    show(answer, _render_init)
    print_next("invite --grant 1000", "listen tcp://127.0.0.1:7700")


@click.command(cls=Command, examples=("--home ./wanda key", "key --json"))
def key() -> None:
    """Make the device key of a new home, and show its device.

    For being named before the market exists: `init --witness DEVICE`. Join with the same home then.
    """
    from synaptic_crdt.node.founding import make_device

    home = open_home()
    home.check_free()
    show(make_device(home, choose_passphrase()), _render_key)
    print_next("join TICKET")


@click.command(
    cls=Command,
    examples=(
        "join synaptic1-... --account-name paul",
        "join - < ticket.txt",
        "join synaptic1-... --from-checkpoint",
    ),
)
@click.argument("ticket")
@click.option("--account-name", default=None, help="Your name there; else the name of your login.")
@click.option(
    "--state",
    default=None,
    type=click.Path(exists=True, dir_okay=False, path_type=Path, resolve_path=True),
    help="Begin at a checkpoint with this file, from `bundle write --state`.",
)
@click.option(
    "--from-checkpoint",
    is_flag=True,
    help="Begin at a checkpoint, with its state from a peer that the ticket names.",
)
def join(
    ticket: str, account_name: str | None, state: Path | None, *, from_checkpoint: bool
) -> None:
    """Join a market with a ticket.

    `-` reads it from standard input, where no other user sees it. Others learn of you with the first sync.
    """
    from synaptic_crdt.node.founding import join_market

    if state is not None and from_checkpoint:
        raise click.UsageError("begin with a file or from a peer: --state or --from-checkpoint")
    home = open_home()
    home.check_free()
    answer = join_market(
        home,
        choose_passphrase(),
        read_carried(ticket),
        account_name or _get_login(),
        state,
        from_checkpoint=from_checkpoint,
    )
    show(answer, _render_join)
    print_next("sync" if answer["addresses"] else "sync ADDRESS", "bundle write FILE")


@click.command(cls=Command, examples=("whoami", "--home ./rita whoami --json"))
def whoami() -> None:
    """Show the market, account and device of a home."""
    show(read("whoami"), _render_identity)


def _render_init(answer: Json) -> None:
    print_line(f"founded {answer['market_name']!r} in {answer['home']}")
    print_fields(
        ("market", answer["market"]),
        ("account", answer["account"]),
        ("name", answer["name"]),
        ("tokens", f"{answer['funded']:,} of {answer['supply']:,} {answer['symbol']}"),
        ("recovery key", answer["recovery_key"]),
        ("paper key", answer["paper_key"]),
    )
    print_note("print both keys now and keep them off this machine: no copy is kept here")
    if answer["witnesses"]:
        print_note("pending until a majority of the witnesses has cosigned the first checkpoint")
    if answer["sandbox"]:
        print_note("this is a sandbox: nothing in it is ever final")


def _render_key(answer: Json) -> None:
    print_line(answer["device"])


def _render_join(answer: Json) -> None:
    print_line(f"joined {answer['market_name']!r} as {answer['role']}, in {answer['home']}")
    print_fields(
        ("market", answer["market"]),
        ("account", answer["account"]),
        ("name", answer["name"]),
        ("grant", answer["grant"]),
        ("paper key", answer["paper_key"]),
    )
    print_note("print the paper key now and keep it off this machine: no copy is kept here")
    print_line("pending: nobody else knows of this account until the first sync")


def _render_identity(answer: Json) -> None:
    role = answer["role"] or _describe_outsider(answer["opening"])
    if answer["revoked"]:
        role = "none: this device was revoked"
    print_fields(
        ("market", f"{answer['market_name']}  {answer['market']}"),
        ("account", f"{answer['name'] or '-'}  {answer['account']}"),
        ("device", answer["device"]),
        ("role", role + (", makes the checkpoints" if answer["sequencer"] else "")),
        ("home", answer["home"]),
    )
    if answer["sandbox"]:
        print_line(f"market {shorten(answer['market'])} is a sandbox: nothing is ever final")


def _describe_outsider(opening: Json | None) -> str:
    # While the invitation itself has not arrived, nobody can say whether it is good.
    if opening is None or opening["verdict"] in _UNHEARD:
        return "not known to the market yet: sync first"
    return f"none, {opening['standing']}; {opening['verdict']}: {opening['explanation']}"


def _get_login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:
        raise click.UsageError("your login has no name here; give --account-name NAME") from error


def _get_wall_ms() -> int:
    return time.time_ns() // _NS_PER_MS
