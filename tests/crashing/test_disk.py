"""What the model of a disk promises, and what it takes away."""

from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.crashing.disk import NOTHING_LANDED, SECTOR, SHARES, Disk, File

# Offset and data of a write, or a new size.
changes = st.lists(
    st.tuples(st.integers(0, 3 * SECTOR), st.binary(min_size=1, max_size=2 * SECTOR))
    | st.integers(0, 3 * SECTOR),
    max_size=8,
)
shares = st.sampled_from(SHARES)


def make_file(changes: list[tuple[int, bytes] | int], before: bytes = b"") -> File:
    file = File(before)
    for change in changes:
        if isinstance(change, int):
            file.truncate(change)
        else:
            file.write(*change)
    return file


@given(changes, shares, st.integers())
def test_what_was_synced_survives_every_power_cut(
    written: list[tuple[int, bytes] | int], share: float, seed: int
) -> None:
    file = make_file(written)
    file.sync()
    assert file.tear(Random(seed), share) == file.data


@given(changes, st.binary(max_size=3 * SECTOR), st.integers())
def test_what_was_not_synced_is_there_as_a_whole_or_not_at_all_where_chance_is_certain(
    written: list[tuple[int, bytes] | int], before: bytes, seed: int
) -> None:
    file = make_file(written, before)
    assert file.tear(Random(seed), 0.0) == before
    assert file.tear(Random(seed), 1.0) == file.data


@given(changes, st.binary(max_size=3 * SECTOR), shares, st.integers())
def test_every_sector_is_one_that_the_file_had(
    written: list[tuple[int, bytes] | int], before: bytes, share: float, seed: int
) -> None:
    versions = [bytes(make_file(written[:count], before).data) for count in range(len(written) + 1)]
    torn = make_file(written, before).tear(Random(seed), share)
    assert len(torn) in {len(version) for version in versions}
    for start in range(0, len(torn), SECTOR):
        had = {version[start : start + SECTOR].ljust(SECTOR, b"\0") for version in versions}
        end = len(torn) - start
        assert torn[start : start + SECTOR] in {sector[:end] for sector in had}


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    root = tmp_path / "before"
    root.mkdir()
    (root / "kept").write_bytes(b"old")
    return Disk(root)


def cut_power(disk: Disk) -> Path:
    target = disk.root.with_name("after")
    disk.lose_power(target, Random(1), NOTHING_LANDED)
    return target


def test_a_file_renamed_before_it_is_synced_is_empty_under_its_new_name(disk: Disk) -> None:
    folder, new = disk.get_folder(f"{disk.root}/kept"), File(b"")
    folder.change((), {"kept.new": new})
    new.write(0, b"new")
    folder.change(("kept.new",), {"kept": new})
    folder.sync()
    assert (cut_power(disk) / "kept").read_bytes() == b""


def test_a_synced_file_has_no_name_before_its_folder_is_synced(disk: Disk) -> None:
    folder, new = disk.get_folder(f"{disk.root}/kept"), File(b"")
    folder.change((), {"new": new})
    new.write(0, b"new")
    new.sync()
    assert [path.name for path in cut_power(disk).iterdir()] == ["kept"]


def test_a_rename_happens_at_once_or_not_at_all(disk: Disk) -> None:
    folder = disk.get_folder(f"{disk.root}/kept")
    node = disk.find(f"{disk.root}/kept")
    assert node is not None
    folder.change(("kept",), {"moved": node})
    for seed in range(20):
        names = folder.tear(Random(seed), 0.5)
        assert names.keys() in ({"kept"}, {"moved"})


def test_what_was_not_seen_to_be_written_is_noticed(disk: Disk) -> None:
    disk.check()
    (disk.root / "kept").write_bytes(b"new")
    with pytest.raises(AssertionError, match="something else than was written"):
        disk.check()
