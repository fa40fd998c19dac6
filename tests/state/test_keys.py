"""Signatures of one kind are none of another; a key file opens with its passphrase alone."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synaptic_crdt.errors import KeyLocked
from synaptic_crdt.state.keys import (
    DeviceKey,
    SignatureKind,
    is_locked,
    lock_seed,
    make_seed,
    unlock_seed,
    verify_signature,
)

KINDS: tuple[SignatureKind, ...] = get_args(SignatureKind)
KEY = DeviceKey(bytes(32))


@pytest.mark.parametrize("kind", KINDS)
def test_a_signature_is_valid_for_its_kind_alone(kind: SignatureKind) -> None:
    signature = KEY.sign(kind, b"message")
    valid = [k for k in KINDS if verify_signature(KEY.public, k, b"message", signature)]
    assert valid == [kind]


def test_no_kind_is_the_beginning_of_another() -> None:
    # Else a message could be moved from one to the other by cutting the prefix elsewhere.
    assert not [(a, b) for a in KINDS for b in KINDS if a != b and f"{b}\n".startswith(f"{a}\n")]


def test_message_device_and_signature_are_bound() -> None:
    signature = KEY.sign("seal", b"message")
    other = DeviceKey(bytes([1]) * 32)
    assert verify_signature(KEY.public, "seal", b"message", signature)
    assert not verify_signature(KEY.public, "seal", b"messag", signature)
    assert not verify_signature(other.public, "seal", b"message", signature)
    assert not verify_signature(KEY.public, "seal", b"message", other.sign("seal", b"message"))


@given(st.binary(max_size=40), st.binary(max_size=100), st.binary(max_size=80))
def test_verifying_anything_raises_nothing(device: bytes, message: bytes, sig: bytes) -> None:
    assert not verify_signature(device, "seal", message, sig)


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=64, max_size=64))
def test_verifying_anything_of_the_right_size_raises_nothing(device: bytes, sig: bytes) -> None:
    assert not verify_signature(device, "seal", b"message", sig)


def test_keys_of_small_order_sign_nothing() -> None:
    # The neutral element as key and as commitment: accepted by lenient verifiers.
    neutral = b"\x01" + bytes(31)
    assert not verify_signature(neutral, "seal", b"message", neutral + bytes(32))


def test_a_key_is_a_function_of_its_seed() -> None:
    seed = make_seed()
    assert DeviceKey(seed).public == DeviceKey(seed).public
    assert DeviceKey(seed).seed == seed
    assert len(DeviceKey(seed).get_exchange_public()) == 32
    assert make_seed() != seed


@pytest.mark.parametrize("passphrase", ["open sesame", "ключ", "not \udcff text"], ids=ascii)
def test_a_locked_key_opens_with_its_passphrase_alone(passphrase: str) -> None:
    seed = make_seed()
    locked = lock_seed(seed, passphrase)
    assert is_locked(locked)
    assert seed not in locked
    assert unlock_seed(locked, passphrase) == seed
    with pytest.raises(KeyLocked, match="wrong"):
        unlock_seed(locked, passphrase + "x")
    with pytest.raises(KeyLocked, match="SYNAPTIC_PASSPHRASE"):
        unlock_seed(locked, "")


def test_two_locks_of_one_seed_differ() -> None:
    assert lock_seed(bytes(32), "a") != lock_seed(bytes(32), "a")


def test_a_key_without_a_passphrase_is_open() -> None:
    seed = make_seed()
    opened = lock_seed(seed, "")
    assert not is_locked(opened)
    assert unlock_seed(opened, "") == seed
    assert unlock_seed(opened, "given in vain") == seed


LOCKED = lock_seed(bytes(range(32)), "a")
OPEN = lock_seed(bytes(range(32)), "")


@pytest.mark.parametrize("size", [0, 5, 27, 28, 35, 43, 44, 50, len(LOCKED) - 1, len(LOCKED) + 1])
def test_a_key_file_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(KeyLocked):
        unlock_seed((LOCKED + b"x")[:size], "a")
    with pytest.raises(KeyLocked):
        unlock_seed((OPEN + b"x" * 60)[: len(OPEN) + (1 if size > 30 else -1)], "")


@pytest.mark.parametrize("place", [0, 30, 45, -1])
def test_a_changed_key_file_is_refused(place: int) -> None:
    changed = bytearray(LOCKED)
    changed[place] ^= 1
    with pytest.raises(KeyLocked):
        unlock_seed(bytes(changed), "a")
