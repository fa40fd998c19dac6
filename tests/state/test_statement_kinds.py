"""Cosignatures and handovers verify by themselves, or are refused; one has one encoding."""

from typing import Any

import pytest

from synaptic_crdt.errors import Forged, MalformedInput
from synaptic_crdt.state import limits
from synaptic_crdt.state.codec import decode, encode_trusted
from synaptic_crdt.state.hashes import compute_hash
from synaptic_crdt.state.statements import (
    Cosignature,
    Handover,
    encode_statement,
    make_proposal,
    verify_statement,
)
from tests.state.conftest import MARKET
from tests.state.witnessing import NEXT, RECOVERY, WITNESSES, A, cosign, follow, hand_over

ONE = follow()
COSIGNATURE = cosign(ONE, A)
HANDOVER = hand_over(ONE, RECOVERY, witnesses=WITNESSES, newest=ONE)
KINDS = {"cosignature": (COSIGNATURE, A), "handover": (HANDOVER, RECOVERY)}


def get_fields(kind: str) -> list[Any]:
    fields = decode(encode_statement(KINDS[kind][0]), limits.STATEMENT_BYTES)
    assert isinstance(fields, list)
    return fields


def sign_fields(kind: str, fields: list[Any]) -> bytes:
    """Sign what a careless or hostile signer could have put together."""
    statement_id = compute_hash(kind, MARKET, encode_trusted(fields[:-1]))  # type: ignore[arg-type]
    return encode_trusted([*fields[:-1], KINDS[kind][1].sign(kind, statement_id)])  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_signed_comes_back_equal(kind: str) -> None:
    statement, _ = KINDS[kind]
    assert verify_statement(MARKET, encode_statement(statement)) == statement
    assert sign_fields(kind, get_fields(kind)) == encode_statement(statement)


@pytest.mark.parametrize("kind", KINDS)
def test_another_market_signer_or_bit_is_refused(kind: str) -> None:
    statement, _ = KINDS[kind]
    data = encode_statement(statement)
    with pytest.raises(Forged):
        verify_statement(bytes(32), data)
    for bit in range(len(data) * 8):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises((Forged, MalformedInput)):
            verify_statement(MARKET, bytes(changed))


def test_a_statement_of_one_kind_is_none_of_another() -> None:
    fields = get_fields("cosignature")
    assert compute_hash("handover", MARKET, encode_trusted(fields[:-1])) != COSIGNATURE.id
    with pytest.raises(MalformedInput):
        verify_statement(MARKET, encode_trusted(["handover", *fields[1:]]))


def test_a_proposal_is_what_its_signers_have_in_common() -> None:
    other = hand_over(ONE, A, witnesses=WITNESSES, newest=None)
    assert other.proposal == HANDOVER.proposal
    assert other.id != HANDOVER.id
    assert HANDOVER.view == 1
    unsorted = make_proposal(
        MARKET,
        view=1,
        index=1,
        origin=ONE.id,
        sequencer=NEXT.public,
        witnesses=[key.public for key in reversed(WITNESSES)],
    )
    assert unsorted == HANDOVER.proposal


W = [key.public for key in WITNESSES]
CHANGED: dict[str, tuple[str, int, Any]] = {
    "view of another type": ("cosignature", 1, None),
    "view as a boolean": ("cosignature", 1, False),
    "negative view": ("cosignature", 1, -1),
    "index zero": ("cosignature", 2, 0),
    "index as a boolean": ("cosignature", 2, True),
    "short checkpoint": ("cosignature", 3, bytes(31)),
    "checkpoint as text": ("cosignature", 3, "a" * 32),
    "short signer": ("cosignature", 4, bytes(31)),
    "view zero": ("handover", 1, 0),
    "view as text": ("handover", 1, "1"),
    "negative index": ("handover", 2, -1),
    "short origin": ("handover", 3, bytes(31)),
    "short sequencer": ("handover", 4, bytes(31)),
    "witnesses of another type": ("handover", 5, W[0]),
    "a witness twice": ("handover", 5, [W[0], W[0]]),
    "witnesses that descend": ("handover", 5, [W[1], W[0]]),
    "a short witness": ("handover", 5, [W[0][1:]]),
    "a witness of another type": ("handover", 5, [5]),
    "too many witnesses": ("handover", 5, [n.to_bytes(32, "big") for n in range(16)]),
    "newest beyond the origin": ("handover", 6, 2),
    "short newest": ("handover", 7, bytes(31)),
    "no signature": ("handover", 9, None),
}


@pytest.mark.parametrize(("kind", "place", "value"), CHANGED.values(), ids=CHANGED.keys())
def test_a_malformed_field_is_refused_although_signed(kind: str, place: int, value: object) -> None:
    fields = get_fields(kind)
    fields[place] = value
    data = encode_trusted(fields) if place == 9 else sign_fields(kind, fields)
    with pytest.raises(MalformedInput):
        verify_statement(MARKET, data)


@pytest.mark.parametrize("kind", KINDS)
def test_another_shape_is_refused(kind: str) -> None:
    fields = get_fields(kind)
    for changed in ([*fields, 0], fields[:-1], fields[:1], [*fields[:-1], fields[-1][:-1]]):
        with pytest.raises((MalformedInput, Forged)):
            verify_statement(MARKET, encode_trusted(changed))


def test_types_are_told_apart() -> None:
    assert isinstance(verify_statement(MARKET, encode_statement(COSIGNATURE)), Cosignature)
    assert isinstance(verify_statement(MARKET, encode_statement(HANDOVER)), Handover)
