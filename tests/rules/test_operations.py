from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synaptic_crdt.rules.account_operations import AccountUpdate, Attest, AttestRevoke, Caps
from synaptic_crdt.rules.consents import make_consent
from synaptic_crdt.rules.council_operations import Arbitration, MarketSet, TokenMint
from synaptic_crdt.rules.form import read_operation
from synaptic_crdt.rules.genesis import Kind
from synaptic_crdt.rules.operations import (
    OPERATIONS,
    AccountOpen,
    Certificate,
    DeviceAdd,
    DeviceJoin,
    DeviceRevoke,
    Feedback,
    ForkReport,
    InviteIssue,
    InviteRevoke,
    Operation,
    Paper,
    TokenTransfer,
    TreasuryPay,
    Voucher,
    encode_operation,
    get_tag,
)
from synaptic_crdt.rules.task_operations import (
    AssignmentExtend,
    AssignmentSettle,
    DisputeEvidence,
    DisputeOpen,
    DisputeRule,
    DisputeWithdraw,
    Score,
    SealedKey,
    TaskAccept,
    TaskApprove,
    TaskCancel,
    TaskDecline,
    TaskDeliver,
    TaskFail,
    TaskImprove,
    TaskProgress,
    TaskReveal,
    TaskStart,
)
from synaptic_crdt.rules.verdicts import Refusal, Verdict
from synaptic_crdt.state.codec import Value, decode_body, encode
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.statements import encode_statement
from tests.forking import sign_fork
from tests.rules.conftest import RESULT, Stage, make_task

ID = bytes(range(32))
CERTIFICATE = Certificate(ID, ID, "member", 5, 10, 1, bytes(64))
CONSENT = make_consent(ID, caps=Caps(1, 2, 3, ("a", "b")), requester_min=0, blocked=(ID,))
EXAMPLES: list[Operation] = [
    AccountOpen("ana", ID, Paper(ID, ID, bytes(64)), CERTIFICATE, bytes(64)),
    AccountUpdate("ana"),
    InviteIssue(ID, "auditor", 0, 5, from_treasury=False),
    InviteRevoke(ID),
    DeviceAdd(ID, ID),
    DeviceJoin(ID, ID, Voucher(ID, 1, bytes(64))),
    DeviceRevoke(ID),
    CONSENT,
    Attest(ID, "claim", 5, "word"),
    AttestRevoke(ID),
    TokenTransfer(ID, 5, b"", "hello"),
    TokenMint(5, b"ref", ""),
    TreasuryPay(ID, 5, b"ref", ""),
    MarketSet(
        kinds=(Kind("a", "unit"),),
        terms=ID,
        fee_ppm=5,
        arbiters=Arbitration((ID,), 1),
        verifiers=(ID,),
        rules=1,
        reference=b"",
    ),
    make_task(units=(1, 2)),
    TaskImprove(ID, 1, 2, 3, 1, 1_000, 5, 1_000, 1_000, 5),
    TaskCancel(ID),
    TaskAccept(ID, 3, ("rust",)),
    TaskDecline(ID, "busy"),
    TaskReveal(ID, (SealedKey(ID, bytes(80)),)),
    TaskStart(ID),
    TaskProgress(ID, 5),
    TaskDeliver(ID, RESULT, ID, (SealedKey(ID, bytes(80)),)),
    TaskFail(ID, "broke"),
    TaskApprove(ID, approve=True, scores=(Score("accuracy", 5),)),
    AssignmentExtend(ID, 1_000),
    AssignmentSettle(ID, 5),
    DisputeOpen(ID, "garbage", "look", (ID,)),
    DisputeEvidence(ID, (ID,)),
    DisputeRule(ID, 5),
    DisputeWithdraw(ID),
    Feedback(ID, 5, "good work"),
    ForkReport(encode_statement(sign_fork(ID, DeviceKey(ID)))),
]


def through_first_door(array: list[Value]) -> list[Value]:
    return decode_body(encode([1, array]))[1]


def test_every_operation_has_an_example() -> None:
    assert [get_tag(example) for example in EXAMPLES] == list(OPERATIONS)


@pytest.mark.parametrize("operation", EXAMPLES, ids=get_tag)
def test_round_trip(operation: Operation) -> None:
    array = encode_operation(operation)
    assert read_operation(through_first_door(array)) == operation
    assert array == through_first_door(array)


@pytest.mark.parametrize("operation", EXAMPLES, ids=get_tag)
def test_every_field_is_typed_and_none_may_be_left_out_or_added(operation: Operation) -> None:
    array = encode_operation(operation)
    wrong = [array[:-1], [*array, None], [*array, 0]]
    allowed = ALLOWED.get(get_tag(operation), [])
    for place in range(1, len(array)):
        wrong += [
            [*array[:place], stranger, *array[place + 1 :]]
            for stranger in STRANGERS
            if type(stranger) is not type(array[place]) and (place, stranger) not in allowed
        ]
    for case in wrong:
        refusal = read_operation(through_first_door(case))
        assert isinstance(refusal, Refusal), case
        assert refusal.verdict == Verdict.MALFORMED, case
        assert refusal.values


STRANGERS: list[Any] = [None, True, -5, b"", "", b"x", [], [[]]]
# What is of another type and right all the same: what may be null.
ALLOWED: dict[str, list[tuple[int, Any]]] = {
    "account.open": [(3, None), (4, None), (5, None)],
    "consent": [(1, None), (4, [])],
    "task.deliver": [(3, None)],
    "market.set": [
        (1, None),
        (1, []),
        (2, None),
        (3, None),
        (3, -5),
        (4, None),
        (5, None),
        (5, []),
        (6, None),
    ],
}


def test_text_does_not_pass_for_bytes() -> None:
    array = encode_operation(TaskStart(ID))
    refusal = read_operation([array[0], "A" * 43 + "="])
    assert refusal == Refusal(Verdict.MALFORMED, ("Expected `bytes`, got `str` - at `assignment`",))


def test_malformed_names_the_field_inside_nested_records() -> None:
    array = encode_operation(make_task())
    array[7] = [[1, ["text/plain", 1, b"short", b"x"], None, []]]
    refusal = read_operation(array)
    assert isinstance(refusal, Refusal)
    assert str(refusal.values[0]).endswith("at `seats[0][1][2]`")


@pytest.mark.parametrize("tag", ["", "token", "token.transferr", "market.sets", "x" * 5_000])
def test_unknown_operations(tag: str) -> None:
    refusal = read_operation([tag, 1, 2])
    assert refusal == Refusal(Verdict.UNKNOWN_OPERATION, (tag[:60],))


@pytest.mark.parametrize("array", [[], [5], [b"token.transfer"], [["token.transfer"]]])
def test_no_tag_at_all(array: list[Value]) -> None:
    refusal = read_operation(array)
    assert isinstance(refusal, Refusal)
    assert refusal.verdict == Verdict.UNKNOWN_OPERATION


def test_a_field_too_many_does_not_end_the_feed_t4() -> None:
    stage = Stage()
    ana = stage.join("ana")
    array = [*encode_operation(TokenTransfer(ana, 5, b"", "")), 1]
    assert stage.send("founder", array) == Verdict.MALFORMED
    stage.did("founder", TokenTransfer(ana, 5, b"", ""))


def test_references_are_bounded() -> None:
    refusal = read_operation(encode_operation(TokenTransfer(ID, 1, bytes(33), "")))
    assert isinstance(refusal, Refusal)
    assert refusal.verdict == Verdict.MALFORMED


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.binary() | st.text(),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=12,
)


@given(st.sampled_from(list(OPERATIONS)), st.lists(plain, max_size=8))
def test_anything_gets_an_operation_or_a_verdict(tag: str, fields: list[Any]) -> None:
    read = read_operation([tag, *fields])
    if isinstance(read, Refusal):
        assert read.verdict != Verdict.APPLIED
    else:
        assert encode_operation(read) == [tag, *fields]
