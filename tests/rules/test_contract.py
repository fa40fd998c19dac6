import pytest

from synaptic_crdt.rules import contract as contract_module
from synaptic_crdt.rules.explain import SENTENCES, explain, explain_end
from synaptic_crdt.rules.operations import OPERATIONS, TokenTransfer
from synaptic_crdt.rules.verdicts import Verdict, get_verdict_class
from tests.rules.conftest import Stage, compute_id


def test_every_operation_has_its_rule() -> None:
    assert set(contract_module.RULES) == set(OPERATIONS.values())


def test_verdicts_are_classed_by_their_hundreds() -> None:
    classes = ["applied", "form", "existence", "authority", "phase", "time", "money"]
    found = [get_verdict_class(verdict) for verdict in Verdict]
    assert found == sorted(found, key=classes.index)
    assert get_verdict_class(Verdict.BOND_SHORT) == "money"


@pytest.mark.parametrize("verdict", Verdict)
def test_every_verdict_is_explained_with_and_without_values(verdict: Verdict) -> None:
    sentence, detail = SENTENCES[verdict]
    assert explain(verdict) == sentence
    if detail:
        values = (17, 18, 19)[: detail.count("{")]
        assert explain(verdict, values).startswith(f"{sentence}: ")
        assert "17" in explain(verdict, values)


def test_bytes_are_shown_as_hex() -> None:
    assert explain(Verdict.TASK_UNKNOWN, (b"\xab\xcd",)) == "no such task was posted: abcd"
    assert explain_end("UNFILLED").startswith("nobody took the seat")


def test_explanation_knows_the_values_of_what_was_refused_here(stage: Stage) -> None:
    ana = stage.join("ana")
    stage.send("founder", TokenTransfer(ana, 2_000, b"", ""))
    entry = compute_id(stage.entries)
    low = Verdict.BALANCE_TOO_LOW
    assert stage.contract.explain(entry, low).endswith("needs 2000, available 1000")
    # Of another fold, or of another entry, it knows the rule alone.
    assert stage.contract.explain(entry, Verdict.WRONG_PHASE) == "the seat is in another phase"
    assert stage.contract.explain(bytes(32), low) == "insufficient balance"
    assert stage.contract.explain(entry, Verdict.APPLIED) == "applied"


def test_values_of_old_refusals_are_forgotten(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contract_module, "_REMEMBERED", 2)
    ana = stage.join("ana")
    for amount in (2_000, 3_000, 4_000):
        stage.send("founder", TokenTransfer(ana, amount, b"", ""))
    low, last = Verdict.BALANCE_TOO_LOW, stage.entries
    told = [stage.contract.explain(compute_id(last - back), low) for back in (2, 1, 0)]
    assert [":" in sentence for sentence in told] == [False, True, True]


def test_verdicts_are_plain_numbers(stage: Stage) -> None:
    verdict = stage.contract.apply(stage.now, bytes(32), 1, bytes(32), stage.contract.read(["x"]))
    assert type(verdict) is int
    assert verdict == Verdict.UNKNOWN_OPERATION
