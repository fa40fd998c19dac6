"""Random judging and disputing: the second ledger agrees, and every way to end is come to."""

from collections import Counter
from typing import get_args

import pytest

from synaptic_crdt.rules.market import get_rows
from synaptic_crdt.rules.rows import Reason
from synaptic_crdt.rules.verdicts import Verdict
from tests.simulation.agreement import find_differences
from tests.simulation.judged import Judged

SEEDS = 30
# Where chance has left something out, it gets more of them.
SEEDS_AT_MOST = 200
LENGTH = 160
# The operations that this program is for.
JUDGING = {
    "task.improve",
    "task.reveal",
    "key.share",
    "task.progress",
    "task.approve",
    "assignment.extend",
    "assignment.settle",
    "dispute.open",
    "dispute.evidence",
    "dispute.rule",
    "dispute.withdraw",
}
# What comes of keys that are for others, or for nothing.
KEYS = {
    *(Verdict.KEY_DEVICE_UNKNOWN, Verdict.KEY_NOT_LISTED, Verdict.KEY_FOR_OTHERS),
    *(Verdict.NO_KEY, Verdict.NOT_ATTESTED, Verdict.NOT_A_PARTY),
}


@pytest.mark.untraced
def test_the_second_ledger_agrees_on_every_judged_market() -> None:
    applied: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    refused: Counter[Verdict] = Counter()
    for seed in range(SEEDS_AT_MOST):
        missing = [
            JUDGING - set(applied),
            set(get_args(Reason)) - set(reasons),
            KEYS - set(refused),
        ]
        if seed >= SEEDS and not any(missing):
            return
        played = Judged(seed)
        played.run(LENGTH)
        played.scenario.check_converged()
        market = played.scenario.founder.market
        assert find_differences(market) == [], f"this was the program of seed {seed}"
        machine = market.replica.machine
        for outcome in [*machine.get_settled(), *machine.get_tail()]:
            if outcome.verdict == Verdict.APPLIED:
                applied[str(outcome.entry.operation[0])] += 1
            refused[Verdict(outcome.verdict)] += 1
        rows = get_rows(market.contract.market.assignments, "provider")
        reasons.update(row.reason for _, row in rows)
    pytest.fail(f"{SEEDS_AT_MOST} programs left something out: {applied}, {reasons}, {refused}")
