"""What lies in files that others carry: bundles, encrypted files, Automerge changes, memories."""

from collections.abc import Iterator, Sequence
from functools import cache
from io import BytesIO
from random import Random
from typing import Final

import msgspec

from synaptic_crdt.errors import (
    Forged,
    MalformedInput,
    NoReadKey,
    UsageError,
    VersionMismatch,
    WrongMarket,
)
from synaptic_crdt.node.documents import admit_document
from synaptic_crdt.node.node import Market
from synaptic_crdt.rules.invariants import check_market
from synaptic_crdt.state.changes import (
    encode_root_change,
    read_root_change,
)
from synaptic_crdt.state.chunks import find_broken_chunk
from synaptic_crdt.state.codec import decode, encode_trusted
from synaptic_crdt.state.document import read_changes
from synaptic_crdt.state.feeds import Piece, make_seal_message
from synaptic_crdt.state.hashes import compute_body_hash, compute_chain, start_hash
from synaptic_crdt.state.interchange import sort_out, write_changes
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.limits import FRAME_BYTES, HASH_BYTES, MIB
from synaptic_crdt.sync.gate import KeepNothing
from synaptic_crdt.sync.read_keys import SEALED_HEAD_BYTES, ReadKeys, is_sealed
from synaptic_crdt.sync.transports.bundle import Merged, merge
from synaptic_crdt.sync.transports.bundle_format import (
    HEAD,
    check_whole,
    get_pieces,
    pour_records,
)
from synaptic_crdt.sync.transports.contents import Contents, Coverage, Stretch
from synaptic_crdt.sync.transports.known import Known, encode_known, recall
from tests.fuzzing.changes import change_bytes, make_frames_change
from tests.fuzzing.target import Target
from tests.fuzzing.targets.format import read_vectors
from tests.sync.conftest import MARKET

_LIES: Final = (Forged, MalformedInput, UsageError, VersionMismatch, WrongMarket)
_LIFE: Final = "market-life.json"
# Of the life of the vectors, as many pieces as make a small market.
_PIECES: Final = 18


def run_bundle(data: bytes) -> None:
    """Read a bundle whose checksum was made to fit: nothing of it, or what everybody agrees on."""
    hasher = start_hash("bundle")
    hasher.update(data)
    for whole in (data, data + hasher.digest()):
        market = Market(get_genesis())
        try:
            merged = read(market, whole)
        except _LIES:
            # Everything is verified before anything is admitted.
            assert not market.replica.entries
            continue
        check_market(market.contract.market)
        if merged.report.entries_new:
            check_copy(market)


def read(market: Market, data: bytes) -> Merged:
    file = BytesIO(data)
    check_whole("a file", file)
    return merge("a file", file, market.make_gate(KeepNothing()))


def check_copy(market: Market) -> None:
    """A bundle of what a market holds brings just that to somebody else."""
    other = Market(get_genesis())
    read(other, write(market))
    assert other.replica.root == market.replica.root
    assert other.replica.entries == market.replica.entries


def write(market: Market) -> bytes:
    file = BytesIO()
    replica = market.replica
    pour_records(file, market.genesis_bytes, get_pieces(replica), replica.get_statements())
    return file.getvalue()


def get_genesis() -> bytes:
    return bytes.fromhex(read_vectors(_LIFE)["genesis"])


@cache
def get_keys() -> dict[bytes, DeviceKey]:
    seeds = read_vectors(_LIFE)["seeds of devices"].values()
    return {key.public: key for key in (DeviceKey(bytes.fromhex(seed)) for seed in seeds)}


@cache
def make_markets() -> Sequence[Market]:
    """Return the market after some pieces, and after some more and its first checkpoints."""
    markets: list[Market] = []
    for count in (2, _PIECES):
        market = Market(get_genesis())
        gate = market.make_gate(KeepNothing())
        for step in read_vectors(_LIFE)["steps"][:count]:
            if "bodies" in step:
                gate.admit_piece(read_step(step))
            else:
                gate.admit_statement(bytes.fromhex(step["statement"]))
        markets.append(market)
    return markets


def read_step(step: dict[str, object]) -> Piece:
    texts = msgspec.convert(step["bodies"], list[str])
    return Piece(
        bytes.fromhex(str(step["device"])),
        msgspec.convert(step["first"], int),
        bytes.fromhex(str(step["predecessor"])),
        tuple(map(bytes.fromhex, texts)),
        bytes.fromhex(str(step["seal"])),
    )


@cache
def make_bundles() -> Sequence[bytes]:
    """Return bundles without their checksums."""
    return [write(market)[:-HASH_BYTES] for market in make_markets()]


def repair_pieces(payloads: list[bytes]) -> None:
    """Seal again what follows each header."""
    for place, payload in enumerate(payloads[:-1]):
        try:
            header, bodies = decode(payload, FRAME_BYTES), decode(payloads[place + 1], FRAME_BYTES)
        except MalformedInput:
            continue
        match header, bodies:
            case (
                ["piece", bytes(device), int(first), bytes(before), *_],
                ["bodies", [bytes(), *_] as items],
            ) if 0 <= first < MIB and device in get_keys():
                found = [each for each in items if isinstance(each, bytes)]
                head = compute_chain(before, list(map(compute_body_hash, found)))[-1]
                message = make_seal_message(Market(get_genesis()).id, first + len(found) - 1, head)
                seal = get_keys()[device].sign("seal", message)
                size = sum(map(len, found))
                payloads[place] = encode_trusted(
                    ["piece", device, first, before, len(found), size, seal]
                )
            case _:
                pass


def run_sealed(data: bytes) -> None:
    """An encrypted file opens to what was put in, or is refused, before and behind the cipher."""
    keys = ReadKeys(MARKET, [b"k" * 32])
    sealed = BytesIO()
    keys.seal(BytesIO(data), sealed)
    opened = BytesIO()
    assert is_sealed(sealed.getvalue())
    keys.unseal("a file", BytesIO(sealed.getvalue()), opened)
    assert opened.getvalue() == data
    try:
        keys.unseal("a file", BytesIO(data), BytesIO())
    except (Forged, MalformedInput, NoReadKey, VersionMismatch):
        return
    raise AssertionError("bytes that no holder of the key wrote were decrypted")


def make_sealed() -> Sequence[bytes]:
    """Return the heads of files under a known key and another one, then nothing that decrypts."""
    seeds = [b"", b"plain"]
    for secret in (b"k" * 32, b"l" * 32):
        sealed = BytesIO()
        ReadKeys(MARKET, [secret]).seal(BytesIO(), sealed)
        seeds.append(sealed.getvalue()[:SEALED_HEAD_BYTES] + bytes(60))
    return seeds


def run_changes(data: bytes) -> None:
    """What the process that opens Automerge files tells: of what it reads each byte is ours."""
    market = Market(get_genesis())
    changes = list(read_changes(BytesIO(data), MIB))
    for _, change in changes:
        root = read_root_change(change)
        assert root is None or encode_root_change(*root) == change
    try:
        document = sort_out(changes, market.id)
    except (MalformedInput, WrongMarket):
        return
    admit_document(market.make_gate(KeepNothing()), document)
    check_market(market.contract.market)


def make_change_streams() -> Sequence[bytes]:
    return [pack(market) for market in make_markets()]


def pack(market: Market) -> bytes:
    """Return a document's changes as ``document.take_apart`` writes them."""
    replica = market.replica
    exporter = bytes(range(HASH_BYTES))
    feeds = list(replica.feeds.values())
    changes = write_changes(
        market.id, market.genesis_bytes, feeds, replica.get_statements(), exporter
    )
    actors = list_actors(market, exporter)
    return b"".join(
        actor + len(change).to_bytes(4, "big") + change
        for actor, change in zip(actors, changes, strict=False)
    )


def list_actors(market: Market, exporter: bytes) -> Iterator[bytes]:
    """Yield the actor of each change, in the order in which they are written."""
    yield market.id
    for feed in market.replica.feeds.values():
        for _ in range(feed.end):
            yield feed.device
    while True:
        yield exporter


def run_chunks(data: bytes) -> None:
    """Where a file is damaged is said for any bytes, and lies within them."""
    flaw = find_broken_chunk(BytesIO(data), len(data))
    if flaw is not None:
        _, start, _, rest = flaw.split(" ", 3)
        assert 0 <= int(start) <= len(data)
        assert int(rest.partition(":")[0]) <= max(len(data), int(start))


def make_chunks() -> Sequence[bytes]:
    market = make_markets()[0]
    replica = market.replica
    changes = list(
        write_changes(
            market.id, market.genesis_bytes, replica.feeds.values(), (), bytes(range(HASH_BYTES))
        )
    )
    return [b"".join(changes[:1]), b"".join(changes[:3])]


def run_memory(data: bytes) -> None:
    """What a home remembers of a folder: of damage nothing is believed."""
    market = make_markets()[1]
    known = recall(data, market.replica)
    coverage = Coverage(market.replica, [each.contents for each in known.values()])
    coverage.find_missing()
    # What is remembered again is the same.
    assert recall(encode_known(known), market.replica) == known


def make_memories() -> Sequence[bytes]:
    replica = make_markets()[1].replica
    feeds = {
        feed.device: Stretch(1, feed.position, feed.get_id(feed.position))
        for feed in replica.feeds.values()
    }
    statements = frozenset(each.id for each in replica.walk_statements())
    contents = Contents(feeds, statements)
    return [encode_known({}), encode_known({"a": Known(contents, 100), "b": Known(contents, 1)})]


def change_packed(data: bytes, random: Random) -> bytes:
    """Return a stream of changes of which one was changed, moved, repeated or left out."""
    changes = list(read_changes(BytesIO(data), MIB))
    if not changes or not random.randrange(8):
        return change_bytes(data, random)
    place = random.randrange(len(changes))
    actor, change = changes[place]
    match random.randrange(5):
        case 0:
            del changes[place]
        case 1:
            changes.insert(random.randrange(len(changes)), changes[place])
        case 2:
            changes[place] = random.choice(changes)[0], change
        case 3:
            changes[place] = change_bytes(actor, random)[:HASH_BYTES].ljust(HASH_BYTES), change
        case _:
            changes[place] = actor, change_bytes(change, random)
    return b"".join(a + len(c).to_bytes(4, "big") + c for a, c in changes)


FILE_TARGETS: Final = (
    Target(
        "bundle",
        run_bundle,
        make_bundles,
        make_frames_change(len(HEAD), make_bundles, repair_pieces),
        weight=10,
    ),
    Target("sealed", run_sealed, make_sealed, change_bytes),
    Target("changes", run_changes, make_change_streams, change_packed, weight=3),
    Target("chunks", run_chunks, make_chunks, change_bytes),
    Target("memory", run_memory, make_memories, change_bytes),
)
