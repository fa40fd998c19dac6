import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synaptic_crdt.errors import Forged, MalformedInput, StoreDamaged, StoreFailed
from synaptic_crdt.exec.payloads import ContentKey
from synaptic_crdt.node.blobs import BlobStore
from synaptic_crdt.node.key_ring import KeyRing
from synaptic_crdt.rules.limits import BLOB_BYTES
from synaptic_crdt.rules.task_form import compute_payload_hash
from synaptic_crdt.state.keys import DeviceKey

ANA = DeviceKey(b"a" * 32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "kept"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=2_000))
def test_what_was_put_is_there_by_its_hash(folder: Path, data: bytes) -> None:
    store = BlobStore(folder)
    name = store.put(data)
    assert name == compute_payload_hash(data) == store.put(data)
    assert store.get(name) == data
    assert store.has(name)
    assert name in store.list()


def test_nothing_is_there_before(folder: Path) -> None:
    store = BlobStore(folder)
    assert store.get(bytes(32)) is None
    assert not store.has(bytes(32))
    assert store.list() == ()


def test_only_its_owner_can_read_it(folder: Path) -> None:
    BlobStore(folder).put(b"content")
    KeyRing(folder, ANA).keep(ContentKey.make())
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


@pytest.mark.parametrize("damaged", [b"", b"contenT", b"content and more"])
def test_damage_is_named_and_not_handed_on(folder: Path, damaged: bytes) -> None:
    store = BlobStore(folder)
    name = store.put(b"content")
    (folder / f"{name.hex()}.blob").write_bytes(damaged)
    with pytest.raises(StoreDamaged, match=name.hex()):
        store.get(name)


def test_a_folder_in_its_place_is_damage(folder: Path) -> None:
    name = bytes(32)
    (folder / f"{name.hex()}.blob").mkdir(parents=True)
    (folder / f"{name.hex()}.key").mkdir()
    with pytest.raises(StoreDamaged):
        BlobStore(folder).get(name)
    with pytest.raises(StoreDamaged):
        KeyRing(folder, ANA).get(name)
    assert not BlobStore(folder).has(name)


def test_no_content_is_larger_than_the_limit(folder: Path) -> None:
    store = BlobStore(folder)
    with pytest.raises(MalformedInput, match="67,108,865 bytes"):
        store.put(bytes(BLOB_BYTES + 1))
    assert len(store.put(bytes(BLOB_BYTES))) == 32


def test_strange_files_are_left_alone(folder: Path) -> None:
    store = BlobStore(folder)
    name = store.put(b"content")
    for stranger in ("readme.blob", "AB.blob", f"{name.hex()}.blob.new", "x" * 64 + ".blob"):
        (folder / stranger).write_bytes(b"?")
    assert store.list() == (name,)


def test_where_nothing_can_be_made_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreFailed):
        BlobStore(tmp_path / "file" / "kept").put(b"content")
    with pytest.raises(StoreFailed):
        KeyRing(tmp_path / "file" / "kept", ANA).keep(ContentKey.make())


def test_a_key_is_kept_sealed_and_named_by_its_commitment(folder: Path) -> None:
    key = ContentKey(b"k" * 32)
    ring = KeyRing(folder, ANA)
    assert ring.get(key.commitment) is None
    ring.keep(key)
    assert ring.get(key.commitment) == key
    (path,) = folder.iterdir()
    assert path.name == f"{key.commitment.hex()}.key"
    assert b"kkkk" not in path.read_bytes()
    # Another device has it no more than anybody else.
    with pytest.raises(Forged):
        KeyRing(folder, DeviceKey(b"b" * 32)).get(key.commitment)
