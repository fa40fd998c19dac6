"""Any byte of a store or a bundle is altered: an audit names the place, or nothing has changed."""

import re
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import settings
from msgspec.structs import replace

from synaptic_crdt.errors import (
    AuditFailed,
    MalformedInput,
    StoreDamaged,
    SynapticError,
    VersionMismatch,
)
from synaptic_crdt.node.audit import Claim, audit_market
from synaptic_crdt.node.bundles import audit_bundle
from synaptic_crdt.node.commands import run_command
from synaptic_crdt.node.files import audit_file
from synaptic_crdt.node.home import Home
from synaptic_crdt.node.node import Market, Node
from synaptic_crdt.node.queries import run_query
from synaptic_crdt.node.wire import Json
from synaptic_crdt.state.statements import (
    Checkpoint,
    FrontierItem,
    encode_statement,
    sign_checkpoint,
)
from synaptic_crdt.sync.gate import KeepNothing
from synaptic_crdt.sync.transports.bundle_damage import find_damage
from tests.node.conftest import carry

FLIPS: Final = (0x01, 0x80, 0xFF)
# Opening a store takes 20 ms, and it has some ten thousand bytes that are not nothing: one of eight
# is enough to be inside every hash, key, signature, body and seal that it holds, and in every page.
# Of the bytes that are nothing, most of them between cells, fewer are taken. In a long run, all.
IS_LONG: Final = bool(settings.default and settings.default.max_examples > 1_000)
STEP: Final = 1 if IS_LONG else 8
EMPTY_STEP: Final = 1 if IS_LONG else 997
LEFT_OUT: Final = ("held", "refused", "unsealed", "strays", "statements_refused")
# Opening a document takes a process.
PROCESSES: Final = 12


@pytest.fixture
def history(founder: Node, join: Callable[..., Node]) -> Node:
    """A home with two feeds and two checkpoints' worth of history, and some more."""
    ana = join("ana", grant=50)
    for number in range(2):
        run_command(founder, "wallet.send", {"to": "ana", "amount": 5 + number})
        carry(founder, ana)
        run_command(ana, "consent", {"on": not number})
        carry(ana, founder)
        run_command(founder, "checkpoint", {})
    run_command(founder, "wallet.send", {"to": "ana", "amount": 7})
    return founder


def audit_store(home: Home, data: bytes) -> Json:
    for path in home.path.glob("market.db*"):
        path.unlink()
    home.store_path.write_bytes(data)
    node = Node.open(home, "")
    try:
        return run_query(node, "audit", {})
    finally:
        node.close()


def audit_altered_store(home: Home, data: bytes) -> tuple[Json | None, str]:
    """Return what an audit says, or why it fails."""
    try:
        return audit_store(home, data), ""
    except (AuditFailed, StoreDamaged, VersionMismatch) as error:
        # The number of the format itself may as well be that of a newer program.
        return None, str(error)


def flip(data: bytes, offset: int, bits: int) -> bytes:
    return data[:offset] + bytes([data[offset] ^ bits]) + data[offset + 1 :]


def alter(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield offsets of some or all bytes that are not nothing, of some that are, and the data."""
    filled = [offset for offset, byte in enumerate(data) if byte][::STEP]
    empty = [offset for offset, byte in enumerate(data) if not byte][::EMPTY_STEP]
    for number, offset in enumerate([*filled, *empty]):
        yield offset, flip(data, offset, FLIPS[number % len(FLIPS)])


@pytest.mark.untraced
def test_no_byte_of_a_store_is_altered_unseen(history: Node) -> None:
    home = history.home
    sound = run_query(history, "audit", {})
    history.close()
    data = home.store_path.read_bytes()
    assert audit_store(home, data) == sound
    places = ("feed ", "statement ", "saved state: ", str(home.store_path))
    seen = 0
    for offset, altered in alter(data):
        told, reason = audit_altered_store(home, altered)
        if told is not None:
            # SQLite's own bookkeeping has bytes that say nothing.
            assert told == sound, offset
            continue
        seen += 1
        assert any(place in reason for place in places), (offset, reason)
    assert seen > 900


def test_an_altered_body_is_named_by_feed_and_position(history: Node) -> None:
    home = history.home
    feeds = [list(feed.entries) for feed in history.replica.feeds.values()]
    history.close()
    data = home.store_path.read_bytes()
    for entries in feeds:
        for entry in entries:
            place = data.index(entry.body) + len(entry.body) // 2
            with pytest.raises(AuditFailed) as failure:
                audit_store(home, flip(data, place, 1))
            named = f"feed {entry.device.hex()} position {entry.position}: the body is altered"
            assert named in str(failure.value)


def test_a_row_that_is_gone_is_missed(history: Node) -> None:
    """What a feed has lost its seals show; a lost checkpoint only its index shows."""
    home = history.home
    count = history.replica.chain.index
    history.close()
    data = home.store_path.read_bytes()
    place = data.index(b"\x89\x6acheckpoint")
    page = place // 4096 * 4096
    cells = page + 4
    assert data[page] == 0x0D
    assert data[cells] == count
    altered = data[:cells] + bytes([count - 1]) + data[cells + 1 :]
    with pytest.raises(StoreDamaged, match="statements"):
        audit_store(home, altered)


def test_an_open_home_is_audited_anew(history: Node) -> None:
    """What was altered behind the back of the process that has the store open."""
    run_query(history, "audit", {})
    body = history.replica.feeds[history.key.public].entries[1].body
    history.store._connection.execute(
        "UPDATE entries SET body = ? WHERE body = ?", (body[:-1] + b"\xff", body)
    )
    with pytest.raises(AuditFailed, match="position 2: the body is altered"):
        run_query(history, "audit", {})


def test_a_state_that_its_replay_does_not_give_is_named_by_its_first_row(history: Node) -> None:
    """As a mistake of ours in following what came would leave behind."""
    market = history.market.contract.market
    row = market.balances.get(history.account)
    assert row is not None
    market.balances.set(history.account, replace(row, available=row.available + 1))
    with pytest.raises(AuditFailed) as failure:
        run_query(history, "audit", {"thorough": True})
    reason = str(failure.value)
    assert f"they differ first in table balances, key {history.account.hex()}: held is [" in reason
    assert f"{row.available + 1}" in reason
    market.balances.delete(history.account)
    with pytest.raises(AuditFailed, match="held is nothing, replayed"):
        run_query(history, "audit", {"thorough": True})


# -- bundles -------------------------------------------------------------------------------------


@pytest.fixture
def bundled(history: Node, tmp_path: Path) -> Path:
    path = tmp_path / "market.bundle"
    run_query(history, "bundle.write", {"path": str(path)})
    return path


def audit_altered(path: Path, data: bytes) -> str:
    """Return why a bundle with these bytes is refused."""
    path.write_bytes(data)
    with pytest.raises(MalformedInput) as failure:
        audit_bundle(path, Claim())
    return str(failure.value)


def read_place(reason: str) -> tuple[int, int]:
    """Return the first and last byte of the place that a refusal names."""
    words = reason.partition("does not verify: bytes ")[2].split()
    first = int(words[0])
    return first, int(words[2].rstrip(",:")) if words[1] == "to" else 1 << 40


@pytest.mark.untraced
def test_every_byte_of_a_bundle_is_named(bundled: Path) -> None:
    data = bundled.read_bytes()
    for offset in range(len(data)):
        reason = audit_altered(bundled, flip(data, offset, FLIPS[offset % len(FLIPS)]))
        first, last = read_place(reason)
        assert first <= offset <= last, (offset, reason)
    bundled.write_bytes(data)
    audit_bundle(bundled, Claim())


def test_a_bundle_that_was_cut_is_named(bundled: Path) -> None:
    data = bundled.read_bytes()
    for end in (0, 10, 30, len(data) // 2, len(data) - 40, len(data) - 1):
        first, _ = read_place(audit_altered(bundled, data[:end]))
        assert first <= end
    reason = audit_altered(bundled, data + b"x")
    assert "the checksum" in reason


def test_a_piece_is_named_by_feed(bundled: Path, history: Node) -> None:
    data = bundled.read_bytes()
    for device, feed in history.replica.feeds.items():
        place = data.index(feed.entries[-1].body)
        reason = audit_altered(bundled, flip(data, place + 4, 1))
        assert f"feed {device.hex()[:16]}: the seal at position {feed.position}" in reason


def test_a_bundle_that_cannot_be_read_is_no_damage(tmp_path: Path) -> None:
    def fail(_: bytes) -> Any:  # noqa: ANN401 - never returns
        raise AssertionError

    with pytest.raises(SynapticError, match="missing"):
        find_damage(tmp_path / "missing", fail)


# -- Automerge files -----------------------------------------------------------------------------


@pytest.fixture
def exported(history: Node, tmp_path: Path) -> Path:
    path = tmp_path / "market.automerge"
    run_query(history, "document.write", {"path": str(path)})
    return path


@pytest.mark.untraced
def test_every_byte_of_a_document_is_named(exported: Path, history: Node) -> None:
    data = exported.read_bytes()
    assert audit_file(exported)["root"] == history.replica.root.hex()
    for offset in range(len(data)):
        exported.write_bytes(flip(data, offset, FLIPS[offset % len(FLIPS)]))
        with pytest.raises(MalformedInput) as failure:
            audit_file(exported)
        first, last = read_bytes_named(str(failure.value))
        assert first <= offset <= last, (offset, str(failure.value))


def read_bytes_named(reason: str) -> tuple[int, int]:
    numbers = re.search(r"bytes (\d+) to (\d+)", reason)
    assert numbers is not None, reason
    return int(numbers[1]), int(numbers[2])


def test_a_document_that_was_altered_and_summed_up_again_changes_nothing_unseen(
    exported: Path,
) -> None:
    """Whoever means to alter a file makes its checksum anew; then the seals and hashes tell."""
    sound = audit_file(exported)
    data = exported.read_bytes()
    head = 9 + next(n for n in range(1, 9) if not data[8 + n] & 0x80)
    for offset in range(head, len(data), (len(data) - head) // PROCESSES):
        altered = flip(data, offset, 0x01)
        checksum = sha256(altered[8:]).digest()[:4]
        exported.write_bytes(altered[:4] + checksum + altered[8:])
        told = audit_if_possible(exported)
        if told is not None and not told["missing"]:
            assert told == sound or any(told[name] for name in LEFT_OUT), offset


def audit_if_possible(path: Path) -> Json | None:
    try:
        return audit_file(path)
    except (MalformedInput, AuditFailed):
        return None


# -- versions ------------------------------------------------------------------------------------


def test_a_replay_up_to_a_checkpoint(history: Node, bundled: Path) -> None:
    chain = history.replica.chain
    for index in range(1, chain.index + 1):
        checkpoint = chain.get(index)
        assert checkpoint is not None
        for named in (str(index), checkpoint.id.hex(), checkpoint.id.hex()[:20]):
            claim = {"at": named, "root": checkpoint.root.hex()}
            told = run_query(history, "audit", claim)
            replayed = audit_bundle(bundled, Claim(**claim))
            assert told == {name: replayed[name] for name in told}
            assert (told["checkpoints"], told["epoch"], told["pending"]) == (index, index, 0)
            assert told["missing"] is None
            assert run_query(history, "audit", claim | {"thorough": True}) == told


def test_another_root_is_told_by_what_it_is(history: Node) -> None:
    first = history.replica.chain.get(1)
    assert first is not None
    with pytest.raises(AuditFailed, match="that of checkpoint 1: replay it with --at 1"):
        run_query(history, "audit", {"root": first.root.hex().upper()})
    with pytest.raises(AuditFailed, match=r"claimed was 00$"):
        run_query(history, "audit", {"root": "00"})


@pytest.mark.parametrize("named", ["0", "99", "1234567890", "zz", "", "-1"])
def test_checkpoints_that_are_not_held(history: Node, named: str) -> None:
    with pytest.raises(SynapticError, match="checkpoint") as failure:
        run_query(history, "audit", {"at": named})
    assert failure.value.exit_code == 2


def sign_next(node: Node, root: bytes, frontier: Sequence[FrontierItem] = ()) -> Checkpoint:
    """Return the sequencer's next checkpoint, over what it should not be and with such a root."""
    chain = node.replica.chain
    return sign_checkpoint(
        node.market.id,
        node.key,
        view=0,
        index=chain.index + 1,
        previous=chain.head,
        time=chain.time_ms,
        frontier=frontier,
        root=root,
    )


def test_a_wrong_root_is_named_by_its_checkpoint(history: Node) -> None:
    index = history.replica.chain.index + 1
    history.gate.admit_statement(encode_statement(sign_next(history, bytes(32))))
    with pytest.raises(AuditFailed) as failure:
        run_query(history, "audit", {})
    reason = str(failure.value)
    assert f"checkpoint {index} claims root {bytes(32).hex()}, the replay gives" in reason
    assert f"the roots agree up to checkpoint {index - 1}" in reason
    with pytest.raises(AuditFailed, match=f"checkpoint {index} claims"):
        run_query(history, "audit", {"at": str(index)})
    assert run_query(history, "audit", {"at": str(index - 1)})["epoch"] == index - 1


def test_a_checkpoint_over_what_is_not_here_is_told(history: Node) -> None:
    market = Market(history.market.genesis_bytes)
    gate = market.make_gate(KeepNothing())
    checkpoint = history.replica.chain.get(1)
    assert checkpoint is not None
    gate.admit_statement(encode_statement(checkpoint))
    told = audit_market(market, (), Claim())
    [item] = checkpoint.frontier[:1]
    assert told["missing"] == (
        f"checkpoint 1 names entry {item.id.hex()[:16]} at position {item.position} of feed"
        f" {item.device.hex()}, which is held up to 0: its root cannot be verified"
    )
    assert (told["checkpoints"], told["epoch"]) == (1, 0)
    with pytest.raises(AuditFailed, match="cannot be verified"):
        audit_market(market, (), Claim(at="1"))


def test_a_checkpoint_over_another_branch_is_told(history: Node) -> None:
    feed = history.replica.get_feed(history.key.public)
    item = FrontierItem(feed.device, feed.position, bytes(32))
    statement = encode_statement(sign_next(history, bytes(32), [item]))
    history.gate.admit_statement(statement)
    told = run_query(history, "audit", {})
    assert told["missing"] == (
        f"checkpoint {history.replica.chain.index} names entry {bytes(8).hex()} at position"
        f" {item.position} of feed {feed.device.hex()}, whose entry there is another one here:"
        " its root cannot be verified"
    )
