"""The market's parameters: what is in force, what follows, and voting for others."""

from pathlib import Path
from typing import Any

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


class KindText(click.ParamType[tuple[str, str]]):
    """A kind and what one unit of it is, as ``SLUG=UNIT``."""

    name = "slug=unit"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Return slug and unit of a text."""
        slug, sign, unit = str(value).partition("=")
        if not sign:
            self.fail(f"{value!r:.80} is not SLUG=UNIT", param, ctx)
        return slug, unit


@click.group(cls=Group, examples=("market show", "market set --fee-ppm 20000"))
def market() -> None:
    """See the market's parameters; change them, as the council."""


@market.command("show", examples=("market show", "market show --json"))
def show_market() -> None:
    """Show the parameters in force, and the changes that were decided."""
    show(read("market.show"), _render_market)


@market.command(
    "set",
    examples=(
        "market set --fee-ppm 20000",
        "market set --kind text.answer='one question' --kind poem='one verse'",
        "market set --terms terms.txt --reference 5ca1ab1e",
        "market set --arbiter rita --arbiter vera --arbiter paul --quorum 2",
    ),
)
@click.option(
    "--kind",
    "kinds",
    type=KindText(),
    multiple=True,
    help="A kind of task and its unit; name all that there will be.",
)
@click.option(
    "--terms", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Their text."
)
@click.option("--fee-ppm", type=int, default=None, help="Out of the provider's part.")
@click.option("--arbiter", "arbiters", multiple=True, help="An account; name all of them.")
@click.option("--quorum", type=int, default=1, show_default=True, help="So many arbiters decide.")
@click.option("--verifier", "verifiers", multiple=True, help="An account; name all of them.")
@click.option("--no-verifiers", is_flag=True, help="Have no verifiers.")
@click.option("--rules", type=int, default=None, help="Another version of the rules.")
@click.option(
    "--reference", default="", help="Of another councillor's vote: hex, to vote for the same one."
)
def set_market(
    kinds: tuple[tuple[str, str], ...],
    terms: Path | None,
    fee_ppm: int | None,
    arbiters: tuple[str, ...],
    quorum: int,
    verifiers: tuple[str, ...],
    rules: int | None,
    reference: str,
    *,
    no_verifiers: bool,
) -> None:
    """Vote for other parameters; the last vote that is needed decides.

    Arbiters change at once, everything else after 24 hours. Tasks keep those of their posting.
    """
    if verifiers and no_verifiers:
        raise click.UsageError("--verifier and --no-verifiers exclude each other")
    answer = append(
        "market.set",
        kinds=[list(kind) for kind in kinds],
        terms_text=None if terms is None else _read_text(terms),
        fee_ppm=fee_ppm,
        arbiters=list(arbiters),
        quorum=quorum,
        verifiers=list(verifiers) if verifiers or no_verifiers else None,
        rules=rules,
        reference=reference,
    )
    show(answer, _render_vote)
    print_next("market show")


def _read_text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise click.BadParameter(f"{path} is not UTF-8 text") from error


def _render_market(answer: Json) -> None:
    print_fields(
        ("market", f"{answer['name']}  {answer['market']}"),
        ("council", f"{answer['council_needed']} of {_list(answer['council'])}"),
        ("arbiters", f"{answer['quorum']} of {_list(answer['arbiters'])}"),
        ("verifiers", _list(answer["verifiers"]) or "none"),
        ("fee", f"{answer['fee_ppm']:,} ppm"),
        ("terms", answer["terms"]),
        ("rules", answer["rules"]),
        ("supply", f"{answer['supply']:,} {answer['symbol']}, {answer['mintable']:,} to mint"),
    )
    print_table(("kind", "one unit is"), [(row["kind"], row["unit"]) for row in answer["kinds"]])
    if answer["changes"]:
        print_line("decided, and not in force yet:")
        print_table(
            ("parameter", "will be", "from"),
            [
                (
                    row["parameter"],
                    _describe(row["parameter"], row["to"]),
                    format_time(row["due_ms"]),
                )
                for row in answer["changes"]
            ],
        )


def _render_vote(answer: Json) -> None:
    print_line(f"voted, reference {answer['reference']}")
    print_standing(answer)
    _render_market(answer)


def _describe(parameter: str, value: Any) -> str:  # noqa: ANN401 - of the parameter's type
    if parameter == "kinds":
        return ", ".join(kind["kind"] for kind in value)
    return (_list(value) or "none") if parameter == "verifiers" else str(value)


def _list(names: list[str]) -> str:
    return ", ".join(shorten(name) for name in names)
