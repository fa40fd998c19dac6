"""Showing with whom a home exchanges entries."""

import click

from synaptic_crdt.cli.asking import read
from synaptic_crdt.cli.command import Command
from synaptic_crdt.cli.output import (
    Json,
    format_time,
    print_line,
    print_next,
    print_table,
    shorten,
    show,
)


@click.command(cls=Command, examples=("peers", "peers --json"))
def peers() -> None:
    """Show the links of this home, and the addresses it knows.

    Links are those of the process that owns the home: a `listen`, or a `sync --live`. Of each it
    says whose it is, since when it stands or has ended, what moved both ways, whether both ends
    had the same root, how far its clock is off, what went wrong last, when it is made again, and
    until when who came has to wait for breaking the rules of links.
    """
    show(read("peers"), _render)


def _render(answer: Json) -> None:
    if answer["links"]:
        print_table(
            ("ADDRESS", "DEVICE", "NAME", "STATE", "SINCE", "SENT", "RECEIVED", "BYTES", "ROOT", "CLOCK"),
            [_make_row(link) for link in answer["links"]],
        )  # fmt: skip
    else:
        print_line("nothing is linked now")
    for link in answer["links"]:
        for line in _describe_trouble(link):
            print_line(f"{link['address']}: {line}")
    for address in answer["addresses"]:
        print_line(f"known: {address}")
    if not answer["links"]:
        print_next("sync --live", "listen tcp://127.0.0.1:7700")


def _make_row(link: Json) -> tuple[str | int, ...]:
    skew_ms = link["skew_ms"]
    return (
        link["address"],
        shorten(link["device"]),
        link["name"] or "-",
        "linked" if link["is_linked"] else "ended",
        format_time(link["since_ms"]),
        link["sent"],
        link["received"],
        link["bytes_sent"] + link["bytes_received"],
        {None: "-", True: "same", False: "differs"}[link["equal"]],
        "-" if skew_ms is None else f"{skew_ms / 1_000:+.0f} s",
    )


def _describe_trouble(link: Json) -> list[str]:
    lines: list[str] = []
    if link["error"] is not None:
        lines.append(link["error"])
    if link["held"]:
        lines.append(f"{link['held']:,} entries wait there for others, or for a checkpoint")
    if link["again_ms"] is not None and not link["is_linked"]:
        lines.append(f"dialled again at {format_time(link['again_ms'])}")
    if link["waits_until_ms"] is not None:
        lines.append(f"has to wait until {format_time(link['waits_until_ms'])}")
    return lines
