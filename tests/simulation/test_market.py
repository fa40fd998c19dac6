"""Random programs by several people, offline and at once: all peers must come to the same end.

`pytest --hypothesis-profile=long tests/simulation` plays many more, and longer ones.
"""

from collections import Counter
from random import Random
from typing import get_args

from hypothesis import given, settings
from hypothesis import strategies as st

from synaptic_crdt.rules.market import get_rows
from synaptic_crdt.rules.operations import OPERATIONS
from synaptic_crdt.rules.rows import Reason, SeatEnd
from synaptic_crdt.rules.verdicts import Verdict, get_verdict_class
from tests.ledger.money import TREASURY
from tests.simulation.agreement import (
    find_differences,
    get_settled_balances,
    read_ledger,
    replay,
    replay_prefix,
)
from tests.simulation.program import GENESES, Play, Step
from tests.simulation.scenario import Scenario, get_verdicts
from tests.simulation.test_judged import JUDGING

# The profile says how much time there is.
EXAMPLES = settings.default.max_examples if settings.default else 100

bytes_ = st.integers(0, 255)
steps = st.builds(Step, bytes_, bytes_, bytes_, bytes_, bytes_)
# A list's usual length is halfway between the two.
programs = st.lists(steps, min_size=20, max_size=60)


def play(genesis: int, program: list[Step], *, is_private: bool = False) -> Play:
    """Carry out a program, and bring everything to everybody."""
    played = Play(Scenario(**GENESES[genesis % len(GENESES)]), is_private=is_private)
    played.run(program)
    played.scenario.sync()
    return played


def make_program(seed: int, length: int) -> list[Step]:
    random = Random(seed)
    return [Step(*random.randbytes(5)) for _ in range(length)]


def check_agreement(played: Play) -> None:
    """Whatever was done: all peers have come to the same, and so has the second ledger."""
    played.scenario.check_converged()
    assert find_differences(played.scenario.founder.market) == []


def check_finality(played: Play) -> None:
    """What was final once is what its prefix alone gives, and is the same in the end."""
    for peer in played.scenario.peers:
        verdicts = get_verdicts(peer.market)
        for finality in played.finalities:
            assert verdicts[: len(finality.verdicts)] == finality.verdicts
    founder = played.scenario.founder
    # One early, one late, and some between.
    for finality in played.finalities[:: max(1, len(played.finalities) // 4)]:
        free = read_ledger(founder.market, finality.epoch).money.free
        balances = {key: amount for key, amount in free.items() if key != TREASURY and amount}
        assert balances == finality.balances
        alone = replay_prefix(founder, finality.epoch, played.keys)
        assert alone.replica.machine.epoch == finality.epoch
        assert not alone.replica.divergences
        assert get_settled_balances(alone) == finality.balances


def check_end(played: Play) -> None:
    """Silence alone ends with nothing locked; until then, all that is locked has a deadline."""
    played.pass_all_deadlines()
    check_agreement(played)
    check_finality(played)
    founder = played.scenario.founder
    assert replay(founder).replica.root == founder.replica.root
    assert founder.market.contract.market.get_money().held == 0
    assert not any(founder.get_held(peer) for peer in played.scenario.peers)
    assert founder.replica.machine.get_next_deadline() is None


@settings(max_examples=max(EXAMPLES // 4, 1))
@given(st.integers(0, 5), programs, st.booleans())
def test_peers_agree_with_each_other_and_with_the_second_ledger(
    genesis: int, program: list[Step], is_private: bool
) -> None:
    played = play(genesis, program, is_private=is_private)
    check_agreement(played)
    check_end(played)


# The gate lets no such feed in: nobody writes these but who has changed the gate.
BEHIND_THE_GATE = {
    Verdict.CERTIFICATE_MISSING,
    Verdict.CERTIFICATE_FORGED,
    Verdict.PROOF_FORGED,
    Verdict.VOUCHER_FORGED,
}

# What only tasks with every wish come to, which have programs and ladders of their own.
ELSEWHERE = {
    *(Verdict.SIGNER_UNKNOWN, Verdict.EVALUATOR_UNKNOWN, Verdict.ARBITER_UNKNOWN),
    *(Verdict.VERIFIER_UNKNOWN, Verdict.DISPUTE_UNKNOWN, Verdict.KEY_DEVICE_UNKNOWN),
    *(Verdict.NOT_ON_THE_LIST, Verdict.EXCLUDED_BY_REQUESTER, Verdict.GROUP_HAS_A_COPY),
    *(Verdict.CAPABILITY_MISSING, Verdict.REPUTATION_TOO_LOW, Verdict.NOT_ATTESTED),
    *(Verdict.NOT_AN_ARBITER, Verdict.NOT_THE_OPENER, Verdict.ALREADY_SIGNED),
    *(Verdict.NOT_IMPROVED, Verdict.METRIC_NOT_ASKED, Verdict.TOO_MUCH_EVIDENCE),
    *(Verdict.ALREADY_RULED, Verdict.TOO_MUCH_PROGRESS, Verdict.KEY_FOR_OTHERS),
    *(Verdict.RESULT_NOT_SEALED, Verdict.RESULT_SEALED, Verdict.NO_KEY),
    *(
        Verdict.TOO_MANY_KEY_SHARES,
        Verdict.KEY_NOT_LISTED,
        Verdict.NOT_OPEN_YET,
        Verdict.EXTENSION_TOO_LONG,
    ),
    *(Verdict.DEPOSIT_SHORT, Verdict.ATTESTATION_TOO_LONG, Verdict.CERTIFICATE_MISMATCH),
    *(Verdict.NOT_OPTED_IN, Verdict.OPENINGS_OVER_RATE),
}
JUDGED_REASONS = {
    *("both-named", "ruled", "agreed", "withdrawn", "proposal-stands"),
    *("key-withheld", "no-ruling", "time-locked"),
}

# So many are needed to get everywhere.
SEEDS_MIN = 20


class Reached:
    """What a number of programs came to, all together."""

    def __init__(self) -> None:
        self.applied: Counter[str] = Counter()
        self.verdicts: Counter[Verdict] = Counter()
        self.reasons: Counter[str] = Counter()
        self.ends: Counter[str] = Counter()
        self.situations: Counter[str] = Counter()

    def add(self, played: Play) -> None:
        machine = played.scenario.founder.replica.machine
        market = played.scenario.founder.market.contract.market
        outcomes = [*machine.get_settled(), *machine.get_tail()]
        for outcome in outcomes:
            self.verdicts[Verdict(outcome.verdict)] += 1
            if outcome.verdict == Verdict.APPLIED:
                self.applied[str(outcome.entry.operation[0])] += 1
        self.reasons.update(row.reason for _, row in get_rows(market.assignments, "provider"))
        self.ends.update(
            end for _, end, _ in read_ledger(played.scenario.founder.market).get_seats().values()
        )
        times = [outcome.entry.time for outcome in outcomes]
        self.situations["late entry"] += times != sorted(times)
        self.situations["equal timestamps"] += len(times) != len(set(times))
        self.situations["void entry"] += any(
            next(peer.replica.get_void(), None) for peer in played.scenario.peers
        )
        self.situations["reversal"] += any(
            peer.replica.machine.get_reversals() for peer in played.scenario.peers
        )


def test_long_programs_of_private_work_share_keys_rightly_and_wrongly() -> None:
    reached = Reached()
    for seed in range(6):
        played = play(seed, make_program(1_000 + seed, 60), is_private=True)
        check_agreement(played)
        check_end(played)
        reached.add(played)
    assert min(reached.applied[tag] for tag in ("key.share", "task.start", "task.deliver")) > 0
    refused = {Verdict.KEY_DEVICE_UNKNOWN, Verdict.NO_KEY, Verdict.NOT_A_PARTY}
    assert refused <= set(reached.verdicts)
    assert "key-withheld" in reached.reasons


def test_long_programs_reach_every_operation_and_every_verdict() -> None:
    reached = Reached()
    for seed in range(max(EXAMPLES // 5, SEEDS_MIN)):
        try:
            played = play(seed, make_program(seed, 140))
            check_agreement(played)
            check_end(played)
        except Exception as error:
            error.add_note(f"this was the program of seed {seed}")
            raise
        reached.add(played)
    assert set(OPERATIONS) - set(reached.applied) == JUDGING - {"task.approve"}
    missed = set(Verdict) - set(reached.verdicts)
    missed = {verdict for verdict in missed if get_verdict_class(verdict) != "form"}
    assert missed - BEHIND_THE_GATE - ELSEWHERE == set()
    assert set(get_args(Reason)) - set(reached.reasons) - {""} <= JUDGED_REASONS
    assert set(reached.ends) == set(get_args(SeatEnd))
    assert min(reached.situations.values()) > 0
