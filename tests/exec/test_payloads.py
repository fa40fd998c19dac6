import pickle

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from synaptic_crdt.errors import Forged, MalformedInput
from synaptic_crdt.exec.payloads import (
    ContentKey,
    Context,
    compute_ciphertext_size,
    compute_commitment,
    compute_padded_size,
    open_key,
)
from synaptic_crdt.rules.limits import RESULT_BYTES
from synaptic_crdt.rules.task_operations import SealedKey
from synaptic_crdt.state.hashes import compute_hash
from synaptic_crdt.state.keys import DeviceKey

MARKET, ANA = b"m" * 32, b"a" * 32
PLACE = Context(MARKET, "payload", ANA, 3)
KEY = ContentKey(b"k" * 32)
CONTENT = bytes(range(256)) * 800
CIPHERTEXT = KEY.encrypt(CONTENT, PLACE)
CHUNK = 64 * 1024 + 17
# Some of the bytes that are on the curve and no key: their boxes would be open to all.
NO_KEYS = [bytes(32), b"\x01" + bytes(31), b"\xec" + b"\xff" * 30 + b"\x7f"]


def split(ciphertext: bytes) -> tuple[bytes, list[bytes]]:
    header, rest = ciphertext[:24], ciphertext[24:]
    return header, [rest[start : start + CHUNK] for start in range(0, len(rest), CHUNK)]


@given(st.binary(max_size=2_000))
@example(b"")
@example(bytes(64 * 1024 - 8))
@example(bytes(64 * 1024 - 7))
def test_what_was_encrypted_is_decrypted(content: bytes) -> None:
    ciphertext = KEY.encrypt(content, PLACE)
    assert KEY.decrypt(ciphertext, PLACE) == content
    assert len(ciphertext) == compute_ciphertext_size(len(content))
    # Never the same twice: equal contents do not show.
    assert ciphertext != KEY.encrypt(content, PLACE)


@pytest.mark.parametrize(
    "elsewhere",
    [
        Context(ANA, "payload", ANA, 3),
        Context(MARKET, "result", ANA, 3),
        Context(MARKET, "payload", MARKET, 3),
        Context(MARKET, "payload", ANA, 2),
    ],
    ids=["market", "content", "subject", "shard"],
)
def test_it_is_of_no_use_in_another_place(elsewhere: Context) -> None:
    with pytest.raises(Forged, match="for another place"):
        KEY.decrypt(CIPHERTEXT, elsewhere)


def test_it_is_of_no_use_with_another_key() -> None:
    with pytest.raises(Forged, match="another key"):
        ContentKey.make().decrypt(CIPHERTEXT, PLACE)


@pytest.mark.parametrize("size", [0, 1, 23, 24, 25, 40, 41, CHUNK + 23, CHUNK + 24, CHUNK + 25])
def test_what_was_cut_is_no_shorter_content(size: int) -> None:
    for cut in (CIPHERTEXT[:size], CIPHERTEXT[:-size] if size else b""):
        with pytest.raises(Forged):
            KEY.decrypt(cut, PLACE)


def test_chunks_that_were_moved_dropped_or_repeated_do_not_decrypt() -> None:
    header, chunks = split(CIPHERTEXT)
    first, second, *rest = chunks
    for order in (
        [second, first, *rest],
        [first, *rest],
        [first, first, second, *rest],
        [*chunks, chunks[-1]],
        [*chunks, b"more"],
        chunks[:-1],
    ):
        with pytest.raises(Forged):
            KEY.decrypt(header + b"".join(order), PLACE)


def test_nothing_follows_the_end() -> None:
    whole = KEY.encrypt(bytes(64 * 1024 - 8), PLACE)
    assert len(whole) == 24 + CHUNK
    with pytest.raises(Forged, match="goes on behind its end"):
        KEY.decrypt(whole + whole[24:], PLACE)


def test_chunks_of_two_ciphertexts_do_not_mix() -> None:
    header, chunks = split(CIPHERTEXT)
    _, others = split(KEY.encrypt(CONTENT, PLACE))
    with pytest.raises(Forged):
        KEY.decrypt(header + b"".join([chunks[0], *others[1:]]), PLACE)


@given(st.integers(0, len(CIPHERTEXT) * 8 - 1))
def test_no_bit_may_differ(bit: int) -> None:
    changed = bytearray(CIPHERTEXT)
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Forged):
        KEY.decrypt(bytes(changed), PLACE)


@given(st.binary(max_size=400))
def test_anything_is_refused_by_name(data: bytes) -> None:
    with pytest.raises(Forged):
        KEY.decrypt(data, PLACE)


@given(st.integers(0, 2**30))
@example(0)
@example(248)
@example(249)
def test_padding_hides_the_size_and_costs_an_eighth_at_most(size: int) -> None:
    padded = compute_padded_size(size)
    assert padded >= max(256, size + 8)
    assert padded <= max(256, (size + 8) * 9 // 8)
    # All sizes of a class have the same: padding is not to be padded.
    assert compute_padded_size(padded - 8) == padded


def test_few_sizes_show() -> None:
    assert len({compute_padded_size(size) for size in range(100_000)}) < 150


def test_a_result_of_46_kib_fits_in_an_entry() -> None:
    assert compute_ciphertext_size(46 * 1024 - 8) <= RESULT_BYTES
    assert compute_ciphertext_size(48 * 1024) > RESULT_BYTES


@pytest.mark.parametrize(
    "padded",
    [
        bytes(7) + b"\x05" + b"short" + bytes(300),
        bytes(7) + b"\x05" + b"short" + b"\x01" + bytes(242),
        b"\xff" * 8 + bytes(248),
        bytes(6) + b"\x01\x00" + bytes(248),
        bytes(3),
    ],
    ids=["too long", "not empty", "beyond all", "beyond the end", "no size"],
)
def test_only_one_padding_is_right(padded: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def pad(_: bytes) -> bytes:
        return padded

    # Only who writes a client of its own can do this.
    monkeypatch.setattr("synaptic_crdt.exec.payloads._pad", pad)
    ciphertext = KEY.encrypt(b"", PLACE)
    with pytest.raises(MalformedInput):
        KEY.decrypt(ciphertext, PLACE)


def test_a_key_is_sealed_to_devices_and_opened_by_each() -> None:
    devices = [DeviceKey(bytes([number]) * 32) for number in range(4)]
    keys = KEY.seal({device.public: device.get_exchange_public() for device in devices})
    assert [key.device for key in keys] == sorted(device.public for device in devices)
    assert {len(key.sealed) for key in keys} == {80}
    for device in devices:
        opened = open_key(keys, device, KEY.commitment)
        assert opened == KEY
        assert opened is not None
        assert opened.decrypt(CIPHERTEXT, PLACE) == CONTENT


def test_a_device_without_a_box_has_no_key() -> None:
    ana, ben = DeviceKey(b"1" * 32), DeviceKey(b"2" * 32)
    keys = KEY.seal({ana.public: ana.get_exchange_public()})
    assert open_key(keys, ben, KEY.commitment) is None


def test_a_key_that_was_not_committed_to_is_not_used() -> None:
    ana = DeviceKey(b"1" * 32)
    keys = KEY.seal({ana.public: ana.get_exchange_public()})
    with pytest.raises(Forged, match="not the one committed to"):
        open_key(keys, ana, ContentKey.make().commitment)


@pytest.mark.parametrize("box", [bytes(80), b"\xff" * 80, b"k" * 79, b""])
def test_a_box_of_garbage_is_named_and_not_opened(box: bytes) -> None:
    ana = DeviceKey(b"1" * 32)
    with pytest.raises(Forged, match="not the one committed to"):
        open_key([SealedKey(ana.public, box)], ana, KEY.commitment)


def test_a_box_for_another_device_does_not_open() -> None:
    ana, ben = DeviceKey(b"1" * 32), DeviceKey(b"2" * 32)
    (sealed,) = KEY.seal({ana.public: ana.get_exchange_public()})
    with pytest.raises(Forged):
        open_key([SealedKey(ben.public, sealed.sealed)], ben, KEY.commitment)


@pytest.mark.parametrize("exchange", NO_KEYS)
def test_bytes_that_are_no_key_get_a_box_that_nobody_opens(exchange: bytes) -> None:
    (sealed,) = KEY.seal({ANA: exchange})
    assert len(sealed.sealed) == 80
    assert b"k" * 32 not in sealed.sealed


def test_a_key_is_never_shown() -> None:
    secret = b"k" * 32
    for shown in (repr(KEY), str(KEY), f"{KEY!r:>10}", repr([KEY])):
        assert secret.hex() not in shown
        assert "kkkk" not in shown
    with pytest.raises(TypeError):
        pickle.dumps(KEY)


def test_the_commitment_is_a_hash_of_its_own_kind() -> None:
    assert KEY.commitment == compute_commitment(b"k" * 32) == compute_hash("content key", b"k" * 32)
    assert ContentKey(b"k" * 32) == KEY
    assert ContentKey.make() != KEY
    assert hash(KEY) == hash(ContentKey(b"k" * 32))
