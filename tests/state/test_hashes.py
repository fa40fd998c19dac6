"""One domain for each kind of thing, and no way to move bytes between parts unseen."""

from typing import get_args

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from synaptic_crdt.state.hashes import (
    HashKind,
    compute_body_hash,
    compute_chain,
    compute_entry_id,
    compute_hash,
    start_hash,
)

KINDS: tuple[HashKind, ...] = get_args(HashKind)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_a_context_of_blake3(kind: HashKind) -> None:
    expected = blake3(b"message", derive_key_context=f"synaptic-crdt 1 {kind}").digest()
    assert compute_hash(kind, b"message") == expected
    assert compute_hash(kind, b"mess", b"age") == expected
    hasher = start_hash(kind)
    hasher.update(b"mess")
    hasher.update(b"age")
    assert hasher.digest() == expected
    # What one hash took in is in no other.
    assert compute_hash(kind, b"message") == expected


def test_no_two_kinds_share_a_hash() -> None:
    assert len({compute_hash(kind) for kind in KINDS}) == len(KINDS)


@given(st.binary(max_size=300), st.binary(min_size=32, max_size=32))
def test_the_short_forms_are_the_same_hashes(body: bytes, predecessor: bytes) -> None:
    body_hash = compute_body_hash(body)
    assert body_hash == compute_hash("body", body)
    assert compute_entry_id(predecessor, body_hash) == compute_hash("entry", predecessor, body_hash)


def test_a_chain_takes_each_id_into_the_next() -> None:
    first = compute_entry_id(bytes(32), b"a" * 32)
    assert compute_chain(bytes(32), [b"a" * 32, b"b" * 32]) == [
        first,
        compute_entry_id(first, b"b" * 32),
    ]
    assert compute_chain(bytes(32), []) == []
