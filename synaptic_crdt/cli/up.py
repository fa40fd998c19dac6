"""Everything that this machine does for the market, in one process; and what it does, on a screen."""

import click

from synaptic_crdt.cli.asking import read
from synaptic_crdt.cli.command import Command
from synaptic_crdt.cli.link_events import LinkTeller
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
from synaptic_crdt.cli.provide import describe_work
from synaptic_crdt.cli.serving import serve

_EXECUTORS = ("rehearsal", "anthropic", "command")


@click.command(
    cls=Command,
    examples=(
        "up",
        "up --listen tcp://0.0.0.0:7700",
        "up --provide anthropic",
    ),
)
@click.option(
    "--listen",
    "addresses",
    metavar="ADDRESS",
    multiple=True,
    help="Let peers sync with this home here.",
)
@click.option(
    "--peer",
    "peers",
    metavar="ADDRESS",
    multiple=True,
    help="Keep a link to here, too; else to all known.",
)
@click.option(
    "--provide",
    "executor",
    type=click.Choice(_EXECUTORS),
    help="Work by the local policy, with this executor.",
)
def up(addresses: tuple[str, ...], peers: tuple[str, ...], executor: str | None) -> None:
    """Do everything that this home does for the market, until interrupted.

    Keeps links to all known peers, serves those who come, closes epochs or cosigns them, works,
    hands keys to whom your tasks were given, and approves results as far as your policy says.
    Other commands use the home meanwhile; `status` shows what runs. A part that fails is run
    again, the others go on. What happens is also written to up.log in the home.
    """
    with LinkTeller() as teller:

        def render(report: Json) -> None:
            teller.end()
            _render_report(report)

        serve(
            "up",
            lambda event: _describe_event(event, teller),
            render,
            addresses=list(addresses),
            peers=list(peers),
            executor=executor,
        )


@click.command(cls=Command, examples=("status", "status --json"))
def status() -> None:
    """Show this home on one screen: what runs, what it owes, what is yours to decide."""
    answer = read("status")
    show(answer, _render_status)
    if any("DELIVERED" in each["seats"] for each in answer["requests"]):
        print_next("task result TASK", "task approve TASK")
    elif not answer["services"]:
        print_next("up")


def _describe_event(event: Json, teller: LinkTeller) -> str:
    match event["event"]:
        case "up":
            return f"up as account {shorten(event['account'])}"
        case "down":
            return "down"
        case "idle":
            return f"not working: {event['reason']}"
        case _ if "address" in event:
            return teller(event)
        case _:
            return describe_work(event)


def _render_report(report: Json) -> None:
    work = report.get("work", {})
    print_fields(
        ("sent", report["sent"]),
        ("received", report["received"]),
        ("delivered", work.get("delivered")),
        ("given up", work.get("failed")),
        ("root", report["root"]),
    )


def _render_status(answer: Json) -> None:
    duties = [name for name in ("sequencer", "witness") if answer[name]]
    name = f" ({answer['name']})" if answer["name"] else ""
    print_fields(
        ("market", f"{answer['market_name']}{' (sandbox)' if answer['sandbox'] else ''}"),
        ("account", f"{shorten(answer['account'])}{name}"),
        ("duties", ", ".join(duties) or None),
        ("root", f"{shorten(answer['root'])} after epoch {answer['epoch']:,}"),
        ("entries", f"{answer['entries']:,}, {answer['pending']:,} pending"),
        ("available", f"{answer['available']:,} {answer['symbol']}"),
        ("escrow", answer["escrow"] or None),
        ("bonded", answer["bonded"] or None),
        ("work", answer["policy"]["idle"] or "as the policy says"),
    )
    print_line()
    _render_services(answer["services"])
    if answer["work"]:
        print_line()
        print_table(
            ("owed", "title", "state", "standing", "until"),
            [
                (
                    shorten(row["assignment"]),
                    row["title"],
                    row["state"],
                    row["standing"],
                    format_time(row["deadline_ms"]),
                )
                for row in answer["work"]
            ],
        )
    if answer["requests"]:
        print_line()
        print_table(
            ("asked for", "title", "seats"),
            [
                (shorten(row["task"]), row["title"], _count(row["seats"]))
                for row in answer["requests"]
            ],
        )
    for finding in answer["findings"]:
        print_line()
        print_line(finding["explanation"])
        if finding["advice"]:
            print_line(f"  {finding['advice']}")


def _render_services(services: list[Json]) -> None:
    if not services:
        print_line("nothing runs on this home")
        return
    print_table(
        ("runs", "since", "failed", "why"),
        [
            (
                service["name"],
                format_time(service["since_ms"]),
                service["failures"],
                service["error"] + _describe_retry(service["retry_ms"]),
            )
            for service in services
        ],
    )


def _describe_retry(retry_ms: int | None) -> str:
    return f" (again at {format_time(retry_ms)})" if retry_ms else ""


def _count(seats: dict[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in seats.items())
