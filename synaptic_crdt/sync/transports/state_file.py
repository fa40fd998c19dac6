"""Bundles that begin at a checkpoint: its state, and the bodies since, in place of a history.

Of what lies behind, hashes and seals of whole windows are there, and every entry's verdict: what a
home keeps that has archived the bodies. Nothing in such a file is believed. It is put into a new
store, which opens like any other: the state has to have the root of a checkpoint that counts by the
rules of the market, every hash chain has to end where that root says, and every verdict has to be
under it.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Final

from synaptic_crdt.errors import Forged, MalformedInput
from synaptic_crdt.state import limits
from synaptic_crdt.state.feeds import Piece, Tip, make_seal_message, verify_piece
from synaptic_crdt.state.hashes import compute_chain, compute_hash
from synaptic_crdt.state.held import Feed
from synaptic_crdt.state.keys import verify_signature
from synaptic_crdt.state.replica import Replica
from synaptic_crdt.state.saved import SavedState, StateAssembly, encode_chunks
from synaptic_crdt.state.shelf import Mark
from synaptic_crdt.state.statements import Checkpoint, verify_statement
from synaptic_crdt.state.store import Store
from synaptic_crdt.sync.assembly import Assembly, take_apart
from synaptic_crdt.sync.messages import Hash, Header, Message, Position, Signature, decode_one_of
from synaptic_crdt.sync.transports.bundle_format import (
    STATE_VERSION,
    GenesisRecord,
    StatementRecord,
    open_whole,
    read_bodies,
    read_frame,
    read_genesis_record,
    write_frames,
)

_PART_BYTES: Final = limits.FRAME_FILL_BYTES


class StateRecord(Message, frozen=True, tag="state"):
    """The epoch whose state follows, in chunks of rows."""

    epoch: int


class ChunkRecord(Message, frozen=True, tag="chunk"):
    """Rows of the state, which ascend over all chunks."""

    rows: bytes


class WindowRecord(Message, frozen=True, tag="window"):
    """The hashes of the bodies of one whole window of a feed, and the seal at its end."""

    device: Hash
    first: Position
    hashes: bytes
    signature: Signature


class OutcomesRecord(Message, frozen=True, tag="outcomes"):
    """What the entries of an epoch came to, or a part of that."""

    epoch: int
    part: bytes


Record = StateRecord | ChunkRecord | WindowRecord | OutcomesRecord | StatementRecord | Header


def write_state(
    path: Path, replica: Replica, store: Store, state: SavedState, genesis: bytes
) -> None:
    """Write a state that a store keeps, and what has to come with it. Raises ``StoreFailed``."""
    write_frames(path, STATE_VERSION, _make_frames(replica, store, state, genesis))


def read_state(path: Path, store: Store) -> int:
    """Fill a new store from a file, for ``load_replica`` to judge; return the state's epoch.

    Raises ``MalformedInput``.
    """
    with open_whole(path, STATE_VERSION) as file:
        if read_genesis_record(file) != store.genesis:
            raise MalformedInput(f"{path} is of another market than this home")
        return _Reading(store).read(file)


def _make_frames(
    replica: Replica, store: Store, state: SavedState, genesis: bytes
) -> Iterator[Message]:
    yield GenesisRecord(genesis=genesis)
    for statement in replica.get_statements():
        yield StatementRecord(statement=statement)
    yield StateRecord(epoch=state.epoch)
    for chunk in encode_chunks(state.rows):
        yield ChunkRecord(rows=chunk)
    included = state.get_feeds()
    for feed in replica.feeds.values():
        row = included.get(feed.device)
        ends = feed.get_window_ends(0, row.position - 1 if row else 0)
        yield from _make_windows(store, feed, ends)
        position = ends[-1] if ends else 0
        while position < feed.end and (piece := feed.get_piece(position + 1)) is not None:
            yield from take_apart(piece)
            position = piece.last
    for epoch in range(1, state.epoch + 1):
        data = store.saved.read_outcomes(epoch)
        for start in range(0, len(data), _PART_BYTES):
            yield OutcomesRecord(epoch=epoch, part=data[start : start + _PART_BYTES])


def _make_windows(store: Store, feed: Feed, ends: Sequence[int]) -> Iterator[WindowRecord]:
    start = 0
    for end in ends:
        stretch = store.saved.read_stretch(feed.device, start + 1, end)
        yield WindowRecord(
            device=feed.device,
            first=start + 1,
            hashes=b"".join(body_hash for body_hash, _ in stretch),
            signature=feed.seals[end],
        )
        start = end


class _Reading:
    """One file on its way into a store."""

    def __init__(self, store: Store) -> None:
        self._store: Final = store
        self._market: Final = compute_hash("market", store.genesis)
        self._rows: Final = StateAssembly()
        self._outcomes: Final[dict[int, list[bytes]]] = {}
        # The counted ones come before those beside them.
        self._checkpoints: Final[dict[int, Checkpoint]] = {}
        # By device: the end of what came, and the ends of windows with their chain ids.
        self._tips: Final[dict[bytes, Tip]] = {}
        self._windows: Final[dict[bytes, list[Mark]]] = {}

    def read(self, file: IO[bytes]) -> int:
        """Take everything there is; return the epoch."""
        epoch = 0
        while payload := read_frame(file):
            record = decode_one_of(Record, payload)
            match record:
                case StatementRecord():
                    statement = verify_statement(self._market, record.statement)
                    self._store.write(statements=[(statement.id, record.statement)])
                    if isinstance(statement, Checkpoint):
                        self._checkpoints.setdefault(statement.index, statement)
                case StateRecord():
                    epoch = record.epoch
                case ChunkRecord():
                    self._rows.add(record.rows)
                case WindowRecord():
                    self._take_window(record)
                case OutcomesRecord():
                    self._outcomes.setdefault(record.epoch, []).append(record.part)
                case _:
                    assert isinstance(record, Header)
                    self._take_piece(read_bodies(file, Assembly(record)))
        epochs = list(range(1, epoch + 1))
        if (
            not epochs
            or list(self._outcomes) != epochs
            or not self._checkpoints.keys() >= set(epochs)
        ):
            raise MalformedInput("the file holds no state, or not what its entries came to")
        outcomes = [b"".join(parts) for parts in self._outcomes.values()]
        checkpoints = [self._checkpoints[number] for number in epochs]
        self._store.saved.adopt(self._rows.rows, outcomes, self._windows, checkpoints)
        return epoch

    def _take_window(self, record: WindowRecord) -> None:
        tip = self._get_tip(record.device)
        count, rest = divmod(len(record.hashes), limits.HASH_BYTES)
        if record.first != tip.position + 1 or rest or not 1 <= count <= limits.WINDOW_ENTRIES:
            raise MalformedInput(
                f"feed {record.device.hex()[:16]}: the window at {record.first} is out of order"
            )
        hashes = [
            record.hashes[start : start + limits.HASH_BYTES]
            for start in range(0, len(record.hashes), limits.HASH_BYTES)
        ]
        head = compute_chain(tip.head, hashes)[-1]
        last = tip.position + count
        message = make_seal_message(self._market, last, head)
        if not verify_signature(record.device, "seal", message, record.signature):
            raise Forged(
                f"feed {record.device.hex()[:16]}: the seal at position {last} does not verify"
            )
        self._store.write_hashes(record.device, record.first, hashes, record.signature)
        self._windows.setdefault(record.device, []).append((last, head))
        self._tips[record.device] = Tip(record.device, last, head, -1)

    def _take_piece(self, piece: Piece) -> None:
        _, tip = verify_piece(self._market, self._get_tip(piece.device), piece)
        self._store.write(pieces=[piece])
        if tip.is_window_end:
            self._windows.setdefault(piece.device, []).append((tip.position, tip.head))
        self._tips[piece.device] = tip

    def _get_tip(self, device: bytes) -> Tip:
        return self._tips.get(device) or Feed(self._market, device).tip
