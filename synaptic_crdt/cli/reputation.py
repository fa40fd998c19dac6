"""What others think of an account, and saying what work was like."""

import click

from synaptic_crdt.cli.asking import append, read
from synaptic_crdt.cli.command import Command
from synaptic_crdt.cli.output import (
    Json,
    print_fields,
    print_line,
    print_next,
    print_table,
    shorten,
    show,
)
from synaptic_crdt.cli.standing import print_standing


@click.command(cls=Command, examples=("reputation", "reputation paul", "reputation 3f9a --json"))
@click.argument("account", required=False)
def reputation(account: str | None) -> None:
    """Show scores, tier and how work ended.

    Your own, or those of an account named by its name or id. What is pending is counted; what is
    final already is said beside it.
    """
    arguments = {} if account is None else {"account": account}
    show(read("reputation", **arguments), _render_reputation)


@click.command(
    cls=Command, examples=("feedback 3f9a 5", "feedback 3f9a 2 --comment 'half of it was missing'")
)
@click.argument("assignment", metavar="TASK|ASSIGNMENT")
@click.argument("rating", type=click.IntRange(1, 5))
@click.option("--comment", default="", help="A word to go with it, public.")
def feedback(assignment: str, rating: int, comment: str) -> None:
    """Rate the other party of settled work.

    From 1 to 5, once, within 30 days of the settlement. 4 and 5 raise the other's score, 1 and 2
    lower it; both do less the more often the two of you settled lately.
    """
    answer = append("feedback", assignment=assignment, rating=rating, comment=comment)
    show(answer, _render_feedback)
    print_next("sync", f"task show {shorten(answer['assignment'])}")


def _render_reputation(answer: Json) -> None:
    final = answer["final"]
    print_fields(
        ("account", answer["account"]),
        ("name", answer["name"]),
        ("as provider", _describe(answer, final, "provider_score", answer["tier"])),
        ("as requester", _describe(answer, final, "requester_score", answer["requester_tier"])),
    )
    if answer["kinds"]:
        print_line()
        print_table(
            ("kind", "settled", "failed"),
            [(row["kind"], row["settled"], row["failed"]) for row in answer["kinds"]],
        )


def _describe(answer: Json, final: Json, score: str, tier: str) -> str:
    return f"{answer[score]:,}, {tier} (final: {final[score]:,})"


def _render_feedback(answer: Json) -> None:
    print_line(f"rated assignment {shorten(answer['assignment'])} with {answer['rating']} of 5")
    print_standing(answer)
