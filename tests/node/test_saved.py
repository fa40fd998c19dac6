"""Homes that open at a saved state, archive what lies behind it, or begin at somebody's checkpoint."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from synaptic_crdt.errors import BodyArchived, Forged, MalformedInput, UsageError, WrongMarket
from synaptic_crdt.node.archive import restore_archive
from synaptic_crdt.node.commands import run_command
from synaptic_crdt.node.founding import found_market, join_market
from synaptic_crdt.node.home import Home, HomeLock
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.queries import run_query
from synaptic_crdt.rules.consents import make_consent
from synaptic_crdt.rules.operations import encode_operation
from synaptic_crdt.state import limits
from synaptic_crdt.state.codec import decode, decode_trusted, encode
from synaptic_crdt.state.feeds import encode_body, seal_bodies
from synaptic_crdt.state.merkle import compute_state_root, update_tree
from synaptic_crdt.state.replica import Divergence
from synaptic_crdt.state.saved import _compute_leaves
from synaptic_crdt.state.statements import (
    Checkpoint,
    encode_statement,
    sign_checkpoint,
    verify_statement,
)
from synaptic_crdt.sync.messages import Bodies, Message, decode_one_of
from synaptic_crdt.sync.transports.bundle_format import (
    STATE_VERSION,
    GenesisRecord,
    StatementRecord,
    open_whole,
    read_frame,
    read_genesis_record,
    write_frames,
)
from synaptic_crdt.sync.transports.state_file import (
    ChunkRecord,
    OutcomesRecord,
    Record,
    StateRecord,
    WindowRecord,
)
from tests.node.conftest import carry

Change = Callable[[list[Message]], list[Message]]
RowChange = Callable[[list[Any]], list[Any]]

SEEN: Final = ("root", "heads", "entries", "pending", "final", "epoch", "time", "diverged")


def fill(node: Node, count: int, after: int = limits.SAVED_STATES) -> None:
    """Write ``count`` entries, close an epoch over them, and ``after`` others."""
    tip = node.replica.get_feed(node.key.public).tip
    fields = encode_operation(make_consent(None))
    bodies = [encode_body(tip.time + 1 + number, fields) for number in range(count)]
    node.gate.admit_pieces(seal_bodies(node.market.id, node.key, tip, bodies))
    run_command(node, "checkpoint", {})
    for number in range(after):
        run_command(node, "consent", {"on": bool(number % 2)})
        run_command(node, "checkpoint", {})


@contextmanager
def found(path: Path) -> Generator[Node]:
    home = Home(path)
    found_market(home, "", name="Other", account_name="Oz", wall_ms=time.time_ns() // 1_000_000)
    node = Node.open(home, "")
    try:
        yield node
    finally:
        node.close()


def reopen(node: Node) -> Node:
    node.close()
    return Node.open(node.home, "")


def look(node: Node) -> dict[str, object]:
    state = run_query(node, "state", {})
    return {name: state[name] for name in SEEN}


def test_a_home_that_is_opened_again_shows_the_same(
    founder: Node, join: Callable[..., Node]
) -> None:
    ana = join("ana", grant=50)
    run_command(founder, "wallet.send", {"to": "ana", "amount": 5})
    carry(founder, ana)
    run_command(founder, "checkpoint", {})
    run_command(founder, "wallet.send", {"to": "ana", "amount": 6})
    seen, log = look(founder), run_query(founder, "log", {})
    again = reopen(founder)
    try:
        assert again.damages == ()
        assert look(again) == seen
        told = run_query(again, "log", {})["entries"]
        # Why something was refused is known where it was folded.
        assert [row["entry"] for row in told] == [row["entry"] for row in log["entries"]]
        assert [row["verdict"] for row in told] == [row["verdict"] for row in log["entries"]]
        assert [row["standing"] for row in told] == [row["standing"] for row in log["entries"]]
        assert run_query(again, "log", {"limit": 3})["entries"] == told[-3:]
        assert run_query(again, "audit", {"thorough": True})["root"] == seen["root"]
    finally:
        again.close()


def test_what_was_counted_of_the_heads_is_kept(founder: Node) -> None:
    fill(founder, 30, 1)
    heads = founder.market.compute_heads()
    again = reopen(founder)
    try:
        assert again.store.saved.read_heads()
        assert again.market.compute_heads() == heads
        assert not again.market.heads.get_counted(again.replica.machine.get_settled_position)
        again.store._connection.execute("UPDATE saved_heads SET head = x'00'")
        assert again.store.saved.read_heads() == []
    finally:
        again.close()


def test_a_thorough_audit_looks_at_what_is_saved(founder: Node) -> None:
    fill(founder, 5, 3)
    founder.store._connection.execute(
        "UPDATE saved_changes SET before = x'820000' WHERE name = 'balances' OR name = 'feeds'"
    )
    assert run_query(founder, "audit", {})["missing"] is None
    with pytest.raises(Exception, match="saved state: the state at checkpoint"):
        run_query(founder, "audit", {"thorough": True})


# -- archives ------------------------------------------------------------------------------------


@pytest.fixture
def archived(founder: Node, tmp_path: Path) -> Iterator[tuple[Node, dict[str, object]]]:
    fill(founder, 2 * limits.WINDOW_ENTRIES)
    seen = look(founder)
    answer = run_command(founder, "archive.write", {"path": str(tmp_path / "old.bundle")})
    assert answer["entries"] == 2 * limits.WINDOW_ENTRIES
    node = reopen(founder)
    yield node, seen
    node.close()


def test_an_archived_home_goes_on(archived: tuple[Node, dict[str, object]], tmp_path: Path) -> None:
    node, seen = archived
    assert look(node) == seen
    told = run_query(node, "log", {})
    assert told["archived"] == 2 * limits.WINDOW_ENTRIES
    assert len(told["entries"]) + told["archived"] == seen["entries"]
    assert run_query(node, "whoami", {})["name"] == "Fay"
    run_command(node, "consent", {"on": True})
    run_command(node, "checkpoint", {})
    with pytest.raises(UsageError, match="nothing can be archived yet"):
        run_command(node, "archive.write", {"path": str(tmp_path / "more.bundle")})
    with pytest.raises(BodyArchived, match="position 1: its body was moved to an archive"):
        run_query(node, "bundle.write", {"path": str(tmp_path / "all.bundle")})


def test_an_audit_needs_the_archive(
    archived: tuple[Node, dict[str, object]], tmp_path: Path
) -> None:
    node, seen = archived
    device = node.key.public.hex()
    with pytest.raises(BodyArchived, match=rf"feed {device} position 1: .* name each with"):
        run_query(node, "audit", {})
    told = run_query(node, "audit", {"archives": [str(tmp_path / "old.bundle")]})
    assert (told["root"], told["heads"], told["entries"]) == (
        seen["root"],
        seen["heads"],
        seen["entries"],
    )


def test_an_archive_is_read_back(archived: tuple[Node, dict[str, object]], tmp_path: Path) -> None:
    node, seen = archived
    home, file = node.home, tmp_path / "old.bundle"
    with found(tmp_path / "other") as stranger:
        other = stranger.home
    with pytest.raises(WrongMarket):
        restore_archive(other, file)
    lock = HomeLock.try_take(other)
    assert lock is not None
    with lock, pytest.raises(UsageError, match="another process is using"):
        restore_archive(other, file)
    node.close()
    told = restore_archive(home, file)
    assert (told["entries"], told["archived"]) == (2 * limits.WINDOW_ENTRIES, 0)
    again = Node.open(home, "")
    assert look(again) == seen
    assert run_query(again, "audit", {})["root"] == seen["root"]
    again.close()


def test_a_home_whose_roots_differ_archives_nothing(founder: Node, tmp_path: Path) -> None:
    fill(founder, 5, 1)
    founder.replica._divergences.append(Divergence(1, bytes(32), bytes(32)))
    with pytest.raises(UsageError, match="roots of this home"):
        run_command(founder, "archive.write", {"path": str(tmp_path / "old.bundle")})
    with pytest.raises(UsageError, match="roots of this home"):
        run_query(founder, "bundle.state", {"path": str(tmp_path / "now.bundle")})


# -- beginning at a checkpoint -------------------------------------------------------------------


@pytest.fixture
def state_file(founder: Node, join: Callable[..., Node], tmp_path: Path) -> Path:
    """A file with the state at a checkpoint over two feeds, one of them of several windows."""
    ana = join("ana", grant=50)
    run_command(ana, "consent", {"on": True})
    carry(ana, founder)
    fill(founder, 2 * limits.WINDOW_ENTRIES, 2)
    run_command(founder, "wallet.send", {"to": "ana", "amount": 6})
    path = tmp_path / "now.bundle"
    told = run_query(founder, "bundle.state", {"path": str(path)})
    assert told["epoch"] == founder.replica.machine.epoch
    return path


def begin(founder: Node, path: Path, name: str = "bob") -> Home:
    ticket = run_command(founder, "invite", {})["ticket"]
    home = Home(founder.home.path.parent / name)
    join_market(home, "", ticket, name, path)
    return home


def test_a_new_home_begins_at_a_checkpoint(founder: Node, state_file: Path, tmp_path: Path) -> None:
    bob = Node.open(begin(founder, state_file), "")
    try:
        assert bob.store.count_archived() == 2 * limits.WINDOW_ENTRIES
        assert bob.replica.machine.epoch == founder.replica.machine.epoch
        carry(founder, bob)
        carry(bob, founder)
        run_command(founder, "checkpoint", {})
        carry(founder, bob)
        assert look(bob) | {"heads": ""} == look(founder) | {"heads": ""}
        assert run_query(bob, "whoami", {})["name"] == "bob"
        run_command(bob, "consent", {"on": True})
        # The history is audited once somebody brings it.
        with pytest.raises(BodyArchived, match="position 1:"):
            run_query(bob, "audit", {})
        run_query(founder, "bundle.write", {"path": str(tmp_path / "all.bundle")})
        told = run_query(bob, "audit", {"archives": [str(tmp_path / "all.bundle")]})
        assert told["root"] == bob.replica.root.hex()
    finally:
        bob.close()


def test_a_state_file_is_no_history_and_the_other_way_round(
    founder: Node, state_file: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="begins at a state"):
        run_command(founder, "bundle.read", {"path": str(state_file)})
    history = tmp_path / "all.bundle"
    run_query(founder, "bundle.write", {"path": str(history)})
    with pytest.raises(UsageError, match="is a bundle with the whole history"):
        begin(founder, history)
    with found(tmp_path / "other") as stranger:
        fill(stranger, 1, 0)
        run_query(stranger, "bundle.state", {"path": str(tmp_path / "other.bundle")})
    with pytest.raises(MalformedInput, match="of another market"):
        begin(founder, tmp_path / "other.bundle")


def rewrite(path: Path, change: Change) -> None:
    """Write a file anew with other frames, and a checksum that fits."""
    frames: list[Message] = []
    with open_whole(path, STATE_VERSION) as file:
        frames.append(GenesisRecord(genesis=read_genesis_record(file)))
        while payload := read_frame(file):
            frames.append(decode_one_of(Record | Bodies, payload))
    write_frames(path, STATE_VERSION, change(frames))


def alter(kind: type[Message], field: str, change: Callable[[Any], Any]) -> Change:
    """Return what alters a field of the first frame of a kind."""

    def change_frames(frames: list[Message]) -> list[Message]:
        place = next(index for index, frame in enumerate(frames) if isinstance(frame, kind))
        changed = msgspec.structs.replace(
            frames[place], **{field: change(getattr(frames[place], field))}
        )
        return [*frames[:place], changed, *frames[place + 1 :]]

    return change_frames


def drop(kind: type[Message], place: int = 0) -> Change:
    """Return what leaves one frame of a kind out."""

    def change_frames(frames: list[Message]) -> list[Message]:
        index = [index for index, frame in enumerate(frames) if isinstance(frame, kind)][place]
        return frames[:index] + frames[index + 1 :]

    return change_frames


def flip_last(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def drop_row(chunk: bytes) -> bytes:
    return encode(decode(chunk, 2**20)[1:])  # type: ignore[index]


def turn_rows(chunk: bytes) -> bytes:
    return encode(list(reversed(decode(chunk, 2**20))))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (alter(ChunkRecord, "rows", drop_row), "the state at checkpoint"),
        (alter(ChunkRecord, "rows", turn_rows), "rows do not ascend"),
        (alter(ChunkRecord, "rows", lambda _: encode([])), "without rows"),
        (alter(ChunkRecord, "rows", lambda _: encode([["accounts", b""]])), "is .table, key, row."),
        (alter(ChunkRecord, "rows", lambda rows: rows[:-5]), None),
        (drop(ChunkRecord), "the state at checkpoint"),
        (alter(StateRecord, "epoch", lambda epoch: epoch - 1), "holds no state"),
        (alter(StateRecord, "epoch", lambda _: 0), "holds no state"),
        (drop(StateRecord), "holds no state"),
        (alter(WindowRecord, "hashes", flip_last), "the seal at position 1024 does not verify"),
        (alter(WindowRecord, "hashes", lambda hashes: hashes[:-1]), "window at 1 is out of order"),
        (alter(WindowRecord, "signature", flip_last), "does not verify"),
        (drop(WindowRecord), "the window at 1025 is out of order"),
        (alter(OutcomesRecord, "part", flip_last), "the outcomes of epoch 1 are damaged"),
        (drop(OutcomesRecord), "holds no state"),
        (drop(StatementRecord, -1), "holds no state"),
        (drop(Bodies), None),
    ],
)
def test_nothing_is_begun_with_a_file_that_lies(
    founder: Node, state_file: Path, change: Change, says: str | None
) -> None:
    rewrite(state_file, change)
    with pytest.raises((Forged, MalformedInput), match=says):
        begin(founder, state_file)
    assert not (founder.home.path.parent / "bob" / "market.db").exists()


def claim(founder: Node, change_row: RowChange) -> Change:
    """Return what alters the first row of a table, under a root that the sequencer then signs."""

    def change_frames(frames: list[Message]) -> list[Message]:
        frames = alter(ChunkRecord, "rows", change_rows)(frames)
        rows = [
            (str(table), bytes(key), bytes(row))
            for frame in frames
            if isinstance(frame, ChunkRecord)
            for table, key, row in decode_trusted(frame.rows)
        ]
        place = [n for n, frame in enumerate(frames) if isinstance(frame, StatementRecord)][-1]
        frame = frames[place]
        assert isinstance(frame, StatementRecord)
        old = verify_statement(founder.market.id, frame.statement)
        assert isinstance(old, Checkpoint)
        tree = update_tree(None, _compute_leaves(rows))
        new = sign_checkpoint(
            founder.market.id,
            founder.key,
            view=old.view,
            index=old.index,
            previous=old.previous,
            time=old.time,
            frontier=old.frontier,
            root=compute_state_root(founder.market.id, old.index, old.time, tree),
        )
        frames[place] = StatementRecord(statement=encode_statement(new))
        return frames

    def change_rows(chunk: bytes) -> bytes:
        rows = decode_trusted(chunk)
        place = next(n for n, (table, _, _) in enumerate(rows) if table == "balances")
        return encode([*rows[:place], change_row(rows[place]), *rows[place + 1 :]])

    return change_frames


MADE_UP: Final[dict[str, tuple[RowChange, str]]] = {
    "of another shape": (lambda row: [row[0], row[1], encode([])], "no state of a market"),
    "tokens of nothing": (lambda row: [row[0], row[1], encode([10**12, 0])], "no state of a"),
    "a number for a key": (lambda row: [row[0], encode(7), row[2]], "no state of a market"),
    "an unknown table": (lambda row: ["balance", row[1], row[2]], "no state of a market"),
    # A regular expression, for whoever would decode it as one.
    "a tag": (lambda row: [row[0], row[1], bytes.fromhex("d8236128")], "semantic tag 35"),
}


@pytest.mark.parametrize("name", MADE_UP)
def test_a_state_that_the_sequencer_made_up_is_none(
    founder: Node, state_file: Path, name: str
) -> None:
    change_row, says = MADE_UP[name]
    rewrite(state_file, claim(founder, change_row))
    with pytest.raises((Forged, MalformedInput), match=says):
        begin(founder, state_file)
    assert not (founder.home.path.parent / "bob" / "market.db").exists()


# -- a process that is killed while it saves -----------------------------------------------------

_SAVER: Final = """
import sys
from pathlib import Path
from synaptic_crdt.node.home import Home
from synaptic_crdt.node.node import Node
from tests.node.test_saved import fill
node = Node.open(Home(Path(sys.argv[1])), "")
print("open", flush=True)
while True:
    fill(node, 200, 3)
    print(node.replica.machine.epoch, flush=True)
"""


def test_a_process_that_is_killed_leaves_what_opens(founder: Node) -> None:
    home = founder.home
    founder.close()
    for rounds in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", _SAVER, str(home.path)], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            for _ in range(2 + rounds):
                process.stdout.readline()
            process.send_signal(signal.SIGKILL)
        node = Node.open(home, "")
        try:
            assert node.damages == ()
            assert run_query(node, "audit", {"thorough": True})["root"] == node.replica.root.hex()
            assert not node.replica.divergences
        finally:
            node.close()
