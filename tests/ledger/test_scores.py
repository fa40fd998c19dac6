"""The second ledger's scores, held against figures that were worked out by hand."""

from typing import Final

import pytest

from tests.ledger.scores import Scores

ONE, OTHER, REQUESTER, PROVIDER = (letter * 32 for letter in (b"1", b"2", b"r", b"p"))
MINUTE: Final = 60_000


def test_scores_recover_by_one_a_day_and_gains_fade_within_a_group() -> None:
    day = 24 * 60 * MINUTE
    scores = Scores(REQUESTER, is_open=False, floor=10)
    scores.inviters.update({PROVIDER: ONE, OTHER: PROVIDER, ONE: REQUESTER})
    assert [scores.get_group(each) for each in (REQUESTER, ONE, PROVIDER, OTHER)] == [
        REQUESTER,
        ONE,
        ONE,
        ONE,
    ]
    scores.lose(ONE, "kind", "FAILED", day)
    days = [scores.get_score(ONE, "provider", day * n) for n in (1, 2, 5, 6, 7)]
    assert days == [-5, -4, -1, 0, 0]
    for account in (PROVIDER, OTHER):
        settled = ("kind", 5, 2)
        scores.settle(b"", (account, ONE), settled, share=500_000, is_early=True, faults=0, now=day)
    points = [scores.get_score(account, "provider", day) for account in (PROVIDER, OTHER)]
    assert points == [12, 6]


@pytest.mark.parametrize(
    ("share", "ruling", "provider", "requester", "trades"),
    [
        (1_000_000, "", 10, 2, 1),
        (1_000_000, "withdrawn", 10, 2, 0),
        (1_000_000, "silent", 0, 0, 0),
        (1_000_000, "ruled", 10, -23, 0),
        (750_000, "ruled", 10, -23, 0),
        (500_000, "ruled", 10, 2, 0),
        (250_000, "ruled", -25, 2, 0),
        (0, "", 0, 2, 0),
    ],
)
def test_what_a_dispute_does(
    share: int, ruling: str, provider: int, requester: int, trades: int
) -> None:
    scores = Scores(REQUESTER, is_open=False, floor=10)
    scores.settle(
        b"",
        (PROVIDER, ONE),
        ("kind", 5, 2),
        share=share,
        is_early=False,
        faults=0,
        now=5,
        ruling=ruling,
    )
    assert scores.get_score(PROVIDER, "provider", 5) == provider
    assert scores.get_score(ONE, "requester", 5) == requester
    assert len(scores.trades) == trades


def test_a_key_that_was_withheld_and_a_fork() -> None:
    scores = Scores(REQUESTER, is_open=False, floor=10)
    scores.withhold(ONE, 5)
    assert scores.get_score(ONE, "requester", 5) == -10
    scores.fork(ONE, 6)
    points = [scores.get_score(ONE, side, 6) for side in ("provider", "requester")]
    assert points == [-25, -35]
