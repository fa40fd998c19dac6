"""The key to a market's files in folders."""

import click

from synaptic_crdt.cli.asking import append, read, read_carried
from synaptic_crdt.cli.command import Group
from synaptic_crdt.cli.output import Json, print_line, print_note, print_table, show


@click.group(
    cls=Group,
    name="read-key",
    examples=("read-key show", "read-key take - < key.txt", "read-key renew"),
)
def read_key() -> None:
    """The key that keeps files in folders from who carries them.

    `sync` encrypts by it what it writes to dir:// and file://. Who joins gets it with the ticket.
    """


@read_key.command("show", examples=("read-key show",))
def show_keys() -> None:
    """Show the keys this home has, for a member that lacks them."""
    show(read("read-key.show"), _render_keys)


@read_key.command("take", examples=("read-key take - < key.txt",))
@click.argument("key")
def take(key: str) -> None:
    """Keep a key that a member handed over, and write by it; - reads it from standard input."""
    show(append("read-key.take", key=read_carried(key)), _render_keys)


@read_key.command("renew", examples=("read-key renew",))
def renew() -> None:
    """Make a new key and write by it: hand it to every member that is to go on reading.

    What was written before stays readable by who had the old one.
    """
    show(append("read-key.renew"), _render_keys)


def _render_keys(answer: Json) -> None:
    rows = answer["read_keys"]
    if not rows:
        print_line("this home has no read key: what it writes to folders is in the clear")
        return
    print_table(("name", "key"), [(row["name"], row["key"]) for row in rows])
    print_note("the first is what this home writes by; whoever has one reads what is written by it")
