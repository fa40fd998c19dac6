"""What of a shared folder is opened at all, when it is another thing than it was when listed."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from synaptic_crdt.errors import LinkFailed, StoreFailed
from synaptic_crdt.state import limits
from synaptic_crdt.state.hashes import compute_hash
from synaptic_crdt.sync.transports.shelf import Shelf, Unready

MARKET, WRITER = bytes(range(32)), bytes(range(32, 64))
DATA = b"the bytes of a file"
NAME = f"{MARKET.hex()[:16]}-{WRITER.hex()[:16]}-{compute_hash('file', DATA).hex()}.bundle"


def put_link(path: Path) -> None:
    path.symlink_to("/etc/hostname")


def put_pipe(path: Path) -> None:
    os.mkfifo(path)


def put_folder(path: Path) -> None:
    path.mkdir()


def put_other(path: Path) -> None:
    path.write_bytes(DATA[::-1])


def put_longer(path: Path) -> None:
    path.write_bytes(DATA + b"!")


def put_nothing(path: Path) -> None:
    path.unlink(missing_ok=True)


@pytest.mark.parametrize(
    "put", [put_link, put_pipe, put_folder, put_other, put_longer, put_nothing]
)
def test_only_the_file_that_its_name_says_is_returned(
    tmp_path: Path, put: Callable[[Path], None]
) -> None:
    put(tmp_path / NAME)
    with Shelf(tmp_path, MARKET, WRITER) as shelf, pytest.raises(Unready):
        shelf.read(NAME, len(DATA))


def test_a_file_is_what_its_name_says(tmp_path: Path) -> None:
    with Shelf(tmp_path, MARKET, WRITER) as shelf:
        with shelf.write() as (file, publish):
            file.write(DATA)
            assert list(shelf.list_files().files) == []
            assert publish() == NAME
        assert shelf.list_files().files[NAME].size == len(DATA)
        assert shelf.read(NAME, len(DATA)) == DATA
        with pytest.raises(Unready, match="being replaced"):
            shelf.read(NAME, len(DATA) - 1)
        assert shelf.is_own(NAME)
        assert not shelf.comes_before_us(NAME)
        shelf.remove(NAME)
        shelf.remove(NAME)
    assert not list(tmp_path.iterdir())


def test_what_is_given_up_leaves_nothing(tmp_path: Path) -> None:
    with Shelf(tmp_path, MARKET, WRITER) as shelf, shelf.write() as (file, _):
        file.write(DATA)
        assert [path.name[0] for path in tmp_path.iterdir()] == ["."]
    assert not list(tmp_path.iterdir())


def test_a_file_system_without_folders_to_make_durable_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync = os.fsync

    def make_durable(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(22, "Invalid argument")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", make_durable)
    with Shelf(tmp_path, MARKET, WRITER) as shelf, shelf.write() as (file, publish):
        file.write(DATA)
        assert publish() == NAME


def test_a_folder_that_fails_is_one_of_our_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    (tmp_path / NAME).write_bytes(DATA)
    with Shelf(tmp_path, MARKET, WRITER) as shelf, monkeypatch.context() as patch:
        patch.setattr(os, "unlink", fail)
        with pytest.raises(StoreFailed, match="is left there"):
            shelf.remove(NAME)
        patch.setattr(os, "scandir", fail)
        with pytest.raises(LinkFailed, match="Input/output error"):
            shelf.list_files()
        with pytest.raises(StoreFailed, match="Input/output error"):
            shelf.remove_leftovers()


def test_names_of_rubbish_are_remembered_up_to_a_limit(tmp_path: Path) -> None:
    for number in range(200):
        tmp_path.joinpath(f"rubbish {number}").write_bytes(b"")
    with (tmp_path / NAME).open("wb") as file:
        file.truncate(limits.FOLDER_FILE_BYTES + 1)
    with Shelf(tmp_path, MARKET, WRITER) as shelf:
        listing = shelf.list_files()
    assert (len(listing.files), len(listing.ignored)) == (0, 64)
