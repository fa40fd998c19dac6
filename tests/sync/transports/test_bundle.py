"""Bundles: whole or refused, in any order, by members and by auditors."""

import itertools
import os
from pathlib import Path

import pytest

from synaptic_crdt.errors import (
    Forged,
    MalformedInput,
    StoreFailed,
    SynapticError,
    UsageError,
    VersionMismatch,
    WrongMarket,
)
from synaptic_crdt.state.feeds import Piece
from synaptic_crdt.state.hashes import compute_hash, start_hash
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.statements import encode_statement
from synaptic_crdt.sync.assembly import take_apart
from synaptic_crdt.sync.inspection import Admission
from synaptic_crdt.sync.messages import Message, encode_frame
from synaptic_crdt.sync.transports.bundle import (
    BundleReport,
    FeedSummary,
    read_bundle,
    read_genesis,
    show_bundle,
    write_bundle,
)
from synaptic_crdt.sync.transports.bundle_format import GenesisRecord, StatementRecord
from tests.sync.conftest import GENESIS, MARKET, CountingWriter, Peer, make_key, make_pieces

MAGIC = b"synaptic-crdt bundle\n"


def make_market(founder: DeviceKey) -> Peer:
    peer = Peer(founder)
    peer.note(founder, 2)
    peer.write(make_key(2), ["open", founder.public], ["note", 1])
    peer.close_epoch()
    peer.note(founder)
    return peer


def build(*records: Message, version: int = 1, end: bytes = bytes(4)) -> bytes:
    data = MAGIC + version.to_bytes(2, "big")
    data += b"".join(encode_frame(record) for record in records) + end
    hasher = start_hash("bundle")
    hasher.update(data)
    return data + hasher.digest()


GENESIS_RECORD = GenesisRecord(genesis=GENESIS)


def get_pieces(peer: Peer, device: bytes) -> list[Piece]:
    feed = peer.replica.get_feed(device)
    pieces: list[Piece] = []
    while (piece := feed.get_piece(pieces[-1].last + 1 if pieces else 1)) is not None:
        pieces.append(piece)
    return pieces


def test_a_bundle_brings_everything_to_a_newcomer(tmp_path: Path, founder: DeviceKey) -> None:
    peer, newcomer = make_market(founder), Peer(founder)
    path = tmp_path / "market.bundle"
    written = write_bundle(path, peer.replica, GENESIS)
    assert written.entries == 5
    report = read_bundle(path, newcomer.gate)
    assert report == BundleReport(5, 0, 0, 1, ())
    assert newcomer.replica.root == peer.replica.root
    assert read_bundle(path, newcomer.gate) == BundleReport(0, 5, 0, 0, ())
    assert [file.name for file in tmp_path.iterdir()] == ["market.bundle"]


def test_an_auditor_needs_nothing_but_the_bundle(tmp_path: Path, founder: DeviceKey) -> None:
    path = tmp_path / "market.bundle"
    write_bundle(path, make_market(founder).replica, GENESIS)
    assert compute_hash("market", read_genesis(path)) == MARKET


def test_show_explains_without_a_store(tmp_path: Path, founder: DeviceKey) -> None:
    peer = make_market(founder)
    path = tmp_path / "market.bundle"
    assert write_bundle(path, peer.replica, GENESIS) == show_bundle(path)
    shown = show_bundle(path)
    assert shown.genesis == GENESIS
    assert shown.market == MARKET
    assert [feed.device for feed in shown.feeds] == [founder.public, make_key(2).public]
    assert isinstance(shown.feeds[0], FeedSummary)
    assert (shown.feeds[0].first, shown.feeds[0].last) == (1, 3)
    assert shown.statements == 1
    assert shown.bytes == path.stat().st_size


def test_bundles_may_be_read_in_any_order(tmp_path: Path, founder: DeviceKey) -> None:
    peer = make_market(founder)
    paths = [tmp_path / f"{number}.bundle" for number in range(3)]
    write_bundle(paths[0], peer.replica, GENESIS)
    other = Peer(founder)
    other.copy_from(peer)
    peer.note(make_key(2), 2)
    peer.close_epoch()
    write_bundle(paths[1], peer.replica, GENESIS)
    other.write(make_key(3), ["open", make_key(2).public])
    write_bundle(paths[2], other.replica, GENESIS)
    roots: set[bytes] = set()
    for order in itertools.permutations(paths):
        reader = Peer(founder)
        for path in order:
            read_bundle(path, reader.gate)
        roots.add(reader.replica.root)
    assert len(roots) == 1


def test_long_feeds_travel_in_windows_and_batches(tmp_path: Path, founder: DeviceKey) -> None:
    peer, newcomer = Peer(founder), Peer(founder)
    for number in range(1, 4):
        peer.note(make_key(number), 2500)
    peer.note(make_key(4), 30, size=60_000)
    for _ in range(20):
        peer.note(founder)
        peer.close_epoch()
    path = tmp_path / "market.bundle"
    write_bundle(path, peer.replica, GENESIS)
    assert read_bundle(path, newcomer.gate) == BundleReport(7550, 0, 0, 20, ())
    assert newcomer.replica.root == peer.replica.root


def test_every_flipped_byte_is_refused_and_changes_nothing(
    tmp_path: Path, founder: DeviceKey
) -> None:
    peer, reader = make_market(founder), Peer(founder)
    reader.note(founder)
    root = reader.replica.root
    path = tmp_path / "market.bundle"
    write_bundle(path, peer.replica, GENESIS)
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(SynapticError) as raised:
            read_bundle(path, reader.gate)
        assert raised.value.exit_code == 4
    assert reader.replica.root == root
    assert reader.replica.entries == 1


def test_every_truncation_is_refused(tmp_path: Path, founder: DeviceKey) -> None:
    peer, reader = make_market(founder), Peer(founder)
    path = tmp_path / "market.bundle"
    write_bundle(path, peer.replica, GENESIS)
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(MalformedInput):
            read_bundle(path, reader.gate)
    path.write_bytes(whole + b"\0")
    with pytest.raises(MalformedInput, match="after its end"):
        read_bundle(path, reader.gate)
    assert reader.replica.entries == 0


def make_flaws(founder: DeviceKey) -> dict[str, tuple[bytes, type[SynapticError], str]]:
    """Whole files with a good checksum and one flaw inside."""
    peer = Peer(founder)
    peer.note(founder, 1500)
    peer.note(make_key(2), 2)
    first, second = get_pieces(peer, founder.public)
    [other] = get_pieces(peer, make_key(2).public)
    strange = Peer(founder, market=compute_hash("market", b"another market"))
    strange.note(founder)
    [moved] = get_pieces(strange, founder.public)
    forged = Piece(other.device, other.first, other.predecessor, other.bodies, bytes(64))
    invited = make_pieces(peer.replica, make_key(3), ["open", b""])[0]
    checkpoint = encode_statement(peer.close_epoch())
    header, *bodies = take_apart(other)

    def put(*pieces: Piece) -> list[Message]:
        return [GENESIS_RECORD, *(part for piece in pieces for part in take_apart(piece))]

    return {
        "another market": (build(GenesisRecord(genesis=b"x")), WrongMarket, "is of market"),
        "newer": (build(GENESIS_RECORD, version=3), VersionMismatch, "has version 3"),
        "large genesis": (
            build(GenesisRecord(genesis=bytes(65_537))), MalformedInput, "limit 65536"
        ),
        "no genesis": (build(), MalformedInput, "0 bytes|1 bytes"),
        "genesis twice": (build(GENESIS_RECORD, GENESIS_RECORD), MalformedInput, "message"),
        "reordered": (build(*put(second, first)), MalformedInput, "out of order"),
        "repeated": (build(*put(first, first)), MalformedInput, "out of order"),
        "forged": (build(*put(first, forged)), Forged, "does not verify"),
        "replayed": (build(*put(first, moved)), MalformedInput, "out of order"),
        "replayed alone": (build(*put(moved)), Forged, "does not verify"),
        "bad certificate": (build(*put(first, invited)), Forged, "certificate"),
        "no bodies": (build(GENESIS_RECORD, header), MalformedInput, "0 bytes|1 bytes"),
        "bodies alone": (build(GENESIS_RECORD, *bodies), MalformedInput, "message"),
        "statement first": (
            build(GENESIS_RECORD, StatementRecord(statement=checkpoint), *put(first)[1:]),
            MalformedInput,
            "out of order",
        ),
        "bad statement": (
            build(*put(first), StatementRecord(statement=b"x")), MalformedInput, "0 bytes|1 bytes"
        ),
        "oversize frame": (
            build(GENESIS_RECORD, end=b"\xff\xff\xff\xff"), MalformedInput, "4294967295 bytes"
        ),
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(make_flaws(make_key(1))))
def test_a_flaw_anywhere_admits_nothing(tmp_path: Path, founder: DeviceKey, name: str) -> None:
    data, error, words = make_flaws(founder)[name]
    path = tmp_path / "flawed.bundle"
    path.write_bytes(data)
    writer = CountingWriter()
    reader = Peer(founder, writer=writer)
    with pytest.raises(error, match=words):
        read_bundle(path, reader.gate)
    assert reader.replica.entries == 0
    assert writer.transactions == 0


def test_what_is_not_held_far_enough_is_reported(tmp_path: Path, founder: DeviceKey) -> None:
    peer, reader = Peer(founder), Peer(founder)
    peer.note(founder, 1500)
    _, second = get_pieces(peer, founder.public)
    stranger = make_pieces(peer.replica, make_key(3), ["open", make_key(4).public], ["note", 1])[0]
    path = tmp_path / "part.bundle"
    parts = [part for piece in (second, stranger) for part in take_apart(piece)]
    path.write_bytes(build(GENESIS_RECORD, *parts))
    assert read_bundle(path, reader.gate) == BundleReport(0, 0, 476 + 2, 0, ())


def test_a_fork_is_named_and_the_rest_is_admitted(tmp_path: Path, founder: DeviceKey) -> None:
    peer, reader = Peer(founder), Peer(founder)
    peer.note(founder, 1500)
    peer.note(make_key(2), 2)
    reader.write(founder, ["note", 7])
    path = tmp_path / "market.bundle"
    write_bundle(path, peer.replica, GENESIS)
    assert read_bundle(path, reader.gate) == BundleReport(2, 0, 0, 0, (founder.public,))
    assert reader.replica.get_feed(founder.public).position == 1


def test_the_proof_of_signing_twice_travels(tmp_path: Path, founder: DeviceKey) -> None:
    first, second, reader = Peer(founder), Peer(founder), Peer(founder)
    first.note(founder)
    second.copy_from(first)
    first.close_epoch()
    second.note(make_key(2))
    second.close_epoch()
    beside = second.replica.chain.get(1)
    assert beside is not None
    assert first.gate.admit_statement(encode_statement(beside)) is Admission.FORK
    assert first.replica.is_halted
    path = tmp_path / "market.bundle"
    write_bundle(path, first.replica, GENESIS)
    read_bundle(path, reader.gate)
    assert reader.replica.is_halted


def test_a_missing_file_is_a_mistake_of_the_user(tmp_path: Path, founder: DeviceKey) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(UsageError, match="name a bundle file"):
            read_bundle(path, Peer(founder).gate)


def test_what_has_no_end_is_not_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero")):
        with pytest.raises(UsageError, match=f"{path} is no ordinary file"):
            show_bundle(path)


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path, founder: DeviceKey) -> None:
    with pytest.raises(StoreFailed, match="too long"):
        read_bundle(tmp_path / ("x" * 300), Peer(founder).gate)


def test_a_folder_that_cannot_be_written_keeps_what_was_there(
    tmp_path: Path, founder: DeviceKey
) -> None:
    folder = tmp_path / "market.bundle"
    folder.mkdir()
    with pytest.raises(StoreFailed, match="nothing was written"):
        write_bundle(folder, make_market(founder).replica, GENESIS)
    assert list(tmp_path.iterdir()) == [folder]
