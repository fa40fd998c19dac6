"""What is held or disputed still ends as was published."""

import json
from typing import Any

import pytest

from synaptic_crdt.rules.market import Market
from synaptic_crdt.rules.seats import table
from synaptic_crdt.rules.seats.seat import Cause, Row
from synaptic_crdt.rules.verdicts import Verdict
from tests.vectors.make_disputes import CASES, make_vectors
from tests.vectors.make_market import FOLDER, replay_life

PUBLISHED: dict[str, Any] = json.loads((FOLDER / "market-disputes.json").read_text("utf-8"))


def test_the_code_still_makes_the_published_vectors() -> None:
    assert make_vectors() == {"market-disputes.json": PUBLISHED}


def test_the_published_bytes_fold_to_the_published_roots_by_every_row_of_the_table(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken: set[tuple[str, str]] = set()

    def watch(name: tuple[str, str], row: Row) -> Row:
        def follow(market: Market, seat_id: bytes, cause: Cause) -> None:
            taken.add(name)
            row(market, seat_id, cause)

        return follow

    rows = {name: watch(name, row) for name, row in table.TRANSITIONS.items()}
    monkeypatch.setattr(table, "TRANSITIONS", rows)
    assert replay_life(PUBLISHED) == PUBLISHED["steps"]
    wanted = {name for name in table.TRANSITIONS if name[0] in ("HELD", "DISPUTED")}
    assert wanted | {("DELIVERED", "dispute")} <= taken


def test_every_case_ends_by_its_own_reason() -> None:
    ends = PUBLISHED["end, reason, paid, fee, penalty, share"]
    assert list(ends) == list(CASES)
    assert all(end == "SETTLED" for end, *_ in ends.values())
    reasons = {reason for _, reason, *_ in ends.values()}
    assert reasons == {
        *("agreed", "contest-ended", "both-named", "ruled"),
        *("withdrawn", "no-ruling", "proposal-stands"),
    }
    paid = {name: (paid, share) for name, (_, _, paid, _, _, share) in ends.items()}
    # 101 less 2 percent, rounded in favour of the provider.
    assert paid["disputed by the requester: it gives in"] == (99, 1_000_000)
    assert paid["disputed by the requester: nothing was earned"] == (0, 0)
    assert paid["disputed by the requester: the lower median counts"][1] == 500_000
    assert paid["disputed by the provider: nobody rules on an independent word"] == (0, 0)


def test_nothing_is_lost_and_the_wrong_words_change_nothing() -> None:
    assert PUBLISHED["held"] == 0
    assert PUBLISHED["treasury"] + sum(PUBLISHED["balances"].values()) == 1_000_000
    order = PUBLISHED["id, epoch, effective time, verdict in order"]
    refused = [Verdict(verdict).name for _, _, _, verdict in order if verdict]
    assert sorted(refused) == sorted(
        (
            "WRONG_PHASE",
            "ALREADY_RULED",
            "NOT_AN_ARBITER",
            "ASSIGNMENT_CLOSED",
            "NOT_THE_OPENER",
            "NOT_AN_ARBITER",
        )
    )
