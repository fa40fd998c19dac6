"""Folders of contents as others may fill them."""

import os
from pathlib import Path

import pytest

from synaptic_crdt.errors import StoreDamaged, StoreFailed
from synaptic_crdt.node.commands import run_command
from synaptic_crdt.node.contents import get_blob_store
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.queries import run_query
from synaptic_crdt.rules.limits import BLOB_BYTES

DATA = "page\n" * 20_000


@pytest.fixture
def posted(founder: Node) -> Node:
    seat = {"units": 1, "text": DATA}
    arguments = {"kind": "text.answer", "title": "Pages", "seats": [seat] * 2, "price": 5}
    run_command(founder, "task.post", {**arguments, "allow_pending": True})
    return founder


def read(node: Node, path: Path) -> tuple[int, int, int]:
    told = run_command(node, "blob.read", {"path": str(path)})
    return told["received"], told["known"], told["refused"]


def test_one_content_named_twice_is_kept_and_written_once(posted: Node, tmp_path: Path) -> None:
    told = run_query(posted, "blob.write", {"path": str(tmp_path / "out")})
    assert (told["written"], told["bytes"]) == (1, len(DATA))
    (file,) = (tmp_path / "out").iterdir()
    assert file.read_text("utf-8") == DATA
    assert read(posted, file) == (0, 1, 0)


def test_only_what_the_market_names_is_taken(posted: Node, tmp_path: Path) -> None:
    (name,) = get_blob_store(posted).list()
    folder = tmp_path / "stick"
    folder.mkdir()
    # Under a name that lies, beside what is too large, no file at all, or not meant.
    (folder / f"{name.hex()}.blob").write_bytes(b"something else")
    with (folder / "large.blob").open("wb") as file:
        file.truncate(BLOB_BYTES + 1)
    (folder / "folder.blob").mkdir()
    os.mkfifo(folder / "pipe.blob")
    (folder / "letter.txt").write_bytes(DATA.encode())
    assert read(posted, folder) == (0, 0, 4)
    assert get_blob_store(posted).list() == (name,)
    # Whatever it is called, the right content is the right content.
    (posted.home.blobs_path / f"{name.hex()}.blob").unlink()
    assert read(posted, folder / "letter.txt") == (1, 0, 0)


def test_what_is_not_here_is_listed_and_not_written(posted: Node, tmp_path: Path) -> None:
    (name,) = get_blob_store(posted).list()
    (posted.home.blobs_path / f"{name.hex()}.blob").unlink()
    told = run_query(posted, "blob.write", {"path": str(tmp_path / "out")})
    assert told["written"] == 0
    (listed,) = run_query(posted, "blob.list", {})["blobs"]
    assert (listed["hash"], listed["here"]) == (name.hex(), False)


def test_damage_is_not_carried_on(posted: Node, tmp_path: Path) -> None:
    (path,) = posted.home.blobs_path.iterdir()
    path.write_bytes(b"rot")
    with pytest.raises(StoreDamaged, match="is not the content"):
        run_query(posted, "blob.write", {"path": str(tmp_path / "out")})
    assert list((tmp_path / "out").iterdir()) == []


def test_where_no_folder_can_be_nothing_is_written(posted: Node, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreFailed):
        run_query(posted, "blob.write", {"path": str(tmp_path / "file")})
