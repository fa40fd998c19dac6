"""The gate: durable before held, in one transaction, and what it makes of every offer."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from synaptic_crdt.errors import Forged, MalformedInput, StoreFailed
from synaptic_crdt.state import limits
from synaptic_crdt.state.codec import Value
from synaptic_crdt.state.feeds import Piece, Truncation
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.loading import load_replica
from synaptic_crdt.state.statements import encode_statement, verify_statement
from synaptic_crdt.state.store import Store
from synaptic_crdt.sync import inspection
from synaptic_crdt.sync.gate import Gate
from synaptic_crdt.sync.inspection import Admission
from tests.sync.conftest import (
    GENESIS,
    CountingWriter,
    Peer,
    find_issuer,
    make_key,
    make_pieces,
    make_replica,
)

ACCEPT, IGNORE, HOLD, _, FORK = Admission


def take_pieces(peer: Peer, device: bytes, first: int = 1) -> list[Piece]:
    pieces: list[Piece] = []
    while (piece := peer.replica.get_feed(device).get_piece(first)) is not None:
        pieces.append(piece)
        first = piece.last + 1
    return pieces


def make_batches(founder: DeviceKey, *sizes: int) -> list[Piece]:
    """Consecutive pieces of one feed as its writer sealed them, batch by batch."""
    writer = CountingWriter()
    peer = Peer(founder, writer=writer)
    for size in sizes:
        peer.note(founder, size)
    return writer.pieces


def test_what_is_held_as_it_stands_is_known_without_a_look_at_its_signature(
    founder: DeviceKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = Peer(founder)
    [piece] = make_batches(founder, 3)
    assert peer.gate.admit_piece(piece) is ACCEPT
    monkeypatch.setattr(inspection, "verify_signature", None)
    assert peer.gate.admit_piece(piece) is IGNORE


@pytest.mark.parametrize("change", ["body", "signature", "predecessor", "cut", "moved"])
def test_what_differs_in_anything_from_what_is_held_is_verified(
    founder: DeviceKey, change: str
) -> None:
    peer = Peer(founder)
    first, second = make_batches(founder, 3, 2)
    for piece in (first, second):
        peer.gate.admit_piece(piece)
    changed = {
        "body": {"bodies": (second.bodies[0], first.bodies[0])},
        "signature": {"signature": first.signature},
        "predecessor": {"predecessor": bytes(32)},
        "cut": {"bodies": second.bodies[:1]},
        "moved": {"first": second.first - 1},
    }[change]
    with pytest.raises(Forged):
        peer.gate.admit_piece(msgspec.structs.replace(second, **changed))


def test_what_is_new_is_durable_and_then_held(founder: DeviceKey) -> None:
    class Witness(CountingWriter):
        held_at_writing: int | None = None

        def write(
            self,
            *,
            pieces: Sequence[Piece] = (),
            statements: Sequence[tuple[bytes, bytes]] = (),
            replaced_seals: Sequence[tuple[bytes, int]] = (),
            truncations: Sequence[Truncation] = (),
            dropped_statements: Sequence[bytes] = (),
        ) -> None:
            assert not truncations
            assert not dropped_statements
            self.held_at_writing = peer.replica.entries
            super().write(pieces=pieces, statements=statements, replaced_seals=replaced_seals)

    writer = Witness()
    peer = Peer(founder, writer=writer)
    [piece] = make_batches(founder, 3)
    assert peer.gate.admit_piece(piece) is ACCEPT
    assert writer.held_at_writing == 0
    assert writer.pieces == [piece]
    assert peer.replica.entries == 3


def test_what_could_not_be_written_is_not_held(founder: DeviceKey) -> None:
    class FullDisk:
        def write(self, **_: object) -> None:
            raise StoreFailed("no space left")

    peer = Peer(founder, writer=FullDisk())
    news: list[object] = []
    peer.gate.news.subscribe(news.append)
    with pytest.raises(StoreFailed):
        peer.gate.admit_pieces(make_batches(founder, 3))
    source = Peer(founder)
    with pytest.raises(StoreFailed):
        peer.gate.admit_statement(encode_statement(source.close_epoch()))
    assert peer.replica.entries == 0
    assert peer.replica.chain.index == 0
    assert news == []


def test_what_is_known_is_ignored(founder: DeviceKey) -> None:
    first, second, third = make_batches(founder, 3, 2, 1)
    peer = Peer(founder)
    assert peer.gate.admit_pieces([first, second, third]) == [ACCEPT] * 3
    for piece in (first, second, third):
        assert peer.gate.admit_piece(piece) is IGNORE


def test_what_overlaps_is_cut_to_what_is_new(founder: DeviceKey) -> None:
    first, second = make_batches(founder, 3, 4)
    source = Peer(founder)
    source.gate.admit_pieces([first, second])
    [whole] = take_pieces(source, founder.public)
    writer = CountingWriter()
    peer = Peer(founder, writer=writer)
    assert peer.gate.admit_pieces([first, whole]) == [ACCEPT, ACCEPT]
    assert peer.replica.get_leaves() == source.replica.get_leaves()
    assert [piece.first for piece in writer.pieces] == [1, 4]
    assert writer.transactions == 2


def test_what_leaves_a_gap_is_held_and_not_kept(founder: DeviceKey) -> None:
    first, second, third = make_batches(founder, 3, 2, 1)
    writer = CountingWriter()
    peer = Peer(founder, writer=writer)
    assert peer.gate.admit_pieces([first, third]) == [ACCEPT, HOLD]
    assert peer.gate.admit_pieces([second, third]) == [ACCEPT, ACCEPT]
    assert peer.replica.entries == 6
    assert writer.transactions == 2


def test_many_pieces_are_one_transaction(founder: DeviceKey) -> None:
    writer = CountingWriter()
    peer = Peer(founder, writer=writer)
    pieces = [
        piece
        for number in range(1, 50)
        for piece in make_pieces(peer.replica, make_key(number), ["note", 1], ["note", 2])
    ]
    news: list[Sequence[bytes]] = []
    peer.gate.news.subscribe(news.append)
    assert peer.gate.admit_pieces(pieces) == [ACCEPT] * 49
    assert writer.transactions == 1
    assert news == [tuple(make_key(number).public for number in range(1, 50))]


def test_one_seal_is_kept_for_a_window(tmp_path: Path, founder: DeviceKey) -> None:
    store = Store.create(tmp_path / "market.db", GENESIS)
    peer = Peer(founder, writer=store)
    batches = make_batches(founder, 3, 2, 1500, 1, 1)
    peer.gate.admit_pieces(batches[:3])
    peer.gate.admit_pieces(batches[3:5])
    peer.gate.admit_pieces(batches[5:])
    assert [position for position, _ in store.read_seals(founder.public)] == [1024, 1507]
    loaded = make_replica(founder.public)
    assert load_replica(store, loaded) == ()
    assert loaded.get_leaves() == peer.replica.get_leaves()
    store.close()


def test_a_restored_backup_admits_its_own_longer_feed(founder: DeviceKey) -> None:
    first, second = make_batches(founder, 3, 2)
    peer = Peer(founder)
    peer.gate.admit_piece(first)
    assert peer.gate.admit_piece(second) is ACCEPT
    peer.note(founder)
    assert peer.replica.get_feed(founder.public).position == 6


# -- lies and forks --------------------------------------------------------------------------


def change(piece: Piece, **changes: object) -> Piece:
    fields: dict[str, object] = {name: getattr(piece, name) for name in piece.__struct_fields__}
    return Piece(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"signature": bytes(64)}, Forged),
        ({"signature": b""}, Forged),
        ({"predecessor": bytes(32)}, Forged),
        ({"device": make_key(3).public}, Forged),
        ({"device": b"short"}, Forged),
        ({"first": 0}, MalformedInput),
        ({"first": -1}, MalformedInput),
        ({"first": limits.POSITION_MAX}, MalformedInput),
        ({"first": 2}, Forged),
        ({"first": 9}, Forged),
        ({"bodies": ()}, MalformedInput),
        ({"bodies": (b"x",)}, Forged),
    ],
)
@pytest.mark.parametrize("held", [0, 2, 5])
def test_a_lie_is_never_admitted(
    founder: DeviceKey, changes: dict[str, object], error: type[Exception], held: int
) -> None:
    batches = make_batches(founder, 2, 3)
    source = Peer(founder)
    source.gate.admit_pieces(batches)
    peer = Peer(founder)
    peer.gate.admit_pieces([piece for piece in batches if piece.last <= held])
    [whole] = take_pieces(source, founder.public)
    lie = change(whole, **changes)
    with pytest.raises(error):
        peer.gate.admit_piece(lie)
    assert peer.replica.entries == held


def test_what_came_before_a_lie_is_admitted(founder: DeviceKey) -> None:
    first, second = make_batches(founder, 3, 2)
    peer = Peer(founder)
    with pytest.raises(Forged):
        peer.gate.admit_pieces([first, change(second, signature=bytes(64))])
    assert peer.replica.entries == 3


@pytest.mark.parametrize(("ours", "theirs"), [(1, 1), (3, 1), (1, 3)])
def test_two_sealed_histories_are_a_fork(founder: DeviceKey, ours: int, theirs: int) -> None:
    source, peer = Peer(founder), Peer(founder)
    source.write(founder, *[["note", 1]] * theirs)
    peer.write(founder, *[["note", 2]] * ours)
    [piece] = take_pieces(source, founder.public)
    assert peer.gate.admit_piece(piece) is FORK
    assert peer.replica.entries == ours
    [proof] = peer.replica.branches.forks
    assert (proof.device, proof.position) == (founder.public, 1)
    assert peer.replica.entries_counted == 0


def test_a_fork_right_at_our_end_is_seen(founder: DeviceKey) -> None:
    source, peer = Peer(founder), Peer(founder)
    source.write(founder, ["note", 1])
    source.write(founder, ["note", 1])
    peer.write(founder, ["note", 2])
    [piece] = take_pieces(source, founder.public, first=2)
    assert peer.gate.admit_piece(piece) is FORK


# -- membership ------------------------------------------------------------------------------


def test_a_feed_is_held_until_its_issuer_is_admitted(founder: DeviceKey) -> None:
    source = Peer(founder)
    source.note(founder)
    invited, guest = make_key(2), make_key(3)
    source.write(invited, ["open", founder.public])
    source.write(guest, ["open", invited.public], ["note", 1])
    pieces = [take_pieces(source, key.public)[0] for key in (founder, invited, guest)]
    peer = Peer(founder)
    assert peer.gate.admit_pieces(pieces[1:]) == [HOLD, HOLD]
    # Issuers may come in the same transaction.
    assert peer.gate.admit_pieces(pieces) == [ACCEPT] * 3


def test_a_bad_certificate_is_a_lie(founder: DeviceKey) -> None:
    peer = Peer(founder)
    [piece] = make_pieces(peer.replica, make_key(2), ["open", b""])
    with pytest.raises(Forged, match="certificate"):
        peer.gate.admit_piece(piece)


def test_membership_is_asked_of_first_entries_alone(founder: DeviceKey) -> None:
    asked: list[tuple[bytes, list[Value]]] = []

    def ask(device: bytes, first: list[Value]) -> bytes | None:
        asked.append((device, first))
        return find_issuer(device, first)

    gate = Gate(make_replica(), CountingWriter(), ask)
    for piece in make_batches(founder, 2, 2):
        gate.admit_piece(piece)
    assert asked == [(founder.public, ["note", bytes(10)])]


# -- statements ------------------------------------------------------------------------------


def make_checkpoints(founder: DeviceKey, count: int, key: DeviceKey | None = None) -> list[bytes]:
    peer = Peer(founder)
    statements: list[bytes] = []
    for _ in range(count):
        peer.note(key or founder)
        statements.append(encode_statement(peer.close_epoch()))
    return statements


def test_checkpoints_are_taken_in_order_in_one_transaction(founder: DeviceKey) -> None:
    first, second, third = make_checkpoints(founder, 3)
    writer = CountingWriter()
    peer = Peer(founder, writer=writer)
    news: list[Sequence[bytes]] = []
    peer.gate.news.subscribe(news.append)
    assert peer.gate.admit_statement(second) is HOLD
    assert news == []
    assert peer.gate.admit_statements([first, second, first, third]) == [
        ACCEPT, ACCEPT, IGNORE, ACCEPT,
    ]  # fmt: skip
    assert writer.transactions == 1
    assert [data for _, data in writer.statements] == [first, second, third]
    assert peer.replica.chain.index == 3
    assert news == [()]


def test_the_proof_of_signing_twice_is_kept_once(founder: DeviceKey) -> None:
    [counted] = make_checkpoints(founder, 1)
    writer = CountingWriter()
    peer = Peer(founder, writer=writer)
    made = [make_checkpoints(founder, 1, make_key(number))[0] for number in (2, 3)]
    # Of two that of the least id is the proof.
    beside, another = sorted(made, key=lambda data: verify_statement(peer.replica.market, data).id)
    assert peer.gate.admit_statements([counted, beside]) == [ACCEPT, FORK]
    assert peer.replica.is_halted
    assert peer.gate.admit_statement(beside) is IGNORE
    assert peer.gate.admit_statement(another) is HOLD
    assert [data for _, data in writer.statements] == [counted, beside]


def test_checkpoints_before_a_lie_are_taken(founder: DeviceKey) -> None:
    first, second = make_checkpoints(founder, 2)
    peer = Peer(founder)
    with pytest.raises((Forged, MalformedInput)):
        peer.gate.admit_statements([first, second[:-1] + bytes([second[-1] ^ 1])])
    assert peer.replica.chain.index == 1


def test_a_listener_can_leave(founder: DeviceKey) -> None:
    peer = Peer(founder)
    news: list[object] = []
    peer.gate.news.subscribe(news.append)
    peer.gate.news.unsubscribe(news.append)
    peer.note(founder)
    assert news == []
