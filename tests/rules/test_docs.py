"""docs/contract.md says what the code does; each ladder's test checks its "refused when"."""

import pytest

from synaptic_crdt.rules.explain import ENDS, SENTENCES
from synaptic_crdt.rules.operations import OPERATIONS
from synaptic_crdt.rules.seats.table import TRANSITIONS
from synaptic_crdt.rules.verdicts import Verdict, get_verdict_class
from tests.rules.conftest import DOCS, read_refusals

TEXT = DOCS.read_text("utf-8")


@pytest.mark.parametrize("tag", OPERATIONS)
def test_fields_are_listed(tag: str) -> None:
    _, _, section = TEXT.partition(f"### `{tag}`\n")
    fields = ", ".join(f"`{field}`" for field in OPERATIONS[tag].__struct_fields__)
    assert f"Fields: {fields}\n" in section.partition("\n### ")[0]


@pytest.mark.parametrize("verdict", Verdict)
def test_verdict_is_listed(verdict: Verdict) -> None:
    row = (
        f"| {verdict.value} | `{verdict.name}` | {get_verdict_class(verdict)}"
        f" | {SENTENCES[verdict][0]} |\n"
    )
    assert row in TEXT


def test_every_verdict_can_be_reached() -> None:
    listed = {name for tag in OPERATIONS for name in read_refusals(tag)}
    general = {"APPLIED", "MALFORMED", "UNKNOWN_OPERATION", "DEVICE_REVOKED", "RULES_NEWER"}
    assert listed | general == set(Verdict.__members__)


def test_seat_table_is_listed() -> None:
    rows = [line.split(" | ")[:2] for line in TEXT.splitlines() if line.count(" | ") == 2]
    listed = [(state.removeprefix("| "), event) for state, event in rows]
    assert [row for row in listed if row in TRANSITIONS] == list(TRANSITIONS)


def test_endings_are_listed() -> None:
    for code, sentence in ENDS.items():
        assert not code or f"| `{code}` | {sentence} |\n" in TEXT
