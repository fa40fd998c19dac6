"""What work was paid for, and what a task would cost."""

import click

from synaptic_crdt.cli.asking import read
from synaptic_crdt.cli.command import Command
from synaptic_crdt.cli.output import (
    Json,
    format_time,
    print_fields,
    print_line,
    print_next,
    print_note,
    print_table,
    show,
)

_HOURS_SHOWN = 24


@click.command(cls=Command, examples=("prices", "prices text.answer", "prices --json"))
@click.argument("kind", required=False)
def prices(kind: str | None) -> None:
    """Show what work was paid for, raw and organic.

    Over the last 24 hours of market time, for one unit, in full and undisputed. The raw figures
    are plain sums, which a single large trade moves; in the organic one every pair of groups has
    one voice.
    """
    arguments = {} if kind is None else {"kind": kind}
    show(read("prices", **arguments), _render_all if kind is None else _render_kind)


@click.command(
    cls=Command,
    examples=(
        "quote --kind text.answer --price 50",
        "quote --kind text.answer --price 50 --units 3 --premium-up-to 80",
    ),
)
@click.option("--kind", required=True, help="What kind of work, of those the market knows.")
@click.option("--price", type=int, required=True, help="As usual, for one unit.")
@click.option("--units", type=int, default=1, show_default=True, help="Of work, in all.")
@click.option("--premium-up-to", type=int, help="For one unit, to the best; else the price.")
@click.option("--newcomers-from", type=int, help="For one unit, to anybody; else the price.")
def quote(
    kind: str, price: int, units: int, premium_up_to: int | None, newcomers_from: int | None
) -> None:
    """Say what a task would cost, and how that compares.

    Nothing is written or locked.
    """
    answer = read(
        "quote",
        kind=kind,
        price=price,
        units=units,
        price_low=newcomers_from,
        price_max=premium_up_to,
    )
    show(answer, _render_quote)
    print_next(f"task post --kind {kind} --price {price} --units {units} --title TITLE --text TEXT")


def _render_all(answer: Json) -> None:
    print_table(
        ("kind", "trades", "units", "lowest", "highest", "mean", "vwap", "organic", "note"),
        [
            (
                row["kind"],
                row["count"],
                row["volume"],
                row["min"],
                row["max"],
                _format(row["mean"]),
                _format(row["vwap"]),
                _format(row["organic_vwap"]),
                row["note"],
            )
            for row in answer["prices"]
        ],
    )


def _render_kind(answer: Json) -> None:
    print_line(f"{answer['kind']}, 24 hours to {format_time(answer['until_ms'])}")
    print_fields(*_list_figures(answer))
    if answer["candles"]:
        print_line()
        print_table(
            ("hour", "trades", "units", "first", "lowest", "highest", "last"),
            [
                (
                    format_time(row["time_ms"]),
                    row["count"],
                    row["volume"],
                    row["first"],
                    row["min"],
                    row["max"],
                    row["last"],
                )
                for row in answer["candles"][-_HOURS_SHOWN:]
            ],
        )
    _note(answer)


def _render_quote(answer: Json) -> None:
    figures = answer["prices"]
    print_fields(
        ("locked", answer["locked"]),
        ("provider gets", f"{answer['provider_gets']:,} at the usual price, fee {answer['fee']:,}"),
        ("a newcomer may ask", f"{answer['newcomer_limit']:,} a unit"),
        ("you could ask", f"{answer['limit']:,} a unit, if it were somebody else's task"),
        ("of the organic price", _format_percent(answer["of_organic_percent"])),
        ("of the raw price", _format_percent(answer["of_raw_percent"])),
    )
    _note(figures)


def _list_figures(answer: Json) -> list[tuple[str, str | int | None]]:
    return [
        ("trades", answer["count"]),
        ("units", answer["volume"]),
        ("lowest", answer["min"]),
        ("highest", answer["max"]),
        ("mean", _format(answer["mean"])),
        ("vwap", _format(answer["vwap"])),
        ("pairs of groups", answer["pairs"]),
        ("organic median", _format(answer["median"])),
        ("organic vwap", _format(answer["organic_vwap"])),
    ]


def _note(answer: Json) -> None:
    if answer["note"]:
        print_note(f"{answer['kind']}: {answer['note']}")


def _format(average: float | None) -> str | None:
    return None if average is None else f"{average:,.3f}"


def _format_percent(percent: int | None) -> str | None:
    return None if percent is None else f"{percent:,} %"
