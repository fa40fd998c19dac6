"""Proofs: what a state root commits to, believed without the state.

A proof says of rows what they hold, or that they are not there, or of one entry who wrote it,
where, and what became of it; nothing else of the market need be shown. Whoever has it checks it
against a root and a market id that are known from elsewhere: a checkpoint, a peer, a newspaper.
Its size grows with the logarithm of the state's.

What a proof does not say: that its root is the market's. And an entry's proof shows no other
entry, but the proof that a row is absent may show one row of another key, by its hashed place.

Answers altered, cut, lengthened and re-encoded proofs, leaves passed off as nodes and nodes as
leaves (they are hashes of different kinds), and paths that end elsewhere than the row's own.
"""

from collections.abc import Sequence
from typing import Any, Final, TypeVar

import msgspec

from synaptic_crdt.errors import Forged, MalformedInput
from synaptic_crdt.state import limits, merkle
from synaptic_crdt.state.codec import Value, decode, decode_body, encode
from synaptic_crdt.state.feeds import compute_origin
from synaptic_crdt.state.hashes import compute_body_hash, compute_entry_id, compute_hash
from synaptic_crdt.state.tables import Key

ROWS_TAG: Final = "rows"
ENTRY_TAG: Final = "entry"
EPOCHS_TABLE: Final = "epochs"

_KEY_TYPES: Final = {bytes, str, int}
_COUNT_MAX: Final = limits.INTEGER_MAX
_VERDICT_MAX: Final = 2**32 - 1
_EPOCH_BYTES: Final = 8
# How a sibling without rows is written.
NO_ROWS: Final = b""

# A row as the array of its fields.
PlainRow = list[Any]
T = TypeVar("T", bound=msgspec.Struct)


class OtherRow(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The row that stands alone where the path to an absent one ends."""

    place: bytes
    row: PlainRow


class RowProof(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One row, or None for its absence, and its path: siblings from the root of the tree down.

    ``key`` and ``row`` are plain values. A sibling without rows is empty bytes.
    """

    table: str
    key: bytes | tuple[Any, ...]
    row: PlainRow | None
    siblings: tuple[bytes, ...]
    other: OtherRow | None


class RowsProof(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Rows of one state."""

    epoch: int
    time_ms: int
    rows: tuple[RowProof, ...]


class EntryProof(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One entry of a closed epoch: its own content, its verdict, and its path to the epoch's row.

    ``index`` is its place in the epoch, from 0; siblings are those of the verdict tree from the
    bottom up.
    """

    epoch: int
    time_ms: int
    epoch_row: RowProof
    device: bytes
    position: int
    predecessor: bytes
    body: bytes
    verdict: int
    index: int
    siblings: tuple[bytes, ...]


class ProvenRow(msgspec.Struct, frozen=True):
    """What a root says of one row: its fields as an array, or None when it is not there."""

    table: str
    key: Key
    row: PlainRow | None


class ProvenRows(msgspec.Struct, frozen=True):
    """What was proven of the state after ``epoch`` closed epochs, at a market time."""

    epoch: int
    time_ms: int
    rows: tuple[ProvenRow, ...]


class ProvenEntry(msgspec.Struct, frozen=True):
    """What was proven of an entry.

    ``included`` is the epoch that holds it, ``index`` its place there from 0, ``count`` the number
    of entries there, ``closed_ms`` that epoch's time; ``epoch`` and ``time_ms`` are the root's.
    """

    epoch: int
    time_ms: int
    included: int
    closed_ms: int
    index: int
    count: int
    device: bytes
    position: int
    id: bytes
    time: int
    operation: list[Value]
    verdict: int


def encode_proof(proof: RowsProof | EntryProof) -> bytes:
    """Return the bytes of a proof."""
    tag = ROWS_TAG if isinstance(proof, RowsProof) else ENTRY_TAG
    fields = msgspec.to_builtins(proof, builtin_types=(bytes,))
    return encode([tag, *fields])


def verify_proof(market: bytes, root: bytes, data: bytes) -> ProvenRows | ProvenEntry:
    """Return what ``data`` proves under the state root of a market.

    Raises ``MalformedInput`` when it is no proof, ``Forged`` when it does not lead to the root.
    """
    # 1. One canonical value, of one of two shapes.
    proof = _decode_proof(data)
    # 2. Every row's path begins at the same tree.
    rows = proof.rows if isinstance(proof, RowsProof) else (proof.epoch_row,)
    trees = {_compute_tree(row) for row in rows}
    if len(trees) != 1:
        raise Forged("the rows of the proof are of two different states")
    # 3. That tree, with market, epoch and time, is the root.
    computed = compute_hash(
        "root",
        market,
        proof.epoch.to_bytes(8, "big"),
        proof.time_ms.to_bytes(8, "big"),
        trees.pop(),
    )
    if computed != root:
        raise Forged(
            f"in market {market.hex()} the proof leads to the root {computed.hex()}, not to"
            f" {root.hex()}: it is altered, or of another market or another state"
        )
    if isinstance(proof, RowsProof):
        return ProvenRows(proof.epoch, proof.time_ms, tuple(map(_to_proven, rows)))
    # 4. The entry's path ends in the epoch's row.
    return _verify_entry(market, proof)


def _decode_proof(data: bytes) -> RowsProof | EntryProof:
    try:
        value = decode(data, limits.PROOF_BYTES)
    except MalformedInput as error:
        raise MalformedInput(f"no proof: {error}") from error
    match value:
        case ["rows", *fields]:
            proof = _convert(fields, RowsProof)
            _check_state(proof.epoch, proof.time_ms)
            _check_rows(proof.rows)
            return proof
        case ["entry", *fields]:
            proof = _convert(fields, EntryProof)
            _check_state(proof.epoch, proof.time_ms)
            _check_rows((proof.epoch_row,))
            _check_entry(proof)
            return proof
        case _:
            raise MalformedInput("a proof begins with 'rows' or 'entry'")


def _convert(fields: list[Value], kind: type[T]) -> T:
    try:
        return msgspec.convert(fields, kind, builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        raise MalformedInput(f"not the fields of a proof: {error}") from error


def _check_state(epoch: int, time_ms: int) -> None:
    if not (0 <= epoch <= _COUNT_MAX and 0 <= time_ms <= _COUNT_MAX):
        raise MalformedInput(f"epoch {epoch} or time {time_ms} is below nothing")


def _check_rows(rows: Sequence[RowProof]) -> None:
    if not 1 <= len(rows) <= limits.PROOF_ROWS:
        raise MalformedInput(f"{len(rows)} rows, expected 1 to {limits.PROOF_ROWS}")
    for row in rows:
        _check_row(row)
    if len({(row.table, row.key) for row in rows}) < len(rows):
        raise MalformedInput("one row is proven twice")


def _check_row(proof: RowProof) -> None:
    # By their exact types: a bool is no part of a key.
    if isinstance(proof.key, tuple) and not {type(part) for part in proof.key} <= _KEY_TYPES:
        raise MalformedInput("a key is bytes, or an array of bytes, texts and integers")
    siblings = proof.siblings
    if len(siblings) > limits.PLACE_BITS:
        raise MalformedInput(f"{len(siblings)} siblings, a path has at most {limits.PLACE_BITS}")
    for sibling in siblings:
        if sibling != NO_ROWS:
            _check_hash("a sibling", sibling)
            if sibling == merkle.EMPTY_HASH:
                raise MalformedInput("a sibling without rows is written as no bytes")
    # Beside the end of a path there is always something, or the path would end above.
    if siblings and siblings[-1] == NO_ROWS:
        raise MalformedInput("the path goes on where its row would stand alone")
    if proof.other is None:
        return
    if proof.row is not None:
        raise MalformedInput("a row that is there needs no other one")
    _check_hash("the other row's place", proof.other.place)
    place = merkle.compute_row_key(proof.table, proof.key)
    if proof.other.place == place or not _share_path(proof.other.place, place, len(siblings)):
        raise MalformedInput("the other row does not stand where the absent one's path ends")


def _check_entry(proof: EntryProof) -> None:
    for name, value in (("device", proof.device), ("predecessor", proof.predecessor)):
        _check_hash(name, value)
    for sibling in proof.siblings:
        _check_hash("a sibling", sibling)
    if not 1 <= proof.position <= limits.POSITION_MAX:
        raise MalformedInput(f"position {proof.position} is outside 1 to {limits.POSITION_MAX}")
    if not 0 <= proof.verdict <= _VERDICT_MAX:
        raise MalformedInput(f"verdict {proof.verdict} is outside 0 to {_VERDICT_MAX}")
    row = proof.epoch_row
    if row.table != EPOCHS_TABLE or not _is_epoch_key(row.key):
        raise MalformedInput("the entry's row is not that of an epoch")
    match row.row:
        case [int(time_ms), int(count), bytes(verdicts)]:
            _check_state(0, time_ms)
            _check_hash("the verdicts' root", verdicts)
            if not 0 <= proof.index < count:
                raise MalformedInput(f"entry {proof.index} of {count}")
        case _:
            raise MalformedInput("the epoch's row is not [time, entries, verdicts]")


def _is_epoch_key(key: Key) -> bool:
    return isinstance(key, bytes) and len(key) == _EPOCH_BYTES


def _check_hash(name: str, value: bytes) -> None:
    if len(value) != limits.HASH_BYTES:
        raise MalformedInput(f"{name} has {len(value)} bytes, expected {limits.HASH_BYTES}")


def _share_path(place: bytes, other: bytes, depth: int) -> bool:
    return all(merkle.get_bit(place, bit) == merkle.get_bit(other, bit) for bit in range(depth))


def _compute_tree(proof: RowProof) -> bytes:
    """Return the hash of the tree that a row's path leads up to."""
    place = merkle.compute_row_key(proof.table, proof.key)
    if proof.row is not None:
        end = merkle.compute_plain_leaf(place, proof.row)
    elif proof.other is not None:
        end = merkle.compute_plain_leaf(proof.other.place, proof.other.row)
    else:
        end = merkle.EMPTY_HASH
    siblings = [item or merkle.EMPTY_HASH for item in proof.siblings]
    return merkle.compute_tree_hash(place, end, siblings)


def _to_proven(proof: RowProof) -> ProvenRow:
    return ProvenRow(proof.table, proof.key, proof.row)


def _verify_entry(market: bytes, proof: EntryProof) -> ProvenEntry:
    row, key = proof.epoch_row.row, proof.epoch_row.key
    # Their types were checked when the proof was read.
    assert row is not None
    assert isinstance(key, bytes)
    closed_ms, count, verdicts = row
    assert isinstance(closed_ms, int)
    assert isinstance(count, int)
    if proof.position == 1 and proof.predecessor != compute_origin(market, proof.device):
        raise Forged("the first entry of a feed follows the feed's origin, and this one does not")
    entry_id = compute_entry_id(proof.predecessor, compute_body_hash(proof.body))
    leaf = merkle.compute_verdict_leaf(proof.device, proof.position, entry_id, proof.verdict)
    computed = merkle.compute_verdicts_root_from(leaf, proof.index, count, proof.siblings)
    if computed is None:
        raise MalformedInput(
            f"{len(proof.siblings)} siblings are not those of entry {proof.index} of {count}"
        )
    if computed != verdicts:
        raise Forged(
            f"entry {entry_id.hex()} with this author, position and verdict is not entry"
            f" {proof.index} of its epoch"
        )
    time, operation = decode_body(proof.body)
    return ProvenEntry(
        epoch=proof.epoch,
        time_ms=proof.time_ms,
        included=int.from_bytes(key, "big"),
        closed_ms=closed_ms,
        index=proof.index,
        count=count,
        device=proof.device,
        position=proof.position,
        id=entry_id,
        time=time,
        operation=operation,
        verdict=proof.verdict,
    )
