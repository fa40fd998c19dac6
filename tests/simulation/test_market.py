"""Random programs by several people, offline and at once: all peers must come to the same end.

`pytest --hypothesis-profile=long tests/simulation` plays many more, and longer ones.
"""

from functools import partial
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synaptic_crdt.rules.account_operations import Attest, AttestRevoke
from synaptic_crdt.rules.operations import OPERATIONS
from synaptic_crdt.rules.rows import Reason, SeatEnd
from synaptic_crdt.rules.verdicts import Verdict, get_verdict_class
from tests.ledger.money import TREASURY
from tests.rules.conftest import read_refusals
from tests.simulation.agreement import (
    find_differences,
    get_settled_balances,
    read_ledger,
    replay,
    replay_prefix,
)
from tests.simulation.program import GENESES, Play, Step
from tests.simulation.scenario import DAY_MS, SECOND_MS, Scenario, get_verdicts
from tests.simulation.steering import Reached, find_operations, search
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


@pytest.mark.untraced
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

# What a piece of work may end by, and its seat.
WORKING = {tag for tag in OPERATIONS if tag.startswith("task.")} - JUDGING | {"task.approve"}
# Where most is reached; what is not, the search goes on for.
PROGRAMS = max(EXAMPLES // 10, 6)


def play_to_the_end(genesis: int, program: list[Step], *, is_private: bool = False) -> Play:
    played = play(genesis, program, is_private=is_private)
    check_agreement(played)
    check_end(played)
    return played


@pytest.mark.untraced
def test_long_programs_of_private_work_share_keys_rightly_and_wrongly() -> None:
    refused = {Verdict.KEY_DEVICE_UNKNOWN, Verdict.NO_KEY, Verdict.NOT_A_PARTY}
    needed = {"key.share", "task.start", "task.deliver"}

    def find_wanted(reached: Reached) -> set[str]:
        wanted = needed - set(reached.applied)
        if refused - set(reached.verdicts) or "key-withheld" not in reached.reasons:
            wanted |= {"key.share", "task.accept"}
        return wanted

    play_private = partial(play_to_the_end, is_private=True)
    assert find_wanted(search(play_private, find_wanted, base=5)) == set()


def play_what_is_rare() -> Play:
    """What takes several coincidences, each once, so that chance has less to find."""
    played = play(0, [])
    scenario = played.scenario
    founder, requester, provider, other = scenario.peers[:4]
    # Begun and given up; delivered, and approved by somebody who has no say in it.
    tasks = [requester.post() for _ in range(2)]
    provider.pull(requester)
    failed, done = [provider.accept(task) for task in tasks]
    scenario.settle()
    provider.start(failed)
    provider.fail(failed)
    provider.start(done)
    delivery = provider.deliver(done)
    other.pull(provider)
    other.approve(delivery)
    # Who has nothing left cannot give a bond.
    task = requester.post(bond=50)
    provider.pull(requester)
    provider.transfer(requester, provider.get_available())
    provider.accept(task)
    # Nobody takes back another's word, and nobody is appointed who is not there.
    until_ms = scenario.wall_ms + DAY_MS
    word = founder.write(Attest(other.account, "known", until_ms, "word"))
    other.pull(founder)
    other.write(AttestRevoke(word.entry.id))
    founder.set_market(verifiers=(bytes(32),))
    scenario.settle()
    check_agreement(played)
    check_end(played)
    return played


def play_a_loss() -> Play:
    """A device that goes on after it was revoked, twice: without checkpoints its feed stays open."""
    played = play(GENESES.index({"sandbox": True}), [])
    scenario = played.scenario
    owner = scenario.peers[1]
    device = scenario.add_device(owner)
    owner.pull(device)
    owner.revoke_device(device)
    owner.revoke_device(device)
    scenario.wait(SECOND_MS)
    device.transfer(scenario.founder, 1)
    scenario.sync()
    check_agreement(played)
    check_end(played)
    return played


def find_missed(reached: Reached) -> set[Verdict]:
    """What nobody was told yet; forms are told by bytes alone, which have vectors."""
    missed = set(Verdict) - set(reached.verdicts) - BEHIND_THE_GATE - ELSEWHERE
    return {verdict for verdict in missed if get_verdict_class(verdict) != "form"}


def find_unended(reached: Reached) -> set[str]:
    """The ways that work or its seat may end which did not come yet."""
    reasons = set(get_args(Reason)) - set(reached.reasons) - {""} - JUDGED_REASONS
    return reasons | (set(get_args(SeatEnd)) - set(reached.ends))


def find_unwritten(reached: Reached) -> set[str]:
    """The operations that were not applied yet."""
    return set(OPERATIONS) - set(reached.applied) - (JUDGING - {"task.approve"})


@pytest.mark.untraced
def test_long_programs_reach_every_operation_and_every_verdict() -> None:
    def find_wanted(reached: Reached) -> set[str]:
        work = WORKING if find_unended(reached) else set[str]()
        return work | find_unwritten(reached) | find_operations(find_missed(reached))

    directed = (play_what_is_rare(), play_a_loss())
    reached = search(play_to_the_end, find_wanted, base=PROGRAMS, directed=directed)
    assert find_missed(reached) == set()
    assert find_unended(reached) == set()
    assert find_unwritten(reached) == set()
    assert min(reached.situations.values()) > 0


def test_what_is_left_to_other_programs_is_what_their_ladders_climb() -> None:
    """A verdict that no list of the docs has would be reached nowhere."""
    climbed = {name for tag in OPERATIONS for name in read_refusals(tag)}
    assert {verdict.name for verdict in ELSEWHERE | BEHIND_THE_GATE} <= climbed
