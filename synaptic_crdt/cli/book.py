"""The market on one screen: the order book, and whether it is well."""

import click

from synaptic_crdt.cli.asking import read
from synaptic_crdt.cli.command import Command
from synaptic_crdt.cli.output import (
    Json,
    format_duration,
    format_time,
    print_fields,
    print_line,
    print_next,
    print_note,
    print_table,
    shorten,
    show,
)

_MS_PER_SECOND = 1_000


@click.command(cls=Command, examples=("market book", "market book text.answer --json"))
@click.argument("kind", required=False)
def book(kind: str | None) -> None:
    """Show open auctions and offers by kind, and how the market is."""
    show(read("book", kind=kind), _render_book)
    print_next("task accept TASK", "offer post --kind KIND --ask ASK")


def _render_book(answer: Json) -> None:
    print_fields(
        ("market", f"{answer['market_name']}  {shorten(answer['market'])}"),
        ("time", f"{format_time(answer['time'])}, epoch {answer['epoch']:,}"),
        ("entries", f"{answer['entries']:,}, pending {answer['pending']:,}"),
        ("accounts", answer["accounts"]),
        (
            "tokens",
            " ".join(
                (
                    f"{answer['supply']:,} {answer['symbol']}: {answer['balances']:,} free,",
                    f"{answer['holds']:,} locked, {answer['treasury']:,} in the treasury",
                )
            ),
        ),
    )
    for remark in answer["remarks"]:
        print_note(remark)
    for kind in answer["kinds"]:
        print_line()
        _render_kind(kind, answer["time"])


def _render_kind(kind: Json, now: int) -> None:
    print_line(
        f"{kind['kind']}: {kind['units_asked']:,} units asked for, {kind['units_offered']:,} offered"
    )
    if kind["auctions"]:
        print_table(
            ("task", "title", "auction", "limit", "at most", "free", "units", "closes in"),
            [_list_auction(row, now) for row in kind["auctions"]],
        )
    if kind["offers"]:
        print_table(
            ("offer", "provider", "ask", "left", "status", "present", "capabilities"),
            [
                (
                    shorten(row["offer"]),
                    shorten(row["provider"]),
                    row["ask"],
                    row["left"],
                    row["status"],
                    "yes" if row["present"] else "no",
                    ", ".join(row["capabilities"]) or "-",
                )
                for row in kind["offers"]
            ],
        )


def _list_auction(row: Json, now: int) -> tuple[str | int, ...]:
    left_ms = max(0, row["closes_ms"] - now) // _MS_PER_SECOND * _MS_PER_SECOND
    return (
        shorten(row["task"]),
        row["title"],
        row["auction"],
        row["limit"],
        row["price_max"],
        f"{row['free']} of {row['seats']}",
        row["units"],
        format_duration(left_ms),
    )
