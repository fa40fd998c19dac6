"""The council's changes: who decides, when they come in force, and what keeps its old ones."""

from typing import Any

import pytest
from msgspec.structs import replace

from synaptic_crdt.rules.consents import make_consent
from synaptic_crdt.rules.council_operations import Arbitration
from synaptic_crdt.rules.genesis import Kind
from synaptic_crdt.rules.limits import DAY_MS, HOUR_MS
from synaptic_crdt.rules.operations import TaskApprove, TokenTransfer
from synaptic_crdt.rules.rows import ChangeRow
from synaptic_crdt.rules.verdicts import Verdict
from synaptic_crdt.rules.views import view_parameters
from tests.rules.conftest import Ladder, Stage, make_accept, make_change, make_key, make_task

FOUNDER, BEA = make_key("founder").public, make_key("bea").public
NEW = b"n" * 32
CHANGED = ("kinds", "terms", "fee_ppm", "verifiers", "rules_due")


def make_pair() -> Stage:
    """Two on the council, both needed."""
    stage = Stage(funds=0, council=[FOUNDER, BEA], council_needed=2)
    stage.join_by("founder", "bea")
    return stage


def test_repair_ladder() -> None:
    stage = make_pair()
    ladder = Ladder(stage, "market.set")
    nobody = stage.key("nobody")
    ladder.expect(Verdict.CHANGE_EMPTY, "nobody", make_change())
    wrong = make_change(
        kinds=(),
        fee_ppm=-1,
        arbiters=Arbitration((), 0),
        verifiers=(b"2" * 32, b"1" * 32),
        rules=0,
    )
    one, two = Kind("a", "u"), Kind("b", "u")
    many = tuple(Kind(f"k{number:02}", "u") for number in range(65))
    for kinds in ((), (two, one), (one, one), (Kind("A", "u"),), (Kind("a", ""),), many):
        ladder.expect(Verdict.KINDS_INVALID, "nobody", replace(wrong, kinds=kinds))
    wrong = replace(wrong, kinds=many[:64])
    ladder.expect(Verdict.FEE_OUT_OF_RANGE, "nobody", wrong)
    ladder.expect(Verdict.FEE_OUT_OF_RANGE, "nobody", replace(wrong, fee_ppm=10**6 + 1))
    wrong = replace(wrong, fee_ppm=10**6)
    crowd = tuple(bytes((number,)) * 32 for number in range(16))
    for accounts, quorum in (((), 0), (crowd[:2], 0), (crowd[:2], 3), (crowd, 1)):
        arbiters = Arbitration(accounts, quorum)
        ladder.expect(Verdict.ARBITERS_INVALID, "nobody", replace(wrong, arbiters=arbiters))
    arbiters = Arbitration(crowd[1::-1], 1)
    ladder.expect(Verdict.ARBITERS_INVALID, "nobody", replace(wrong, arbiters=arbiters))
    wrong = replace(wrong, arbiters=Arbitration((nobody,), 1))
    ladder.expect(Verdict.VERIFIERS_INVALID, "nobody", wrong)
    ladder.expect(Verdict.VERIFIERS_INVALID, "nobody", replace(wrong, verifiers=crowd))
    wrong = replace(wrong, verifiers=(nobody,))
    ladder.expect(Verdict.RULES_OUT_OF_RANGE, "nobody", wrong)
    ladder.expect(Verdict.RULES_OUT_OF_RANGE, "nobody", replace(wrong, rules=10**6 + 1))
    wrong = replace(wrong, rules=1)
    stage.join_by("founder", "ana")
    ladder.expect(Verdict.ACCOUNT_UNKNOWN, "nobody", wrong)
    ladder.expect(Verdict.APPOINTED_UNKNOWN, "ana", wrong)
    wrong = replace(wrong, arbiters=Arbitration((BEA,), 1))
    ladder.expect(Verdict.APPOINTED_UNKNOWN, "ana", wrong)
    wrong = replace(wrong, verifiers=(FOUNDER,))
    ladder.expect(Verdict.NOT_COUNCIL, "ana", wrong)
    stage.did("founder", wrong)
    stage.did("bea", wrong)
    ladder.expect(Verdict.ALREADY_DECIDED, "founder", wrong)
    again = replace(wrong, reference=b"again")
    stage.did("founder", again)
    ladder.expect(Verdict.ALREADY_VOTED, "founder", again)
    assert stage.explain().endswith("1 of 2 so far")
    ladder.reach_top("bea", again)


def test_one_voice_of_two_changes_nothing() -> None:
    stage = make_pair()
    stage.did("founder", make_change(fee_ppm=5, arbiters=Arbitration((BEA,), 1)))
    stage.wait(2 * DAY_MS)
    view = view_parameters(stage.market)
    assert (view["fee_ppm"], view["arbiters"], view["changes"]) == (0, [FOUNDER.hex()], [])


def test_everything_but_arbiters_has_a_days_notice(stage: Stage) -> None:
    ana = stage.join("ana")
    before = view_parameters(stage.market)
    entry = stage.did(
        "founder",
        make_change(
            kinds=(Kind("poem", "one verse"),),
            terms=NEW,
            fee_ppm=7,
            arbiters=Arbitration((ana,), 1),
            verifiers=(ana,),
            rules=1,
        ),
    )
    at_once = view_parameters(stage.market)
    changed = {key for key, value in at_once.items() if before[key] != value}
    assert changed == {"arbiters", "changes"}
    pending = {change["parameter"]: change["to"] for change in at_once["changes"]}
    assert pending == {
        "kinds": [{"kind": "poem", "unit": "one verse"}],
        "terms": NEW.hex(),
        "fee_ppm": 7,
        "verifiers": [ana.hex()],
        "rules": 1,
    }
    assert {change["entry"] for change in at_once["changes"]} == {entry.hex()}
    assert {change["due_ms"] for change in at_once["changes"]} == {stage.now + DAY_MS}
    stage.wait(DAY_MS - 1)
    assert view_parameters(stage.market) == at_once
    stage.wait(1)
    after = view_parameters(stage.market)
    assert (after["terms"], after["fee_ppm"], after["verifiers"]) == (NEW.hex(), 7, [ana.hex()])
    assert (after["kinds"], after["changes"]) == (pending["kinds"], [])
    assert (after["rules"], after["rules_due"]) == (1, 1)
    stage.close_epoch()
    assert view_parameters(stage.market)["rules_due"] is None


def test_new_arbiters_and_their_quorum_are_those_of_later_tasks(stage: Stage) -> None:
    crowd = tuple(sorted(stage.join(name) for name in ("ana", "bea", "cid")))
    old = stage.did("founder", make_task(price=1))
    stage.did("founder", make_change(arbiters=Arbitration(crowd, 2)))
    new = stage.did("founder", make_task(price=1))
    own = stage.did("founder", make_task(price=1, arbiters=crowd, quorum=3))
    for task, judges in ((old, ((FOUNDER,), 1)), (new, (crowd, 2)), (own, (crowd, 3))):
        row = stage.market.tasks.get(task)
        assert row is not None
        assert (row.arbiters, row.quorum) == judges


@pytest.mark.parametrize(
    ("parameter", "field", "value"),
    [
        ("kinds", "kinds", (Kind("poem", "one verse"),)),
        ("terms", "terms", NEW),
        ("fee_ppm", "fee_ppm", 7),
        ("verifiers", "verifiers", ()),
        ("rules", "rules_due", 1),
    ],
)
def test_a_change_is_of_one_parameter_alone(
    stage: Stage, parameter: str, field: str, value: object
) -> None:
    op = make_change(fee_ppm=7, terms=NEW, kinds=(Kind("poem", "one verse"),), verifiers=())
    entry = stage.did("founder", replace(op, rules=1))
    others: dict[str, Any] = dict.fromkeys(CHANGED) | {field: value}
    expected = ChangeRow(entry=entry, due_ms=stage.now + DAY_MS, **others)
    assert stage.market.changes.get(parameter.encode()) == expected


def test_a_later_decision_takes_the_place_of_a_pending_one_of_the_same_parameter(
    stage: Stage,
) -> None:
    stage.did("founder", make_change(fee_ppm=5, terms=NEW))
    stage.wait(HOUR_MS)
    stage.did("founder", make_change(fee_ppm=0))
    stage.wait(DAY_MS - HOUR_MS)
    view = view_parameters(stage.market)
    assert (view["terms"], view["fee_ppm"], len(view["changes"])) == (NEW.hex(), 0, 1)
    stage.wait(HOUR_MS)
    assert view_parameters(stage.market)["fee_ppm"] == 0


def test_new_terms_stop_acceptances_until_they_are_accepted_c2(stage: Stage) -> None:
    stage.join("ana")
    task = stage.did("founder", make_task(units=(1, 1), window_ms=2 * DAY_MS))
    stage.did("founder", make_change(terms=NEW))
    assert stage.send("ana", make_consent(NEW)) == Verdict.TERMS_OLD
    stage.wait(DAY_MS - 1)
    stage.did("ana", make_accept(task, 100))
    stage.wait(1)
    assert stage.send("ana", make_accept(task, 100)) == Verdict.TERMS_OLD
    assert stage.explain().endswith(f"in force {NEW.hex()}")
    stage.did("ana", make_consent(NEW))
    stage.did("ana", make_accept(task, 100))


def test_kinds_come_and_go_for_new_tasks(stage: Stage) -> None:
    stage.did("founder", make_change(kinds=(Kind("poem", "one verse"),)))
    assert stage.send("founder", make_task(kind="poem")) == Verdict.KIND_UNKNOWN
    stage.wait(DAY_MS)
    stage.did("founder", make_task(kind="poem"))
    assert stage.send("founder", make_task()) == Verdict.KIND_UNKNOWN


def test_a_task_keeps_the_fee_of_its_posting(stage: Stage) -> None:
    stage.join("ana")
    stage.did("founder", make_change(fee_ppm=500_000))
    stage.wait(DAY_MS - 1)
    old = stage.did("founder", make_task(price=100))
    stage.wait(1)
    new = stage.did("founder", make_task(price=100))
    for task, paid in ((old, 100), (new, 150)):
        _, delivery = stage.deliver(task, "ana")
        stage.did("founder", make_approve(delivery))
        assert stage.available("ana") == paid


def make_approve(delivery: bytes) -> TaskApprove:
    return TaskApprove(delivery, True, ())


@pytest.mark.parametrize("sandbox", [False, True])
def test_newer_rules_begin_with_an_epoch_and_nothing_is_judged_by_these(sandbox: bool) -> None:
    stage = Stage(sandbox=sandbox)
    ana = stage.join("ana")
    stage.did("founder", make_task())
    stage.did("founder", make_change(rules=2))
    stage.wait(DAY_MS)
    if not sandbox:
        stage.did("founder", TokenTransfer(ana, 1, b"", ""))
        stage.close_epoch()
    assert stage.send("founder", TokenTransfer(ana, 1, b"", "")) == Verdict.RULES_NEWER
    assert stage.explain().endswith("version 2, known 1")
    assert stage.send("nobody", make_consent(None)) == Verdict.ACCOUNT_UNKNOWN
    # Money that is locked returns all the same, and the council can think better of it.
    assert stage.market.get_money().held == 0
    stage.did("founder", make_change(rules=1))
    stage.wait(DAY_MS)
    stage.close_epoch()
    stage.did("founder", TokenTransfer(ana, 1, b"", ""))
