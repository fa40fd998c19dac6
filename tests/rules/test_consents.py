"""Consent: opting in and out, own caps, and for whom an account works."""

import pytest

from synaptic_crdt.rules.account_operations import Caps, Consent
from synaptic_crdt.rules.consents import NO_CAPS, make_consent
from synaptic_crdt.rules.form import read_operation
from synaptic_crdt.rules.limits import DAY_MS
from synaptic_crdt.rules.operations import TaskStart, encode_operation
from synaptic_crdt.rules.verdicts import Refusal, Verdict
from synaptic_crdt.rules.views import view_consent
from tests.rules.conftest import RESULT, Ladder, Stage, make_accept, make_deliver, make_task

ONE, TWO = b"1" * 32, b"2" * 32
TERMS = b"t" * 32


def test_repair_ladder(stage: Stage) -> None:
    ladder = Ladder(stage, "consent")
    stage.join("watcher", role="auditor", opt_in=False)
    wrong = Consent(TERMS, Caps(-1, -1, -1, ("no kind",)), -1_001, (TWO, ONE))
    ladder.expect(Verdict.CAP_OUT_OF_RANGE, "nobody", wrong)
    for caps in (Caps(10**6 + 1, 0, 0, ()), Caps(0, 10**9 + 1, 0, ()), Caps(0, 0, -1, ())):
        ladder.expect(Verdict.CAP_OUT_OF_RANGE, "nobody", Consent(TERMS, caps, 0, ()))
    for kinds in (("no kind",), ("b", "a"), ("a", "a"), tuple(f"k{n:02}" for n in range(65))):
        caps = Caps(10**6, 10**9, 10**6, kinds)
        ladder.expect(Verdict.KINDS_INVALID, "nobody", Consent(TERMS, caps, -1_001, (TWO, ONE)))
    for least in (-1_001, 1_001):
        wrong = Consent(TERMS, Caps(0, 0, 0, ("b",)), least, (TWO, ONE))
        ladder.expect(Verdict.REQUESTER_MIN_OUT_OF_RANGE, "nobody", wrong)
    for blocked in ((TWO, ONE), (ONE, ONE), tuple(bytes((n,)) * 32 for n in range(65))):
        wrong = Consent(TERMS, NO_CAPS, 1_000, blocked)
        ladder.expect(Verdict.BLOCKED_INVALID, "nobody", wrong)
    ladder.expect(Verdict.ACCOUNT_UNKNOWN, "nobody", make_consent(TERMS))
    ladder.expect(Verdict.AUDITOR_MAY_NOT, "watcher", make_consent(TERMS))
    ladder.expect(Verdict.TERMS_OLD, "founder", make_consent(TERMS))
    many = tuple(bytes((n,)) * 32 for n in range(64))
    caps = Caps(0, 0, 0, tuple(f"k{n:02}" for n in range(64)))
    ladder.reach_top("founder", Consent(stage.genesis.terms, caps, -1_000, many))
    stage.did("founder", make_consent(None))
    assert stage.market.get_consent(stage.key("founder")).blocked == ()


def test_caps_are_whole_numbers_or_nothing() -> None:
    array = encode_operation(make_consent(None))
    for caps in ([None] * 3, [None] * 5, [True, None, None, None], [None, None, None, [1]], None):
        refusal = read_operation([array[0], array[1], caps, *array[3:]])
        assert isinstance(refusal, Refusal)
        assert refusal.verdict == Verdict.MALFORMED


def test_nobody_asked_is_nobody_opted_in(stage: Stage) -> None:
    ana = stage.join("ana", opt_in=False)
    view = view_consent(stage.market, ana)
    assert (view["opted_in"], view["terms"], view["requester_min"]) == (False, None, -1_000)
    assert set(view["caps"].values()) == {None}


@pytest.mark.parametrize(
    ("caps", "verdict", "sentence"),
    [
        (Caps(None, None, None, ()), Verdict.OWN_CAP_KINDS, "by its own cap: text.answer"),
        (Caps(None, 1, None, None), Verdict.OWN_CAP_UNITS, "by its own cap: 2, cap 1"),
        (Caps(None, None, 0, None), Verdict.OWN_CAP_OPEN, "by its own cap: 0, cap 0"),
        (Caps(0, None, None, None), Verdict.OWN_CAP_DAY, "by its own cap: 0, cap 0"),
    ],
)
def test_own_caps_stop_what_is_over_them(
    stage: Stage, caps: Caps, verdict: Verdict, sentence: str
) -> None:
    stage.join("ana", opt_in=False)
    task = stage.did("founder", make_task(units=(2,)))
    stage.did("ana", make_consent(stage.genesis.terms, caps=caps))
    assert stage.send("ana", make_accept(task, 100)) == verdict
    assert stage.explain().endswith(sentence)
    # The last word stands as a whole.
    enough = Caps(1, 2, 1, ("text.answer",))
    stage.did("ana", make_consent(stage.genesis.terms, caps=enough))
    stage.did("ana", make_accept(task, 100))


def test_open_assignments_are_those_not_delivered(stage: Stage) -> None:
    stage.join("ana", opt_in=False)
    stage.did("ana", make_consent(stage.genesis.terms, caps=Caps(None, None, 1, None)))
    first, second = (stage.did("founder", make_task()) for _ in range(2))
    assignment = stage.assign(first, "ana")
    assert stage.send("ana", make_accept(second, 100)) == Verdict.OWN_CAP_OPEN
    stage.did("ana", TaskStart(assignment))
    stage.did("ana", make_deliver(assignment, RESULT))
    stage.did("ana", make_accept(second, 100))


def test_the_day_cap_counts_acceptances_of_the_market_day(stage: Stage) -> None:
    stage.join("ana", opt_in=False)
    stage.did("ana", make_consent(stage.genesis.terms, caps=Caps(2, None, None, None)))
    task = stage.did("founder", make_task(units=(1, 1, 1), window_ms=2 * DAY_MS))
    for _ in range(2):
        stage.did("ana", make_accept(task, 100))
    assert stage.send("ana", make_accept(task, 100)) == Verdict.OWN_CAP_DAY
    assert stage.explain().endswith("2, cap 2")
    # To the next midnight of market time, to the millisecond.
    stage.wait(DAY_MS - stage.now % DAY_MS - 1)
    assert stage.send("ana", make_accept(task, 100)) == Verdict.OWN_CAP_DAY
    stage.wait(1)
    stage.did("ana", make_accept(task, 100))
    assert view_consent(stage.market, stage.key("ana"))["taken"]["tasks"] == 1


def test_whom_an_account_does_not_work_for(stage: Stage) -> None:
    stage.join("ana", opt_in=False)
    founder = stage.key("founder")
    task = stage.did("founder", make_task())
    stage.did("ana", make_consent(stage.genesis.terms, blocked=(founder,)))
    assert stage.send("ana", make_accept(task, 100)) == Verdict.REQUESTER_BLOCKED
    assert founder.hex() in stage.explain()
    stage.did("ana", make_consent(stage.genesis.terms, requester_min=1))
    assert stage.send("ana", make_accept(task, 100)) == Verdict.REQUESTER_BELOW_MIN
    assert stage.explain().endswith("0, at least 1")
    stage.did("ana", make_consent(stage.genesis.terms, requester_min=0))
    stage.did("ana", make_accept(task, 100))
