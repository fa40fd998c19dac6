"""One day of a market, told through the command line alone, and every token of it counted.

``whole_day`` plays it and computes what is expected; here the homes are asked.
"""

from collections.abc import Iterator
from contextlib import chdir

import pytest

from tests.cli.conftest import Json, run_line, shift_clocks, tell
from tests.cli.whole_day import (
    AGAIN_FEE,
    AGAIN_PAID,
    AGAIN_PRICE,
    BALANCES,
    BOND,
    DEPOSIT,
    ESCROW,
    FEES,
    GRANTS,
    HOUR_MS,
    LATE_EARNED,
    LATE_FEE,
    LATE_PAID,
    LATE_PRICE,
    MILLION,
    NAMES,
    PAUL,
    PENALTY,
    PIA,
    RITA,
    RULED_EARNED,
    RULED_FEE,
    RULED_PAID,
    RULED_PRICE,
    STAKED,
    UNITS,
    Market,
    Story,
    pick,
    play,
)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """The day, played once, its clocks still ahead; the tests only read."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch, chdir(folder):
        patch.setenv("SYNAPTIC_PASSPHRASE", "")
        patch.delenv("SYNAPTIC_HOME", raising=False)
        yield play(Market(shift_clocks(patch)))


@pytest.fixture
def story(played: Story, monkeypatch: pytest.MonkeyPatch) -> Story:
    """The day, with its folder as the present one."""
    monkeypatch.chdir(played.folder)
    monkeypatch.setenv("SYNAPTIC_PASSPHRASE", "")
    monkeypatch.delenv("SYNAPTIC_HOME", raising=False)
    return played


def show(story: Story, assignment: str) -> Json:
    """What `task show` tells of one assignment."""
    rows = tell("bob", "task", "show", story.task)["assignments"]
    (row,) = (row for row in rows if row["assignment"] == assignment)
    return row


MONEY = ("status", "reason", "price", "share_ppm", "paid", "fee", "penalty")


def test_all_homes_hold_the_same(story: Story) -> None:
    assert story
    told = [pick(tell(name, "state"), "root", "epoch", "final_epoch") for name in NAMES]
    assert told == [told[0]] * len(NAMES)
    assert {tell(name, "state")["pending"] for name in NAMES} == {0}


def test_every_token_is_where_the_rules_put_it(story: Story) -> None:
    for name, balance in BALANCES.items():
        wallet = tell("bob", "wallet", "--account", name)
        assert pick(wallet, "available", "final", "escrow", "bonded") == (balance, balance, 0, 0)
        assert pick(wallet, "pending_in", "pending_out", "granted") == (0, 0, 0), name
    # Nothing was made or lost: what the three had is theirs and the treasury's.
    assert sum(BALANCES.values()) + FEES == sum(GRANTS.values())
    state = tell("bob", "state")
    assert state["treasury"] == story.treasury + FEES
    assert state["holds"] == 0
    assert state["supply"] == state["balances"] + state["treasury"]
    assert tell("fay", "audit")


def test_every_step_locks_and_frees_what_it_should(story: Story) -> None:
    rita, paul, pia = GRANTS["rita"] - 3 * ESCROW, GRANTS["paul"], GRANTS["pia"]
    assert story.wallets["posted"] == {
        "rita": (rita, 3 * ESCROW, 0),
        "paul": (paul, 0, 0),
        "pia": (pia, 0, 0),
    }
    assert story.wallets["accepted"] == {
        "rita": (rita, 3 * ESCROW, 0),
        "paul": (paul - 2 * BOND, 0, 2 * BOND),
        "pia": (pia - BOND, 0, BOND),
    }
    # Seat 0 is settled; seat 1 is still Paul's, and of seat 2 nothing moved: it is held.
    rita, paul = rita + ESCROW - LATE_EARNED, paul + LATE_PAID
    assert story.wallets["held"] == {
        "rita": (rita, 2 * ESCROW, 0),
        "paul": (paul - BOND, 0, BOND),
        "pia": (pia - BOND, 0, BOND),
    }
    # Of seat 1 the escrow waits for somebody else; a provider's dispute locks nothing more.
    rita, paul = rita + BOND, paul - BOND
    assert story.wallets["abandoned"] == {
        "rita": (rita, 2 * ESCROW, 0),
        "paul": (paul, 0, 0),
        "pia": (pia - BOND, 0, BOND),
    }
    assert story.wallets["done again"] == {
        "rita": (rita + ESCROW - AGAIN_PRICE, ESCROW, 0),
        "paul": (paul, 0, 0),
        "pia": (pia + AGAIN_PAID - BOND, 0, BOND),
    }


def test_the_history_of_every_wallet_adds_up(story: Story) -> None:
    for name in NAMES:
        rows = tell("bob", "wallet", "history", "--account", name)["movements"]
        wallet = tell("bob", "wallet", "--account", name)
        assert sum(row["change"] for row in rows) == wallet["available"], name
        assert sum(row["locked_change"] for row in rows) == 0, name
        assert {row["standing"] for row in rows} <= {"final"}
        assert all(row["explanation"] for row in rows if row["cause"] == "deadline")
    assert list_moves(story, "rita") == [
        ("account.open", GRANTS["rita"], 0),
        ("task.post", -3 * ESCROW, 3 * ESCROW),
        ("task.approve", ESCROW - LATE_EARNED, -ESCROW),
        ("deadline", BOND, 0),
        ("task.approve", ESCROW - AGAIN_PRICE, -ESCROW),
        ("dispute.rule", ESCROW - RULED_EARNED + STAKED, -ESCROW),
    ]
    assert list_moves(story, "paul") == [
        ("account.open", GRANTS["paul"], 0),
        ("task.accept", -BOND, BOND),
        ("task.accept", -BOND, BOND),
        ("task.approve", LATE_PAID + BOND, -BOND),
        ("deadline", 0, -BOND),
    ]
    assert list_moves(story, "pia") == [
        ("account.open", GRANTS["pia"], 0),
        ("task.accept", -BOND, BOND),
        ("task.accept", -BOND, BOND),
        ("task.approve", AGAIN_PAID + BOND, -BOND),
        ("dispute.rule", RULED_PAID + BOND, -BOND),
    ]


def list_moves(story: Story, name: str) -> list[tuple[object, ...]]:
    rows = tell(name, "wallet", "history")["movements"]
    assert {row["task"] for row in rows[1:]} == {story.task}
    return [pick(row, "cause", "change", "locked_change") for row in rows]


def test_the_task_is_done_and_nothing_of_it_is_locked(story: Story) -> None:
    task = tell("bob", "task", "show", story.task)
    assert pick(task, "status", "escrow", "privacy", "standing") == ("DONE", 0, "private", "final")
    assert [pick(seat, "state", "escrow", "bonded", "deposit") for seat in task["shards"]] == [
        ("SETTLED", 0, 0, 0)
    ] * 3
    assert [seat["reopened"] for seat in task["shards"]] == [0, 1, 0]
    assert [row["seat"] for row in task["assignments"]] == [0, 1, 2, 1]
    assert all(row["final"] for row in task["assignments"])


def test_who_is_late_pays_for_it(story: Story) -> None:
    row = show(story, story.late)
    told = ("SETTLED", "approved", LATE_PRICE, MILLION, LATE_PAID, LATE_FEE, PENALTY)
    assert pick(row, *MONEY) == told
    assert row["violations"] == ["execution"]
    assert row["explanation"].endswith(
        f": 100 %, {LATE_PAID} to the provider, {PENALTY} withheld for execution, fee {LATE_FEE}"
    )


def test_who_abandons_loses_the_bond_and_another_does_it(story: Story) -> None:
    row = show(story, story.abandoned)
    told = ("ABANDONED", "not-delivered", LATE_PRICE, 0, 0, 0, BOND)
    assert pick(row, *MONEY) == told
    assert row["moved"] == [{"what": "bond", "to": story.accounts["rita"], "amount": BOND}]
    # The hard limit of one hour is four; it was over then, not when somebody noticed.
    assert row["ended_ms"] == row["started_ms"] + 4 * HOUR_MS
    row = show(story, story.again)
    told = ("SETTLED", "approved", AGAIN_PRICE, MILLION, AGAIN_PAID, AGAIN_FEE, 0)
    assert pick(row, *MONEY) == told
    assert row["provider"] == story.accounts["pia"]
    assert row["violations"] == []
    # The seat it lost is not for Paul again.
    assert story.refused["verdict"] == "EXCLUDED"


def test_the_lower_of_two_rulings_counts(story: Story) -> None:
    row = show(story, story.ruled)
    told = ("SETTLED", "ruled", RULED_PRICE, 500_000, RULED_PAID, RULED_FEE, PENALTY)
    assert pick(row, *MONEY) == told
    assert pick(row["dispute"], "opener", "needed", "deposit") == ("provider", 2, DEPOSIT)
    assert {ruling["arbiter"]: ruling["share_ppm"] for ruling in row["dispute"]["rulings"]} == {
        story.accounts["ann"]: 700_000,
        story.accounts["cyd"]: 500_000,
    }
    assert row["violations"] == ["response", "accuracy"]
    # What was withheld was for the time: quality is in the ruling.
    assert row["explanation"].endswith(
        f": 50 %, {RULED_PAID} to the provider, {PENALTY} withheld for response, fee {RULED_FEE},"
        f" {STAKED} of its stake to the requester"
    )
    assert row["moved"] == [
        {"what": "pay", "to": story.accounts["pia"], "amount": RULED_PAID},
        {"what": "fee", "to": "treasury", "amount": RULED_FEE},
        {"what": "stake", "to": story.accounts["rita"], "amount": STAKED},
    ]


def test_what_is_decided_is_decided(story: Story) -> None:
    before = tell("bob", "state")
    late = {
        ("bob", "dispute", "rule", story.ruled, "0"): "ASSIGNMENT_CLOSED",
        ("pia", "dispute", "withdraw", story.ruled): "ASSIGNMENT_CLOSED",
        ("rita", "task", "approve", story.late, "--reject"): "ASSIGNMENT_CLOSED",
        ("pia", "task", "settle", story.ruled, "100"): "ASSIGNMENT_CLOSED",
        ("rita", "task", "cancel", story.task): "NOTHING_TO_CANCEL",
        ("rita", "feedback", story.ruled, "5"): "FEEDBACK_GIVEN",
        ("rita", "feedback", story.abandoned, "1"): "NOT_SETTLED",
        ("ann", "feedback", story.ruled, "1"): "NOT_A_PARTY",
    }
    for (home, *line), verdict in late.items():
        done = run_line("--home", home, "--json", *line)
        assert (done.code, done.error["verdict"]) == (1, verdict), line
        assert pick(tell(home, "state"), "root", "entries") == pick(before, "root", "entries")


def test_prices_know_undisputed_work_in_full_alone(story: Story) -> None:
    assert story
    told = tell("bob", "prices", "text.answer")
    assert pick(told, "count", "volume", "min", "max") == (2, 2 * UNITS, 80, 90)
    # Two pairs of groups, of one volume each: the mean of 80 and 90, whichever way.
    assert pick(told, "pairs", "mean", "vwap", "organic_vwap") == (2, 85, 85, 85)
    # The lower median.
    assert pick(told, "median", "note") == (80, "few traders")
    assert sum(candle["value"] for candle in told["candles"]) == LATE_PRICE + AGAIN_PRICE


def test_reputation_of_all_parties(story: Story) -> None:
    scores = {
        "rita": (0, RITA, "New"),
        "paul": (PAUL, 0, "Risky"),
        "pia": (PIA, 0, "New"),
        "ann": (0, 0, "New"),
        "bob": (0, 0, "New"),
        "cyd": (0, 0, "New"),
    }
    for name, (provider, requester, tier) in scores.items():
        told = tell("bob", "reputation", name)
        assert told["account"] == story.accounts[name]
        assert pick(told, "provider_score", "requester_score", "tier") == (
            provider,
            requester,
            tier,
        ), name
        assert told["final"] == {"provider_score": provider, "requester_score": requester}
    work = {name: tell("bob", "reputation", name)["kinds"] for name in ("paul", "pia")}
    assert work == {
        "paul": [{"kind": "text.answer", "settled": 1, "failed": 1}],
        "pia": [{"kind": "text.answer", "settled": 2, "failed": 0}],
    }


def test_only_whom_it_was_shown_to_reads_it(story: Story) -> None:
    for name in ("rita", "pia", "ann", "cyd"):
        (result,) = tell(name, "task", "result", story.ruled)["results"]
        assert result["text"] == "Yours, C.", name
    for name in ("fay", "paul", "bob"):
        (result,) = tell(name, "task", "result", story.ruled)["results"]
        assert (result["reach"], result["text"]) == ("sealed", None), name
        assert tell(name, "task", "payload", story.task, "--seat", "2")["text"] is None


def test_people_read_each_thing_once(story: Story) -> None:
    lines = run_line("--home", "bob", "task", "show", story.task).out.splitlines()
    said = [line for line in lines if line.startswith("feedback ")]
    short = {name: getattr(story, name)[:12] for name in ("late", "ruled", "again")}
    assert said == [
        f"feedback on the provider of {short['late']}: 4 of 5, +5 points",
        f"feedback on the requester of {short['late']}: 5 of 5, +1 points",
        f"feedback on the provider of {short['ruled']}: 2 of 5, -5 points: late and thin",
        f"feedback on the requester of {short['ruled']}: 1 of 5, -2 points",
        f"feedback on the provider of {short['again']}: 5 of 5, +2 points",
    ]
    assert f"{short['ruled']}: {STAKED} stake to {story.accounts['rita'][:12]}" in lines
