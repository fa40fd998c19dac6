"""Fork proofs: two sealed branches of one feed, shown by nothing but hashes and two seals.

A proof names exactly the position where the branches part, verifies by itself, and has one form
for two given branches. ``ForkBook`` keeps what is needed of many proofs and no more: of each
device the lowest fork above its fixed head, which suspends it, and the lowest at or below, which
is evidence alone. So whatever order proofs and checkpoints came in, two replicas that show each
other their proofs end with the same ones.

Answers devices that sign two histories, of equal or unequal length, and devices that sign many:
a proof in favour of another never costs more than its own size.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from synaptic_crdt.errors import Forged, MalformedInput
from synaptic_crdt.state import limits
from synaptic_crdt.state.codec import Value, encode_trusted
from synaptic_crdt.state.feeds import Feed, Piece, make_seal_message
from synaptic_crdt.state.hashes import compute_body_hash, compute_chain, compute_hash
from synaptic_crdt.state.keys import verify_signature

FORK_TAG: Final = "fork"

FixedPosition = Callable[[bytes], int]


class Branch(msgspec.Struct, frozen=True):
    """One history from the fork on: its body hashes joined, and the seal at their end."""

    hashes: bytes
    signature: bytes

    @property
    def first(self) -> bytes:
        """The hash of the body at the fork's position."""
        return self.hashes[: limits.HASH_BYTES]

    def compute_ids(self, predecessor: bytes) -> list[bytes]:
        """Return the chain ids of the branch, which follows ``predecessor``."""
        return compute_chain(predecessor, split_hashes(self.hashes))


class ForkProof(msgspec.Struct, frozen=True):
    """Two branches of ``device``'s feed that part at ``position``, after ``predecessor``.

    The branches ascend by their first hash, so the order says nothing about which came first.
    """

    device: bytes
    position: int
    predecessor: bytes
    branches: tuple[Branch, Branch]
    id: bytes


def get_branch(feed: Feed, position: int) -> Branch | None:
    """Return what is held of a feed from ``position`` to the next seal; None if none follows."""
    piece = feed.get_piece(position)
    return None if piece is None else _make_branch(piece, position)


def find_fork(feed: Feed, piece: Piece) -> int | None:
    """Return where a piece parts from a held feed, or None when that is before the piece.

    The piece begins within the feed or right behind it, and does not agree with it.
    """
    if piece.predecessor != feed.get_id(piece.first - 1):
        return None
    held = feed.entries[piece.first - 1 : piece.last]
    pairs = zip(held, piece.bodies, strict=False)
    return next(entry.position for entry, body in pairs if entry.body != body)


def prove_fork(market: bytes, feed: Feed, piece: Piece) -> ForkProof | None:
    """Return the proof that a piece parts from a held feed.

    None when they part before the piece, or when no seal covers what is held from there on.
    """
    position = find_fork(feed, piece)
    ours = None if position is None else get_branch(feed, position)
    if position is None or ours is None:
        return None
    theirs = _make_branch(piece, position)
    return make_fork_proof(market, feed.device, position, feed.get_id(position - 1), ours, theirs)


def make_fork_proof(
    market: bytes, device: bytes, position: int, predecessor: bytes, one: Branch, other: Branch
) -> ForkProof:
    """Return the proof made of two branches, in whichever order they are given."""
    branches = (one, other) if one.first < other.first else (other, one)
    proof_id = _compute_id(market, device, position, predecessor, branches)
    return ForkProof(device, position, predecessor, branches, proof_id)


def encode_fork_proof(proof: ForkProof) -> bytes:
    """Return the bytes of a proof as they are stored and sent."""
    one, other = proof.branches
    return encode_trusted(
        [
            FORK_TAG,
            proof.device,
            proof.position,
            proof.predecessor,
            one.hashes,
            one.signature,
            other.hashes,
            other.signature,
        ]
    )


def read_fork_proof(market: bytes, fields: Sequence[Value]) -> ForkProof:
    """Return the proof in a decoded statement, once its form and both its seals hold.

    Raises ``MalformedInput`` or ``Forged``.
    """
    match fields:
        case [
            "fork",
            bytes(device),
            int(position),
            bytes(predecessor),
            bytes(hashes),
            bytes(signature),
            bytes(other_hashes),
            bytes(other_signature),
        ]:
            branches = Branch(hashes, signature), Branch(other_hashes, other_signature)
        case _:
            raise MalformedInput(
                "a fork proof is [fork, device, position, predecessor, hashes, seal, hashes, seal]"
            )
    _check_form(device, position, predecessor, branches)
    for branch in branches:
        _check_seal(market, device, position, predecessor, branch)
    proof_id = _compute_id(market, device, position, predecessor, branches)
    return ForkProof(device, position, predecessor, branches, proof_id)


def split_hashes(hashes: bytes) -> list[bytes]:
    """Return the hashes that a byte string joins."""
    size = limits.HASH_BYTES
    return [hashes[start : start + size] for start in range(0, len(hashes), size)]


class ForkBook:
    """The proofs that one replica keeps: of each device at most two."""

    __slots__ = ("_dropped", "_get_fixed", "_proofs")

    def __init__(self, get_fixed: FixedPosition) -> None:
        self._get_fixed: Final = get_fixed
        self._proofs: Final[dict[bytes, tuple[ForkProof, ...]]] = {}
        self._dropped: Final[list[bytes]] = []

    def __iter__(self) -> Iterator[ForkProof]:
        """Yield the kept proofs by device, in the order in which devices were found out."""
        for proofs in self._proofs.values():
            yield from proofs

    def get_proofs(self, device: bytes) -> Sequence[ForkProof]:
        """Return the kept proofs of one device, the lowest first."""
        return self._proofs.get(device, ())

    def get_open(self, device: bytes) -> ForkProof | None:
        """Return the proof that suspends a device: the lowest above its fixed head."""
        fixed = self._get_fixed(device)
        return next((proof for proof in self.get_proofs(device) if proof.position > fixed), None)

    def is_news(self, proof: ForkProof) -> bool:
        """Would ``add`` keep this proof, and was it not kept before?"""
        kept = self.get_proofs(proof.device)
        return proof.id not in _get_ids(kept) and proof in self._choose((*kept, proof))

    def add(self, proof: ForkProof) -> None:
        """Keep a verified proof that is news, in place of those that it makes superfluous."""
        self._keep(proof.device, (*self.get_proofs(proof.device), proof))

    def prune(self, device: bytes) -> None:
        """Drop what a device's new fixed head makes superfluous."""
        if device in self._proofs:
            self._keep(device, self._proofs[device])

    def take_dropped(self) -> list[bytes]:
        """Return the ids of proofs that are no longer kept, once."""
        dropped = list(self._dropped)
        self._dropped.clear()
        return dropped

    def _keep(self, device: bytes, proofs: Sequence[ForkProof]) -> None:
        chosen = self._choose(proofs)
        self._dropped.extend(proof.id for proof in proofs if proof not in chosen)
        self._proofs[device] = chosen

    def _choose(self, proofs: Sequence[ForkProof]) -> tuple[ForkProof, ...]:
        fixed = self._get_fixed(proofs[0].device)
        ascending = sorted(proofs, key=lambda proof: (proof.position, proof.id))
        settled = [proof for proof in ascending if proof.position <= fixed]
        above = [proof for proof in ascending if proof.position > fixed]
        return (*settled[:1], *above[:1])


def _get_ids(proofs: Sequence[ForkProof]) -> list[bytes]:
    return [proof.id for proof in proofs]


def _make_branch(piece: Piece, position: int) -> Branch:
    bodies = piece.bodies[position - piece.first :]
    return Branch(b"".join(compute_body_hash(body) for body in bodies), piece.signature)


def _check_form(
    device: bytes, position: int, predecessor: bytes, branches: tuple[Branch, Branch]
) -> None:
    if len(device) != limits.HASH_BYTES or len(predecessor) != limits.HASH_BYTES:
        raise MalformedInput("fork proof: device and predecessor have 32 bytes each")
    # A bool matches int() in a pattern, so the exact type is asked for.
    if type(position) is not int or not 1 <= position <= limits.POSITION_MAX:
        raise MalformedInput(f"fork proof: position {position!r:.40} is out of bounds")
    for branch in branches:
        count, rest = divmod(len(branch.hashes), limits.HASH_BYTES)
        if rest or not 1 <= count <= limits.WINDOW_ENTRIES:
            raise MalformedInput(
                f"fork proof: a branch of {len(branch.hashes)} bytes, expected 32 for each of 1 to"
                f" {limits.WINDOW_ENTRIES} entries"
            )
        if position + count - 1 > limits.POSITION_MAX:
            raise MalformedInput("fork proof: a branch goes beyond the last position")
    if branches[0].first >= branches[1].first:
        raise MalformedInput("fork proof: the branches' first hashes do not ascend")


def _check_seal(
    market: bytes, device: bytes, position: int, predecessor: bytes, branch: Branch
) -> None:
    ids = branch.compute_ids(predecessor)
    end = position + len(ids) - 1
    message = make_seal_message(market, end, ids[-1])
    if not verify_signature(device, "seal", message, branch.signature):
        raise Forged(f"fork proof of {device.hex()[:16]}: the seal at {end} does not verify")


def _compute_id(
    market: bytes,
    device: bytes,
    position: int,
    predecessor: bytes,
    branches: tuple[Branch, Branch],
) -> bytes:
    one, other = branches
    fields = [FORK_TAG, device, position, predecessor, one.hashes, other.hashes]
    return compute_hash("fork", market, encode_trusted(fields))
