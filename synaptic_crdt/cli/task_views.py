"""Tasks as people read them."""

from synaptic_crdt.cli.advice import advise_on_task
from synaptic_crdt.cli.output import (
    Json,
    format_duration,
    format_percent,
    format_time,
    print_fields,
    print_line,
    print_next,
    print_table,
    shorten,
)


def render_task(answer: Json) -> None:
    """Print a task, its seats, its assignments."""
    print_line(f"{answer['title']}  ({answer['kind']})")
    print_fields(
        ("task", answer["task"]),
        ("status", answer["status"]),
        ("standing", answer["standing"]),
        ("requester", answer["requester"]),
        ("privacy", None if answer["privacy"] == "public" else answer["privacy"]),
        ("verifier", answer["verifier"] or None),
        (
            "price",
            f"{answer['price']:,} a unit, {answer['units']:,} unit{'' if answer['units'] == 1 else 's'}",
        ),
        ("escrow", answer["escrow"]),
        ("posted", format_time(answer["posted_ms"])),
        ("window", format_duration(answer["window_ms"])),
        ("bond", answer["bond"] or None),
        ("penalty", answer["penalty"] or None),
    )
    print_line()
    print_table(
        ("seat", "units", "state", "until", "escrow", "why"),
        [
            (
                seat["seat"],
                seat["units"],
                seat["end"] or seat["state"],
                format_time(seat["deadline_ms"]),
                seat["escrow"],
                seat["explanation"],
            )
            for seat in answer["shards"]
        ],
    )
    for seat in answer["shards"]:
        if seat["waits_for"]:
            print_line(f"seat {seat['seat']} {seat['waits_for']}")
    if answer["assignments"]:
        print_line()
        _print_assignments(answer)
    for row in answer["assignments"]:
        _print_judgement(row)
        _print_feedback(row)
    print_next(*advise_on_task(answer))


def _print_assignments(answer: Json) -> None:
    print_table(
        ("assignment", "seat", "provider", "status", "standing", "price", "paid", "penalty", "why"),
        [
            (
                shorten(row["assignment"]),
                row["seat"],
                shorten(row["provider"]),
                row["status"],
                row["standing"],
                row["price"],
                row["paid"],
                row["penalty"],
                row["explanation"] + (f" ({row['note']})" if row["note"] else ""),
            )
            for row in answer["assignments"]
        ],
    )


def _print_feedback(row: Json) -> None:
    for side, said in row["ratings"].items():
        if said is not None:
            print_line(
                f"feedback on the {side} of {shorten(row['assignment'])}: {said['rating']} of 5,"
                f" {said['points']:+} points{': ' if said['comment'] else ''}{said['comment']}"
            )


def _print_judgement(row: Json) -> None:
    """What was said of a delivery, and what moved because of it."""
    dispute: Json | None = row["dispute"]
    marks: list[Json] = row["review"]["marks"] if row["review"] else []
    for mark in marks:
        scores = ", ".join(
            f"{score['slug']} {format_percent(score['value_ppm'])}" for score in mark["scores"]
        )
        word = "approved" if mark["approve"] else "rejected"
        told = f"{shorten(row['assignment'])}: {shorten(mark['account'])} {word}"
        print_line(told + (f" with {scores}" if scores else ""))
    if dispute is not None:
        print_line(
            f"{shorten(row['assignment'])}: disputed by the {dispute['opener']}"
            f" ({dispute['reason']}), {len(dispute['rulings'])} of {dispute['needed']} rulings,"
            f" {dispute['deposit']:,} at stake"
        )
        for ruling in dispute["rulings"]:
            print_line(
                f"{shorten(row['assignment'])}: {shorten(ruling['arbiter'])} ruled"
                f" {format_percent(ruling['share_ppm'])}"
            )
    for movement in row["moved"]:
        to = movement["to"]
        print_line(
            f"{shorten(row['assignment'])}: {movement['amount']:,} {movement['what']} to"
            f" {to if to == 'treasury' else shorten(to)}"
        )
