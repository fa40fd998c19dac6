"""Several machines for one account: request, add, join; revoke, and restore from paper."""

import click

from synaptic_crdt.cli.asking import (
    append,
    choose_passphrase,
    open_home,
    read,
    read_carried,
    try_passphrase,
)
from synaptic_crdt.cli.command import Group
from synaptic_crdt.cli.output import (
    Json,
    format_time,
    print_fields,
    print_line,
    print_next,
    print_note,
    print_table,
    shorten,
    show,
)
from synaptic_crdt.cli.standing import describe_standing, print_standing

_PAPER_HELP = "The printed paper key; `-` reads it from standard input, where nobody sees it."


@click.group(
    cls=Group,
    examples=(
        "device request > request          # on the new machine",
        "device add - < request > ticket   # on an old one",
        "device join - < ticket            # on the new one",
    ),
)
def device() -> None:
    """Use several machines for one account; revoke lost ones.

    A new machine asks with `request`, an old one answers with `add`, and the new one completes it
    with `join`. Both can then write, offline too, out of one balance.
    """


@device.command("list", examples=("device list", "device list --json"))
def list_devices() -> None:
    """Show the devices of this account, the oldest first.

    A device can revoke those below it.
    """
    show(read("device.list"), _render_list)


@device.command("request", examples=("device request > request",))
def request() -> None:
    """On the new machine: make a key, and the request to take to an old one.

    The request holds no secret. Compare the device it names on both machines.
    """
    from synaptic_crdt.node.founding import request_device

    answer = request_device(open_home(), choose_passphrase())
    show(answer, _render_request)


@device.command("add", examples=("device add synaptic-request1-...", "device add - < request"))
@click.argument("request")
@click.option(
    "--address", "addresses", multiple=True, help="Where to sync; may be given more than once."
)
def add(request: str, addresses: tuple[str, ...]) -> None:
    """On an old machine: let the new one join, and make its ticket.

    The ticket holds no secret and is good for that device alone. `-` reads the request from
    standard input.
    """
    answer = append("device.add", request=read_carried(request), addresses=list(addresses))
    show(answer, _render_ticket)
    print_next("device list", f"device revoke {shorten(answer['added'])}")


@device.command("join", examples=("device join synaptic-device1-...", "device join - < ticket"))
@click.argument("ticket")
def join(ticket: str) -> None:
    """On the new machine: complete what `request` began.

    `-` reads the ticket from standard input. Others learn of the device with the first sync.
    """
    from synaptic_crdt.node.founding import join_account

    home = open_home()
    home.check_free()
    text = read_carried(ticket)
    answer = try_passphrase(lambda passphrase: join_account(home, passphrase, text))
    show(answer, _render_join)
    addresses: list[str] = answer["addresses"]
    print_next(f"sync {' '.join(addresses) or 'ADDRESS'}", "device list")


@device.command(
    "revoke",
    examples=("device revoke 3f9a", "device revoke 3f9a --paper-key - < paper.txt"),
)
@click.argument("device_id", metavar="DEVICE")
@click.option("--paper-key", metavar="HEX", help=_PAPER_HELP)
def revoke(device_id: str, paper_key: str | None) -> None:
    """End a device of this account: what it writes from now on does nothing.

    A device ends those that joined after it; the paper key ends any. What was not in a checkpoint
    before the revocation is, never counts.
    """
    given = {} if paper_key is None else {"paper_key": read_carried(paper_key)}
    answer = append("device.revoke", device=device_id, **given)
    show(answer, _render_revoked)
    print_next("sync ADDRESS", "device list")


@device.command(
    "restore",
    examples=("device restore market.bundle --paper-key - < paper.txt",),
)
@click.argument("bundle", type=click.Path(exists=True, dir_okay=False))
@click.option("--paper-key", metavar="HEX", required=True, help=_PAPER_HELP)
def restore(bundle: str, paper_key: str) -> None:
    """On a new machine, when none is left to ask: come back with the paper key.

    Any member's bundle of the market will do, the newer the better. This machine gets a key of its
    own, which the paper key lets in; the paper key is not kept here.
    """
    from synaptic_crdt.node.founding import restore_account

    home = open_home()
    home.check_free()
    answer = restore_account(home, choose_passphrase(), bundle, read_carried(paper_key))
    show(answer, _render_restored)
    lost = [row for row in answer["devices"] if not row["this"] and not row["paper"]]
    revoke_line = f"device revoke {shorten(lost[0]['device'])} --paper-key -" if lost else "whoami"
    print_next(revoke_line, "sync ADDRESS")


def _render_list(answer: Json) -> None:
    print_table(
        ("device", "state", "since", "added by", "here"),
        [
            (
                shorten(row["device"]),
                row["state"],
                format_time(row["joined_ms"]),
                shorten(row["adder"]),
                ("this one" if row["this"] else "paper" if row["paper"] else ""),
            )
            for row in answer["devices"]
        ],
    )


def _render_request(answer: Json) -> None:
    # Alone on standard output, so that a redirection keeps nothing but the request.
    print_line(answer["request"])
    print_note(f"device {answer['device']}")
    print_note("compare it with what the old machine shows before you take its ticket")
    print_note("next, on the old machine: synaptic-crdt device add REQUEST")


def _render_ticket(answer: Json) -> None:
    print_line(answer["ticket"])
    print_note(f"added device {answer['added']}")
    print_note("if the new machine shows another one, revoke it: the request was exchanged")
    print_note(describe_standing(answer))
    print_note("next, on the new machine: synaptic-crdt device join TICKET")


def _render_join(answer: Json) -> None:
    print_line(f"joined {answer['market_name']!r} in {answer['home']}")
    print_fields(
        ("market", answer["market"]),
        ("account", answer["account"]),
        ("device", answer["device"]),
    )
    print_line("pending: nothing can be written here before the first sync")


def _render_revoked(answer: Json) -> None:
    print_line(f"revoked device {answer['revoked']}")
    print_standing(answer)
    print_note("it takes effect for others once they hear of it: sync now")


def _render_restored(answer: Json) -> None:
    print_line(f"back in {answer['market_name']!r}, in {answer['home']}")
    print_fields(
        ("market", answer["market"]),
        ("account", answer["account"]),
        ("device", answer["device"]),
    )
    _render_list(answer)
    print_note("sync before you use the paper key anywhere else, or its feed forks")
