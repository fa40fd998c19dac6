"""The requester's side of a task, and looking at tasks."""

from pathlib import Path

import click

from synaptic_crdt.cli.arguments import DURATION, FIGURE, PERCENT, allow_secret_option
from synaptic_crdt.cli.asking import append, read
from synaptic_crdt.cli.command import Group, Member, get_settings
from synaptic_crdt.cli.output import (
    Json,
    format_duration,
    print_event,
    print_line,
    print_next,
    print_table,
    shorten,
    show,
)
from synaptic_crdt.cli.payloads import read_payload_file
from synaptic_crdt.cli.standing import print_standing
from synaptic_crdt.cli.task_views import render_task


def _content(attribute: str, summary: str) -> Member:
    return Member("synaptic_crdt.cli.content", attribute, summary)


def _work(attribute: str, summary: str) -> Member:
    return Member("synaptic_crdt.cli.work", attribute, summary)


def _judging(attribute: str, summary: str) -> Member:
    return Member("synaptic_crdt.cli.judging", attribute, summary)


@click.group(
    cls=Group,
    members={
        "payload": _content("payload", "Show what a seat of a task is to work on."),
        "result": _content("result", "Show what was delivered for a task, or for one assignment."),
        "wait": Member(
            "synaptic_crdt.cli.waiting", "wait", "Wait for what comes of a task, and print it."
        ),
        "accept": _work("accept", "Take a seat of a task."),
        "decline": _work("decline", "Give an assignment back before the work began."),
        "reveal": Member(
            "synaptic_crdt.cli.private",
            "reveal",
            "Hand the key of a private payload to who is to work on it.",
        ),
        "share": Member(
            "synaptic_crdt.cli.private", "share", "Hand the key of private work to somebody else."
        ),
        "start": _work("start", "Say that the payload is in hand and readable, and begin."),
        "deliver": _work("deliver", "Hand over a result."),
        "progress": _judging("progress", "Say how far begun work is."),
        "fail": _work("fail", "Admit that begun work will not be delivered."),
        "approve": _judging("approve", "Approve what was delivered, or reject it; with scores."),
        "settle": _judging("settle", "Name the share of the pay that would do."),
        "extend": _judging("extend", "Give a provider more time."),
        "improve": _judging("improve", "Better a task for its providers."),
    },
    examples=(
        "task post --kind text.answer --title 'A question' --text 'What is a CRDT?' --price 50",
        "task list --status open",
        "task show 3f9a",
    ),
)
def task() -> None:
    """Post, accept, run and settle tasks.

    Titles, kinds, sizes and times are public. So are payloads and results, unless the task is
    private: then who works on it reads them, with its machine and the vendor of its model.
    """


@task.command(
    "post",
    examples=(
        "task post --kind text.answer --title 'A question' --text 'What is a CRDT?' --price 50",
        "task post --kind text.answer --title Q --text 'What is a CRDT?' --price 50 --wait",
        "task post --kind text.summarize --title Report --file a.txt --file b.txt --price 20",
        "task post --kind text.answer --title Q --text Why? --price 2 --auction dutch --price-max 6",
        "task post --kind text.answer --title Q --text Why? --price 9 --metric accuracy=95 --penalty 4",
        "task post --kind text.answer --title Q --file a.txt --price 9 --verifier vera",
        "task post --kind text.answer --title Q --text Why? --price 9 --private --only paul --reveal-now",
    ),
)
@click.option("--kind", required=True, help="What kind of work, of those the market knows.")
@click.option("--title", required=True, help="What people see; public.")
@click.option("--text", "texts", multiple=True, help="A payload: one seat each time it is given.")
@click.option(
    "--file",
    "files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A payload from a file: one seat each time it is given.",
)
@click.option("--units", type=int, default=1, show_default=True, help="Of work, a seat.")
@click.option("--price", type=int, required=True, help="For one unit; at most, unless told.")
@click.option(
    "--auction",
    type=click.Choice(["first-accept", "dutch"]),
    default="first-accept",
    show_default=True,
    help="dutch: the price rises through the window.",
)
@click.option(
    "--premium-up-to",
    "--price-max",
    "price_max",
    type=int,
    help="For one unit, to the best, or at a dutch auction's end; else the price.",
)
@click.option("--newcomers-from", "price_low", type=int, help="For one unit, to anybody.")
@click.option("--capability", "capabilities", multiple=True, help="What a provider must offer.")
@click.option(
    "--providers-min",
    type=int,
    default=1,
    show_default=True,
    help="Nobody begins before so many accepted.",
)
@click.option("--window", type=DURATION, help="How long it can be accepted; else the market's.")
@click.option(
    "--priority", type=DURATION, help="How long known providers go first; else the market's."
)
@click.option(
    "--response", type=DURATION, default="10m", show_default=True, help="From winning to starting."
)
@click.option(
    "--execution", type=DURATION, default="1h", show_default=True, help="From start to delivery."
)
@click.option(
    "--penalty",
    type=int,
    default=0,
    show_default=True,
    help="For being late, each time, out of the provider's pay.",
)
@click.option(
    "--bond",
    type=int,
    default=0,
    show_default=True,
    help="What a provider locks, and loses when it abandons the work.",
)
@click.option("--review", type=DURATION, help="Your time to approve; then silence approves.")
@click.option("--redispatch", type=int, help="How often a failed seat opens again.")
@click.option(
    "--private", is_flag=True, help="Encrypt the payloads; only who works on them reads them."
)
@click.option("--criteria", default="", help="What makes a result good; public.")
@click.option("--copies", type=int, default=1, show_default=True, help="Providers for one payload.")
@click.option(
    "--verifier",
    metavar="ACCOUNT",
    help="Confidential: private, and this verifier has to vouch for the provider.",
)
@click.option(
    "--reputation-min", type=int, default=0, show_default=True, help="A provider's least score."
)
@click.option("--only", multiple=True, metavar="ACCOUNT", help="For these accounts only.")
@click.option("--exclude", multiple=True, metavar="ACCOUNT", help="Not for these accounts.")
@click.option(
    "--metric",
    "metrics",
    type=FIGURE,
    multiple=True,
    metavar="METRIC=PERCENT",
    help="The least score of a metric; half the penalty if it is missed.",
)
@click.option("--uptime", type=PERCENT, default=0, help="Percent of presence during the work.")
@click.option(
    "--release",
    type=click.Choice(["requester", "both", "quorum"]),
    default="requester",
    show_default=True,
    help="Whose approval pays.",
)
@click.option("--signer", "signers", multiple=True, metavar="ACCOUNT", help="Of the quorum.")
@click.option("--signers-needed", type=int, help="How many of them; else all.")
@click.option("--not-before", type=DURATION, default=0, help="Paid no sooner after delivery.")
@click.option("--evaluator", metavar="ACCOUNT", help="Who approves, and whose scores count.")
@click.option("--arbiter", "arbiters", multiple=True, metavar="ACCOUNT", help="Else the market's.")
@click.option("--quorum", type=int, help="How many arbiters decide; else most of yours.")
@click.option("--reveal", type=DURATION, help="Your time to hand over the key; else the market's.")
@click.option(
    "--reveal-now",
    is_flag=True,
    help="Hand the key to all of --only with the posting: each can read it, nobody waits for it.",
)
@click.option("--dry-run", is_flag=True, help="Say what it would lock; write nothing.")
@click.option("--allow-pending", is_flag=True, help="Also lock what is not final yet.")
@click.option("--wait", is_flag=True, help="Then wait for the result, and print it: `task wait`.")
@allow_secret_option
def post(
    kind: str,
    title: str,
    texts: tuple[str, ...],
    files: tuple[Path, ...],
    units: int,
    price: int,
    auction: str,
    price_max: int | None,
    price_low: int | None,
    capabilities: tuple[str, ...],
    providers_min: int,
    window: int | None,
    priority: int | None,
    response: int,
    execution: int,
    penalty: int,
    bond: int,
    review: int | None,
    redispatch: int | None,
    criteria: str,
    copies: int,
    verifier: str | None,
    reputation_min: int,
    only: tuple[str, ...],
    exclude: tuple[str, ...],
    metrics: tuple[tuple[str, int], ...],
    uptime: int,
    release: str,
    signers: tuple[str, ...],
    signers_needed: int | None,
    not_before: int,
    evaluator: str | None,
    arbiters: tuple[str, ...],
    quorum: int | None,
    reveal: int | None,
    *,
    private: bool,
    reveal_now: bool,
    dry_run: bool,
    allow_pending: bool,
    wait: bool,
) -> None:
    """Post a task, and lock its price: units x price for every seat.

    What is not paid out comes back when the task ends. Who accepts is paid what it asks: the price
    at most, or with the spread options what its reputation allows between the two.
    """
    payloads = [{"text": text} for text in texts] + [read_payload_file(file) for file in files]
    if not payloads:
        raise click.UsageError("give a payload: --text TEXT or --file FILE")
    answer = append(
        "task.post",
        kind=kind,
        title=title,
        seats=[{"units": units, **payload} for payload in payloads],
        price=price,
        providers_min=providers_min,
        window_seconds=window,
        priority_seconds=priority,
        response_seconds=response,
        execution_seconds=execution,
        penalty=penalty,
        bond=bond,
        review_seconds=review,
        redispatch=redispatch,
        private=private,
        auction=auction,
        price_low=price_low,
        price_max=price_max,
        capabilities=list(capabilities),
        criteria=criteria,
        copies=copies,
        verifier=verifier,
        reputation_min=reputation_min,
        only=list(only),
        exclude=list(exclude),
        metrics_ppm=dict(metrics),
        uptime_ppm=uptime,
        release=release,
        signers=list(signers),
        signers_needed=signers_needed,
        not_before_seconds=not_before,
        evaluator=evaluator,
        arbiters=list(arbiters),
        quorum=quorum,
        reveal_seconds=reveal,
        reveal_now=reveal_now,
        dry_run=dry_run,
        allow_pending=allow_pending,
    )
    if wait and not dry_run:
        _wait(answer)
        return
    show(answer, _render_posted)
    if not dry_run:
        print_next("sync", f"task show {shorten(answer['task'])}")


@task.command("list", examples=("task list", "task list --status open", "task list --json"))
@click.option(
    "--status",
    type=click.Choice(
        ["open", "min_reached", "closed", "expired", "cancelled", "done"], case_sensitive=False
    ),
    help="Only those of one status.",
)
def list_tasks(status: str | None) -> None:
    """Show all tasks in the order in which they were posted."""
    show(read("task.list", status=status), _render_list)


@task.command("show", examples=("task show 3f9a", "task show 3f9a --json"))
@click.argument("task_id", metavar="TASK|ASSIGNMENT")
def show_task(task_id: str) -> None:
    """Show a task, its seats and assignments, and why each ended."""
    answer = read("task.show", task=task_id)
    show(answer, render_task)


@task.command("cancel", examples=("task cancel 3f9a",))
@click.argument("task_id", metavar="TASK")
def cancel(task_id: str) -> None:
    """Close the seats that nobody works on; what they locked returns."""
    answer = append("task.cancel", task=task_id)
    show(answer, lambda told: _render_done(told, "cancelled"))
    print_next("wallet", f"task show {task_id}")


def _wait(answer: Json) -> None:
    """Tell what was posted before waiting, where it does not end up in the one document."""
    from synaptic_crdt.cli.waiting import leave, render_outcome, wait_for

    print_event({"event": "posted", **answer}, lambda _: "")
    if not get_settings().as_json:
        _render_posted(answer)
    report = wait_for(answer["task"])
    show({**answer, **report}, render_outcome)
    leave(report)


def _render_posted(answer: Json) -> None:
    window = format_duration(answer["window_ms"])
    if answer.get("dry_run"):
        print_line(f"would lock {answer['locked']:,}, open for {window}; nothing was written")
        return
    print_line(
        f"posted task {shorten(answer['task'])}: {answer['locked']:,} locked, open for {window}"
    )
    for what, accounts in (
        ("the key went along for", answer["keys_for"]),
        ("to be revealed, should they win:", answer["keys_awaited"]),
    ):
        if accounts:
            print_line(f"{what} {', '.join(shorten(account) for account in accounts)}")
    print_standing(answer)


def _render_list(answer: Json) -> None:
    print_table(
        ("task", "status", "kind", "title", "price", "seats", "free", "standing"),
        [
            (
                shorten(row["task"]),
                row["status"],
                row["kind"],
                row["title"],
                row["price"],
                row["seats"],
                row["free"],
                row["standing"],
            )
            for row in answer["tasks"]
        ],
    )


def _render_done(answer: Json, what: str) -> None:
    print_line(f"{what}, entry {shorten(answer['entry'])}")
    print_standing(answer)
