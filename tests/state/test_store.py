"""The store: what it acknowledged is there after anything; what the disk refused is not."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from synaptic_crdt.errors import StoreDamaged, StoreFailed, VersionMismatch
from synaptic_crdt.state.loading import load_replica
from synaptic_crdt.state.store import Store
from tests.state.conftest import OPENED_MS, Writer, make_replica

GENESIS = b"any bytes: the store reads no genesis"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "market.db"


def mint(writer: Writer, count: int, size: int = 0) -> None:
    writer.write(*[(OPENED_MS, ["note", bytes(size)]) for _ in range(count)])


def test_what_was_written_comes_back(path: Path) -> None:
    store = Store.create(path, GENESIS)
    first, second = Writer(1), Writer(2)
    pieces = [*first.write((1, ["a"]), (2, ["b"])), *second.write((1, ["c"]))]
    store.write(pieces=pieces, statements=[(b"1" * 32, b"one")], reversals=[(b"e", b"c")])
    store.write(pieces=first.write((3, ["d"])), replaced_seals=[(first.device, 2)])
    store.write(statements=[(b"2" * 32, b"two"), (b"1" * 32, b"one")], reversals=[(b"e", b"d")])
    store.close()
    store = Store.open(path)
    assert store.genesis == GENESIS
    assert store.get_devices() == [first.device, second.device]
    assert [body for _, _, body in store.read_bodies(first.device)] == [
        entry.body for entry in first.feed.entries
    ]
    assert [position for position, _, _ in store.read_bodies(second.device)] == [1]
    assert store.read_seals(first.device) == list(first.feed.seals.items())
    assert store.read_statements() == [(1, b"one"), (2, b"two")]
    assert store.read_reversals() == {b"e": b"d"}
    assert store.read_nameless_feeds() == []
    store.close()


def test_writing_nothing_is_harmless(path: Path) -> None:
    store = Store.create(path, GENESIS)
    store.write()
    assert store.get_devices() == []
    store.close()


def test_a_missing_store_is_named(path: Path) -> None:
    with pytest.raises(StoreDamaged, match="missing"):
        Store.open(path)
    assert not path.exists()


def test_a_store_is_not_made_over_another(path: Path) -> None:
    Store.create(path, GENESIS).close()
    with pytest.raises(StoreDamaged):
        Store.create(path, b"other")
    assert Store.open(path).genesis == GENESIS


@pytest.mark.parametrize("content", [b"", b"x", b"no database " * 500, bytes(8192)])
def test_a_file_that_is_no_store_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(StoreDamaged):
        Store.open(path)


def edit(path: Path, statement: str, *values: object) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.execute(statement, values)
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("UPDATE market SET version = 3", VersionMismatch),
        ("UPDATE market SET genesis = x'00'", StoreDamaged),
        ("UPDATE market SET id = x'00'", StoreDamaged),
        ("DELETE FROM market", StoreDamaged),
        ("DROP TABLE market", StoreDamaged),
        ("DROP TABLE feeds", StoreDamaged),
    ],
)
def test_a_changed_head_is_refused(path: Path, statement: str, error: type[Exception]) -> None:
    Store.create(path, GENESIS).close()
    edit(path, statement)
    with pytest.raises(error):
        Store.open(path)
    # And nothing holds the file after that.
    edit(path, "CREATE TABLE more (id INTEGER)")


def test_a_format_that_is_no_number_is_no_newer_one(path: Path) -> None:
    Store.create(path, GENESIS).close()
    edit(path, "DROP TABLE market")
    edit(path, "CREATE TABLE market (version, id, genesis)")
    edit(path, "INSERT INTO market VALUES (?, ?, ?)", b"1", b"id", GENESIS)
    with pytest.raises(StoreDamaged, match="has no number"):
        Store.open(path)


def test_a_store_that_contradicts_itself_is_damaged(path: Path) -> None:
    store = Store.create(path, GENESIS)
    store.write(statements=[(b"id" * 16, b"statement")])
    store.check_integrity()
    store.close()
    data = path.read_bytes()
    # The id stands in the row and, behind it in the file, in the index.
    place = data.rindex(b"id" * 16)
    path.write_bytes(data[:place] + b"x" + data[place + 1 :])
    store = Store.open(path)
    with pytest.raises(StoreDamaged, match=r"missing from index .*statements"):
        store.check_integrity()
    store.close()


def test_a_second_connection_is_kept_out(path: Path) -> None:
    store = Store.create(path, GENESIS)
    other = sqlite3.connect(path, timeout=0)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("SELECT * FROM market")
    other.close()
    store.close()


def test_a_commit_waits_for_the_disk(path: Path) -> None:
    # A killed process does not lose what the kernel holds; a power cut does.
    store = Store.create(path, GENESIS)
    for opened in (store, None):
        store = opened or Store.open(path)
        assert store._connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert store._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        store.close()


def test_the_number_of_a_lost_feed_is_not_given_again(path: Path) -> None:
    store = Store.create(path, GENESIS)
    store.write(pieces=Writer(1).write((1, ["a"])))
    store.close()
    edit(path, "DELETE FROM feeds")
    store = Store.open(path)
    newcomer = Writer(2)
    store.write(pieces=newcomer.write((1, ["b"])))
    assert store.read_nameless_feeds() == [1]
    assert len(store.read_seals(newcomer.device)) == 1
    assert [body for _, _, body in store.read_bodies(newcomer.device)] == [
        newcomer.feed.entries[0].body
    ]
    store.close()


def test_a_closed_store_is_our_mistake(path: Path) -> None:
    store = Store.create(path, GENESIS)
    store.close()
    with pytest.raises(sqlite3.ProgrammingError):
        store.write()


def test_a_full_disk_acknowledges_nothing(path: Path) -> None:
    store = Store.create(path, GENESIS)
    held = Writer(1)
    store.write(pieces=held.write((1, ["held"])))
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count = {pages}")
    newcomer = Writer(2)
    mint(newcomer, 20, size=60_000)
    pieces = [newcomer.feed.get_piece(1), newcomer.feed.get_piece(19)]
    for _ in range(2):
        with pytest.raises(StoreFailed, match="full; nothing was acknowledged"):
            store.write(pieces=[piece for piece in pieces if piece])
    assert store.get_devices() == [held.device]
    assert len(list(store.read_bodies(held.device))) == 1
    # There is room again: the same store goes on.
    store._connection.execute("PRAGMA max_page_count = 100000")
    store.write(pieces=[piece for piece in pieces if piece])
    assert len(list(store.read_bodies(newcomer.device))) == 20
    store.close()
    assert Store.open(path).get_devices() == [held.device, newcomer.device]


def test_a_read_only_store_acknowledges_nothing(path: Path) -> None:
    store = Store.create(path, GENESIS)
    store._connection.execute("PRAGMA query_only = 1")
    writer = Writer(1)
    with pytest.raises(StoreFailed, match="nothing was acknowledged"):
        store.write(pieces=writer.write((1, ["a"])))
    store._connection.execute("PRAGMA query_only = 0")
    assert store.get_devices() == []
    piece = writer.feed.get_piece(1)
    assert piece is not None
    store.write(pieces=[piece])
    assert store.get_devices() == [writer.device]


def test_a_folder_that_is_gone_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(StoreFailed):
        Store.create(tmp_path / "nowhere" / "market.db", GENESIS)


def test_a_failure_halfway_takes_back_all_of_it(path: Path) -> None:
    store = Store.create(path, GENESIS)
    writer, other = Writer(1), Writer(2)
    pieces = [*writer.write((1, ["a"])), *other.write((1, ["b"]))]
    with pytest.raises(KeyError):
        store.write(pieces=pieces[:1], replaced_seals=[(other.device, 1)])
    with pytest.raises(StoreDamaged, match="NOT NULL"):
        store.write(pieces=pieces, statements=[(b"1", None)])  # pyright: ignore[reportArgumentType]
    assert store.get_devices() == []
    store.write(pieces=pieces)
    assert store.get_devices() == [writer.device, other.device]


APPENDER = """
import sys
from pathlib import Path
from synaptic_crdt.state.store import Store
from tests.state.conftest import OPENED_MS, Writer

store = Store.open(Path(sys.argv[1]))
writer = Writer(1)
bodies = [body for _, _, body in store.read_bodies(writer.device)] if store.get_devices() else []
if bodies:
    writer.append(bodies)
while True:
    replaced = writer.feed.get_passing_seal()
    pieces = writer.write(*[(OPENED_MS, ["note", n]) for n in range(int(sys.argv[2]))])
    store.write(
        pieces=pieces,
        replaced_seals=[] if replaced is None else [(writer.device, replaced)],
    )
    print(writer.feed.position, flush=True)
"""


@pytest.mark.untraced
def test_what_was_acknowledged_survives_kill_9(path: Path) -> None:
    chance = random.Random(7)
    Store.create(path, GENESIS).close()
    acknowledged = 0
    for _ in range(24):
        process = subprocess.Popen(
            [sys.executable, "-c", APPENDER, str(path), str(chance.choice([1, 7, 300]))],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        # The moment is a number of acknowledgements and then any instruction after that.
        for _ in range(chance.randint(1, 12)):
            acknowledged = max(acknowledged, int(process.stdout.readline()))
        os.kill(process.pid, signal.SIGKILL)
        lines = process.stdout.read().splitlines(keepends=True)
        acknowledged = max([acknowledged, *(int(line) for line in lines if line[-1:] == "\n")])
        process.stdout.close()
        process.wait()
        store = Store.open(path)
        replica = make_replica()
        assert load_replica(store, replica) == ()
        assert replica.entries >= acknowledged
        store.close()
    assert acknowledged > 100
