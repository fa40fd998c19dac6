"""Forks as one replica knows them: proved from what it holds, and kept as far as they matter.

``ForkBook`` keeps of each device the lowest fork above its fixed head, which suspends it, and the
lowest at or below, which is evidence alone. So whatever order proofs and checkpoints came in, two
replicas that show each other their proofs end with the same ones, and a device that forks again
and again fills nobody's disk.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from synaptic_crdt.state.feeds import Piece
from synaptic_crdt.state.hashes import compute_body_hash, compute_chain
from synaptic_crdt.state.held import Feed
from synaptic_crdt.state.statements import Branch, ForkProof, make_fork_proof

FixedPosition = Callable[[bytes], int]


def get_branch(feed: Feed, position: int) -> Branch | None:
    """Return what is held of a feed from ``position`` to the next seal; None if none follows."""
    piece = feed.get_piece(position)
    return None if piece is None else _make_branch(piece, position)


def find_fork(feed: Feed, piece: Piece) -> int | None:
    """Return where a piece parts from a held feed; None when that is before it, or nowhere.

    The piece begins within the feed or right behind it.
    """
    if piece.predecessor != feed.get_id(piece.first - 1):
        return None
    # By their ids, which are known also of entries whose bodies are archived.
    hashes = [compute_body_hash(body) for body in piece.bodies]
    ids = enumerate(compute_chain(piece.predecessor, hashes), piece.first)
    return next(
        (
            position
            for position, chain_id in ids
            if position <= feed.position and feed.get_id(position) != chain_id
        ),
        None,
    )


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

    def get_devices(self) -> Sequence[bytes]:
        """Return the devices that are known to have forked."""
        return tuple(self._proofs)

    def get_proofs(self, device: bytes) -> Sequence[ForkProof]:
        """Return the kept proofs of one device, the lowest first."""
        return self._proofs.get(device, ())

    def get_open(self, device: bytes) -> ForkProof | None:
        """Return the proof that suspends a device: the lowest above its fixed head."""
        if device not in self._proofs:
            return None
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
