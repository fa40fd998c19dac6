"""The doors of the frozen format: values, entries, the genesis, statements, pieces, proofs."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, Final

from synaptic_crdt.errors import Forged, ForkSeen, MalformedInput
from synaptic_crdt.rules.form import parse_fork, read_operation
from synaptic_crdt.rules.genesis import decode_genesis, encode_genesis
from synaptic_crdt.rules.operations import encode_operation, parse_operation
from synaptic_crdt.rules.proofs import view_entry, view_rows
from synaptic_crdt.rules.verdicts import Refusal
from synaptic_crdt.state.codec import Value, decode, decode_body, encode, encode_trusted
from synaptic_crdt.state.feeds import (
    Piece,
    encode_body,
    make_seal_message,
    seal_bodies,
    verify_piece,
)
from synaptic_crdt.state.hashes import compute_body_hash, compute_chain
from synaptic_crdt.state.held import Feed
from synaptic_crdt.state.limits import MIB
from synaptic_crdt.state.proofs import ProvenEntry, verify_proof
from synaptic_crdt.state.statements import (
    ForkProof,
    encode_statement,
    make_proposal,
    sign_cosignature,
    sign_handover,
    verify_statement,
)
from synaptic_crdt.state.statements.form import compute_statement_id
from tests.forking import sign_fork
from tests.fuzzing.changes import change_item, change_value
from tests.fuzzing.target import Target
from tests.sync.conftest import MARKET, Peer, make_key

VECTORS: Final = Path(__file__).parents[2] / "vectors"
_SIGNED: Final = ("checkpoint", "cosignature", "handover")
_SIGNER: Final = make_key(1)


@cache
def read_vectors(name: str) -> dict[str, Any]:
    """Return a file of vectors."""
    return json.loads((VECTORS / name).read_text("utf-8"))


def run_codec(data: bytes) -> None:
    """The first door: what is taken has one encoding, and is taken whatever its length limit."""
    try:
        value = decode(data, MIB)
    except MalformedInput:
        return
    assert encode(value) == data
    assert encode_trusted(value) == data


def run_body(data: bytes) -> None:
    """The second door: an operation or a verdict, and the same bytes on the way back."""
    try:
        time, fields = decode_body(data)
    except MalformedInput:
        return
    assert encode_body(time, fields) == data
    operation = read_operation(fields)
    if isinstance(operation, Refusal):
        assert operation.verdict
        return
    assert encode_operation(operation) == fields
    assert parse_operation(encode_operation(operation)) == operation


def run_genesis(data: bytes) -> None:
    """A genesis is within its bounds, or is none."""
    try:
        genesis = decode_genesis(data)
    except MalformedInput:
        return
    assert encode_genesis(genesis) == data


def run_statement(data: bytes) -> None:
    """A statement verifies, and is stored and sent as it came."""
    try:
        statement = verify_statement(MARKET, data)
    except (Forged, MalformedInput):
        return
    assert encode_statement(statement) == data
    assert verify_statement(MARKET, data) == statement


def run_fork(data: bytes) -> None:
    """The proof in an entry that reports a fork."""
    try:
        fork = parse_fork(data)
    except MalformedInput:
        return
    assert fork.branches[0].first < fork.branches[1].first


def run_proof(data: bytes) -> None:
    """A proof for people leads to its root and can be told, or is none."""
    vectors = read_vectors("proofs.json")
    market, root = bytes.fromhex(vectors["market"]), bytes.fromhex(vectors["root"])
    try:
        proven = verify_proof(market, root, data)
    except (Forged, MalformedInput):
        return
    json.dumps(view_entry(proven) if isinstance(proven, ProvenEntry) else view_rows(proven.rows))


def run_piece(data: bytes) -> None:
    """A piece of a feed verifies as a whole, or nothing of it is taken."""
    piece = read_piece(data)
    if piece is None:
        return
    tip = Feed(MARKET, piece.device).tip
    try:
        entries, end = verify_piece(MARKET, tip, piece)
    except (Forged, ForkSeen, MalformedInput):
        return
    assert end.position == len(entries) == len(piece.bodies)
    assert [entry.id for entry in entries][-1] == end.head


def read_piece(data: bytes) -> Piece | None:
    """Return the piece of [first, predecessor, [body, ...], signature], its device the signer's."""
    try:
        value = decode(data, MIB)
    except MalformedInput:
        return None
    match value:
        case [int(first), bytes(predecessor), [*bodies], bytes(signature)] if type(first) is int:
            kept = tuple(body for body in bodies if isinstance(body, bytes))
            return Piece(_SIGNER.public, first, predecessor, kept, signature)
        case _:
            return None


def change_signed(data: bytes, random: Random) -> bytes:
    """Return a statement that was changed, and signed again for the most part."""
    try:
        value = decode(data, MIB)
    except MalformedInput:
        return change_value(data, random)
    changed = change_item(value, random)
    if random.randrange(4) and isinstance(changed, list):
        sign_again(changed)
    return encode_trusted(changed)


def sign_again(fields: list[Value]) -> None:
    """Sign the fields of a statement by the key of whoever may sign all there is."""
    if len(fields) > 2 and fields[0] in _SIGNED:
        tag: Any = fields[0]
        fields[-2] = _SIGNER.public
        try:
            fields[-1] = _SIGNER.sign(tag, compute_statement_id(tag, MARKET, fields[:-1]))
        except MalformedInput:
            return


def make_values() -> Sequence[bytes]:
    return [bytes.fromhex(text) for text in read_vectors("format.json")["encodings"].values()]


def make_bodies() -> Sequence[bytes]:
    """One body of each kind of operation in the lives of the markets of the vectors."""
    bodies: dict[object, bytes] = {}
    for name in (
        "market-life.json",
        "market-devices.json",
        "market-council.json",
        "market-offers.json",
    ):
        for step in read_vectors(name)["steps"]:
            for text in step.get("bodies", ()):
                body = bytes.fromhex(text)
                bodies.setdefault(decode_body(body)[1][0], body)
    return list(bodies.values())


def make_genesis_seeds() -> Sequence[bytes]:
    names = ("market-life.json", "market-council.json", "market-offers.json")
    return [bytes.fromhex(read_vectors(name)["genesis"]) for name in names]


@cache
def make_statements() -> Sequence[bytes]:
    peer = Peer(make_key(1))
    peer.note(make_key(1), 2)
    peer.note(make_key(2), 3)
    statements = [encode_statement(peer.close_epoch())]
    checkpoint = peer.replica.chain.get(1)
    assert checkpoint is not None
    return [*statements, *make_more_statements(checkpoint.id)]


def make_more_statements(checkpoint: bytes) -> Sequence[bytes]:
    cosignature = sign_cosignature(MARKET, _SIGNER, view=0, index=1, checkpoint=checkpoint)
    proposal = make_proposal(
        MARKET, view=1, index=1, origin=checkpoint, sequencer=_SIGNER.public, witnesses=[]
    )
    handover = sign_handover(MARKET, _SIGNER, proposal, newest_index=1, newest=checkpoint)
    return [encode_statement(each) for each in (cosignature, handover, *make_forks())]


def make_forks() -> Sequence[ForkProof]:
    return [sign_fork(MARKET, make_key(2)), sign_fork(MARKET, make_key(2), 3, (2, 1))]


def make_proofs() -> Sequence[bytes]:
    return [bytes.fromhex(text) for text in read_vectors("proofs.json")["proofs"].values()]


def make_piece_seeds() -> Sequence[bytes]:
    notes: list[list[Value]] = [["note", b"x"]] * 3
    return [seal_again(notes[:1]), seal_again(notes)]


def seal_again(operations: Sequence[list[Value]]) -> bytes:
    tip = Feed(MARKET, _SIGNER.public).tip
    bodies = [encode_body(time, each) for time, each in enumerate(operations, 1)]
    [piece] = seal_bodies(MARKET, _SIGNER, tip, bodies)
    return encode_trusted([1, piece.predecessor, list(bodies), piece.signature])


def change_piece(data: bytes, random: Random) -> bytes:
    """Return a piece that was changed, and sealed again for the most part."""
    piece = read_piece(change_value(data, random))
    if piece is None or not piece.bodies or not random.randrange(4):
        return change_value(data, random)
    bodies = list(piece.bodies)
    place = random.randrange(len(bodies))
    bodies[place] = change_value(bodies[place], random)
    head = compute_chain(piece.predecessor, [compute_body_hash(body) for body in bodies])[-1]
    last = piece.first + len(bodies) - 1
    if not 0 <= last < 2**63:
        return change_value(data, random)
    seal = _SIGNER.sign("seal", make_seal_message(MARKET, last, head))
    return encode_trusted([piece.first, piece.predecessor, bodies, seal])


FORMAT_TARGETS: Final = (
    Target("codec", run_codec, make_values, change_value),
    Target("body", run_body, make_bodies, change_value, weight=3),
    Target("genesis", run_genesis, make_genesis_seeds, change_value),
    Target("statement", run_statement, make_statements, change_signed, weight=2),
    Target(
        "fork",
        run_fork,
        lambda: [encode_statement(proof) for proof in make_forks()],
        change_value,
    ),
    Target("piece", run_piece, make_piece_seeds, change_piece),
    Target("proof", run_proof, make_proofs, change_value),
)
