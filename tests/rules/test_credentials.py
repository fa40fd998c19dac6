import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from synaptic_crdt.rules.credentials import find_credential
from synaptic_crdt.rules.explain import explain
from synaptic_crdt.rules.form import read_operation
from synaptic_crdt.rules.operations import (
    Operation,
    TokenTransfer,
    encode_operation,
)
from synaptic_crdt.rules.task_operations import TaskDecline
from synaptic_crdt.rules.verdicts import Refusal, Verdict
from synaptic_crdt.state.codec import Value
from tests.rules.conftest import Stage, make_task
from tests.rules.test_operations import EXAMPLES, plain

KEY = "sk-" + "ant-" + "k" * 40
PEM = "-----" + "BEGIN PRIVATE KEY" + "-----"
# The two shapes a second time, as a regular expression has them.
SHAPES = {
    "API key": re.compile(rb"sk-ant-[A-Za-z0-9_-]{40}"),
    "private key": re.compile(rb"-----BEGIN [A-Z0-9 ]{0,64}PRIVATE KEY-----"),
}


def search(data: bytes) -> tuple[int, str] | None:
    found = [
        (match.start(), name)
        for name, shape in SHAPES.items()
        for match in [shape.search(data)]
        if match is not None
    ]
    return min(found, default=None)


pieces = st.lists(
    st.sampled_from(
        [
            b"sk-ant-",
            b"sk-",
            b"ant-",
            b"-----BEGIN ",
            b"-----",
            b"PRIVATE KEY",
            b"PRIVATE KEY-----",
            b"RSA ",
            b"A" * 39,
            b"z" * 40,
            b"-",
            b"_",
            b"!",
            b" ",
            b"\xc3\xa9",
            b"\0",
        ]
    )
    | st.binary(max_size=8),
    max_size=12,
).map(b"".join)


@given(pieces)
def test_what_is_found_is_what_a_regular_expression_finds(data: bytes) -> None:
    found = find_credential([data])
    expected = search(data)
    assert (None if found is None else (found.offset, found.shape)) == expected


@given(pieces)
def test_text_is_searched_as_its_bytes(data: bytes) -> None:
    text = data.decode(errors="replace")
    found = find_credential([text])
    expected = search(text.encode())
    assert (None if found is None else (found.offset, found.shape)) == expected


@given(st.lists(plain, max_size=4), st.lists(plain, max_size=4), st.sampled_from([KEY, PEM]))
def test_the_path_leads_to_the_first_that_holds_one(
    before: list[Any], after: list[Any], secret: str
) -> None:
    found = find_credential([*before, ["x", [secret.encode()]], *after, secret])
    assert found is not None
    assert found.path == (len(before), 1, 0)


@pytest.mark.parametrize("secret", [KEY, PEM])
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: type(example).__name__)
def test_no_field_of_any_operation_may_hold_one(example: Operation, secret: str) -> None:
    array = encode_operation(example)
    for place, value in enumerate(array):
        if not isinstance(value, (str, bytes)):
            continue
        hidden = secret if isinstance(value, str) else secret.encode()
        refusal = read_operation([*array[:place], hidden, *array[place + 1 :]])
        assert isinstance(refusal, Refusal)
        assert refusal.verdict == Verdict.CREDENTIAL_FOUND
        assert secret not in explain(refusal.verdict, refusal.values)


def test_the_field_is_named_as_people_know_it() -> None:
    transfer = encode_operation(TokenTransfer(bytes(32), 5, b"", f"pay with {KEY}"))
    assert read_operation(transfer) == Refusal(
        Verdict.CREDENTIAL_FOUND, ("API key", "memo", len("pay with "))
    )
    shard = make_task().seats[0]
    hidden = replace(shard, payload=replace(shard.payload, inline=PEM.encode()))
    refusal = read_operation(encode_operation(replace(make_task(), seats=(shard, hidden))))
    assert isinstance(refusal, Refusal)
    assert refusal.values == ("private key", "seats[1].payload.inline", 0)
    assert explain(refusal.verdict, refusal.values).endswith(
        ": private key in seats[1].payload.inline, from byte 0 on"
    )


def test_a_field_without_a_name_is_named_by_its_place() -> None:
    cases: list[tuple[list[Value], str]] = [([KEY], "tag"), (["what.is", [1, KEY]], "field 1")]
    for array, name in cases:
        refusal = read_operation(array)
        assert isinstance(refusal, Refusal)
        assert refusal.values == ("API key", name, 0)


def test_an_entry_of_a_forged_client_has_no_effect_c3() -> None:
    stage = Stage()
    ana = stage.join("ana")
    before = stage.market.get_available(ana)
    verdict = stage.send("founder", TokenTransfer(ana, 5, b"", KEY))
    assert verdict == Verdict.CREDENTIAL_FOUND
    assert stage.market.get_available(ana) == before


def test_a_refusal_for_another_reason_does_not_tell_the_value() -> None:
    # A reason that is no slug is shown: so this is asked first.
    refusal = read_operation(encode_operation(TaskDecline(bytes(32), KEY)))
    assert isinstance(refusal, Refusal)
    assert refusal.verdict == Verdict.CREDENTIAL_FOUND


@pytest.mark.parametrize(
    "unit",
    [
        b"sk-ant-!",
        b"sk-ant-" + b"a" * 39 + b"!",
        b"-----BEGIN ",
        b"-----BEGIN " + b"A" * 75,
        b"-----BEGIN PRIVATE KEY----!",
        b"-",
    ],
)
def test_a_crafted_field_takes_no_longer_than_in_proportion(unit: bytes) -> None:
    data = unit * (64 * 1024 // len(unit))
    began = time.process_time()
    for _ in range(4):
        assert find_credential([data]) is None
    # A few milliseconds; were it quadratic, it would be minutes.
    assert time.process_time() - began < 1
