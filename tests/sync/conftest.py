"""A toy market and a wire made of bytes: two real sessions, two real gates, no socket.

The toy contract counts applied entries by device and knows one rule, ``note anything``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import pytest

from synaptic_crdt.errors import Forged
from synaptic_crdt.state import limits
from synaptic_crdt.state.clock import pack_timestamp
from synaptic_crdt.state.codec import Value
from synaptic_crdt.state.contract import APPLIED, Timers
from synaptic_crdt.state.feeds import Piece, Truncation, encode_body, seal_bodies
from synaptic_crdt.state.hashes import compute_hash
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.replica import Replica
from synaptic_crdt.state.statements import Checkpoint, encode_statement
from synaptic_crdt.state.store import Store
from synaptic_crdt.state.tables import Record, Table, Tables
from synaptic_crdt.sync.blobs import NO_BLOBS, Blobs
from synaptic_crdt.sync.events import NOBODY, Event, ForkFound, Offered
from synaptic_crdt.sync.gate import Gate, KeepNothing, Writer
from synaptic_crdt.sync.inspection import Admission
from synaptic_crdt.sync.session import Session

GENESIS: Final = b"toy market"
MARKET: Final = compute_hash("market", GENESIS)
OPENED_MS: Final = 1_000_000
CLOCK_MS: Final = 2_000_000
NONCE: Final = bytes(limits.NONCE_BYTES)


class CountRow(Record, frozen=True):
    applied: int


class EndRow(Record, frozen=True):
    by: bytes
    is_closed: bool


class ToyContract:
    def __init__(self, tables: Tables, _timers: Timers) -> None:
        self.counts: Final[Table[CountRow]] = tables.declare("counts", CountRow)
        self.ends: Final[Table[EndRow]] = tables.declare(
            "ends", EndRow, {"open": lambda key, row: None if row.is_closed else (key,)}
        )

    def read(self, operation: list[Value]) -> object:
        return operation

    def apply(
        self, now: int, device: bytes, position: int, entry_id: bytes, operation: object
    ) -> int:
        del now, position
        match operation:
            case ["end", bytes(ended)]:
                self.ends.set(ended, EndRow(entry_id, is_closed=False))
            case ["open" | "note"] | ["open" | "note", object()]:
                pass
            case _:
                return 1
        row = self.counts.get(device)
        self.counts.set(device, CountRow(1 if row is None else row.applied + 1))
        return APPLIED

    def fire(self, now: int, subject: bytes) -> None:
        """Nothing here has a deadline."""

    def close_epoch(self, now: int, epoch: int) -> dict[bytes, bytes]:
        del now, epoch
        ended: dict[bytes, bytes] = {}
        for _, device in list(self.ends.index("open").ascend()):
            row = self.ends.get(device)
            assert isinstance(device, bytes)
            assert row is not None
            self.ends.set(device, EndRow(row.by, is_closed=True))
            ended[device] = row.by
        return ended


def find_issuer(device: bytes, first: Sequence[Value]) -> bytes | None:
    """Feeds begin with ``open``, the founder's, or ``open issuer``; an empty issuer is bad."""
    del device
    match first:
        case ["open", bytes(issuer)] if issuer:
            return issuer
        case ["open", bytes()]:
            raise Forged("the certificate does not verify")
        case _:
            return None


def ask_nobody(device: bytes, first: Sequence[Value]) -> bytes | None:
    del device, first
    return None


def make_replica(
    sequencer: bytes | None = None, market: bytes = MARKET, witnesses: Sequence[DeviceKey] = ()
) -> Replica:
    return Replica(
        market,
        sequencer=sequencer,
        opened_ms=OPENED_MS,
        make_contract=ToyContract,
        witnesses=[key.public for key in witnesses],
        recovery=make_key(99).public,
    )


def make_key(number: int) -> DeviceKey:
    return DeviceKey(number.to_bytes(32, "big"))


class CountingWriter:
    """Keeps in memory what a store would make durable, transaction by transaction."""

    def __init__(self) -> None:
        self.pieces: Final[list[Piece]] = []
        self.statements: Final[list[tuple[bytes, bytes]]] = []
        self.replaced_seals: Final[list[tuple[bytes, int]]] = []
        self.truncations: Final[list[Truncation]] = []
        self.transactions = 0

    def write(
        self,
        *,
        pieces: Sequence[Piece] = (),
        statements: Sequence[tuple[bytes, bytes]] = (),
        replaced_seals: Sequence[tuple[bytes, int]] = (),
        truncations: Sequence[Truncation] = (),
        dropped_statements: Sequence[bytes] = (),
    ) -> None:
        del dropped_statements
        self.transactions += 1
        self.pieces.extend(pieces)
        self.statements.extend(statements)
        self.replaced_seals.extend(replaced_seals)
        self.truncations.extend(truncations)


class Peer:
    """A replica with its gate, and writers of feeds whose timestamps never repeat."""

    def __init__(
        self,
        sequencer: DeviceKey | None = None,
        *,
        market: bytes = MARKET,
        writer: Writer | None = None,
        witnesses: Sequence[DeviceKey] = (),
    ) -> None:
        self.sequencer = sequencer
        public = None if sequencer is None else sequencer.public
        self.replica: Final = make_replica(public, market, witnesses)
        self.gate = Gate(self.replica, writer or KeepNothing(), find_issuer)
        if isinstance(writer, Store):
            self.replica.begin_with(writer.saved)

    def let_in_all(self, writer: Writer | None = None) -> "Peer":
        """From now on ask of no feed who invited it, as no honest peer does."""
        self.gate = Gate(self.replica, writer or KeepNothing(), ask_nobody)
        return self

    def write(self, key: DeviceKey, *operations: Sequence[Value]) -> None:
        """Append operations to a feed, in one batch."""
        for piece in make_pieces(self.replica, key, *operations):
            assert self.gate.admit_piece(piece) is Admission.ACCEPT

    def note(self, key: DeviceKey, count: int = 1, size: int = 10) -> None:
        self.write(key, *([["note", bytes(size)]] * count))

    def close_epoch(self) -> Checkpoint:
        assert self.sequencer is not None
        time_ms = self.replica.chain.time_ms + 1000
        checkpoint = self.replica.make_checkpoint(self.sequencer, time_ms, lambda _: True)
        assert self.gate.admit_statement(encode_statement(checkpoint)) is Admission.ACCEPT
        return checkpoint

    def copy_from(self, other: "Peer") -> None:
        """Hold all that another peer holds."""
        for feed in list(other.replica.feeds.values()):
            while (
                piece := feed.get_piece(self.replica.get_feed(feed.device).position + 1)
            ) is not None:
                assert self.gate.admit_piece(piece) is Admission.ACCEPT
        chain = other.replica.chain
        for index in range(self.replica.chain.index + 1, chain.index + 1):
            checkpoint = chain.get(index)
            assert checkpoint is not None
            self.gate.admit_statement(encode_statement(checkpoint))


def make_pieces(
    replica: Replica, key: DeviceKey, *operations: Sequence[Value]
) -> tuple[Piece, ...]:
    tip = replica.get_feed(key.public).tip
    start = max(tip.time, pack_timestamp(OPENED_MS))
    bodies = [encode_body(time, operation) for time, operation in enumerate(operations, start + 1)]
    return seal_bodies(replica.market, key, tip, bodies)


@dataclass
class End:
    """One end of the fake wire: a session and the gate that answers it."""

    peer: Peer
    live: bool = False
    nonce: bytes = NONCE
    blobs: Blobs = NO_BLOBS
    # Whose the other end is, as it has shown.
    other: bytes = NOBODY
    session: Session = field(init=False)
    events: list[Event] = field(init=False, default_factory=list[Event])
    sent: list[bytes] = field(init=False, default_factory=list[bytes])

    def __post_init__(self) -> None:
        self.session = Session(
            self.peer.replica,
            live=self.live,
            role="member",
            clock_ms=CLOCK_MS,
            nonce=self.nonce,
            budget=self.peer.gate.budget,
            peer=self.other,
            blobs=self.blobs,
        )
        self.peer.gate.news.subscribe(self.session.note_news)

    def receive(self, data: bytes) -> None:
        self.session.receive(data)
        self.settle()

    def settle(self) -> None:
        for event in self.session.take_events():
            self.events.append(event)
            if isinstance(event, Offered):
                statements = self.peer.gate.admit_statements(event.statements)
                pieces = self.peer.gate.admit_pieces(event.pieces)
                self.session.settle(pieces, statements)
            elif isinstance(event, ForkFound) and event.is_fixed:
                self.peer.replica.branches.yield_from(event.device, event.position)
        self.events.extend(self.session.take_events())

    def take_output(self) -> bytes:
        data = self.session.data_to_send()
        self.settle()
        if data:
            self.sent.append(data)
        return data

    def get_events(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]


Cut = Callable[[bytes], Sequence[bytes]]


def keep_whole(data: bytes) -> Sequence[bytes]:
    return [data]


def pump(first: End, second: End, cut: Cut = keep_whole) -> None:
    """Carry bytes both ways, in the chunks that ``cut`` makes, until neither end has any."""
    moved = True
    while moved:
        moved = False
        for source, target in ((first, second), (second, first)):
            while data := source.take_output():
                moved = True
                for chunk in cut(data):
                    target.receive(chunk)


def sync(first: Peer, second: Peer, cut: Cut = keep_whole) -> tuple[End, End]:
    """Run one session between two peers, to its end."""
    ends = End(first), End(second)
    pump(*ends, cut)
    for end in ends:
        end.peer.gate.news.unsubscribe(end.session.note_news)
    return ends


@pytest.fixture
def founder() -> DeviceKey:
    return make_key(1)
