"""Documents as files: out of one home and into another, and the files that mean harm."""

import re
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from automerge import core

from synaptic_crdt.errors import AuditFailed, MalformedInput, StoreFailed, UsageError, WrongMarket
from synaptic_crdt.node.commands import run_command
from synaptic_crdt.node.documents import list_heads
from synaptic_crdt.node.files import audit_file
from synaptic_crdt.node.founding import found_market, join_market
from synaptic_crdt.node.home import Home
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.opening import open_document
from synaptic_crdt.node.queries import run_query
from synaptic_crdt.node.wire import Json
from synaptic_crdt.rules.operations import AccountOpen, encode_operation
from synaptic_crdt.state import limits
from synaptic_crdt.state.changes import (
    FeedChanges,
    StatementChanges,
    encode_root_change,
    get_change_hash,
)
from synaptic_crdt.state.codec import encode_trusted
from synaptic_crdt.state.feeds import Tip, compute_origin, encode_body, seal_bodies
from synaptic_crdt.state.hashes import compute_body_hash, compute_entry_id
from synaptic_crdt.state.keys import DeviceKey
from tests.node.conftest import carry

GUIDE = Path(__file__).parents[2] / "docs" / "automerge.md"
SCRIPT = re.compile(r"```python\n(.*?)```", re.DOTALL)
NOTHING_LEFT_OUT: Json = {
    "held": 0,
    "forks": [],
    "refused": [],
    "statements_refused": 0,
    "unsealed": 0,
    "strays": 0,
}


@pytest.fixture
def market(founder: Node, join: Callable[..., Node]) -> Node:
    """The founder's home of a market in which three people wrote and one epoch was closed."""
    ana = join("ana", grant=100)
    run_command(
        ana, "wallet.send", {"to": founder.account.hex(), "amount": 5, "allow_pending": True}
    )
    carry(ana, founder)
    run_command(founder, "checkpoint", {})
    carry(founder, ana)
    ben = join("ben", grant=50)
    carry(ben, founder)
    return founder


@pytest.fixture
def exported(market: Node, tmp_path: Path) -> Path:
    path = tmp_path / "market.automerge"
    told = run_query(market, "document.write", {"path": str(path)})
    assert told["entries"] == market.replica.entries
    assert told["bytes"] == path.stat().st_size
    assert told["heads"] == run_query(market, "state", {})["heads"]
    return path


@pytest.fixture
def newcomer(market: Node, tmp_path: Path) -> Iterator[Node]:
    """A home of the same market, which holds its own first entry alone."""
    ticket = run_command(market, "invite", {})["ticket"]
    home = Home(tmp_path / "newcomer")
    join_market(home, "", ticket, "newcomer")
    node = Node.open(home, "")
    yield node
    node.close()


def test_a_document_brings_everything(newcomer: Node, market: Node, tmp_path: Path) -> None:
    path = tmp_path / "later.automerge"
    run_query(market, "document.write", {"path": str(path)})
    told = run_command(newcomer, "document.read", {"path": str(path)})
    assert told["received"] == market.replica.entries
    assert told["statements"] == market.replica.chain.index
    assert told["root"] == newcomer.replica.root.hex()
    assert told | NOTHING_LEFT_OUT == told
    carry(newcomer, market)
    assert newcomer.replica.root == market.replica.root
    assert newcomer.market.compute_heads() == market.market.compute_heads()
    again = run_command(newcomer, "document.read", {"path": str(path)})
    assert (again["received"], again["known"]) == (0, told["received"])


def test_an_auditor_needs_the_file_alone(exported: Path, market: Node) -> None:
    told = audit_file(exported)
    state = run_query(market, "state", {})
    for name in ("root", "heads", "entries", "checkpoints", "pending"):
        assert told[name] == state[name]
    assert told | NOTHING_LEFT_OUT == told
    with pytest.raises(AuditFailed, match="claimed was"):
        audit_file(exported, "00" * 32)


def test_heads_name_a_version(market: Node, exported: Path, tmp_path: Path) -> None:
    early = list_heads(market)
    state = run_query(market, "state", {})
    run_command(market, "invite", {})
    run_command(market, "checkpoint", {})
    assert list_heads(market)["heads"] != early["heads"]
    document, bundle = tmp_path / "later.automerge", tmp_path / "later.bundle"
    run_query(market, "document.write", {"path": str(document)})
    run_query(market, "bundle.write", {"path": str(bundle)})
    for told in (
        run_query(market, "audit", {"heads": early["list"]}),
        audit_file(document, heads=early["list"]),
        audit_file(bundle, state["root"], early["list"]),
        audit_file(exported, heads=[early["heads"]]),
    ):
        for name in ("root", "heads", "entries", "checkpoints", "epoch", "pending"):
            assert told[name] == state[name]
    # A part of the heads names a part of the market.
    one = run_query(market, "audit", {"heads": early["list"][:1]})
    assert 0 < one["entries"] < state["entries"]


def test_heads_that_are_not_held_name_nothing(market: Node, exported: Path) -> None:
    run_command(market, "invite", {})
    later = list_heads(market)
    for heads in ([later["heads"]], later["list"], ["00" * 32]):
        with pytest.raises(AuditFailed, match="of no entry held"):
            audit_file(exported, heads=heads)
    for heads in ([], ["abc"], ["abcd"], ["no head"]):
        with pytest.raises(UsageError):
            run_query(market, "audit", {"heads": heads})


def test_the_script_in_the_guide_lists_the_entries(exported: Path, market: Node) -> None:
    (script,) = SCRIPT.findall(GUIDE.read_text(encoding="utf-8"))
    assert len(script.splitlines()) <= 12
    done = subprocess.run(
        [sys.executable, "-c", script, exported],
        check=True,
        capture_output=True,
        text=True,
    )
    expected: list[str] = []
    for device, feed in sorted(market.replica.feeds.items()):
        expected.append(f"feed {device.hex()}")
        expected += [
            f"  {entry.position}: {len(entry.body)} bytes, {entry.body.hex()}"
            for entry in feed.entries
        ]
    assert done.stdout.splitlines() == expected


# -- files that mean harm ----------------------------------------------------------------------


def test_what_others_did_to_a_file_is_left_out(exported: Path, newcomer: Node) -> None:
    entries = audit_file(exported)["entries"]
    document = core.Document.load(exported.read_bytes())
    document.set_actor(bytes(32))
    found = document.get(core.ROOT, "feeds")
    assert found is not None
    with document.transaction() as writing:
        for device in writing.keys(found[1]):
            writing.delete(found[1], device)
    exported.write_bytes(document.save())
    told = run_command(newcomer, "document.read", {"path": str(exported)})
    assert told | NOTHING_LEFT_OUT | {"strays": 1} == told
    assert told["received"] == entries


def test_lies_cost_the_liar_alone(exported: Path, market: Node, newcomer: Node) -> None:
    """Sealed bytes that are no entry, somebody whom nobody invited, bytes that are no statement."""
    entries = audit_file(exported)["entries"]
    liar, stranger = DeviceKey(b"l" * 32), DeviceKey(b"s" * 32)
    opening = AccountOpen("stranger", stranger.get_exchange_public(), None, None, None)
    additions = [
        *write_feed(market, liar, b"\xff"),
        *write_feed(market, stranger, encode_body(1, encode_operation(opening))),
        start_statements(market, b"x" * 32).write(b"no statement"),
    ]
    add(exported, market, additions)
    told = run_command(newcomer, "document.read", {"path": str(exported)})
    lies = {"refused": told["refused"], "statements_refused": 1}
    assert told | NOTHING_LEFT_OUT | lies == told
    assert set(told["refused"]) == {liar.public.hex(), stranger.public.hex()}
    assert told["received"] == entries
    assert told["statements"] == market.replica.chain.index


def test_a_second_history_is_left_out_and_named(
    exported: Path, market: Node, newcomer: Node
) -> None:
    entries = audit_file(exported)["entries"]
    other = write_feed(market, newcomer.key, encode_body(1, ["other"]))
    add(exported, market, other)
    told = run_command(newcomer, "document.read", {"path": str(exported)})
    assert told | NOTHING_LEFT_OUT | {"forks": [newcomer.key.public.hex()]} == told
    assert told["received"] == entries


def test_a_document_of_another_market_is_refused(exported: Path, tmp_path: Path) -> None:
    home = Home(tmp_path / "other")
    found_market(home, "", name="Other", account_name="Oz", wall_ms=time.time_ns() // 1_000_000)
    node = Node.open(home, "")
    with pytest.raises(WrongMarket):
        run_command(node, "document.read", {"path": str(exported)})
    node.close()


@pytest.mark.parametrize("data", [b"", b"x", b"\x85oJ\x83", b"\x85oJ\x83" + bytes(100)], ids=len)
def test_what_is_no_document_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(MalformedInput):
        open_document(path, None)
    with pytest.raises(MalformedInput):
        audit_file(path)


def test_a_damaged_document_is_refused(exported: Path) -> None:
    data = bytearray(exported.read_bytes())
    data[len(data) // 2] ^= 1
    exported.write_bytes(data)
    with pytest.raises(MalformedInput, match="damaged"):
        audit_file(exported)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreFailed, match="missing"):
        audit_file(tmp_path / "missing")
    with pytest.raises(StoreFailed, match="missing"):
        open_document(tmp_path / "missing", None)


def test_a_file_over_its_limit_is_not_opened(
    exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "DOCUMENT_BYTES", exported.stat().st_size - 1)
    with pytest.raises(MalformedInput, match="bundle"):
        open_document(exported, None)


def test_a_file_that_unpacks_to_more_than_its_share_is_refused(
    exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "OPENING_OUTPUT_BYTES", 1_000)
    monkeypatch.setattr(limits, "OPENING_OUTPUT_FACTOR", 0)
    with pytest.raises(MalformedInput, match="over 1,000 bytes of changes"):
        open_document(exported, None)


def test_a_run_of_a_million_operations_meets_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "OPENING_MEMORY_BYTES", 96 * limits.MIB)
    path = tmp_path / "bomb"
    path.write_bytes(make_run_bomb(1_000_000))
    assert path.stat().st_size < 200
    with pytest.raises(MalformedInput, match="takes over"):
        open_document(path, None)


def test_a_deflated_bomb_meets_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "OPENING_MEMORY_BYTES", 96 * limits.MIB)
    path = tmp_path / "bomb"
    path.write_bytes(make_deflated_bomb(96 * limits.MIB))
    assert path.stat().st_size < 200_000
    with pytest.raises(MalformedInput):
        open_document(path, None)


def test_a_file_that_keeps_the_library_busy_meets_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "OPENING_SECONDS", 1)
    monkeypatch.setattr(limits, "OPENING_MEMORY_BYTES", 64 * 1024 * limits.MIB)
    path = tmp_path / "bomb"
    path.write_bytes(make_run_bomb(1 << 40))
    start = time.monotonic()
    with pytest.raises(MalformedInput, match="or 1 s"):
        open_document(path, None)
    assert time.monotonic() - start < 30


# -- what such files are made of ---------------------------------------------------------------


def get_root(market: Node) -> bytes:
    return encode_root_change(market.market.id, market.market.genesis_bytes)


def start_statements(market: Node, actor: bytes) -> StatementChanges:
    return StatementChanges(market.market.id, get_change_hash(get_root(market)), actor)


def write_feed(market: Node, key: DeviceKey, body: bytes) -> list[bytes]:
    """Return the changes of a feed of one body, and of its seal."""
    origin = compute_origin(market.market.id, key.public)
    (piece,) = seal_bodies(market.market.id, key, Tip(key.public, 0, origin, -1), [body])
    chain_id = compute_entry_id(origin, compute_body_hash(body))
    seal = encode_trusted(["seal", 1, chain_id, key.public, piece.signature])
    root = get_change_hash(get_root(market))
    return [
        *FeedChanges(market.market.id, root, key.public).write([body]),
        start_statements(market, chain_id).write(seal),
    ]


def add(path: Path, market: Node, changes: list[bytes]) -> None:
    document = core.Document.load(path.read_bytes())
    document.merge(core.Document.load(get_root(market) + b"".join(changes)))
    path.write_bytes(document.save())


def make_chunk(kind: int, content: bytes, hashed: bytes) -> bytes:
    checksum = sha256(b"\x01" + encode_uint(len(hashed)) + hashed).digest()[:4]
    return b"\x85oJ\x83" + checksum + bytes([kind]) + encode_uint(len(content)) + content


def make_run_bomb(length: int) -> bytes:
    """Return a change of so many operations, all of them alike."""
    run = encode_int(length)
    columns = (
        (0x15, run + b"\x01a"),  # the key "a"
        (0x34, encode_uint(length)),  # no insertion
        (0x42, run + b"\x01"),  # set
        (0x56, run + b"\x00"),  # null
        (0x70, run + b"\x00"),  # no predecessors
    )
    content = b"\x00\x20" + bytes(32) + b"\x01\x01\x00\x00\x00" + bytes([len(columns)])
    content += b"".join(bytes([column, len(data)]) for column, data in columns)
    content += b"".join(data for _, data in columns)
    return make_chunk(1, content, content)


def make_deflated_bomb(size: int) -> bytes:
    """Return a deflated change that holds one value of so many bytes."""
    columns = (
        (0x15, b"\x7f\x01a"),
        (0x34, b"\x01"),
        (0x42, b"\x7f\x01"),
        (0x56, b"\x7f" + encode_uint(size << 4 | 7)),
        (0x57, bytes(size)),
        (0x70, b"\x7f\x00"),
    )
    content = b"\x00\x20" + bytes(32) + b"\x01\x01\x00\x00\x00" + bytes([len(columns)])
    content += b"".join(bytes([column]) + encode_uint(len(data)) for column, data in columns)
    content += b"".join(data for _, data in columns)
    packing = zlib.compressobj(9, zlib.DEFLATED, -15)
    return make_chunk(2, packing.compress(content) + packing.flush(), content)


def encode_uint(number: int) -> bytes:
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def encode_int(number: int) -> bytes:
    parts = bytearray()
    while number > 0x3F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])
